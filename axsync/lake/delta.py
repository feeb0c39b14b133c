"""Delta Lake: parts are registered as they are, with statistics from their footers.

This module needs an extra; only `lake.tables` imports it, if it is configured. The rules that Delta adds: an append
ignores columns that the table has not, so that they are committed before; statistics of timestamps have milliseconds;
files are named relative to the table.
"""

import json
import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from axsync.errors import ForeignTable, StorageError
from axsync.lake import layout
from axsync.lake.manifest import TablePin
from axsync.lake.store import Store, storage_errors
from axsync.lake.tables import PARTITION_COLUMNS, Conflict, Partition, TableChange, TableGone, united

TRIES = 20
"""Whoever commits at the same time makes a commit fail, in whatever partition."""
PAUSE = 0.05  # seconds, more with each try
CHECKPOINT_EVERY = 10  # versions
MILLISECONDS = 86_400_000  # of a day
LONGEST_TEXT = 32  # characters; longer bounds make the log large, and skip no more
RETENTION = "delta.logRetentionDuration"
_HINT = "_last_checkpoint"
_LAST_BYTES = b"PAR1"  # of a Parquet file
_OWN = "axsync."
"""How properties of our own commits begin."""
_SCALARS = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_date, pa.types.is_timestamp, pa.types.is_string,
)  # fmt: skip
_NAMES = tuple(PARTITION_COLUMNS.names)


