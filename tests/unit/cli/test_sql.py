import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from axsync.cli import main
from axsync.console.sql import show_answer
from axsync.model import Lane
from axsync.sql import Answer
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import Type, devices, facts
from tests.unit.snapshots.lakes import publish as publish_rows
from tests.unit.sql.lakes import KINDS, TEXT, content, publish

Axsync: TypeAlias = Callable[..., Result]
DEVICE = {"internal_axon_id": "a1", "hostname": ["x"], "cores": 4000, "memory": 1.5, "extra": "\x1b[31mred"}
BLOCK = """\
row 1
internal_axon_id  a1
hostname          ["x"]
memory            1.5
cores             4000
extra             \\x1b[31mred
entity            devices
instance          prod
dt                2026-11-23
"""


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    """One device and two users, in the folder `lake` of the working directory."""
    users = [{"mail": "=cmd()"}, {"mail": "b@x"}]
    return publish(
        Path("lake"), {Lane("prod", "devices"): (KINDS, [DEVICE]), Lane("prod", "users"): ({"mail": TEXT}, users)}
    )


def test_sql_answers_as_a_table(axsync: Axsync, lake: FolderLake) -> None:
    """Numbers to the right, with thousands."""
    result = axsync("sql", "SELECT internal_axon_id AS id, cores, extra FROM devices")

    assert result.stdout.splitlines() == ["id  cores  extra", r"a1  4,000  \x1b[31mred"]


def test_sql_answers_as_json(axsync: Axsync, lake: FolderLake) -> None:
    """Plain ASCII; names once each; moments in ISO form; what JSON has no number for as text."""
    query = (
        "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS n, TIMESTAMPTZ '2026-01-01 01:00:00+01' AS t, 1.5::DECIMAL(4,2) AS d, "
        "[{'k': DATE '2026-01-02'}] AS l, '\x1bé' AS e, NULL AS z, '\\x01'::BLOB AS b"
    )
    result = axsync("sql", "--output", "json", query)

    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
    assert json.loads(result.stdout) == [
        {"a": 1, "a_2": 2, "n": "nan", "t": "2026-01-01T00:00:00Z", "d": 1.5}
        | {"l": [{"k": "2026-01-02"}], "e": "\x1bé", "z": None, "b": "01"}
    ]
    assert json.loads(axsync("sql", "--output", "json", "SELECT 1 WHERE false").stdout) == []


def test_sql_answers_as_csv_without_formulas(axsync: Axsync, lake: FolderLake) -> None:
    """A text that a spreadsheet would compute is quoted; a negative number is a number; one line is one record."""
    query = """SELECT mail AS "@mail", -5 AS n, ['a', 'b'] AS l, 'x' || chr(10) || chr(27) AS c FROM users ORDER BY 1"""
    rows = list(csv.reader(axsync("sql", "--output", "csv", query).stdout.splitlines()))

    assert rows == [
        ["'@mail", "n", "l", "c"],
        ["'=cmd()", "-5", '["a", "b"]', r"x\n\x1b"],
        ["b@x", "-5", '["a", "b"]', r"x\n\x1b"],
    ]


def test_sql_answers_for_excel(axsync: Axsync, lake: FolderLake) -> None:
    """The same with what Excel needs to read UTF-8, whatever the machine writes otherwise."""
    result = axsync("sql", "--output", "excel", "SELECT 'Büro' AS name")

    assert result.stdout_bytes == "\ufeffname\r\nBüro\r\n".encode()


def test_head_takes_axonius_names(axsync: Axsync) -> None:
    """As well as those of columns."""
    publish_rows(FolderLake(Path("lake")), facts("2026-11-23"), Type(rows=devices(1)))

    lines = axsync("head", "devices", "--columns", "specific_data.data.hostname,cores").stdout.splitlines()
    assert [line.split() for line in lines] == [["hostname", "cores"], ["host-0", "4"]]


def test_a_table_ends_after_a_thousand_rows(axsync: Axsync, lake: FolderLake) -> None:
    """And says so; JSON has all of them."""
    lines = axsync("sql", "SELECT range FROM range(5000)").stdout.splitlines()

    assert (len(lines), lines[-1]) == (
        1002,
        "only the first 1,000 rows are shown; use --output csv or json to get all of them",
    )
    assert len(json.loads(axsync("sql", "--output", "json", "SELECT range FROM range(5000)").stdout)) == 5000


