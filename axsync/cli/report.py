"""`axsync report`: writes the page about a run again, from the files in the lake."""

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
    help="Where to write the page; default: beside the journal of the run.",
)
@lake_options
@speech_options
@click.pass_context
def report(context: click.Context, /, run: str, into: Path | None) -> None:
    """Write an HTML page about a run: verdict, timeline, rows against earlier snapshots, drift, files.

    RUN is an id, the start of one, a day such as 2026-11-23, `latest`, or `latest~1`, the snapshot of the day before it
    (`latest~N` counts days with a snapshot). The page is self-contained: open it in a browser, mail it, print it. The
    command prints its path. For a run that published nothing it prints the path of the page that the run left.
    """
    from axsync.console.listing import as_json_object  # noqa: PLC0415  --help must not wait for it
    from axsync.console.report import rewrite  # noqa: PLC0415  as above

    page = rewrite(lake(context), run, into)
    if context.meta[OUTPUT] == "json":
        click.echo(as_json_object({"run_id": page.run_id, "report": page.path}))
    else:
        click.echo(page.path)
