"""Paging by token or cursor: a chain that continues by offset if it ends too early."""

from dataclasses import dataclass, field

from axsync.engine.offset_paginator import OffsetPaginator, refuse_endless
from axsync.model import Page, Window


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
        refuse_endless(self._first_total, self._rows, max(self.limit, window.limit))
        self._continue_by_offset()

    def _continue_by_offset(self) -> None:
        """Continue by offset if the chain ended too early or was abandoned, once every page is counted."""
        self._next = None if self._abandoned else self._next
        if self._next is None and not self._open and (self._abandoned or self._ended_early()):
            self._rest = OffsetPaginator.after(self._rows, total=self.total, limit=self.limit, asked=self._asked)

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
    def done(self) -> bool:
        """No window due, none in flight, all counted."""
        chain = self._asked > 0 and self._next is None and not self._open
        return chain if self._rest is None else self._rest.done
