"""Paging by offset, a coverage problem: see the theory of operation in `engine.paginator`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from axsync.errors import LaneError
from axsync.model import Page, Window

SPARE_PAGES = 16
"""Pages beyond twice the first total before a listing counts as endless."""


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
    def after(cls, rows: int, *, total: int | None, limit: int, asked: int) -> "OffsetPaginator":
        """Continue after the first `rows` rows; `asked` keeps page numbers unique."""
        return cls(limit, total=total, _first_total=total, _head=rows, _asked=asked, _covered=[(0, rows)])

    def due(self, room: int) -> list[Window]:
        """Windows to request now, in the order given in `engine.paginator`."""
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
        span = self._span(self._head)
        return (self._head, span) if span and self._head < self._target() else None

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
        self._covered = _merge([*self._covered, (window.offset, end)])
        if end == self._end() and rows >= window.limit:
            self._full_end = end
        refuse_endless(self._first_total, self._end(), max(self.limit, self._widest))

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
    def done(self) -> bool:
        """Nothing in flight, nothing due."""
        return self._asked > 0 and not self._open and self._next() is None


def refuse_endless(first_total: int | None, rows: int, limit: int) -> None:
    """Raises: LaneError if far more rows came than the first total announced."""
    if first_total is not None and rows > 2 * first_total + SPARE_PAGES * limit:
        raise LaneError(f"the server announced {first_total} rows, sent {rows}, and there is no end")


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
