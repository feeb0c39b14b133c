"""All days of a lake: the lanes of its runs, and each entity type over all of its days, by the lake's registry.

A day has the files of the newest run that read it. Columns have the names and kinds of the registry. Files of old lakes
may have others: their fields tell which columns of the registry they are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

from axsync.errors import ManifestError
from axsync.lake import layout
from axsync.lake.history import FileRecord, LaneRecord, Snapshot, readable
from axsync.lake.manifest import TablePin, lane_columns
from axsync.lake.publish import Lake
from axsync.lake.schemas import registries
from axsync.schema.columns import OVERFLOW, Column
from axsync.schema.kinds import Kind
from axsync.schema.registry import Registry, extended
from axsync.settings import BY_MANIFEST, PARQUET
from axsync.sql.tables import OWN, EntityTable, Piece, Share, clashes_of

DayKey = tuple[str, str, str]
"""An entity type, an instance, a day."""


@dataclass(frozen=True, slots=True)
class LaneVerdict:
    """One lane of one run. `stand_in` is the older run whose files it has instead of its own."""

    run: str
    dt: date
    instance: str
    entity: str
    verdict: str
    rows: int
    rescued_values: int
    stand_in: str | None
    newest_of_day: bool


@dataclass(frozen=True, slots=True)
class AllDays:
    """Lanes, the newest run first; and entity type → table, of those that ever had columns."""

    lanes: tuple[LaneVerdict, ...]
    tables: Mapping[str, EntityTable]


@dataclass(frozen=True, slots=True)
class _Read:
    """A lane of a run, and its columns."""

    snapshot: Snapshot
    record: LaneRecord
    columns: tuple[Column, ...]

    @property
    def key(self) -> DayKey:
        return self.record.entity, self.record.instance, self.snapshot.logical_date


def all_days(lake: Lake) -> AllDays:
    """What the lake has, as far as its manifests can be read. Raises: NoLake, RegistryDamaged."""
    snapshots = tuple(readable(lake))
    rows, by_entity = _sorted_out(snapshots)
    known, pins = registries(lake.store), _pins(snapshots)
    tables = {e: _table(e, by_entity[e], known.get(e, Registry())) for e in sorted(by_entity)}
    exact = any(snapshot.visible == BY_MANIFEST for snapshot in snapshots)
    return AllDays(rows, {e: replace(table, pin=pins.get(e), exact=exact) for e, table in tables.items()})


def _pins(snapshots: Iterable[Snapshot]) -> dict[str, TablePin]:
    """The newest version of the table of each entity type, of those whose files are not plain ones as well."""
    found: dict[str, TablePin] = {}
    for snapshot in sorted(snapshots, key=lambda one: one.finished_at):
        for entity, pins in snapshot.tables.items():
            before = found.pop(entity, None)
            if pins and PARQUET not in snapshot.formats:
                same = [before] if before and before.format == pins[0].format else []
                found[entity] = max([pins[0], *same], key=_age)
    return found


def _age(pin: TablePin) -> tuple[int, str]:
    """What grows with each commit: a snapshot may carry an older version on, of a type that was not asked for."""
    return pin.version or 0, pin.metadata or ""


def registered_tables(known: Mapping[str, Registry]) -> dict[str, EntityTable]:
    """Tables with all columns of these entity types, without files."""
    return {entity: _table(entity, [], known[entity]) for entity in sorted(known)}


def partitions(lake: Lake, entities: Iterable[str]) -> list[str]:
    """The folders of these entity types, one for each instance and day."""
    roots = [root for entity in entities for root in (layout.table(entity), layout.table_of_format(entity))]
    shares = [f"{root}/{name}" for root in roots for name in lake.store.names(root) if name.startswith("instance=")]
    return [f"{share}/{name}" for share in shares for name in lake.store.names(share) if name.startswith("dt=")]


def some_days(
    lake: Lake, days: Collection[str], known: Mapping[str, Registry], folders: Iterable[str]
) -> AllDays | None:
    """The same of these days alone, of entity types that have these folders; no other manifest is read.

    None where only other manifests tell of a folder: of files whose own manifest is gone.
    """
    rows, by_entity = _sorted_out(readable(lake, days))
    tables = {entity: _table(entity, by_entity.get(entity, []), known[entity], days) for entity in sorted(known)}
    told = {layout.folder_of(piece.path) for table in tables.values() for piece in table.pieces}
    return AllDays(rows, tables) if told.issuperset(f for f in folders if layout.day_of(f) in days) else None


def _sorted_out(snapshots: Iterable[Snapshot]) -> tuple[tuple[LaneVerdict, ...], dict[str, list[_Read]]]:
    """The lanes of these snapshots, and those with columns by entity type; those of the newest run first."""
    found = sorted(snapshots, key=lambda snapshot: (snapshot.finished_at, snapshot.run_id), reverse=True)
    reads = list(chain.from_iterable(map(_reads, found)))
    newest = _newest(reads)
    rows = tuple(_lane_row(read, is_newest=newest[read.key] is read) for read in reads)
    by_entity: dict[str, list[_Read]] = {}
    for read in reads:
        if read.columns:
            by_entity.setdefault(read.record.entity, []).append(read)
    return rows, by_entity


def _reads(snapshot: Snapshot) -> list[_Read]:
    try:
        return [_Read(snapshot, record, columns) for record, columns in lane_columns(snapshot)]
    except ManifestError:
        return []


def _newest(reads: Iterable[_Read]) -> dict[DayKey, _Read]:
    """The lane that each day's rows are from: the newest that wrote files there, else the newest that read it."""
    found: dict[DayKey, tuple[bool, bool, _Read]] = {}
    for read in reads:  # the newest first
        own = read.record.from_run is None
        rank = (own and bool(read.record.files), own and bool(read.columns))
        if read.key not in found or rank > found[read.key][:2]:
            found[read.key] = (*rank, read)
    return {key: read for key, (_, _, read) in found.items()}


