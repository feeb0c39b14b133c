"""What a lake needs of a table format: the one seam between axsync and Delta Lake or Iceberg (docs/adr/0031).

An entity type is one table below `tables/`, partitioned by instance and day. axsync writes the parts, and a format
registers them as they are. Columns only appear, so that every version of a table can read all of its files.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import pyarrow as pa

from axsync.errors import ConfigError, LakeError, LakeUnfit
from axsync.lake import layout
from axsync.lake.manifest import LaneRecord, TablePin
from axsync.lake.schemas import FieldNumbers, columns_brought, registry
from axsync.lake.store import Store
from axsync.model import Lane, Outcome
from axsync.schema.columns import Column, arrow_schema, columns_of
from axsync.schema.registry import Registry, extended, unfit
from axsync.settings import PARQUET

LIBRARIES = {"delta": "deltalake", "iceberg": "pyiceberg"}
"""Format → what its module in this room imports, and no other module does."""
NAMESPACE = "axsync"
"""Of Iceberg tables in a catalog, where the setting names no other."""
MOST_NAMED = 3
"""So many columns are named where more of them are wrong."""
PARTITION_COLUMNS = pa.schema([pa.field("instance", pa.string()), pa.field("dt", pa.date32())])
"""What a table has beside the columns of its files, by which it is partitioned."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One instance on one logical date."""

    instance: str
    day: str


@dataclass(frozen=True, slots=True)
class TableChange:
    """One commit to the table of an entity type: these partitions have these files from then on, and no others.

    Files are keys of the lake. A partition without any is emptied; all others stay as they are. `schema` has all
    columns of the type, of which a file has some, without those of the partition. `properties` are kept with the
    commit, for whoever reads its history.
    """

    entity: str
    files: Mapping[Partition, frozenset[str]]
    schema: pa.Schema
    properties: Mapping[str, str]


class TableFormat(Protocol):
    """One table format; `axsync.lake.delta.DeltaTables` is that of Delta Lake. All verbs block.

    The caller holds the lake where it commits. Others may commit beside it.
    """

    @property
    def name(self) -> str:
        """The word in `[lake] format`."""
        ...

    def refuse(self, store: Store, entity: str, schema: pa.Schema) -> None:
        """Whether there is a table that axsync cannot commit these columns to. Nothing is written.

        No table at all is fine. Raises: LakeError, for one that is partitioned otherwise, or has other types.
        """
        ...

    def preflight(self, store: Store) -> None:
        """Whether tables can be made in this lake at all. Nothing is written.

        Raises: ConfigError; CatalogError where that may be over in a while.
        """
        ...

    def numbers(self, store: Store) -> FieldNumbers | None:
        """What numbers the columns of parts before they are written; None for a format that knows columns by name."""
        ...

    def commit(self, store: Store, change: TableChange) -> TablePin:
        """Commit a change, and say which version of the table has it; both are durable when this returns.

        Can be repeated: where the partitions hold these files and the table has the columns, nothing is committed.
        Where others commit at the same time it is tried again, with an end. Raises: StorageError.
        """
        ...

    def newest(self, store: Store, entity: str) -> TablePin | None:
        """The version that readers see who name none; None where there is no table. Raises: StorageError."""
        ...

    def files(self, store: Store, pin: TablePin) -> Mapping[Partition, frozenset[str]]:
        """The files of a version. Raises: TableGone where it can no longer be read; StorageError."""
        ...

    def held(self, store: Store, pins: Iterable[TablePin]) -> frozenset[str]:
        """The files that any of these versions of one table has; one that can no longer be read has none.

        Raises: StorageError.
        """
        ...

    def by_others(self, store: Store, pin: TablePin) -> tuple[str, ...]:
        """What others than axsync have committed after this version, such as `OPTIMIZE (version 9)`, oldest first.

        Raises: StorageError.
        """
        ...

    def expire(self, store: Store, entity: str, kept: Collection[TablePin]) -> None:
        """Let go of versions that are neither the newest nor among these, and of what only they needed.

        Can be repeated. Parts stay: they are removed by who knows all tables and manifests. Raises: StorageError.
        """
        ...


class TableGone(LakeError):
    """A version of a table that a manifest names cannot be read any more."""


def opened(names: Iterable[str], keep_days: int | None = None, catalog: str = "") -> tuple[TableFormat, ...]:
    """The table formats among these words. Versions can be read for `keep_days`, where these are known.

    `catalog` is that of Iceberg. Raises: ConfigError where the library of one is not installed.
    """
    return tuple(_opened(name, keep_days, catalog) for name in names if name != PARQUET)


def _opened(name: str, keep_days: int | None, catalog: str) -> TableFormat:
    if name not in LIBRARIES:  # a manifest may name anything
        raise ConfigError(f"tables in the format {name!r} are not known to this version of axsync")
    try:
        module = import_module(f"axsync.lake.{name}")  # which needs an extra
    except ImportError as error:
        raise ConfigError(f"format = {name} needs {LIBRARIES[name]}: pip install 'axsync[{name}]'") from error
    found: TableFormat = module.open_tables(keep_days, catalog)
    return found


