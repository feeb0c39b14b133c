"""Iceberg: parts are registered as they are. The only module that imports pyiceberg, which is an extra.

A data file is made of what the footer of a part says, and of the partition in its path. Nothing passes through
pyiceberg's own writer, which stores a null list as an empty one (iceberg-python#3833), nor through its `add_files`,
which makes NULL of partition columns that are not in the files.

The numbers of columns are the lake's (`axsync.schema.field_ids`), and so a table never gets one from pyiceberg, but for
its partition columns: it begins with them alone, and they are 1 and 2 wherever tables are made.

The catalog says where the newest metadata of a table is. That of a folder is a file of SQLite in the lake. It may be
lost: a table that it does not know is entered again, with the newest metadata in the folder of the table.

Other catalogs are pyiceberg's to know, with settings that axsync never sees but where an error has to be told: servers
and libraries repeat what they were given, so whatever is secret among these settings is masked in it.
"""

import base64
import hashlib
import logging
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog, list_catalogs, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NoSuchNamespaceError,
    NoSuchTableError,
    ServerError,
    ServiceUnavailableError,
    TableAlreadyExistsError,
    TooManyRequestsError,
    ValidationException,
)
from pyiceberg.expressions import In
from pyiceberg.io import PY_IO_IMPL, FileIO, InputFile, OutputFile
from pyiceberg.io.pyarrow import (
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AddSchemaUpdate,
    AssertCurrentSchemaId,
    SetCurrentSchemaUpdate,
    UpdatesAndRequirements,
    UpdateTableMetadata,
)
from pyiceberg.table.update.snapshot import ExpireSnapshots, ManageSnapshots
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Properties, Record
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)
from pyiceberg.utils.config import Config
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from axsync.credentials import Redactor, Secret
from axsync.credentials.credential import MASK
from axsync.errors import AxsyncError, CatalogError, ConfigError, ForeignTable, LakeError, LakeUnfit, StorageError
from axsync.lake import layout
from axsync.lake.manifest import TablePin
from axsync.lake.schemas import FieldNumbers, read_ids
from axsync.lake.store import Draft, NativeFile, Store, storage_errors
from axsync.lake.tables import NAMESPACE, Conflict, Partition, TableChange, TableGone
from axsync.schema.field_ids import FIELD_ID, PARTITION_IDS, FieldIds, with_field_ids
from axsync.schema.kinds import FIELD_KEY

RUN, FILES = "axsync.run_id", "axsync.files"
"""Keys of a snapshot's summary: the run, and a digest of the partitions and files that it brought."""
TRIES = 10
"""Of a commit that meets others; pyiceberg tries each of them several times, with pauses between."""
PAUSE = 0.05  # seconds, more with each try

_OWN = "axsync."
"""How keys of the summaries of our own commits begin."""
_STORE = "axsync.store"
_LOGIN = re.compile(r"://[^/@\s]*@")  # in the address of a catalog
_TOKEN = re.compile(r"\bbearer\s+[^\s\"',;]+|\beyJ[\w-]+(\.[\w-]+)+", re.IGNORECASE)  # such as a catalog gives out
_SECRET = re.compile(r"token|secret|credential|passw|passphrase|key|connection|^header\.")  # names of settings
_METADATA = re.compile(r"v?(\d+)(?!\w)")  # how the names of metadata files begin that count versions: 00007-, v7.
_EPOCH = date(1970, 1, 1)
_TYPES: Mapping[pa.DataType, IcebergType] = {
    pa.string(): StringType(),
    pa.int64(): LongType(),
    pa.float64(): DoubleType(),
    pa.bool_(): BooleanType(),
    pa.date32(): DateType(),
    pa.timestamp("us", tz="UTC"): TimestamptzType(),
}
_FIRST = Schema(
    NestedField(PARTITION_IDS["instance"], "instance", StringType(), required=False),
    NestedField(PARTITION_IDS["dt"], "dt", DateType(), required=False),
)
_BY_PARTITION = PartitionSpec(
    PartitionField(PARTITION_IDS["instance"], 1000, IdentityTransform(), "instance"),
    PartitionField(PARTITION_IDS["dt"], 1001, IdentityTransform(), "dt"),
)
_OTHERS = (
    CommitFailedException,
    CommitStateUnknownException,
    IntegrityError,
    TableAlreadyExistsError,
    ValidationException,
)
"""What a commit meets where others commit as well; afterwards the table tells whether it was applied."""
_AWAY = (OSError, ServerError, ServiceUnavailableError, TooManyRequestsError)
"""What a catalog meets or says that may be over in a while; all else is about its settings or rights."""
_TRIAL = "axsync_trial"
"""The name of a table that is only asked for, and of no entity type."""

