"""`axsync credential rekey`: another passphrase or key file for the encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from axsync.cli.credential_work import opened_store

if TYPE_CHECKING:
    from axsync.credentials.sealing import KeySource

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  axsync credential rekey                            asks for old and new\n"
    "  axsync credential rekey --new-passphrase-file new  with nobody at the keyboard\n"
    "  axsync credential rekey --new-key-file store.key   a key file from now on"
)
@click.option("--new-passphrase-file", type=_FILE, metavar="FILE", help="The new passphrase is in this file.")
@click.option("--new-key-file", type=_FILE, metavar="FILE", help="This key file is to open the store.")
def rekey(new_passphrase_file: Path | None, new_key_file: Path | None) -> None:
    """Another passphrase or key file for the encrypted file.

    The old one comes from where it always does: AXSYNC_PASSPHRASE_FILE, AXSYNC_STORE_KEY_FILE, or whoever sits at the
    terminal. The file is replaced whole. Copies and backups of it are still opened by the old one.
    """
    from axsync.errors import ConfigError  # noqa: PLC0415  --help must not wait for it

    if new_passphrase_file and new_key_file:
        raise ConfigError("--new-passphrase-file and --new-key-file do not go together")
    store = opened_store()
    store.unlock_file()  # a wrong passphrase is told before a new one is typed
    opener = _new_opener(new_passphrase_file, new_key_file)
    store.rekey(opener)
    what, variable = ("key file", "AXSYNC_STORE_KEY_FILE") if new_key_file else ("passphrase", "AXSYNC_PASSPHRASE_FILE")
    click.echo(f"the credential store opens with the new {what}; where nobody can be asked, {variable} has to name it")


def _new_opener(passphrase_file: Path | None, key_file: Path | None) -> KeySource:
    """Raises: ConfigError for what cannot open a store, and where there is nobody to ask."""
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
        raise ConfigError("the new passphrase is missing; give --new-passphrase-file or --new-key-file")
    return opener_of_person(ask_new_passphrase())
