from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine.paginators import SPARE_PAGES, OffsetPaginator
from axsync.errors import LaneError
from axsync.model import Page, Window
from tests.examples import scaled
from tests.unit.engine.listing import Journey, Listing, Total, Traveller, by_offset

SIZES = st.one_of(st.integers(0, 150), st.sampled_from([0, 1, 10, 20, 21, 100]))
LIMITS = st.one_of(st.integers(1, 12), st.just(10))
WIDTHS = st.integers(1, 8)
SEEDS = st.integers(0, 2**32 - 1)
CHANCES = st.sampled_from([0.0, 0.2, 0.6])


def pages(size: int, limit: int) -> int:
    """Pages that hold so many rows."""
    return -(-size // limit)


def always(total: int | None) -> Total:
    """Each answer says the same."""
    return lambda _: total


@st.composite
def large_totals(draw: st.DrawFn) -> Callable[[int], Total]:
    """Given the size: a total that is too large, by as much always or by more each time."""
    excess, growth = draw(st.integers(0, 300)), draw(st.integers(0, 30))
    return lambda size: lambda answer: size + excess + growth * answer


def page(window: Window, rows: int, total: int | None = None) -> Page:
    """An answer whose rows are counted."""
    return Page(window, b"", rows, total, None)


@given(SIZES, LIMITS, WIDTHS, SEEDS)
@settings(max_examples=scaled(300))
def test_a_good_server_is_asked_once_per_page_and_once_more_after_a_full_one(
    size: int, limit: int, width: int, seed: int
) -> None:
    """Each row comes exactly once; only where the last page was full, one more request confirms the end."""
    listing = Listing(size, always(size), Random(seed))

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    confirmation = 1 if size % limit == 0 else 0
    assert [w.offset for w in journey.asked] == [limit * n for n in range(pages(size, limit) + confirmation)]
    assert listing.served == set(range(size))


@given(SIZES, LIMITS, WIDTHS, SEEDS, CHANCES, CHANCES, CHANCES, st.none() | st.integers(1, 12))
@settings(max_examples=scaled(400))
def test_a_bad_server_that_tells_the_right_total_is_read_whole(  # noqa: PLR0913, PLR0917  # each is a vice
    size: int, limit: int, width: int, seed: int, short: float, longer: float, blank: float, clamp: int | None
) -> None:
    """Short, long, clamped pages and pages once empty cost one request per fault, and no row."""
    listing = Listing(size, always(size), Random(seed), clamp, short, longer, blank)

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + listing.misses + 1


@given(SIZES, LIMITS, WIDTHS, SEEDS, large_totals(), CHANCES, CHANCES, CHANCES, st.none() | st.integers(1, 12))
@settings(max_examples=scaled(400))
def test_a_total_that_is_too_large_costs_no_more_than_two_widths(  # noqa: PLR0913, PLR0917  # each is a vice
    size: int,
    limit: int,
    width: int,
    seed: int,
    total: Callable[[int], Total],
    short: float,
    longer: float,
    blank: float,
    clamp: int | None,
) -> None:
    """Rows that do not exist are asked for twice and never again, however many are announced."""
    listing = Listing(size, total(size), Random(seed), clamp, short, longer, blank)

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + listing.misses + 2 * width + 5


@given(SIZES, LIMITS, WIDTHS, SEEDS, st.floats(0, 1), CHANCES)
@settings(max_examples=scaled(300))
def test_a_total_that_is_too_small_ends_no_walk_while_pages_are_full(
    size: int, limit: int, width: int, seed: int, share: float, longer: float
) -> None:
    """Rows beyond the total are read as long as pages are full, up to the bound of an endless listing."""
    total = max(int(size * share), (size - SPARE_PAGES * limit) // 2 + 1)
    listing = Listing(size, always(min(size, total)), Random(seed), longer=longer)

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + 1


@given(SIZES, LIMITS, WIDTHS, SEEDS, CHANCES, st.none() | st.integers(1, 12))
@settings(max_examples=scaled(200))
def test_a_server_without_totals_is_read_page_by_page_to_an_empty_one(
    size: int, limit: int, width: int, seed: int, short: float, clamp: int | None
) -> None:
    """Without a total the walk goes on from the rows so far, one window at a time, until nothing comes."""
    listing = Listing(size, always(None), Random(seed), clamp, short)

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + listing.misses + 1
    assert journey.widest == 1


@given(SIZES, LIMITS, WIDTHS, SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=scaled(300))
def test_totals_that_jump_about_lose_no_row(size: int, limit: int, width: int, seed: int, dice: Random) -> None:
    """Whatever the answers say one after another, full pages are followed by the next ones."""
    listing = Listing(size, lambda answer: dice.randrange(2 * size + 1) if answer else size, Random(seed))

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + 2 * width + 5


@given(SIZES, LIMITS, WIDTHS, SEEDS, CHANCES, st.none() | large_totals())
@settings(max_examples=scaled(200))
def test_no_more_is_in_flight_than_allowed(
    size: int, limit: int, width: int, seed: int, short: float, wrong: Callable[[int], Total] | None
) -> None:
    """No more windows are on their way than there is room for, and their numbers count up from 0."""
    total = wrong(size) if wrong else always(size)
    listing = Listing(size, total, Random(seed), short=short, blank=short)

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit), by_offset(listing))

    assert journey.widest <= width
    assert [w.number for w in journey.asked] == list(range(len(journey.asked)))