logging.getLogger("pyiceberg").addHandler(logging.NullHandler())  # or it would write beside what axsync shows


@dataclass(frozen=True, slots=True)
class IcebergTables:
    """As `axsync.lake.tables.TableFormat`. `catalog` is one that pyiceberg knows, with a namespace behind a dot.

    Without a catalog it is the embedded one, which only a folder can have.
    """

    catalog: str = ""

    @property
    def name(self) -> str:
        """As `TableFormat.name`."""
        return "iceberg"

    def refuse(self, store: Store, entity: str, schema: pa.Schema) -> None:
        """As `TableFormat.refuse`. Raises: RegistryDamaged too; ConfigError, where there is no such catalog."""
        known, table = read_ids(store, entity), self._current(store, entity)
        if table is None:
            return
        told = f"the Iceberg table {store.name(layout.table_of_format(entity))!r}"
        by = [(one.name, str(one.transform)) for one in table.spec().fields]
        if by != [(one.name, str(one.transform)) for one in _BY_PARTITION.fields]:
            found = ", ".join(name for name, _ in by) or "nothing"
            raise ForeignTable(f"{told} is partitioned by {found}, not by instance and dt: axsync did not create it")
        try:
            ids = (known or ids_of(table.metadata)).extended(schema)
            united(table.schema().fields, fields_of(with_field_ids(schema, ids.known)))
        except Conflict as error:
            raise ForeignTable(f"{told} has other columns than the lake: {error}") from error

    def preflight(self, store: Store) -> None:
        """As `TableFormat.preflight`. A catalog without tables of the lake is asked whether it would take one."""
        if not self.catalog:
            _refuse_no_folder(store)
        elif not store.names(layout.TABLES):
            place = store.uri(layout.table_of_format(_TRIAL))
            given = self._staged(store, place)
            if given != place:
                told = f"the catalog {self._name!r} would put a table of the lake at {given!r}, not at {place!r}"
                raise ConfigError(f"{told}; choose a catalog that takes the location that it is given")

    def numbers(self, store: Store) -> FieldNumbers:
        """As `TableFormat.numbers`. Those of a table are known even where the lake's file of them is lost."""
        return FieldNumbers(store, partial(_numbers_of_table, store))

    def commit(self, store: Store, change: TableChange) -> TablePin:
        """As `TableFormat.commit`."""
        doing = f"commit to the Iceberg table of {change.entity}"
        for tried in range(TRIES):
            time.sleep(PAUSE * tried)
            with self._errors(doing), self._opened(store) as catalog, suppress(*_OTHERS):
                table = self._found(catalog, store, change.entity) or self._made(catalog, store, change.entity)
                fields = fields_of(self.numbers(store).numbered(change.entity, change.schema))
                snapshot_id = _committed(table.metadata, change) or _apply(store, table, change, fields)
                _keep(table, snapshot_id, change)
                return self._pin(store, change.entity, table, snapshot_id)
        raise StorageError(f"cannot {doing}: others keep changing it ({TRIES} tries)")

    def newest(self, store: Store, entity: str) -> TablePin | None:
        """As `TableFormat.newest`."""
        table = self._current(store, entity)
        snapshot = table.current_snapshot() if table is not None else None
        return None if table is None or snapshot is None else self._pin(store, entity, table, snapshot.snapshot_id)

    def files(self, store: Store, pin: TablePin) -> Mapping[Partition, frozenset[str]]:
        """As `TableFormat.files`."""
        entity = layout.entity_of_table(pin.path)
        told = f"snapshot {pin.snapshot_id} of the Iceberg table of {entity}"
        with self._errors(f"read {told}"):
            try:
                table = _static(store, store.uri(pin.metadata or ""))
                snapshot = table.snapshot_by_id(pin.snapshot_id or 0)
                there = None if snapshot is None else _by_partition(store, _data_files(table, [snapshot]))
            except (FileNotFoundError, ValueError, LakeError) as error:
                raise TableGone(f"{told} cannot be read: {_first_line(error)}") from error
        if there is None:
            raise TableGone(f"{told} no longer exists")
        return there

    def held(self, store: Store, pins: Iterable[TablePin]) -> frozenset[str]:
        """As `TableFormat.held`. The newest metadata mostly has the snapshots of all of them."""
        left = list(pins)
        table = self._current(store, layout.entity_of_table(left[0].path)) if left else None
        if table is None:
            return frozenset()
        there = {one.snapshot_id: one for one in table.snapshots()}
        with self._errors(f"read {left[0].path!r}"):
            known = [there[pin.snapshot_id] for pin in left if pin.snapshot_id in there]
            found = {_key(store, file.file_path) for file in _data_files(table, known)}
        for pin in left:
            if pin.snapshot_id not in there:
                with suppress(TableGone):
                    found.update(*self.files(store, pin).values())
        return frozenset(found)

    def by_others(self, store: Store, pin: TablePin) -> tuple[str, ...]:
        """As `TableFormat.by_others`."""
        table = self._current(store, layout.entity_of_table(pin.path))
        if table is None:
            return ()
        since = table.snapshot_by_id(pin.snapshot_id or 0)
        after = -1 if since is None or since.sequence_number is None else since.sequence_number
        later = sorted(table.snapshots(), key=lambda one: one.sequence_number or 0)
        return tuple(
            f"{one.summary.operation.value if one.summary else 'a commit'} (snapshot {one.snapshot_id})"
            for one in later
            if (one.sequence_number or 0) > after and not _is_own(one)
        )

    def expire(self, store: Store, entity: str, kept: Collection[TablePin]) -> None:
        """As `TableFormat.expire`: tags of runs whose manifests are gone, and then snapshots without a tag."""
        with self._errors(f"expire snapshots of the Iceberg table of {entity}"), self._opened(store) as catalog:
            table = self._found(catalog, store, entity)
            if table is not None:
                before = set(_metadata_files(table))
                _expire(table, {pin.snapshot_id for pin in kept})
                over = {_key(store, place) for place in before.difference(_needed_files(table))}
                over -= {pin.metadata for pin in kept}
                # Not whatever else is there: it may be of a commit that another writer has just begun.
                store.delete(*sorted(key for key in over if key.startswith(f"{layout.iceberg_metadata(entity)}/")))

    def _pin(self, store: Store, entity: str, table: Table, snapshot_id: int) -> TablePin:
        place, metadata = layout.table_of_format(entity), _key(store, table.metadata_location)
        return TablePin(self.name, place, snapshot_id=snapshot_id, metadata=metadata, catalog=self.catalog or None)

    # ------------------------------------------------------------------------------------------------- the catalog

    @contextmanager
    def _opened(self, store: Store) -> Iterator[Catalog]:
        """The catalog, closed when the block ends. Raises: ConfigError."""
        opened = self._configured(store) if self.catalog else _embedded(store)
        with opened:
            yield opened

    def _configured(self, store: Store) -> Catalog:
        if self._name not in list_catalogs():
            told = f"define it in .pyiceberg.yaml, or by PYICEBERG_CATALOG__{self._name.upper()}__URI and the like"
            raise ConfigError(f"pyiceberg knows no catalog {self._name!r}, which [lake] catalog names; {told}")
        with self._refusing(f"the catalog {self._name!r} cannot be opened"):
            return load_catalog(self._name, **_through(store))

    def _staged(self, store: Store, place: str) -> str:
        """Where the catalog would put a table that is to be at this place. Raises: ConfigError, CatalogError."""
        identifier, told = self._identifier(_TRIAL), f"the catalog {self._name!r} takes no tables of {store.name()!r}"
        with self._opened(store) as catalog, self._refusing(told), _namespace(catalog, identifier[0]):
            try:
                staged = catalog.create_table_transaction(
                    identifier, _FIRST, location=place, partition_spec=_BY_PARTITION
                )
            except NotImplementedError:  # some cannot stage; then the first commit tells
                return place
            return staged.table_metadata.location

    @property
    def _name(self) -> str:
        return self.catalog.partition(".")[0]

    @contextmanager
    def _refusing(self, told: str) -> Iterator[None]:
        """Translate what a catalog says that is asked for the first time. Raises: ConfigError, CatalogError."""
        try:
            yield
        except AxsyncError:
            raise
        except Exception as error:  # noqa: BLE001  each kind of catalog has a library, with errors of its own
            away = isinstance(error, _AWAY) and not isinstance(error, ValueError)  # which an address may be
            # Not chained: the cause would be told as well, with all that is masked here.
            raise (CatalogError if away else ConfigError)(f"{told}: {self._words(error)}") from None

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Translate what a catalog says. Raises: CatalogError; StorageError where the lake is at fault."""
        with storage_errors(doing):
            try:
                yield
            except AxsyncError:
                raise
            except Exception as error:  # as above
                if isinstance(error, OSError) and error.strerror:
                    raise
                raise CatalogError(f"cannot {doing}: {self._words(error)}") from None

    def _words(self, error: Exception) -> str:
        """The first line of what a library says, without what is secret."""
        told = _TOKEN.sub(MASK, _LOGIN.sub("://…@", _first_line(error)))
        config = Config().get_catalog_config(self._name) or {} if self.catalog else {}
        return Redactor(map(Secret, _secrets(config))).redact(told)

    def _identifier(self, entity: str) -> tuple[str, str]:
        return self.catalog.partition(".")[2] or NAMESPACE, entity

    def _found(self, catalog: Catalog, store: Store, entity: str) -> Table | None:
        """The table as the catalog has it; one that it has lost is entered again. Raises: LakeError."""
        try:
            return _here(store, entity, catalog.load_table(self._identifier(entity)))
        except (NoSuchTableError, NoSuchNamespaceError):
            known = _newest_metadata(store, entity)
            if known is None:
                return None
            catalog.create_namespace_if_not_exists(self._identifier(entity)[0])
            return _here(store, entity, catalog.register_table(self._identifier(entity), store.uri(known)))

    def _made(self, catalog: Catalog, store: Store, entity: str) -> Table:
        identifier, place = self._identifier(entity), store.uri(layout.table_of_format(entity))
        catalog.create_namespace_if_not_exists(identifier[0])
        made = catalog.create_table(
            identifier, _FIRST, location=place, partition_spec=_BY_PARTITION, properties={"format-version": "2"}
        )
        return _here(store, entity, made)  # some give what is there

    def _current(self, store: Store, entity: str) -> Table | None:
        """The table as readers see it; nothing is written. Raises: LakeError, ConfigError, StorageError."""
        with self._errors(f"read the Iceberg table of {entity}"):
            if self.catalog or store.size(layout.ICEBERG_CATALOG) is not None:
                with self._opened(store) as catalog, suppress(NoSuchTableError, NoSuchNamespaceError):
                    return _here(store, entity, catalog.load_table(self._identifier(entity)))
            if not self.catalog:
                _refuse_no_folder(store)
            known = _newest_metadata(store, entity)
            return None if known is None else _here(store, entity, _static(store, store.uri(known)))


def open_tables(_keep_days: int | None, catalog: str) -> IcebergTables:
    """The format, as `axsync.lake.tables` asks for it: tags keep what is to be kept."""
    return IcebergTables(catalog)


def _here(store: Store, entity: str, table: Table) -> Table:
    """The table, if it is in the lake. Raises: LakeError."""
    if table.location() != store.uri(layout.table_of_format(entity)):
        raise _elsewhere(store, table.location())
    return table


def _elsewhere(store: Store, location: str) -> LakeUnfit:
    told = f"the Iceberg catalog of the lake {store.name()!r} names {location!r}, which is not in it"
    why = "a lake with such tables cannot be moved, and in a catalog of several lakes each needs its own namespace"
    return LakeUnfit(f"{told}; {why}")


@contextmanager
def _namespace(catalog: Catalog, name: str) -> Iterator[None]:
    """The namespace, for as long as it is needed where there was none."""
    known = catalog.namespace_exists(name)
    if not known:
        catalog.create_namespace_if_not_exists(name)
    try:
        yield
    finally:
        if not known:
            with suppress(Exception):  # an empty one is in nobody's way, and the first commit wants it
                catalog.drop_namespace(name)


def _embedded(store: Store) -> Catalog:
    _refuse_no_folder(store)
    if store.size(layout.ICEBERG_CATALOG) is None:
        store.write(layout.ICEBERG_CATALOG, b"", shared=True)  # with the rights of a lake
    try:
        return _sqlite(store)
    except OperationalError:
        raise
    except DatabaseError:  # it is damaged; what it knew is in the folders of the tables
        store.write(layout.ICEBERG_CATALOG, b"", shared=True)
        return _sqlite(store)


def _sqlite(store: Store) -> Catalog:
    """Raises: DatabaseError, for a file that SQLite did not write as it is."""
    found = SqlCatalog(NAMESPACE, uri=f"sqlite:///{store.uri(layout.ICEBERG_CATALOG)}", **_through(store))
    with found.engine.connect() as connection:
        told = connection.exec_driver_sql("PRAGMA quick_check").scalar()
    if told != "ok":
        found.close()
        raise DatabaseError("PRAGMA quick_check", None, ValueError(told))
    return found


def _refuse_no_folder(store: Store) -> None:
    if "://" in store.uri():
        told = f"the Iceberg tables of {store.name()!r} need a catalog, since that of a folder is a file in it"
        raise ConfigError(f"{told}; set [lake] catalog to one that pyiceberg knows")


def _through(store: Store) -> Properties:
    return {PY_IO_IMPL: f"{StoreIO.__module__}.{StoreIO.__qualname__}", _STORE: store}


def _static(store: Store, location: str) -> Table:
    return StaticTable.from_metadata(location, _through(store))


def _newest_metadata(store: Store, entity: str) -> str | None:
    """The newest metadata in the folder of a table, whoever has written it.

    It may be of a commit that a kill cut off before the catalog knew it: then the run that made it is rolled forward,
    and finds it done.
    """
    numbered = list[tuple[int, str]]()
    for one in store.list(f"{layout.iceberg_metadata(entity)}/*.metadata.json"):
        number = _METADATA.match(layout.name_of(one.key))
        numbered.append((int(number[1]) if number else -1, one.key))
    newest = max((number for number, _ in numbered), default=-1)
    last = [key for number, key in numbered if number == newest]
    return last[0] if len(last) == 1 else max(last, key=partial(_updated, store), default=None)


def _updated(store: Store, key: str) -> int:
    return FromInputFile.table_metadata(StoreIO(_through(store)).new_input(store.uri(key))).last_updated_ms


def _first_line(error: Exception) -> str:
    """What went wrong; of a connection that failed what the system said, not how it was tried."""
    seen: BaseException | None = error
    while isinstance(error, OSError) and seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    told = str(getattr(error, "orig", None) or error)
    return (told.splitlines() or [type(error).__name__])[0]


def _secrets(config: Mapping[str, Any]) -> Iterator[str]:
    """What is secret among the settings of a catalog: by its name, or in an address."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _secrets(value)
            continue
        text = str(value)
        if _SECRET.search(name.lower()):  # credential: id:secret, header.authorization: Bearer token
            yield from (text, re.split(r"[:\s]", text)[-1], base64.b64encode(text.encode()).decode())
        yield text.rpartition("@")[0].rpartition("://")[2].partition(":")[2]
        query = text.partition("?")[2]
        if query:
            yield query
            yield from _secrets(dict(parse_qsl(query)))


