"""Prompts at a terminal: passphrases, keys and secrets are hidden, hosts and descriptions are shown."""

import sys
from collections.abc import Callable
from shutil import get_terminal_size
from typing import TypeVar

import click

from axsync.console.text import wrapped
from axsync.credentials import KEY_VARIABLE, PASSPHRASE_VARIABLE, PERSON, Kind, Secret, good_passphrase, secret_word
from axsync.errors import AxsyncError, ConfigError

HOW_TO_OBTAIN = """\
How to obtain a key: in Axonius, create a service account whose role has "API access enabled" and may view assets; \
Viewer is enough. Key and secret are shown once. Up to version 6.1.73 the key of a user works too (Settings > API); \
from 6.1.74 on, only service accounts may call the API. What the role or its data scope hides is missing from every \
copy, without an error.
"""
HOW_TO_OBTAIN_OAUTH = """\
An OAuth client has an id and a secret. Create them in Axonius for a service account whose role has "API access \
enabled" and may view assets. axsync exchanges them for a token that lasts about an hour, renews it, and keeps it in \
memory only.
"""
Answer = TypeVar("Answer")
NAMES: dict[Kind, tuple[str, str]] = {
    "api-key": ("API key", "API secret"),
    "oauth": ("OAuth client id", "OAuth client secret"),
}


def at_terminal() -> bool:
    """Whether standard input is a terminal, so that a person can be asked."""
    return sys.stdin.isatty()


_WHY = f"""\
Key and secret are stored in an encrypted file. A passphrase locks it, and each command that needs them asks for it.
To avoid the prompt, put it into a file that only you can read, and set {PASSPHRASE_VARIABLE} to its path; or set
{KEY_VARIABLE} to a key file."""
"""Before the first passphrase is asked for."""


class Person:
    """Asks for the passphrase of the store, once."""

    def __init__(self) -> None:
        self._known: Secret | None = None

    def __call__(self, new: bool) -> Secret:  # noqa: FBT001  the signature of `PERSON`
        """The passphrase; asks again if it is too short."""
        if self._known is None:
            if new:
                click.echo(_WHY, err=True)
            self._known = _passphrase(new=new)
        return self._known


def ask_new_passphrase() -> Secret:
    """Ask for a passphrase that replaces another; it is typed twice."""
    return _passphrase(new=True)


def _passphrase(*, new: bool) -> Secret:
    told = "New passphrase for the credential store" if new else "Passphrase of the credential store"
    text: str = click.prompt(told, hide_input=True, confirmation_prompt=new, err=True, value_proc=_long_enough)
    return Secret(text)


def _long_enough(text: str) -> str:
    return _agreed(lambda: good_passphrase(text.encode(), "the passphrase").reveal())


def allow_asking() -> None:
    """Let the store prompt for its passphrase, if there is a terminal."""
    if PERSON.get() is None and (sys.stdin.isatty() or sys.stderr.isatty()):
        PERSON.set(Person())


def ask_pair(kind: Kind) -> tuple[Secret, Secret]:
    """Key and secret, typed or pasted without echo; asks again for text that cannot be one."""
    first, second = NAMES[kind]
    return _hidden(first), _hidden(second)


def _hidden(name: str) -> Secret:
    def checked(text: str) -> Secret:
        return _agreed(lambda: secret_word(text, f"the {name}"))

    found: Secret = click.prompt(f"{name} (not shown)", hide_input=True, err=True, value_proc=checked)
    return found


def _agreed(read: Callable[[], Answer]) -> Answer:
    """The value; an error becomes one that makes click ask again."""
    try:
        return read()
    except AxsyncError as error:
        raise click.BadParameter(str(error)) from error


def ask_text(question: str, check: Callable[[str], str], *, default: str | None = None) -> str:
    """Ask for a text until `check` accepts it."""

    def checked(text: str) -> str:
        return _agreed(lambda: check(text))

    answer: str = click.prompt(question, default=default, show_default=bool(default), value_proc=checked, err=True)
    return answer


def explain_keys(kind: Kind) -> None:
    """Print on stderr how to obtain a key."""
    text = HOW_TO_OBTAIN if kind == "api-key" else HOW_TO_OBTAIN_OAUTH
    click.echo(wrapped(text, get_terminal_size().columns), err=True)


def confirmed(question: str) -> bool:
    """Ask for confirmation. Raises: ConfigError without a terminal."""
    if not at_terminal():
        raise ConfigError("this needs confirmation, and there is no terminal; confirm with --yes")
    return click.confirm(question, err=True)
