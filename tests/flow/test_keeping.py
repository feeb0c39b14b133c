"""What real runs leave: verified, compared, cleared away and resumed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.events import Event, LaneClosed, Notice, PartSealed
from axsync.lake.history import find_run
from axsync.runs.gc import look, sweep
from axsync.settings import EntitySettings, LakeSettings, Settings
from axsync.snapshots.changes import Change
from axsync.snapshots.diff import Wish, diff
from axsync.snapshots.verify import verify
from tests.flow.harness import Lab, at_once
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Emulator]]
LEAST = LakeSettings(keep_snapshots=1, keep_days=0)
FEW = {"default": EntitySettings(fields=("specific_data.data.hostname", "name"))}


def now() -> datetime:
    return datetime.now(UTC)


async def broken_off(settings: Settings, kind: type[Event]) -> None:
    """A run that is cancelled at the first event of this kind."""

    def observe(event: Event) -> None:
        if isinstance(event, kind):
            task.cancel()

    task = asyncio.ensure_future(axsync.sync(settings, observers=[observe], jitter=at_once))
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize("kind", [PartSealed, LaneClosed])
async def test_clearing_away_takes_nothing_from_a_run_that_was_broken_off(
    lab: Lab, start: Start, kind: type[Event]
) -> None:
    """The same command goes on with it afterwards, under the same id, and comes out whole."""
    emulator = await start(latency_ms=5.0)
    settings = lab.settings(lab.instance(emulator), types=FEW)
    await broken_off(settings, kind)
    lake = FolderLake(lab.lake)
    (begun,) = lake.runs()
    before = lab.everything()
    assert sweep(lake, LEAST, now()).leftovers == ()
    assert {name: raw for name, raw in lab.everything().items() if name != "_axsync/lock"} == {
        name: raw for name, raw in before.items() if name != "_axsync/lock"
    }

    ran = await lab.run(settings)
    assert (ran.report.run_id, ran.report.verdict) == (begun, "complete")
    assert verify(lake, find_run(lake, "latest")).faults == ()


async def test_a_run_too_old_to_go_on_is_cleared_away_and_another_begins(lab: Lab, start: Start) -> None:
    """It is marked before its staging goes, so that nobody takes up half of it."""
    emulator = await start(latency_ms=5.0)
    settings = lab.settings(lab.instance(emulator), types=FEW)
    await broken_off(settings, PartSealed)
    lake = FolderLake(lab.lake)
    (begun,) = lake.runs()
    (left,) = sweep(lake, LakeSettings(), now() + timedelta(days=2)).leftovers
    assert (left.kind, left.run_id) == ("staging", begun)

    ran = await lab.run(settings)
    assert ran.report.run_id != begun
    assert ran.report.verdict == "complete"


async def test_a_month_of_runs_shrinks_to_what_is_kept(lab: Lab, start: Start) -> None:
    """Day after day, once with a type that failed, once a day twice: what is kept is whole, the rest is gone."""
    emulator = await start()
    lake = FolderLake(lab.lake)
    for day in ("2026-10-01", "2026-10-02", "2026-10-02", "2026-10-03"):
        if day == "2026-10-03":
            emulator.mishaps.append(Mishap("503", entity="users", on="page"))
        await lab.run(lab.settings(lab.instance(emulator), types=FEW, logical_date=day, fresh=True))
    assert verify(lake, find_run(lake, "latest")).faults == ()
    sweep(lake, LEAST, now())

    days = {path.rpartition("dt=")[2].partition("/")[0] for path in lab.published()}
    assert days == {"2026-10-02", "2026-10-03"}  # the users of the second stand in
    assert [path for path in lab.published() if "dt=2026-10-02" in path and "users" not in path] == []
    assert verify(lake, find_run(lake, "latest")).faults == ()
    assert look(lake, LEAST, now()).leftovers == ()


async def test_two_runs_of_the_same_data_do_not_differ(lab: Lab, start: Start) -> None:
    """All fields, all odd values among them; an emulator with more devices differs by just these."""
    lake = FolderLake(lab.lake)
    for day, size in (("2026-10-01", 90), ("2026-10-02", 90), ("2026-10-03", 93)):
        emulator = await start(sizes={"devices": size, "users": 45}, drift_percent=20)
        await lab.run(lab.settings(lab.instance(emulator), logical_date=day))
    changes: list[Change] = []

    diff(lake, (find_run(lake, "2026-10-01"), find_run(lake, "2026-10-02")), Wish(), changes.append)
    assert changes == []
    diff(lake, (find_run(lake, "latest~1"), find_run(lake, "latest")), Wish(), changes.append)
    assert [(change.lane.entity, change.kind) for change in changes] == [("devices", "added")] * 3


async def test_a_run_clears_the_lake_after_it_has_published(lab: Lab, start: Start) -> None:
    """By the retention, under its own lock; its own snapshot stays, also of a day that is beyond it."""
    emulator = await start()
    place = lab.instance(emulator)
    for day in ("2026-01-03", "2026-01-02"):
        await lab.run(lab.settings(place, types=FEW, logical_date=day, lake={"keep_daily": 1}))
    kept = lab.published()
    ran = await lab.run(lab.settings(place, types=FEW, logical_date="2026-01-01", lake={"keep_daily": 1, "gc": True}))

    lake = FolderLake(lab.lake)
    assert {path.split("/")[2] for path in kept} == {"dt=2026-01-03", "dt=2026-01-02"}
    assert {path.split("/")[2] for path in lab.published()} >= {"dt=2026-01-03", "dt=2026-01-01"}
    told = [n.text for n in ran.of(Notice)]
    assert [text for text in told if text.startswith("2026-01-01 is beyond the retention, and the next run removes it")]
    assert [text for text in told if text.startswith("1 snapshot beyond the retention removed (2026-01-02), ")]
    assert (ran.report.verdict, ran.report.errors) == ("complete", ())
    assert verify(lake, find_run(lake, ran.report.run_id)).faults == ()


async def test_a_lake_that_cannot_be_cleared_is_told_and_no_failure(lab: Lab, start: Start) -> None:
    """A manifest that cannot be read may name what is still needed: nothing is removed, the run is complete."""
    emulator = await start()
    place = lab.instance(emulator)
    old = await lab.run(lab.settings(place, types=FEW, logical_date="2026-01-01"))
    await lab.run(lab.settings(place, types=FEW, logical_date="2026-01-02"))
    (lab.lake / str(old.report.manifest)).write_text("{")
    ran = await lab.run(lab.settings(place, types=FEW, logical_date="2026-01-03", lake={"keep_last": 1, "gc": True}))

    assert (ran.report.verdict, ran.report.errors) == ("complete", ())
    assert [n.text for n in ran.of(Notice) if "old snapshots are not removed" in n.text]
    assert {path.split("/")[2] for path in lab.published()} == {"dt=2026-01-01", "dt=2026-01-02", "dt=2026-01-03"}