# -------------------------------------------------------------------------------------------------------------- columns


def _numbers_of_table(store: Store, entity: str) -> FieldIds:
    known = _newest_metadata(store, entity)
    return FieldIds() if known is None else ids_of(_static(store, store.uri(known)).metadata)


def ids_of(metadata: TableMetadata) -> FieldIds:
    """The numbers that a table has given away, columns that it had once included."""
    known = {path: number for schema in metadata.schemas for path, number in _ids_in(schema.fields, "")}
    return FieldIds({**PARTITION_IDS, **known}, metadata.last_column_id + 1)


def _ids_in(fields: Iterable[NestedField], inside: str) -> Iterator[tuple[str, int]]:
    for one in fields:
        path, kind = f"{inside}{one.name}", one.field_type
        yield path, one.field_id
        while isinstance(kind, ListType):
            path, number, kind = f"{path}[]", kind.element_id, kind.element_type
            yield path, number
        if isinstance(kind, StructType):
            yield from _ids_in(kind.fields, f"{path}.")


def fields_of(schema: pa.Schema) -> tuple[NestedField, ...]:
    """Columns as a table has them, the Axonius name as the doc of each. Raises: KeyError where one has no number."""
    return tuple(_field(column) for column in schema)


def _field(column: pa.Field) -> NestedField:
    told = column.metadata or {}
    doc = told[FIELD_KEY].decode() if FIELD_KEY in told else None
    return NestedField(int(told[FIELD_ID]), column.name, _type(column.type), required=False, doc=doc)


