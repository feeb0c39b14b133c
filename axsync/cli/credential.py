"""`axsync credential …`: named credentials, bound to their hosts. The read-only commands are here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from axsync.cli.credential_change import add, remove, rename, update
from axsync.cli.credential_rekey import rekey
from axsync.cli.credential_work import listed, opened_store, prove, warn_of
from axsync.cli.options import CONFIG, OUTPUT, config_option, output_option, services

if TYPE_CHECKING:
    from axsync.credentials import Listed


@click.group(epilog="\b\nExamples:\n  axsync credential add prod\n  axsync run --credential prod")
def credential() -> None:
    """Manage named credentials: add, list, show, test, rename, update, remove, rekey, export.

    Each belongs to one host and is sent to no other. Secrets are stored in the system keyring or in an encrypted file,
    or stay where a reference points. They are never shown and never passed as arguments.
    """


for _command in (add, update, rename, remove, rekey):
    credential.add_command(_command)


@credential.command("list", epilog="\b\nExample:\n  axsync credential list --output json")
@output_option
@click.pass_context
def list_all(context: click.Context, /) -> None:
    """List names, hosts, where secrets are stored, and last use."""
    from axsync.console.credentials import list_json, show_list  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import plain_console  # noqa: PLC0415  as above

    store = opened_store()
    rows = store.listed()
    warn_of(store.troubles())
    if context.meta[OUTPUT] == "json":
        click.echo(list_json(rows))
    else:
        show_list(rows, plain_console(sys.stdout))


@credential.command(epilog="\b\nExample:\n  axsync credential show prod")
@click.argument("name")
@output_option
@click.pass_context
def show(context: click.Context, /, name: str) -> None:
    """Show one credential in full, without its secret."""
    from axsync.console.credentials import one_json, show_one  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import plain_console  # noqa: PLC0415  as above

    row = listed(name)
    if context.meta[OUTPUT] == "json":
        click.echo(one_json(row))
    else:
        show_one(row, plain_console(sys.stdout))


@credential.command(epilog="\b\nExample:\n  axsync credential test prod")
@click.argument("name")
@config_option
@click.pass_context
def test(context: click.Context, /, name: str) -> None:
    """Test whether the host accepts the credential.

    Proxy and TLS settings are taken from an instance in the configuration that uses it.
    """
    from axsync.cli.options import unlock  # noqa: PLC0415  as above

    found = services(context).load_settings(context.meta[CONFIG], overrides={"credentials": (name,)})
    unlock(found)
    click.echo(prove(context, found.chosen()[0]))


@credential.command(
    epilog="\b\nExamples:\n  axsync credential export --without-secrets >> axsync.toml\n"
    "  axsync credential export prod --without-secrets --output json"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--without-secrets",
    is_flag=True,
    required=True,
    help="Required: confirms that you know that no secrets are exported.",
)
@output_option
@click.pass_context
def export(context: click.Context, /, names: tuple[str, ...], *, without_secrets: bool) -> None:
    """Print names and hosts, to recreate the credentials elsewhere.

    The output is tables for axsync.toml, or JSON.
    """
    from axsync.console.credentials import export_json, export_toml  # noqa: PLC0415  --help must not wait for it

    del without_secrets
    rows: tuple[Listed, ...] = opened_store().listed()
    winners = [row.record for row in rows if not row.hidden_by]
    chosen = [opened_store().find(name) for name in names] or winners
    click.echo(export_json(chosen) if context.meta[OUTPUT] == "json" else export_toml(chosen))
