"""The recipe for Airflow: it imports, its task runs, is tried again after 75, and after no other code."""

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import timedelta

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="axsync-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = tempfile.mkdtemp(prefix="axsync-dags-")


def airflow(*words: str, must: bool = True) -> int:
    """One command of Airflow; its exit code."""
    return subprocess.run(["airflow", *words], check=must, stdout=sys.stderr).returncode


airflow("db", "migrate")

from airflow.exceptions import AirflowException, AirflowFailException
from stage import RECIPES, calls, check, ends_with, published, recipe

module = recipe("airflow_dag")
found = module.axsync()
task = found.get_task("run")
check("the task is tried so often", (task.retries, task.retry_delay), (6, timedelta(minutes=10)))
check("one run at a time, none for past days", (found.max_active_runs, found.catchup), (1, False))


def raised() -> str:
    """The error by which Airflow decides: AirflowFailException is never tried again."""
    try:
        task.python_callable()
    except AirflowFailException:
        return "failed for good"
    except AirflowException:
        return "to be tried again"
    return "done"


ends_with(75)
check("75", (raised(), calls()), ("to be tried again", 1))
for code in (1, 2, 3, 4, 5):
    ends_with(code)
    check(f"{code}", (raised(), calls()), ("failed for good", 1))
ends_with()
shutil.copy(RECIPES / "airflow_dag.py", os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
airflow("dags", "reserialize")
check("a real run, as a run of the DAG, ends with", airflow("dags", "test", "axsync", must=False), 0)
check("axsync was called so often", calls(), 1)
check("and it publishes", published(), True)
