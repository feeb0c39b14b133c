"""`axsync verify`, `gc` and `forget`: checks a snapshot against its manifest; removes what the lake should not keep."""

from functools import partial

import click

from axsync.cli.completing import complete_runs
from axsync.cli.options import lake_options, perform, speech_options

VERIFY = """\b
Examples:
  axsync verify latest
  axsync verify 2026-11-23 --lake /srv/lake
  axsync verify latest --output json | jq '.lanes[].faults'

Exit codes: 0 everything matches the manifest, 1 something differs, 2 there is no such run."""

GC = """\b
Examples:
  axsync gc                      list what would be deleted, and why
  axsync gc -v                   list each path as well
  axsync gc --yes                delete it

\b
Retention is set in axsync.toml. A snapshot is kept if any rule keeps it:
  [lake]
  gc = true                      each run that publishes does this by itself
  keep_last = 3                  the 3 newest snapshots, by logical date
  keep_daily = 30                the newest of each of 30 days that have one;
                                 keep_weekly and keep_monthly likewise
  keep_days = 90                 all that finished within 90 days
Without any of them: keep_last = 14 and keep_days = 90.

Exit codes: 0 done, 1 disk error, 2 there is no lake, or a manifest cannot be read (nothing is removed then),
75 a run is using the lake."""
FORGET = """\b
Examples:
  axsync forget 2031-01-01             show what of that day would be removed
  axsync forget 2031-01-01 --yes       remove it
  axsync forget 20261123T02 --yes      one run

Exit codes: 0 done, 1 disk error, 2 there is no such run, or a manifest cannot be read (nothing is removed then),
75 a run is using the lake."""


@click.command(epilog=VERIFY)
@click.argument("run", default="latest", shell_complete=complete_runs)
@lake_options
@speech_options
@click.pass_context
def verify(context: click.Context, /, run: str) -> None:
    """Read every file of a snapshot and compare it with the manifest.

    Checks SHA-256, size, rows, columns, and that no id occurs twice. Reports missing files, and part files that no
    manifest names. RUN is an id, the start of one, a day such as 2026-11-23, `latest`, or `latest~1`.
    """
    perform(context, "axsync.console.gc:verify", run=run)


@click.command(epilog=GC)
@click.option("--yes", is_flag=True, help="Delete the files; by default they are only listed.")
@lake_options
@partial(speech_options, verbose="Also list each path; print tracebacks of bugs.")
@click.pass_context
def gc(context: click.Context, /, *, yes: bool) -> None:
    """List files the lake no longer needs; --yes deletes them.

    These are: staging of abandoned runs; manifests, part files, journals and dead letters beyond the retention; part
    files that no manifest names; leftovers of interrupted writes. Never removed are: what `latest.json` needs, runs
    that can be resumed, snapshots within the retention, and files that axsync did not write. For each snapshot, the
    output names the rules that keep it.
    """
    perform(context, "axsync.console.gc:gc", yes=yes)


@click.command(epilog=FORGET)
@click.argument("run", metavar="RUN|DAY", shell_complete=complete_runs)
@click.option("--yes", is_flag=True, help="Remove it; by default it is only shown.")
@lake_options
@speech_options
@click.pass_context
def forget(context: click.Context, /, run: str, *, yes: bool) -> None:
    """Show or remove one snapshot, or all of a day.

    RUN is an id, the start of one, `latest`, or `latest~1`. DAY is a logical date, `today` or `yesterday`, and means
    all of its snapshots. This removes the manifest, journal, report, dead letters, and files that no other snapshot
    uses. `latest` is then the snapshot of the day before. Data that the removed snapshot had replaced is not restored.
    """
    perform(context, "axsync.console.forget:forget", run=run, yes=yes)
