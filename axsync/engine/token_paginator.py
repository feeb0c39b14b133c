"""Windows by token or cursor: a chain, whose rest is walked by offset where it ends too early."""

from dataclasses import dataclass, field

from axsync.engine.offset_paginator import OffsetWalk, refuse_endless
from axsync.model import Page, Window


@dataclass(slots=True)
class MarkWalk:
    """Windows by token or cursor, one at a time, the next one sent before the last one is counted.

    `start` is the mark of the first window: None for v2 tokens, an empty string for v1 cursors, whose server may
    name the cursor once and expects it with each page (docs/axonius-api.md, "Paging").
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
        refuse_endless(self._first_total, self._rows, max(self.limit, window.limit))
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
        # Without a total only an empty page tells the end.
        return self._vanished if self.total is None else self._rows < self.total

    @property
    def done(self) -> bool:
        """No window due, none on its way, all counted."""
        chain = self._asked > 0 and self._next is None and not self._open
        return chain if self._rest is None else self._rest.done
