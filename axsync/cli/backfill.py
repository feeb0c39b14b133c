"""`axsync backfill`: days of history, each as its own day."""

from functools import partial

import click

from axsync.cli.completing import complete_entities
from axsync.cli.options import lake_option, perform, question_options, source_options, speech_options

BACKFILL = """\b
Examples:
  axsync backfill --from 2026-11-01                    up to yesterday
  axsync backfill --from 2026-10-01 --to 2026-10-31 devices users
  axsync backfill --from 2026-11-01 --dry-run          list available days
  axsync backfill --from 2026-01-01 --share 100 --deadline 300

Exit codes: 0 the lake has all of these days, 1 failed, 2 usage or configuration (nothing was sent), 3 days or
entity types are missing or not reached yet, 4 refused credential, 5 a guard refused to publish a type, 75 try later,
130/143 interrupted, terminated. The same command continues where it stopped."""


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
    help="Use this share of `requests_per_second` and `in_flight`.",
)
@click.option("--dry-run", is_flag=True, default=None, help="List the available days; write nothing.")
@click.option(
    "--accept-drop", is_flag=True, default=None, help="Publish even if a day has far fewer assets than its neighbour."
)
@click.option(
    "--deadline",
    "deadline_minutes",
    type=float,
    metavar="MINUTES",
    help="Stop after this time; the same command continues.",
)
@click.option(
    "--on-finish", metavar="COMMAND", help="Run COMMAND at the end, with the summary as JSON on standard input."
)
@partial(speech_options, verbose="Also log each page; print tracebacks of bugs.")
@click.pass_context
def backfill(context: click.Context, /, first: str, last: str, share: int, **overrides: object) -> None:
    """Copy days of Axonius history, newest first: the named entity types, or all that have history.

    Each day becomes a snapshot of its own, as with `axsync run --as-of DAY`. `latest` only moves to a newer day. Days
    that the lake has are not read again. Live data is never replaced by history. A day that the server does not have is
    reported and left out.

    By default, a backfill uses half of the request limits. It yields to other runs of the same lake: it saves what it
    has read, which takes a few seconds, and continues after them.
    """
    perform(context, "axsync.cli.reported_backfill:backfill", first=first, last=last, share=share, **overrides)
