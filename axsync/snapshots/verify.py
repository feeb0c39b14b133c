"""`axsync verify`: whether the files of a snapshot are still what its manifest says."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.lake import layout
from axsync.lake.history import FileRecord, FoundRun, LaneRecord, readable
from axsync.lake.id_index import Hashes, hash_ids, read_ids
from axsync.lake.manifest import TablePin
from axsync.lake.publish import Lake
from axsync.lake.store import Store, digest_of
from axsync.lake.table_days import TableDays
from axsync.lake.tables import Partition, TableFormat, TableGone, by_partition, format_of, is_in_table
from axsync.model import Lane
from axsync.runs.resume import is_under_way
from axsync.schema.columns import arrow_schema
from axsync.settings import BY_MANIFEST
from axsync.snapshots.opened import OpenSnapshot, held_lanes

MOST_NAMED = 3
"""So many ids or columns are named where more of them are wrong."""

Heard = Callable[[int], None]  # is told of bytes that were read


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as the manifest says; `path` is relative to the lake, None for a whole lane.

    `stray`: a file beside those of the lane, which are not touched by it. A reader of the whole folder reads it, too.
    """

    lane: Lane
    path: str | None
    text: str
    stray: bool = False


@dataclass(frozen=True, slots=True)
class LaneCheck:
    """What was read of one lane, and what is wrong with it."""

    instance: str
    entity: str
    files: int
    rows: int
    bytes: int
    faults: tuple[Damage, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at every file of a snapshot came to."""

    run_id: str
    lanes: tuple[LaneCheck, ...]

    @property
    def faults(self) -> tuple[Damage, ...]:
        """All that is wrong."""
        return tuple(fault for lane in self.lanes for fault in lane.faults)


def verify(lake: Lake, run: FoundRun, heard: Heard = lambda _size: None) -> Verified:
    """Read every file of a snapshot: hash, size, rows, schema, ids, and whether there are others beside them.

    Eight bytes of memory for each id of a lane. `heard` is told of bytes as they are read. Raises: ManifestError.
    """
    lanes = held_lanes(run)
    known = _Neighbours(lake, run)
    return Verified(run.snapshot.run_id, tuple(_verified(lake, held, known, heard) for held in lanes))


def _verified(lake: Lake, held: OpenSnapshot, known: "_Neighbours", heard: Heard) -> LaneCheck:
    record, faults, sound = held.record, list[Damage](), list[str]()
    for file in record.files:
        wrong = _wrong_with(lake, file, held, heard)
        if wrong == _MISSING:
            wrong += known.replaced_by(file) or known.rewritten(record.entity)
        if wrong:
            faults.append(Damage(record.lane, file.path, wrong))
        else:
            sound.append(file.path)
    faults += [Damage(record.lane, path, _EXTRA, stray=True) for path in known.strangers(held)]
    faults += [Damage(record.lane, None, text) for text in known.wrong_versions(record)]
    try:
        faults += [Damage(record.lane, None, text) for text in _wrong_ids(lake.store, held, sound)]
    except (OSError, pa.ArrowException) as error:  # it was there a moment ago
        faults.append(Damage(record.lane, None, f"the ids cannot be read: {str(error).splitlines()[0]}"))
    bytes_read = sum(file.bytes for file in record.files)
    return LaneCheck(record.instance, record.entity, len(record.files), held.rows, bytes_read, tuple(faults))


_MISSING = "is missing"
_EXTRA = "is not in any manifest"


def _wrong_with(lake: Lake, file: FileRecord, held: OpenSnapshot, heard: Heard) -> str:
    """What is wrong with one file; empty where nothing is."""
    if not lake.store.is_inside(file.path):
        return "is a link that leads out of the lake"
    try:
        with lake.store.open(file.path) as content:
            digest, size = digest_of(content, heard)
        if size != file.bytes:
            return f"has {size} bytes instead of {file.bytes}"
        if digest != file.sha256:
            return "has other content: its SHA-256 is not that of the manifest"
        return _wrong_inside(lake.store, file, held)
    except FileNotFoundError:
        return _MISSING
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"


def _wrong_inside(store: Store, file: FileRecord, held: OpenSnapshot) -> str:
    with store.open(file.path) as content, pq.ParquetFile(content) as opened:
        rows, schema = opened.metadata.num_rows, opened.schema_arrow
    if rows != file.rows:
        return f"has {rows} rows instead of {file.rows}"
    wanted = arrow_schema(held.columns)
    wrong = [
        name for name in dict.fromkeys((*wanted.names, *schema.names)) if _type(schema, name) != _type(wanted, name)
    ]
    return f"has other columns than the manifest: {_some(wrong)}" if wrong else ""


def _in_tables(record: LaneRecord) -> list[str]:
    return [file.path for file in record.files if is_in_table(file.path)]


def _type(schema: pa.Schema, name: str) -> pa.DataType | None:
    place = schema.get_field_index(name)
    return None if place < 0 else schema.field(place).type


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _wrong_ids(store: Store, held: OpenSnapshot, keys: Sequence[str]) -> Iterator[str]:
    """What is wrong with the ids of a lane, over those of its files that are whole."""
    if not keys:
        return
    hashes, absent = _hashes(store, held, keys)
    if absent:
        yield f"{absent} rows have no id"
    if twice := _twice(store, held, keys, hashes):
        yield f"{len(twice)} ids come more than once: {_some(twice)}"
    record = held.record
    whole = len(keys) == len(record.files) and record.from_run is None
    if whole and not twice and len(hashes) != record.distinct_ids:
        yield f"{len(hashes)} different ids instead of {record.distinct_ids}"


def _hashes(store: Store, held: OpenSnapshot, keys: Sequence[str]) -> tuple[Hashes, int]:
    """The hashes of all ids, sorted, and how many rows have none."""
    parts, absent = list[Hashes](), 0
    for ids in _ids(store, held, keys):
        absent += ids.null_count
        parts.append(hash_ids(ids.drop_null()))
    hashes: Hashes = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    hashes.sort()
    return hashes, absent


def _twice(store: Store, held: OpenSnapshot, keys: Sequence[str], hashes: Hashes) -> list[str]:
    """Ids that come more than once: equal hashes alone are no proof."""
    suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(suspects):
        return []
    counts: Counter[str] = Counter()
    for ids in _ids(store, held, keys):
        present = ids.drop_null()
        counts.update(present.filter(pa.array(np.isin(hash_ids(present), suspects))).to_pylist())
    return sorted(name for name, count in counts.items() if count > 1)


def _ids(store: Store, held: OpenSnapshot, keys: Iterable[str]) -> Iterator[pa.Array]:
    for key in keys:
        yield from read_ids(store, key, held.id_column)


@dataclass(slots=True)
class _Neighbours:
    """Who else has files in the folders of a snapshot. Other manifests are read when there is something to explain."""

    lake: Lake
    run: FoundRun
    _named: dict[str, str] | None = None
    _versions: dict[TablePin, Mapping[Partition, frozenset[str]] | None] = field(default_factory=dict)

    def rewritten(self, entity: str) -> str:
        """Words about what others did to the table of an entity type since; empty where they did nothing."""
        for pin, table in self._tables(entity):
            if told := table.by_others(self.lake.store, pin):
                return f"; others have rewritten the table: {_some(told)}"
        return ""

    def wrong_versions(self, record: LaneRecord) -> Iterator[str]:
        """What is wrong with the versions of tables that belong to the snapshot, as far as a lane goes."""
        named = {partition: files for partition, files in by_partition(_in_tables(record)).items() if files}
        for pin, table in self._tables(record.entity):
            if pin not in self._versions:
                self._versions[pin] = None
                with suppress(TableGone):
                    self._versions[pin] = table.files(self.lake.store, pin)
            there = self._versions[pin]
            if there is None:
                yield f"the {pin.format} table has no longer the version of this snapshot"
            elif any(there.get(partition) != files for partition, files in named.items()):
                yield f"the {pin.format} table has other files in the version of this snapshot"

    def _tables(self, entity: str) -> Iterator[tuple[TablePin, TableFormat]]:
        return ((pin, format_of(pin)) for pin in self.run.snapshot.tables.get(entity, ()))

    def replaced_by(self, file: FileRecord) -> str:
        """Words about the run whose files took the place of this one; empty where none did."""
        folder = layout.folder_of(file.path)
        others = [run_id for path, run_id in self._all().items() if layout.folder_of(path) == folder]
        newer = [run_id for run_id in others if run_id > self.run.snapshot.run_id]
        return f"; run {max(newer)} replaced it" if newer else ""

    def strangers(self, held: OpenSnapshot) -> list[str]:
        """Part files in the folders of a lane that no manifest names, and that no run is about to publish.

        None where no glob reads them: what a run has read and has not published is there, until `axsync gc`.
        """
        record, snapshot = held.record, self.run.snapshot
        if snapshot.visible == BY_MANIFEST:
            return []
        own = {file.path for file in record.files}
        folders = {layout.folder_of(path) for path in own} | {*layout.partitions(record.lane, snapshot.logical_date)}
        there = {one.key for folder in folders for one in self.lake.store.list(layout.parts_in(folder))}
        strange = there - own - self._all().keys() if there - own else set[str]()
        strange -= self._of_tables(strange)
        return sorted(path for path in strange if not is_under_way(self.lake, layout.run_of_part(path)))

    def _of_tables(self, strange: set[str]) -> set[str]:
        """Those that a version of a table has, or that others have written to one: no glob reads tables."""
        if not any(map(is_in_table, strange)):
            return set()
        others = {path for path in strange if is_in_table(path) and not layout.is_own_part(path)}
        return others | TableDays(self.lake.store, (), tuple(readable(self.lake))).needed((), strange)

    def _all(self) -> dict[str, str]:
        """Path → the run that wrote it. A manifest that cannot be read explains nothing."""
        if self._named is None:
            # Newest first, so that the run which wrote a file has the last word, not one for which it stands in.
            found = (
                (file.path, one.run_id) for one in readable(self.lake) for lane in one.lanes for file in lane.files
            )
            self._named = dict(found)
        return self._named
