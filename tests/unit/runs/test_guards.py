from dataclasses import replace

import pytest

from axsync.errors import DropByLimit, DropByQuery, GuardRefused
from axsync.model import Asked, Lane, Outcome, Part
from axsync.runs.guards import emptied, hold_all, hold_back

LANE = Lane("prod", "devices")
COLUMNS = {name: {"field": name, "type": "string", "dates": None} for name in ("a", "b", "c", "d")}


def outcome(rows: int, *empty: str, verdict: str = "complete") -> Outcome:
    """A lane with so many rows, and these columns without a value."""
    parts = (Part("p", rows, 1, "x"),) if rows else ()
    return Outcome(LANE, verdict, rows=rows, columns=COLUMNS, empty_columns=empty, parts=parts)  # type: ignore[arg-type]  # a verdict


def entry(rows: int, *empty: str) -> dict[str, object]:
    """The same lane as an earlier manifest lists it."""
    return {"columns": COLUMNS, "empty_columns": list(empty), "files": [{"rows": rows}]}


@pytest.mark.parametrize(("rows", "held"), [(100, False), (50, False), (49, True), (0, True)])
def test_a_type_that_lost_more_than_half_of_its_rows_is_held_back(rows: int, held: bool) -> None:
    """Half is still published."""
    kept, refused = hold_back([outcome(rows)], {LANE: entry(100)})

    assert bool(refused) is held
    assert [bool(one.columns) for one in kept] == [not held]


@pytest.mark.parametrize(
    ("before", "now", "held"),
    [
        ((), ("a", "b"), False),
        ((), ("a", "b", "c"), True),
        (("c", "d"), ("b", "c", "d"), False),
        (("d",), ("a", "b", "d"), True),
        (("a", "b", "c", "d"), ("a", "b", "c", "d"), False),
    ],
)
def test_a_type_that_lost_more_than_half_of_its_filled_columns_is_held_back(
    before: tuple[str, ...], now: tuple[str, ...], held: bool
) -> None:
    """Columns that were empty before do not count."""
    kept, refused = hold_back([outcome(100, *now)], {LANE: entry(100, *before)})

    assert bool(refused) is held
    assert all("columns of devices that had values are empty now" in str(error) for error in refused)
    assert kept[0].rows == (0 if held else 100)


def test_nothing_is_held_against_a_snapshot_that_does_not_tell_its_empty_columns() -> None:
    """Those of 0.1.0; nor against a type without rows, whose columns are all empty."""
    older = {key: value for key, value in entry(100).items() if key != "empty_columns"}

    assert emptied(outcome(100, "a"), older) == ([], 0)
    assert emptied(outcome(0, *COLUMNS), entry(0)) == ([], 0)
    assert emptied(outcome(100, "a"), None) == ([], 0)


def test_a_type_without_columns_of_its_own_is_left_as_it_is() -> None:
    """It failed or was skipped, and says so itself."""
    failed = replace(outcome(0), verdict="partial", columns={})

    assert hold_back([failed], {LANE: entry(100)}) == ([failed], [])


@pytest.mark.parametrize(("verdicts", "held"), [(("complete", "skipped"), False), (("complete", "drifted"), True)])
def test_all_or_nothing_needs_every_type_whole(verdicts: tuple[str, ...], held: bool) -> None:
    """A skipped one is not there to be read."""
    assert bool(hold_all([outcome(1, verdict=verdict) for verdict in verdicts])) is held


@pytest.mark.parametrize(("limit", "kind"), [(None, GuardRefused), (10, DropByLimit)])
def test_a_limit_is_no_reason_to_accept_a_drop(limit: int | None, kind: type[GuardRefused]) -> None:
    """The advice is another one: fewer rows came because no more were asked for."""
    cut = replace(outcome(10, verdict="partial"), asked=Asked(limit=limit))

    assert [type(error) for error in hold_back([cut], {LANE: entry(100)})[1]] == [kind]


@pytest.mark.parametrize(
    ("before", "kind"),
    [({"asked": {"query": ""}}, DropByQuery), ({"asked": {"query": "q"}}, GuardRefused), ({}, GuardRefused)],
)
def test_a_query_is_no_reason_to_accept_a_drop(before: dict[str, object], kind: type[GuardRefused]) -> None:
    """Unless the snapshot before has the rows of a query as well, or is of 0.1.0 and may have: there may be fewer."""
    few = replace(outcome(10), asked=Asked(saved_query="q"))

    assert [type(error) for error in hold_back([few], {LANE: entry(100) | before})[1]] == [kind]
