"""Row 25 of the README here: rows that come, go and move while they are paged; and the repair of what that hid."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from axsync.emulator import Mishap, Seen
from axsync.emulator.pages import PageRequest
from axsync.settings import EntitySettings
from tests.faults.proof import ID, Tapped, assert_nothing_lost, code, told
from tests.flow.harness import Lab, Ran, attributes

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]

WALKS = [("p90", "offset"), ("p70", "token"), ("v1", "offset"), ("v1", "cursor")]
HOSTNAME = EntitySettings(fields=("hostname",), proof="always")
USUAL = EntitySettings(fields=("hostname",), proof="signs")
END = 10**9


def in_a_walk(page: PageRequest) -> bool:
    return page.limit > 1 and page.layout.fields != (ID,) and not page.query


def of_records(page: PageRequest) -> bool:
    return page.layout.fields != (ID,)


async def run(
    lab: Lab, emulator: Tapped, paging: str = "auto", fields: EntitySettings = HOSTNAME, **settings: Any
) -> Ran:
    instance = lab.instance(emulator, paging=paging, **{"page_size": 25, "in_flight": 4} | settings)
    return await lab.run(lab.settings(instance, types={"default": fields}, entities=("devices",)))


def listings(log: list[Seen]) -> list[Seen]:
    return [seen for seen in log if attributes(seen).get("fields") in ([ID], {"devices": [ID]})]


def wanted(seen: Seen) -> list[str]:
    """The ids that a question names."""
    asked = attributes(seen)
    named: list[str] = re.findall(r'"([0-9a-z]{32})"', str(asked.get("query") or asked.get("filter")))
    return named


def by_name(log: list[Seen]) -> list[Seen]:
    return [seen for seen in log if wanted(seen)]


def assert_true(lab: Lab, emulator: Tapped, ran: Ran, before: set[str]) -> None:
    """No id twice, none missing that was there all the time, and `complete` only where the lake is the final set."""
    ids, after = lab.ids("devices"), set(emulator.fleets["devices"].ids())
    assert len(ids) == len(set(ids))
    assert (before & after) - set(ids) == set()
    verdict, exit_code = told(ran)
    assert (verdict, exit_code) in {("complete", 0), ("drifted", 3)}
    assert verdict == "drifted" or set(ids) == after
    assert verdict == "complete" or lab.lane("devices")["reason"]


MOVES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "one per cent comes and goes": [("churn", {"percent": 1})],
    "one per cent, until the walk ends": [("churn", {"percent": 1, "page": in_a_walk})],
    "five per cent, until the walk ends": [("churn", {"percent": 5, "page": in_a_walk})],
    "five per cent": [("churn", {"percent": 5})],
    "one in, one out, always at once": [("shift", {"insert": 1, "delete": 1, "page": of_records})],
    "one in, one out, now and then": [("shift", {"insert": 1, "delete": 1, "probability": 0.2})],
    "one in at the end, later one out in front": [
        ("shift", {"position": END, "after": 2, "times": 1, "page": in_a_walk}),
        ("shift", {"insert": 0, "delete": 1, "position": 0, "after": 4, "times": 1, "page": in_a_walk}),
    ],
    "one in at the end and one out in front, at once": [
        ("shift", {"position": END, "after": 4, "times": 1, "page": in_a_walk}),
        ("shift", {"insert": 0, "delete": 1, "position": 0, "after": 4, "times": 1, "page": in_a_walk}),
    ],
    "one out in front": [("shift", {"insert": 0, "delete": 1, "position": 0, "after": 3, "times": 1})],
    "three in in front": [("shift", {"insert": 3, "position": 0, "after": 3, "times": 1})],
    "ten move": [("reorder", {"moves": 10, "page": in_a_walk})],
}


WITHOUT_A_TRACE = (
    "one in, one out, always at once",
    "one in, one out, now and then",
    "one in at the end and one out in front, at once",
)
"""No total, count or twin tells of these: between two answers one came and one went. A listing sees them."""


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_25_the_verdict_is_true_while_rows_move(
    lab: Lab, start: Start, profile: str, paging: str, move: str
) -> None:
    """About one row in a hundred comes or goes: counts that agree by chance never make a lane complete."""
    emulator = await start(profile, {"devices": 300}, seed=1)
    before = set(emulator.fleets["devices"].ids())
    emulator.mishaps.extend(Mishap(kind, **facts) for kind, facts in MOVES[move])
    ran = await run(lab, emulator, paging, HOSTNAME if move in WITHOUT_A_TRACE else USUAL)

    assert_true(lab, emulator, ran, before)
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_25_a_quiet_set_is_complete(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """The other direction: nothing moves, so nothing is doubted, and nothing is repaired."""
    emulator = await start(profile, {"devices": 300})
    ran = await run(lab, emulator, paging)

    lane = lab.lane("devices")
    assert told(ran) == ("complete", 0)
    assert (lane["count_before"], lane["count_after"], lane["rows"], lane["distinct_ids"]) == (300, 300, 300, 300)
    assert (lane["duplicates"], lane["repaired"], lane["missing"], lane["reason"]) == (0, 0, 0, None)


async def test_fault_25_rows_that_only_come_are_fetched_and_complete(lab: Lab, start: Start) -> None:
    """Rows that came while the walk went on are found by the listing: the lake is the final set."""
    came = Mishap("shift", insert=4, page=in_a_walk, after=3, times=1)
    emulator = await start(sizes={"devices": 300}, mishaps=(came,))
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert set(came.ids) <= set(lab.ids("devices"))


async def test_fault_25_a_row_that_went_after_it_was_read_is_told(lab: Lab, start: Start) -> None:
    """It stays in the lake, nothing is dropped; the verdict says that it is listed no more."""
    went = Mishap("shift", insert=0, delete=1, position=0, page=in_a_walk, after=5, times=1)
    emulator = await start(sizes={"devices": 300}, mishaps=(went,))
    ran = await run(lab, emulator)

    assert told(ran) == ("drifted", 3)
    assert lab.lane("devices")["reason"] == "1 ids that were read are no longer listed"
    assert went.ids[0] in lab.ids("devices")


async def test_fault_25_an_exchange_behind_the_reader(lab: Lab, start: Start) -> None:
    """The order is stable, no border moves and all counts agree: the listing alone tells (docs/adr/0028)."""
    came = Mishap("shift", position=0, page=in_a_walk, after=6, times=1)
    went = Mishap("shift", insert=0, delete=1, position=5, page=in_a_walk, after=6, times=1)
    emulator = await start(sizes={"devices": 310})
    before = list(emulator.fleets["devices"].ids())
    emulator.mishaps.extend((came, went))
    ran = await run(lab, emulator)

    after = list(emulator.fleets["devices"].ids())
    assert (after[6:], set(after) ^ set(before)) == (before[6:], {came.ids[0], went.ids[0]})
    lane = lab.lane("devices")
    assert (lane["count_before"], lane["count_after"], lane["duplicates"]) == (310, 310, 0)
    assert (told(ran), lane["reason"]) == (("drifted", 3), "1 ids that were read are no longer listed")
    assert set(lab.ids("devices")) == set(before) | {came.ids[0]}


async def test_fault_25_a_type_of_one_answer_is_not_listed(lab: Lab, start: Start) -> None:
    """What came in one answer is of one moment; counts that agree are proof enough."""
    emulator = await start(sizes={"devices": 20})
    ran = await run(lab, emulator)

    assert (told(ran), listings(emulator.log)) == (("complete", 0), [])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_25_the_verdict_is_true_for_ten_thousand(
    lab: Lab, start: Start, profile: str, paging: str, seed: int
) -> None:
    """The same with a listing of several pages, which the rows do not spare either."""
    emulator = await start(profile, {"devices": 10_000}, seed=seed, churn_percent=1.0)
    before = set(emulator.fleets["devices"].ids())
    ran = await run(lab, emulator, paging, USUAL, page_size=500)

    assert_true(lab, emulator, ran, before)


async def test_fault_25_the_process_says_drifted(lab: Lab, start: Start, process: Process) -> None:
    """Exit code 3, the reason in the table, the numbers in the manifest."""
    emulator = await start(sizes={"devices": 300}, churn_percent=5.0)
    exit_code, said = await process(emulator)

    assert (exit_code, lab.manifest()["verdict"]) == (3, "drifted")
    assert "drifted" in said
    assert lab.lane("devices")["reason"][:30] in said


# -------------------------------------------------------------------------------------------------------------- repair


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_25_what_the_walk_missed_is_fetched_by_name(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """A page that stays empty hides 25 rows: one listing, one question with their ids, one listing that agrees."""
    emulator = await start(profile, {"devices": 300}, mishaps=(Mishap("empty-page", page=hides),))
    ran = await run(lab, emulator, paging)

    assert told(ran) == ("complete", 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.lane("devices")["repaired"] == 25
    assert len(by_name(emulator.log)) == 1
    assert_nothing_lost(lab, emulator, "devices")


def hides(page: PageRequest) -> bool:
    """The third page of a walk, whenever it is asked; by name its rows can be had."""
    return in_a_walk(page) and 50 <= page.offset < 75


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fault_25_where_ids_cannot_be_asked_for_everything_is_walked_again(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """The server answers 400 to `in`: a second walk brings what the first one missed, twins are dropped."""
    hidden = Mishap("empty-page", page=hides, times=12)
    refused = Mishap("400", on="page", page=lambda page: bool(page.query))
    emulator = await start(profile, {"devices": 300}, mishaps=(hidden, refused))

    def healed(event: object) -> None:
        if by_name(emulator.log):
            hidden.times = 0

    instance = lab.instance(emulator, paging=paging, page_size=25, in_flight=4)
    ran = await lab.run(lab.settings(instance, types={"default": HOSTNAME}, entities=("devices",)), healed)

    assert told(ran) == ("complete", 0)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.lane("devices")["duplicates"] > 0
    assert_nothing_lost(lab, emulator, "devices")


async def test_fault_25_two_rounds_of_repair_at_most(lab: Lab, start: Start) -> None:
    """Rows that are listed but never served: two rounds, then drifted with the number of the missing."""
    nobody = Mishap("empty-page", page=lambda page: hides(page) or bool(page.query))
    emulator = await start(sizes={"devices": 300}, mishaps=(nobody,))
    ran = await run(lab, emulator)

    assert told(ran) == ("drifted", 3)
    assert lab.lane("devices")["reason"] == "25 of 300 listed ids could not be read"
    assert (lab.lane("devices")["missing"], lab.lane("devices")["rows"]) == (25, 275)
    assert (len(listings(emulator.log)), len(by_name(emulator.log))) == (2, 2)


async def test_fault_25_many_missing_ids_are_asked_for_in_batches(lab: Lab, start: Start) -> None:
    """No query holds more than two hundred ids (docs/axonius-api.md, "Limits and cost")."""
    gone = Mishap("empty-page", page=lambda page: in_a_walk(page) and 100 <= page.offset < 600)
    emulator = await start(sizes={"devices": 1000}, mishaps=(gone,))
    ran = await run(lab, emulator, page_size=100)

    assert told(ran) == ("complete", 0)
    assert code(ran) == 0
    sizes = [len(wanted(seen)) for seen in by_name(emulator.log)]
    assert sum(sizes) >= 500
    assert max(sizes) <= 200
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
