"""`axsync plan`: what a run would do and cost."""

from __future__ import annotations

import sys

import click

from axsync.cli.options import (
    OUTPUT,
    complete_entities,
    output_options,
    run_options,
    services,
    settings,
    source_options,
    speech_options,
)

EPILOG = """\b
Examples:
  axsync plan                                everything that the instance offers
  axsync plan devices users --as-of 2026-11-01
  axsync plan --instance prod --output json | jq .seconds

\b
Bytes per row, requests and rates are taken from earlier runs in the lake; what is guessed is marked. Nothing is
written, and no lock is taken.

\b
Exit codes: 0 planned, 2 usage or configuration, 3 an instance could not be asked, 4 refused credential,
75 no instance could be reached."""


@click.command(epilog=EPILOG)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@run_options
@click.option("--fresh", is_flag=True, default=None, help="Plan as if no run had started or finished today.")
@speech_options
@click.pass_context
def plan(context: click.Context, /, **overrides: object) -> None:
    """What a run would read and cost: counts, requests, MB, minutes, rights; what it would resume or skip."""
    from axsync.console.planning import plan_exit_code, plan_json, show_plan  # noqa: PLC0415  --help must not wait
    from axsync.console.session import Stopped, notices, plain_console, until_done  # noqa: PLC0415  as above

    asked = settings(context, **overrides)
    try:
        planned = until_done(lambda: services(context).plan(asked, observers=[notices(output_options(context))]))
    except Stopped as stopped:
        click.echo("interrupted", err=True)
        context.exit(stopped.exit_code)
    if context.meta[OUTPUT] == "json":
        click.echo(plan_json(planned))
    else:
        show_plan(planned, plain_console(sys.stdout))
    context.exit(plan_exit_code(planned))
