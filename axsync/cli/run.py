"""`axsync run`."""

import click

from axsync.cli.options import source_options, speech_options

EPILOG = """\b
Examples:
  axsync run                                everything the instance offers
  axsync run devices users --limit 1000     a first look
  axsync run --as-of 2026-11-01 --lake history
  axsync run -q --log-format json --on-finish 'notify --channel lake'"""


@click.command(epilog=EPILOG)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...")
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
    """Dump entity types into the lake: the named ones, or all that are offered."""
    from axsync.cli.watch import watched_run  # noqa: PLC0415  brings pyarrow and aiohttp; --help must not wait for them

    context.exit(watched_run(context, overrides))