@given(SIZES, LIMITS, WIDTHS, SEEDS, st.integers(1, 200), CHANCES)
@settings(max_examples=scaled(300))
def test_a_limited_walk_asks_for_exactly_so_many_rows(
    size: int, limit: int, width: int, seed: int, most: int, short: float
) -> None:
    """`most` cuts the set; nothing behind it is asked for, everything before it comes."""
    listing = Listing(size, always(size), Random(seed), short=short, blank=short)

    journey = Traveller(Random(seed), width).go(OffsetPaginator(limit, most=most), by_offset(listing))

    assert listing.served == set(range(min(size, most)))
    assert all(w.offset + w.limit <= max(most, 1) for w in journey.asked)


def test_a_limit_that_a_page_meets_exactly_needs_no_confirmation() -> None:
    """Ten rows wanted in pages of five are two requests, though the set goes on."""
    listing = Listing(100, always(100), Random(0))

    journey = Traveller(Random(0), 4).go(OffsetPaginator(5, most=10), by_offset(listing))

    assert [(w.offset, w.limit) for w in journey.asked] == [(0, 5), (5, 5)]


def test_the_first_window_goes_alone() -> None:
    """Until the first answer there is no total, and nothing else is due."""
    walk = OffsetPaginator(10)

    due = walk.due(8)

    assert due == [Window(0, 0, 10)]
    assert walk.due(8) == []


def test_the_next_windows_leave_before_the_first_page_is_counted() -> None:
    """The total alone makes them due; rows may be counted later."""
    walk = OffsetPaginator(10)
    walk.answered(replace(page(walk.due(1)[0], 0, 35), rows=None))

    due = walk.due(8)

    assert [w.offset for w in due] == [10, 20, 30]


def test_a_short_page_in_the_middle_is_completed_before_the_walk_goes_on() -> None:
    """The gap comes first, exactly as wide as it is."""
    walk = OffsetPaginator(10)
    walk.answered(page(walk.due(1)[0], 4, 50))

    due = walk.due(2)

    assert due == [Window(1, 4, 6), Window(2, 10, 10)]


def test_a_window_that_stays_empty_is_asked_twice_only() -> None:
    """After the second empty answer its offset is taken for the end."""
    walk = OffsetPaginator(10)
    walk.answered(page(walk.due(1)[0], 10, 50))

    offsets = []
    for _ in range(5):
        for window in walk.due(1):
            offsets.append(window.offset)
            walk.answered(page(window, 0, 50))

    assert offsets == [10, 10]
    assert walk.done


def test_a_set_that_grew_behind_a_full_last_page_is_read_on() -> None:
    """Rows in the confirming answer are the beginning of what came in the meantime."""
    walk = OffsetPaginator(10)
    walk.answered(page(walk.due(1)[0], 10, 10))
    walk.answered(page(walk.due(1)[0], 3, 13))

    assert walk.done
    assert walk._covered == [(0, 13)]


def test_an_answer_that_is_counted_twice_counts_once() -> None:
    """A window that is no longer open changes nothing."""
    walk = OffsetPaginator(10)
    (window,) = walk.due(1)
    walk.answered(page(window, 5, 5))

    walk.counted(window, 10)

    assert walk._covered == [(0, 5)]


@given(st.integers(0, 40), LIMITS, WIDTHS, SEEDS)
@settings(max_examples=scaled(100))
def test_an_endless_listing_is_stopped(announced: int, limit: int, width: int, seed: int) -> None:
    """A server that announces some rows and sends full pages for ever is left after twice as many and some pages."""
    listing = Listing(10**6, always(announced), Random(seed))
    bound = pages(2 * announced, limit) + SPARE_PAGES + 1

    with pytest.raises(LaneError, match=f"announced {announced} rows"):
        Traveller(Random(seed), width, patience=bound + 1).go(OffsetPaginator(limit), by_offset(listing))


@given(LIMITS, WIDTHS, SEEDS)
@settings(max_examples=scaled(100))
def test_a_total_that_runs_ahead_for_ever_is_stopped(limit: int, width: int, seed: int) -> None:
    """The bound counts from the first total, so a total that always says "some more" does not lead on for ever."""
    listing = Listing(10**6, lambda answer: 2 * limit * (answer + 1), Random(seed))

    with pytest.raises(LaneError, match="there is no end"):
        Traveller(Random(seed), width, patience=200).go(OffsetPaginator(limit), by_offset(listing))


def test_the_rest_of_a_walk_begins_where_it_is_told() -> None:
    """`after` covers the rows that are here and goes on with page numbers of its own."""
    walk = OffsetPaginator.after(25, total=47, limit=10, asked=3)

    due = walk.due(8)

    assert due == [Window(3, 25, 10), Window(4, 35, 10), Window(5, 45, 10)]


def test_nothing_is_due_without_room() -> None:
    """No room, no window; the walk is not done for that."""
    walk = OffsetPaginator(10)

    due = walk.due(0)

    assert due == []
    assert not walk.done


def test_a_journey_over_nothing_is_one_request() -> None:
    """An empty type is known after its first page."""
    journey: Journey = Traveller(Random(0), 4).go(OffsetPaginator(10), by_offset(Listing(0, always(0), Random(0))))

    assert len(journey.asked) == 1
