"""Rows 23, 24 and 26 to 28 of the README here: walks that expire, go in circles, or tell lies about themselves."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from axsync.emulator import Mishap
from axsync.emulator.pages import PageRequest
from axsync.settings import EntitySettings
from tests.faults.interposer import http, interposed
from tests.faults.proof import ID, NAME, NARROW, Tapped, assert_nothing_lost, code, read, restored, told
from tests.flow.harness import Lab, Ran, pages
from tests.unit.convert.lake import same

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]

MARKS = [("p70", "token"), ("p90", "token"), ("v1", "cursor")]
WALKS = [("p90", "offset"), ("p70", "token"), ("v1", "offset"), ("v1", "cursor")]
DEVICES = {"devices": 90}


def in_a_walk(page: PageRequest) -> bool:
    """Whether records are asked for: no taste, no listing of ids."""
    return page.limit > 1 and page.layout.fields != (ID,)


def goes_on(page: PageRequest) -> bool:
    """Whether the page is asked by token or cursor."""
    return in_a_walk(page) and page.continuation is not None


async def run(lab: Lab, emulator: Tapped, paging: str = "auto", **settings: Any) -> Ran:
    instance = lab.instance(emulator, paging=paging, **settings)
    return await lab.run(lab.settings(instance, types={"default": NARROW}, entities=("devices",)))


async def assert_whole(lab: Lab, emulator: Tapped, ran: Ran) -> None:
    """Complete, each id once, each record exactly."""
    assert told(ran) == ("complete", 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert_nothing_lost(lab, emulator, "devices")


# ------------------------------------------------------------------------------------------------ 23: marks expire


@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize(("profile", "paging"), MARKS)
async def test_fault_23_a_walk_whose_mark_expired_begins_anew(
    lab: Lab, start: Start, profile: str, paging: str, status: int
) -> None:
    """The server forgets the token or cursor once: what was read is dropped, and the notice says so."""
    emulator = await start(profile, DEVICES, mishaps=(Mishap("token-expired", status=status, after=2, times=1),))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)
    assert any(text.startswith("restarted") for text in lab.lane("devices")["notices"])


@pytest.mark.parametrize(("profile", "paging"), MARKS)
async def test_fault_23_marks_that_always_expire_end_the_lane(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """A bounded number of attempts; nothing is published."""
    emulator = await start(profile, DEVICES, mishaps=(Mishap("token-expired", after=1),))
    ran = await run(lab, emulator, paging)

    assert told(ran) == ("failed", 1)
    assert (ran.report.manifest, lab.published()) == (None, [])
    assert len(pages(emulator.log)) < 40


@pytest.mark.parametrize(("profile", "paging"), MARKS)
async def test_fault_23_a_silent_restart_is_repaired(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """One page comes from the beginning again: its twins go, the ids that it displaced are fetched by name."""
    emulator = await start(profile, DEVICES, mishaps=(Mishap("repeat-page", page=goes_on, after=1, times=1),))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)
    assert (ran.outcome("devices").duplicates, ran.outcome("devices").repaired) == (20, 20)


# ------------------------------------------------------------------------------------------------------ 24: circles

CIRCLES = [
    *(("p90", "offset", kind) for kind in ("repeat-page", "never-ending")),
    *(("p70", "token", kind) for kind in ("repeat-page", "never-ending", "token-loop")),
    *(("p90", "token", kind) for kind in ("repeat-page", "never-ending", "token-loop")),
    *(("v1", "offset", kind) for kind in ("repeat-page", "never-ending")),
    *(("v1", "cursor", kind) for kind in ("repeat-page", "never-ending")),
]


@pytest.mark.parametrize(("profile", "paging", "kind"), CIRCLES)
async def test_fault_24_a_walk_without_end_is_stopped(
    lab: Lab, start: Start, profile: str, paging: str, kind: str
) -> None:
    """A page for ever, rows for ever, a token that leads to itself: a few dozen requests, failed, exit code 1."""
    emulator = await start(profile, {"devices": 100}, mishaps=(Mishap(kind, after=1),))
    ran = await run(lab, emulator, paging)

    assert told(ran) == ("failed", 1)
    assert any(words in str(ran.report.errors) for words in ("repeats the same page", "there is no end"))
    assert (ran.report.manifest, lab.published()) == (None, [])
    assert len(pages(emulator.log)) < 40


@pytest.mark.parametrize("paging", ["offset", "token"])
async def test_fault_24_new_rows_for_ever_are_stopped_by_the_count_where_no_page_tells_a_total(
    lab: Lab, start: Start, paging: str
) -> None:
    """Far more than were counted: failed, exit code 1, and the server is left."""
    emulator = await start(sizes={"devices": 1_000}, mishaps=(Mishap("empty-meta"),))
    async with interposed(emulator.url, lambda kind, _: http(b'{"value":5}') if kind == "count" else None) as url:
        instance = lab.instance(emulator, url=url, paging=paging)
        ran = await lab.run(lab.settings(instance, types={"default": NARROW}))

    assert told(ran) == ("failed", 1)
    assert "the server announced 5 rows" in str(ran.report.errors)
    assert len(pages(emulator.log)) < 30


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_24_a_page_that_comes_twice_is_kept_once(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """The first page in the place of a later one: deduplicated, and the later one's rows are repaired."""

    def is_full(page: PageRequest) -> bool:
        return in_a_walk(page) and page.offset < 80  # pages under way at once come in any order

    emulator = await start(profile, DEVICES, mishaps=(Mishap("repeat-page", page=is_full, after=2, times=1),))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)
    assert ran.outcome("devices").duplicates == ran.outcome("devices").repaired == 20


