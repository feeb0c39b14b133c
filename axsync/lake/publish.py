"""A lake: what it takes for a run to write to it, and the one order in which a run becomes visible."""

import base64
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from axsync.errors import ConfigError, ForeignTable, LakeError, LakeUnfit, StorageError
from axsync.lake import layout
from axsync.lake.journal import COMMITTED, PUBLISHING, Journal
from axsync.lake.local import LocalStore
from axsync.lake.manifest import (
    FORMAT_VERSION,
    NOT_ASKED,
    FoundRun,
    Snapshot,
    lane_entry,
    read_newest,
    read_pointer,
    refuse_odd_columns,
    verdict_of,
    worst,
)
from axsync.lake.schemas import FieldNumbers, put_schemas, register, registries, registry
from axsync.lake.store import Item, Move, Result, Store, each, is_folder, read_if_there, storage_errors
from axsync.lake.tables import Partition, TableChange, TableFormat, opened, refuse_conflicts, refuse_unfit, table_schema
from axsync.model import DeadLetter, Lane, Outcome
from axsync.settings import BY_COPY, BY_MANIFEST, OBJECT_STORES, PARQUET, LakeSettings, Visible

LETTERS_AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What identifies a run, and how its parts become visible; times are ISO, UTC."""

    run_id: str
    logical_date: str
    as_of: str | None
    started_at: str
    axsync_version: str
    visible: Visible = BY_COPY

    @property
    def in_place(self) -> bool:
        """Whether its parts are written to where they are published (docs/adr/0040)."""
        return self.visible == BY_MANIFEST

    def place(self, path: str) -> str:
        """Where a part is while it is not published."""
        return path if self.in_place else layout.staged(self.run_id, path)


@dataclass(frozen=True, slots=True)
class RunTargets:
    """Where a run will write: its entity types (none named: all there are), its instances and its logical date."""

    entities: Collection[str]
    instances: Collection[str]
    logical_date: str


class PublishStopped(Exception):
    """Readers see the snapshot before; the same command goes on."""


@dataclass(frozen=True, slots=True)
class Lake:
    """A store that holds partitions and, under `_axsync`, what makes them snapshots."""

    store: Store
    formats: tuple[str, ...] = (PARQUET,)
    keep_days: int | None = None  # how far back versions of tables are to be read
    catalog: str = ""  # of Iceberg tables
    visible: Visible = BY_COPY  # how parts of runs that begin from now on become visible
    stops: Callable[[], bool] = lambda: False  # between steps: whether what is left is for the next process
    days: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)  # run → its logical date
    published: set[str] = field(default_factory=set, init=False, repr=False, compare=False)  # runs known to be so
    _read: dict[str, FoundRun] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.store.name()

    @property
    def is_folder(self) -> bool:
        """Whether its contents are files."""
        return is_folder(self.store)

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """As `axsync.lake.store.each`."""
        return each(self.store, work, items)

    @property
    def has_tables(self) -> bool:
        """Whether what is published from now on are parts of tables."""
        return self.formats != (PARQUET,)

    @property
    def tables(self) -> tuple[TableFormat, ...]:
        """The formats that parts are registered in. Raises: ConfigError where one is not installed."""
        return opened(self.formats, self.keep_days, self.catalog)

    def numbers(self) -> FieldNumbers | None:
        """What numbers the columns of parts, where a table format asks for it."""
        return next((found for one in self.tables if (found := one.numbers(self.store))), None)

    def preflight(self, targets: RunTargets) -> None:
        """Look whether this run can write and publish to what there is of the lake. Nothing is written.

        Raises: LakeError; NewestDamaged and ManifestError, where the newest snapshot cannot be read; RegistryDamaged;
        ConfigError where a table format is not installed, or cannot have tables here; CatalogError.
        """
        try:
            partitions = self._partitions(targets)
        except OSError as error:
            raise LakeError(f"the lake {self.name!r} cannot be inspected: {error.strerror}") from error
        self.store.preflight((layout.RUNS, layout.SNAPSHOTS, layout.LANES, layout.SCHEMAS, *partitions))
        registries(self.store)
        newest = self.newest()
        if newest:
            refuse_odd_columns(self.store, newest)
        self._refuse_formats(newest.snapshot if newest else None)
        for table in self.tables:
            table.preflight(self.store)
        entities = self._entities(targets)
        self._refuse_tables(entities)
        self._refuse_unknown(entities, newest.snapshot if newest else None)

    def _refuse_formats(self, newest: Snapshot | None) -> None:
        left = [one for one in (newest.formats if newest else ()) if one not in (PARQUET, *self.formats)]
        if left:
            told = f"the lake {self.name!r} has tables in the format {left[0]}, which this run would not update"
            raise LakeUnfit(f"{told}; keep {left[0]} in [lake] format, or start a new lake")
        there = {
            pin.catalog or "" for pins in (newest.tables if newest else {}).values() for pin in pins if pin.metadata
        }
        if other := sorted(there - {self.catalog}):
            where = other[0] or layout.ICEBERG_CATALOG
            told = f"the Iceberg tables of the lake {self.name!r} are in the catalog {where!r}"
            raise LakeUnfit(f"{told}; set [lake] catalog = {other[0]!r} again, or start a new lake")
        if self.has_tables and newest and newest.formats == (PARQUET,):
            refuse_conflicts(self.name, newest.lanes)

    def _refuse_tables(self, entities: Iterable[str]) -> None:
        for table in self.tables:
            for entity in entities:
                table.refuse(self.store, entity, table_schema(self.store, entity))

    def _refuse_unknown(self, entities: Iterable[str], newest: Snapshot | None) -> None:
        """Raises: ForeignTable, for one that no run of this lake has made, before parts come to lie in its folder."""
        for table in self.tables:
            for entity in set(entities).difference(newest.tables if newest else ()):
                if not registry(self.store, entity).columns and table.newest(self.store, entity):
                    place = self.store.name(layout.table_of_format(entity))
                    raise ForeignTable(f"there is a {table.name} table {place!r} that no run of this lake has made")

    def _entities(self, targets: RunTargets) -> Collection[str]:
        if targets.entities:
            return targets.entities
        there = (layout.entity_of(name) for name in self.store.names(""))
        return sorted({entity for entity in there if entity} | {*self.store.names(layout.TABLES)})

    def _partitions(self, targets: RunTargets) -> list[str]:
        lanes = (Lane(instance, entity) for entity in self._entities(targets) for instance in targets.instances)
        return [self.partition(lane, targets.logical_date) for lane in lanes]

    def prepare(self) -> None:
        """Make what every run needs. Raises: StorageError."""
        with storage_errors("make the lake"):
            self.store.prepare()

    def partition(self, lane: Lane, logical_date: str) -> str:
        """The hive path of a lane, relative to the lake."""
        find = layout.partition_of_table if self.has_tables else layout.partition
        return find(lane, logical_date)

    def clear_staging(self, run_id: str) -> None:
        """Remove what a run staged and did not publish, and its folder where nothing else is in it."""
        with suppress(OSError):
            self.store.delete_all(layout.staging(run_id))

    def newest(self) -> FoundRun | None:
        """The newest snapshot. Raises: NewestDamaged where it cannot be read, ManifestNewer.

        Its manifest is understood once, however often a command asks, as long as it stays what it is.
        """
        found = read_newest(self.store, self._read.get("newest"))
        if found is not None:
            self._read["newest"] = found
        return found

    def latest_run(self) -> str | None:
        """The run that `latest.json` names. Raises: NewestDamaged where it cannot be read."""
        return read_pointer(self.store)

    def manifest_name(self, run_id: str) -> str:
        """Where a run's manifest is, relative to the lake."""
        return layout.manifest(run_id)

    def journal(self, run_id: str) -> Journal:
        """The journal of a run."""
        return Journal(self.store, layout.journal(run_id))

    def runs(self) -> list[str]:
        """Runs that have a journal, newest first."""
        whole = {layout.name_of(layout.folder_of(one.key)) for one in self.store.list(layout.ALL_JOURNALS)}
        others = {*self.store.folders(layout.RUNS)} - whole  # a journal that is no file is told of later
        return sorted(whole | {one for one in others if self.store.has(layout.journal(one))}, reverse=True)

    def write_dead_letters(self, run_id: str, lane: Lane, letters: Sequence[DeadLetter]) -> int:
        """Keep records that could not be read, with their raw bytes, where a person can look at them.

        Returns how long the lane's file is now, in bytes.
        """
        with storage_errors("keep dead letters"):
            return self.store.append(layout.dead_letters(run_id, lane), letter_lines(lane, letters))

    def take_letters(self, run_id: str, lane: Lane, staged: str) -> int:
        """The same with the lines that were kept under this key; piece by piece, as they may be many."""
        size = 0
        with storage_errors("keep dead letters"), self.store.open(staged) as file:
            while piece := file.read(LETTERS_AT_ONCE):
                size = self.store.append(layout.dead_letters(run_id, lane), piece)
        return size

    def drop_letters(self, staged: str) -> None:
        """Forget the lines that were kept under this key."""
        with storage_errors("keep dead letters"):
            self.store.delete(staged)

    def trim_letters(self, run_id: str, lane: Lane, size: int) -> None:
        """Cut off dead letters of pages that will be asked again."""
        with storage_errors("keep dead letters"):
            self.store.truncate(layout.dead_letters(run_id, lane), size)

    def publish(
        self,
        run: RunFacts,
        outcomes: Sequence[Outcome],
        *,
        finished_at: str,
        restricted: bool = False,
        apart: Collection[Lane] = (),
        before: FoundRun | None = None,
    ) -> str:
        """Make this run the newest snapshot of its logical date; returns the manifest's path relative to the lake.

        A run that was `restricted` to some entity types or instances leaves the others as they were, and every run
        those that stand `apart`. `before` is the snapshot whose files stand in; by default the newest, if not later.

        Registry, manifest, parts, pointer, in this order: a reader of `latest.json` sees the old snapshot or the whole
        new one. A run that has published before and brings more has its parts in place before its manifest names them.
        With tables, the journal tells what is about to come, then parts, a commit to each table, manifest, pointer.
        Parts that are in their places already are only named.
        The pointer never moves to an older date: such a run is published once its journal says so.
        What the day held before is left to `axsync.lake.replaced`. Raises: StorageError, RegistryDamaged and
        PublishStopped, with the pointer unmoved; LakeError where a table cannot take the columns.
        """
        before = before or (self.newest() if self._leads(run.logical_date) else None)
        entries = _entries(outcomes, before, restricted=restricted, apart=apart)
        if self.has_tables:
            refuse_unfit(self.store, outcomes)
        with storage_errors("publish the snapshot"):
            lanes = put_schemas(self.store, entries)
            manifest = _manifest(run, lanes, verdict=verdict_of(outcomes), finished_at=finished_at)
            register(self.store, run.run_id, outcomes)
            if self.has_tables:
                manifest |= self._of_tables(before, lanes)
                self._refuse_tables({outcome.lane.entity for outcome in outcomes if outcome.columns})
            if self.has_tables or self.store.epoch():
                self.journal(run.run_id).append({"event": PUBLISHING, "manifest": manifest})
            self.carry_out(manifest)
        return layout.manifest(run.run_id)

    def carry_out(self, manifest: Mapping[str, Any], done: Sequence[Mapping[str, Any]] = ()) -> None:
        """The steps that readers see, up to the pointer; can be repeated after a kill at any of them.

        `done` are the records of commits to tables that were made. Raises: OSError, FileNotFoundError where a part is
        neither staged nor in its place; StorageError, PublishStopped; ConfigError where a table format is missing.
        """
        run_id, catalog = manifest["run_id"], manifest.get("catalog", "")
        formats = opened(manifest.get("formats", ()), self.keep_days, catalog)
        before = read_if_there(self.store, layout.manifest(run_id))
        if before is None and not formats:
            self._put(layout.manifest(run_id), None, _content(manifest))
        if before is not None:  # of what the run had published before
            self.store.delete(layout.lanes(run_id))
        for moves in self._moves(manifest) if manifest.get("visible") != BY_MANIFEST else ():
            self._go_on()
            self.store.commit(moves)
        if formats:
            manifest = {**manifest, "tables": self._tables(manifest, formats, done)}
        self._go_on()
        if before is not None or formats:
            self._put(layout.manifest(run_id), before, _content(manifest))
        if self._leads(manifest["logical_date"]):
            self.point_to(run_id)

    def _leads(self, day: str) -> bool:
        """Whether the pointer may move to this date."""
        newest = self.newest()
        return newest is None or newest.snapshot.logical_date <= day

    def _of_tables(self, before: FoundRun | None, lanes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a manifest says of tables before they are committed to: of those whose rows stand in."""
        standing = {lane["entity"] for lane in lanes if lane.get("from_run") and lane["files"]}
        pins = before.snapshot.tables if before else {}
        kept = {entity: [pin.entry for pin in pins[entity]] for entity in sorted(standing & pins.keys())}
        catalog = {"catalog": self.catalog} if self.catalog else {}  # for whoever brings the publication to its end
        return {"formats": [*self.formats], **catalog, "tables": kept}

    def _tables(
        self, manifest: Mapping[str, Any], formats: Sequence[TableFormat], done: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What the manifest says of tables, with those that are committed to now or were before."""
        committed = {(one["entity"], one["pin"]["format"]): one["pin"] for one in done}
        own = [lane for lane in manifest["lanes"] if lane["schema"] and not lane.get("from_run")]
        tables = {**manifest["tables"]}
        for entity in dict.fromkeys(lane["entity"] for lane in own):
            change = self._change(manifest, entity, [lane for lane in own if lane["entity"] == entity])
            tables[entity] = [
                committed.get((entity, one.name)) or self._committed(manifest["run_id"], one, change) for one in formats
            ]
        return tables

    def _change(self, manifest: Mapping[str, Any], entity: str, own: Sequence[Mapping[str, Any]]) -> TableChange:
        files = {
            Partition(lane["instance"], manifest["logical_date"]): frozenset(file["path"] for file in lane["files"])
            for lane in own
        }
        rows = sum(file["rows"] for lane in own for file in lane["files"])
        properties = {
            "axsync.run_id": manifest["run_id"],
            "axsync.logical_date": manifest["logical_date"],
            "axsync.verdict": worst([lane["verdict"] for lane in own]),
            "axsync.rows": str(rows),
        }
        return TableChange(entity, files, table_schema(self.store, entity), properties)

    def _committed(self, run_id: str, table: TableFormat, change: TableChange) -> dict[str, Any]:
        self._go_on()
        pin = table.commit(self.store, change).entry
        self.journal(run_id).append({"event": COMMITTED, "entity": change.entity, "pin": pin})
        return pin

    def _go_on(self) -> None:
        if self.stops():
            raise PublishStopped

    def _put(self, key: str, seen: bytes | None, content: bytes) -> None:
        """Replace what was seen, which nobody else may have changed meanwhile."""
        if not self.store.replace_if_unchanged(key, seen, content, shared=True):
            raise StorageError(f"cannot publish the snapshot: {key} was changed by another process meanwhile")

    def _moves(self, manifest: Mapping[str, Any]) -> Iterator[list[Move]]:
        """Parts to their places, new partitions first; at last and together those where the day has other parts.

        So a glob sees both as briefly as can be. New ones come one by one, but together in a store that copies them.
        """
        fresh, replacing = list[Move](), list[Move]()
        own = [one for one in manifest["lanes"] if one.get("from_run") is None]
        places = dict[str, set[str]]()
        for path in (file["path"] for entry in own for file in entry["files"]):
            places.setdefault(layout.folder_of(path), set()).add(layout.name_of(path))
        for (final, names), is_there in zip(places.items(), self.each(self.store.has, [*places]), strict=True):
            move = Move(layout.staged(manifest["run_id"], final), final, frozenset(names))
            (replacing if is_there else fresh).append(move)
        yield from [[move] for move in fresh] if self.is_folder else [fresh]
        if replacing:
            yield replacing

    def point_to(self, run_id: str) -> None:
        """Make this run the one that `latest.json` names. Raises: OSError, StorageError."""
        pointer: dict[str, Any] = {"run_id": run_id, "manifest": layout.manifest_in_pointer(run_id)}
        if epoch := self.store.epoch():  # so that no pointer is ever like one before it
            pointer["epoch"] = epoch
        try:
            self._swing(orjson.dumps(pointer))
        except OSError:
            # It may have failed behind the swap, when readers see the new snapshot already: then there is no way back.
            if read_pointer(self.store) != run_id:
                raise

    def _swing(self, pointer: bytes) -> None:
        # The last request of a process that was overtaken may come in between, with the snapshot that this one follows.
        key = layout.POINTER
        if not self.store.replace_if_unchanged(key, read_if_there(self.store, key), pointer, shared=True):
            self._put(key, read_if_there(self.store, key), pointer)


def open_lake(settings: LakeSettings) -> Lake:
    """The lake in the folder or the object store that the settings name.

    Nothing is asked of a store yet, apart from the place that has its credentials. Raises: ConfigError, where the
    client of the store is not installed, or where there are no credentials for it.
    """
    store: Store
    if settings.path is not None:
        store = LocalStore(settings.path, settings.file_mode, settings.folder_mode)
        return Lake(store, settings.formats, settings.reaches_back, settings.catalog)
    try:
        from axsync.lake.buckets import open_objects  # noqa: PLC0415  an extra

        store = open_objects(settings)
    except ModuleNotFoundError as error:
        scheme = settings.uri.partition("://")[0]
        told = f"a lake at {scheme}:// needs its client: pip install 'axsync[{OBJECT_STORES[scheme]}]'"
        raise ConfigError(told) from error
    return Lake(store, settings.formats, settings.reaches_back, settings.catalog, settings.made_visible)


def _content(manifest: Mapping[str, Any]) -> bytes:
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2)


