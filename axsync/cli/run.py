"""`axsync run`, `axsync plan` and `axsync demo`: copy an instance, say what that costs, try it without an account."""

from functools import partial

import click

from axsync.cli.completing import complete_entities, complete_files
from axsync.cli.options import (
    lake_option,
    perform,
    run_options,
    source_options,
    speech_options,
)

PAGES = "Also log each page; print tracebacks of bugs."
RUN = """\b
Examples:
  axsync run                           everything that the instance offers
  axsync run devices users --limit 1000 --lake try             a first look
  axsync run devices --fields hostname,os_type,last_seen \\
    --query '("specific_data.data.os.type" == "Windows")'
  axsync run devices --lake linux \\
    --saved-query "Linux machines" --fields saved-query
  axsync run --skip tickets            everything but one type
  axsync run --as-of 2026-11-01        that day of history, as that day
  axsync run -q --log-format json --on-finish 'notify --channel lake'

Variables: AX_URL, AX_KEY and AX_SECRET, if no settings file names an instance; AXSYNC_LAKE;
NO_COLOR; HTTPS_PROXY, HTTP_PROXY and NO_PROXY; OTEL_* with --otel.

Files: ./axsync.toml, or the one given with --config; in the lake _axsync/latest.json, _axsync/snapshots/RUN.json
(the manifest) and _axsync/runs/RUN/ (journal, report, dead letters).

Exit codes: 0 complete, 1 failed, 2 usage or configuration (nothing was sent), 3 partial or drifted,
4 refused credential, 5 a guard refused to publish, 75 try later, 130/143 interrupted, terminated,
141 output closed early. Only 75 is worth an automatic retry."""

PLAN = """\b
Examples:
  axsync plan                          everything that the instance offers
  axsync plan devices users --as-of 2026-11-01
  axsync plan --instance prod --output json | jq .seconds
  axsync plan --shards 4 > plan.json   one run, to be read by four processes

Bytes per row, requests and rates come from earlier runs in the lake; assumptions are listed. Nothing is written, and no
lock is taken.

Exit codes: 0 planned, 2 usage or configuration, 3 an instance could not be queried, 4 refused credential,
75 no instance could be reached."""


@click.command(epilog=RUN)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@run_options
@click.option("--dry-run", is_flag=True, default=None, help="Count the rows that would be copied; write nothing.")
@click.option(
    "--fresh/--resume",
    default=None,
    help="Start over, or only resume an unfinished run. Default: resume, then read today if that run was of yesterday.",
)
@click.option("--accept-drop", is_flag=True, default=None, help="Publish even if far fewer assets came than last time.")
@click.option(
    "--replace-worse",
    is_flag=True,
    default=None,
    help="Replace data of this day even with worse data: cut, incomplete, history, other rows.",
)
@click.option(
    "--publish",
    type=click.Choice(["what-is-whole", "all-or-nothing"]),
    help="If an entity type fails, publish the rest or nothing.",
)
@click.option(
    "--deadline",
    "deadline_minutes",
    type=float,
    metavar="MINUTES",
    help="Stop after this time and publish what is complete.",
)
@click.option(
    "--wait-stable",
    "wait_stable_minutes",
    type=float,
    metavar="MINUTES",
    help="Wait up to this time for a discovery cycle to end.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Read with workers of a Dask cluster: tcp://HOST:8786, or local:4 for 4 local processes.",
)
@click.option(
    "--metrics-file", metavar="PATH", shell_complete=complete_files, help="Write a Prometheus text file about the run."
)
@click.option(
    "--lineage-file", metavar="PATH", shell_complete=complete_files, help="Append OpenLineage events as JSON lines."
)
@click.option(
    "--otel", is_flag=True, default=None, help="Send traces and metrics to the collector set by the OTEL_* variables."
)
@click.option(
    "--on-finish", metavar="COMMAND", help="Run COMMAND at the end, with the summary as JSON on standard input."
)
@partial(speech_options, verbose=PAGES)
@click.pass_context
def run(context: click.Context, /, **overrides: object) -> None:
    """Copy entity types into the lake: the named ones, or all that are offered.

    All of them become one snapshot, published in one step at the end. The same command resumes an interrupted run, and
    then reads today if that run was of yesterday. A finished run is not repeated on the same day, unless --fresh is
    given. If an entity type fails, the others continue, and the snapshot keeps the files that the previous one has of
    that type.

    Data of a day is never replaced by worse data: rows cut by --limit, an incomplete read, history in place of live
    data, or the rows of another query. --replace-worse allows it.
    """
    perform(context, "axsync.cli.reported_run:run", **overrides)


@click.command(epilog=PLAN)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@run_options
@click.option("--fresh", is_flag=True, default=None, help="Plan as if no run had started or finished today.")
@click.option(
    "--shards",
    type=click.IntRange(1, 10_000),
    metavar="K",
    help="Print a plan with K shards, as JSON for `axsync work` and `axsync publish`.",
)
@speech_options
@click.pass_context
def plan(context: click.Context, /, **overrides: object) -> None:
    """Estimate a run: counts, requests, MB, minutes, and rights, and what it would resume or skip.

    With --shards, print a plan that several processes share. It assigns each host to a shard, by how long each host
    took before. It holds the run id and the settings, with secrets as references. No instance is contacted.
    """
    perform(context, "axsync.console.plan:plan", **overrides)


@click.command(epilog="\b\nExample:\n  axsync demo --rows 20000 --lake /tmp/demo-lake")
@lake_option("demo-lake")
@click.option("--rows", type=click.IntRange(0, 5_000_000), default=2000, show_default=True, help="Number of devices.")
@partial(speech_options, verbose=PAGES)
@click.pass_context
def demo(context: click.Context, /, lake: str | None, rows: int) -> None:
    """Start a small Axonius, copy everything it offers, and query the lake. Needs no account."""
    perform(context, "axsync.cli.demo:demo", lake=lake or "demo-lake", rows=rows)
