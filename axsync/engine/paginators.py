"""Which windows of a lane are due, given the answers so far. Pure: no clock, no I/O.

Theory of operation
-------------------
Paging by offset is a coverage problem, not a chain of pages. The paginator knows the row ranges covered by answers,
the windows in flight, and the newest total that the server reported. Windows are due in this order:

1. The very first window alone: its answer reports the total.
2. Gaps: ranges below the head that an answer left open, such as a short page in the middle or a clamped limit. A gap
   is requested again while that brings rows, and once more after it brought none.
3. The next window at the head, while the head is below the total.
4. The tail: if the last page was exactly full, or is asked to be, one more window. An empty answer confirms the end;
   rows mean that the set grew.

So only the rows received decide how to continue, never the requested limit, `meta.page.size`, or the presence of a
token. The windows in flight never exceed the width that the caller allows.

Paging by token (v2 token, v1 cursor) is a chain. The next window leaves as soon as its token is known, before the rows
of the previous page are counted. If the chain ends too early, paging continues by offset after the rows so far.

The limit may change between windows. A window that is given back leaves a gap, which is requested with the limit in
effect by then. A chain whose limit shrinks continues by offset: whether an old token accepts another limit is unproven
(docs/axonius-api.md, "Paging").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from axsync.errors import LaneError
from axsync.model import Page, Window

SPARE_PAGES = 16
"""Pages beyond twice the first total before a listing counts as endless."""


class Returned(Exception):
    """A window that must be requested again in smaller ones."""


class Paginator(Protocol):
    """Decides which windows of one lane to request next."""

    total: int | None

    def due(self, room: int) -> list[Window]:
        """Windows to request now, at most `room`; they count as requested."""

    def answered(self, page: Page) -> None:
        """Record an answer; its rows may not be counted yet."""

    def counted(self, window: Window, rows: int) -> None:
        """Record the row count of an answered window."""

    def bound(self, total: int | None) -> None:
        """Set the total by which a listing counts as endless, where no page has told one."""

    def resize(self, limit: int) -> None:
        """Set the rows per window from now on."""

    def given_back(self, window: Window) -> None:
        """Record that this window will not be answered; its rows are due again."""

    @property
    def ending(self) -> bool:
        """Nothing will be due any more if the pages that are not counted yet are as full as they were so far."""

    @property
    def done(self) -> bool:
        """Nothing is due and nothing is in flight."""


@dataclass(slots=True)
class OffsetPaginator:
    """Windows by offset, several at once. `most` (at least 1) stops after that many rows."""

    limit: int
    most: int | None = None
    total: int | None = None
    _first_total: int | None = None
    _head: int = 0  # first row never requested
    _asked: int = 0  # windows
    _open: dict[int, Window] = field(default_factory=dict)  # requested, rows not counted yet
    _covered: list[tuple[int, int]] = field(default_factory=list)  # disjoint [from, to), in order
    _empty: dict[int, int] = field(default_factory=dict)  # offset → number of empty answers
    _full_end: int | None = None  # end of the last page, if it was exactly full
    _widest: int = 0  # largest limit so far
    _short: bool = False  # a page before the end had fewer rows than it was asked for

    @classmethod
    def resumed(
        cls, limit: int, *, covered: Sequence[tuple[int, int]], total: int | None, most: int | None, asked: int
    ) -> "OffsetPaginator":
        """Resume: these ranges are stored; what lies between and after them is due."""
        ranges = _merge(list(covered))
        paginator = cls(limit, most, total, _first_total=total, _asked=asked, _covered=ranges)
        paginator._head = paginator._end()
        return paginator

    @classmethod
    def expecting(cls, total: int, *, limit: int) -> "OffsetPaginator":
        """Start with all windows that a listing of so many rows is expected to have; the answers correct it."""
        return cls(limit, total=total, _first_total=total)

    @classmethod
    def after(cls, rows: int, *, total: int | None, limit: int, asked: int) -> "OffsetPaginator":
        """Continue after the first `rows` rows; `asked` keeps page numbers unique."""
        return cls(limit, total=total, _first_total=total, _head=rows, _asked=asked, _covered=[(0, rows)])

    def due(self, room: int) -> list[Window]:
        """Windows to request now, in the order given above."""
        windows: list[Window] = []
        while len(windows) < room and (found := self._next()) is not None:
            windows.append(self._ask(*found))
        return windows

    def _next(self) -> tuple[int, int] | None:
        if self._asked == 0:
            return 0, self._span(0)
        if self.total is None:
            return self._one_by_one()
        return self._gap() or self._ahead() or self._tail()

    def _ask(self, offset: int, limit: int) -> Window:
        window = Window(self._asked, offset, limit)
        self._asked += 1
        self._open[window.number] = window
        self._head = max(self._head, offset + limit)
        if offset == self._full_end:
            self._full_end = None
        return window

    def _span(self, offset: int) -> int:
        return self.limit if self.most is None else max(0, min(self.limit, self.most - offset))

    def _end(self) -> int:
        return self._covered[-1][1] if self._covered else 0

    def _target(self) -> int:
        """Rows to reach: the total, unless an empty answer showed that there are fewer."""
        ends = [o for o, times in self._empty.items() if times > 1 or o >= (self.total or 0)]
        target = min([self.total or 0, *(max(o, self._end()) for o in ends)])
        return target if self.most is None else min(target, self.most)

    def _one_by_one(self) -> tuple[int, int] | None:
        offset = self._end()
        span = self._span(offset)
        return (offset, span) if span and not self._open and offset not in self._empty else None

    def _gap(self) -> tuple[int, int] | None:
        busy = [(w.offset, w.offset + w.limit) for w in self._open.values()]
        upto = min(self._head, max(self._target(), self._end()))
        holes = _holes(sorted(self._covered + busy), upto)
        return next(((low, min(high - low, self.limit)) for low, high in holes if self._empty.get(low, 0) <= 1), None)

    def _ahead(self) -> tuple[int, int] | None:
        span, target = self._span(self._head), self._target()
        return (self._head, span) if span and (self._head < target or self._ends_full(target)) else None

    def _ends_full(self, target: int) -> bool:
        """Whether a page in flight ends exactly where the rows do: the tail need not wait for it."""
        return self._head == target and any(w.offset + w.limit == target for w in self._open.values())

    def _tail(self) -> tuple[int, int] | None:
        offset = self._full_end
        if self._open or offset is None or offset < self._target():
            return None
        span = self._span(offset)
        return (offset, span) if span else None

    def answered(self, page: Page) -> None:
        """Take the newest total. A small page has its rows counted already."""
        if page.total is not None:
            self.total = page.total
            self._first_total = page.total if self._first_total is None else self._first_total
        if page.rows is not None:
            self.counted(page.window, page.rows)

    def counted(self, window: Window, rows: int) -> None:
        """Mark the rows as covered. Raises: LaneError if the listing has no end."""
        if self._open.pop(window.number, None) is None:
            return
        if not rows:
            self._empty[window.offset] = self._empty.get(window.offset, 0) + 1
            return
        end = window.offset + rows
        self._short = self._short or (rows < window.limit and end < (self.total or 0))
        self._covered = _merge([*self._covered, (window.offset, end)])
        if end == self._end() and rows >= window.limit and self._head <= end:
            self._full_end = end
        _refuse_endless(self._first_total, self._end(), max(self.limit, self._widest))

    def bound(self, total: int | None) -> None:
        """Set the bound alone: what is due is still decided by the pages."""
        self._first_total = total if self._first_total is None else self._first_total

    def resize(self, limit: int) -> None:
        """Set the rows per window from now on; windows in flight stay as they are."""
        self._widest, self.limit = max(self._widest, self.limit), limit

    def given_back(self, window: Window) -> None:
        """Leave its rows as a gap, or as the tail if the window was to confirm the end."""
        if self._open.pop(window.number, None) is None:
            return
        if self.total is not None and window.offset >= self._target():
            self._full_end = window.offset

    @property
    def ending(self) -> bool:
        """The total is known, and nothing is due, nor will a tail be."""
        tail = self._full_end is not None and self._full_end >= self._target()
        return self.total is not None and not (self._short or tail) and self._next() is None

    @property
    def done(self) -> bool:
        """Nothing in flight, nothing due."""
        return self._asked > 0 and not self._open and self._next() is None


def _merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same rows as disjoint ranges, in order."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _holes(ranges: list[tuple[int, int]], upto: int) -> list[tuple[int, int]]:
    """Ranges below `upto` that the ordered `ranges` do not cover."""
    holes, at = [], 0
    for start, stop in ranges:
        if start > at:
            holes.append((at, min(start, upto)))
        at = max(at, stop)
    holes.append((at, upto))
    return [h for h in holes if h[0] < h[1]]


@dataclass(slots=True)
class TokenPaginator:
    """Windows by token or cursor, one at a time. The next one leaves before the last one is counted.

    `start` is the token of the first window: None for v2 tokens, an empty string for v1 cursors. A v1 server may name
    the cursor once and expect it with every page (docs/axonius-api.md, "Paging").
    """

    limit: int
    start: str | None = None
    total: int | None = None
    _first_total: int | None = None
    _next: Window | None = None
    _asked: int = 0
    _rows: int = 0
    _open: set[int] = field(default_factory=set)  # requested, rows not counted yet
    _token_missing: bool = False  # rows came without a token to follow
    _abandoned: bool = False  # the chain was abandoned
    _rest: OffsetPaginator | None = None

    def __post_init__(self) -> None:
        """Start with the first window due."""
        self._next = Window(0, 0, self.limit, self.start)

    @classmethod
    def resumed(cls, limit: int, *, number: int, token: str, rows: int, total: int | None) -> "TokenPaginator":
        """Resume before page `number`, which `token` leads to."""
        paginator = cls(limit, total=total, _first_total=total, _asked=number, _rows=rows)
        paginator._next = Window(number, 0, limit, token)
        return paginator

    def due(self, room: int) -> list[Window]:
        """The next window of the chain, or windows by offset if the chain ended too early."""
        if self._rest is not None:
            return self._rest.due(room)
        if self._next is None or room < 1:
            return []
        window, self._next = self._next, None
        self._asked += 1
        self._open.add(window.number)
        return [window]

    def answered(self, page: Page) -> None:
        """Follow the token. An empty page, or no token, ends the chain."""
        if self._rest is not None:
            self._rest.answered(page)
            self.total = self._rest.total
            return
        self.total = page.total if page.total is not None else self.total
        self._first_total = self._first_total if self._first_total is not None else self.total
        token = page.token or (page.window.token if self.start is not None else None)
        if page.rows != 0 and token:
            self._next = Window(self._asked, 0, page.window.limit, token)
            self._abandoned = self.limit < page.window.limit
        self._token_missing = page.rows != 0 and not token
        if page.rows is not None:
            self.counted(page.window, page.rows)

    def counted(self, window: Window, rows: int) -> None:
        """Add up the rows. Raises: LaneError if the listing has no end."""
        if self._rest is not None:
            self._rest.counted(window, rows)
            return
        if window.number not in self._open:
            return
        self._open.discard(window.number)
        self._rows += rows
        _refuse_endless(self._first_total, self._rows, max(self.limit, window.limit))
        self._continue_by_offset()

    def _continue_by_offset(self) -> None:
        """Continue by offset if the chain ended too early or was abandoned, once every page is counted."""
        self._next = None if self._abandoned else self._next
        if self._next is None and not self._open and (self._abandoned or self._ended_early()):
            self._rest = OffsetPaginator.after(self._rows, total=self.total, limit=self.limit, asked=self._asked)
            self._rest.bound(self._first_total)

    def bound(self, total: int | None) -> None:
        """Set the bound alone; the rest by offset has it too."""
        self._first_total = total if self._first_total is None else self._first_total
        if self._rest is not None:
            self._rest.bound(total)

    def resize(self, limit: int) -> None:
        """Abandon the chain for smaller windows; larger ones wait for the rest by offset."""
        if self._rest is not None:
            self._rest.resize(limit)
        elif limit < self.limit:
            self.limit = limit
            self._abandoned = self._abandoned or (self._next is not None and self._next.token != self.start)
            self._continue_by_offset()

    def given_back(self, window: Window) -> None:
        """Request the first window again; a later one ends the chain."""
        if self._rest is not None:
            self._rest.given_back(window)
        elif window.number in self._open:
            self._open.discard(window.number)
            self._abandoned = self._abandoned or window.token != self.start
            self._next = Window(self._asked, 0, self.limit, self.start)
            self._continue_by_offset()

    def _ended_early(self) -> bool:
        # Without a total only an empty page marks the end.
        return self._token_missing if self.total is None else self._rows < self.total

    @property
    def ending(self) -> bool:
        """The chain has come to its end; whether too early, only the rows can tell."""
        if self._rest is not None:
            return self._rest.ending
        return self._asked > 0 and self._next is None and self.total is not None and not self._abandoned

    @property
    def done(self) -> bool:
        """No window due, none in flight, all counted."""
        chain = self._asked > 0 and self._next is None and not self._open
        return chain if self._rest is None else self._rest.done


def _refuse_endless(first_total: int | None, rows: int, limit: int) -> None:
    """Raises: LaneError if far more rows came than the first total announced."""
    if first_total is not None and rows > 2 * first_total + SPARE_PAGES * limit:
        raise LaneError(f"the server announced {first_total} rows, sent {rows}, and there is no end")