def _type(kind: pa.DataType) -> IcebergType:
    if pa.types.is_list(kind):
        element = kind.value_field
        return ListType(int((element.metadata or {})[FIELD_ID]), _type(element.type), element_required=False)
    if pa.types.is_struct(kind):
        return StructType(*map(_field, kind))
    return _TYPES[kind]


def united(table: Sequence[NestedField], comes: Iterable[NestedField], inside: str = "") -> tuple[NestedField, ...]:
    """The columns of a table with those that come. Columns only appear, and so do members of objects.

    Raises: Conflict, with the column, where the two do not go together.
    """
    found = {one.field_id: one for one in table}
    by_name = {one.name: one.field_id for one in table}
    for one in comes:
        path, there = f"{inside}{one.name}", found.get(one.field_id)
        if by_name.get(one.name, one.field_id) != one.field_id or (there is not None and there.name != one.name):
            raise Conflict(f"{path} has field id {by_name.get(one.name, 'of another column')}, not {one.field_id}")
        kind = one.field_type if there is None else _united(there.field_type, one.field_type, path)
        found[one.field_id] = (there or one).model_copy(update={"field_type": kind})
    return tuple(found.values())


def _united(table: IcebergType, comes: IcebergType, path: str) -> IcebergType:
    match table, comes:
        case StructType(), StructType():
            return StructType(*united(table.fields, comes.fields, f"{path}."))
        case ListType(), ListType() if table.element_id == comes.element_id:
            item = _united(table.element_type, comes.element_type, f"{path}[]")
            return ListType(table.element_id, item, element_required=table.element_required)
        case _ if table == comes:
            return table
        case _:
            raise Conflict(f"{path} is {table} in the table and {comes} in the registry")


