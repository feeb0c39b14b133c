"""Which windows of a lane are due, given what was answered. Pure: no clock, no I/O.

Theory of operation
-------------------
An offset walk is a coverage problem, not a chain of pages. The walk knows which row ranges were covered by
answers, which windows are on their way, and the newest total that the server told. What is due is, in this order:

1. the very first window alone: its answer tells the total;
2. gaps, ranges below the head that an answer left open: a short page in the middle, a clamped limit. A gap is
   asked again as long as asking brings rows, and once more after it brought none;
3. the next window at the head, while the head is below the total;
4. the tail: where the last page was exactly full, one more window; an empty answer confirms the end, rows mean
   that the set grew (API reference 6.1).

So rows received decide where to go on, never the limit that was asked for, nor `meta.page.size`, nor the presence
of a token. What is on its way never exceeds the width that the caller allows, so the frontier stays small.

A mark walk (v2 token, v1 cursor) is a chain. The next window leaves as soon as the mark is known, before the rows
of its page are counted. Where the chain ends too early, the walk goes on by offset from the rows so far.

The limit may change between windows. A window that is given back leaves a gap, which is asked with the limit of then.
A chain whose limit shrinks goes on by offset: an old mark with another limit is unproven (API reference 11.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from axsync.errors import LaneError
from axsync.model import Page, Window
from axsync.ranges import holes_between, merged

SPARE_PAGES = 16
"""Pages beyond twice the first total before a walk is called endless."""


class Returned(Exception):
    """A window that is to be asked again in smaller ones."""


class Walk(Protocol):
    """An ordered way over the rows of one lane."""

    total: int | None

    def due(self, room: int) -> list[Window]:
        """Windows to ask now, at most `room`; they count as asked."""

    def answered(self, page: Page) -> None:
        """An answer is here; its rows may not be counted yet."""

    def counted(self, window: Window, rows: int) -> None:
        """The rows of an answered window are counted."""

    def resize(self, limit: int) -> None:
        """Ask for so many rows from now on."""

    def given_back(self, window: Window) -> None:
        """This window will not be answered; its rows are due again."""

    @property
    def done(self) -> bool:
        """Nothing is due and nothing is on its way."""


@dataclass(slots=True)
class OffsetWalk:
    """Windows by offset, several at once. `most` (at least 1) cuts the walk after that many rows."""

    limit: int
    most: int | None = None
    total: int | None = None
    _first_total: int | None = None
    _head: int = 0  # first row that was never asked for
    _asked: int = 0  # windows
    _open: dict[int, Window] = field(default_factory=dict)  # asked, rows not counted yet
    _covered: list[tuple[int, int]] = field(default_factory=list)  # disjoint [from, to), in order
    _empty: dict[int, int] = field(default_factory=dict)  # offset → how often it brought nothing
    _full_end: int | None = None  # end of a page that was exactly full and last
    _widest: int = 0  # largest limit so far

    @classmethod
    def resumed(
        cls, limit: int, *, covered: Sequence[tuple[int, int]], total: int | None, most: int | None, asked: int
    ) -> "OffsetWalk":
        """A walk that was broken off: these ranges are here, what is between them and behind them is asked."""
        ranges = merged(list(covered))
        walk = cls(limit, most, total, _first_total=total, _asked=asked, _covered=ranges)
        walk._head = walk._end()
        return walk

    @classmethod
    def after(cls, rows: int, *, total: int | None, limit: int, asked: int) -> "OffsetWalk":
        """The rest of a walk whose first `rows` rows are here; `asked` keeps page numbers apart."""
        return cls(limit, total=total, _first_total=total, _head=rows, _asked=asked, _covered=[(0, rows)])

    def due(self, room: int) -> list[Window]:
        """See the theory of operation."""
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
        """The rows to reach: the total, unless an empty answer showed that there are fewer."""
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
        holes = holes_between(sorted(self._covered + busy), upto)
        return next(((low, min(high - low, self.limit)) for low, high in holes if self._empty.get(low, 0) <= 1), None)

    def _ahead(self) -> tuple[int, int] | None:
        span = self._span(self._head)
        return (self._head, span) if span and self._head < self._target() else None

    def _tail(self) -> tuple[int, int] | None:
        offset = self._full_end
        if self._open or offset is None or offset < self._target():
            return None
        span = self._span(offset)
        return (offset, span) if span else None

    def answered(self, page: Page) -> None:
        """Take the newest total; a small page knows its rows at once."""
        if page.total is not None:
            self.total = page.total
            self._first_total = page.total if self._first_total is None else self._first_total
        if page.rows is not None:
            self.counted(page.window, page.rows)

    def counted(self, window: Window, rows: int) -> None:
        """Cover what came. Raises: LaneError where the listing has no end."""
        if self._open.pop(window.number, None) is None:
            return
        if not rows:
            self._empty[window.offset] = self._empty.get(window.offset, 0) + 1
            return
        end = window.offset + rows
        self._covered = merged([*self._covered, (window.offset, end)])
        if end == self._end() and rows >= window.limit:
            self._full_end = end
        _guard(self._first_total, self._end(), max(self.limit, self._widest))

    def resize(self, limit: int) -> None:
        """Ask for so many rows from now on; windows that are on their way stay as they are."""
        self._widest, self.limit = max(self._widest, self.limit), limit

    def given_back(self, window: Window) -> None:
        """Leave its rows as a gap, or as the tail where it was to confirm the end."""
        if self._open.pop(window.number, None) is None:
            return
        if self.total is not None and window.offset >= self._target():
            self._full_end = window.offset

    @property
    def done(self) -> bool:
        """Nothing on its way, nothing left to ask."""
        return self._asked > 0 and not self._open and self._next() is None


def _guard(first_total: int | None, rows: int, limit: int) -> None:
    if first_total is not None and rows > 2 * first_total + SPARE_PAGES * limit:
        raise LaneError(f"the server announced {first_total} rows, sent {rows}, and there is no end")


@dataclass(slots=True)
class MarkWalk:
    """Windows by token or cursor, one at a time, the next one sent before the last one is counted.

    `start` is the mark of the first window: None for v2 tokens, an empty string for v1 cursors, whose server may
    name the cursor once and expects it with each page (API reference 6.2).
    """

    limit: int
    start: str | None = None
    total: int | None = None
    _first_total: int | None = None
    _next: Window | None = None
    _asked: int = 0
    _rows: int = 0
    _open: set[int] = field(default_factory=set)  # asked, rows not counted yet
    _vanished: bool = False  # no mark to follow although rows came
    _left: bool = False  # the chain is given up where it is
    _rest: OffsetWalk | None = None

    def __post_init__(self) -> None:
        """The first window is due."""
        self._next = Window(0, 0, self.limit, self.start)

    @classmethod
    def resumed(cls, limit: int, *, number: int, mark: str, rows: int, total: int | None) -> "MarkWalk":
        """A walk that was broken off before page `number`, which `mark` leads to."""
        walk = cls(limit, total=total, _first_total=total, _asked=number, _rows=rows)
        walk._next = Window(number, 0, limit, mark)
        return walk

    def due(self, room: int) -> list[Window]:
        """The next window, or, where the chain ended too early, what is left by offset."""
        if self._rest is not None:
            return self._rest.due(room)
        if self._next is None or room < 1:
            return []
        window, self._next = self._next, None
        self._asked += 1
        self._open.add(window.number)
        return [window]

    def answered(self, page: Page) -> None:
        """Follow the mark; an empty page, or no mark, ends the chain."""
        if self._rest is not None:
            self._rest.answered(page)
            self.total = self._rest.total
            return
        self.total = page.total if page.total is not None else self.total
        self._first_total = self._first_total if self._first_total is not None else self.total
        mark = page.mark or (page.window.mark if self.start is not None else None)
        if page.rows != 0 and mark:
            self._next = Window(self._asked, 0, page.window.limit, mark)
            self._left = self.limit < page.window.limit
        self._vanished = page.rows != 0 and not mark
        if page.rows is not None:
            self.counted(page.window, page.rows)

    def counted(self, window: Window, rows: int) -> None:
        """Rows so far. Raises: LaneError where the listing has no end."""
        if self._rest is not None:
            self._rest.counted(window, rows)
            return
        if window.number not in self._open:
            return
        self._open.discard(window.number)
        self._rows += rows
        _guard(self._first_total, self._rows, max(self.limit, window.limit))
        self._go_on()

    def _go_on(self) -> None:
        """By offset, where the chain ended too early or was left, and all that came is counted."""
        self._next = None if self._left else self._next
        if self._next is None and not self._open and (self._left or self._cut_short()):
            self._rest = OffsetWalk.after(self._rows, total=self.total, limit=self.limit, asked=self._asked)

    def resize(self, limit: int) -> None:
        """Smaller windows leave the chain; larger ones have to wait for its rest."""
        if self._rest is not None:
            self._rest.resize(limit)
        elif limit < self.limit:
            self.limit = limit
            self._left = self._left or (self._next is not None and self._next.mark != self.start)
            self._go_on()

    def given_back(self, window: Window) -> None:
        """The first window is asked anew; a later one ends the chain."""
        if self._rest is not None:
            self._rest.given_back(window)
        elif window.number in self._open:
            self._open.discard(window.number)
            self._left = self._left or window.mark != self.start
            self._next = Window(self._asked, 0, self.limit, self.start)
            self._go_on()

    def _cut_short(self) -> bool:
        # Without a total only an empty page tells the end (API reference, section 1, rule 4).
        return self._vanished if self.total is None else self._rows < self.total

    @property
    def done(self) -> bool:
        """No window due, none on its way, all counted."""
        chain = self._asked > 0 and self._next is None and not self._open
        return chain if self._rest is None else self._rest.done
