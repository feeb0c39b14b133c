import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given

from axsync.errors import LakeUnfit, UsageError
from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.lane_files import match_lane_files
from axsync.lake.manifest import TablePin
from axsync.model import Lane
from axsync.schema.columns import group
from axsync.schema.kinds import Atom, Kind, Many
from axsync.sql import EntityTable, tables_of
from axsync.sql.days import AllDays, LaneVerdict, all_days
from axsync.sql.ddl import statements, view_statements
from axsync.sql.dialects import DIALECTS, Engine
from axsync.sql.histories import EntityHistory, Histories, histories, of_days
from axsync.sql.tables import OWN, Piece, Share
from tests.unit.lake.folders import FolderLake
from tests.unit.sql.lakes import ANY_KIND, KINDS, NUMBER, TEXT, WHOLE, publish

ROW = {"internal_axon_id": "a1", "hostname": ["x"], "disks": [{"device": "sda", "size": 7, "checked": []}]}
SMALL = EntityHistory(
    EntityTable("users", {"mail": Many(TEXT), "disks": Many(group([("size", WHOLE)])), "seen": Atom("timestamp")}, ()),
    (),
)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two days; the first knew fewer columns, and users have never had a row."""
    older = {"internal_axon_id": TEXT, "cores": WHOLE}
    publish(tmp_path / "la'ke", {Lane("prod", "devices"): (older, [{"internal_axon_id": "a0", "cores": 3}])}, day=22)
    lanes = {Lane("prod", "devices"): ({**KINDS, "cores": NUMBER}, [ROW]), Lane("prod", "users"): (KINDS, [])}
    return publish(tmp_path / "la'ke", lanes)


def ddl(lake: FolderLake, dialect: Engine) -> str:
    return "\n".join(statements(dialect, list(histories(lake).tables.values()), location=str(lake.root)))


def test_duckdb_runs_its_statements(lake: FolderLake) -> None:
    """All days are there, each in the types of the newest one."""
    with duckdb.connect() as connection:
        connection.execute(ddl(lake, "duckdb"))

        rows = connection.execute("SELECT dt::VARCHAR, internal_axon_id, cores, disks[1].size FROM devices ORDER BY 1")
        assert rows.fetchall() == [("2026-11-22", "a0", 3.0, None), ("2026-11-23", "a1", None, 7)]
        assert connection.execute("SELECT count(*) FROM users").fetchall() == [(0,)]


def test_duckdb_opens_only_the_files_of_the_days_that_are_asked_for(lake: FolderLake) -> None:
    """What another day has may even be no Parquet. A column that widened since is read in the days before."""
    lanes = {Lane("prod", "devices"): ({**KINDS, "cores": Many(NUMBER)}, [ROW]), Lane("lab", "devices"): (KINDS, [])}
    publish(lake.root, lanes, day=24)
    with duckdb.connect() as connection:
        connection.execute(
            "\n".join(statements("duckdb", list(histories(lake).tables.values()), location=str(lake.root)))
        )
        every = connection.execute("SELECT internal_axon_id, cores FROM devices ORDER BY dt").fetchall()
        for day in ("2026-11-22", "2026-11-23", "2026-11-25"):
            broken = lake.root / f"entity=devices/instance=prod/dt={day}/part-x.parquet"
            broken.parent.mkdir(exist_ok=True)
            broken.write_text("no Parquet")
        found = connection.execute("SELECT internal_axon_id FROM devices WHERE dt = '2026-11-24'").fetchall()

    assert (every, found) == ([("a0", [3.0]), ("a1", None), ("a1", None)], [("a1",)])


def test_an_exact_table_has_the_rows_of_its_own_files(lake: FolderLake) -> None:
    """Others may be in its folders, also where columns have widened since."""
    publish(lake.root, {Lane("prod", "devices"): ({**KINDS, "cores": Many(NUMBER)}, [ROW])}, day=24)
    table = replace(all_days(lake).tables["devices"], exact=True)
    history = of_days(AllDays((), {"devices": table})).tables["devices"]
    for piece in table.pieces:
        path = lake.root / piece.path
        path.with_name("part-x.parquet").write_bytes(path.read_bytes())
    with duckdb.connect() as connection:
        connection.execute("\n".join(statements("duckdb", [history], location=str(lake.root))))
        found = connection.execute("SELECT internal_axon_id, dt::VARCHAR FROM devices ORDER BY dt").fetchall()

    assert found == [("a0", "2026-11-22"), ("a1", "2026-11-23"), ("a1", "2026-11-24")]


def test_lanes_that_cannot_be_read_are_named(lake: FolderLake) -> None:
    """They may be deleted, since the next run writes them again."""
    match_lane_files(lake)
    folder = lake.root / layout.LANES
    odd = sorted(folder.iterdir())[1]
    odd.write_bytes(b"PAR1")
    with pytest.raises(LakeUnfit, match=f"{layout.LANES}/{odd.name} of the lake .* cannot be read; delete it, and the"):
        histories(lake)
    shutil.rmtree(folder)
    folder.touch()
    with pytest.raises(LakeUnfit, match=f"{layout.LANES} of the lake .* cannot be read; delete it, and the"):
        histories(lake)


def test_members_in_another_order_are_no_clash(tmp_path: Path) -> None:
    """Engines look them up by name."""
    size, name = ("size", WHOLE), ("name", TEXT)
    one, other = ({"disks": Many(group(members))} for members in ([size, name], [name, size]))
    row = {"disks": [{"size": 1, "name": "sda"}]}
    lake = publish(tmp_path, {Lane("prod", "devices"): (one, [row]), Lane("lab", "devices"): (other, [row])})
    history = histories(lake).tables["devices"]

    assert history.table.clashes == ()
    with duckdb.connect() as connection:
        connection.execute("\n".join(statements("duckdb", [history], location=str(tmp_path))))
        query = "SELECT DISTINCT disks[1].size, disks[1].name FROM devices"
        assert connection.execute(query).fetchall() == [(1, "sda")]


def test_the_schema_is_made_before_its_tables(lake: FolderLake) -> None:
    """DuckDB runs it from nothing; the others are told in their own quotes."""
    tables = list(histories(lake).tables.values())
    with duckdb.connect() as connection:
        connection.execute("\n".join(statements("duckdb", tables, location=str(lake.root), schema='ax"o')))
        assert connection.execute('SELECT count(*) FROM "ax""o".devices').fetchall() == [(2,)]
    named: dict[Engine, str] = {"trino": "one.two", "snowflake": "one.two", "athena": "two"}
    assert {name: next(iter(statements(name, tables, schema=schema))) for name, schema in named.items()} == {
        "trino": 'CREATE SCHEMA IF NOT EXISTS "one"."two";\n',
        "snowflake": 'CREATE SCHEMA IF NOT EXISTS "ONE"."TWO";\n',
        "athena": "CREATE SCHEMA IF NOT EXISTS `two`;\n",
    }
    assert not any("CREATE SCHEMA" in told for told in statements("athena", tables, schema="glue.two"))


def test_duckdb_gets_the_types_that_the_files_have(lake: FolderLake) -> None:
    """As DuckDB itself reads them from a file of the newest day."""
    (part,) = lake.root.glob("entity=devices/instance=prod/dt=2026-11-23/*.parquet")
    with duckdb.connect() as connection:
        connection.execute(ddl(lake, "duckdb"))
        made = connection.execute("SELECT column_name, column_type FROM (DESCRIBE devices)").fetchall()
        read = connection.read_parquet(str(part), hive_partitioning=False)
        types = [(name, str(kind)) for name, kind in zip(read.columns, read.types, strict=True)]

    assert dict(made).items() >= dict(types).items()


@given(ANY_KIND)
def test_duckdb_knows_every_type(kind: Kind) -> None:
    """However lists and objects are nested, whatever their members are called."""
    with duckdb.connect() as connection:
        connection.execute(f"SELECT CAST(NULL AS {DIALECTS['duckdb'].of(kind)})")


@pytest.mark.parametrize(
    ("dialect", "types"),
    [
        ("athena", ["array<string>", "array<struct<`size`:bigint>>", "timestamp"]),
        ("trino", ["array(varchar)", 'array(row("size" bigint))', "timestamp(6)"]),
        ("snowflake", ["array", "array", "timestamp_ntz"]),
        ("duckdb", ["VARCHAR[]", 'STRUCT("size" BIGINT)[]', "TIMESTAMP WITH TIME ZONE"]),
    ],
)
def test_each_dialect_has_its_own_types(dialect: Engine, types: list[str]) -> None:
    """Lists and objects stay what they are, where the engine has them."""
    assert [DIALECTS[dialect].of(kind) for kind in SMALL.table.columns.values()] == types
    told = "\n".join(statements(dialect, [SMALL]))
    assert all(one in told for one in types)


def test_the_location_and_the_schema_are_those_that_were_given() -> None:
    """Otherwise a bucket that nobody can take for a real one."""
    for dialect in ("athena", "trino", "snowflake"):
        assert "s3://YOUR-BUCKET/lake" in "\n".join(statements(dialect, [SMALL]))
        told = "\n".join(statements(dialect, [SMALL], location="s3://b/l/", schema="glue.ax"))
        assert "s3://b/l/" in told
        assert "YOUR-BUCKET" not in told
        assert "ax" in told.lower()


def test_names_end_neither_a_text_nor_a_comment() -> None:
    """Nobody writes such names on purpose, and a manifest may have been touched."""
    evil = "x'\"`; DROP TABLE y; --\nDROP TABLE z"
    table = EntityTable(evil, {evil: TEXT}, (Share((), ()),), (f"{evil} clashes",))
    for dialect in DIALECTS:
        comments = [part for part in statements(dialect, [EntityHistory(table, (evil,))]) if part.startswith("-- x")]
        assert [part.count("\n") for part in comments] == ([] if dialect == "duckdb" else [0])  # it reads them apart
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE z AS SELECT 1; CREATE TABLE y AS SELECT 1")
        connection.execute("\n".join(statements("duckdb", [EntityHistory(table, ())])))
        row = LaneVerdict(evil, date(2026, 11, 23), evil, evil, evil, 1, 0, None, newest_of_day=True)
        held = replace(table, columns={**table.columns, **OWN})
        every = Histories({evil: EntityHistory(held, ())}, (row,))
        connection.execute("\n".join(view_statements("duckdb", {evil: held}, every, location=None, schema=None)))
        assert connection.execute("SELECT count(*) FROM y, z").fetchall() == [(1,)]


def test_columns_that_clash_between_instances_are_told(tmp_path: Path) -> None:
    """A text here and a list there are no one type."""
    lake = publish(
        tmp_path,
        {
            Lane("prod", "devices"): ({"os": Many(TEXT), "cores": WHOLE}, [{"os": ["x"]}]),
            Lane("lab", "devices"): ({"os": TEXT, "cores": NUMBER}, [{"os": "x"}]),
        },
    )
    (table,) = tables_of(find_run(lake, "latest")).values()

    assert table.clashes == ("os is string in lab",)
    assert "-- os is string in lab" in ddl(lake, "athena")


# ------------------------------------------------------------------------------------------------- lakes with tables

DEVICES = Lane("prod", "devices")
DELTA = TablePin("delta", "tables/users", version=3)
PIECE = Piece("tables/users/instance=prod/dt=2026-11-23/part-x.parquet", "prod", date(2026, 11, 23))
GLUE = TablePin("iceberg", "tables/users", snapshot_id=1, metadata="tables/users/metadata/1.json", catalog="glue.ax")


def in_table(pin: TablePin) -> EntityHistory:
    """Users with a file in this table."""
    return EntityHistory(replace(SMALL.table, shares=(Share((), (PIECE,)),), pin=pin), ("prod",))


def test_files_that_are_plain_ones_as_well_are_read_where_they_are(tmp_path: Path) -> None:
    """Days from before the lake had tables as well; other engines are told that they are elsewhere."""
    kinds: dict[str, Kind] = {"internal_axon_id": TEXT, "disks": Many(group([("size", WHOLE)]))}
    publish(tmp_path, {DEVICES: (kinds, [{"internal_axon_id": "a0", "disks": [{"size": 1}]}])}, day=22)
    lake = publish(tmp_path, {DEVICES: (KINDS, [ROW])}, "parquet", "delta")
    table = histories(lake).tables["devices"]

    assert table.table.pin is None
    with duckdb.connect() as connection:
        connection.execute("".join(statements("duckdb", [table], location=str(tmp_path))))
        query = "SELECT dt::VARCHAR, entity, internal_axon_id, disks[1].size FROM devices ORDER BY dt"
        found = connection.execute(query).fetchall()
    assert found == [("2026-11-22", "devices", "a0", 1), ("2026-11-23", "devices", "a1", 7)]
    assert "-- devices: without the days below entity=devices" in "".join(statements("trino", [table]))


def test_the_newest_version_of_a_table_is_the_one_to_read(tmp_path: Path) -> None:
    """DuckDB scans it, beside the files of older days. What has no table yet is left out in other engines."""
    lanes = {Lane("prod", "users"): (KINDS, [ROW]), DEVICES: (KINDS, [ROW])}
    publish(tmp_path, lanes, day=22)
    publish(tmp_path, {DEVICES: (KINDS, [ROW])}, "delta", day=23)
    lake = publish(tmp_path, {DEVICES: (KINDS, [ROW])}, "delta", day=24)
    days = histories(lake)
    tables = days.tables

    assert tables["devices"].table.pin == TablePin("delta", "tables/devices", version=1)
    told = "".join(statements("duckdb", list(tables.values()), location="w"))
    assert "FROM delta_scan('w/tables/devices')" in told
    assert [f"w/entity={name}/*/*/*.parquet" in told for name in tables] == [True, True]
    assert len(duckdb.extract_statements(told)) == 2
    others = "".join(view_statements("trino", all_days(lake).tables, days, location="w", schema=None))
    assert "-- users: left out" in others
    assert '"users_flat"' not in others
    assert 'FROM "delta"."default"."devices_history"' in others


@pytest.mark.parametrize(
    ("dialect", "pin", "told"),
    [
        ("duckdb", DELTA, "FROM delta_scan('s3://b/l/tables/users');"),
        ("duckdb", GLUE, "FROM iceberg_scan('s3://b/l/tables/users/metadata/1.json');"),
        ("trino", DELTA, "CALL \"delta\".system.register_table('default', 'users', 's3://b/l/tables/users');"),
        ("trino", GLUE, 'VIEW "glue"."default"."users" AS\nSELECT * FROM "glue"."ax"."users";'),
        ("athena", DELTA, "TABLE IF NOT EXISTS `users`\nLOCATION 's3://b/l/tables/users/'\nTBLPROPERTIES"),
        ("athena", GLUE, 'VIEW "users" AS\nSELECT * FROM "ax"."users";'),
        ("snowflake", DELTA, "BASE_LOCATION = 'tables/users';"),
        ("snowflake", GLUE, "CATALOG_NAMESPACE = 'ax'\n  CATALOG_TABLE_NAME = 'users';"),
    ],
)
def test_each_engine_reads_tables_in_its_own_way(dialect: Engine, pin: TablePin, told: str) -> None:
    """Columns are known to the table, and partitions need no statement."""
    table = in_table(pin)

    assert told in "".join(statements(dialect, [table], location="s3://b/l"))


@pytest.mark.parametrize(
    ("dialect", "pin", "told"),
    [
        (
            "trino",
            replace(GLUE, catalog=None),
            "trino cannot find the Iceberg tables of this lake",
        ),
        ("trino", replace(DELTA, format="hudi"), "tables in the format 'hudi' are not known to this version"),
        ("duckdb", replace(DELTA, format="hudi"), "tables in the format 'hudi' are not known to this version"),
    ],
)
def test_tables_that_an_engine_cannot_find_are_refused(dialect: Engine, pin: TablePin, told: str) -> None:
    """And those that a later version of axsync has made."""
    table = in_table(pin)
    with pytest.raises(UsageError, match=told):
        list(statements(dialect, [table]))


def test_in_athenas_tables_the_day_is_a_date() -> None:
    """In those over plain files it is a text, so views compare it in two ways."""
    row = LaneVerdict("r", date(2026, 11, 23), "prod", "users", "complete", 0, 0, None, newest_of_day=True)
    for pin, day in ((None, "'2026-11-23'"), (DELTA, "DATE '2026-11-23'")):
        days = Histories({"users": replace(SMALL, table=replace(SMALL.table, pin=pin))}, (row,))
        assert f"('r', {day}, " in "".join(view_statements("athena", {}, days, location=None, schema=None))