class _NewColumns(UpdateTableMetadata["_NewColumns"]):
    """Makes these the columns of a table, with the numbers that they have; pyiceberg's own update gives new ones."""

    def __init__(self, transaction: Transaction, fields: Sequence[NestedField]) -> None:
        super().__init__(transaction)
        self._fields = fields

    def _commit(self) -> UpdatesAndRequirements:
        metadata = self._transaction.table_metadata
        schema = Schema(*self._fields, schema_id=1 + max(one.schema_id for one in metadata.schemas))
        seen = AssertCurrentSchemaId.model_validate({"current-schema-id": metadata.current_schema_id})
        return (AddSchemaUpdate(schema=schema), SetCurrentSchemaUpdate()), (seen,)


# -------------------------------------------------------------------------------------------------------------- commits


def _committed(metadata: TableMetadata, change: TableChange) -> int | None:
    """The snapshot of an earlier try, perhaps of a process that was killed."""
    for one in reversed(metadata.snapshots):
        told = _told(one)
        if RUN in told and told[RUN] == change.properties.get(RUN) and told.get(FILES) == _digest(change):
            return one.snapshot_id
    return None


def _told(snapshot: Snapshot) -> Mapping[str, str]:
    return {} if snapshot.summary is None else snapshot.summary.additional_properties


