"""`axsync sql`, `head`, `views` and `ddl`: a snapshot in SQL. No instance is contacted."""

import click

from axsync.cli.completing import complete_held, complete_runs
from axsync.cli.options import Decorated, lake_options, perform

SQL = """\b
Examples:
  axsync sql "select entity, count(*) from devices group by all"
  axsync sql "show tables"
  axsync sql --output csv "select * from users" > users.csv
  axsync sql --output excel "select * from users" > for-excel.csv
  axsync sql --run latest~1 - < question.sql

Exit codes: 0 answered, 1 not enough memory or disk space, 2 the query failed or the lake cannot be read."""

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


VIEWS = """\b
Examples:
  axsync views duckdb > views.sql && duckdb -init views.sql
  axsync views trino --schema hive.axonius --location s3://acme-lake/axonius
  axsync views dbt --into models/axsync"""


def _run_option(function: Decorated) -> Decorated:
    told = "Snapshot to read: a run id, a day, `latest`, or `latest~1`."
    made = click.option("--run", default="latest", metavar="RUN", shell_complete=complete_runs, help=told)
    return made(function)


def _output_option(function: Decorated) -> Decorated:
    forms = click.Choice(["text", "json", "csv", "excel"])
    told = "Format of the result on stdout; excel: CSV that Excel reads as UTF-8."
    return click.option("--output", type=forms, default="text", show_default=True, help=told)(function)


@click.command(epilog=SQL)
@click.argument("query")
@_run_option
@lake_options
@_output_option
@click.pass_context
def sql(context: click.Context, /, query: str, run: str, output: str) -> None:
    """Query a snapshot with DuckDB. QUERY is one SELECT, or - to read it from standard input.

    Each entity type is a table of the same name, with the columns `entity`, `instance` and `dt` in addition to those
    that `axsync fields` lists. The query sees one snapshot, even if a run publishes meanwhile. There are also views,
    such as `devices_flat`, `findings`, `lanes`, and `devices_history` with all days; see docs/reading.md. The query can
    read nothing else and write nothing.
    """
    perform(context, "axsync.console.sql:sql", query=query, run=run, output=output)


@click.command(epilog=HEAD)
@click.argument("entity", shell_complete=complete_held)
@click.option("-n", "rows", type=click.IntRange(0), default=3, show_default=True, help="Number of rows.")
@click.option("--columns", metavar="NAMES", help="Only these columns, separated by commas.")
@_run_option
@lake_options
@_output_option
@click.pass_context
def head(context: click.Context, /, entity: str, rows: int, columns: str | None, run: str, output: str) -> None:
    """Show the first rows of an entity type, one below the other, without empty values."""
    given = {"entity": entity, "rows": rows, "columns": columns, "run": run, "output": output}
    perform(context, "axsync.console.sql:head", **given)


@click.command(epilog=DDL)
@click.argument("dialect", type=click.Choice(["athena", "trino", "snowflake", "duckdb"]))
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_held)
@click.option("--location", metavar="URI", help="Where the engine finds the lake; default for DuckDB: its local path.")
@click.option("--schema", metavar="NAME", help="Schema or database of the tables.")
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
    """Print statements that create tables over the lake, for the named entity types or all of them.

    The entity types are those of one snapshot. Columns and types are those of the lake, and the tables span all its
    days.
    """
    given = {"dialect": dialect, "entities": entities, "location": location, "schema": schema, "run": run}
    perform(context, "axsync.console.sql:ddl", **given)


@click.command(epilog=VIEWS)
@click.argument("engine", type=click.Choice(["duckdb", "trino", "athena", "snowflake", "dbt"]))
@click.option("--location", metavar="URI", help="Where the engine finds the lake; default for DuckDB: its local path.")
@click.option("--schema", metavar="NAME", help="Schema or database of the views.")
@click.option("--into", metavar="FOLDER", help="Folder for the models; dbt only.")
@_run_option
@lake_options
@click.pass_context
def views(
    context: click.Context,
    /,
    engine: str,
    location: str | None,
    schema: str | None,
    into: str | None,
    run: str,
) -> None:
    """Print statements that create the views of `axsync sql` in another engine.

    They show one snapshot, and all days in `<entity>_history`. Print them again after each run. For dbt, write models
    for DuckDB and their tests.
    """
    given = {"engine": engine, "location": location, "schema": schema, "into": into, "run": run}
    perform(context, "axsync.console.sql:views", **given)
