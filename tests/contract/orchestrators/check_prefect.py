"""The recipe for Prefect: its flow runs, is tried again after 75, and after no other code."""

import os
import tempfile

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="axsync-prefect-")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"

from prefect.testing.utilities import prefect_test_harness
from stage import calls, check, ends_with, published, recipe

module = recipe("prefect_flow")
module.run.retry_delay_seconds = 0


def succeeded() -> bool:
    return module.axsync(return_state=True).is_completed()


with prefect_test_harness(server_startup_timeout=120):
    ends_with()
    check("a real run succeeds", succeeded(), True)
    check("and publishes", published(), True)
    ends_with(75, 75)
    check("after 75 it is tried again", (succeeded(), calls()), (True, 3))
    for code in (1, 2, 3, 4, 5):
        ends_with(code)
        check(f"after {code} it is not", (succeeded(), calls()), (False, 1))
