"""`axsync backfill`: days of history, each as its own day."""

from functools import partial

import click

from axsync.cli.completing import complete_entities
from axsync.cli.options import lake_option, perform, question_options, source_options, speech_options

BACKFILL = """\b
Examples:
  axsync backfill --from 2026-11-01                    up to yesterday
  axsync backfill --from 2026-10-01 --to 2026-10-31 devices users
  axsync backfill --from 2026-11-01 --dry-run          which days there are
  axsync backfill --from 2026-01-01 --share 100 --deadline 300

Exit codes: 0 the lake has all of these days, 1 failed, 2 usage or configuration (nothing was sent), 3 days or
entity types are missing or not reached yet, 4 refused credential, 5 a guard held back a type, 75 try later,
130/143 interrupted, terminated. The same command goes on where it was stopped."""


@click.command(epilog=BACKFILL)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@click.option("--from", "first", required=True, metavar="DAY", help="The oldest day.")
@click.option("--to", "last", default="yesterday", show_default=True, metavar="DAY", help="The newest day.")
@lake_option()
@question_options
@click.option(
    "--share",
    type=click.IntRange(1, 100),
    default=50,
    show_default=True,
    metavar="PERCENT",
    help="Use so much of `requests_per_second` and `in_flight`.",
)
@click.option("--dry-run", is_flag=True, default=None, help="Look which days there are; write nothing.")
@click.option(
    "--accept-drop", is_flag=True, default=None, help="Publish even if a day has far fewer assets than its neighbour."
)
@click.option(
    "--deadline",
    "deadline_minutes",
    type=float,
    metavar="MINUTES",
    help="Stop after this time; the same command goes on.",
)
@click.option(
    "--on-finish", metavar="COMMAND", help="Run COMMAND at the end, with the summary as JSON on standard input."
)
@partial(speech_options, verbose="Also log each page; print tracebacks of bugs.")
@click.pass_context
def backfill(context: click.Context, /, first: str, last: str, share: int, **overrides: object) -> None:
    """Fill in days of Axonius history, newest first: of the named entity types, or all that have any.

    Each day becomes a snapshot of its own, under its own date, as `axsync run --as-of DAY` makes it. `latest` stays as
    it is, unless it is older. Days that are there are not read again, and live data are never replaced by history. A
    day that the server does not have is reported, and nothing is made up for it.

    A backfill takes half of the request limits, and makes way for other runs of the same lake: they wait a few
    seconds until it has stored what it has read, and it goes on behind them.
    """
    perform(context, "axsync.cli.reported_backfill:backfill", first=first, last=last, share=share, **overrides)
