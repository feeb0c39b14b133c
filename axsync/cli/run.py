"""`axsync run` and `axsync demo`. The work is in `cli.watch` and `cli.demo_run`, which are imported when it starts."""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from axsync.cli.options import (
    complete_entities,
    lake_option,
    output_options,
    run_options,
    services,
    source_options,
    speech_options,
)

NUMPY_THREADS = "OPENBLAS_NUM_THREADS"
AUTHORITIES = "SSL_CERT_FILE"

EPILOG = """\b
Examples:
  axsync run                                everything that the instance offers
  axsync run devices users --limit 1000     a first look
  axsync run --as-of 2026-11-01 --lake history
  axsync run -q --log-format json --on-finish 'notify --channel lake'

\b
Variables: AX_URL, AX_KEY and AX_SECRET, if no settings file names an instance; AXSYNC_LAKE;
NO_COLOR; HTTPS_PROXY, HTTP_PROXY and NO_PROXY; OTEL_* with --otel.

\b
Files: ./axsync.toml, or the one given with --config; in the lake _axsync/latest.json, _axsync/snapshots/RUN.json
(the manifest) and _axsync/runs/RUN/ (journal, report, dead letters).

\b
Exit codes: 0 complete, 1 failed, 2 usage or configuration (nothing was sent), 3 partial or drifted,
4 refused credential, 5 a guard refused to publish, 75 try later, 130/143 interrupted, terminated.
Only 75 is worth an automatic retry."""


@click.command(epilog=EPILOG)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@source_options
@run_options
@click.option("--dry-run", is_flag=True, default=None, help="Count the rows that would be copied; write nothing.")
@click.option("--fresh/--resume", default=None, help="Start over, or resume an unfinished run (default).")
@click.option("--accept-drop", is_flag=True, default=None, help="Publish even if far fewer assets came than last time.")
@click.option(
    "--publish",
    type=click.Choice(["what-is-whole", "all-or-nothing"]),
    help="If an entity type fails: publish the others, or nothing.",
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
    help="Wait up to this time for discovery to end.",
)
@click.option("--metrics-file", metavar="PATH", help="Write a Prometheus text file about the run.")
@click.option("--lineage-file", metavar="PATH", help="Append OpenLineage events as JSON lines.")
@click.option(
    "--otel", is_flag=True, default=None, help="Send traces and metrics to the collector set by the OTEL_* variables."
)
@click.option(
    "--on-finish", metavar="COMMAND", help="Run COMMAND at the end, with the summary as JSON on standard input."
)
@speech_options
@click.pass_context
def run(context: click.Context, /, **overrides: object) -> None:
    """Dump entity types into the lake: the named ones, or all that are offered.

    All of them become one snapshot, published in one step at the end. The same command resumes an interrupted run. A
    finished run is not repeated on the same day, unless --fresh is given. If an entity type fails, the others go on,
    and the snapshot keeps its files from the previous one.
    """
    with fast_imports():
        from axsync.cli.watch import watched_run  # noqa: PLC0415  brings pyarrow and aiohttp

    context.exit(watched_run(context, overrides))


@click.command(epilog="\b\nExample:\n  axsync demo --rows 20000 --lake /tmp/demo-lake")
@lake_option(default="demo-lake", show_default=True)
@click.option("--rows", type=click.IntRange(0, 5_000_000), default=2000, show_default=True, help="Number of devices.")
@speech_options
@click.pass_context
def demo(context: click.Context, /, lake: str, rows: int) -> None:
    """Start a small Axonius, dump everything it offers, and query the lake. Needs no account."""
    from axsync.cli.demo_run import demonstrate  # noqa: PLC0415  brings pyarrow and aiohttp

    context.exit(demonstrate(services(context).sync, lake, rows=rows, options=output_options(context)))


@contextmanager
def fast_imports() -> Iterator[None]:
    """Import with GC disabled and without NumPy's thread pool or aiohttp's default TLS contexts, which are never used.

    `client` always passes its own TLS context, and nothing here calls into OpenBLAS. This takes 0.2 s and 0.3 CPU s off
    each run (docs/benchmarks/profile.md). The previous settings are restored afterwards.
    """
    wanted = {NUMPY_THREADS: os.environ.get(NUMPY_THREADS, "1"), AUTHORITIES: os.devnull}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # imported modules stay for the life of the process
        gc.enable()
        _restore(before)


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
