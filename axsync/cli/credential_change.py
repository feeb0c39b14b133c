"""`axsync credential add`, `update`, `rename`, `remove`: the commands that change the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from axsync.cli.credential_work import now, opened_store, prove_before_saving, read_pair

if TYPE_CHECKING:
    from axsync.credentials import Credential, Record

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Asked:
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


@click.command(
    epilog="\b\nExamples:\n  axsync credential add prod\n"
    "  axsync credential add prod --url https://acme.on.axonius.com --key-file key --secret-file secret"
)
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["api-key", "oauth"]), default="api-key", show_default=True, help="Kind of credential."
)
@_options
@click.pass_context
def add(context: click.Context, /, name: str, kind: Any, **given: Any) -> None:  # noqa: ANN401  click has checked them
    """Ask for key and secret, test them, save them.

    Without a terminal, give --url and either --key-file with --secret-file, or --stdin, or references. Nothing is saved
    unless the host accepts it; --no-test skips the test.
    """
    from axsync.console.asking import explain_keys  # noqa: PLC0415  --help must not wait for it
    from axsync.credentials import Record  # noqa: PLC0415  as above
    from axsync.errors import StoreError  # noqa: PLC0415  as above

    asked, store = _asked(given), opened_store()
    if store.known(name) is not None:
        raise StoreError(f"there is already a credential {name!r}; change it with `axsync credential update {name}`")
    Record(name, "https://host", "file")  # refuses a bad name before anything is asked
    if not asked.brings_secrets:
        explain_keys(kind)
    moment = now()
    asked = _completed(asked)
    facts = {"kept": _keeper(asked.keep), **asked.facts(), "kind": kind, "created_at": moment, "updated_at": moment}
    record = Record(name=name, **facts)
    store.unlock(record)  # refuses a wrong passphrase before keys are typed
    _save(context, record, _pair(record, asked), asked, new=True)


@click.command(
    epilog="\b\nExamples:\n  axsync credential update prod                        new key and secret\n"
    "  axsync credential update prod --url https://new.host     the host has moved"
)
@click.argument("name")
@_options
@click.pass_context
def update(context: click.Context, /, name: str, **given: Any) -> None:
    """Replace key and secret, or change only the host or description.

    Without options, or with --key-file, --stdin or references, key and secret are replaced. With only --url,
    --description or --keep they stay. A new key or host is tested before it is saved.
    """
    from axsync.console.asking import explain_keys  # noqa: PLC0415  as above

    asked, store = _asked(given), opened_store()
    listed = store.own(name)
    facts = asked.facts() | {"updated_at": now()}
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
    _save(context, record, kept or _pair(record, asked), asked)


@click.command(epilog="\b\nExample:\n  axsync credential rename prod main")
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Rename a credential.

    Configurations that use the old name have to be changed as well.
    """
    store = opened_store()
    store.rename(store.own(old), new)
    click.echo(f"credential {old!r} is now called {new!r}")


@click.command(epilog="\b\nExample:\n  axsync credential remove prod --yes")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_context
def remove(context: click.Context, /, name: str, *, yes: bool) -> None:
    """Remove a credential and its secret.

    In Axonius it stays valid until it is revoked there.
    """
    from axsync.console.asking import confirmed  # noqa: PLC0415  as above

    store = opened_store()
    record = store.own(name)
    if not yes and not confirmed(f"Remove credential {name!r} for {record.url} and its secret?"):
        click.echo("nothing was removed", err=True)
        context.exit(1)
    left = store.remove(record)
    click.echo(f"credential {name!r} was removed; in Axonius it stays valid until it is revoked there")
    if left:
        click.echo(f"note: {left}", err=True)


def _asked(given: dict[str, Any]) -> Asked:
    """The options. Raises: ConfigError for a combination that is not allowed."""
    from axsync.errors import ConfigError  # noqa: PLC0415  as above

    asked = Asked(**given)
    if asked.references and (asked.key_file or asked.secret_file or asked.stdin or asked.keep):
        raise ConfigError("references cannot be combined with --key-file, --secret-file, --stdin or --keep")
    return asked


def _completed(asked: Asked) -> Asked:
    """The options, with host and description asked at the terminal. Raises: ConfigError without a terminal."""
    from axsync.console.asking import ask_text, at_terminal  # noqa: PLC0415  as above
    from axsync.errors import ConfigError  # noqa: PLC0415  as above
    from axsync.settings import normal_url  # noqa: PLC0415  as above

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
    from axsync.credentials import keyring_at_hand  # noqa: PLC0415  as above
    from axsync.errors import StoreError  # noqa: PLC0415  as above

    if keep == "file" or (keep != "keyring" and not keyring_at_hand()):
        return "file"
    if not keyring_at_hand():
        raise StoreError("this system has no safe keyring, or axsync[keyring] is not installed")
    return "keyring"


def _pair(record: Record, asked: Asked) -> Credential:
    if record.kept == "references":
        return opened_store().open(record)
    return read_pair(record.kind, asked.key_file, asked.secret_file, stdin=asked.stdin)


def _save(context: click.Context, record: Record, credential: Credential, asked: Asked, *, new: bool = False) -> None:
    if not asked.no_test:
        prove_before_saving(context, record, credential)
    opened_store().keep(record, credential, new=new)
    click.echo(f"credential {record.name!r} for {record.url} was saved: {record.place}")