@dataclass(frozen=True, slots=True)
class DeltaTables:
    """As `axsync.lake.tables.TableFormat`. Where `keep_days` are known, the log reaches back as far."""

    keep_days: int | None = None

    @property
    def name(self) -> str:
        """As `TableFormat.name`."""
        return "delta"

    def refuse(self, store: Store, entity: str, schema: pa.Schema) -> None:
        """As `TableFormat.refuse`."""
        place = layout.table_of_format(entity)
        try:
            table = _open(store, entity)
        except DeltaError as error:
            if _torn(store, entity):  # the next commit mends it
                return
            raise ForeignTable(f"the Delta table {store.name(place)!r} cannot be read: {_first_line(error)}") from error
        if table is None:
            return
        told = f"the Delta table {store.name(place)!r}"
        metadata = table.metadata()
        if tuple(metadata.partition_columns) != _NAMES:
            found = ", ".join(metadata.partition_columns) or "nothing"
            raise ForeignTable(f"{told} is partitioned by {found}, not by instance and dt: axsync did not create it")
        for key, usual in (("delta.columnMapping.mode", "none"), ("delta.appendOnly", "false")):
            if (value := metadata.configuration.get(key, usual)) != usual:
                raise ForeignTable(f"{told} has {key} = {value}, with which axsync cannot replace a day in it")
        try:
            united(_arrow(table), schema)
        except Conflict as error:
            raise ForeignTable(f"{told} has other types than the lake: {error}") from error

    def preflight(self, store: Store) -> None:
        """As `TableFormat.preflight`: there is nobody to ask."""

    def numbers(self, store: Store) -> None:
        """As `TableFormat.numbers`: columns are known by name."""

    def commit(self, store: Store, change: TableChange) -> TablePin:
        """As `TableFormat.commit`."""
        for tried in range(TRIES):
            time.sleep(PAUSE * tried)
            with _errors(f"commit to the table of {change.entity}"):
                try:
                    version = self._committed(store, change)
                except CommitFailedError:
                    continue
                return _pin(change.entity, version)
        raise StorageError(f"cannot commit to the table of {change.entity}: others keep changing it ({TRIES} tries)")

    def _committed(self, store: Store, change: TableChange) -> int:
        store.delete(*_torn(store, change.entity))
        table = _open(store, change.entity)
        if table is None:
            self._create(store, change)
            table = DeltaTable(_uri(store, change.entity), storage_options=store.options())
            _adopt(store, change.entity, range(1))
        else:
            self._replace(store, table, change)
        if table.version() and table.version() % CHECKPOINT_EVERY == 0:
            table.create_checkpoint()
            store.adopt(*_checkpoint(store, change.entity))
        return table.version()

    def _create(self, store: Store, change: TableChange) -> None:
        adds = [_add(store, change.entity, key) for keys in change.files.values() for key in sorted(keys)]
        try:
            create_table_with_add_actions(
                _uri(store, change.entity),
                Schema.from_arrow(united(change.schema, PARTITION_COLUMNS)),
                adds,
                "error",
                list(_NAMES),
                name=change.entity,
                configuration=self._configuration(),
                storage_options=store.options(),
                commit_properties=CommitProperties(dict(change.properties)),
                post_commithook_properties=_NO_HOOKS,
            )
        except DeltaError as error:
            if _open(store, change.entity) is None:
                raise
            raise CommitFailedError from error  # somebody else has just made it

    def _configuration(self) -> dict[str, str]:
        return {} if self.keep_days is None else {RETENTION: f"interval {self.keep_days} days"}

    def _replace(self, store: Store, table: DeltaTable, change: TableChange) -> None:
        there, schema = _live(table, change.entity), _arrow(table)
        wanted = {key for keys in change.files.values() for key in keys}
        old = {key for partition in change.files for key in there.get(partition, {})}
        both = united(schema, change.schema)
        if both != schema:
            self._write(store, table, [], both, change)
        if wanted != old:
            gone = [
                _remove(change.entity, partition, key, size)
                for partition in change.files
                for key, size in there.get(partition, {}).items()
                if key not in wanted
            ]
            adds = [_add(store, change.entity, key) for key in sorted(wanted - old)]
            self._write(store, table, [*adds, *gone], None, change)
        if _reaches_back(table) < (self.keep_days or 0):
            own, before = CommitProperties(dict(change.properties)), table.version()
            table.alter.set_table_properties(self._configuration(), commit_properties=own)
            _go_on(store, table, change.entity, before)

    def _write(
        self,
        store: Store,
        table: DeltaTable,
        actions: list[AddAction | RemoveAction],
        schema: pa.Schema | None,
        change: TableChange,
    ) -> None:
        """Commit files, or columns: only an overwrite takes these, here one of a partition that nobody has."""
        before = table.version()
        table.create_write_transaction(
            actions,
            "append" if schema is None else "overwrite",
            table.schema() if schema is None else Schema.from_arrow(schema),
            list(_NAMES),
            partition_filters=None if schema is None else [("instance", "=", "")],
            commit_properties=CommitProperties(dict(change.properties), max_commit_retries=0),
            post_commithook_properties=_NO_HOOKS,
        )
        _go_on(store, table, change.entity, before)

    def newest(self, store: Store, entity: str) -> TablePin | None:
        """As `TableFormat.newest`."""
        with _errors(f"read the table of {entity}"):
            table = _open(store, entity)
            return None if table is None else _pin(entity, table.version())

    def files(self, store: Store, pin: TablePin) -> Mapping[Partition, frozenset[str]]:
        """As `TableFormat.files`."""
        entity = layout.entity_of_table(pin.path)
        try:
            table = DeltaTable(_uri(store, entity), version=pin.version, storage_options=store.options())
        except DeltaError as error:
            raise TableGone(f"version {pin.version} of the table of {entity} cannot be read") from error
        return {partition: frozenset(files) for partition, files in _live(table, entity).items()}

    def held(self, store: Store, pins: Iterable[TablePin]) -> frozenset[str]:
        """As `TableFormat.held`: the log is read forward from the oldest version, which is quicker than each anew."""
        found, live, at = set[str](), set[str](), -2
        with _errors("read the log of a table"):
            for pin in sorted(pins, key=lambda one: one.version or 0):
                try:
                    live, at = self._forward(store, pin, live, at), pin.version or 0
                except TableGone:
                    at = -2
                    continue
                found |= live
        return frozenset(found)

    def _forward(self, store: Store, pin: TablePin, live: set[str], at: int) -> set[str]:
        """The files of a version, by those of the one `at` which the log is, or else by itself."""
        now, version = set(live), pin.version or 0
        try:
            for number in range(at + 1, version + 1):
                for action in _actions(store, f"{pin.path}/_delta_log/{number:020}.json"):
                    if "add" in action:
                        now.add(f"{pin.path}/{action['add']['path']}")
                    if "remove" in action:
                        now.discard(f"{pin.path}/{action['remove']['path']}")
        except FileNotFoundError:  # version -1 as well: nothing is known yet
            return {key for files in self.files(store, pin).values() for key in files}
        return now

    def by_others(self, store: Store, pin: TablePin) -> tuple[str, ...]:
        """As `TableFormat.by_others`."""
        found = list[str]()
        with _errors(f"read the log of the table of {layout.entity_of_table(pin.path)}"):
            for one in store.list(f"{pin.path}/_delta_log/*.json"):
                number = _number(one.key)
                if number is not None and number > (pin.version or 0) and _is_whole(store, one.key):
                    told = _commit_info(store, one.key)
                    what = str(told.get("operation", "a commit"))
                    if not any(name.startswith(_OWN) for name in told) and what != "VACUUM START":
                        found.append(f"{what.removesuffix(' END')} (version {number})")
        return tuple(found)

    def expire(self, store: Store, entity: str, kept: Collection[TablePin]) -> None:
        """As `TableFormat.expire`: the log is cut behind its retention, unless a version is pinned that is older."""
        with _errors(f"clean the log of the table of {entity}"):
            table = _open(store, entity)
            oldest = min((pin.version or 0 for pin in kept), default=None)
            if table is None or oldest is None:
                return
            try:
                made = _commit_info(store, f"{_log(entity)}/{oldest:020}.json")
            except FileNotFoundError:
                return
            if made.get("timestamp", 0) > _now() - _reaches_back(table) * MILLISECONDS:
                table.cleanup_metadata()