def _is_own(snapshot: Snapshot) -> bool:
    return any(key.startswith(_OWN) for key in _told(snapshot))


def _digest(change: TableChange) -> str:
    """What tells a change from another one of the same run."""
    told = sorted((one.instance, one.day, *sorted(keys)) for one, keys in change.files.items())
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _apply(store: Store, table: Table, change: TableChange, fields: Sequence[NestedField]) -> int:
    """Columns that are new, files that go and files that come, in one commit; the snapshot that has them all."""
    there = _files_in(store, table, change.files)
    gone = [file for one, files in there.items() for key, file in files.items() if key not in change.files[one]]
    fresh = [(one, key) for one, keys in change.files.items() for key in sorted(keys) if key not in there[one]]
    both, now = united(table.schema().fields, fields), table.current_snapshot()
    if now is not None and not gone and not fresh and both == table.schema().fields:
        return now.snapshot_id
    transaction = table.transaction()
    if both != table.schema().fields:
        _NewColumns(transaction, both).commit()
    summary = {**change.properties, FILES: _digest(change)}
    registration = _Registration.of(transaction.table_metadata)
    with transaction.update_snapshot(snapshot_properties=summary).overwrite() as snapshot:
        for file in gone:
            snapshot.delete_data_file(file)
        for place, key in fresh:
            snapshot.append_data_file(registration.data_file(store, place, key))
    if RUN in change.properties:
        ManageSnapshots(transaction).create_tag(snapshot.snapshot_id, tag_of(change.properties[RUN])).commit()
    transaction.commit_transaction()
    return snapshot.snapshot_id


