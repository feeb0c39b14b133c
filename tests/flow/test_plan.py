"""`axsync plan` against emulators: what it says, and that nothing comes of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.errors import Refused, UnknownEntity
from axsync.events import Event, PartSealed
from axsync.runs.plan import Plan, PlanRow, plan
from axsync.settings import EntitySettings, Settings
from tests.flow.harness import Lab, pages

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}


def row(planned: Plan, entity: str, instance: str = "prod") -> PlanRow:
    return next(one for one in planned.rows if (one.entity, one.instance) == (entity, instance))


async def test_a_first_run_is_planned_by_counts(lab: Lab, start: Start) -> None:
    """No page is asked for but the probe of one row that every command takes; not even the lake is made."""
    emulator = await start()
    planned = await plan(lab.settings(lab.instance(emulator), types=FEW))

    assert [(one.entity, one.right, one.count, one.pages, one.guessed) for one in planned.rows] == [
        ("devices", "readable", 90, 5, True),
        ("users", "readable", 45, 3, True),
    ]
    assert (planned.run_id, planned.finished) == (None, False)
    assert planned.instances[0].requests == sum(one.requests for one in planned.rows) == 16
    assert planned.seconds > 0
    assert pages(emulator.log) == []
    assert not lab.lake.exists()


async def test_a_run_that_has_finished_leaves_nothing_to_do(lab: Lab, start: Start) -> None:
    """Unless a fresh one is wished for, whose cost is then known from the run before."""
    settings = lab.settings(lab.instance(await start()), types=FEW)
    ran = await lab.run(settings)
    before = lab.everything()
    planned = await plan(settings)

    assert (planned.run_id, planned.finished) == (ran.report.run_id, True)
    assert {(one.state, one.requests, one.bytes) for one in planned.rows} == {("done", 0, 0)}

    fresh = await plan(lab.settings(lab.instance(await start()), types=FEW, fresh=True))
    devices = ran.outcome("devices")
    assert (fresh.run_id, row(fresh, "devices").guessed) == (None, False)
    assert row(fresh, "devices").bytes == devices.bytes
    assert row(fresh, "devices").requests == devices.requests
    assert fresh.instances[0].speed is not None
    assert lab.everything() == before


async def test_a_broken_run_is_planned_from_where_it_stands(lab: Lab, start: Start) -> None:
    """What is durable is not asked for again; the lock of a run that is going on is no hindrance."""
    emulator = await start(sizes={"devices": 90, "users": 45})
    settings = lab.settings(lab.instance(emulator), types=FEW, lake={"max_part_bytes": 4096, "row_group_rows": 1})
    task = asyncio.current_task()
    assert task is not None

    def stop(event: Event) -> None:
        if isinstance(event, PartSealed) and event.lane.entity == "devices":
            running.cancel()

    running = asyncio.create_task(lab.run(settings, stop))
    with pytest.raises(asyncio.CancelledError):
        await running
    planned = await plan(settings)
    devices = row(planned, "devices")

    assert (planned.finished, planned.run_id is None) == (False, False)
    assert devices.state in {"goes on", "done"}
    assert devices.durable > 0
    assert devices.requests < 8


async def test_the_query_and_the_limit_count(lab: Lab, start: Start) -> None:
    """What is planned is what would be read, with the page size of the type."""
    query = EntitySettings(query='("specific_data.data.os.type" == "Linux")', page_size=7)
    emulator = await start(sizes={"devices": 200, "users": 45})
    planned = await plan(lab.settings(lab.instance(emulator), types={"devices": query}, limit=10))

    assert row(planned, "devices").page_size == 7
    assert (row(planned, "devices").count, row(planned, "users").count) == (10, 10)
    unlimited = await plan(lab.settings(lab.instance(emulator), types={"devices": query}))
    assert 0 < (row(unlimited, "devices").count or 0) < 200


async def test_rights_are_told_type_by_type(lab: Lab, start: Start) -> None:
    """A type that may not be read costs nothing and stops nobody."""
    emulator = await start(mishaps=[Mishap("403", entity="users")])
    planned = await plan(lab.settings(lab.instance(emulator), types=FEW))

    assert (row(planned, "users").right, row(planned, "users").requests) == ("forbidden", 0)
    assert row(planned, "devices").right == "readable"


async def test_an_instance_that_cannot_be_asked_is_told_beside_the_others(lab: Lab, start: Start) -> None:
    """Where none can be asked, that is the error."""
    emulator = await start()
    wrong = lab.instance(emulator, "wrong")
    (lab.folder / "wrong.secret").write_text("wrong")
    settings = lab.settings(wrong, lab.instance(emulator), types=FEW)
    planned = await plan(settings)

    assert {one.instance for one in planned.rows} == {"prod"}
    assert [bool(one.error) for one in planned.instances] == [True, False]
    with pytest.raises(Refused):
        await plan(Settings(settings.lake, (wrong,), settings.entities))


async def test_an_unknown_type_is_refused(lab: Lab, start: Start) -> None:
    """With the name that is near."""
    with pytest.raises(UnknownEntity, match="did you mean 'devices'"):
        await plan(lab.settings(lab.instance(await start()), entities=("device",)))
