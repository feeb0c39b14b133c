"""`axsync runs` and `axsync show`: inspect past runs. No instance is contacted, nothing is written."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from axsync.cli.options import OUTPUT, complete_runs, lake, lake_options, speech_options


@click.command(epilog="\b\nExamples:\n  axsync runs\n  axsync runs --lake /srv/lake --output json")
@lake_options
@speech_options
@click.pass_context
def runs(context: click.Context, /) -> None:
    """List past runs with their verdicts, newest first.

    Runs without a snapshot are `unfinished`, if the same command may resume them, or `given up`. If a manifest or
    journal cannot be read, the other runs are listed, stderr names the file, and the exit code is 2.
    """
    from axsync.console.history import history_json, show_history  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import plain_console  # noqa: PLC0415  as above
    from axsync.lake.history import unreadable  # noqa: PLC0415  as above
    from axsync.snapshots.unpublished import all_runs  # noqa: PLC0415  as above

    looked_at = lake(context)
    history = all_runs(looked_at, datetime.now(UTC))
    if context.meta[OUTPUT] == "json":
        click.echo(history_json(history))
    else:
        show_history(history, looked_at, plain_console(sys.stdout))
    if history.errors:
        raise unreadable(history.errors)


@click.command(
    epilog="\b\nExamples:\n  axsync show latest\n  axsync show 2026-11-22 --files\n  axsync show latest~1 --output json"
)
@click.argument("run", shell_complete=complete_runs)
@click.option("--files", is_flag=True, help="List each file as well.")
@lake_options
@speech_options
@click.pass_context
def show(context: click.Context, /, run: str, *, files: bool) -> None:
    """Show one run in full: counts, retries, repairs, drift, dead letters, files.

    RUN is an id that `axsync runs` lists, the start of one, a day such as 2026-11-23, `latest`, or `latest~1`, the
    snapshot of the day before it.
    """
    from axsync.console.history import run_json, show_run  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import plain_console  # noqa: PLC0415  as above
    from axsync.lake.history import find_run  # noqa: PLC0415  as above

    looked_at = lake(context)
    found = find_run(looked_at, run)
    if context.meta[OUTPUT] == "json":
        click.echo(run_json(found))
    else:
        show_run(found, looked_at, plain_console(sys.stdout), files=files)