def tag_of(run_id: str) -> str:
    """The tag that keeps the snapshot of a run."""
    return f"axsync-{run_id}"


def _keep(table: Table, snapshot_id: int, change: TableChange) -> None:
    """See that the snapshot has its tag: pyiceberg drops it from a commit that it tries again."""
    if RUN in change.properties:
        tag = tag_of(change.properties[RUN])
        if tag not in table.refs() or table.refs()[tag].snapshot_id != snapshot_id:
            table.manage_snapshots().create_tag(snapshot_id, tag).commit()


def _expire(table: Table, kept: Collection[int | None]) -> None:
    """Drop our tags of snapshots that nobody pins, and our snapshots that are neither the newest nor have a tag."""
    loose = [name for name, ref in table.refs().items() if name.startswith(tag_of("")) and ref.snapshot_id not in kept]
    held = {ref.snapshot_id for name, ref in table.refs().items() if name not in loose}
    over = [one.snapshot_id for one in table.snapshots() if one.snapshot_id not in held and _is_own(one)]
    if not loose and not over:
        return
    transaction = table.transaction()
    tags = ManageSnapshots(transaction)
    for name in loose:
        tags.remove_tag(name)
    tags.commit()
    ExpireSnapshots(transaction).by_ids(over).commit()
    transaction.commit_transaction()


def _needed_files(table: Table) -> Iterator[str]:
    """The files of metadata without which the table cannot be read."""
    yield table.metadata_location
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        yield from (manifest.manifest_path for manifest in snapshot.manifests(table.io))


def _metadata_files(table: Table) -> Iterator[str]:
    """The same with the metadata of before."""
    yield from _needed_files(table)
    yield from (one.metadata_file for one in table.metadata.metadata_log)


def _files_in(store: Store, table: Table, places: Collection[Partition]) -> dict[Partition, dict[str, DataFile]]:
    """The files of these partitions by their keys. Each manifest is read once: there may be hundreds of instances."""
    found: dict[Partition, dict[str, DataFile]] = {place: {} for place in places}
    days = {place.day for place in places}
    for task in table.scan(row_filter=In("dt", days)).plan_files():  # type: ignore[call-arg, arg-type]  # of pydantic
        if (place := _place(task.file)) in found:
            found[place][_key(store, task.file.file_path)] = task.file
    return found


