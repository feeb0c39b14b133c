"""`axsync publish`: makes a snapshot of what several processes have read."""

from functools import partial
from pathlib import Path

import click

from axsync.cli.completing import complete_files
from axsync.cli.options import lake_option, perform, speech_options

PUBLISH = """\b
Examples:
  axsync publish plan.json
  axsync publish plan.json --what-is-whole     a machine is lost

Exit codes: those of `axsync run`; 75 also if a shard is unfinished or is being read."""


@click.command(epilog=PUBLISH)
@click.argument("plan", type=click.Path(path_type=Path), shell_complete=complete_files)
@click.option(
    "--what-is-whole", is_flag=True, help="Publish although a shard is unfinished; its hosts keep their earlier files."
)
@click.option("--accept-drop", is_flag=True, default=None, help="Publish even if far fewer assets came than last time.")
@click.option(
    "--on-finish", metavar="COMMAND", help="Run COMMAND at the end, with the summary as JSON on standard input."
)
@lake_option("that of the plan")
@partial(speech_options, verbose="Print tracebacks of bugs.")
@click.pass_context
def publish(context: click.Context, /, **given: object) -> None:
    """Publish what `axsync work` has read, as one snapshot of all shards.

    No instance is contacted. If a shard reads later what was missing, the same command adds it.
    """
    perform(context, "axsync.cli.reported_publish:publish", **given)
