"""What the credential commands share: opening the store, reading key and secret, testing them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from axsync.cli.options import services

if TYPE_CHECKING:
    from axsync.credentials import Credential, CredentialStore, Kind, Listed, Record
    from axsync.errors import AxsyncError
    from axsync.settings import InstanceSettings

MOST_BYTES = 64 * 1024


def opened_store() -> CredentialStore:
    """The store of this machine, which may ask for its passphrase at the terminal."""
    from axsync.console.asking import allow_asking  # noqa: PLC0415  --help must not wait for it
    from axsync.credentials import CredentialStore  # noqa: PLC0415  as above

    allow_asking()
    return CredentialStore()


def listed(name: str) -> Listed:
    """The credential that is used for this name. Raises: UnknownCredential, StoreError."""
    store = opened_store()
    found = store.find(name)
    return next(row for row in store.listed() if row.record == found)


def warn_of(errors: Iterable[AxsyncError]) -> None:
    """Print errors with their advice as warnings on stderr."""
    from axsync.console.explain import explain  # noqa: PLC0415  as above

    for error in errors:
        first, *others = explain(error).lines()
        click.echo("\n".join([first.replace("error:", "warning:", 1), *others]), err=True)


def now() -> str:
    from axsync.model import iso  # noqa: PLC0415  as above

    return iso(datetime.now(UTC))


def read_pair(kind: Kind, key_file: Path | None, secret_file: Path | None, *, stdin: bool) -> Credential:
    """Key and secret from files, from two lines of standard input, or from the terminal.

    Raises: ConfigError.
    """
    from axsync.console.asking import NAMES, ask_pair, at_terminal  # noqa: PLC0415  as above
    from axsync.credentials import Credential, resolve, secret_word  # noqa: PLC0415  as above
    from axsync.errors import ConfigError  # noqa: PLC0415  as above

    if stdin and (key_file or secret_file):
        raise ConfigError("--stdin cannot be combined with --key-file or --secret-file")
    if bool(key_file) != bool(secret_file):
        raise ConfigError("--key-file and --secret-file must be given together")
    if key_file and secret_file:
        key, secret = (resolve(f"file:{path}", environ={}) for path in (key_file, secret_file))
    elif stdin:
        lines = sys.stdin.read(MOST_BYTES).splitlines()
        if len(lines) != 2:
            raise ConfigError(f"--stdin expects two lines, key and secret, not {len(lines)}")
        key, secret = (secret_word(line, f"the {name}") for line, name in zip(lines, NAMES[kind], strict=True))
    elif at_terminal():
        key, secret = ask_pair(kind)
    else:
        raise ConfigError("key and secret are missing; give them with --key-file and --secret-file, or --stdin")
    found = Credential(key, secret, kind)
    for notice in found.notices:
        click.echo(f"note: {notice}", err=True)
    return found


def instance_of(record: Record) -> InstanceSettings:
    """The settings with which the host of a credential is contacted. Raises: ConfigError."""
    from axsync.errors import ConfigError  # noqa: PLC0415  as above
    from axsync.settings import InstanceSettings, StoredCredential  # noqa: PLC0415  as above

    if record.ca_file and not Path(record.ca_file).is_file():
        raise ConfigError("ca_file names a file that does not exist")
    plain, name = record.allow_plain_http, record.name
    return InstanceSettings(
        name, record.url, StoredCredential(name), ca_file=record.ca_file, allow_plain_http=plain, tries=2
    )


def prove(context: click.Context, instance: InstanceSettings, credential: Credential | None = None) -> str:
    """Test the credential; the message if the host accepts it. Raises: AxsyncError otherwise."""
    from axsync.console.session import Stopped, until_done  # noqa: PLC0415  as above
    from axsync.console.words import clean  # noqa: PLC0415  as above

    try:
        found = until_done(lambda: services(context).try_credential(instance, credential))
    except Stopped as stopped:
        click.echo("interrupted", err=True)
        context.exit(stopped.exit_code)
    version = found.server_version or "unknown"
    return clean(f"{found.url} accepts the credential; API {found.api}, product version {version}")


def prove_before_saving(context: click.Context, record: Record, credential: Credential) -> None:
    """Test the credential and print the result. Raises: AxsyncError if the host does not accept it."""
    from axsync.errors import AxsyncError  # noqa: PLC0415  as above

    try:
        click.echo(prove(context, instance_of(record), credential))
    except AxsyncError:
        click.echo("nothing was saved; use --no-test to save without testing", err=True)
        raise