def _manifest(run: RunFacts, entries: Sequence[dict[str, Any]], *, verdict: str, finished_at: str) -> dict[str, Any]:
    """The manifest of a run, with these lanes."""
    return {
        "format_version": FORMAT_VERSION,
        "run_id": run.run_id,
        "logical_date": run.logical_date,
        "as_of": run.as_of,
        "started_at": run.started_at,
        "finished_at": finished_at,
        "axsync_version": run.axsync_version,
        "verdict": verdict,
        **({"visible": run.visible} if run.in_place else {}),
        "lanes": entries,
    }


def _entries(
    outcomes: Sequence[Outcome], newest: FoundRun | None, *, restricted: bool, apart: Collection[Lane]
) -> list[dict[str, Any]]:
    """The lanes of the new manifest. Entries of older runs are taken over whole, with what a later version added."""
    before = newest.document if newest else {"lanes": [], "run_id": None}
    older = {(e["instance"], e["entity"]): {"from_run": before["run_id"]} | e for e in before["lanes"]}
    entries = [lane_entry(o, _stand_in(o, older)) for o in outcomes]
    asked = {(o.lane.instance, o.lane.entity) for o in outcomes}
    left = [lane for lane in older if lane not in asked and (restricted or Lane(*lane) in apart)]
    return entries + [older[lane] | {"reason": NOT_ASKED} for lane in left if older[lane].get("files")]


def _stand_in(outcome: Outcome, older: Mapping[tuple[str, str], dict[str, Any]]) -> dict[str, Any] | None:
    """A lane without columns of its own has read nothing whole; what was there before stays readable."""
    if outcome.columns:
        return None
    entry = older.get((outcome.lane.instance, outcome.lane.entity))
    return entry if entry and entry.get("files") else None


def letter_lines(lane: Lane, letters: Iterable[DeadLetter]) -> bytes:
    """One line for each record that could not be read."""
    return b"".join(orjson.dumps(_letter(lane, one)) + b"\n" for one in letters)


def _letter(lane: Lane, letter: DeadLetter) -> dict[str, Any]:
    raw = base64.b64encode(letter.raw).decode()
    return {
        "instance": lane.instance,
        "entity": lane.entity,
        "page": letter.page,
        "position": letter.position,
        "reason": letter.reason,
        "raw_base64": raw,
    }
