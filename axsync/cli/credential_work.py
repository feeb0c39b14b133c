"""What the credential commands share: the store, the pair of secrets, the trial."""

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
    """The store of this machine; whoever sits at the terminal may be asked for its passphrase."""
    from axsync.console.asking import allow_asking  # noqa: PLC0415  --help must not wait for it
    from axsync.credentials import CredentialStore  # noqa: PLC0415  as above

    allow_asking()
    return CredentialStore()


def listed(name: str) -> Listed:
    """The one that wins of this name. Raises: UnknownCredential, StoreError."""
    store = opened_store()
    found = store.find(name)
    return next(row for row in store.listed() if row.record == found)


def warn_of(errors: Iterable[AxsyncError]) -> None:
    """What is wrong and what to try, on stderr; the command goes on."""
    from axsync.console.explain import explain  # noqa: PLC0415  as above

    for error in errors:
        first, *others = explain(error).lines()
        click.echo("\n".join([first.replace("error:", "warning:", 1), *others]), err=True)


def now() -> str:
    from axsync.model import iso  # noqa: PLC0415  as above

    return iso(datetime.now(UTC))


def read_pair(kind: Kind, key_file: Path | None, secret_file: Path | None, *, stdin: bool) -> Credential:
    """Key and secret from files, from two lines of standard input, or from whoever sits at the terminal.

    Raises: ConfigError.
    """
    from axsync.console.asking import NAMES, ask_pair, at_terminal  # noqa: PLC0415  as above
    from axsync.credentials import Credential, resolve, secret_word  # noqa: PLC0415  as above
    from axsync.errors import ConfigError  # noqa: PLC0415  as above

    if stdin and (key_file or secret_file):
        raise ConfigError("--stdin and --key-file, --secret-file do not go together")
    if bool(key_file) != bool(secret_file):
        raise ConfigError("--key-file and --secret-file go together")
    if key_file and secret_file:
        key, secret = (resolve(f"file:{path}", environ={}) for path in (key_file, secret_file))
    elif stdin:
        lines = sys.stdin.read(MOST_BYTES).splitlines()
        if len(lines) != 2:
            raise ConfigError(f"--stdin wants two lines, key and secret, not {len(lines)}")
        key, secret = (secret_word(line, f"the {name}") for line, name in zip(lines, NAMES[kind], strict=True))
    elif at_terminal():
        key, secret = ask_pair(kind)
    else:
        raise ConfigError("key and secret are missing; give --key-file and --secret-file, or --stdin")
    found = Credential(key, secret, kind)
    for notice in found.notices:
        click.echo(f"note: {notice}", err=True)
    return found


def instance_of(record: Record) -> InstanceSettings:
    """How the host of a credential is asked. Raises: ConfigError."""
    from axsync.errors import ConfigError  # noqa: PLC0415  as above
    from axsync.settings import InstanceSettings, StoredCredential  # noqa: PLC0415  as above

    if record.ca_file and not Path(record.ca_file).is_file():
        raise ConfigError("ca_file names no file that exists")
    plain, name = record.allow_plain_http, record.name
    return InstanceSettings(
        name, record.url, StoredCredential(name), ca_file=record.ca_file, allow_plain_http=plain, tries=2
    )


def prove(context: click.Context, instance: InstanceSettings, credential: Credential | None = None) -> str:
    """What to say of a host that accepts the credential. Raises: what it says otherwise."""
    from axsync.console.session import Stopped, until_done  # noqa: PLC0415  as above
    from axsync.console.words import clean  # noqa: PLC0415  as above

    try:
        found = until_done(lambda: services(context).try_credential(instance, credential))
    except Stopped as stopped:
        click.echo("interrupted", err=True)
        context.exit(stopped.exit_code)
    version = found.server_version or "not told"
    return clean(f"{found.url} accepts the credential; API {found.api}, product version {version}")


def prove_before_saving(context: click.Context, record: Record, credential: Credential) -> None:
    """Try it, and say what came of it. Raises: what the host says otherwise; nothing is saved then."""
    from axsync.errors import AxsyncError  # noqa: PLC0415  as above

    try:
        click.echo(prove(context, instance_of(record), credential))
    except AxsyncError:
        click.echo("nothing was saved; --no-test saves without asking the host", err=True)
        raise
