"""How many rows of one entity type are asked at once. Pure: no clock, no I/O."""

from dataclasses import dataclass

SLOW_SECONDS = 60.0  # for one page on the wire
LARGE_BYTES = 64 << 20  # of one page
PATIENCE = 2  # 5xx and timeouts on one page before it is asked in smaller ones (API reference 11.3)
GOOD_PAGES = 8  # before larger ones are tried again; twice as many after each time that this went wrong
ROOM = 0.4
"""A page that took more than this share of what is bearable would, twice as large, be near to too much."""


@dataclass(slots=True)
class Portion:
    """Rows per page: halved after failures and for pages that are too slow or too large, doubled after good ones."""

    most: int
    limit: int = 0
    _good: int = 0  # pages in a row that were asked with the limit of now
    _wanted: int = GOOD_PAGES

    def __post_init__(self) -> None:
        """Begin with what the settings say."""
        self.limit = self.limit or self.most

    def patience(self, asked: int) -> int:
        """Failures of a page of so many rows before it is given back: fewer when others have failed before it."""
        return PATIENCE if asked <= self.limit else 1

    def failed(self, asked: int) -> None:
        """A page of so many rows was not to be had."""
        self._shrink(asked)

    def served(self, asked: int, seconds: float, size: int) -> None:
        """A page of so many rows has come, after so many seconds on the wire, `size` bytes large."""
        load = max(seconds / SLOW_SECONDS, size / LARGE_BYTES)
        if load > 1:
            self._shrink(asked)
        elif load <= ROOM and asked >= self.limit:
            self._grow()

    def _shrink(self, asked: int) -> None:
        smaller = max(1, asked // 2)
        if smaller >= self.limit:  # an answer to a question of earlier days
            return
        self.limit, self._good, self._wanted = smaller, 0, self._wanted * 2 if self._tried else self._wanted
        self._tried = False

    def _grow(self) -> None:
        self._good += 1
        if self.limit < self.most and self._good >= self._wanted:
            self.limit, self._good, self._tried = min(self.most, self.limit * 2), 0, True

    _tried: bool = False  # the limit of now is one that was tried again
