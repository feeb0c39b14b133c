"""A server that fails one request in five, each in another way: everything arrives, at a bounded cost."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.settings import EntitySettings
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
PACE = 200.0  # requests per second that are allowed


def one_in_five() -> list[Mishap]:
    """Twenty in a hundred requests fail: refused, broken off, cut, trickling or never answered."""
    return [
        Mishap("429", probability=0.04, retry_after=0),
        Mishap("500", probability=0.02),
        Mishap("503", probability=0.03),
        Mishap("504", probability=0.02),
        Mishap("reset", probability=0.02),
        Mishap("reset-body", probability=0.02),
        Mishap("truncate", probability=0.02, length="wrong"),
        Mishap("truncate", probability=0.01, length="none"),
        Mishap("drip", probability=0.01, bytes=4096, seconds=0.01),
        Mishap("hang", probability=0.01),
    ]


async def _cost(lab: Lab, start: Start, devices: int, page_size: int, mishaps: list[Mishap]) -> int:
    """Requests of a run that brings everything."""
    sizes = {"devices": devices, "users": 800, "groups": 400, "networks": 300, "software": 500}
    emulator = await start(sizes=sizes, mishaps=mishaps, requests_per_second=PACE)
    instance = lab.instance(
        emulator, page_size=page_size, requests_per_second=PACE, read_seconds=1.0, page_seconds=20.0, tries=12
    )
    ran = await lab.run(lab.settings(instance, types=FEW, fresh=True))

    assert ran.report.verdict == "complete"
    assert set(ran.verdicts().values()) == {"complete"}
    for entity in sizes:
        assert lab.ids(entity) == sorted(emulator.fleets[entity].ids()), entity
    assert emulator.peak_in_window(1.0) <= PACE
    return len(emulator.log)


@pytest.mark.fault(11, 12, 13, 17, 18)
@pytest.mark.parametrize(("devices", "page_size"), [(3_000, 50), pytest.param(50_000, 500, marks=pytest.mark.slow)])
async def test_a_server_that_fails_one_request_in_five_is_read_whole(
    lab: Lab, start: Start, devices: int, page_size: int
) -> None:
    """Devices and four other types, at no more than 1.6 times the requests of a server that never fails."""
    least = await _cost(lab, start, devices, page_size, [])
    asked = await _cost(lab, start, devices, page_size, one_in_five())

    assert asked <= 1.6 * least
