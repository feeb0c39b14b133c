"""`axsync check`, `axsync entities` and `axsync fields`: looks at an instance; the lake is not touched."""

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
Exit codes: 0 all is well, 2 settings that a run refuses, 4 refused credential, 75 not reachable, 1 something else."""

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
    help="Write the shapes that the first answering instance serves, without values.",
)
@source_options
@speech_options
@click.pass_context
def check(context: click.Context, /, probe: Path | None) -> None:
    """Connection, TLS, credential, version, clock, and rights per entity type.

    Asks each instance a few small questions and reads no assets; the lake is not touched.

    With --probe it also reads one row of each entity type that can be read, and writes to FILE what the values look
    like: field names, JSON types, lengths and forms of dates, and no value. The file may be attached to a report of a
    bug, and `axsync emulate --like FILE` serves the same shapes. It is about one instance; --instance chooses it.
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
    """Entity types that the instance offers, with titles and counts.

    The name in the first column is what axsync is asked for, the title what Axonius calls the type in its pages:
    "Security Findings" are `vulnerability_instances`. Types that the credential may not read are listed too, with the
    reason. Where a server cannot list its types, the known ones are tried.
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
    """Fields of an entity type, with column names and types.

    ENTITY is a type that `axsync entities` lists. The column is what the field becomes in the lake.
    """
    from axsync.console.listing import show_fields  # noqa: PLC0415  as above

    asked = settings(context)
    _found(context, lambda: services(context).fields(asked, entity, observers=[_said(context)]), show_fields)


def _said(context: click.Context) -> Observer:
    """Tells what a person should know, whatever else there is to see."""
    from axsync.console.session import notices  # noqa: PLC0415  as above

    return notices(output_options(context))


def _found(
    context: click.Context,
    ask: Callable[[], Awaitable[tuple[Found, ...]]],
    show: Callable[[Sequence[Found], Console], None],
) -> tuple[Found, ...]:
    """Ask, and print the answer in the wished form."""
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
