"""`axsync runs`, `axsync show` and `axsync report`: inspect past runs. No instance is contacted."""

from pathlib import Path

import click

from axsync.cli.completing import complete_runs
from axsync.cli.options import lake_options, perform, speech_options

REPORT = """\b
Examples:
  axsync report
  axsync report --all                  one page about all runs, with links
  axsync report latest~1               the snapshot of the day before
  axsync report 2026-11-23             the newest one of that day
  axsync report 20261123T02 --into /tmp/report.html"""


@click.command(epilog="\b\nExamples:\n  axsync runs\n  axsync runs --lake /srv/lake --output json")
@lake_options
@speech_options
@click.pass_context
def runs(context: click.Context, /) -> None:
    """List past runs with their verdicts, newest first.

    Runs without a snapshot are `unfinished`, if the same command may resume them, or `given up`. If a manifest or
    journal cannot be read, the other runs are listed, stderr names the file, and the exit code is 2.
    """
    perform(context, "axsync.console.runs:runs")


@click.command(
    epilog="\b\nExamples:\n  axsync show latest\n  axsync show 2026-11-22 --files\n  axsync show latest~1 --output json"
)
@click.argument("run", default="latest", shell_complete=complete_runs)
@click.option("--files", is_flag=True, help="Also list each file.")
@lake_options
@speech_options
@click.pass_context
def show(context: click.Context, /, run: str, *, files: bool) -> None:
    """Show one run in full: counts, retries, repairs, drift, dead letters, files.

    RUN is an id that `axsync runs` lists, the start of one, a day such as 2026-11-23, `latest`, or `latest~1`, the
    snapshot of the day before it.
    """
    perform(context, "axsync.console.runs:show", run=run, files=files)


@click.command(epilog=REPORT)
@click.argument("run", required=False, shell_complete=complete_runs)
@click.option("--all", "every", is_flag=True, help="Write the index of all runs, _axsync/index.html in the lake.")
@click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write the page; default: beside the journal of the run.",
)
@lake_options
@speech_options
@click.pass_context
def report(context: click.Context, /, run: str | None, into: Path | None, *, every: bool) -> None:
    """Write an HTML page about a run: verdict, timeline, rows against earlier snapshots, drift, files.

    Without RUN it is about the latest one. RUN is an id, the start of one, a day such as 2026-11-23, `latest`, or
    `latest~1`, the snapshot of the day before it (`latest~N` counts days with a snapshot). The page is self-contained:
    open it in a browser, mail it, print it. The command prints its path. For a run that published nothing, it prints
    the path of the page that the run wrote.

    With --all, write one page about all runs: verdicts, rows per entity type over time, and links to the reports. The
    links are relative, so that `_axsync` can be served from a folder or a bucket.
    """
    perform(context, "axsync.console.runs:report", run=run, into=into, every=every)
