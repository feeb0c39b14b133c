"""`axsync run`."""

import click

from axsync.cli.brisk import brisk_imports
from axsync.cli.options import complete_entities, source_options, speech_options

EPILOG = """\b
Examples:
  axsync run                                everything the instance offers
  axsync run devices users --limit 1000     a first look
  axsync run --as-of 2026-11-01 --lake history
  axsync run -q --log-format json --on-finish 'notify --channel lake'

\b
Variables: AX_URL, AX_KEY and AX_SECRET, where no settings file names an instance; AXSYNC_LAKE;
NO_COLOR; HTTPS_PROXY, HTTP_PROXY and NO_PROXY; OTEL_* with --otel.

\b
Files: ./axsync.toml, or that of --config; in the lake _axsync/latest.json, _axsync/snapshots/RUN.json
(the manifest) and _axsync/runs/RUN/ (journal, report, dead letters).

\b
Exit codes: 0 complete, 1 failed, 2 usage or configuration (nothing was sent), 3 partial or drifted,
4 refused credential, 5 a guard refused to publish, 75 try later, 130/143 interrupted, terminated.
Only 75 is worth an automatic retry."""


@click.command(epilog=EPILOG)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@click.option("--lake", metavar="URI", help="A folder.")
@click.option("--date", "logical_date", metavar="DAY", help="The dt partition; today (UTC) by default.")
@click.option("--as-of", metavar="DAY|latest", help="A day of Axonius history instead of live data.")
@click.option("--limit", type=int, metavar="N", help="At most so many rows per entity type.")
@click.option("--dry-run", is_flag=True, default=None, help="Count what would be copied; write nothing.")
@click.option("--fresh/--resume", default=None, help="Begin anew, or where an unfinished run ended (default).")
@click.option("--accept-drop", is_flag=True, default=None, help="Publish although far fewer assets came.")
@click.option(
    "--publish",
    type=click.Choice(["what-is-whole", "all-or-nothing"]),
    help="Where a type failed: the others, or none.",
)
@click.option("--deadline", "deadline_minutes", type=float, metavar="MINUTES", help="Publish what is whole by then.")
@click.option("--wait-stable", "wait_stable_minutes", type=float, metavar="MINUTES", help="Wait for discovery to end.")
@click.option("--metrics-file", metavar="PATH", help="Prometheus text file about the run.")
@click.option("--lineage-file", metavar="PATH", help="OpenLineage events, appended as JSON lines.")
@click.option("--otel", is_flag=True, default=None, help="Traces and metrics to the collector of the OTEL_* variables.")
@click.option("--on-finish", metavar="COMMAND", help="Gets the summary as JSON on standard input, however it ended.")
@speech_options
@click.pass_context
def run(context: click.Context, /, **overrides: object) -> None:
    """Dump entity types into the lake: the named ones, or all that are offered.

    All of them become one snapshot, published in one step at the end. A run that was interrupted is gone on with by the
    same command; one that has finished is not repeated on the same day, unless --fresh is given. An entity type that
    fails does not stop the others: the files of the snapshot before stand in for it.
    """
    with brisk_imports():
        from axsync.cli.watch import watched_run  # noqa: PLC0415  brings pyarrow and aiohttp; --help must not wait

    context.exit(watched_run(context, overrides))
