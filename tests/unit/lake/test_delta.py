"""Tables of Delta Lake over parts that were written for real."""

import json
import math
import os
import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import ForeignTable, StorageError
from axsync.lake import delta
from axsync.lake.delta import DeltaTables, statistics
from axsync.lake.local import LocalStore
from axsync.lake.manifest import TablePin
from axsync.lake.publish import Lake, RunTargets
from axsync.lake.schemas import put_registries
from axsync.lake.tables import Partition, TableChange, TableGone
from axsync.schema.kinds import Atom
from axsync.schema.registry import Registered, Registry

DAY = "2026-11-23"
PROD, LAB = Partition("prod", DAY), Partition("lab", DAY)
NARROW = pa.schema([pa.field("id", pa.string(), metadata={b"axonius.field": b"internal_axon_id"})])
WIDE = pa.schema([*NARROW, ("n", pa.int64())])
TABLES = DeltaTables(90)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake", 0o640, 0o750)


def part(
    store: LocalStore, partition: Partition, number: int, rows: Sequence[dict[str, Any]], schema: pa.Schema
) -> str:
    """A part in its place; its key."""
    folder = f"tables/devices/instance={partition.instance}/dt={partition.day}"
    key = f"{folder}/part-20261123T020000Z-aaaa-{number:05}.parquet"
    (store.root / folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema), store.root / key)
    return key


def change(schema: pa.Schema = NARROW, **files: str) -> TableChange:
    """A change of these instances on the day."""
    keys = {Partition(instance, DAY): frozenset({key} if key else ()) for instance, key in files.items()}
    return TableChange("devices", keys, schema, {"axsync.run_id": "r1", "axsync.rows": "1"})


def rows(store: LocalStore, pin: TablePin) -> list[dict[str, Any]]:
    table = DeltaTable(store.uri(pin.path), version=pin.version)
    return sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: (row["instance"], row["id"]))


def ids(store: LocalStore, pin: TablePin) -> list[tuple[str, str]]:
    return [(row["instance"], row["id"]) for row in rows(store, pin)]


def test_a_change_replaces_the_files_of_its_partitions_and_leaves_others(store: LocalStore) -> None:
    """Each version can be read afterwards, and tells which files it has."""
    one, two = part(store, PROD, 0, [{"id": "a"}], NARROW), part(store, LAB, 0, [{"id": "b"}], NARROW)
    first = TABLES.commit(store, change(prod=one, lab=two))
    second = TABLES.commit(store, change(prod=part(store, PROD, 1, [{"id": "c"}], NARROW)))
    third = TABLES.commit(store, change(lab=""))

    assert ids(store, first) == [("lab", "b"), ("prod", "a")]
    assert ids(store, second) == [("lab", "b"), ("prod", "c")]
    assert ids(store, third) == [("prod", "c")]
    assert TABLES.newest(store, "devices") == third
    assert TABLES.files(store, first) == {PROD: {one}, LAB: {two}}
    with pytest.raises(TableGone):
        TABLES.files(store, TablePin("delta", "tables/devices", version=9))


def test_what_some_versions_have_is_told_from_what_only_others_had(store: LocalStore) -> None:
    """Also where the log was cleaned between them; a version that is gone has nothing."""
    keys = [part(store, PROD, number, [{"id": str(number)}], NARROW) for number in range(4)]
    pins = [TABLES.commit(store, change(prod=key)) for key in keys]
    assert TABLES.held(store, [pins[3], pins[1]]) == {keys[1], keys[3]}
    DeltaTable(store.uri("tables/devices")).create_checkpoint()
    (store.root / f"tables/devices/_delta_log/{2:020}.json").unlink()

    assert TABLES.held(store, [pins[0], pins[3]]) == {keys[0], keys[3]}
    assert TABLES.held(store, [pins[1], pins[2]]) == {keys[1]}
    assert TABLES.held(store, []) == frozenset()


