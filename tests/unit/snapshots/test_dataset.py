"""A lake as Python reads it: one table per entity type, whatever its files hold."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import axsync
from axsync.errors import ConfigError, NoLakeYet, SnapshotGone, UnknownRun, UsageError
from axsync.model import Lane
from axsync.schema.columns import group
from axsync.schema.kinds import Atom, Kind, Many
from tests.unit.sql.lakes import NUMBER, TEXT, WHOLE, publish

EMEA, AMER = Lane("emea", "devices"), Lane("amer", "devices")
DISK = group([("path", TEXT)])
BIG_DISK = group([("path", TEXT), ("size", WHOLE)])
OLD: Mapping[str, Kind] = {"internal_axon_id": TEXT, "cores": WHOLE, "host": TEXT, "disks": Many(DISK)}
NEW: Mapping[str, Kind] = {
    "internal_axon_id": TEXT,
    "cores": NUMBER,
    "host": Many(TEXT),
    "disks": Many(BIG_DISK),
    "seen": Atom("timestamp"),
}
MOMENT = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """On the second day columns have widened, in one of two instances at first."""
    first = {"internal_axon_id": "a", "cores": 4, "host": "h1", "disks": [{"path": "/"}, None]}
    second = {
        "internal_axon_id": "b",
        "cores": 2.5,
        "host": ["h2"],
        "disks": [{"path": "/x", "size": 1}],
        "seen": MOMENT,
    }
    root = tmp_path / "lake"
    publish(root, {EMEA: (OLD, [first]), AMER: (OLD, [])}, day=23)
    publish(root, {EMEA: (NEW, [second]), AMER: (OLD, [{**first, "internal_axon_id": "c"}])}, day=24)
    return root


def ids(table: pa.Table) -> list[str]:
    return sorted(table["internal_axon_id"].to_pylist())


def test_a_table_is_of_one_snapshot(lake: Path) -> None:
    """Named like on the command line; rows of all instances."""
    opened = axsync.open(lake)

    assert [run.logical_date for run in opened.snapshots()] == ["2026-11-24", "2026-11-23"]
    assert ids(opened.table("devices").to_arrow()) == ["b", "c"]
    assert ids(opened.table("devices", at="latest~1").to_arrow()) == ["a"]
    assert ids(opened.table("devices", at="2026-11-23").to_arrow()) == ["a"]
    assert len(opened.table("devices").files) == 2


def test_history_is_all_days(lake: Path) -> None:
    """With the day and the instance of each row."""
    table = axsync.open(lake).table("devices", history=True).to_arrow(["internal_axon_id", "instance", "dt"])

    assert sorted(table.to_pylist(), key=str) == [
        {"internal_axon_id": "a", "instance": "emea", "dt": date(2026, 11, 23)},
        {"internal_axon_id": "b", "instance": "emea", "dt": date(2026, 11, 24)},
        {"internal_axon_id": "c", "instance": "amer", "dt": date(2026, 11, 24)},
    ]


def test_a_day_that_was_replaced_counts_once(lake: Path) -> None:
    """The rows of the run that published last, as their files are there."""
    publish(lake, {EMEA: (NEW, [{"internal_axon_id": "z"}])}, day=25)
    for path in lake.glob("entity=devices/instance=emea/dt=2026-11-24/*"):
        path.unlink()

    assert ids(axsync.open(lake).table("devices", history=True).to_arrow()) == ["a", "c", "z"]


def test_every_reader_has_one_schema_and_every_row(lake: Path) -> None:
    """Rows from before a column widened are as the column is now: a list, a number, an object with a new member."""
    table = axsync.open(lake).table("devices")
    expected = {
        "internal_axon_id": "c",
        "cores": 4.0,
        "host": ["h1"],
        "disks": [{"path": "/", "size": None}, None],
        "seen": None,
    }

    arrow = table.to_arrow()
    row = next(row for row in arrow.to_pylist() if row["internal_axon_id"] == "c")
    frame = table.to_polars(filter=[("internal_axon_id", "=", "c")])
    connection = duckdb.connect()
    view = table.to_duckdb(connection)

    assert {name: row[name] for name in expected} == expected
    assert arrow.schema == table.to_reader().schema == table.schema
    assert frame.columns == view.columns == table.schema.names
    assert frame.row(0, named=True)["disks"] == expected["disks"]
    assert connection.execute("SELECT cores, host, disks, instance FROM devices ORDER BY cores").fetchall() == [
        (2.5, ["h2"], [{"path": "/x", "size": 1}], "emea"),
        (4.0, ["h1"], expected["disks"], "amer"),
    ]


def test_rows_and_columns_are_chosen_in_every_file(lake: Path) -> None:
    """By an expression or by conditions, on a column that files have in another type, or not at all."""
    table = axsync.open(lake).table("devices")

    assert ids(table.to_arrow(["internal_axon_id"], pc.field("cores") > 3.5)) == ["c"]
    assert table.to_arrow(["cores"], [("instance", "=", "emea")]).to_pydict() == {"cores": [2.5]}
    assert ids(table.to_arrow(filter=pc.field("seen").is_null())) == ["c"]


def test_records_come_back_as_they_were_served(lake: Path) -> None:
    """From each lane by its own columns."""
    records = sorted(axsync.open(lake).table("devices", history=True).restore(), key=str)

    old = {"cores": 4, "host": "h1", "disks": [{"path": "/"}, None]}
    new = {"cores": 2.5, "host": ["h2"], "disks": [{"path": "/x", "size": 1}], "seen": "Tue, 24 Nov 2026 01:02:03 GMT"}
    expected = [{"internal_axon_id": "a", **old}, {"internal_axon_id": "b", **new}, {"internal_axon_id": "c", **old}]
    assert list(map(json.dumps, records)) == list(map(json.dumps, expected))


def test_a_type_without_rows_is_an_empty_table(lake: Path) -> None:
    """With its columns, to every reader."""
    publish(lake, {EMEA: (NEW, []), AMER: (NEW, [])}, day=25)
    table = axsync.open(lake).table("devices")

    assert (table.to_arrow().num_rows, table.to_arrow().schema) == (0, table.schema)
    assert list(table.restore()) == []
    assert table.to_duckdb(duckdb.connect(), "d").fetchall() == []


def test_what_is_gone_is_told(lake: Path) -> None:
    """And what is open stays readable."""
    table = axsync.open(lake).table("devices")
    reader, records = table.to_reader(), table.restore()
    for path in lake.glob("entity=devices/*/dt=2026-11-24/*"):
        path.unlink()

    assert ids(reader.read_all()) == ["b", "c"]
    assert len(list(records)) == 2
    with pytest.raises(SnapshotGone, match="no longer has the file"):
        table.to_arrow()


def test_a_snapshot_that_is_replaced_is_read_anew(lake: Path) -> None:
    """The table goes on with what `latest` means by now."""
    table = axsync.open(lake).table("devices")
    publish(lake, {EMEA: (NEW, [{"internal_axon_id": "z"}]), AMER: (NEW, [])}, day=25)
    for path in lake.glob("entity=devices/*/dt=2026-11-24/*"):
        path.unlink()

    assert ids(table.to_arrow()) == ["z"]


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda lake: lake.table("devcies"), "no entity type 'devcies'; did you mean 'devices'"),
        (lambda lake: lake.table("devices", at="latest", history=True).to_arrow(["hots"]), "did you mean 'host'"),
        (lambda lake: lake.table("devices", at="2026-11-23", history=True), "filter by dt"),
        (lambda lake: lake.table("devices").to_arrow(filter=pc.field("hosts") == 1), "no column 'hosts'; did you"),
        (lambda lake: lake.table("devices").to_arrow(filter=pc.field("host") == 1), "does not fit"),
        (lambda lake: lake.table("devices").to_arrow(filter=[("cores", "~", 1)]), "does not fit"),
    ],
)
def test_mistakes_are_told(lake: Path, ask: Callable[[axsync.ReadableLake], object], told: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match=told):
        ask(axsync.open(lake))


def test_what_is_not_there_is_told(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lake, no account of a store, no such run, no polars."""
    with pytest.raises(ConfigError, match=r"^uri names no storage account"):
        axsync.open("az://container/lake")
    with pytest.raises(NoLakeYet):
        axsync.open(lake / "nowhere")
    with pytest.raises(UnknownRun):
        axsync.open(lake).table("devices", at="2026-01-01")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigError, match="pip install polars"):
        axsync.open(lake).table("devices").to_polars()