def format_of(pin: TablePin) -> TableFormat:
    """The format of a table that there is. Raises: ConfigError where it is unknown, or its library not installed."""
    return _opened(pin.format, None, pin.catalog or "")


# -------------------------------------------------------------------------------------------------------- their columns


class Conflict(ValueError):
    """Two types that no table can have in one column."""


def table_schema(store: Store, entity: str) -> pa.Schema:
    """All columns that files of this entity type may have, by its registry. Raises: RegistryDamaged."""
    return arrow_schema([Column(one.name, one.field, one.field, one.kind) for one in registry(store, entity).columns])


def united(there: pa.Schema, comes: pa.Schema) -> pa.Schema:
    """The columns of both, those that are there first and in their order.

    Raises: Conflict, which names the columns whose types differ in more than members of objects.
    """
    known, wrong = {field.name: field for field in there}, list[str]()
    for field in comes:
        before = known.get(field.name)
        both = field.type if before is None else _both(before.type, field.type)
        if before is not None and both is None:
            wrong.append(f"{field.name} is {before.type} in the table and {field.type} in the registry")
        else:
            known[field.name] = (field if before is None else before).with_type(both)
    if wrong:
        raise Conflict(_some(wrong))
    return pa.schema(list(known.values()))


def _both(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type with the members of both; None where they differ in anything else."""
    if pa.types.is_list(one) and pa.types.is_list(other):
        item = _both(one.value_type, other.value_type)
        if item is None:
            return None
        return one if item == one.value_type else pa.list_(item)  # an equal one may call its item differently
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        members = {member.name: member for member in one}
        for member in other:
            before = members.get(member.name)
            both = member.type if before is None else _both(before.type, member.type)
            if both is None:
                return None
            members[member.name] = (member if before is None else before).with_type(both)
        return pa.struct(list(members.values()))
    return one if one == other else None


def refuse_unfit(store: Store, outcomes: Iterable[Outcome]) -> None:
    """Refuse columns that tables cannot take, before anything of them is registered. Raises: LakeError.

    Only a run that goes on after another one has published can have them.
    """
    known = dict[str, Registry]()
    for lane, columns in columns_brought(outcomes):
        before = known.get(lane.entity) or registry(store, lane.entity)
        if wrong := unfit(before, columns):
            told = f"what was read of {lane} does not fit its table, which another run has changed meanwhile"
            raise LakeUnfit(f"{told} ({', '.join(wrong[:MOST_NAMED])}); run again with --fresh")
        known[lane.entity], _ = extended(before, columns, "")


def refuse_conflicts(lake: str, lanes: Sequence[LaneRecord]) -> None:
    """Refuse to make tables of a lake whose instances have different types in one column. Raises: LakeError."""
    if wrong := list(_conflicts(lanes)):
        told = "a table has one type for each column; start a new lake"
        raise LakeUnfit(f"the lake {lake!r} cannot become tables: {_some(wrong)}; {told}")


def _conflicts(lanes: Sequence[LaneRecord]) -> Iterator[str]:
    found: dict[tuple[str, str], tuple[Lane, pa.DataType]] = {}
    told = set[tuple[str, str]]()
    for lane in lanes:
        for field in arrow_schema(columns_of({"columns": lane.columns})) if lane.columns else ():
            column = lane.entity, field.name
            first, known = found.setdefault(column, (lane.lane, field.type))
            both = _both(known, field.type)
            if both is not None:
                found[column] = first, both
            elif column not in told:
                told.add(column)
                yield (
                    f"{field.name} of {lane.entity} is {_short(known)} in {first.instance}"
                    f" and {_short(field.type)} in {lane.instance}"
                )


def _short(kind: pa.DataType) -> str:
    text = str(kind).replace("item: ", "").replace("element: ", "")
    return text if len(text) <= 60 else f"{text[:60]}…"


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return "; ".join(texts[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


# ----------------------------------------------------------------------------------------------------------- their keys


def partition_of(key: str) -> Partition:
    """The partition that a part of a table is in."""
    *_, instance, day, _name = key.split("/")
    return Partition(instance.removeprefix("instance="), day.removeprefix("dt="))


def by_partition(keys: Iterable[str]) -> dict[Partition, frozenset[str]]:
    """Parts of a table by the partitions that they are in."""
    found: dict[Partition, set[str]] = {}
    for key in keys:
        found.setdefault(partition_of(key), set()).add(key)
    return {partition: frozenset(files) for partition, files in found.items()}


def is_in_table(key: str) -> bool:
    """Whether a part is one of a table."""
    return key.startswith(f"{layout.TABLES}/")
