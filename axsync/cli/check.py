"""`axsync check`, `axsync entities`, `fields`, `queries`: inspect an instance; `check` also the store of a lake."""

from pathlib import Path

import click

from axsync.cli.completing import complete_held
from axsync.cli.options import lake_option, perform, source_options, speech_options

CHECK = """\b
Examples:
  axsync check
  axsync check --instance prod
  axsync check --instance prod --probe probe.json
  axsync check --lake s3://bucket/axonius
  axsync check --output json |
    jq '.[].steps[] | select(.name == "TLS").facts.days_left'

Exit codes: 0 all steps passed, 2 a run would refuse the settings or the lake, 4 refused credential, 75 unreachable, 1
other failure."""

ENTITIES = """\b
Examples:
  axsync entities
  axsync entities --output json | jq -r '.[] | [.entity, .title] | @tsv'"""

FIELDS = """\b
Examples:
  axsync fields devices
  axsync fields devices --output json | jq -r '.[] | [.column, .type] | @tsv'"""


QUERIES = """\b
Examples:
  axsync queries devices
  axsync queries --output json | jq -r '.[] | [.entity, .name, .query] | @tsv'
  axsync run devices --saved-query "Linux machines" --fields saved-query"""


@click.command(epilog=CHECK)
@click.option(
    "--probe",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the shapes of values that the first reachable instance serves, without values.",
)
@source_options
@lake_option()
@speech_options
@click.pass_context
def check(context: click.Context, /, probe: Path | None, lake: str | None) -> None:
    """Test connection, TLS, credential, version, clock, and rights per entity type.

    Sends a few small requests to each instance and reads no assets. If the lake is in an object store, it also writes,
    reads, lists and removes an object there. A folder is not touched.

    With --probe it also reads one row of each readable entity type and writes to FILE what the values look like: field
    names, JSON types, lengths and date formats, but no value. You can attach the file to a bug report, and `axsync
    emulate --like FILE` serves the same shapes. It covers one instance; choose it with --instance.
    """
    perform(context, "axsync.console.check:check", probe=probe, lake=lake)


@click.command(epilog=ENTITIES)
@source_options
@speech_options
@click.pass_context
def entities(context: click.Context, /) -> None:
    """List the entity types that the instance offers, with titles and counts.

    The first column is the name to give to axsync. The title is the name in the Axonius console: "Security Findings"
    are `vulnerability_instances`. Types that the credential may not read are listed with the reason. If a server cannot
    list its types, the known ones are tried.
    """
    perform(context, "axsync.console.check:entities")


@click.command(epilog=FIELDS)
@click.argument("entity", shell_complete=complete_held)
@source_options
@speech_options
@click.pass_context
def fields(context: click.Context, /, entity: str) -> None:
    """List the fields of an entity type, with column names and types.

    ENTITY is a type that `axsync entities` lists. The column is the name of the field in the lake.
    """
    perform(context, "axsync.console.check:fields", entity=entity)


@click.command(epilog=QUERIES)
@click.argument("entity", required=False, shell_complete=complete_held)
@source_options
@speech_options
@click.pass_context
def queries(context: click.Context, /, entity: str | None) -> None:
    """List saved queries: entity type, name, id, AQL and fields.

    Give the name or id to --saved-query, or the AQL to --query. Without ENTITY, list the queries of all entity types.
    """
    perform(context, "axsync.console.check:queries", entity=entity)