@pytest.mark.parametrize(("profile", "paging"), MARKS[:2])
async def test_fault_24_a_token_that_leads_to_itself_once_is_followed(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """The same page comes a second time, then the walk goes on."""
    emulator = await start(profile, DEVICES, mishaps=(Mishap("token-loop", after=1, times=1),))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)


async def test_fault_24_a_circle_is_told_by_the_process(lab: Lab, start: Start, process: Process) -> None:
    """One plain sentence, exit code 1, no file in the lake."""
    emulator = await start(sizes={"devices": 100}, mishaps=(Mishap("repeat-page", after=1),))
    exit_code, said = await process(emulator)

    assert exit_code == 1
    assert "the server repeats the same page" in said
    assert lab.published() == []


# ------------------------------------------------------------------------------------- 26: sizes and totals that lie

WHOLE: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "short page in the middle": [("short-page", {"page": 2})],
    "empty page in the middle": [("empty-page", {"page": 2, "times": 1})],
    "empty page that stays empty": [("empty-page", {"page": 2})],
    "more rows than asked": [("oversize", {"page": in_a_walk})],
    "limit clamped": [("clamp", {"limit": 7, "page": in_a_walk})],
    "total too high": [("total", {"by": 5})],
    "total too low": [("total", {"by": -30})],
    "total absent": [("total", {"to": "absent"})],
    "total negative": [("total", {"to": -1})],
    "total zero": [("total", {"to": 0})],
    "total a text": [("total", {"to": "many"})],
    "total a fraction": [("total", {"to": 90.5})],
    "total beyond 64 bits": [("total", {"to": 2**70})],
    "total that changes": [("total", {"by": 5, "probability": 0.5})],
    "no meta": [("empty-meta", {})],
    "token vanishes": [("token-vanishes", {"after": 1})],
    "row of the page before": [("duplicate-row", {"page": in_a_walk})],
}


@pytest.mark.parametrize("lie", WHOLE)
@pytest.mark.parametrize(("profile", "paging"), [("p90", "offset"), ("p70", "token")])
async def test_fault_26_rows_received_decide_and_not_what_is_said(
    lab: Lab, start: Start, profile: str, paging: str, lie: str
) -> None:
    """Whatever a page claims about itself: all rows come, each once, and the verdict is complete."""
    emulator = await start(profile, DEVICES, mishaps=tuple(Mishap(kind, **facts) for kind, facts in WHOLE[lie]))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)


