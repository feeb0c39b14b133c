"""Learns which fields of a lane drift, so that in the records of the next pages the others are stepped over.

Theory of operation
-------------------
Drift has its places: the adapter that writes a date in a form of its own does so on every page. Objects are most of a
record, and take most of the time of a test. So it steps over them, and over what dates say, except where this lane
has drifted before. It need not be right: what it lets pass still goes to pyarrow, which refuses whatever is of
another type, and the dates it reads are looked at as on any page. A page where that finds something teaches: of each
record that slipped through, the smallest field that gives it away is watched from then on, or one member of it.

If there is something new on page after page, drift has no places in this lane, and each record is tested in full.
"""

from collections.abc import Callable, Iterable
from typing import Final

from axsync.convert.strict import Buffer, StrictRecord, Watched

LESSONS: Final = 32
"""Pages that may teach something new."""


class Watch:
    """The test of one lane. Safe to share between threads: each lesson replaces the test as a whole."""

    __slots__ = ("_lessons", "_record", "_watched", "passes")

    def __init__(self, record: StrictRecord) -> None:
        self._record = record
        self._watched: frozenset[Watched] = frozenset()
        self._lessons = 0
        self.passes: Callable[[Buffer], bool] = record.reader(self._watched)
        """Whether nothing is wrong where this lane drifts, there is an id, and each field has a column."""

    def learn(self, slipped: Iterable[Buffer]) -> None:
        """Watch what gives these records away, which passed and should not have."""
        watched = set(self._watched)
        for raw in slipped:
            sizes = self._record.mismatches(raw)
            if sizes and watched.isdisjoint(sizes):
                watched.add(min(sizes, key=lambda place: (sizes[place], place)))
        if watched == self._watched:
            return
        self._lessons += 1
        self._watched = frozenset(watched)
        self.passes = self._record.reader(self._watched) if self._lessons <= LESSONS else self._record.reads
