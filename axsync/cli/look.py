"""`axsync check`, `axsync entities` and `axsync fields`: looks at an instance; the lake is not touched."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from axsync.cli.options import OUTPUT, doors, settings, source_options, speech_options

if TYPE_CHECKING:
    from rich.console import Console

Found = TypeVar("Found")


@click.command(epilog="\b\nExample:\n  axsync check --instance prod")
@source_options
@speech_options
@click.pass_context
def check(context: click.Context, /) -> None:
    """Reachability, credential, version, and rights per entity type."""
    from axsync.console.listing import check_exit_code, show_checks  # noqa: PLC0415  --help must not wait for it

    asked = settings(context)
    found = _found(context, lambda: doors(context).check(asked), show_checks)
    context.exit(check_exit_code(found))


@click.command(epilog="\b\nExample:\n  axsync entities --output json")
@source_options
@speech_options
@click.pass_context
def entities(context: click.Context, /) -> None:
    """Entity types that the instance offers, with counts."""
    from axsync.console.listing import show_entities  # noqa: PLC0415  as above

    asked = settings(context)
    _found(context, lambda: doors(context).entities(asked), show_entities)


@click.command(epilog="\b\nExample:\n  axsync fields devices")
@click.argument("entity")
@source_options
@speech_options
@click.pass_context
def fields(context: click.Context, /, entity: str) -> None:
    """Fields of an entity type, with column names and types."""
    from axsync.console.listing import show_fields  # noqa: PLC0415  as above

    asked = settings(context)
    _found(context, lambda: doors(context).fields(asked, entity), show_fields)


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
