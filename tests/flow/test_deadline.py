"""`--deadline`: what is whole by then is published, the rest is for the next run."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.console.run_result import exit_code
from axsync.emulator import Emulator, Mishap
from axsync.errors import OutOfTime, Unreachable
from axsync.events import LaneOpened, PageRead
from axsync.model import Lane
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, pages

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
SOON = 3 / 60  # minutes
DEVICES = Lane("prod", "devices")


async def test_what_is_whole_is_published(lab: Lab, start: Start) -> None:
    """The small type is there, the giant is not; the exit code says so, and nothing is asked afterwards."""
    emulator = await start(sizes={"devices": 900, "users": 10}, latency_ms=300.0)
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=2), types=FEW, deadline_minutes=SOON))

    assert ran.verdicts() == {"prod/devices": "failed", "prod/users": "complete"}
    assert [(type(error), error.__notes__) for error in ran.report.errors] == [(OutOfTime, ["prod/devices"])]
    assert "0.05 minutes" in str(ran.report.errors[0])
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())
    assert exit_code(ran.report, dry_run=False) == 3
    assert ran.report.seconds < 9
    assert emulator.log[-1].started - emulator.log[0].started < 3.1


async def test_the_same_command_goes_on(lab: Lab, start: Start) -> None:
    """With what was sealed when the time was over; no page of it is asked again."""
    emulator = await start(sizes={"devices": 900, "users": 20}, latency_ms=200.0)
    settings = lab.settings(lab.instance(emulator, in_flight=2), types=FEW, deadline_minutes=SOON)
    first = await lab.run(settings)
    before = len(pages(emulator.log, "devices"))
    second = await lab.run(lab.settings(lab.instance(emulator), types=FEW))

    assert second.report.run_id == first.report.run_id
    assert second.report.verdict == "complete"
    told = [event for event in second.events if isinstance(event, LaneOpened | PageRead) and event.lane == DEVICES]
    assert told[0] == LaneOpened(DEVICES, 900)  # before any page: the size is known from before
    assert len(pages(emulator.log, "devices")) - before <= 45 - before + 2 + 2  # those under way, those that list ids
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_a_pause_does_not_outlast_it(lab: Lab, start: Start) -> None:
    """A server that says: in five minutes."""
    emulator = await start(mishaps=[Mishap("429", entity="users", on="page", retry_after=300)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, deadline_minutes=SOON))

    assert ran.report.seconds < 9
    assert isinstance(ran.report.errors[0], OutOfTime)


async def test_a_host_that_is_silent_from_the_start_does_not_outlast_it(lab: Lab, start: Start) -> None:
    """The other one is published."""
    silent, sound = await start(mishaps=[Mishap("hang")]), await start(seed=3)
    both = [lab.instance(silent, "silent"), lab.instance(sound, "sound")]
    ran = await lab.run(lab.settings(*both, types=FEW, deadline_minutes=3 / 60))

    assert ran.outcome("devices", "silent").verdict == "failed"
    assert any(isinstance(error, Unreachable) for error in ran.report.errors)


@pytest.mark.parametrize("minutes", [0.0, 10.0])
async def test_who_is_in_time_notices_nothing(lab: Lab, start: Start, minutes: float) -> None:
    """No deadline, or one that is far away."""
    emulator = await start()
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW, deadline_minutes=minutes))

    assert (ran.report.verdict, ran.report.errors) == ("complete", ())