def _lane_row(read: _Read, *, is_newest: bool) -> LaneVerdict:
    one, snapshot = read.record, read.snapshot
    day = date.fromisoformat(snapshot.logical_date)
    counted = one.verdict, one.rows, one.rescued_values
    return LaneVerdict(snapshot.run_id, day, one.instance, one.entity, *counted, one.from_run, is_newest)


def _table(entity: str, reads: Sequence[_Read], known: Registry, days: Collection[str] | None = None) -> EntityTable:
    """The table over the files of all days, or of these; `reads` are those of this type, the newest first."""
    distinct = {id(read.columns): read for read in reversed(reads)}  # most lanes share theirs; the oldest first
    brought = [(read.columns, read.snapshot.run_id) for read in distinct.values()]
    shown = ((read.record.instance, read.columns) for read in reads)
    table, others = spanning(entity, brought, shown, known)
    renamed = dict(zip(distinct, others, strict=True))
    shares = [
        Share(read.columns, tuple(pieces), renamed[id(read.columns)])
        for day, read, pieces in _pieces(entity, reads)
        if pieces and (days is None or day in days)
    ]
    return replace(table, shares=tuple(shares))


def spanning(
    entity: str,
    brought: Sequence[tuple[tuple[Column, ...], str]],
    shown: Iterable[tuple[str, tuple[Column, ...]]],
    known: Registry,
) -> tuple[EntityTable, list[Mapping[str, str]]]:
    """The table of a registry, without its files, that has all columns which these runs brought, the oldest first.

    Beside it, for each of these: which of its columns are others of the table. `shown` are the columns of instances.
    """
    for columns, run_id in brought:
        known, _ = extended(known, columns, run_id)
    renamed = [{one.name: one.instead for one in extended(known, columns, "")[1]} for columns, _ in brought]
    kinds: dict[str, Kind] = {one.name: one.kind for one in known.columns}
    fields = {one.name: one.field for one in known.columns if one.field != OVERFLOW}
    return EntityTable(entity, {**kinds, **OWN}, (), clashes_of(shown, kinds), fields), [*renamed]


def _pieces(entity: str, reads: Sequence[_Read]) -> list[tuple[str, _Read, list[Piece]]]:
    """The files of each day, of the run that the day's rows are from.

    Of a day whose own manifest is gone, those that a later day's snapshot still uses.
    """
    found: dict[DayKey, tuple[_Read, list[Piece]]] = {}
    own = [read for read in _newest(reads).values() if read.record.from_run is None]
    for read in [*own, *(read for read in reads if read.record.from_run is not None)]:
        for day, files in _by_day(read.record.files).items():
            pieces = [Piece(file.path, read.record.instance, date.fromisoformat(day)) for file in files]
            found.setdefault((entity, read.record.instance, day), (read, pieces))
    return [(day, *found[entity, instance, day]) for _, instance, day in sorted(found)]


def _by_day(files: Iterable[FileRecord]) -> dict[str, list[FileRecord]]:
    found: dict[str, list[FileRecord]] = {}
    for file in files:
        if day := layout.day_of(file.path):
            found.setdefault(day, []).append(file)
    return found
