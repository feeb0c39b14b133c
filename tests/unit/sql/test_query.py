from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from axsync.console.explain import explain
from axsync.errors import NoRoomToSpill, SnapshotGone, UsageError
from axsync.lake.history import find_run
from axsync.model import Lane
from axsync.schema.columns import group
from axsync.schema.kinds import Many
from axsync.sql import query_session, tables_of
from tests.unit.lake.folders import FolderLake
from tests.unit.sql.lakes import KINDS, NUMBER, TEXT, WHOLE, content, publish

DEVICES, USERS = Lane("prod", "devices"), Lane("prod", "users")
ROW = {"internal_axon_id": "a1", "hostname": ["x"], "cores": 4, "disks": [{"device": "sda", "size": 7, "checked": []}]}


def ask(lake: FolderLake, sql: str, run: str = "latest") -> list[tuple[Any, ...]]:
    tables = tables_of(find_run(lake, run))
    with query_session(lake, tables) as place:
        return list(place.ask(sql).rows)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """One device, two users."""
    users = [{"internal_axon_id": name} for name in ("u1", "u2")]
    return publish(tmp_path / "lake", {DEVICES: (KINDS, [ROW]), USERS: ({"internal_axon_id": TEXT}, users)})


def test_entity_types_are_tables_with_their_partitions(lake: FolderLake) -> None:
    """By name; nested values are native."""
    assert ask(lake, "SELECT internal_axon_id, entity, instance, dt FROM devices") == [
        ("a1", "devices", "prod", date(2026, 11, 23))
    ]
    assert ask(lake, "SELECT disks[1].device, disks[1].size FROM devices") == [("sda", 7)]
    assert {("devices",), ("users",), ("devices_flat",), ("lanes",)} <= set(ask(lake, "SHOW TABLES"))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a folder for temporary files."""

    def mkdtemp(*_: object) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", mkdtemp)


def test_without_a_temporary_folder_the_lake_has_one(lake: FolderLake, nowhere: None) -> None:
    """While the query lasts; where it cannot be written either, there is memory alone."""
    with query_session(lake, tables_of(find_run(lake, "latest"))) as place:
        assert [path.parent.name for path in lake.root.glob("_axsync/tmp/*")] == ["tmp"]
        assert list(place.ask("SELECT 1").rows) == [(1,)]
    assert not (lake.root / "_axsync/tmp").exists()

    (lake.root / "_axsync/tmp").write_text("")
    assert ask(lake, "SELECT 1") == [(1,)]


def test_too_little_memory_without_room_to_spill_is_one_sentence(lake: FolderLake, nowhere: None) -> None:
    """It names the variable."""
    (lake.root / "_axsync/tmp").write_text("")
    with (
        query_session(lake, tables_of(find_run(lake, "latest"))) as place,
        pytest.raises(NoRoomToSpill, match="the query needs more memory than there is") as refused,
        place._plain_errors(),
    ):
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate data of size 1 GiB")
    assert "TMPDIR" in explain(refused.value).advice


def test_instances_are_put_together_by_name(tmp_path: Path) -> None:
    """What one lacks is null there; numbers widen."""
    lake = publish(
        tmp_path,
        {
            DEVICES: ({"internal_axon_id": TEXT, "cores": WHOLE}, [{"internal_axon_id": "a", "cores": 4}]),
            Lane("lab", "devices"): (
                {"internal_axon_id": TEXT, "cores": NUMBER, "os": TEXT},
                [{"internal_axon_id": "b", "cores": 2.5, "os": "Linux"}],
            ),
        },
    )

    assert ask(lake, "SELECT instance, internal_axon_id, cores, os FROM devices ORDER BY ALL") == [
        ("lab", "b", 2.5, "Linux"),
        ("prod", "a", 4.0, None),
    ]
    assert ask(lake, "SELECT count(*) FROM devices WHERE instance = 'lab'") == [(1,)]


def test_what_was_written_before_a_column_widened_is_read_beside_the_rest(tmp_path: Path) -> None:
    """Single values as lists of one, at the top and inside of objects; members in another order are no difference."""
    old, new = group([("size", WHOLE), ("tags", TEXT)]), group([("tags", Many(TEXT)), ("size", NUMBER)])
    lake = publish(
        tmp_path,
        {
            DEVICES: (
                {"internal_axon_id": TEXT, "os": TEXT, "disks": Many(old), "n": WHOLE},
                [
                    {"internal_axon_id": "a", "os": "x", "disks": [{"size": 1, "tags": "t"}], "n": 5},
                    {"internal_axon_id": "b"},
                ],
            ),
            Lane("lab", "devices"): (
                {"internal_axon_id": TEXT, "os": Many(TEXT), "disks": Many(new), "n": TEXT},
                [{"internal_axon_id": "c", "os": ["y", "z"], "disks": [{"size": 2.5, "tags": ["u", "v"]}], "n": "6"}],
            ),
        },
    )

    assert ask(lake, "SELECT internal_axon_id, os, disks[1].size, disks[1].tags, n FROM devices ORDER BY ALL") == [
        ("a", ["x"], 1.0, ["t"], "5"),
        ("b", None, None, None, None),
        ("c", ["y", "z"], 2.5, ["u", "v"], "6"),
    ]


def test_an_entity_type_without_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    """With the columns that it would have."""
    lake = publish(tmp_path, {DEVICES: (KINDS, [ROW]), USERS: (KINDS, [])})

    assert ask(lake, "SELECT count(*), min(dt), max(disks[1].size) FROM users") == [(0, None, None)]
    assert [row[:2] for row in ask(lake, "DESCRIBE users")] == [row[:2] for row in ask(lake, "DESCRIBE devices")]


def test_an_older_snapshot_answers_for_itself(lake: FolderLake) -> None:
    """Each run by its own manifest, although the files of both lie side by side."""
    publish(lake.root, {DEVICES: (KINDS, [ROW, ROW | {"internal_axon_id": "a2"}])}, day=24)

    assert ask(lake, "SELECT count(*), min(dt) FROM devices") == [(2, date(2026, 11, 24))]
    assert ask(lake, "SELECT count(*), min(dt) FROM devices", "2026-11-23") == [(1, date(2026, 11, 23))]


def test_a_lake_with_a_strange_name_is_a_lake(tmp_path: Path) -> None:
    """Quotes, and what is special to a glob."""
    lake = publish(tmp_path / "[a] *?' \"b=c", {DEVICES: (KINDS, [ROW])})

    assert ask(lake, "SELECT count(*) FROM devices") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_parquet('{part}')",
        "SELECT * FROM glob('{folder}/*')",
        "WITH x AS (COPY (SELECT 1) TO '{new}') SELECT * FROM x",
        "WITH x AS (COPY (SELECT 1) TO '{part}') SELECT * FROM x",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{new}''')",
        "SELECT * FROM lake",  # a variable of this test
        "SELECT * FROM read_csv('https://example.invalid/x.csv')",
        "COPY (SELECT 1) TO '{new}'",
        "COPY devices TO '{new}'",
        "EXPORT DATABASE '{new}'",
        "ATTACH '{new}'",
        "CREATE TABLE t AS SELECT 1",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{new}'",
        "DROP VIEW devices",
        "SELECT 1; DROP VIEW devices",
    ],
)
def test_a_query_reads_the_snapshot_and_nothing_else(lake: FolderLake, sql: str, tmp_path: Path) -> None:
    """And writes nothing, neither beside the lake nor over it."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    (part,) = lake.root.glob("entity=devices/**/*.parquet")
    before = content(tmp_path)
    filled = sql.format(file=secret, part=part, folder=tmp_path, new=tmp_path / "new")

    with pytest.raises(UsageError) as caught:
        ask(lake, filled)

    assert "s3cret" not in str(caught.value)
    assert content(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_every_lock_is_on(lake: FolderLake) -> None:
    """Also those that no query above comes up against."""
    names = ["enable_external_access", "lock_configuration", "python_enable_replacements", "allow_community_extensions"]
    asked = ", ".join(f"current_setting('{name}')" for name in [*names, "autoload_known_extensions", "TimeZone"])

    assert ask(lake, f"SELECT {asked}") == [(False, True, False, False, False, "UTC")]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "exactly one query is expected, and there is none"),
        ("-- nothing", "exactly one query is expected, and there is none"),
        ("SELECT 1; SELECT 2", "exactly one query is expected, and there are 2"),
        ("DELETE FROM devices", "only SELECT is allowed, not DELETE"),
        ("SELEC 1", 'the query failed: Parser Error: syntax error at or near "SELEC"'),
        ("SELECT nope FROM users", 'Binder Error: Referenced column "nope" not found'),
        ("SELECT 'x'::int", "Conversion Error: Could not convert string 'x' to INT32"),
        ("SELECT '\x1b[31m'::int", "Could not convert string"),
    ],
)
def test_a_query_that_does_not_work_is_one_sentence(lake: FolderLake, sql: str, words: str) -> None:
    """Without an excerpt and a caret below it."""
    with pytest.raises(UsageError) as caught:
        ask(lake, sql)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "LINE 1" not in str(caught.value)