def test_a_change_that_is_there_already_is_not_committed_again(store: LocalStore) -> None:
    """So a publication can be rolled forward as often as it is cut short."""
    wanted = change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW))

    assert TABLES.commit(store, wanted) == TABLES.commit(store, wanted)
    assert DeltaTable(store.uri("tables/devices")).version() == 0


def test_a_part_that_stays_is_not_removed_with_those_that_go(store: LocalStore) -> None:
    """A run that goes on after a part was lost brings the others again."""
    kept, lost = part(store, PROD, 0, [{"id": "a"}], NARROW), part(store, PROD, 1, [{"id": "b"}], NARROW)
    TABLES.commit(store, TableChange("devices", {PROD: frozenset({kept, lost})}, NARROW, {}))
    fresh = part(store, PROD, 2, [{"id": "c"}], NARROW)

    pin = TABLES.commit(store, TableChange("devices", {PROD: frozenset({kept, fresh})}, NARROW, {}))

    assert ids(store, pin) == [("prod", "a"), ("prod", "c")]


def test_columns_appear_with_their_axonius_names_and_stay(store: LocalStore) -> None:
    """Also where the next change knows fewer, as after a registry was lost."""
    TABLES.commit(store, change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW)))
    TABLES.commit(store, change(WIDE, lab=part(store, LAB, 0, [{"id": "b", "n": 7}], WIDE)))
    pin = TABLES.commit(store, change(prod=part(store, PROD, 1, [{"id": "c"}], NARROW)))

    assert [(row["id"], row["n"]) for row in rows(store, pin)] == [("b", 7), ("c", None)]
    schema = pa.schema(DeltaTable(store.uri("tables/devices")).schema().to_arrow())
    assert schema.field("id").metadata == {b"axonius.field": b"internal_axon_id"}


def test_a_commit_tells_of_its_run_and_the_log_has_the_rights_of_the_lake(store: LocalStore) -> None:
    """Whatever the umask of the process is; and its log reaches back as far as snapshots are kept."""
    before = os.umask(0o077)
    try:
        for number in range(delta.CHECKPOINT_EVERY + 1):
            TABLES.commit(store, change(prod=part(store, PROD, number, [{"id": "a"}], NARROW)))
    finally:
        os.umask(before)

    log = store.root / "tables/devices/_delta_log"
    assert {path.stat().st_mode & 0o777 for path in log.iterdir()} == {0o640}
    assert log.stat().st_mode & 0o777 == 0o750
    assert list(log.glob("*10.checkpoint.parquet"))
    told = [json.loads(line) for line in (log / f"{0:020}.json").read_bytes().splitlines()]
    assert next(one["commitInfo"]["axsync.run_id"] for one in told if "commitInfo" in one) == "r1"
    configuration = DeltaTable(store.uri("tables/devices")).metadata().configuration
    assert configuration["delta.logRetentionDuration"] == "interval 90 days"
    longer = DeltaTables(400)
    longer.commit(store, change(lab=part(store, LAB, 0, [{"id": "b"}], NARROW)))
    TABLES.commit(store, change(lab=""))
    configuration = DeltaTable(store.uri("tables/devices")).metadata().configuration
    assert configuration["delta.logRetentionDuration"] == "interval 400 days"


@pytest.mark.fault(4)
@pytest.mark.parametrize("left", [0, 100])
@pytest.mark.parametrize("torn", [f"{11:020}.json", f"{10:020}.checkpoint.parquet"])
def test_what_a_power_cut_tore_is_mended_by_the_next_commit(store: LocalStore, torn: str, left: int) -> None:
    """The library does not make durable what it writes; versions before can be read all along."""
    keys = [part(store, PROD, number, [{"id": f"{number:02}"}], NARROW) for number in range(12)]
    pins = [TABLES.commit(store, change(prod=key)) for key in keys]
    file = store.root / "tables/devices/_delta_log" / torn
    file.write_bytes(file.read_bytes()[:left])

    assert ids(store, pins[9]) == [("prod", "09")]
    TABLES.refuse(store, "devices", NARROW)
    assert ids(store, TABLES.commit(store, change(prod=keys[11]))) == [("prod", "11")]


