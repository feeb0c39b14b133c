"""`axsync sql`, `axsync head` and `axsync ddl`: a snapshot for those who speak SQL; no instance is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from axsync.cli.options import complete_entities, complete_runs, lake, lake_options

if TYPE_CHECKING:
    from axsync.lake.publish import Lake
    from axsync.sql import Answer, EntityTable

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

SQL = """\b
Examples:
  axsync sql "select entity, count(*) from devices group by all"
  axsync sql "show tables"
  axsync sql --output csv "select * from users" > users.csv
  axsync sql --run latest~1 - < question.sql

\b
Exit codes: 0 answered, 2 the query or the lake is not as it should be."""

HEAD = """\b
Examples:
  axsync head devices
  axsync head users -n 20 --columns username,mail,last_seen
  axsync head devices -n 1 --output json"""

DDL = """\b
Examples:
  axsync ddl athena devices --location s3://acme-lake/axonius
  axsync ddl duckdb > lake.sql && duckdb -init lake.sql
  axsync ddl trino --schema hive.axonius --location s3://acme-lake/axonius"""


def _run_option(function: Decorated) -> Decorated:
    told = "Another snapshot than the newest: an id, a day, or `latest~1`."
    made = click.option("--run", default="latest", metavar="RUN", shell_complete=complete_runs, help=told)
    return made(function)


def _output_option(function: Decorated) -> Decorated:
    forms = click.Choice(["text", "json", "csv"])
    return click.option("--output", type=forms, default="text", show_default=True, help="Form of the answer.")(function)


@click.command(epilog=SQL)
@click.argument("query")
@_run_option
@lake_options
@_output_option
@click.pass_context
def sql(context: click.Context, /, query: str, run: str, output: str) -> None:
    """Ask a snapshot with DuckDB; QUERY is one SELECT, or - to read it from standard input.

    Tables are called as the entity types are, and have `entity`, `instance` and `dt` besides the columns that `axsync
    fields` lists. What is asked is one snapshot, as its manifest has it, whatever is published meanwhile. A query can
    read these tables and nothing else, and write nothing.
    """
    from axsync.console.answer import show_answer  # noqa: PLC0415  --help must not wait for it

    asked = sys.stdin.read() if query == "-" else query
    _answer(context, run, lambda _: asked, show_answer, output)


@click.command(epilog=HEAD)
@click.argument("entity", shell_complete=complete_entities)
@click.option("-n", "rows", type=click.IntRange(0), default=3, show_default=True, help="So many rows.")
@click.option("--columns", metavar="NAMES", help="Only these, separated by commas.")
@_run_option
@lake_options
@_output_option
@click.pass_context
def head(context: click.Context, /, entity: str, rows: int, columns: str | None, run: str, output: str) -> None:
    """The first rows of an entity type, one below the other, without what is empty."""
    from axsync.console.answer import show_answer, show_records  # noqa: PLC0415  --help must not wait for it
    from axsync.sql.tables import first_rows  # noqa: PLC0415  as above

    def question(tables: dict[str, EntityTable]) -> str:
        return first_rows(tables, entity, rows=rows, columns=columns.split(",") if columns else None)

    _answer(context, run, question, show_answer if columns else show_records, output)


@click.command(epilog=DDL)
@click.argument("dialect", type=click.Choice(["athena", "trino", "snowflake", "duckdb"]))
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@click.option("--location", metavar="URI", help="Where the engine finds the lake; DuckDB: where it is here.")
@click.option("--schema", metavar="NAME", help="The schema or database of the tables.")
@_run_option
@lake_options
@click.pass_context
def ddl(
    context: click.Context,
    /,
    dialect: str,
    entities: tuple[str, ...],
    location: str | None,
    schema: str | None,
    run: str,
) -> None:
    """Print the statements that make the lake a set of tables elsewhere; all entity types where none is named.

    Columns and types are those of the newest snapshot, the tables span all days that lie in the lake.
    """
    from axsync.sql.ddl import statements  # noqa: PLC0415  --help must not wait for it
    from axsync.sql.tables import chosen  # noqa: PLC0415  as above

    looked_at, tables = _looked(context, run)
    where = location or (str(looked_at.root.resolve()) if dialect == "duckdb" else None)
    for statement in statements(dialect, chosen(tables, entities), location=where, schema=schema):
        click.echo(statement)


def _looked(context: click.Context, run: str) -> tuple[Lake, dict[str, EntityTable]]:
    from axsync.lake.history import find_run  # noqa: PLC0415  --help must not wait for it
    from axsync.sql import tables_of  # noqa: PLC0415  as above

    looked_at = lake(context)
    return looked_at, tables_of(find_run(looked_at, run))


def _answer(
    context: click.Context,
    run: str,
    question: Callable[[dict[str, EntityTable]], str],
    show: Callable[[Answer, Any], None],
    output: str,
) -> None:
    from axsync.console.answer import write_csv, write_json  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import plain_console  # noqa: PLC0415  as above
    from axsync.sql import query_session  # noqa: PLC0415  as above

    looked_at, tables = _looked(context, run)
    asked = question(tables)
    with query_session(looked_at, tables) as place:
        answer = place.ask(asked)
        if output == "text":
            show(answer, plain_console(sys.stdout))
        elif output == "json":
            write_json(answer, sys.stdout)
        else:
            write_csv(answer, sys.stdout)