def test_a_file_that_is_gone_or_elsewhere_is_told(lake: FolderLake, tmp_path: Path) -> None:
    """A link out of the lake is not followed."""
    (part,) = lake.root.glob("entity=users/**/*.parquet")
    outside = part.rename(tmp_path / "outside.parquet")
    with pytest.raises(SnapshotGone, match="that the manifest names"):
        ask(lake, "SELECT 1")

    part.symlink_to(outside)
    with pytest.raises(SnapshotGone, match="leads out of the lake"):
        ask(lake, "SELECT 1")


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_a_file_that_goes_before_its_rows_are_read_is_told(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are too many to be held open; in a table as well."""
    monkeypatch.setattr("axsync.sql.query.may_hold", lambda _files: False)
    lake = publish(tmp_path, {DEVICES: (KINDS, [ROW])}, form)
    with query_session(lake, tables_of(find_run(lake, "latest"))) as place:
        for part in [*lake.root.glob("entity=*/*/*/*.parquet"), *lake.root.glob("tables/*/*/*/*.parquet")]:
            part.unlink()
        with pytest.raises(SnapshotGone, match="that the manifest names"):
            list(place.ask("SELECT hostname FROM devices").rows)


def test_a_damaged_file_is_one_sentence(lake: FolderLake) -> None:
    """Only where it is asked for."""
    (part,) = lake.root.glob("entity=users/**/*.parquet")
    part.write_bytes(b"PAR1 and no more")

    assert ask(lake, "SELECT count(*) FROM devices") == [(1,)]
    with pytest.raises(UsageError, match=r"the query failed: .*users"):
        ask(lake, "SELECT max(internal_axon_id) FROM users")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("devics", "there is no table 'devics'; did you mean 'devices'?"),
        ("Dev", "there is no table 'Dev'; did you mean 'devices'?"),
        ('"use"', "there is no table 'use'; did you mean 'users'?"),
        ("zzzz", "there is no table 'zzzz'; there are devices, users"),
        ("pg_tabls", "there is no table 'pg_tabls'; there are devices, users"),
    ],
)
def test_a_mistyped_table_leads_to_the_nearest(lake: FolderLake, table: str, words: str) -> None:
    """Those of the snapshot, none of DuckDB's own."""
    with pytest.raises(UsageError) as caught:
        ask(lake, f"SELECT * FROM {table}")  # noqa: S608  asked of a locked desk

    assert str(caught.value) == f"the query failed: {words}"
