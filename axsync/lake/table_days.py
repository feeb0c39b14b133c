"""Days of tables that snapshots need no longer: taken out by a commit, before any file goes.

A version of a table has all days that were there when it was committed to. So files of a day that is beyond the
retention stay as long as a kept manifest pins a version that has them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from axsync.lake import layout
from axsync.lake.manifest import Snapshot, TablePin
from axsync.lake.store import Store
from axsync.lake.tables import (
    Partition,
    TableChange,
    TableFormat,
    format_of,
    is_in_table,
    partition_of,
    table_schema,
)

Day = tuple[str, Partition]
"""An entity type, and an instance on a day."""


@dataclass(frozen=True)
class TableDays:
    """The tables of a lake, by the snapshots that go and those that stay, newest first."""

    store: Store
    gone: Sequence[Snapshot]
    left: Sequence[Snapshot]

    @cached_property
    def _tables(self) -> dict[str, tuple[TableFormat, ...]]:
        """Entity type → the formats that it is a table in."""
        found: dict[str, dict[str, TableFormat]] = {}
        for snapshot in (*self.left, *self.gone):
            for entity, pins in snapshot.tables.items():
                for pin in pins:
                    if pin.format not in found.setdefault(entity, {}):
                        found[entity][pin.format] = format_of(pin)
        return {entity: tuple(formats.values()) for entity, formats in found.items()}

    def take_out(self, needed: Collection[str], *, why: str) -> None:
        """Empty the days of which no file is needed; `why` is kept with the commit. Raises: OSError, StorageError."""
        self._commit({day: frozenset() for day in self._over(needed)}, why)

    def put_back(self, *, why: str) -> None:
        """Give the days of what goes the files of the newest snapshot that is left and has some, or none."""
        days = {day: frozenset[str]() for day in _days(self.gone)}
        for snapshot in self.left:  # newest first
            for day, files in _days([snapshot]).items():
                if day in days and not days[day] and all(self.store.size(key) is not None for key in files):
                    days[day] = frozenset(files)
        self._commit(days, why)

    def expire(self) -> None:
        """Let go of versions that no snapshot which is left pins. Raises: StorageError."""
        for entity, formats in self._tables.items():
            for table in formats:
                table.expire(self.store, entity, self._pins(entity, table.name))

    def _over(self, needed: Collection[str]) -> Iterator[Day]:
        for day, files in _days(self.gone).items():
            if day not in _days(self.left) and files.isdisjoint(needed):
                yield day

    def _commit(self, days: Mapping[Day, frozenset[str]], why: str) -> None:
        for entity in dict.fromkeys(entity for entity, _ in days):
            files = {partition: keys for (of, partition), keys in days.items() if of == entity}
            change = TableChange(entity, files, table_schema(self.store, entity), {"axsync.command": why})
            for table in self._tables.get(entity, ()):
                if table.newest(self.store, entity):
                    table.commit(self.store, change)

    def needed(self, needed: Collection[str], loose: Iterable[str]) -> set[str]:
        """Which of these parts, that no manifest needs, tables do: in their newest versions, or in pinned ones.

        Days that `take_out` empties do not count. Raises: StorageError.
        """
        by_entity: dict[str, set[str]] = {}
        for key in loose:
            if is_in_table(key):
                by_entity.setdefault(key.split("/")[1], set()).add(key)
        over, found = set(self._over(needed)), set[str]()
        for entity, keys in by_entity.items():
            for table in self._tables.get(entity, ()):
                newest = table.newest(self.store, entity)
                there = table.files(self.store, newest) if newest else {}
                found |= {key for day, files in there.items() if (entity, day) not in over for key in files & keys}
                if not keys <= found:
                    found |= keys & table.held(self.store, self._pins(entity, table.name))
        return found

    def _pins(self, entity: str, name: str) -> list[TablePin]:
        pins = (pin for one in self.left for pin in one.tables.get(entity, ()) if pin.format == name)
        return list(dict.fromkeys(pins))


def _days(snapshots: Iterable[Snapshot]) -> dict[Day, set[str]]:
    """The days of which these name parts of tables, and these parts."""
    found: dict[Day, set[str]] = {}
    for snapshot in snapshots:
        for lane in snapshot.lanes:
            for file in lane.files:
                if is_in_table(file.path) and layout.is_part(file.path):
                    found.setdefault((lane.entity, partition_of(file.path)), set()).add(file.path)
    return found
