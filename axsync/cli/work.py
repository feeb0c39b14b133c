"""`axsync work`: reads one shard of a run that several processes share."""

from functools import partial
from pathlib import Path

import click

from axsync.cli.completing import complete_files
from axsync.cli.options import lake_option, perform, speech_options

WORK = """\b
Examples:
  axsync plan --shards 4 > plan.json
  axsync work plan.json 0              on four machines, with 0 to 3
  axsync publish plan.json

\b
Variables: those that the references in the plan name.

Exit codes: 0 complete, 1 failed, 2 usage or configuration (nothing was sent), 3 partial or drifted, 4 refused
credential, 75 try later (a host is down, another process reads the shard, or another run uses the lake), 130/143
interrupted, terminated. The same command continues where it stopped."""


@click.command(epilog=WORK)
@click.argument("plan", type=click.Path(path_type=Path), shell_complete=complete_files)
@click.argument("shard", type=click.IntRange(0))
@lake_option("that of the plan")
@partial(speech_options, verbose="Also log each page; print tracebacks of bugs.")
@click.pass_context
def work(context: click.Context, /, plan: Path, shard: int, lake: str | None) -> None:
    """Read one shard of a run that `axsync plan --shards` has planned.

    SHARD is a number, from 0. Shards can be read at the same time, on one machine or on several that share the lake.
    Other runs of this lake end with exit code 75 meanwhile. Nothing is visible before `axsync publish`. The same
    command resumes an interrupted shard, on any machine, and does not repeat a finished one.
    """
    perform(context, "axsync.console.shards:work", plan=plan, shard=shard, lake=lake)
