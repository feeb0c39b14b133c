"""What a journal remembers, event by event."""

import pytest

from axsync.model import Lane, Outcome, PageSpan, Part
from axsync.runs.state import LaneMemory, RunMemory, fold, lose, merged_ranges, record

LANE = Lane("prod", "devices")
OTHER = Lane("prod", "users")
PINNED = {"question": {"entity": "devices"}}


def part(number: int, rows: int = 10, letters: int = 0) -> Part:
    return Part(f"part-{number}", rows, 1, "x", (PageSpan(number, number * rows, rows, rows),), letters=letters)


def sealed(number: int, letters: int = 0) -> dict[str, object]:
    spent = {"pages": number + 1, "requests": 2, "retries": 0, "seconds": 1.5}
    return record("part_sealed", LANE, part=part(number, letters=letters), letters_size=letters * 100, spent=spent)


BEGUN = [
    record("lanes_chosen", lanes=[LANE, OTHER]),
    record("lane_pinned", LANE, pinned=PINNED),
    sealed(0),
    sealed(1, 3),
]


def test_parts_add_up() -> None:
    """Pages that need not be asked again, dead letters, and what the lane cost so far."""
    lane = fold(BEGUN).lanes[LANE]

    assert [one.path for one in lane.parts] == ["part-0", "part-1"]
    assert [span.number for span in lane.spans] == [0, 1]
    assert (lane.letters, lane.letters_size) == (3, 300)
    assert (lane.spent.pages, lane.spent.requests) == (2, 2)
    assert lane.pinned == PINNED
    assert fold(BEGUN).lanes[OTHER].parts == []


def test_a_lost_part_takes_its_dead_letters_and_the_outcome_along() -> None:
    """Its pages are due again, so the lane is not closed any more."""
    closed = record("lane_closed", LANE, outcome=Outcome(LANE, "complete"))
    state = fold([*BEGUN, closed])
    assert state.lanes[LANE].outcome is not None

    told = lose(state, LANE, "part-1")

    lane = state.lanes[LANE]
    assert ([one.path for one in lane.parts], lane.letters, lane.outcome) == (["part-0"], 0, None)
    assert fold([*BEGUN, closed, told]).lanes[LANE].parts == lane.parts


def test_a_replaced_part_keeps_its_place() -> None:
    """Rows that came again later are counted as duplicates."""
    fresh = record("part_replaced", LANE, old="part-0", part=part(7, rows=8), duplicates=2)

    lane = fold([*BEGUN, fresh]).lanes[LANE]

    assert ([one.path for one in lane.parts], lane.duplicates) == (["part-7", "part-1"], 2)


def test_a_restarted_lane_has_nothing() -> None:
    """Neither parts nor columns; the other lane is as it was."""
    state = fold([*BEGUN, record("pages_buried", LANE, span=PageSpan(2, 20, 0, 5), letters=5, letters_size=800)])
    assert [span.number for span in state.lanes[LANE].spans] == [0, 1, 2]
    assert state.lanes[LANE].letters == 8

    state = fold([*BEGUN, record("lane_restarted", LANE)])

    lane = state.lanes[LANE]
    assert (lane.parts, lane.pinned, lane.letters, lane.letters_size, lane.spans) == ([], None, 0, 0, [])


def test_a_run_is_over_when_it_is_finished_or_given_up() -> None:
    """Only a finished one makes another run needless; a published one may still be resumed."""
    published, finished = fold([record("published")]), fold([record("published"), record("finished")])
    given_up = fold([record("abandoned")])

    assert (published.published, published.over, published.finished) == (True, False, False)
    assert (finished.over, finished.finished) == (True, True)
    assert (given_up.over, given_up.finished) == (True, False)


def test_ranges_are_those_of_pages_with_rows() -> None:
    """In the order of the rows, whatever the order of the pages."""
    spans = [PageSpan(1, 10, 10, 10), PageSpan(0, 0, 10, 10), PageSpan(2, 20, 0, 0)]

    assert merged_ranges(spans) == [(0, 10), (10, 20)]


@pytest.mark.parametrize(("generation", "mark", "kept"), [("v1", "t", 0), ("v1", None, 7), ("v2", "t", 7)])
def test_rows_behind_a_cursor_that_only_moves_on_are_not_kept(generation: str, mark: str | None, kept: int) -> None:
    """Of a lane that has not come to its end: whoever resumes the run begins it anew."""
    lane = LaneMemory({"generation": generation}, [Part("p", 7, 1, "x", (PageSpan(0, 0, 7, mark=mark),))])

    assert RunMemory(lanes={Lane("prod", "devices"): lane}).kept == kept
