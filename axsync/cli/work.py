"""`axsync work`: reads one part of a run that several processes share."""

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
Variables: those that the references of the plan name.

Exit codes: 0 all of it is read, 1 failed, 2 usage or configuration (nothing was sent), 3 a part of it is missing,
4 refused credential, 75 try later (a host is down, the shard is being read, or another run uses the lake),
130/143 interrupted, terminated. The same command goes on where it stopped."""


@click.command(epilog=WORK)
@click.argument("plan", type=click.Path(path_type=Path), shell_complete=complete_files)
@click.argument("shard", type=click.IntRange(0))
@lake_option()
@partial(speech_options, verbose="Also log each page; print tracebacks of bugs.")
@click.pass_context
def work(context: click.Context, /, plan: Path, shard: int, lake: str | None) -> None:
    """Read one part of a run that `axsync plan --shards` has shared out.

    SHARD counts from 0. All of them may be read at the same time, on one machine or on several that share the lake;
    other runs of this lake wait meanwhile (75). Nothing is visible before `axsync publish`. A shard that was
    interrupted goes on anywhere, one that is read is not read again.
    """
    perform(context, "axsync.console.shards:work", plan=plan, shard=shard, lake=lake)
