"""`axsync sql`, `head`, `views` and `ddl`: a snapshot in SQL, the result as a table, JSON or CSV.

No text in it can control a terminal or a spreadsheet.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

import click
from rich.console import Console
from rich.text import Text

from axsync.console.cells import distinct, sheet, words
from axsync.console.invocation import Invocation
from axsync.console.output import Side, Table, narrowed, plain_console, print_line, print_table
from axsync.console.text import number, visible
from axsync.errors import UsageError
from axsync.lake.history import FoundRun, find_run, read_as_meant
from axsync.lake.publish import Lake
from axsync.settings import BY_MANIFEST
from axsync.sql import Answer, EntityTable, query_session, tables_of
from axsync.sql.dbt import models
from axsync.sql.ddl import statements, view_statements
from axsync.sql.dialects import Engine
from axsync.sql.histories import Histories, histories
from axsync.sql.tables import chosen, first_rows
from axsync.sql.values import plain

MOST_ROWS = 1_000
"""Limit of a table; JSON and CSV have all rows."""
ONLY_DBT = "--into is for dbt only; omit it to print the statements"
MOST_CELL = 120  # characters of a cell in a table


def sql(given: Invocation, query: str, run: str, output: str) -> None:
    """Print the answer to one query; `-` reads it from standard input."""
    asked = sys.stdin.read() if query == "-" else query
    _answer(given.lake(), run, lambda _: asked, show_answer, output)


def head(given: Invocation, entity: str, run: str, output: str, *, rows: int, columns: str | None) -> None:
    """Print the first rows of an entity type."""

    def question(tables: dict[str, EntityTable]) -> str:
        return first_rows(tables, entity, rows=rows, columns=columns.split(",") if columns else None)

    _answer(given.lake(), run, question, show_answer if columns else show_records, output)


def ddl(
    given: Invocation, dialect: str, entities: tuple[str, ...], run: str, *, location: str | None, schema: str | None
) -> None:
    """Print statements that create tables over the lake."""
    lake = given.lake()
    names = [table.entity for table in chosen(tables_of(find_run(lake, run)), entities)]
    every = _readable_by(dialect, lake, histories(lake)).tables
    where = location or (lake.store.uri() if dialect == "duckdb" else None)
    named = [every[name] for name in names]
    # All of them, or none: an engine may be unable to read the tables of this lake.
    for statement in tuple(statements(cast("Engine", dialect), named, location=where, schema=schema)):
        click.echo(statement)


def views(
    given: Invocation, engine: str, run: str, *, location: str | None, schema: str | None, into: str | None
) -> None:
    """Print statements that create the views, or write them as models of dbt into a new folder."""
    if (engine == "dbt") != (into is not None):
        raise UsageError("dbt has a file for each view: name a folder with --into" if into is None else ONLY_DBT)
    if into is not None and schema is not None:
        raise UsageError("dbt sets the schema of its models itself; omit --schema")
    lake = given.lake()
    now, days = tables_of(find_run(lake, run)), _readable_by(engine, lake, histories(lake))
    where = location or (lake.store.uri() if engine in ("duckdb", "dbt") else None)
    if into is not None:
        _write_models(Path(into), dict(models(now, days, where or "")))
        return
    for statement in tuple(view_statements(cast("Engine", engine), now, days, location=where, schema=schema)):
        click.echo(statement)


def _readable_by(engine: str, lake: Lake, days: Histories) -> Histories:
    """The days. Raises: UsageError where this engine would read files that are no rows of them."""
    if engine not in ("duckdb", "dbt") and any(one.table.exact and not one.table.pin for one in days.tables.values()):
        told = f"the lake {lake.name!r} has visible = {BY_MANIFEST}, and {engine} reads whole folders"
        more = "in which replaced and unpublished files are as well; use duckdb, or tables (`format` in [lake])"
        raise UsageError(f"{told}, {more}")
    return days


def _write_models(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, "utf-8")
    except OSError as error:
        raise UsageError(f"the models cannot be written to {str(folder)!r}: {error.strerror}") from error
    click.echo(f"{len(files) - 1} models in {folder}")


def _answer(
    lake: Lake,
    run: str,
    question: Callable[[dict[str, EntityTable]], str],
    show: Callable[[Answer, Console], None],
    output: str,
) -> None:
    with ExitStack() as opened:

        def work(found: tuple[FoundRun, ...]) -> Answer:
            tables = tables_of(found[0])
            asked = question(tables)
            return opened.enter_context(query_session(lake, tables)).ask(asked)

        answer = read_as_meant(lake, (run,), work)
        if output == "text":
            show(answer, plain_console(sys.stdout))
        elif output == "json":
            write_json(answer, sys.stdout)
        else:
            write_csv(answer, sys.stdout, excel=output == "excel")


def write_json(answer: Answer, stream: TextIO) -> None:
    """Write a list of objects in plain ASCII, one per line, as the rows arrive."""
    names, first = distinct(answer.names), True
    for row in answer.rows:
        line = json.dumps(dict(zip(names, map(plain, row), strict=True)))
        stream.write(("[\n  " if first else ",\n  ") + line)
        first = False
    stream.write("[]\n" if first else "\n]\n")


def write_csv(answer: Answer, stream: TextIO, *, excel: bool = False) -> None:
    """Write a header and one line per row; lists and objects as JSON."""
    add = sheet(stream, answer.names, excel=excel)
    for row in answer.rows:
        add(row)


def show_answer(answer: Answer, console: Console) -> None:
    """Print a table of the first thousand rows, and say so if there are more."""
    rows = list(islice(answer.rows, MOST_ROWS + 1))
    cells = tuple(tuple(_cell(value) for value in row) for row in rows[:MOST_ROWS])
    sides = tuple[Side, ...]("right" if is_number else "left" for is_number in answer.numeric)
    whole = Table(tuple(visible(name, most=MOST_CELL) for name in answer.names), sides, cells)
    table, columns = narrowed(whole, console.width) if console.is_terminal else (whole, len(whole.titles))
    print_table(table, console)
    if columns < len(whole.titles):
        print_line(f"{columns} of {len(whole.titles)} columns shown; --output csv for all", console)
    if len(rows) > MOST_ROWS:
        told = f"only the first {number(MOST_ROWS)} rows are shown; use --output csv or json to get all of them"
        print_line(told, console)


def _cell(value: object) -> str:
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else words(value, most=MOST_CELL)


def show_records(answer: Answer, console: Console) -> None:
    """Print one record below the other, a line per column with a value: for rows of a hundred columns."""
    count = 0
    for count, row in enumerate(answer.rows, start=1):
        if count > 1:
            console.print()
        table = Table(("column", "value"), ("name", "left"), tuple(_lines(answer.names, row)))
        print_table(replace(table, titles=(f"row {count}", "")), console)
    if not count:
        console.print(Text("no rows"), soft_wrap=True)


def _lines(names: Sequence[str], row: Sequence[object]) -> Iterator[tuple[str, str]]:
    for name, value in zip(names, row, strict=True):
        if value is not None and value != []:
            yield name, words(value, most=MOST_CELL)
