"""Tables of Iceberg over parts: one commit for a change, whoever dies or commits beside it, whatever is lost."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from axsync.console.explain import explain
from axsync.errors import AxsyncError, CatalogError, ConfigError, LakeError, RegistryDamaged, StorageError
from axsync.lake import layout
from axsync.lake.local import LocalStore
from axsync.lake.publish import Lake, RunTargets
from axsync.lake.rebuild import rebuild
from axsync.lake.store import Store
from axsync.lake.tables import Conflict, Partition, TableChange, TableGone
from axsync.schema.field_ids import PARTITION_IDS, FieldIds, paths_of, with_field_ids
from axsync.schema.kinds import FIELD_KEY
from axsync.settings import LakeSettings
from tests.examples import scaled
from tests.unit.lake.memory import store_in_memory
from tests.unit.lake.rest import ECHOES, GIVEN, Rest
from tests.unit.lake.runs import DISK, Interrupted
from tests.unit.schema.test_field_ids import SCHEMAS

pytest.importorskip("pyiceberg")

import pyiceberg.catalog
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import LongType, NestedField, StringType
from pyiceberg.utils.config import Config

from axsync.lake.iceberg import RUN, IcebergTables, fields_of, ids_of, united

ONE, OTHER = Partition("prod", "2026-11-22"), Partition("prod", "2026-11-23")
NICS = pa.list_(pa.struct([pa.field("mac", pa.string(), metadata={FIELD_KEY: b"MAC"})]))
PLAIN = pa.schema([pa.field("id", pa.string(), metadata={FIELD_KEY: b"internal_axon_id"}), pa.field("nics", NICS)])
WIDER = pa.schema([*PLAIN, pa.field("cores", pa.int64())])
TABLES = IcebergTables()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "lake", 0o640, 0o750)
    store.prepare()
    return store


def part(store: Store, place: Partition, name: str, schema: pa.Schema = PLAIN) -> str:
    """A part with one row, as the writer of parts makes it."""
    key = f"tables/devices/instance={place.instance}/dt={place.day}/part-{name}.parquet"
    draft = store.create(key)
    pq.write_table(
        pa.table({one.name: [None] for one in schema}, TABLES.numbers(store).numbered("devices", schema)), draft.file
    )
    draft.seal()
    return key


def change(run: str, files: Mapping[Partition, set[str]], schema: pa.Schema = PLAIN) -> TableChange:
    return TableChange("devices", {place: frozenset(keys) for place, keys in files.items()}, schema, {RUN: run})


def catalog(store: LocalStore) -> Catalog:
    """The embedded one, as anybody opens it."""
    return SqlCatalog("axsync", uri=f"sqlite:///{store.uri(layout.ICEBERG_CATALOG)}")


def table(store: LocalStore) -> Table:
    with catalog(store) as known:
        return known.load_table("axsync.devices")


def now(store: Store, tables: IcebergTables = TABLES) -> Mapping[Partition, frozenset[str]]:
    """What readers find who name no version."""
    pin = tables.newest(store, "devices")
    return {} if pin is None else tables.files(store, pin)


@given(SCHEMAS, SCHEMAS)
@settings(max_examples=scaled(50))
def test_columns_of_two_parts_come_to_a_schema_with_the_numbers_of_both(one: pa.Schema, other: pa.Schema) -> None:
    """Or they cannot be in one table; to unite again changes nothing."""
    ids = FieldIds().extended(one).extended(other)
    first, second = (fields_of(with_field_ids(schema, ids.known)) for schema in (one, other))
    try:
        both = united(first, second)
    except Conflict:
        with pytest.raises(Conflict):
            united(second, first)
        return

    assert united(both, first) == united(both, second) == both
    paths = {*paths_of(one), *paths_of(other)}
    metadata = new_table_metadata(Schema(*both), UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, "x")
    assert ids_of(metadata).known.keys() - PARTITION_IDS.keys() == paths
    assert Schema(*both).field_ids == {ids.known[path] for path in paths}


def test_a_change_is_one_snapshot_with_numbers_names_and_a_tag(store: LocalStore) -> None:
    """Columns appear with it; what it replaces is in the version before. Its files have the rights of a lake."""
    one, other = part(store, ONE, "a"), part(store, OTHER, "b", WIDER)

    before = TABLES.commit(store, change("r1", {ONE: {one}}))
    after = TABLES.commit(store, change("r2", {ONE: set(), OTHER: {other}}, WIDER))

    assert TABLES.files(store, before) == {ONE: {one}}
    assert TABLES.files(store, after) == now(store) == {OTHER: {other}}
    found = table(store)
    columns = {column.name: (column.field_id, column.doc) for column in found.schema().fields}
    own = {"id": (3, "internal_axon_id"), "nics": (4, None), "cores": (7, None)}
    assert columns == {"instance": (1, None), "dt": (2, None), **own}
    assert found.schema().find_field("nics.element.mac").doc == "MAC"
    tags = {name: ref.snapshot_id for name, ref in found.refs().items() if name != "main"}
    assert tags == {"axsync-r1": before.snapshot_id, "axsync-r2": after.snapshot_id}
    assert [one.summary and one.summary[RUN] for one in found.snapshots()] == ["r1", "r2"]
    made = [*store.root.glob("tables/devices/metadata/*"), store.root / layout.ICEBERG_CATALOG]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o640}


@pytest.mark.parametrize("step", range(4))
def test_a_commit_that_was_cut_off_can_be_repeated(store: LocalStore, step: int) -> None:
    """Before it is repeated, readers find what was there before; afterwards it is there once."""
    old, new = part(store, ONE, "a"), part(store, ONE, "b", WIDER)
    TABLES.commit(store, change("r1", {ONE: {old}}))
    wanted = change("r2", {ONE: {new}}, WIDER)

    with DISK.watched(store.root, fail_at=step), pytest.raises(Interrupted):
        TABLES.commit(store, wanted)
    assert now(store) == {ONE: {old}}
    pin = TABLES.commit(store, wanted)

    assert TABLES.commit(store, wanted) == pin
    assert now(store) == {ONE: {new}}
    assert [one.summary and one.summary[RUN] for one in table(store).snapshots()] == ["r1", "r2"]


@pytest.mark.parametrize("rubbish", [None, b"", b"no file of SQLite, but long enough to look at" * 99])
def test_a_catalog_that_is_lost_is_made_anew(store: LocalStore, rubbish: bytes | None) -> None:
    """Of the metadata in the folders of tables, also of that which a kill kept from the catalog."""
    one, other = part(store, ONE, "a"), part(store, OTHER, "b")
    before = TABLES.commit(store, change("r1", {ONE: {one}}))
    store.delete(layout.ICEBERG_CATALOG)
    assert TABLES.newest(store, "devices") == before
    if rubbish is not None:
        store.write(layout.ICEBERG_CATALOG, rubbish)

    TABLES.commit(store, change("r2", {OTHER: {other}}))

    assert now(store) == {ONE: {one}, OTHER: {other}}
    assert set(table(store).refs()) == {"main", "axsync-r1", "axsync-r2"}


class _Overtaken(IcebergTables):
    """Somebody else commits between its look at the table and its commit."""

    def _found(self, catalog: Catalog, store: Store, entity: str) -> Table | None:
        found = super()._found(catalog, store, entity)
        if not now(store).get(OTHER):
            TABLES.commit(store, change("r2", {OTHER: {part(store, OTHER, "b", WIDER)}}, WIDER))
        return found


def test_two_commits_at_once_both_come(store: LocalStore) -> None:
    """Columns and the tag included, which pyiceberg loses when it tries again."""
    one, other = part(store, ONE, "a"), part(store, ONE, "c")
    TABLES.commit(store, change("r1", {ONE: {one}}))

    pin = _Overtaken().commit(store, change("r3", {ONE: {other}}))

    assert {place: len(keys) for place, keys in now(store).items()} == {ONE: 1, OTHER: 1}
    assert now(store)[ONE] == {other}
    assert table(store).refs()["axsync-r3"].snapshot_id == pin.snapshot_id
    assert "cores" in table(store).schema().column_names


def test_what_no_manifest_pins_expires(store: LocalStore) -> None:
    """With its metadata; a snapshot of somebody else, and what a kept manifest names, stay."""
    days = [Partition("prod", f"2026-11-2{day}") for day in range(4)]
    pins = [TABLES.commit(store, change(f"r{i}", {day: {part(store, day, "a")}})) for i, day in enumerate(days)]
    table(store).append(pa.table({"instance": ["theirs"], "dt": [date(2026, 11, 20)], "id": ["1"]}))

    TABLES.expire(store, "devices", [pins[1]])
    TABLES.expire(store, "devices", [pins[1]])

    found = table(store)
    assert set(found.refs()) == {"main", "axsync-r1"}
    assert len(found.snapshots()) == 2
    assert TABLES.by_others(store, pins[1]) == (f"append (snapshot {found.current_snapshot().snapshot_id})",)  # type: ignore[union-attr]
    assert set(TABLES.files(store, pins[1])) == {days[0], days[1]}
    with pytest.raises(TableGone, match=r"snapshot .* of the Iceberg table of devices"):
        TABLES.files(store, pins[0])
    left = {path.name for path in store.root.glob("tables/devices/metadata/*.json")}
    assert left == {Path(found.metadata_location).name, Path(pins[1].metadata or "").name}


def test_tables_of_others_and_other_columns_are_refused(store: LocalStore, tmp_path: Path) -> None:
    """Before a run, in one sentence, and nothing is written."""
    TABLES.refuse(store, "devices", PLAIN)
    assert store.size(layout.ICEBERG_CATALOG) is None
    TABLES.commit(store, change("r1", {ONE: {part(store, ONE, "a")}}))
    TABLES.refuse(store, "devices", WIDER)
    with pytest.raises(LakeError, match="has other columns than the lake: id is string in the table and long"):
        TABLES.refuse(store, "devices", pa.schema([("id", pa.int64())]))
    store.write(layout.field_ids("devices"), b"{")
    with pytest.raises(RegistryDamaged, match="field ids of 'devices'"):
        TABLES.refuse(store, "devices", PLAIN)
    rebuild(Lake(store))
    TABLES.numbers(store).numbered("devices", pa.schema([("nics", NICS), ("id", pa.string())]))
    TABLES.refuse(store, "devices", PLAIN)
    with catalog(store) as known:
        place = store.uri("tables/users")
        known.create_table("axsync.users", Schema(NestedField(1, "id", LongType(), required=False)), location=place)
        known.create_table(
            "axsync.software", Schema(NestedField(1, "id", StringType(), required=False)), location=str(tmp_path)
        )
    with pytest.raises(LakeError, match="tables/users' is partitioned by nothing, not by instance and dt"):
        TABLES.refuse(store, "users", PLAIN)
    with pytest.raises(LakeError, match=r"names '.*', which is not in it; .* needs its own namespace"):
        TABLES.refuse(store, "software", PLAIN)


def test_what_pins_hold_is_told_or_nothing_is(store: LocalStore) -> None:
    """Whoever removes what nobody holds must not take a file that cannot be read for one that is gone."""
    one, other = part(store, ONE, "a"), part(store, OTHER, "b")
    pins = [
        TABLES.commit(store, change(f"r{at}", {place: {key}}))
        for at, (place, key) in enumerate([(ONE, one), (OTHER, other), (ONE, part(store, ONE, "c"))])
    ]
    gone = replace(pins[0], snapshot_id=1, metadata="tables/devices/metadata/gone.metadata.json")

    assert TABLES.held(store, [gone]) == TABLES.held(store, []) == frozenset()
    assert TABLES.held(store, [*pins[:2], gone]) == {one, other}
    (store.root / "tables/devices/metadata/gone.metadata.json").mkdir()
    with pytest.raises(StorageError, match="is a directory"):
        TABLES.held(store, [*pins[:2], gone])


def test_a_lake_that_was_moved_is_refused(store: LocalStore, tmp_path: Path) -> None:
    """Its tables name files where they were; also if the catalog is lost."""
    pin = TABLES.commit(store, change("r1", {ONE: {part(store, ONE, "a")}}))
    moved = LocalStore(store.root.rename(tmp_path / "elsewhere"))

    for _ in range(2):
        with pytest.raises(
            LakeError, match=r"names '.*/lake/tables/devices.*', which is not in it; .* cannot be moved"
        ):
            TABLES.refuse(moved, "devices", PLAIN)
        moved.delete(layout.ICEBERG_CATALOG)
    with pytest.raises(TableGone, match=r"snapshot .* cannot be read: .* which is not in it"):
        TABLES.files(moved, pin)


def test_metadata_that_the_catalog_did_not_come_to_know_is_in_nobodys_way(store: LocalStore) -> None:
    """A kill came between the two; and the catalog may be lost on top of that."""
    one, other = part(store, ONE, "a"), part(store, ONE, "b")
    TABLES.commit(store, change("r1", {ONE: {one}}))
    before = store.read(layout.ICEBERG_CATALOG)
    TABLES.commit(store, change("r2", {ONE: {other}}))
    store.write(layout.ICEBERG_CATALOG, before)
    assert now(store) == {ONE: {one}}

    TABLES.commit(store, change("r2", {ONE: {other}}))
    store.delete(layout.ICEBERG_CATALOG)
    pin = TABLES.commit(store, change("r2", {ONE: {other}}))

    assert now(store) == {ONE: {other}}
    assert [one.snapshot_id for one in table(store).snapshots()][1:] == [pin.snapshot_id]


@pytest.mark.parametrize("name", ["v{number}", "v{number}-0a1b", "0a1b-{number}", "{number:05}-0a1b"])
def test_metadata_that_another_catalog_has_named_is_found(store: LocalStore, name: str) -> None:
    """That of each is `….metadata.json`; what is before that counts versions, or is any text."""
    one, other = part(store, ONE, "a"), part(store, OTHER, "b")
    TABLES.commit(store, change("r1", {ONE: {one}}))
    folder = store.root / layout.iceberg_metadata("devices")
    for number, path in enumerate(sorted(folder.glob("*.metadata.json")), 9):  # of which 10 comes first as a text
        path.rename(folder / f"{name.format(number=number)}.metadata.json")
    store.delete(layout.ICEBERG_CATALOG)

    TABLES.commit(store, change("r2", {OTHER: {other}}))

    assert now(store) == {ONE: {one}, OTHER: {other}}


HOUSE = IcebergTables("house.security")


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    """A REST catalog by the name of house, with everything secret that its settings may have."""
    with Rest.serving() as rest:
        rest.configure(monkeypatch)
        monkeypatch.setattr(pyiceberg.catalog, "_ENV_CONFIG", Config())
        yield rest


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        ((400, "no such place"), ConfigError, "takes no tables of '.*/lake': BadRequestException: no such place"),
        ((403, "not you"), ConfigError, "takes no tables of '.*/lake': BadRequestException: not you"),
        ((503, "later"), CatalogError, "takes no tables of '.*/lake': BadRequestException: later"),
        ("s3://elsewhere", ConfigError, "'house' would put a table of the lake at 's3://elsewhere', not at '.*/lake/"),
        ((501, "no stages"), None, ""),
        ("", None, ""),
    ],
)
def test_a_catalog_is_asked_before_anything_is_read_whether_it_takes_tables(
    store: LocalStore, house: Rest, answer: tuple[int, str] | str, kind: type[AxsyncError] | None, told: str
) -> None:
    """Of the lake. The namespace that is made to ask goes again, whatever the answer."""
    house.staged = answer
    with pytest.raises(kind, match=told) if kind else nullcontext():
        HOUSE.preflight(store)

    assert house.asked == [
        "GET /namespaces/security",
        "POST /namespaces",
        "POST /namespaces/security/tables",
        "DELETE /namespaces/security",
    ]


def test_a_run_is_refused_where_its_catalog_takes_no_tables(store: LocalStore, house: Rest) -> None:
    """Before it asks anything of Axonius."""
    house.staged = (403, "not you")
    with pytest.raises(ConfigError, match="takes no tables of"):
        Lake(store, ("iceberg",), None, "house.security").preflight(RunTargets(["devices"], ["prod"], "2026-11-23"))


def test_no_secret_of_a_catalog_is_in_what_it_says(store: LocalStore, house: Rest) -> None:
    """Servers repeat what they were sent, in JSON or on a page, and give out tokens; libraries repeat addresses."""
    told = list[str]()
    for echo in ECHOES:
        house.echo = echo
        for verb in (
            partial(HOUSE.preflight, store),
            partial(HOUSE.refuse, store, "devices", PLAIN),
            partial(HOUSE.commit, store, change("r1", {})),
            partial(HOUSE.expire, store, "devices", ()),
        ):
            with pytest.raises(AxsyncError) as failed:
                verb()
            told += [*explain(failed.value).lines(), *traceback.format_exception(failed.value)]

    assert len(told) > 4 * len(ECHOES)
    assert "Bearer" in house.sent
    assert not [line for line in told for secret in (*house.secrets, GIVEN) if secret in line]


def test_a_catalog_that_is_away_is_told_by_what_the_system_said(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the address, which may have a password in it, nor by the tries."""
    monkeypatch.setenv("PYICEBERG_CATALOG__HOUSE__URI", "http://me:secret@127.0.0.1:9/?token=another")
    monkeypatch.setattr(pyiceberg.catalog, "_ENV_CONFIG", Config())

    with pytest.raises(CatalogError) as failed:
        HOUSE.preflight(store)

    assert str(failed.value) == "the catalog 'house' cannot be opened: Connection refused"
    assert failed.value.__cause__ is None


