"""`axsync plan`: what a run would do and cost."""

from __future__ import annotations

import sys

import click

from axsync.cli.options import OUTPUT, complete_entities, doors, manner, settings, source_options, speech_options

EPILOG = """\b
Examples:
  axsync plan                                everything the instance offers
  axsync plan devices users --as-of 2026-11-01
  axsync plan --instance prod --output json | jq .seconds

\b
Bytes a row, requests and pace are those of earlier runs in the lake; where there are none, the result says what was
guessed. Nothing is written, and no lock is taken.

\b
Exit codes: 0 planned, 2 usage or configuration, 3 an instance could not be asked, 4 refused credential,
75 no instance could be reached."""


@click.command(epilog=EPILOG)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@click.option("--lake", metavar="URI", help="A folder.")
@click.option("--date", "logical_date", metavar="DAY", help="The dt partition; today (UTC) by default.")
@click.option("--as-of", metavar="DAY|latest", help="A day of Axonius history instead of live data.")
@click.option("--limit", type=int, metavar="N", help="At most so many rows per entity type.")
@click.option("--fresh", is_flag=True, default=None, help="As if no run had begun or finished today.")
@speech_options
@click.pass_context
def plan(context: click.Context, /, **overrides: object) -> None:
    """What a run would read and cost: counts, requests, MB, minutes, rights; what it would go on with or skip."""
    from axsync.console.planning import plan_exit_code, plan_json, show_plan  # noqa: PLC0415  --help must not wait
    from axsync.console.session import Stopped, notices, plain_console, until_done  # noqa: PLC0415  as above

    asked = settings(context, **overrides)
    try:
        planned = until_done(lambda: doors(context).plan(asked, observers=[notices(manner(context))]))
    except Stopped as stopped:
        click.echo("interrupted", err=True)
        context.exit(stopped.exit_code)
    if context.meta[OUTPUT] == "json":
        click.echo(plan_json(planned))
    else:
        show_plan(planned, plain_console(sys.stdout))
    context.exit(plan_exit_code(planned))
