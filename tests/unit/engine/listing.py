"""A listing of rows that answers windows, well or badly, and somebody who walks over it in any order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from axsync.engine.paginators import Paginator
from axsync.model import Page, Window

Total: TypeAlias = Callable[[int], int | None]
"""What the n-th answer says about how many rows there are."""


@dataclass(slots=True)
class Listing:
    """`size` rows. Chances are per answer; a window in `blank` brings nothing the first time it is asked."""

    size: int
    total: Total
    chance: Random
    clamp: int | None = None  # most rows that the server gives, whatever is asked
    short: float = 0.0
    longer: float = 0.0
    blank: float = 0.0
    answers: int = 0
    misses: int = 0  # answers with fewer rows than asked although there are more
    served: set[int] = field(default_factory=set)
    _blanked: set[int] = field(default_factory=set)

    def answer(self, offset: int, limit: int) -> tuple[int, int | None]:
        """Rows from here, and the total."""
        here = max(0, self.size - offset)
        due = min(limit, here)
        rows = self._given(offset, limit, due, here)
        self.misses += rows < due
        self.answers += 1
        self.served |= set(range(offset, offset + rows))
        return rows, self.total(self.answers - 1)

    def _given(self, offset: int, limit: int, due: int, here: int) -> int:
        if due and offset not in self._blanked and self.chance.random() < self.blank:
            self._blanked.add(offset)
            return 0
        if due > 1 and self.chance.random() < self.short:
            return self.chance.randrange(1, due)
        if self.chance.random() < self.longer:
            return min(here, limit + self.chance.randrange(1, limit + 2))
        return min(due, self.clamp or due)


@dataclass(slots=True)
class Chain:
    """The same rows by token or cursor, and by offset for a window that has no token.

    `cursor` keeps one name for all pages; `lost` is the answer whose token is left out; `named_once` names the cursor
    in the first answer only.
    """

    listing: Listing
    cursor: bool = False
    lost: int | None = None
    named_once: bool = False
    chained: int = 0  # windows that came with a token, or first
    _at: int = 0

    def answer(self, window: Window) -> Page:
        """The page at this window's token, else at its offset."""
        place, asked = self._place(window), self.listing.answers
        rows, total = self.listing.answer(place, window.limit)
        self._at = place + rows
        token = None if asked == self.lost or (self.named_once and asked) or not rows else self._token()
        return Page(window, b"", rows, total, token)

    def _token(self) -> str:
        return "the cursor" if self.cursor else f"token {self._at}"

    def _place(self, window: Window) -> int:
        if window.token is None and window.number:
            return window.offset
        self.chained += 1
        if not window.token:
            return 0
        return self._at if self.cursor else int(window.token.removeprefix("token "))


@dataclass(slots=True)
class Journey:
    """What a walk did: windows in the order of asking, and the most that were on their way at once."""

    asked: list[Window] = field(default_factory=list)
    widest: int = 0


@dataclass(slots=True)
class Traveller:
    """Asks what is due, answers in any order, counts some pages late."""

    chance: Random
    width: int
    late: float = 0.3
    patience: int = 600  # requests
    _flying: list[Window] = field(default_factory=list)
    _uncounted: list[tuple[Window, int]] = field(default_factory=list)

    def go(self, walk: Paginator, answer: Callable[[Window], Page]) -> Journey:
        """Walk to the end; an answer must tell its rows."""
        journey = Journey()
        while not walk.done:
            due = walk.due(self.width - len(self._flying))
            self._flying += due
            journey.asked += due
            journey.widest = max(journey.widest, len(self._flying))
            assert self._flying or self._uncounted, "the walk is not done, yet nothing is due"
            assert len(journey.asked) < self.patience, "the walk does not end"
            self._step(walk, answer)
        return journey

    def _step(self, walk: Paginator, answer: Callable[[Window], Page]) -> None:
        if self._uncounted and (not self._flying or self.chance.random() < 0.3):
            walk.counted(*self._uncounted.pop(self.chance.randrange(len(self._uncounted))))
            return
        page = answer(self._flying.pop(self.chance.randrange(len(self._flying))))
        # Only a page with many bytes is counted late, so an empty one never is.
        if page.rows and self.chance.random() < self.late:
            walk.answered(Page(page.window, b"", None, page.total, page.token))
            self._uncounted.append((page.window, page.rows))
        else:
            walk.answered(page)


def by_offset(listing: Listing) -> Callable[[Window], Page]:
    """How this listing answers windows of an offset walk."""

    def answer(window: Window) -> Page:
        rows, total = listing.answer(window.offset, window.limit)
        return Page(window, b"", rows, total, None)

    return answer
