"""`axsync forget`: removes snapshots that should not be, such as one of a mistyped day."""

import click

from axsync.cli.completing import complete_runs
from axsync.cli.options import lake_options, perform, speech_options

FORGET = """\b
Examples:
  axsync forget 2031-01-01             show what of that day would be removed
  axsync forget 2031-01-01 --yes       remove it
  axsync forget 20261123T02 --yes      one run

Exit codes: 0 done, 1 disk error, 2 there is no such run, or a manifest cannot be read (nothing is removed then),
75 a run is using the lake."""


@click.command(epilog=FORGET)
@click.argument("run", metavar="RUN|DAY", shell_complete=complete_runs)
@click.option("--yes", is_flag=True, help="Remove it; by default it is only shown.")
@lake_options
@speech_options
@click.pass_context
def forget(context: click.Context, /, run: str, *, yes: bool) -> None:
    """Show or remove one snapshot, or all of a day.

    RUN is an id, the start of one, `latest`, or `latest~1`. DAY is a logical date, `today` or `yesterday`, and means
    all of its snapshots. Removed are manifest, journal, report, dead letters, and files that no other snapshot names.
    `latest` is then the snapshot of the day before. What the removed one had replaced does not come back.
    """
    perform(context, "axsync.console.forget:forget", run=run, yes=yes)