def open_tables(keep_days: int | None, _catalog: str) -> DeltaTables:
    """The format, as `axsync.lake.tables` asks for it."""
    return DeltaTables(keep_days)


_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Files of the log are made and adopted here, one after the other."""


def _reaches_back(table: DeltaTable) -> float:
    """Days; those of an interval in other units, which a person has set, are enough."""
    _, _, told = table.metadata().configuration.get(RETENTION, "interval 30 days").partition(" ")
    number, _, unit = told.partition(" ")
    return int(number) if number.isdigit() and unit in ("day", "days") else math.inf


def _log(entity: str) -> str:
    return f"{layout.table_of_format(entity)}/_delta_log"


def _go_on(store: Store, table: DeltaTable, entity: str, before: int) -> None:
    """Read what was committed since, of which one is our own."""
    table.update_incremental()
    _adopt(store, entity, range(before + 1, table.version() + 1))


def _adopt(store: Store, entity: str, versions: range) -> None:
    """The library knows neither who may read a lake, nor that a power cut must not take a commit back."""
    store.adopt(*(f"{_log(entity)}/{version:020}.json" for version in versions))


def _checkpoint(store: Store, entity: str) -> list[str]:
    """The keys of the newest checkpoint, and of the hint at it; none where there is none."""
    found = [one.key for one in store.list(f"{_log(entity)}/*.checkpoint*.parquet")]
    return [max(found), f"{_log(entity)}/{_HINT}"] if found else []


def _torn(store: Store, entity: str) -> list[str]:
    """What a power cut tore: the newest commit or checkpoint, which nothing depends on before they are durable."""
    commits = [one.key for one in store.list(f"{_log(entity)}/*.json") if _number(one.key) is not None]
    torn = [max(commits)] if commits and not _is_whole(store, max(commits)) else []
    checkpoint = _checkpoint(store, entity)
    return torn + (checkpoint if checkpoint and not _ends_well(store, checkpoint[0]) else [])


def _ends_well(store: Store, key: str) -> bool:
    with store.open(key) as content:
        content.seek(max(content.size() - len(_LAST_BYTES), 0))
        return bool(content.read() == _LAST_BYTES)


def _number(key: str) -> int | None:
    """The version that a file of the log is the commit of."""
    name = layout.name_of(key).removesuffix(".json")
    return int(name) if name.isdigit() else None


def _is_whole(store: Store, key: str) -> bool:
    try:
        return bool(_actions(store, key))
    except ValueError:
        return False


def _uri(store: Store, entity: str) -> str:
    return store.uri(layout.table_of_format(entity))


def _open(store: Store, entity: str) -> DeltaTable | None:
    if not store.has(_log(entity)):
        return None
    try:
        return DeltaTable(_uri(store, entity), storage_options=store.options())
    except TableNotFoundError:
        return None


def _pin(entity: str, version: int) -> TablePin:
    return TablePin("delta", layout.table_of_format(entity), version=version)


def _arrow(table: DeltaTable) -> pa.Schema:
    return pa.schema(table.schema().to_arrow())


def _live(table: DeltaTable, entity: str) -> dict[Partition, dict[str, int]]:
    """The files of a table by partition: key → bytes."""
    found: dict[Partition, dict[str, int]] = {}
    root = layout.table_of_format(entity)
    told = table.get_add_actions(flatten=False).select(["path", "size_bytes", "partition"])  # without statistics
    for one in pa.table(told).to_pylist():
        place = Partition(one["partition"]["instance"], one["partition"]["dt"].isoformat())
        found.setdefault(place, {})[f"{root}/{one['path']}"] = one["size_bytes"]
    return found


def _add(store: Store, entity: str, key: str) -> AddAction:
    with store.open(key) as content, pq.ParquetFile(content) as opened:
        stats = statistics(opened.metadata, opened.schema_arrow)
    path = key.removeprefix(f"{layout.table_of_format(entity)}/")
    place = layout.folder_of(path).split("/")
    values = {"instance": place[0].removeprefix("instance="), "dt": place[1].removeprefix("dt=")}
    return AddAction(path, store.size(key) or 0, values, _now(), True, json.dumps(stats))  # noqa: FBT003  its field


def _remove(entity: str, partition: Partition, key: str, size: int) -> RemoveAction:
    path = key.removeprefix(f"{layout.table_of_format(entity)}/")
    values: dict[str, str | None] = {"instance": partition.instance, "dt": partition.day}
    return RemoveAction(path, data_change=True, deletion_timestamp=_now(), size=size, partition_values=values)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _actions(store: Store, key: str) -> list[dict[str, Any]]:
    """What a version of the log says."""
    return [orjson.loads(line) for line in store.read(key).splitlines()]


def _commit_info(store: Store, key: str) -> dict[str, Any]:
    return next((action["commitInfo"] for action in _actions(store, key) if "commitInfo" in action), {})


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    with storage_errors(doing):
        try:
            yield
        except (DeltaError, ValueError) as error:  # also a commit that is no JSON, and a type that does not fit
            raise StorageError(f"cannot {doing}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# ----------------------------------------------------------------------------------------------------------- statistics


def statistics(metadata: Any, schema: pa.Schema) -> dict[str, Any]:  # noqa: ANN401  pyarrow has no types
    """What a part's footer tells as Delta writes it: rows; bounds and nulls of top-level single values.

    A bound that could mislead is left out: infinity, or a text so long that it may have been cut. JSON has no NaN.
    """
    low, high, nulls = dict[str, Any](), dict[str, Any](), dict[str, int]()
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    places = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    for field in schema:
        if field.name in places and any(is_one(field.type) for is_one in _SCALARS):
            told = [group.column(places[field.name]).statistics for group in groups]
            if any(one is None or one.null_count is None for one in told):
                continue
            nulls[field.name] = sum(one.null_count for one in told)
            filled = [one for one, group in zip(told, groups, strict=True) if one.null_count < group.num_rows]
            if filled and all(one.has_min_max for one in filled):
                with suppress(OverflowError, ValueError):  # a moment that Python has not
                    _bound(low, high, field, [one.min for one in filled], [one.max for one in filled])
    return {"numRecords": metadata.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _bound(low: dict[str, Any], high: dict[str, Any], field: pa.Field, lows: list[Any], highs: list[Any]) -> None:
    if any(_misleads(value) for value in (*lows, *highs)):
        return
    smallest, largest = min(lows), max(highs)
    if pa.types.is_timestamp(field.type):
        largest += timedelta(milliseconds=1)  # which a text in milliseconds would else cut below the value
    low[field.name], high[field.name] = _text(smallest), _text(largest)


def _misleads(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, str) and len(value) > LONGEST_TEXT


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
