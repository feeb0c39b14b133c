from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine.paginators import SPARE_PAGES, TokenPaginator
from axsync.errors import LaneError
from axsync.model import Page, Window
from tests.examples import scaled
from tests.unit.engine.listing import Chain, Listing, Traveller

SIZES = st.one_of(st.integers(0, 100), st.sampled_from([0, 1, 10, 20, 21, 100]))
LIMITS = st.integers(1, 12)
SEEDS = st.integers(0, 2**32 - 1)
TOKEN, CURSOR = None, ""  # the token of the first window


def pages(size: int, limit: int) -> int:
    """Pages that hold so many rows."""
    return -(-size // limit)


@given(SIZES, LIMITS, SEEDS, st.booleans(), st.booleans(), st.sampled_from([0.0, 0.3]))
@settings(max_examples=scaled(300))
def test_a_chain_is_followed_to_its_empty_page(
    size: int, limit: int, seed: int, cursor: bool, told: bool, short: float
) -> None:
    """With tokens or cursors, with a total or without: one request per page, one at a time, one for the end."""
    listing = Listing(size, lambda _: size if told else None, Random(seed), short=short)
    chain = Chain(listing, cursor)

    journey = Traveller(Random(seed), 4).go(TokenPaginator(limit, CURSOR if cursor else TOKEN), chain.answer)

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + listing.misses + 1
    assert journey.widest == 1
    assert chain.chained == len(journey.asked)


@given(SIZES, LIMITS, SEEDS)
@settings(max_examples=scaled(100))
def test_a_cursor_that_is_named_once_is_used_to_the_end(size: int, limit: int, seed: int) -> None:
    """v1 may name its cursor in the first answer only; each further request carries it."""
    listing = Listing(size, lambda _: size, Random(seed))

    journey = Traveller(Random(seed), 4).go(
        TokenPaginator(limit, CURSOR), Chain(listing, cursor=True, named_once=True).answer
    )

    assert listing.served == set(range(size))
    assert [w.token for w in journey.asked] == [CURSOR, *["the cursor"] * (len(journey.asked) - 1)]


@given(st.integers(1, 100), LIMITS, SEEDS, st.integers(0, 12), st.integers(1, 8))
@settings(max_examples=scaled(200))
def test_a_token_that_vanishes_too_early_is_replaced_by_offsets(
    size: int, limit: int, seed: int, lost: int, width: int
) -> None:
    """The walk goes on from the rows so far; no row is asked for twice."""
    listing = Listing(size, lambda _: size, Random(seed))
    lost %= pages(size, limit)

    journey = Traveller(Random(seed), width).go(TokenPaginator(limit), Chain(listing, lost=lost).answer)

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + 1
    assert [w.offset for w in journey.asked[lost + 1 :]] == [limit * n for n in range(lost + 1, len(journey.asked))]


@given(st.integers(1, 100), LIMITS, SEEDS, st.integers(0, 12))
@settings(max_examples=scaled(200))
def test_a_token_that_vanishes_where_no_total_is_told_is_no_end(size: int, limit: int, seed: int, lost: int) -> None:
    """Without a total only an empty page ends a walk: `meta` may be missing, and the token with it."""
    listing = Listing(size, lambda _: None, Random(seed))

    journey = Traveller(Random(seed), 4).go(TokenPaginator(limit), Chain(listing, lost=lost).answer)

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + 1


@given(st.integers(1, 100), LIMITS, SEEDS, st.booleans())
@settings(max_examples=scaled(200))
def test_an_empty_page_before_the_total_is_reached_is_no_end(size: int, limit: int, seed: int, cursor: bool) -> None:
    """A chain that breaks off with an empty page leaves the rest to offsets."""
    listing = Listing(size, lambda _: size, Random(seed), blank=0.4)

    journey = Traveller(Random(seed), 4).go(
        TokenPaginator(limit, CURSOR if cursor else TOKEN), Chain(listing, cursor).answer
    )

    assert listing.served == set(range(size))
    assert len(journey.asked) <= pages(size, limit) + listing.misses + 1


def test_the_next_window_leaves_before_the_page_is_counted() -> None:
    """A token is enough to ask on."""
    walk = TokenPaginator(10)
    walk.answered(Page(walk.due(1)[0], b"", None, 30, "token 10"))

    due = walk.due(4)

    assert due == [Window(1, 0, 10, "token 10")]
    assert walk.due(4) == []


def test_a_walk_is_not_done_before_its_pages_are_counted() -> None:
    """An end of the chain waits for the rows, since they decide whether it came too early."""
    walk = TokenPaginator(10)
    (window,) = walk.due(1)
    walk.answered(Page(window, b"", None, 30, None))

    assert not walk.done
    walk.counted(window, 30)
    assert walk.done


def test_an_empty_type_is_one_request() -> None:
    """No rows, no token, no total: nothing else to ask."""
    walk = TokenPaginator(10)

    walk.answered(Page(walk.due(1)[0], b"", 0, None, None))

    assert walk.done


@given(st.integers(0, 40), LIMITS, SEEDS, st.booleans())
@settings(max_examples=scaled(100))
def test_an_endless_chain_is_stopped(announced: int, limit: int, seed: int, cursor: bool) -> None:
    """Twice the rows that were announced, and some pages: that is no listing."""
    chain = Chain(Listing(10**6, lambda _: announced, Random(seed)), cursor)
    bound = pages(2 * announced, limit) + SPARE_PAGES + 2

    with pytest.raises(LaneError, match=f"announced {announced} rows"):
        Traveller(Random(seed), 4, 0.0, bound + 1).go(TokenPaginator(limit, CURSOR if cursor else TOKEN), chain.answer)


@pytest.mark.parametrize("lost", [None, 2])
def test_a_chain_without_totals_ends_at_its_bound(lost: int | None) -> None:
    """Also where it goes on by offset."""
    chain = Chain(Listing(10**6, lambda _: None, Random(0)), lost=lost)
    walk = TokenPaginator(10)
    walk.bound(7)

    with pytest.raises(LaneError, match="announced 7 rows"):
        Traveller(Random(0), 4, 0.0, 40).go(walk, chain.answer)


def test_a_number_of_a_window_is_never_used_twice() -> None:
    """Windows by offset go on counting where the chain ended."""
    listing = Listing(50, lambda _: 50, Random(0))

    journey = Traveller(Random(0), 4).go(TokenPaginator(10), Chain(listing, lost=1).answer)

    assert [w.number for w in journey.asked] == list(range(len(journey.asked)))
