"""A pace that the server does not tell is found, at the cost of few refusals."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Seen
from axsync.settings import EntitySettings
from tests.flow.harness import Lab

pytestmark = pytest.mark.alone

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}


def refused(log: list[Seen]) -> int:
    return sum(seen.status == 429 for seen in log)


@pytest.mark.fault(17)
@pytest.mark.slow
@pytest.mark.parametrize(("rate", "places"), [(20, 2), (50, 4), (10, 16), (50, 1), (2, 4)])
async def test_an_unknown_pace_is_found(lab: Lab, start: Start, rate: int, places: int) -> None:
    """Allowed far more than the server stands: few requests are refused. Speed is for the benchmark."""
    count = int(6 * min(rate, places / 0.05))
    emulator = await start(
        sizes={"devices": 3 * count, "users": 2 * count},
        latency_ms=50.0,
        requests_per_second=float(rate),
        at_once=places,
    )
    instance = lab.instance(emulator, page_size=5, requests_per_second=500.0, in_flight=16)
    ran = await lab.run(lab.settings(instance, types=FEW))

    assert ran.report.verdict == "complete"
    assert refused(emulator.log) <= max(6, 0.03 * len(emulator.log))
