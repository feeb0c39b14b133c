"""`axsync credential …`: named credentials, bound to their hosts."""

from pathlib import Path
from typing import Any

import click

from axsync.cli.completing import complete_credentials
from axsync.cli.options import Decorated, config_option, output_option, perform

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(epilog="\b\nExamples:\n  axsync credential add prod\n  axsync run --credential prod")
def credential() -> None:
    """Manage named credentials: add, list, show, test, rename, update, remove, rekey, export.

    Each belongs to one host and is sent to no other. Secrets are stored in the system keyring or in an encrypted file,
    or stay where a reference points. They are never shown and never passed as arguments.
    """


def _options(function: Decorated) -> Decorated:
    for option in (
        click.option("--no-test", is_flag=True, help="Save without testing the credential on the host."),
        click.option("--allow-plain-http/--no-plain-http", default=None, help="Allow sending the keys unencrypted."),
        click.option("--ca-file", type=_FILE, metavar="FILE", help="Certificates (PEM) to trust for this host."),
        click.option(
            "--keep",
            type=click.Choice(["auto", "keyring", "file"]),
            help="Where to store the secret; auto: the keyring, if there is one.",
        ),
        click.option(
            "--secret-reference",
            default="",
            metavar="REF",
            help="Reference to the secret, which stays there: env:NAME …",
        ),
        click.option(
            "--key-reference", default="", metavar="REF", help="Reference to the key, which stays there: env:NAME …"
        ),
        click.option("--stdin", is_flag=True, help="Read two lines from standard input: key, secret."),
        click.option("--secret-file", type=_FILE, metavar="FILE", help="Read the secret from this file."),
        click.option("--key-file", type=_FILE, metavar="FILE", help="Read the key from this file."),
        click.option("--url", metavar="URL", help="The host that it belongs to, as https://host."),
        click.option("--description", metavar="TEXT", help="One line of text."),
    ):
        function = option(function)
    return function


@credential.command(
    epilog="\b\nExamples:\n  axsync credential add prod\n"
    "  axsync credential add prod --url https://acme.on.axonius.com \\\n    --key-file key --secret-file secret"
)
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["api-key", "oauth"]), default="api-key", show_default=True, help="Kind of credential."
)
@_options
@click.pass_context
def add(context: click.Context, /, name: str, kind: Any, **options: Any) -> None:  # noqa: ANN401  click has checked them
    """Ask for key and secret, test them, save them.

    Without a terminal, give --url and either --key-file with --secret-file, or --stdin, or references. Nothing is saved
    unless the host accepts it; --no-test skips the test.
    """
    perform(context, "axsync.console.credentials:add", name=name, kind=kind, **options)


@credential.command(
    epilog="\b\nExamples:\n  axsync credential update prod                        new key and secret\n"
    "  axsync credential update prod --url https://new.host     the host has moved"
)
@click.argument("name", shell_complete=complete_credentials)
@_options
@click.pass_context
def update(context: click.Context, /, name: str, **options: Any) -> None:
    """Replace key and secret, or change only the host or description.

    Without options, or with --key-file, --stdin or references, key and secret are replaced. With only --url,
    --description or --keep they stay. A new key or host is tested before it is saved.
    """
    perform(context, "axsync.console.credentials:update", name=name, **options)


@credential.command(epilog="\b\nExample:\n  axsync credential rename prod main")
@click.argument("old", shell_complete=complete_credentials)
@click.argument("new")
@click.pass_context
def rename(context: click.Context, /, old: str, new: str) -> None:
    """Rename a credential.

    Change settings files that use the old name.
    """
    perform(context, "axsync.console.credentials:rename", old=old, new=new)


@credential.command(epilog="\b\nExample:\n  axsync credential remove prod --yes")
@click.argument("name", shell_complete=complete_credentials)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def remove(context: click.Context, /, name: str, *, yes: bool) -> None:
    """Remove a credential and its secret.

    It stays valid in Axonius until you revoke it there.
    """
    perform(context, "axsync.console.credentials:remove", name=name, yes=yes)


@credential.command(
    epilog="\b\nExamples:\n  axsync credential rekey                   asks for the old and the new one\n"
    "  axsync credential rekey --new-passphrase-file new    without a terminal\n"
    "  axsync credential rekey --new-key-file store.key     a key file from now on"
)
@click.option("--new-passphrase-file", type=_FILE, metavar="FILE", help="Read the new passphrase from this file.")
@click.option("--new-key-file", type=_FILE, metavar="FILE", help="Lock the store with this key file.")
@click.pass_context
def rekey(context: click.Context, /, new_passphrase_file: Path | None, new_key_file: Path | None) -> None:
    """Change the passphrase or key file of the encrypted file.

    The old one is read as usual: from AXSYNC_PASSPHRASE_FILE, AXSYNC_STORE_KEY_FILE, or the terminal. The file is
    replaced atomically. The old passphrase or key file still opens copies and backups of it.
    """
    perform(
        context, "axsync.console.credentials:rekey", new_passphrase_file=new_passphrase_file, new_key_file=new_key_file
    )


@credential.command("list", epilog="\b\nExample:\n  axsync credential list --output json")
@output_option
@click.pass_context
def list_all(context: click.Context, /) -> None:
    """List names, hosts, where secrets are stored, and last use."""
    perform(context, "axsync.console.credentials:list_all")


@credential.command(epilog="\b\nExample:\n  axsync credential show prod")
@click.argument("name", shell_complete=complete_credentials)
@output_option
@click.pass_context
def show(context: click.Context, /, name: str) -> None:
    """Show one credential in full, without its secret."""
    perform(context, "axsync.console.credentials:show", name=name)


@credential.command(epilog="\b\nExample:\n  axsync credential test prod")
@click.argument("name", shell_complete=complete_credentials)
@config_option
@click.pass_context
def test(context: click.Context, /, name: str) -> None:
    """Test whether the host accepts the credential.

    Proxy and TLS settings come from an instance in the settings file that uses it.
    """
    perform(context, "axsync.console.credentials:test", name=name)


@credential.command(
    epilog="\b\nExamples:\n  axsync credential export >> axsync.toml\n  axsync credential export prod --output json"
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_credentials)
@click.option("--without-secrets", is_flag=True, hidden=True)  # formerly required
@output_option
@click.pass_context
def export(context: click.Context, /, names: tuple[str, ...], *, without_secrets: bool) -> None:
    """Print names and hosts, without secrets, to recreate the credentials elsewhere.

    Prints tables for axsync.toml, or JSON. Secrets are never exported.
    """
    del without_secrets
    perform(context, "axsync.console.credentials:export", names=names)
