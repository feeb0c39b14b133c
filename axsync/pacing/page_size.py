"""How many rows of one entity type are asked at once. Pure: no clock, no I/O."""

from dataclasses import dataclass

SLOW_SECONDS = 60.0  # for one page on the wire
LARGE_BYTES = 64 << 20  # of one page, however it is paged
SLACK = 1.25  # pages of as many rows differ in size; this far beyond the aim is not worth another size
PATIENCE = 2  # 5xx and timeouts on one page before it is asked in smaller ones
GOOD_PAGES = 8  # before larger ones are tried again; twice as many after each time that this went wrong
ROOM = 0.4
"""A page that took more than this share of what is bearable would, twice as large, be near to too much."""


@dataclass(slots=True)
class PageSizer:
    """Rows per page: halved after failures and for pages that are too slow or too large, doubled after good ones."""

    most: int
    limit: int = 0
    aim: int = 0  # bytes that a page should have at most; 0 where its rows must not change for that
    _good: int = 0  # pages in a row that were asked with the limit of now
    _wanted: int = GOOD_PAGES

    def __post_init__(self) -> None:
        """Begin with what the settings say."""
        self.limit = self.limit or self.most

    def expect(self, row_bytes: float) -> None:
        """Begin with pages that fit, if rows are so large; the first answer tells."""
        self.limit = min(self.limit, max(1, int((self.aim or LARGE_BYTES) / max(row_bytes, 1))))
        self._guessed = self.limit < self.most

    def patience(self, asked: int) -> int:
        """Failures of a page of so many rows before it is given back: fewer when others have failed before it."""
        return PATIENCE if asked <= self.limit else 1

    def failed(self, asked: int) -> None:
        """A page of so many rows was not to be had."""
        self._guessed = False
        self._shrink(asked // 2)

    def served(self, asked: int, seconds: float, size: int) -> None:
        """A page of so many rows has come, after so many seconds on the wire, `size` bytes large."""
        guessed, self._guessed = self._guessed, False
        load = max(seconds / SLOW_SECONDS, size / LARGE_BYTES)
        if load > 1:
            self._shrink(asked // 2)
        elif self.aim and (guessed or size > SLACK * self.aim):
            self._fit(asked, size, grow=guessed and load <= ROOM)
        elif load <= ROOM and size <= ROOM * (self.aim or LARGE_BYTES) and asked >= self.limit:
            self._grow()

    def _fit(self, asked: int, size: int, *, grow: bool) -> None:
        """So many rows that a page has the bytes that are aimed at; more than now only where that is no risk."""
        fitting = max(1, asked * self.aim // max(size, 1))
        if fitting < self.limit:
            self.limit, self._good = fitting, 0
        elif grow and asked >= self.limit:
            self.limit = min(self.most, fitting)

    def _shrink(self, rows: int) -> None:
        smaller = max(1, rows)
        if smaller >= self.limit:  # an answer to a question of earlier days
            return
        self.limit, self._good, self._wanted = smaller, 0, self._wanted * 2 if self._tried else self._wanted
        self._tried = False

    def _grow(self) -> None:
        self._good += 1
        if self.limit < self.most and self._good >= self._wanted:
            self.limit, self._good, self._tried = min(self.most, self.limit * 2), 0, True

    _tried: bool = False  # the limit of now is one that was tried again
    _guessed: bool = False  # the limit of now is what `expect` made of it; no page has come
