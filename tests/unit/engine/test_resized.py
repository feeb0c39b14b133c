from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine.paginators import OffsetPaginator, Paginator, TokenPaginator
from axsync.model import Page, Window
from tests.examples import scaled

TOTAL = 97


@dataclass(slots=True)
class Server:
    """Serves at most `bearable` rows per page and gives larger windows back; a token only fits its own limit."""

    bearable: int
    chance: Random
    limits: list[int]  # what the walk is told, one after the other
    rows: list[int] = field(default_factory=list)
    mixed: list[Window] = field(default_factory=list)  # tokens that came back with another limit

    def walk_through(self, walk: Paginator, width: int) -> None:
        """Until it is done; answers come in any order, and some rows are counted late."""
        flying, uncounted = list[Window](), list[tuple[Window, int]]()
        for _ in range(3000):
            if self.limits and self.chance.random() < 0.3:
                walk.resize(self.limits.pop())
            flying += walk.due(width - len(flying))
            if not flying and not uncounted:
                assert walk.done
                return
            if uncounted and (not flying or self.chance.random() < 0.5):
                walk.counted(*uncounted.pop(0))
                continue
            self._answer(walk, flying.pop(self.chance.randrange(len(flying))), uncounted)
        pytest.fail("there is no end")

    def _answer(self, walk: Paginator, window: Window, uncounted: list[tuple[Window, int]]) -> None:
        if window.limit > self.bearable:
            walk.resize(max(1, min(window.limit // 2, walk_limit(walk))))
            walk.given_back(window)
            return
        start, known = window.offset, window.limit
        if window.token:
            start, known = map(int, window.token.split("/"))
        if known != window.limit:
            self.mixed.append(window)
        rows = list(range(start, min(start + window.limit, TOTAL)))
        self.rows += rows
        late = bool(rows) and self.chance.random() < 0.5
        token = f"{start + len(rows)}/{window.limit}" if rows else None
        walk.answered(Page(window, b"", None if late else len(rows), TOTAL, token))
        if late:
            uncounted.append((window, len(rows)))


def walk_limit(walk: Paginator) -> int:
    limit: int = walk.limit  # type: ignore[attr-defined]  # both walks have one
    return limit


@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.lists(st.integers(1, 64), max_size=6),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=scaled(300))
def test_every_row_comes_once_by_offset(limit: int, bearable: int, limits: list[int], width: int, seed: int) -> None:
    """Whatever the limit becomes, and whichever windows are given back."""
    server = Server(bearable, Random(seed), limits)
    server.walk_through(OffsetPaginator(limit), width)

    assert sorted(server.rows) == list(range(TOTAL))


@given(st.integers(1, 64), st.integers(1, 64), st.lists(st.integers(1, 64), max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(300))
def test_every_row_comes_once_by_token(limit: int, bearable: int, limits: list[int], seed: int) -> None:
    """And no token is ever sent with another limit than the one that it came with."""
    server = Server(bearable, Random(seed), limits)
    server.walk_through(TokenPaginator(limit), 4)

    assert sorted(server.rows) == list(range(TOTAL))
    assert server.mixed == []


def test_a_window_given_back_is_asked_in_pieces() -> None:
    """The gap that it leaves comes before the head."""
    walk = OffsetPaginator(20)
    first = walk.due(3)[0]
    walk.answered(Page(first, b"", 20, 100, None))
    second, third = walk.due(2)
    walk.resize(10)
    walk.given_back(second)

    assert [(w.offset, w.limit) for w in walk.due(3)] == [(20, 10), (30, 10), (60, 10)]
    assert third.limit == 20


def test_the_first_window_given_back_is_asked_anew() -> None:
    """By offset and by token alike: nothing is known yet, so nothing can be mixed."""
    for walk in (OffsetPaginator(20), TokenPaginator(20), TokenPaginator(20, "")):
        first = walk.due(1)[0]
        walk.resize(10)
        walk.given_back(first)

        (again,) = walk.due(4)
        assert (again.offset, again.limit, again.token, again.number) == (0, 10, first.token, 1)


def test_a_chain_whose_window_is_given_back_goes_on_by_offset() -> None:
    """From the rows so far, once they are counted."""
    walk = TokenPaginator(20)
    (first,) = walk.due(4)
    walk.answered(Page(first, b"", None, 100, "next"))
    (second,) = walk.due(4)
    walk.resize(10)
    walk.given_back(second)
    assert (walk.due(4), walk.done) == ([], False)

    walk.counted(first, 20)
    assert [(w.offset, w.limit, w.token) for w in walk.due(2)] == [(20, 10, None), (30, 10, None)]


def test_larger_windows_are_no_reason_to_leave_a_chain() -> None:
    """Its token goes with the size that it came with."""
    walk = TokenPaginator(10)
    walk.answered(Page(walk.due(1)[0], b"", 10, 100, "next"))
    walk.resize(20)

    assert walk.due(4) == [Window(1, 0, 10, "next")]


def test_the_window_that_was_to_confirm_the_end_is_asked_again() -> None:
    """A page that was exactly full is not the end before an empty one."""
    walk = OffsetPaginator(10)
    (first,) = walk.due(1)
    walk.answered(Page(first, b"", 10, 10, None))
    (tail,) = walk.due(1)
    walk.resize(5)
    walk.given_back(tail)

    (again,) = walk.due(1)
    assert (again.offset, again.limit) == (10, 5)
    walk.answered(Page(again, b"", 0, 10, None))
    assert walk.done
