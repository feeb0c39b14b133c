"""A lake as Python reads it: its snapshots, and each entity type as one table, whatever its files hold.

A table has the columns of the entity type's registry (`schema.registry`). Files that have them in these types are left
to pyarrow, with its threads and its skipping of row groups. Files from before a column widened are widened as they are
read. Files are held open while they are read, so that no run that replaces them can take them away; where there are too
many for that, one that goes missing is `SnapshotGone`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from axsync.convert.records import restore_batch
from axsync.convert.rescue import Restored
from axsync.convert.widened import widened
from axsync.errors import ConfigError, SnapshotGone, UsageError
from axsync.lake import layout
from axsync.lake.history import LATEST, TRIES, PastRun, find_run, parts_there, past_runs, readable
from axsync.lake.manifest import LaneRecord, Snapshot, damaged, lane_columns
from axsync.lake.publish import Lake, open_lake
from axsync.lake.schemas import registry
from axsync.lake.tables import PARTITION_COLUMNS
from axsync.schema.columns import Column, arrow_schema, free_name
from axsync.schema.kinds import Kind, drop_forms, grown
from axsync.schema.registry import Registry
from axsync.settings import LakeSettings, closest, did_you_mean
from axsync.sql.query import may_hold, opened
from axsync.sql.tables import Piece, piece_of, refuse_gone

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")
ROWS_AT_ONCE = 2_000
"""Rows that are read together to be restored: enough to share work, few enough for memory."""
_UNKNOWN = re.compile(r"No match for FieldRef\.Name\((.*?)\) in ")
Filter: TypeAlias = Any
"""A pyarrow expression, or conditions as `pyarrow.parquet.read_table` takes them; None for all rows."""


def open_to_read(lake: str | Path | LakeSettings) -> "ReadableLake":
    """Open a lake to read from it: a folder, the address of an object store, or settings with its endpoint or region.

    Raises: ConfigError, NoLake.
    """
    found = open_lake(lake if isinstance(lake, LakeSettings) else LakeSettings(uri=str(lake)))
    found.store.refuse_no_lake()
    return ReadableLake(found)


@dataclass(frozen=True, slots=True)
class ReadableLake:
    """A lake to read from, made by `axsync.open`."""

    _lake: Lake = field(repr=False)

    def snapshots(self) -> tuple[PastRun, ...]:
        """Its snapshots, newest first; those that cannot be read are left out (`axsync runs` names them)."""
        return past_runs(self._lake).runs

    def table(self, entity: str, *, at: str = LATEST, history: bool = False) -> "LakeTable":
        """The rows of an entity type from all instances.

        `at` names the snapshot: `latest`, `latest~1`, a day, a run id or its beginning. With `history`, rows come from
        all days that the lake has; `at` is then left as it is. Raises: UnknownRun, ManifestError, UsageError.
        """
        if history and at != LATEST:
            raise UsageError("history means all days: leave out `at`, and filter by dt")
        return _table(self._lake, entity, at, history=history)


@dataclass(frozen=True, slots=True)
class _Share:
    """The files of a lane; `names` are those of its columns in the table."""

    columns: tuple[Column, ...]
    names: Mapping[str, str]
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class LakeTable:
    """An entity type at one time, or at all; columns of the lake, then `instance` (string) and `dt` (date32).

    Every reader raises SnapshotGone where a later run has replaced the files, and UsageError for a column or a filter
    that does not fit.
    """

    entity: str
    schema: pa.Schema
    _lake: Lake = field(repr=False)
    _kinds: Mapping[str, Kind] = field(repr=False)
    _shares: tuple[_Share, ...] = field(repr=False)
    _again: Callable[[], "LakeTable"] = field(repr=False, compare=False)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The paths of its files."""
        return tuple(self._lake.store.uri(piece.path) for share in self._shares for piece in share.pieces)

    def to_arrow(self, columns: Sequence[str] | None = None, filter: Filter = None) -> pa.Table:  # noqa: A002
        """The rows in memory, read anew where a run replaces the snapshot meanwhile."""
        return self._anew(lambda table: table.to_reader(columns, filter).read_all())

    def to_reader(self, columns: Sequence[str] | None = None, filter: Filter = None) -> pa.RecordBatchReader:  # noqa: A002
        """The rows as a stream of record batches; the files are open from now on."""
        schema, condition = self._chosen(columns), self._condition(filter)
        names = schema.names
        scanners = [dataset.scanner(columns=names, filter=condition) for dataset in self._fitting()]
        for batches in self._widened():
            scanner = ds.Scanner.from_batches(batches, schema=self.schema, columns=names, filter=condition)
            scanners.append(scanner)
        return pa.RecordBatchReader.from_batches(schema, self._batches(scanners, schema))

    def to_polars(self, columns: Sequence[str] | None = None, filter: Filter = None) -> "pl.DataFrame":  # noqa: A002
        """The rows as a polars DataFrame. Raises: ConfigError where polars is not installed."""
        try:
            import polars as pl  # noqa: PLC0415  optional
        except ImportError as error:
            raise ConfigError("to_polars needs one more package: pip install polars") from error
        frame = pl.from_arrow(self.to_arrow(columns, filter))
        assert isinstance(frame, pl.DataFrame)  # noqa: S101  a table is no series
        return frame

    def to_duckdb(self, connection: DuckDBPyConnection, name: str | None = None) -> DuckDBPyRelation:
        """Register the table with a DuckDB connection as a view, named like the entity type unless `name` is given.

        Queries read only the columns and row groups that they need. Rows of files from before a column widened are
        kept in memory.
        """
        rest = pa.Table.from_batches(chain.from_iterable(self._widened()), self.schema)
        fitting = self._fitting()
        whole = ds.dataset([*fitting, ds.dataset(rest)]) if fitting else ds.dataset(rest)
        connection.register(name or self.entity, whole)
        return connection.table(name or self.entity)

    def restore(self) -> Iterator[dict[str, Restored]]:
        """The records as they were served, keys by their Axonius names (as `axsync.restore` does for a row)."""
        datasets = [(self._dataset(share.pieces, arrow_schema(share.columns)), share.columns) for share in self._shares]
        return (
            record
            for dataset, columns in datasets
            for batch in self._told(dataset.to_batches(batch_size=ROWS_AT_ONCE))
            for record in restore_batch(batch, columns)
        )

    def _anew(self, read: Callable[["LakeTable"], T]) -> T:
        table = self
        for _ in range(TRIES):
            try:
                return read(table)
            except SnapshotGone:
                fresh = table._again()
                if fresh.files == table.files:
                    raise
                table = fresh
        return read(table)

    def _chosen(self, columns: Sequence[str] | None) -> pa.Schema:
        for name in columns or ():
            if name not in self.schema.names:
                raise self._no_column(name)
        return self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])

    def _no_column(self, name: str) -> UsageError:
        return UsageError(f"{self.entity} has no column {name!r}{did_you_mean(closest(name, self.schema.names))}")

    def _condition(self, filter: Filter) -> ds.Expression | None:  # noqa: A002
        if filter is None:
            return None
        try:
            condition = filter if isinstance(filter, ds.Expression) else pq.filters_to_expression(filter)
            self.schema.empty_table().filter(condition)
        except (pa.ArrowException, ValueError, TypeError) as error:
            if unknown := _UNKNOWN.match(str(error)):
                raise self._no_column(unknown[1]) from error
            told = str(error).partition("\n")[0]
            raise UsageError(f"the filter does not fit the columns of {self.entity}: {told}") from error
        return condition

    def _fits(self, share: _Share) -> bool:
        """Whether its columns have the names and types of the table."""
        own = arrow_schema(share.columns)
        return all(share.names.get(one.name, one.name) == one.name for one in own) and all(
            one.type.equals(self.schema.field(one.name).type) for one in own
        )

    def _fitting(self) -> list[ds.Dataset]:
        pieces = [piece for share in self._shares if self._fits(share) for piece in share.pieces]
        return [self._dataset(pieces, self.schema)] if pieces else []

    def _widened(self) -> list[Iterator[pa.RecordBatch]]:
        """The rows of the other files, lane by lane."""
        shares = [share for share in self._shares if share.pieces and not self._fits(share)]
        return [self._widened_batches(share) for share in shares]

    def _widened_batches(self, share: _Share) -> Iterator[pa.RecordBatch]:
        dataset = self._dataset(share.pieces, pa.schema([*arrow_schema(share.columns), *PARTITION_COLUMNS]))
        return (self._widened_batch(batch, share) for batch in dataset.to_batches())

    def _widened_batch(self, batch: pa.RecordBatch, share: _Share) -> pa.RecordBatch:
        found = {one.name: batch.column(one.name) for one in batch.schema}
        for column in share.columns:
            del found[column.name]
        for column in share.columns:
            name = share.names[column.name]
            found[name] = widened(batch.column(column.name), column.kind, self._kinds[name])
        arrays = [found.get(one.name, pa.nulls(batch.num_rows, one.type)) for one in self.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _dataset(self, pieces: Sequence[Piece], schema: pa.Schema) -> ds.Dataset:
        form, files = ds.ParquetFileFormat(), self._lake.store.file_system()
        is_folder = self._lake.is_folder
        hold = is_folder and may_hold(sum(len(share.pieces) for share in self._shares))
        fragments = []
        for piece in pieces:
            if is_folder:  # a store would be asked for each; it tells when the rows are read
                refuse_gone(self._lake, piece.path)
            place = (opened(self._lake, piece),) if hold else (piece.path, files)
            partition = (ds.field("instance") == piece.instance) & (ds.field("dt") == piece.dt)
            fragments.append(form.make_fragment(*place, partition_expression=partition))
        return ds.FileSystemDataset(fragments, schema, form, files)

    def _batches(self, scanners: Iterable[ds.Scanner], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self._told(chain.from_iterable(scanner.to_batches() for scanner in scanners)):
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def _told(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches. Raises: SnapshotGone, where a file that is not held open is gone, or is not Parquet."""
        try:
            yield from batches
        except (FileNotFoundError, pa.ArrowInvalid) as error:
            raise SnapshotGone(f"a file of {self.entity} cannot be read any more: {error}") from error


# ------------------------------------------------------------------------------------------------------ what it is of


def _table(lake: Lake, entity: str, at: str, *, history: bool) -> LakeTable:
    known = registry(lake.store, entity)
    lanes, others = _lanes_of_all(lake, entity) if history else _lanes_at(lake, entity, at)
    if not lanes and not known.columns:
        raise UsageError(f"the lake has no entity type {entity!r}{did_you_mean(closest(entity, others))}")
    kinds = {one.name: one.kind for one in known.columns}
    fields = {one.name: one.field for one in known.columns}
    shares = []
    for lane, columns in lanes:
        names: dict[str, str] = {}
        for column in columns:
            name = names[column.name] = _name_in(column, known)
            kind = drop_forms(column.kind)
            kinds[name] = grown(kinds.get(name, kind), kind) or kinds[name]
            fields.setdefault(name, column.field)
        shares.append(_Share(columns, names, tuple(piece_of(file.path, lane.instance) for file in lane.files)))
    listed = [Column(name, fields[name], fields[name], kind) for name, kind in kinds.items()]
    schema = pa.schema([*arrow_schema(listed), *PARTITION_COLUMNS])
    again = partial(_table, lake, entity, at, history=history)
    return LakeTable(entity, schema, lake, kinds, tuple(shares), again)


def _name_in(column: Column, known: Registry) -> str:
    """The name of a lane's column in the table; older lanes may have had one of their own for its field."""
    first = known.by_field.get(column.field)
    if first is None:
        return free_name(column.name, column.field, known.taken) if column.name in known.taken else column.name
    if any(one.name == column.name and one.field == column.field for one in known.columns):
        return column.name
    fits = grown(first.kind, drop_forms(column.kind)) is not None
    return first.name if fits else known.json_names.get(column.field, first.name)


_Lanes = list[tuple[LaneRecord, tuple[Column, ...]]]


def _lanes_at(lake: Lake, entity: str, at: str) -> tuple[_Lanes, list[str]]:
    """The lanes of a snapshot, and which entity types it has."""
    snapshot = find_run(lake, at).snapshot
    return _lanes(snapshot, entity), sorted({lane.entity for lane in snapshot.lanes})


def _lanes(snapshot: Snapshot, entity: str) -> _Lanes:
    found = [(lane, columns) for lane, columns in lane_columns(snapshot) if lane.entity == entity and columns]
    if any(layout.day_of(file.path) is None for lane, _ in found for file in lane.files):
        raise damaged(snapshot.run_id)
    return found


def _lanes_of_all(lake: Lake, entity: str) -> tuple[_Lanes, list[str]]:
    """The lanes of all days, each from the run that published last of those whose files are there."""
    found: dict[str, tuple[datetime, LaneRecord, tuple[Column, ...]]] = {}
    others = set[str]()
    there = parts_there(lake, entity)
    for snapshot in readable(lake):
        others |= {lane.entity for lane in snapshot.lanes}
        for lane, columns in _lanes(snapshot, entity):
            folders = {layout.folder_of(file.path) for file in lane.files}
            newer = all(folder not in found or found[folder][0] < snapshot.finished_at for folder in folders)
            if newer and there.issuperset(file.path for file in lane.files):
                found |= dict.fromkeys(folders, (snapshot.finished_at, lane, columns))
    lanes = {id(lane): (lane, columns) for _, lane, columns in found.values()}
    return list(lanes.values()), sorted(others)
