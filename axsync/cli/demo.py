"""`axsync demo`: starts the emulator as a process, dumps everything it offers, and queries the lake."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import duckdb
from duckdb import DuckDBPyConnection
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from axsync.console.invocation import Invocation
from axsync.console.output import Table, plain_console, print_table
from axsync.console.run import dump
from axsync.console.text import clean
from axsync.emulator.options import DEMO_KEY, DEMO_SECRET
from axsync.errors import AxsyncError, ConfigError
from axsync.runs.run import Report, sync
from axsync.settings import CredentialReference, InstanceSettings, LakeSettings, RunSettings, Settings
from axsync.sql.dialects import literal

KEY_VARIABLE, SECRET_VARIABLE = "AXSYNC_DEMO_KEY", "AXSYNC_DEMO_SECRET"
STOP_SECONDS = 5.0

# Exits when its standard input closes, and so together with this process, even if that is killed.
_EMULATOR = """\
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
from axsync.emulator.command import emulate
emulate()
"""


@dataclass(frozen=True, slots=True)
class DemoQuery:
    """A query for the lake."""

    title: str
    sql: str


def demo(given: Invocation, lake: str, *, rows: int) -> int:
    """Dump an emulated instance into `lake` and query it; returns the exit code of the run."""
    options = given.output_options
    if LakeSettings(uri=lake).path is None:
        raise ConfigError("the demo writes to a folder and queries its files; name one with --lake")
    with emulator(["--size", f"devices={rows}"]) as url:
        if options.verbosity >= 0 and options.log_format == "text":
            sys.stderr.write(f"a small Axonius listens on {url}\n")
        ended = dump(given.service(sync), demo_settings(url, lake), options)
    if ended.report is not None and ended.report.manifest is not None and options.output == "text":
        look(ended.report, plain_console(sys.stdout))
    return ended.exit_code


def demo_settings(url: str, lake: str) -> Settings:
    """One instance called `demo`. Each demo starts over, and may be smaller than the one before."""
    os.environ[KEY_VARIABLE], os.environ[SECRET_VARIABLE] = DEMO_KEY, DEMO_SECRET
    credential = CredentialReference(f"env:{KEY_VARIABLE}", f"env:{SECRET_VARIABLE}")
    instance = InstanceSettings("demo", url, credential, requests_per_second=50, in_flight=4)
    return Settings(LakeSettings(uri=lake), (instance,), run=RunSettings(fresh=True, accept_drop=True))


@contextmanager
def emulator(arguments: Sequence[str] = ()) -> Iterator[str]:
    """Start an emulator and yield its URL; stop it at the end of the block."""
    command = [sys.executable, "-c", _EMULATOR, "--port", "0", "--output", "json", *arguments]
    with tempfile.TemporaryFile() as told:
        server = subprocess.Popen(  # noqa: S603  our own words only
            # A session of its own: Ctrl-C must reach the run only, which needs the server to shut down cleanly.
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            start_new_session=True,
        )
        try:
            yield _address(server, told)
        finally:
            _end(server)


def _address(server: subprocess.Popen[bytes], told: IO[bytes]) -> str:
    line = server.stdout.readline() if server.stdout else b""
    if line:
        return str(json.loads(line)["url"])
    told.seek(0)
    last = (told.read().decode(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]
    raise AxsyncError(f"the emulator did not start: {last}")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for stream in (server.stdin, server.stdout):
        if stream is not None:
            stream.close()


def look(report: Report, console: Console) -> None:
    """Run a few queries with DuckDB."""
    connection = duckdb.connect()
    connection.execute(files_sql(report))
    _print_sql(files_sql(report), console)
    for question in questions(report):
        console.print(Text(f"\n{question.title}", style="bold"))
        _print_sql(question.sql, console)
        print_table(_answer(connection, question.sql), console)


def _print_sql(sql: str, console: Console) -> None:
    if console.is_terminal and not console.is_dumb_terminal:
        console.print(Syntax(sql, "sql", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        console.print(Text(sql), soft_wrap=True)


def _answer(connection: DuckDBPyConnection, sql: str) -> Table:
    answer = connection.execute(sql)
    titles = tuple(column[0] for column in answer.description or ())
    kinds = [str(column[1]).upper() for column in answer.description or ()]
    numeric = [any(word in kind for word in ("INT", "NUMBER", "DOUBLE", "DECIMAL")) for kind in kinds]
    rows = tuple(tuple(_cell(value) for value in row) for row in answer.fetchall())
    return Table(titles, tuple("right" if is_number else "left" for is_number in numeric), rows)


def _cell(value: Any) -> str:  # noqa: ANN401  any value of a query
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else clean(str(value))


def files_sql(report: Report) -> str:
    """The files of this snapshot as a variable; from the manifest, so that a later run does not matter."""
    lake = literal(report.lake.rstrip("/") + "/")
    manifest = literal(f"{report.lake.rstrip('/')}/{report.manifest}")
    return (
        f"SET VARIABLE files = (SELECT list({lake} || file.path)\n"  # noqa: S608  both are quoted
        f"  FROM (SELECT unnest(lane.files) AS file FROM (SELECT unnest(lanes) AS lane\n"
        f"  FROM {manifest})));"
    )


def questions(report: Report) -> list[DemoQuery]:
    """Queries for the rows of this run."""
    asked = [
        DemoQuery(
            "Rows per entity type",
            "SELECT entity, count(*) AS rows\n"
            "FROM read_parquet(getvariable('files'), hive_partitioning = true)\n"
            "GROUP BY entity ORDER BY rows DESC;",
        )
    ]
    if system := _operating_system(report):
        asked.append(
            DemoQuery(
                "The five most common operating systems",
                f"SELECT os, count(*) AS devices\n"  # noqa: S608  the name of a column, as the manifest has it
                f"FROM (SELECT {system} AS os FROM read_parquet(\n"
                "  list_filter(getvariable('files'), lambda file: contains(file, '/entity=devices/'))))\n"
                "WHERE os IS NOT NULL GROUP BY os ORDER BY devices DESC LIMIT 5;",
            )
        )
    return asked


def _operating_system(report: Report) -> str | None:
    """The expression for the operating systems of a device; None if there is no such column."""
    devices = next((o for o in report.outcomes if o.lane.entity == "devices" and o.rows), None)
    for field in ("specific_data.data.os.type", "specific_data.data.os.distribution"):
        for name, column in (devices.columns if devices else {}).items():
            if column.get("field") == field:
                # Each adapter reports its own value, so a device may list a system more than once.
                return f"unnest(list_distinct({name}))" if str(column.get("type")).startswith("list<") else name
    return None
