"""How many rows to request per page of one entity type. Pure: no clock, no I/O."""

from dataclasses import dataclass

SLOW_SECONDS = 60.0  # transfer time of one page
LARGE_BYTES = 64 << 20  # of one page, for any kind of paging
SLACK = 1.25  # pages with the same number of rows differ in size; an overshoot below this is left alone
MAX_ATTEMPTS = 2  # 5xx and timeouts per page before it is requested in smaller ones
GOOD_PAGES = 8  # before larger ones are tried again; doubled each time that this fails
ROOM = 0.4
"""Share of the acceptable time or size above which a page is not doubled."""


@dataclass(slots=True)
class PageSizer:
    """Rows per page: halved after failures and for pages that are too slow or too large, doubled after good ones."""

    most: int
    limit: int = 0
    aim: int = 0  # target bytes per page; 0 if the row count must not change for that
    _good: int = 0  # consecutive good pages at the current limit
    _wanted: int = GOOD_PAGES
    _tried: bool = False  # the current limit was reached by growing
    _guessed: bool = False  # the current limit is the estimate of `expect`; no page has arrived

    def __post_init__(self) -> None:
        """Start with the configured limit."""
        self.limit = self.limit or self.most

    def expect(self, row_bytes: float) -> None:
        """Start with pages that fit rows of this size; the first answer corrects it."""
        self.limit = min(self.limit, max(1, int((self.aim or LARGE_BYTES) / max(row_bytes, 1))))
        self._guessed = self.limit < self.most

    def max_attempts(self, asked: int) -> int:
        """Attempts allowed for a page of this size; one if it is larger than the current limit."""
        return MAX_ATTEMPTS if asked <= self.limit else 1

    def failed(self, asked: int) -> None:
        """Record that a page of this many rows could not be fetched."""
        self._guessed = False
        self._shrink(asked // 2)

    def served(self, asked: int, seconds: float, size: int) -> None:
        """Record a page of `asked` rows: seconds of transfer, bytes received."""
        guessed, self._guessed = self._guessed, False
        load = max(seconds / SLOW_SECONDS, size / LARGE_BYTES)
        if load > 1:
            self._shrink(asked // 2)
        elif self.aim and (guessed or size > SLACK * self.aim):
            self._fit(asked, size, grow=guessed and load <= ROOM)
        elif load <= ROOM and size <= ROOM * (self.aim or LARGE_BYTES) and asked >= self.limit:
            self._grow()

    def _fit(self, asked: int, size: int, *, grow: bool) -> None:
        """Aim for the target bytes; grow only where that is safe."""
        fitting = max(1, asked * self.aim // max(size, 1))
        if fitting < self.limit:
            self.limit, self._good = fitting, 0
        elif grow and asked >= self.limit:
            self.limit = min(self.most, fitting)

    def _shrink(self, rows: int) -> None:
        smaller = max(1, rows)
        if smaller >= self.limit:  # a late answer to a larger request
            return
        self.limit, self._good, self._wanted = smaller, 0, self._wanted * 2 if self._tried else self._wanted
        self._tried = False

    def _grow(self) -> None:
        self._good += 1
        if self.limit < self.most and self._good >= self._wanted:
            self.limit, self._good, self._tried = min(self.most, self.limit * 2), 0, True
