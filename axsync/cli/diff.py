"""`axsync diff` and `history`: what changed between two snapshots, and what changed about one asset in all of them."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from axsync.cli.completing import complete_held, complete_runs
from axsync.cli.options import lake_options, perform, speech_options_with

KINDS = ("added", "removed", "changed")
DIFF = """\b
Examples:
  axsync diff latest~1 latest                   yesterday and today, all types
  axsync diff 2026-11-22 2026-11-23 devices --show 10
  axsync diff latest~7 latest devices --id 0f3c9a5be1d24477a6c0b1e2d3f4a5b6
  axsync diff latest~1 latest devices --change removed --output csv \\
    --columns last_seen,os_type_preferred
  axsync diff latest~1 latest --output jsonl |
    jq -c 'select(.change == "added")'
  axsync diff latest~1 latest devices --into changes.parquet
  axsync diff latest~1 latest --ignore '*.uptime' --ignore adapter_list_length
  axsync diff latest~1 latest --compare last_seen     (left out by default)

\b
Formats of the result:
  text     counts, the fields that changed most, a few assets field by field
  json     the same, as one document
  jsonl    one line per asset, with all fields that changed
  csv      one row per added or removed asset, one per changed field
  excel    the same, for Excel
  --into   the same rows as a Parquet file

Exit codes: 0 compared, with or without differences; 1 disk error; 2 there is no such run, its files are gone, or
the two snapshots have no entity type in common."""
HISTORY = """\b
Examples:
  axsync history devices 0f3c9a5be1d24477a6c0b1e2d3f4a5b6
  axsync history devices srv-0000012.corp.test
  axsync history vulnerabilities CVE-2024-90011 --output csv
  axsync history users jane.doe --ignore '*.uptime' --compare last_seen

Exit codes: 0 printed, 1 disk error, 2 there is no such asset, several assets have the label, or a manifest cannot
be read (the others are used, and stderr names the file)."""


def _kinds(_context: click.Context, _parameter: click.Parameter, given: str) -> tuple[str, ...]:
    kinds = _names(_context, _parameter, given)
    for kind in kinds:
        if kind not in KINDS:
            raise click.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _names(_context: click.Context, _parameter: click.Parameter, given: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(str.strip, given.split(",")))))


def _complete_kinds(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{kind}" for kind in KINDS if kind.startswith(last) and kind not in before.split(",")]


ignore_option = click.option("--ignore", multiple=True, metavar="GLOB", help="Also leave out these fields; repeatable.")
compare_option = click.option(
    "--compare", multiple=True, metavar="GLOB", help="Also compare these volatile fields; repeatable."
)


@click.command(epilog=DIFF)
@click.argument("before", metavar="A", shell_complete=complete_runs)
@click.argument("after", metavar="B", shell_complete=complete_runs)
@click.argument("entity", required=False, shell_complete=complete_held)
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this asset; repeatable.")
@click.option(
    "--change",
    "kinds",
    default=",".join(KINDS),
    metavar="KINDS",
    callback=_kinds,
    shell_complete=_complete_kinds,
    help="Only these kinds, separated by commas: added, removed, changed.",
)
@click.option(
    "--columns",
    default="",
    metavar="NAMES",
    callback=_names,
    help="Show the values of these columns for each asset, separated by commas.",
)
@ignore_option
@compare_option
@click.option("--records", is_flag=True, help="Include all fields of added and removed assets.")
@click.option(
    "--show",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    help="Number of example assets of each kind.",
)
@click.option("--into", type=click.Path(path_type=Path), metavar="FILE", help="Write all changes to a Parquet file.")
@click.option("--memory", default="1GB", show_default=True, metavar="SIZE", help="Spill to disk above this size.")
@click.option("--temporary", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder for temporary files.")
@lake_options
@partial(speech_options_with, click.Choice(["text", "json", "jsonl", "csv", "excel"]))
@click.pass_context
def diff(context: click.Context, /, before: str, after: str, entity: str | None, **wished: Any) -> None:
    """Show assets added, removed, or changed from snapshot A to snapshot B, field by field.

    A and B are runs: an id, the start of one, a day such as 2026-11-23, `latest`, or `latest~1`. Without ENTITY, all
    types that both snapshots hold are compared. Fields that describe the fetch and not the asset (fetch_time, last_seen
    and the like) are left out; the result lists them. Name fields and columns as in the lake or as in Axonius. Each
    asset is shown with its id and a label: a CVE, a host name, a user name or another name.
    """
    perform(context, "axsync.console.diff:diff", before=before, after=after, entity=entity, **wished)


@click.command(epilog=HISTORY)
@click.argument("entity", shell_complete=complete_held)
@click.argument("asset", metavar="ID")
@ignore_option
@compare_option
@lake_options
@partial(speech_options_with, click.Choice(["text", "json", "csv", "excel"]))
@click.pass_context
def history(
    context: click.Context, /, entity: str, asset: str, ignore: tuple[str, ...], compare: tuple[str, ...]
) -> None:
    """Follow one asset through all snapshots: when it was added, what changed when, and when it was removed.

    ID is the id of an asset, or a label that only one asset has: a CVE, a host name, a user name. Days are logical
    dates. On the first day an asset is listed as added, because the lake has no earlier day. An asset that a partial
    read did not return is not reported as removed.
    """
    perform(context, "axsync.console.history:history", entity=entity, asset=asset, ignore=ignore, compare=compare)
