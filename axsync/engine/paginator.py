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
   that the set grew.

So rows received decide where to go on, never the limit that was asked for, nor `meta.page.size`, nor the presence
of a token. What is on its way never exceeds the width that the caller allows, so the frontier stays small.

A mark walk (v2 token, v1 cursor) is a chain. The next window leaves as soon as the mark is known, before the rows
of its page are counted. Where the chain ends too early, the walk goes on by offset from the rows so far.

The limit may change between windows. A window that is given back leaves a gap, which is asked with the limit of then.
A chain whose limit shrinks goes on by offset: an old mark with another limit is unproven
(docs/axonius-api.md, "Paging").
"""

from typing import Protocol

from axsync.engine.offset_paginator import SPARE_PAGES, OffsetWalk
from axsync.engine.token_paginator import MarkWalk
from axsync.model import Page, Window

__all__ = ["SPARE_PAGES", "MarkWalk", "OffsetWalk", "Returned", "Walk"]


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
