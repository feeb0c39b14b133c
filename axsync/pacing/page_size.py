"""How many rows to request per page of one entity type. Pure: no clock, no I/O.

A request costs a fixed time and a time per row. Both are learnt from the answers, as a straight line through the rows
and seconds of all of them; a request for the catalogue or a count is one of no rows. Pages are made so large that the
fixed time is a small share, and that requests take as long as the pace lets them keep their place, within the bytes
that memory allows and the time that a server bears. After a failure, pages are halved, and grow back by doubling.
"""

import math
from dataclasses import dataclass, field

SLOW_SECONDS = 60.0  # transfer time of one page
LARGE_BYTES = 64 << 20  # of one page, for any kind of paging
USUAL_BYTES = 4 << 20
"""A page need not be smaller: conversion keeps up with pages of this size, and smaller ones cost more requests."""
FIXED_SHARE = 0.1
"""Largest share of a page's time that its fixed part should take."""
QUICK_SECONDS = 0.1
"""A fixed part up to this costs nothing: other pages are converted meanwhile. Larger ones would only take memory."""
FIRST_ROWS = 420
"""Fewest rows of the first page, whatever size they are expected to have."""
SLACK = 1.25  # pages with the same number of rows differ in size; a difference below this changes nothing
MAX_ATTEMPTS = 2  # 5xx and timeouts per page before it is requested in smaller ones
GOOD_PAGES = 8  # after a failure, before larger ones are tried again; doubled each time that this fails
MOST_WANTED = 128
"""Good pages after which a later run tries larger ones at the latest, so that a server that was mended is noticed."""
ROOM = 0.4
"""Share of the acceptable time or size that a page may be expected to take."""


@dataclass(slots=True)
class CostLine:
    """Seconds of a request by its rows: the least squares through what was seen."""

    _seen: int = 0
    _rows: float = 0.0
    _seconds: float = 0.0
    _squares: float = 0.0
    _products: float = 0.0

    def add(self, rows: int, seconds: float) -> None:
        """Take in an answer."""
        self._seen += 1
        self._rows += rows
        self._seconds += seconds
        self._squares += rows * rows
        self._products += rows * seconds

    @property
    def parts(self) -> tuple[float, float] | None:
        """Fixed seconds, and seconds per row; None until requests of two sizes were answered."""
        spread = self._seen * self._squares - self._rows * self._rows
        if spread <= 0:
            return None
        per_row = max(0.0, (self._seen * self._products - self._rows * self._seconds) / spread)
        return max(0.0, (self._seconds - per_row * self._rows) / self._seen), per_row


@dataclass(frozen=True, slots=True)
class FoundSize:
    """The page size found after larger pages had failed: `good` pages of `rows` rows have been served so far.

    After `wanted` of them larger ones are tried again.
    """

    rows: int
    good: int
    wanted: int


@dataclass(slots=True)
class PageSizer:
    """Rows per page. `most` is the limit of the settings, `ceiling` the bytes that a page may have.

    `turn` is the time for which the pace lets a request keep its place: requests in flight by requests per second. One
    that ends sooner leaves the place empty.

    Without a ceiling the number of rows stays as it is, but for pages that fail or that are unbearable: a chain of
    tokens cannot change its limit and stay a chain.
    """

    most: int
    ceiling: int = 0
    turn: float = 0.0  # seconds
    limit: int = field(default=0, init=False)
    _cost: CostLine = field(default_factory=CostLine, init=False)
    _row_bytes: float = field(default=0.0, init=False)  # of the newest page
    _failed: bool = field(default=False, init=False)  # from then on it grows by doubling only
    _good: int = field(default=0, init=False)  # consecutive good pages at the current limit
    _wanted: int = field(default=GOOD_PAGES, init=False)
    _tried: bool = field(default=False, init=False)  # the current limit was reached by doubling

    def __post_init__(self) -> None:
        """Start with the configured limit."""
        self.limit = self.most

    def expect(self, row_bytes: float) -> None:
        """Start with pages that fit rows of this size, in bytes; the first answer corrects it."""
        fitting = int((self.ceiling or LARGE_BYTES) / max(row_bytes, 1))
        self.limit = min(self.limit, max(FIRST_ROWS, fitting) if self.ceiling else max(1, fitting))

    @property
    def found(self) -> FoundSize | None:
        """The size that failures have led to; None where pages are as large as they should be."""
        if not self._failed or self.limit >= self.most:
            return None
        return FoundSize(self.limit, self._good, min(self._wanted, MOST_WANTED))

    def resume(self, found: FoundSize) -> None:
        """Start where an earlier run ended; good pages are counted on, so that small types grow back, too."""
        if found.rows < self.limit:
            self.limit, self._good, self._wanted, self._failed = found.rows, found.good, found.wanted, True

    def max_attempts(self, asked: int) -> int:
        """Attempts allowed for a page of this size; one if it is larger than the current limit."""
        return MAX_ATTEMPTS if asked <= self.limit else 1

    def answered(self, rows: int, seconds: float) -> None:
        """Record how long an answer of so many rows took: of none for a catalogue or a count."""
        self._cost.add(rows, seconds)

    def failed(self, asked: int) -> None:
        """Record that a page of this many rows could not be fetched."""
        self._shrink(asked // 2)

    def served(self, asked: int, seconds: float, size: int) -> None:
        """Record a page of `asked` rows: seconds of transfer, bytes received."""
        self.answered(asked, seconds)
        self._row_bytes = size / asked
        load = max(seconds / SLOW_SECONDS, size / LARGE_BYTES)
        if load > 1:
            self._shrink(asked // 2)
        elif self.ceiling and size > SLACK * self.ceiling:
            self.limit = min(self.limit, self._fitting(self.ceiling))
        elif self._failed:
            if load <= ROOM and size <= ROOM * (self.ceiling or LARGE_BYTES) and asked >= self.limit:
                self._grow()
        elif self.ceiling:
            self._choose()

    def _choose(self) -> None:
        """As many rows as the cost of a request asks for, and memory and the server's patience allow."""
        parts = self._cost.parts
        if parts is None:
            return
        fixed, per_row = parts
        cheap = fixed * (1 / FIXED_SHARE - 1) / per_row if per_row else math.inf
        if fixed <= QUICK_SECONDS:
            cheap = 0.0
        spare = max(0.0, self.turn - fixed)
        paced = spare / per_row if per_row else math.inf if spare else 0.0
        bearable = (ROOM * SLOW_SECONDS - fixed) / per_row if per_row else math.inf
        wanted = max(cheap, paced, self._fitting(USUAL_BYTES))
        rows = int(max(1, min(self.most, wanted, self._fitting(self.ceiling), max(bearable, self.limit))))
        if not self.limit / SLACK <= rows <= self.limit * SLACK:
            self.limit = rows

    def _fitting(self, size: int) -> int:
        return max(1, int(size / max(self._row_bytes, 1e-9)))

    def _shrink(self, rows: int) -> None:
        self._failed = True
        smaller = max(1, rows)
        if smaller >= self.limit:  # a late answer to a larger request
            return
        self.limit, self._good, self._wanted = smaller, 0, self._wanted * 2 if self._tried else self._wanted
        self._tried = False

    def _grow(self) -> None:
        self._good += 1
        if self.limit < self.most and self._good >= self._wanted:
            self.limit, self._good, self._tried = min(self.most, self.limit * 2), 0, True
