"""`axsync schema …`: the columns of an entity type in all instances of a lake."""

import click

from axsync.cli.completing import complete_held
from axsync.cli.options import lake_options, perform, speech_options


@click.group(epilog="\b\nExamples:\n  axsync schema show devices\n  axsync schema rebuild")
def schema() -> None:
    """Show or rebuild the registry: one name and one type for each field, in all instances of a lake."""


@schema.command(
    epilog="\b\nExamples:\n  axsync schema show\n  axsync schema show devices --lake /srv/lake\n"
    "  axsync schema show devices --output json"
)
@click.argument("entity", required=False, shell_complete=complete_held)
@lake_options
@speech_options
@click.pass_context
def show(context: click.Context, /, entity: str | None) -> None:
    """List the columns of an entity type: field, type, and the run that added it. Without ENTITY: all types."""
    perform(context, "axsync.console.schema:show", entity=entity)


@schema.command(
    epilog="\b\nExamples:\n  axsync schema rebuild\n  axsync schema rebuild --lake /srv/lake\n\n"
    "Exit codes: 0 done, 1 disk error, 2 there is no lake, or a manifest cannot be read (the others are used), "
    "75 a run is using the lake."
)
@lake_options
@speech_options
@click.pass_context
def rebuild(context: click.Context, /) -> None:
    """Rebuild the registry from all manifests of the lake, oldest first, and report conflicts.

    Needed only if a file in _axsync/schemas is damaged. Columns of a readable registry are not changed.
    """
    perform(context, "axsync.console.schema:rebuild_registry")