@dataclass(frozen=True, slots=True)
class _Registration:
    """How parts are registered: the columns of the table, what is asked of footers, and whose number a path has."""

    spec_id: int
    fields: tuple[NestedField, ...]
    plan: dict[int, StatisticsCollector]
    numbers: dict[str, int]

    @classmethod
    def of(cls, metadata: TableMetadata) -> Self:
        """As a table is now, once for many parts."""
        schema = metadata.schema()
        plan = compute_statistics_plan(schema, metadata.properties)
        return cls(metadata.default_spec_id, schema.fields, plan, parquet_path_to_id_mapping(schema))

    def data_file(self, store: Store, place: Partition, key: str) -> DataFile:
        """A part as the table knows it. Raises: Conflict where its columns have not the numbers of the table."""
        with store.open(key) as content:
            footer = pq.read_metadata(content)
        self._refuse_others(key, footer.schema.to_arrow_schema())
        told = data_file_statistics_from_parquet_metadata(
            footer, stats_columns=self.plan, parquet_column_mapping=self.numbers
        )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=store.uri(key),
            file_format=FileFormat.PARQUET,
            partition=Record(place.instance, (date.fromisoformat(place.day) - _EPOCH).days),
            file_size_in_bytes=store.size(key) or 0,
            sort_order_id=None,
            spec_id=self.spec_id,
            equality_ids=None,
            key_metadata=None,
            **told.to_serialized_dict(),
        )

    def _refuse_others(self, key: str, written: pa.Schema) -> None:
        try:
            both = united(self.fields, fields_of(written))
        except KeyError as error:
            raise Conflict(f"the part {key} was written without field ids; run again with --fresh") from error
        if both != self.fields:
            raise Conflict(f"the part {key} has columns that the registry does not know")


def _data_files(table: Table, snapshots: Iterable[Snapshot]) -> Iterator[DataFile]:
    seen = set[str]()
    for snapshot in snapshots:
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                yield from (entry.data_file for entry in manifest.fetch_manifest_entry(table.io))


def _by_partition(store: Store, files: Iterable[DataFile]) -> dict[Partition, frozenset[str]]:
    found: dict[Partition, set[str]] = {}
    for file in files:
        found.setdefault(_place(file), set()).add(_key(store, file.file_path))
    return {one: frozenset(keys) for one, keys in found.items()}


def _place(file: DataFile) -> Partition:
    instance, days = file.partition[0], file.partition[1]
    day = days if isinstance(days, date) else _EPOCH + timedelta(days=days)
    return Partition(instance, day.isoformat())


# ------------------------------------------------------------------------------------------------ files of the metadata


def _key(store: Store, location: str) -> str:
    """The key of what a table names; what is not in the lake stays as it is, and no key."""
    return location.removeprefix(f"{store.uri().rstrip('/')}/")


class StoreIO(FileIO):
    """The metadata of tables through the store of the lake: durable in the order of writing, with the rights of a lake.

    pyiceberg makes one by its name, and hands on the properties of the catalog.
    """

    def __init__(self, properties: Properties) -> None:
        super().__init__(properties)
        self._store: Store = properties[_STORE]

    def new_input(self, location: str) -> "_Content":
        """As `FileIO.new_input`."""
        return _Content(location, self._store)

    def new_output(self, location: str) -> "_Content":
        """As `FileIO.new_output`."""
        return _Content(location, self._store)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """As `FileIO.delete`."""
        named = location if isinstance(location, str) else location.location
        self._store.delete(_Content(named, self._store).key)


class _Content(InputFile, OutputFile):
    """One content of the store, to be read or written."""

    def __init__(self, location: str, store: Store) -> None:
        super().__init__(location)
        self.key, self._store = _key(store, location), store
        if self.key == location:
            raise _elsewhere(store, location)

    def __len__(self) -> int:
        return self._store.size(self.key) or 0

    def exists(self) -> bool:
        return self._store.size(self.key) is not None

    def open(self, seekable: bool = True) -> NativeFile:  # noqa: FBT001, FBT002  as pyiceberg calls it
        del seekable
        return self._store.open(self.key)

    def to_input_file(self) -> InputFile:
        return self

    def create(self, overwrite: bool = False) -> "_Writing":  # noqa: FBT001, FBT002  as pyiceberg calls it
        if self.exists() and not overwrite:
            raise FileExistsError(self.key)
        return _Writing(self._store.create(self.key))


class _Writing:
    """What pyiceberg writes to; in place and durable when it is closed."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def write(self, b: bytes) -> int:
        return self._draft.file.write(b)

    def tell(self) -> int:
        return self._draft.file.tell()

    def close(self) -> None:
        if not self._draft.file.closed:
            self._draft.seal()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exctype: type[BaseException] | None, excinst: BaseException | None, exctb: TracebackType | None
    ) -> None:
        if exctype is None:
            self.close()
        elif not self._draft.file.closed:
            self._draft.abandon()