@pytest.mark.parametrize(
    ("facts", "counts"), [({"by": 5}, "90 and 95"), ({"by": -5}, "90 and 85"), ({"to": 0}, "90 and 0")]
)
@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_26_a_wrong_count_makes_the_lane_drifted(
    lab: Lab, start: Start, profile: str, paging: str, facts: dict[str, Any], counts: str
) -> None:
    """All rows are there, but the count after them speaks against it: drifted, with the numbers, exit code 3."""
    emulator = await start(profile, DEVICES)
    emulator.mishaps.append(Mishap("count", **facts))
    ran = await run(lab, emulator, paging)

    assert told(ran) == ("drifted", 3)
    assert lab.lane("devices")["reason"] == f"the server counted {counts}, 90 different ids came"
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("kind", ["short-page", "clamp", "total", "count", "empty-page"])
async def test_fault_26_the_process_ends_with_the_verdict(lab: Lab, start: Start, process: Process, kind: str) -> None:
    """Only a count that contradicts the ids is worth an exit code of 3."""
    lie = Mishap(kind, by=5) if kind == "count" else Mishap(kind, times=2)
    emulator = await start(sizes=DEVICES, mishaps=(lie,))
    exit_code, said = await process(emulator)

    assert exit_code == (3 if kind == "count" else 0), said
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


# ------------------------------------------------------------------------------------------ 27: order between retries


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_27_the_order_within_a_page_does_not_matter(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """Pages are cut, asked again, and come in another order: each id once, each record exactly."""
    cut = Mishap("truncate", length="wrong", probability=0.4, on="page", page=in_a_walk)
    emulator = await start(profile, DEVICES, mishaps=(Mishap("shuffle"), cut))
    ran = await run(lab, emulator, paging, tries=50)

    await assert_whole(lab, emulator, ran)
    assert ran.outcome("devices").retries > 0
    assert ran.outcome("devices").duplicates == 0


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_27_rows_that_change_places_are_found_again(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """An unstable sort doubles some rows and hides others: the twins go, the hidden ones are fetched."""
    emulator = await start(profile, DEVICES, mishaps=(Mishap("reorder", page=in_a_walk),))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)
    assert ran.outcome("devices").repaired > 0


# --------------------------------------------------------------------------------- 28: one id, two different contents


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_28_of_one_id_twice_in_a_page_the_later_row_is_kept(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """Same id, other content: one row, the later content, and the manifest counts a duplicate."""
    twice = Mishap("same-id", page=in_a_walk, times=1, after=1)
    emulator = await start(profile, DEVICES, mishaps=(twice,))
    ran = await run(lab, emulator, paging)

    await assert_whole(lab, emulator, ran)
    versions = [same(record) for raw in emulator.records("devices") if (record := read(raw))[ID] == twice.ids[0]]
    assert versions[0] != versions[1]
    assert restored(lab, "devices")[twice.ids[0]] == versions[-1]
    assert lab.lane("devices")["duplicates"] == 1


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_28_of_one_id_on_two_pages_the_later_answer_is_kept(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """A row that moved on and changed between two pages is kept as it was seen last."""
    emulator = await start(profile, DEVICES)
    fleet, moved = emulator.fleets["devices"], list[str]()

    def when(page: PageRequest) -> bool:
        # Between the second and the third page: the first row of all goes to the place that comes next.
        if in_a_walk(page) and page.offset == 40 and not moved:
            fleet.touch(0)
            moved.append(fleet.move(0, 59))
        return False

    emulator.mishaps.append(Mishap("empty-page", page=when))
    ran = await run(lab, emulator, paging, in_flight=1)

    versions = [same(record) for raw in emulator.records("devices") if (record := read(raw))[ID] == moved[0]]
    assert (len(versions), versions[0] == versions[1]) == (2, False)
    assert restored(lab, "devices")[moved[0]] == versions[1]
    await assert_whole(lab, emulator, ran)
    assert (ran.outcome("devices").duplicates, ran.outcome("devices").repaired) == (1, 1)


async def test_fault_28_duplicates_do_not_hide_values(lab: Lab, start: Start) -> None:
    """What is rescued in the kept row is the kept row's own."""
    emulator = await start(sizes=DEVICES, mishaps=(Mishap("same-id", page=2), Mishap("raw", value='[7,"x"]', page=2)))
    ran = await lab.run(lab.settings(lab.instance(emulator), types={"default": EntitySettings(fields=("name",))}))

    assert told(ran) == ("complete", 0)
    assert_nothing_lost(lab, emulator, "devices")
    assert code(ran) == 0
    assert NAME in str(lab.lane("devices")["drift"])
