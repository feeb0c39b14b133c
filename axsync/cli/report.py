"""`axsync report`: a page about a run, written anew from what lies in the lake."""

from __future__ import annotations

from pathlib import Path

import click

from axsync.cli.options import OUTPUT, complete_runs, lake, lake_options, speech_options

EPILOG = """\b
Examples:
  axsync report latest
  axsync report latest~1                    the snapshot of the day before
  axsync report 2026-11-23                  the newest one of that day
  axsync report 20261123T02 --into /tmp/report.html"""


@click.command(epilog=EPILOG)
@click.argument("run", shell_complete=complete_runs)
@click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the page goes; otherwise beside the journal of the run.",
)
@lake_options
@speech_options
@click.pass_context
def report(context: click.Context, /, run: str, into: Path | None) -> None:
    """One HTML page about a run: verdict, timeline, rows against earlier snapshots, drift, files.

    RUN is an id, the beginning of one, a day such as 2026-11-23, `latest`, or `latest~1`, the
    snapshot of the day before it (`latest~N`: N days that have one). The page needs nothing else: open it in a browser,
    mail it, print it. Prints where it is. Of a run that published nothing there is the page that its end left.
    """
    from axsync.console.listing import as_json_object  # noqa: PLC0415  --help must not wait for it
    from axsync.console.report import rewrite  # noqa: PLC0415  as above

    page = rewrite(lake(context), run, into)
    if context.meta[OUTPUT] == "json":
        click.echo(as_json_object({"run_id": page.run_id, "report": str(page.path)}))
    else:
        click.echo(str(page.path))
