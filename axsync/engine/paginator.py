"""Which windows of a lane are due, given the answers so far. Pure: no clock, no I/O.

Theory of operation
-------------------
Paging by offset is a coverage problem, not a chain of pages. The paginator knows the row ranges covered by answers,
the windows in flight, and the newest total that the server reported. Windows are due in this order:

1. The very first window alone: its answer reports the total.
2. Gaps: ranges below the head that an answer left open, such as a short page in the middle or a clamped limit. A gap
   is requested again while that brings rows, and once more after it brought none.
3. The next window at the head, while the head is below the total.
4. The tail: if the last page was exactly full, one more window. An empty answer confirms the end; rows mean that the
   set grew.

So only the rows received decide how to continue, never the requested limit, `meta.page.size`, or the presence of a
token. The windows in flight never exceed the width that the caller allows.

Paging by token (v2 token, v1 cursor) is a chain. The next window leaves as soon as its token is known, before the rows
of the previous page are counted. If the chain ends too early, paging continues by offset after the rows so far.

The limit may change between windows. A window that is given back leaves a gap, which is requested with the limit in
effect by then. A chain whose limit shrinks continues by offset: whether an old token accepts another limit is unproven
(docs/axonius-api.md, "Paging").
"""

from typing import Protocol

from axsync.engine.offset_paginator import SPARE_PAGES, OffsetPaginator
from axsync.engine.token_paginator import TokenPaginator
from axsync.model import Page, Window

__all__ = ["SPARE_PAGES", "OffsetPaginator", "Paginator", "Returned", "TokenPaginator"]


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

    def resize(self, limit: int) -> None:
        """Set the rows per window from now on."""

    def given_back(self, window: Window) -> None:
        """Record that this window will not be answered; its rows are due again."""

    @property
    def done(self) -> bool:
        """Nothing is due and nothing is in flight."""
