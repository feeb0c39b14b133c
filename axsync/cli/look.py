"""`axsync check`, `axsync entities` and `axsync fields`: inspect an instance. The lake is not touched."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from axsync.cli.options import (
    OUTPUT,
    complete_entities,
    output_options,
    services,
    settings,
    source_options,
    speech_options,
)

if TYPE_CHECKING:
    from rich.console import Console

    from axsync.events import Observer

Found = TypeVar("Found")

CHECK = """\b
Examples:
  axsync check
  axsync check --instance prod
  axsync check --instance prod --probe probe.json
  axsync check --output json | jq '.[].steps[] | select(.name == "TLS").facts.days_left'

\b
Exit codes: 0 all steps passed, 2 settings that a run refuses, 4 refused credential, 75 unreachable, 1 other failure."""

ENTITIES = """\b
Examples:
  axsync entities
  axsync entities --output json | jq -r '.[] | [.entity, .title] | @tsv'"""

FIELDS = """\b
Examples:
  axsync fields devices
  axsync fields devices --output json | jq -r '.[] | [.column, .type] | @tsv'"""


@click.command(epilog=CHECK)
@click.option(
    "--probe",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the shapes of values that the first reachable instance serves, without values.",
)
@source_options
@speech_options
@click.pass_context
def check(context: click.Context, /, probe: Path | None) -> None:
    """Test connection, TLS, credential, version, clock, and rights per entity type.

    Sends a few small requests to each instance and reads no assets. The lake is not touched.

    With --probe it also reads one row of each readable entity type and writes to FILE what the values look like: field
    names, JSON types, lengths and date formats, but no value. You can attach the file to a bug report, and `axsync
    emulate --like FILE` serves the same shapes. It covers one instance; choose it with --instance.
    """
    from axsync.console.listing import check_exit_code, show_checks  # noqa: PLC0415  --help must not wait for it

    asked = settings(context)
    found = _found(
        context, lambda: services(context).check(asked, observers=[_said(context)], probe_to=probe), show_checks
    )
    context.exit(check_exit_code(found))


@click.command(epilog=ENTITIES)
@source_options
@speech_options
@click.pass_context
def entities(context: click.Context, /) -> None:
    """List the entity types that the instance offers, with titles and counts.

    The first column is the name to give to axsync. The title is what Axonius calls the type in its pages: "Security
    Findings" are `vulnerability_instances`. Types that the credential may not read are listed with the reason. If a
    server cannot list its types, the known ones are tried.
    """
    from axsync.console.listing import show_entities  # noqa: PLC0415  as above

    asked = settings(context)
    _found(context, lambda: services(context).entities(asked, observers=[_said(context)]), show_entities)


@click.command(epilog=FIELDS)
@click.argument("entity", shell_complete=complete_entities)
@source_options
@speech_options
@click.pass_context
def fields(context: click.Context, /, entity: str) -> None:
    """List the fields of an entity type, with column names and types.

    ENTITY is a type that `axsync entities` lists. The column is the name of the field in the lake.
    """
    from axsync.console.listing import show_fields  # noqa: PLC0415  as above

    asked = settings(context)
    _found(context, lambda: services(context).fields(asked, entity, observers=[_said(context)]), show_fields)


def _said(context: click.Context) -> Observer:
    """An observer that prints notices on stderr."""
    from axsync.console.session import notices  # noqa: PLC0415  as above

    return notices(output_options(context))


def _found(
    context: click.Context,
    ask: Callable[[], Awaitable[tuple[Found, ...]]],
    show: Callable[[Sequence[Found], Console], None],
) -> tuple[Found, ...]:
    """Ask the instance, and print the result in the requested format."""
    from axsync.console.listing import as_json  # noqa: PLC0415  as above
    from axsync.console.session import Stopped, plain_console, until_done  # noqa: PLC0415

    try:
        found = until_done(ask)
    except Stopped as stopped:
        click.echo("interrupted", err=True)
        context.exit(stopped.exit_code)
    if context.meta[OUTPUT] == "json":
        click.echo(as_json(found))
    else:
        show(found, plain_console(sys.stdout))
    return found
