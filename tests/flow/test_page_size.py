"""Pages that a server cannot serve, or only slowly, are asked for in smaller ones."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.events import Retried
from axsync.pacing.page_size import FIRST_ROWS
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, Record, attributes, pages

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
WALKS = [("p90", "offset"), ("p90", "token"), ("v1", "offset"), ("v1", "cursor")]


def limits(emulator: Emulator, entity: str) -> list[int]:
    """Of the pages that were asked, in order; the listing of ids that ends a lane left out."""
    asked = [attributes(seen) for seen in pages(emulator.log, entity)]
    return [limit(one) for one in asked if limit(one) <= 200]


def limit(asked: Record) -> int:
    number: int = asked["page"]["limit"]
    return number


@pytest.mark.fault(18)
@pytest.mark.parametrize(("profile", "paging"), WALKS)
@pytest.mark.parametrize("status", ["500", "504"])
async def test_a_page_that_is_too_large_is_asked_in_halves(
    lab: Lab, start: Start, profile: str, paging: str, status: str
) -> None:
    """200 rows fail, 100 fail, 50 are served: every row arrives once, and the type stays with small pages."""
    emulator = await start(profile, {"devices": 430, "users": 45}, mishaps=[Mishap(status, on="page", above=60)])
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=200, paging=paging), types=FEW))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert ran.outcome("devices").duplicates == 0
    assert limits(emulator, "devices")[:5] == [200, 200, 100, 100, 50]
    assert limits(emulator, "devices").count(200) <= 3


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_a_page_in_the_middle_is_asked_in_halves(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """From the third page on 20 rows are too many; a token or cursor is left for offsets."""
    late = Mishap("504", entity="devices", on="page", above=10, after=2)
    emulator = await start(profile, {"devices": 150}, mishaps=[late])
    ran = await lab.run(lab.settings(lab.instance(emulator, paging=paging), types=FEW))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert ran.outcome("devices").duplicates == 0


async def test_pages_grow_back(lab: Lab, start: Start) -> None:
    """Two failures at the beginning, and none later: eight pages of half the size, then the whole again."""
    emulator = await start(sizes={"devices": 400}, mishaps=[Mishap("502", entity="devices", page=2, times=2)])
    await lab.run(lab.settings(lab.instance(emulator, in_flight=1), types=FEW))

    asked = limits(emulator, "devices")
    assert asked[:4] == [20, 20, 20, 10]
    assert asked.count(10) in range(8, 11)
    assert asked[-3:] == [20, 20, 20]


async def test_each_type_has_a_page_size_of_its_own(lab: Lab, start: Start) -> None:
    """One that fails does not make the others slow."""
    emulator = await start(mishaps=[Mishap("504", entity="devices", on="page", above=5)])
    ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))

    assert ran.report.verdict == "complete"
    assert set(limits(emulator, "users")) == {20}
    assert min(limits(emulator, "devices")) == 5


async def test_a_late_page_is_asked_in_halves(lab: Lab, start: Start) -> None:
    """Silence counts as a failure."""
    emulator = await start(mishaps=[Mishap("hang", entity="devices", on="page", above=10)])
    instance = lab.instance(emulator, read_seconds=0.2, page_seconds=0.4)
    ran = await lab.run(lab.settings(instance, types=FEW))

    assert ran.report.verdict == "complete"
    assert limits(emulator, "devices")[:3] == [20, 20, 10]


@pytest.mark.parametrize("status", ["500", "503"])
async def test_one_row_that_fails_fails_its_type_alone(lab: Lab, start: Start, status: str) -> None:
    """Down to one row, then the tries are used up; the message is that of the server."""
    row = Mishap(status, entity="users", on="page", page=lambda ask: ask.offset <= 30 < ask.offset + ask.limit)
    emulator = await start(mishaps=[row])
    ran = await lab.run(lab.settings(lab.instance(emulator, tries=4), types=FEW))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}
    assert f"answered {status}" in str(ran.report.errors[0])
    asked = [attributes(seen)["page"] for seen in emulator.log if seen.path.endswith("/users")]
    assert asked.count({"offset": 30, "limit": 1}) == 4
    assert row.fired <= 2 * 5 + 4
    assert len(ran.of(Retried)) <= 2 * 5 + 3


async def test_rows_with_lists_of_objects_begin_with_small_pages(lab: Lab, start: Start) -> None:
    """Such rows have no bound: only an answer tells their size. Rows of plain fields begin with what is allowed."""
    emulator = await start("p90", {"devices": 600, "users": 600})
    types = {
        "devices": EntitySettings(fields=("name", "network_interfaces")),
        "users": EntitySettings(fields=("username",)),
    }
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=2000), types=types))

    first = {name: limit(attributes(pages(emulator.log, name)[0])) for name in types}
    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}
    assert first["devices"] == FIRST_ROWS
    assert first["users"] == 2000
