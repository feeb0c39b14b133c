"""`axsync credential rekey`: change the passphrase or key file of the encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from axsync.cli.credential_work import opened_store

if TYPE_CHECKING:
    from axsync.credentials.encrypted_file import KeySource

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  axsync credential rekey                            asks for the old and the new one\n"
    "  axsync credential rekey --new-passphrase-file new  without a terminal\n"
    "  axsync credential rekey --new-key-file store.key   a key file from now on"
)
@click.option("--new-passphrase-file", type=_FILE, metavar="FILE", help="Read the new passphrase from this file.")
@click.option("--new-key-file", type=_FILE, metavar="FILE", help="Lock the store with this key file.")
def rekey(new_passphrase_file: Path | None, new_key_file: Path | None) -> None:
    """Change the passphrase or key file of the encrypted file.

    The old one is read as usual: from AXSYNC_PASSPHRASE_FILE, AXSYNC_STORE_KEY_FILE, or the terminal. The file is
    replaced atomically. The old passphrase or key file still opens copies and backups of it.
    """
    from axsync.errors import ConfigError  # noqa: PLC0415  --help must not wait for it

    if new_passphrase_file and new_key_file:
        raise ConfigError("--new-passphrase-file and --new-key-file cannot be combined")
    store = opened_store()
    store.unlock_file()  # refuses a wrong passphrase before a new one is typed
    opener = _new_opener(new_passphrase_file, new_key_file)
    store.rekey(opener)
    what, variable = ("key file", "AXSYNC_STORE_KEY_FILE") if new_key_file else ("passphrase", "AXSYNC_PASSPHRASE_FILE")
    click.echo(f"the credential store now opens with the new {what}; without a terminal, set {variable} to its file")


def _new_opener(passphrase_file: Path | None, key_file: Path | None) -> KeySource:
    """Raises: ConfigError for a file that cannot be used, and without a terminal if no file is given."""
    from axsync.console.asking import ask_new_passphrase, at_terminal  # noqa: PLC0415  as above
    from axsync.credentials import opener_of_file, opener_of_key, opener_of_person  # noqa: PLC0415  as above
    from axsync.errors import ConfigError, StoreLocked  # noqa: PLC0415  as above

    try:
        if key_file:
            return opener_of_key(key_file, "--new-key-file")
        if passphrase_file:
            return opener_of_file(passphrase_file, "--new-passphrase-file")
    except StoreLocked as error:
        raise ConfigError(str(error)) from error
    if not at_terminal():
        raise ConfigError("the new passphrase is missing; give it with --new-passphrase-file or --new-key-file")
    return opener_of_person(ask_new_passphrase())
