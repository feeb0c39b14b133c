"""`axsync credential …`: named credentials, listed, tested, exported, changed. A secret is never shown.

Whoever types gets the passphrase of the store asked before a secret, so that a wrong one costs no typing.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from axsync.config import load_settings
from axsync.console.explain import explain
from axsync.console.invocation import Invocation, unlock
from axsync.console.output import Side, Table, plain_console, print_table
from axsync.console.prompts import (
    NAMES,
    allow_asking,
    ask_new_passphrase,
    ask_pair,
    ask_text,
    at_terminal,
    confirmed,
    explain_keys,
)
from axsync.console.signals import until_done_or_interrupted
from axsync.console.text import clean
from axsync.credentials import (
    Credential,
    CredentialStore,
    Kind,
    Listed,
    Record,
    keyring_at_hand,
    opener_of_file,
    opener_of_key,
    opener_of_person,
    resolve,
    secret_word,
    shown_reference,
)
from axsync.credentials.encrypted_file import KeySource
from axsync.errors import AxsyncError, ConfigError, StoreError, StoreLocked
from axsync.model import iso
from axsync.runs.inspect import try_credential
from axsync.settings import InstanceSettings, StoredCredential, normal_url

MOST_BYTES = 64 * 1024
"""Of standard input, so much is read for a key and a secret."""
TITLES = ("name", "description", "host", "kind", "kept in", "last used")


def list_all(given: Invocation) -> None:
    """List all credentials, and warn of what the store cannot open."""
    store = _opened_store()
    rows = store.listed()
    _warn_of(store.troubles())
    if given.as_json:
        click.echo(list_json(rows))
    else:
        show_list(rows, plain_console(sys.stdout))


def show(given: Invocation, name: str) -> None:
    """Print one credential in full."""
    row = _listed(name)
    if given.as_json:
        click.echo(one_json(row))
    else:
        show_one(row, plain_console(sys.stdout))


def test(given: Invocation, name: str) -> None:
    """Ask the host whether it accepts the credential."""
    found = load_settings(given.config, overrides={"credentials": (name,)})
    unlock(found)
    click.echo(_prove(given, found.chosen()[0]))


def export(given: Invocation, names: tuple[str, ...]) -> None:
    """Print what is needed to recreate the credentials elsewhere, except the secrets."""
    winners = [row.record for row in _opened_store().listed() if not row.hidden_by]
    chosen = [_opened_store().find(name) for name in names] or winners
    click.echo(export_json(chosen) if given.as_json else export_toml(chosen))


def add(given: Invocation, name: str, kind: Kind, **options: Any) -> None:
    """Ask for key and secret, test them, save them."""
    asked, store = _checked(options), _opened_store()
    if store.known(name) is not None:
        raise StoreError(f"there is already a credential {name!r}; change it with `axsync credential update {name}`")
    Record(name, "https://host", "file")  # refuses a bad name before anything is asked
    if not asked.brings_secrets:
        explain_keys(kind)
    moment = _now()
    asked = _completed(asked)
    facts = {"kept": _keeper(asked.keep), **asked.facts(), "kind": kind, "created_at": moment, "updated_at": moment}
    record = Record(name=name, **facts)
    store.unlock(record)  # refuses a wrong passphrase before keys are typed
    _save(given, record, _pair(record, asked), asked, new=True)


def update(given: Invocation, name: str, **options: Any) -> None:
    """Replace key and secret, or change only the host or description."""
    asked, store = _checked(options), _opened_store()
    listed = store.own(name)
    facts = asked.facts() | {"updated_at": _now()}
    if asked.only_describes:
        store.keep(replace(listed, **facts), None)  # needs no secret
        click.echo(f"credential {name!r} was changed")
        return
    fresh = asked.brings_secrets or not (asked.facts() or asked.keep)
    before = store.as_sealed(listed)
    if before != listed and asked.url is None:
        store.open(listed)  # raises EntryChanged with what was changed
    moved = asked.keep or (fresh and before.kept == "references")
    keeper: dict[str, Any] = {"kept": _keeper(asked.keep)} if moved else {}
    record = replace(before, **(keeper | facts))
    kept = None if fresh else store.open(before)
    if fresh and not asked.brings_secrets:
        explain_keys(record.kind)
        click.echo(f"They are for {record.url}", err=True)
    store.unlock(record)
    _save(given, record, kept or _pair(record, asked), asked)


def rename(_: Invocation, old: str, new: str) -> None:
    """Give a credential another name."""
    store = _opened_store()
    store.rename(store.own(old), new)
    click.echo(f"credential {old!r} is now called {new!r}")


def remove(_: Invocation, name: str, *, yes: bool) -> int:
    """Remove a credential and its secret; 1 if a person decided otherwise."""
    store = _opened_store()
    record = store.own(name)
    if not yes and not confirmed(f"Remove credential {name!r} for {record.url} and its secret?"):
        click.echo("nothing was removed", err=True)
        return 1
    left = store.remove(record)
    click.echo(f"credential {name!r} was removed; in Axonius it stays valid until it is revoked there")
    if left:
        click.echo(f"note: {left}", err=True)
    return 0


def rekey(_: Invocation, new_passphrase_file: Path | None, new_key_file: Path | None) -> None:
    """Lock the encrypted file with another passphrase or key file."""
    if new_passphrase_file and new_key_file:
        raise ConfigError("--new-passphrase-file and --new-key-file cannot be combined")
    store = _opened_store()
    store.unlock_file()  # refuses a wrong passphrase before a new one is typed
    opener = _new_opener(new_passphrase_file, new_key_file)
    store.rekey(opener)
    what, variable = ("key file", "AXSYNC_STORE_KEY_FILE") if new_key_file else ("passphrase", "AXSYNC_PASSPHRASE_FILE")
    click.echo(f"the credential store now opens with the new {what}; without a terminal, set {variable} to its file")


def _new_opener(passphrase_file: Path | None, key_file: Path | None) -> KeySource:
    """Raises: ConfigError for a file that cannot be used, and without a terminal if no file is given."""
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


@dataclass(frozen=True, slots=True)
class CredentialOptions:
    """The options that `add` and `update` share; None or empty: not given."""

    description: str | None = None
    url: str | None = None
    key_file: Path | None = None
    secret_file: Path | None = None
    stdin: bool = False
    key_reference: str = ""
    secret_reference: str = ""
    keep: str | None = None
    ca_file: Path | None = None
    allow_plain_http: bool | None = None
    no_test: bool = False

    @property
    def brings_secrets(self) -> bool:
        """Whether files, standard input or references provide key and secret."""
        return bool(self.key_file or self.secret_file or self.stdin or self.references)

    @property
    def references(self) -> bool:
        """Whether the secret stays where a reference points."""
        return bool(self.key_reference or self.secret_reference)

    @property
    def only_describes(self) -> bool:
        """Whether only the description changes."""
        return self.facts().keys() == {"description"} and not (self.brings_secrets or self.keep)

    def facts(self) -> dict[str, Any]:
        """The given properties of the record."""
        facts = {"description": self.description, "url": self.url, "allow_plain_http": self.allow_plain_http}
        if self.ca_file is not None:
            facts["ca_file"] = str(self.ca_file.absolute())
        if self.references:
            facts |= {"kept": "references", "key_reference": self.key_reference}
            facts |= {"secret_reference": self.secret_reference}
        return {name: value for name, value in facts.items() if value is not None}


def _checked(options: dict[str, Any]) -> CredentialOptions:
    """The options. Raises: ConfigError for a combination that is not allowed."""
    asked = CredentialOptions(**options)
    if asked.references and (asked.key_file or asked.secret_file or asked.stdin or asked.keep):
        raise ConfigError("references cannot be combined with --key-file, --secret-file, --stdin or --keep")
    return asked


def _completed(asked: CredentialOptions) -> CredentialOptions:
    """The options, with host and description asked at the terminal. Raises: ConfigError without a terminal."""
    if not at_terminal():
        if asked.url is None:
            raise ConfigError("the host is missing; give it with --url https://host")
        return asked
    allowed = bool(asked.allow_plain_http)
    url = asked.url or ask_text("URL of the instance (https://host)", partial(normal_url, allow_plain_http=allowed))
    if asked.description is None and not asked.brings_secrets:
        return replace(asked, url=url, description=ask_text("Description (optional)", str, default=""))
    return replace(asked, url=url)


def _keeper(keep: str | None) -> str:
    if keep == "file" or (keep != "keyring" and not keyring_at_hand()):
        return "file"
    if not keyring_at_hand():
        raise StoreError("this system has no safe keyring, or the package keyring is not installed")
    return "keyring"


def _pair(record: Record, asked: CredentialOptions) -> Credential:
    if record.kept == "references":
        return _opened_store().open(record)
    return _read_pair(record.kind, asked.key_file, asked.secret_file, stdin=asked.stdin)


def _save(
    given: Invocation, record: Record, credential: Credential, asked: CredentialOptions, *, new: bool = False
) -> None:
    if not asked.no_test:
        _prove_before_saving(given, record, credential)
    _opened_store().keep(record, credential, new=new)
    click.echo(f"credential {record.name!r} for {record.url} was saved: {record.place}")


def _opened_store() -> CredentialStore:
    """The store of this machine, which may ask for its passphrase at the terminal."""
    allow_asking()
    return CredentialStore()


def _listed(name: str) -> Listed:
    """The credential that is used for this name. Raises: UnknownCredential, StoreError."""
    store = _opened_store()
    found = store.find(name)
    return next(row for row in store.listed() if row.record == found)


def _warn_of(errors: Iterable[AxsyncError]) -> None:
    """Print errors with their advice as warnings on stderr."""
    for error in errors:
        first, *others = explain(error).lines()
        click.echo("\n".join([first.replace("error:", "warning:", 1), *others]), err=True)


def _now() -> str:
    return iso(datetime.now(UTC))


def _read_pair(kind: Kind, key_file: Path | None, secret_file: Path | None, *, stdin: bool) -> Credential:
    """Key and secret from files, from two lines of standard input, or from the terminal.

    Raises: ConfigError.
    """
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


def _instance_of(record: Record) -> InstanceSettings:
    """The settings with which the host of a credential is contacted. Raises: ConfigError."""
    if record.ca_file and not Path(record.ca_file).is_file():
        raise ConfigError("ca_file names a file that does not exist")
    plain, name = record.allow_plain_http, record.name
    return InstanceSettings(
        name, record.url, StoredCredential(name), ca_file=record.ca_file, allow_plain_http=plain, tries=2
    )


def _prove(given: Invocation, instance: InstanceSettings, credential: Credential | None = None) -> str:
    """Test the credential; the message if the host accepts it. Raises: AxsyncError otherwise."""
    found = until_done_or_interrupted(lambda: given.service(try_credential)(instance, credential))
    version = found.server_version or "unknown"
    return clean(f"{found.url} accepts the credential; API {found.api}, product version {version}")


def _prove_before_saving(given: Invocation, record: Record, credential: Credential) -> None:
    """Test the credential and print the result. Raises: AxsyncError if the host does not accept it."""
    try:
        click.echo(_prove(given, _instance_of(record), credential))
    except AxsyncError:
        click.echo("nothing was saved; use --no-test to save without testing", err=True)
        raise


def show_list(rows: Sequence[Listed], console: Console) -> None:
    """Print a table, and a line for each credential that is hidden by another of the same name."""
    if not rows:
        console.print(Text("there are no credentials; add one with `axsync credential add NAME`"), soft_wrap=True)
        return
    cells = tuple(_cells(row) for row in rows)
    print_table(Table(TITLES, tuple[Side, ...](["left"] * len(TITLES)), cells), console)
    for row in rows:
        if row.hidden_by:
            told = (
                f"{row.record.name} in the {row.record.place} is not used; the one in the {row.hidden_by} has priority"
            )
            console.print(Text(clean(told)), soft_wrap=True)


def _cells(row: Listed) -> tuple[str, ...]:
    record = row.record
    used = "hidden" if row.hidden_by else row.last_used or "never"
    return tuple(clean(text) for text in (record.name, record.description, record.url, record.kind, record.place, used))


def show_one(row: Listed, console: Console) -> None:
    """Print one credential, a line per property."""
    facts = {key: value for key, value in as_facts(row).items() if value not in ("", False)}
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        console.print(Text(f"{key.replace('_', ' ').ljust(width)}  {clean(str(value))}"), soft_wrap=True)


def as_facts(row: Listed) -> dict[str, Any]:
    """The properties of one credential, without its secret."""
    record = row.record
    return {
        "name": record.name,
        "description": record.description,
        "url": record.url,
        "kind": record.kind,
        "kept_in": record.place,
        "ca_file": record.ca_file,
        "allow_plain_http": record.allow_plain_http,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "last_used": row.last_used,
        "hidden_by": row.hidden_by,
    }


def list_json(rows: Sequence[Listed]) -> str:
    return json.dumps([as_facts(row) for row in rows], indent=2)


def one_json(row: Listed) -> str:
    return json.dumps(as_facts(row), indent=2)


def export_json(records: Sequence[Record]) -> str:
    """What is needed to recreate the credentials elsewhere, except the secrets."""
    return json.dumps([_exported(record) for record in records], indent=2)


def _exported(record: Record) -> dict[str, Any]:
    facts = {"name": record.name, "description": record.description, "url": record.url, "kind": record.kind}
    more = {"ca_file": record.ca_file, "allow_plain_http": record.allow_plain_http, "kept": record.kept}
    references = {"key_reference": record.key_reference, "secret_reference": record.secret_reference}
    shown = {key: shown_reference(text) for key, text in references.items() if text}
    return facts | more | shown


def export_toml(records: Sequence[Record]) -> str:
    """Tables for axsync.toml of instances that use these credentials."""
    return "\n\n".join(_table(record) for record in records)


def _table(record: Record) -> str:
    name = record.name if "." not in record.name else json.dumps(record.name)
    lines = [f"# {record.description}"] if record.description else []
    lines += [f"[instances.{name}]", f"url = {json.dumps(record.url)}", f"credential = {json.dumps(record.name)}"]
    lines += [f"ca_file = {json.dumps(record.ca_file)}"] if record.ca_file else []
    return "\n".join(lines + (["allow_plain_http = true"] if record.allow_plain_http else []))