def test_on_a_narrow_terminal_columns_are_left_out_and_told() -> None:
    """The rest is a matter of another format."""
    stream = io.StringIO()
    names = tuple(f"column_{number}" for number in range(60))
    show_answer(
        Answer(names, (False,) * 60, iter([("value",) * 60])), Console(file=stream, force_terminal=True, width=80)
    )

    assert stream.getvalue().splitlines()[-1] == "7 of 60 columns shown; --output csv for all"


def test_sql_reads_its_query_from_standard_input(lake: FolderLake) -> None:
    """Where it is a dash."""
    result = CliRunner().invoke(main, ["sql", "-"], input="SELECT count(*) AS n\nFROM users")

    assert result.stdout.splitlines() == ["n", "2"]


def test_head_shows_records_below_each_other(axsync: Axsync, lake: FolderLake) -> None:
    """Without what is empty, and without anything that a terminal would obey."""
    assert axsync("head", "devices").stdout == BLOCK
    assert axsync("head", "users", "-n", "0").stdout == "no rows\n"
    assert axsync("head", "users", "-n", "1", "--columns", "mail, dt").stdout.splitlines()[0].split() == ["mail", "dt"]
    asked = axsync("head", "users", "-n", "1", "--columns", "dt,m?il").stdout
    assert asked.splitlines()[0].split() == ["dt", "mail"]


def test_ddl_prints_statements(axsync: Axsync, lake: FolderLake) -> None:
    """For all entity types, or the named ones."""
    told = axsync("ddl", "athena", "--location", "s3://b/lake", "--schema", "axonius").stdout

    assert told.count("CREATE EXTERNAL TABLE") == 2
    assert "CREATE EXTERNAL TABLE IF NOT EXISTS `axonius`.`users` (\n  `mail` string,\n" in told
    assert axsync("ddl", "trino", "users").stdout.count("CREATE TABLE") == 1


def test_views_prints_statements_or_writes_models(axsync: Axsync, lake: FolderLake) -> None:
    """The models of dbt are files, each with its tests beside it."""
    told = axsync("views", "duckdb", "--schema", "main").stdout
    assert 'CREATE OR REPLACE VIEW "main"."devices_flat" AS' in told
    written = axsync("views", "dbt", "--into", "models").stdout
    assert written.endswith(" models in models\n")
    assert {"devices.sql", "devices_history.sql", "axsync.yml"} <= {path.name for path in Path("models").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sql", "SELEC 1"), 'the query failed: Parser Error: syntax error at or near "SELEC"'),
        (("sql", "SELECT * FROM nope"), "there is no table 'nope'; there are "),
        (("sql", "DROP VIEW users"), "only SELECT is allowed"),
        (("sql", ""), "there is none"),
        (("sql",), "Missing argument 'QUERY'"),
        (("sql", "SELECT 1", "--run", "nope"), "has no run 'nope'"),
        (("sql", "SELECT 1", "--lake", "absent"), "there is no lake 'absent'"),
        (("sql", "SELECT 1", "--output", "xml"), "'xml' is not one of"),
        (("head", "device"), "the snapshot has no entity type 'device'; did you mean 'devices'?"),
        (("head", "users", "--columns", "mial"), "users has no column 'mial'; did you mean 'mail'?"),
        (("head", "users", "-n", "-1"), "-n"),
        (("ddl", "oracle"), "'oracle' is not one of"),
        (("views", "oracle"), "'oracle' is not one of"),
        (("views", "dbt"), "--into"),
        (("views", "dbt", "--into", "m", "--schema", "s"), "--schema"),
        (("views", "trino", "--into", "m"), "--into is for dbt only"),
        (("ddl", "trino", "user"), "did you mean 'users'?"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    axsync: Axsync, lake: FolderLake, arguments: tuple[str, ...], words: str
) -> None:
    """Nothing is on stdout, and nothing has changed."""
    before = content(Path())
    result = axsync(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert content(Path()) == before


@pytest.mark.parametrize("columns", ['{"a": 7}', '{"a": {}}', '{"a": {"field": "a", "type": "blob"}}'])
def test_a_damaged_manifest_is_exit_2(axsync: Axsync, lake: FolderLake, columns: str) -> None:
    """Columns are looked at here only."""
    (path,) = lake.root.glob("_axsync/snapshots/*.json")
    document = lake.as_version_1(path.stem)
    document["lanes"][0]["columns"] = json.loads(columns)
    path.write_text(json.dumps(document))
    result = axsync("sql", "SELECT 1")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: the manifest of run '20261123T020000Z-aaaa' is damaged: ")
    assert "Traceback" not in result.stderr