@pytest.mark.fault(4)
def test_a_table_whose_first_commit_was_torn_is_made_anew(store: LocalStore) -> None:
    """Nothing had told of it."""
    wanted = change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW))
    TABLES.commit(store, wanted)
    (store.root / f"tables/devices/_delta_log/{0:020}.json").write_bytes(b"")

    TABLES.refuse(store, "devices", NARROW)
    assert ids(store, TABLES.commit(store, wanted)) == [("prod", "a")]


@pytest.mark.parametrize("pinned", [0, 3])
def test_the_log_is_cut_behind_its_retention_unless_an_older_version_is_pinned(store: LocalStore, pinned: int) -> None:
    """Commits are small, but there is one a night for ever."""
    pins = [TABLES.commit(store, change(prod=part(store, PROD, number, [{"id": "a"}], NARROW))) for number in range(4)]
    log = store.root / "tables/devices/_delta_log"
    DeltaTable(store.uri("tables/devices"), version=2).create_checkpoint()
    for number in range(3):  # long ago, by the clock of the store and by what they say
        commit = log / f"{number:020}.json"
        commit.write_text(re.sub(r'"timestamp":\d+', '"timestamp":1', commit.read_text()))
        os.utime(commit, (1, 1))
    os.utime(log / f"{2:020}.checkpoint.parquet", (1, 1))

    TABLES.expire(store, "devices", [pins[pinned], pins[3]])

    assert (log / f"{0:020}.json").exists() == (pinned == 0)
    assert len(ids(store, pins[pinned])) == 1


def test_commits_at_the_same_time_are_all_there_in_the_end(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes late reads the table again; the table is made by one of them."""
    monkeypatch.setattr(delta, "PAUSE", 0.005)
    names, failed = [f"i{number}" for number in range(4)], list[BaseException]()
    parts = {name: part(store, Partition(name, DAY), 0, [{"id": name}], NARROW) for name in names}

    def commit(name: str) -> None:
        try:
            TABLES.commit(store, change(**{name: parts[name]}))
        except BaseException as error:  # noqa: BLE001  told by the test
            failed.append(error)

    threads = [threading.Thread(target=commit, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    newest = TABLES.newest(store, "devices")
    assert failed == []
    assert newest is not None
    assert ids(store, newest) == [(name, name) for name in names]


def test_who_is_always_late_gives_up(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one sentence that names the table."""
    monkeypatch.setattr(delta, "PAUSE", 0.0)

    def late(*_: object) -> int:
        raise CommitFailedError("a concurrent transaction")

    monkeypatch.setattr(DeltaTables, "_committed", late)
    with pytest.raises(StorageError, match="the table of devices: others keep changing it"):
        TABLES.commit(store, change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW)))


def test_what_others_did_to_a_table_is_told(store: LocalStore) -> None:
    """Commits of axsync are not among it, nor what was there before."""
    TABLES.commit(store, change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW)))
    pin = TABLES.commit(store, change(prod=part(store, PROD, 1, [{"id": "a"}], NARROW)))
    TABLES.commit(store, change(lab=part(store, LAB, 0, [{"id": "b"}], NARROW)))
    assert TABLES.by_others(store, pin) == ()
    DeltaTable(store.uri("tables/devices")).delete("instance = 'lab'")

    assert TABLES.by_others(store, pin) == ("DELETE (version 3)",)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"partition_by": ["dt"]}, "partitioned by dt, not by instance and dt"),
        ({"configuration": {"delta.appendOnly": "true"}}, "delta.appendOnly = true"),
        ({}, "id is int64 in the table and string in the registry"),
    ],
)
def test_a_table_of_somebody_else_is_refused(store: LocalStore, made: dict[str, Any], told: str) -> None:
    """In one sentence, and without a change."""
    usual = {"partition_by": ["instance", "dt"]}
    root = store.root / "tables/devices"
    root.mkdir(parents=True)
    table = pa.table({"id": [1], "instance": ["prod"], "dt": [datetime(2026, 11, 23, tzinfo=UTC).date()]})
    write_deltalake(store.uri("tables/devices"), table, **{**usual, **made})

    with pytest.raises(ForeignTable, match=told):
        TABLES.refuse(store, "devices", NARROW)
    assert DeltaTable(store.uri("tables/devices")).version() == 0


