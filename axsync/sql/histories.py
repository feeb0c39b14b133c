"""All days of a lake as statements for other engines tell of them: what does not grow with the days.

Files are named by a glob, and verdicts are in files as well (`axsync.lake.lane_files`). These also say which partitions
have columns that are not those of the registry, so that no manifest is read, but for runs that have no such file yet.
Where a glob would not find what a snapshot has, as in a lake of tables, manifests tell of everything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from axsync.errors import LakeUnfit, ManifestError
from axsync.lake import layout
from axsync.lake.lane_files import STORED_LANE, lane_rows, stored_runs, untold_runs
from axsync.lake.manifest import read_run
from axsync.lake.publish import Lake
from axsync.lake.schemas import digest_of_columns, registries, schema
from axsync.schema.columns import Column, columns_of
from axsync.schema.registry import Registry
from axsync.sql.days import AllDays, LaneVerdict, all_days, spanning
from axsync.sql.engines import WORDS
from axsync.sql.tables import EntityTable, Share
from axsync.sql.views import LANE_COLUMNS, lanes_of
from axsync.sql.widening import star

_STORED = """
CREATE TEMP TABLE stored AS SELECT entity, schema, instance, run, stand_in, finished_at, files_dt FROM files
"""
_BESIDE_GLOBS = "SELECT max(run) FROM files WHERE NOT globbed"
_COLUMNS = "SELECT entity, schema, min(run), max(run) FROM stored WHERE schema IS NOT NULL GROUP BY ALL ORDER BY 3"
_INSTANCES = "SELECT entity, schema, list(DISTINCT instance ORDER BY instance) FROM stored GROUP BY ALL"
# The files of a day are those of the newest run that wrote some; of a run whose manifest is gone, a later one may tell.
_PARTITIONS = """
SELECT entity, schema, list(instance ORDER BY instance), days FROM (
  SELECT entity, schema, instance, list(files_dt ORDER BY files_dt) AS days FROM (
    SELECT * FROM stored WHERE files_dt IS NOT NULL QUALIFY row_number() OVER (
      PARTITION BY entity, instance, files_dt ORDER BY stand_in IS NULL DESC, finished_at DESC, run DESC) = 1)
  GROUP BY ALL)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Partitions:
    """All these days of all these instances."""

    instances: tuple[str, ...]
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Partitions whose files have other columns than the table, and which of them are others of the table."""

    columns: tuple[Column, ...]
    renamed: Mapping[str, str]
    partitions: tuple[Partitions, ...]


@dataclass(frozen=True, slots=True)
class EntityHistory:
    """An entity type over all days: its columns, the instances that have files, and what is to be read by itself."""

    table: EntityTable  # with its files only where manifests tell of them
    instances: tuple[str, ...]
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True, slots=True)
class Histories:
    """Entity type → its history. `lanes` are verdicts of the moment, where not all of them are in files yet."""

    tables: Mapping[str, EntityHistory]
    lanes: tuple[LaneVerdict, ...] | None = None


def histories(lake: Lake) -> Histories:
    """What the lake has. Raises: NoLake, RegistryDamaged; LakeUnfit for a file of lanes that cannot be read."""
    lake.store.refuse_no_lake()
    try:
        untold = list(_untold(lake))
    except NotADirectoryError as error:
        raise _unreadable(lake, layout.LANES) from error
    with duckdb.connect() as connection:
        _store(connection, lake, untold)
        if connection.execute(_BESIDE_GLOBS).fetchone() != (None,):
            return of_days(all_days(lake))
        shapes = connection.execute(_COLUMNS).fetchall()
        instances = connection.execute(_INSTANCES).fetchall()
        partitions = connection.execute(_PARTITIONS).fetchall()
        lanes = connection.execute(lanes_of(WORDS["duckdb"], "files")).fetchall() if untold else None
    columns = _Columns(lake)
    known = registries(lake.store)
    of_type = {entity: _Told(shapes, instances, partitions, entity) for entity, *_ in shapes}
    tables = {e: _history(e, of_type[e], columns, known.get(e, Registry())) for e in sorted(of_type)}
    return Histories(tables, None if lanes is None else tuple(map(_verdict, lanes)))


def of_days(days: AllDays) -> Histories:
    """The same from manifests, with all files."""
    return Histories({entity: _with_files(table) for entity, table in days.tables.items()}, days.lanes)


def _with_files(table: EntityTable) -> EntityHistory:
    """What is apart is so among the plain files alone."""
    _, odd = by_columns(table, table.folders.get(layout.table(table.entity), ()))
    apart = (Apart(one[0].columns, one[0].renamed, tuple(_partitions(one))) for one in odd)
    return EntityHistory(table, tuple(sorted({piece.instance for piece in table.pieces})), tuple(apart))


def by_columns(table: EntityTable, shares: Iterable[Share]) -> tuple[list[Share], list[list[Share]]]:
    """Those that have the columns of the table; and the others, those with the same columns together."""
    alike: dict[tuple[int, str], list[Share]] = {}  # most shares have the columns of another one
    for share in shares:
        alike.setdefault((id(share.columns), repr(share.renamed)), []).append(share)
    whole, odd = list[Share](), list[list[Share]]()
    for one in alike.values():
        if star(one[0].columns, table.columns, one[0].renamed) == "*":
            whole += one
        else:
            odd.append(one)
    return whole, odd


def _partitions(shares: Iterable[Share]) -> Iterator[Partitions]:
    days: dict[str, set[date]] = {}
    for share in shares:
        for piece in share.pieces:
            days.setdefault(piece.instance, set()).add(piece.dt)
    return (Partitions((instance,), tuple(sorted(found))) for instance, found in sorted(days.items()))


def _untold(lake: Lake) -> Iterator[pa.Table]:
    """The lanes of runs that have no file yet."""
    for run_id in untold_runs(lake):
        try:
            yield lane_rows(read_run(lake.store, run_id).snapshot)
        except ManifestError:  # as everywhere: it hides no other run
            continue


def _store(connection: DuckDBPyConnection, lake: Lake, untold: Sequence[pa.Table]) -> None:
    """The lanes of all runs as `files`, and what tells of columns as a table, so that files are opened once."""
    keys = [layout.lanes(run_id) for run_id in stored_runs(lake)]
    parts: list[ds.Dataset] = [ds.dataset(pa.concat_tables([STORED_LANE.empty_table(), *untold]))]
    if keys:
        parts.append(ds.dataset(keys, STORED_LANE, "parquet", lake.store.file_system()))
    connection.register("files", ds.dataset(parts))
    try:
        connection.execute(_STORED)
    except duckdb.Error as error:
        odd = (key for key in keys if not _is_parquet(lake, key))
        raise _unreadable(lake, next(odd, layout.LANES)) from error


def _is_parquet(lake: Lake, key: str) -> bool:
    try:
        pq.read_schema(key, filesystem=lake.store.file_system())
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def _unreadable(lake: Lake, key: str) -> LakeUnfit:
    return LakeUnfit(f"{key} of the lake {lake.name!r} cannot be read; delete it, and the next run writes it again")


def _verdict(row: Sequence[Any]) -> LaneVerdict:
    return LaneVerdict(**dict(zip(LANE_COLUMNS, row, strict=True)))


class _Told:
    """What the lanes say of one entity type."""

    def __init__(self, shapes: Sequence[Any], instances: Sequence[Any], partitions: Sequence[Any], entity: str) -> None:
        self.shapes = [(digest, since, newest) for of, digest, since, newest in shapes if of == entity]
        self.instances = {digest: names for of, digest, names in instances if of == entity}
        self.partitions = [
            (digest, Partitions(tuple(names), tuple(days))) for of, digest, names, days in partitions if of == entity
        ]


class _Columns:
    """The columns that lanes name by their SHA-256, each read once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._known: dict[str, tuple[Column, ...]] = {}

    def of(self, digest: str, run_id: str) -> tuple[Column, ...]:
        """Those of a lane of this run; none where they cannot be read."""
        if digest not in self._known:
            try:
                self._known[digest] = columns_of({"columns": self._read(digest, run_id)})
            except (ManifestError, ValueError):
                self._known[digest] = ()
        return self._known[digest]

    def _read(self, digest: str, run_id: str) -> Mapping[str, Any]:
        try:
            return schema(self._lake.store, digest)
        except ManifestError:  # version 1 of the manifest had them in each lane
            lanes = read_run(self._lake.store, run_id).snapshot.lanes
            found = {id(lane.columns): lane.columns for lane in lanes}
            return next((one for one in found.values() if digest_of_columns(one) == digest), {})


def _history(entity: str, told: _Told, columns: _Columns, known: Registry) -> EntityHistory:
    found = {digest: (columns.of(digest, newest), since) for digest, since, newest in told.shapes}
    brought = {digest: one for digest, one in found.items() if one[0]}
    shown = [(name, brought[d][0]) for d, names in told.instances.items() if d in brought for name in names]
    table, renamed = spanning(entity, list(brought.values()), shown, known)
    apart = [
        Apart(
            of_shape,
            others,
            tuple(one for digest, one in told.partitions if digest == shape),
        )
        for (shape, (of_shape, _)), others in zip(brought.items(), renamed, strict=True)
        if star(of_shape, table.columns, others) != "*"
    ]
    instances = {name for _, one in told.partitions for name in one.instances}
    return EntityHistory(table, tuple(sorted(instances)), tuple(one for one in apart if one.partitions))