def test_a_catalog_of_the_configuration(store: LocalStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the name and the settings that pyiceberg knows it by; the pin tells it."""
    monkeypatch.setenv("PYICEBERG_CATALOG__HOUSE__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__HOUSE__URI", f"sqlite:///{tmp_path}/house.db")
    monkeypatch.setattr(pyiceberg.catalog, "_ENV_CONFIG", Config())
    tables = IcebergTables("house.security")

    pin = tables.commit(store, change("r1", {ONE: {part(store, ONE, "a")}}))

    assert pin.catalog == "house.security"
    assert tables.newest(store, "devices") == pin
    assert store.size(layout.ICEBERG_CATALOG) is None
    with SqlCatalog("house", uri=f"sqlite:///{tmp_path}/house.db") as known:
        assert known.list_tables("security") == [("security", "devices")]
    monkeypatch.setenv("PYICEBERG_CATALOG__BAD__URI", "sqlite://me:secret@host/x")
    monkeypatch.setattr(pyiceberg.catalog, "_ENV_CONFIG", Config())
    with pytest.raises(ConfigError, match="the catalog 'bad' cannot be opened") as refused:
        IcebergTables("bad").refuse(store, "devices", PLAIN)
    assert "secret" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"knows no catalog 'hose'.*PYICEBERG_CATALOG__HOSE__URI"):
        IcebergTables("hose").refuse(store, "devices", PLAIN)


def test_an_object_store_needs_a_catalog(tmp_path: Path) -> None:
    """A file of SQLite is none that two machines can write to."""
    with pytest.raises(ConfigError, match=r"need a catalog.* set \[lake\] catalog"):
        TABLES.refuse(store_in_memory(tmp_path), "devices", PLAIN)


@pytest.mark.parametrize("odd", ["a b", "glue.", ".lake", "a.b.c", "http://x"])
def test_names_of_catalogs(odd: str) -> None:
    """A name, or a name with a namespace; only of Iceberg tables."""
    assert LakeSettings(format="iceberg", catalog="glue.security").catalog == "glue.security"
    with pytest.raises(ConfigError, match="catalog must be the name"):
        LakeSettings(format="iceberg", catalog=odd)
    with pytest.raises(ConfigError, match="add iceberg to format"):
        LakeSettings(catalog="glue")