def test_a_table_that_was_there_before_the_lake_is_refused_before_a_run(store: LocalStore) -> None:
    """Whatever its columns: else parts would come to lie in its folder, and it is refused when all is read."""
    lake, run = Lake(store, ("delta",)), RunTargets(["devices"], ["prod"], DAY)
    lake.preflight(run)
    TABLES.commit(store, change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW)))
    with pytest.raises(ForeignTable, match=r"there is a delta table '.*' that no run of this lake has made"):
        lake.preflight(run)
    put_registries(store, {"devices": Registry((Registered("id", "internal_axon_id", Atom("text"), ""),))})
    lake.preflight(run)


def test_no_table_and_one_of_our_own_are_not_refused(store: LocalStore) -> None:
    """Nor is one that will get columns."""
    TABLES.refuse(store, "devices", NARROW)
    TABLES.commit(store, change(prod=part(store, PROD, 0, [{"id": "a"}], NARROW)))
    TABLES.refuse(store, "devices", WIDE)


# ----------------------------------------------------------------------------------------------------------- statistics

MOMENTS = st.datetimes(timezones=st.just(UTC))
COLUMNS = st.fixed_dictionaries(
    {
        "text": st.lists(st.none() | st.text(max_size=40), min_size=1, max_size=4),
        "number": st.lists(st.none() | st.floats(allow_nan=False), min_size=1, max_size=4),
        "moment": st.lists(st.none() | MOMENTS, min_size=1, max_size=4),
    }
)


@given(COLUMNS)
def test_no_value_is_outside_of_its_bounds(columns: dict[str, list[Any]]) -> None:
    """Or readers would skip files that have what they look for; and all that is told is JSON."""
    longest = max(map(len, columns.values()))
    filled = {name: values + [None] * (longest - len(values)) for name, values in columns.items()}
    kinds = {"text": pa.string(), "number": pa.float64(), "moment": pa.timestamp("us", tz="UTC")}
    table = pa.table({name: pa.array(values, kinds[name]) for name, values in filled.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=2)
    opened = pq.ParquetFile(pa.BufferReader(sink.getvalue()))

    told = json.loads(json.dumps(statistics(opened.metadata, opened.schema_arrow), allow_nan=False))

    assert told["numRecords"] == longest
    for name, values in filled.items():
        assert told["nullCount"][name] == values.count(None)
        for value in values:
            if value is not None and name in told["minValues"]:
                low, high = _read(told["minValues"][name]), _read(told["maxValues"][name])
                assert low <= value <= high


def _read(bound: object) -> Any:  # noqa: ANN401  # of whatever column
    try:
        return datetime.fromisoformat(str(bound))
    except ValueError:
        return bound


def test_bounds_are_there_where_they_can_be() -> None:
    """A moment's upper one is a millisecond later; infinity has none, and lists have nothing."""
    noon = datetime(2026, 11, 23, 12, 0, 0, 999, tzinfo=UTC)
    moments = pa.array([noon, noon + timedelta(hours=1)])
    table = pa.table({"t": moments, "x": [math.inf, 1.0], "s": ["b", "a"], "n": [[1], [2]]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    opened = pq.ParquetFile(pa.BufferReader(sink.getvalue()))

    told = statistics(opened.metadata, opened.schema_arrow)

    assert told["minValues"] == {"t": "2026-11-23T12:00:00.000Z", "s": "a"}
    assert told["maxValues"] == {"t": "2026-11-23T13:00:00.001Z", "s": "b"}
    assert told["nullCount"] == {"t": 0, "x": 0, "s": 0}
