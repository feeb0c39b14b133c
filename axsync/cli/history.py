"""`axsync history`: one asset through all snapshots."""

from functools import partial

import click

from axsync.cli.completing import complete_held
from axsync.cli.options import lake_options, perform, speech_options_with

EPILOG = """\b
Examples:
  axsync history devices 0f3c9a5be1d24477a6c0b1e2d3f4a5b6
  axsync history devices srv-0000012.corp.test
  axsync history vulnerabilities CVE-2024-90011 --output csv
  axsync history users jane.doe --ignore '*.uptime' --compare last_seen

Exit codes: 0 printed, 1 disk error, 2 there is no such asset, several assets have the label, or a manifest cannot
be read (the others are used, and stderr names the file)."""


@click.command(epilog=EPILOG)
@click.argument("entity", shell_complete=complete_held)
@click.argument("asset", metavar="ID")
@click.option("--ignore", multiple=True, metavar="GLOB", help="Leave out these fields as well; repeatable.")
@click.option("--compare", multiple=True, metavar="GLOB", help="Also compare these volatile fields; repeatable.")
@lake_options
@partial(speech_options_with, click.Choice(["text", "json", "csv", "excel"]))
@click.pass_context
def history(
    context: click.Context, /, entity: str, asset: str, ignore: tuple[str, ...], compare: tuple[str, ...]
) -> None:
    """Follow one asset through all snapshots: when it appeared, what changed when, when it vanished.

    ID is the id of an asset, or a label that only one asset has: a CVE, a host name, a user name. Days are logical
    dates. On the first day an asset is listed as added, because the lake knows no earlier day. An asset that is missing
    from a partial read is not taken for removed.
    """
    perform(context, "axsync.console.history:history", entity=entity, asset=asset, ignore=ignore, compare=compare)
