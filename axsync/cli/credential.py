"""`axsync credential …`: named credentials, bound to their hosts; the commands that change nothing."""

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
    """Named credentials: add, list, show, test, rename, update, remove, rekey, export.

    Each belongs to one host and is sent to no other. Secrets are kept by the system's keyring, or in an encrypted
    file, or stay where a reference says; they are never shown, and never given as an argument.
    """


for _command in (add, update, rename, remove, rekey):
    credential.add_command(_command)


@credential.command("list", epilog="\b\nExample:\n  axsync credential list --output json")
@output_option
@click.pass_context
def list_all(context: click.Context, /) -> None:
    """Names, hosts, where secrets are, last use."""
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
    """One credential in full, without its secret."""
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
    """Ask the host whether it accepts the credential.

    An instance of the configuration that uses it says how the host is reached.
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
@click.option("--without-secrets", is_flag=True, required=True, help="Say that you know: secrets are never exported.")
@output_option
@click.pass_context
def export(context: click.Context, /, names: tuple[str, ...], *, without_secrets: bool) -> None:
    """Names and hosts, to make the same elsewhere.

    As tables for axsync.toml, or as JSON.
    """
    from axsync.console.credentials import export_json, export_toml  # noqa: PLC0415  --help must not wait for it

    del without_secrets
    rows: tuple[Listed, ...] = opened_store().listed()
    winners = [row.record for row in rows if not row.hidden_by]
    chosen = [opened_store().find(name) for name in names] or winners
    click.echo(export_json(chosen) if context.meta[OUTPUT] == "json" else export_toml(chosen))
