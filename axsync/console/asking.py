"""What a person at a terminal is asked: passphrases, keys and secrets unseen; hosts and descriptions in the open."""

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from axsync.console.session import plain_console
from axsync.credentials import PERSON, Kind, Secret, good_passphrase, secret_word
from axsync.errors import AxsyncError, ConfigError

HOW_TO_OBTAIN = """\
How to obtain a key: from version 6.1.74 on, only service accounts may call the API. In Axonius, make a service account
whose role has "API access enabled" and may view assets; Viewer is enough. Up to 6.1.73 the key of a user works too:
Settings > API. Key and secret are shown once. What the role or its data scope hides is missing from every copy, without
an error.
"""
HOW_TO_OBTAIN_OAUTH = """\
An OAuth client has an id and a secret, made in Axonius for a service account whose role has "API access enabled" and
may view assets. They buy a token that lasts about an hour; axsync renews it, and keeps it in memory only.
"""
Answer = TypeVar("Answer")
NAMES: dict[Kind, tuple[str, str]] = {
    "api-key": ("API key", "API secret"),
    "oauth": ("OAuth client id", "OAuth client secret"),
}


def at_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


class Person:
    """Asks for the passphrase of the store, once."""

    def __init__(self) -> None:
        self._known: Secret | None = None

    def __call__(self, new: bool) -> Secret:  # noqa: FBT001  the form that `PERSON` has
        """The passphrase; one that is too short is asked for again."""
        if self._known is None:
            self._known = _passphrase(new=new)
        return self._known


def ask_new_passphrase() -> Secret:
    """A passphrase that is to take the place of another, typed twice."""
    return _passphrase(new=True)


def _passphrase(*, new: bool) -> Secret:
    told = "New passphrase for the credential store" if new else "Passphrase of the credential store"
    text: str = click.prompt(told, hide_input=True, confirmation_prompt=new, err=True, value_proc=_long_enough)
    return Secret(text)


def _long_enough(text: str) -> str:
    return _agreed(lambda: good_passphrase(text.encode(), "the passphrase").reveal())


def allow_asking() -> None:
    """Let the store ask whoever sits at the terminal, if there is one."""
    if PERSON.get() is None and (sys.stdin.isatty() or sys.stderr.isatty()):
        PERSON.set(Person())


def ask_pair(kind: Kind) -> tuple[Secret, Secret]:
    """Key and secret, typed or pasted unseen; what can be neither is asked for again."""
    first, second = NAMES[kind]
    return _hidden(first), _hidden(second)


def _hidden(name: str) -> Secret:
    def checked(text: str) -> Secret:
        return _agreed(lambda: secret_word(text, f"the {name}"))

    found: Secret = click.prompt(f"{name} (not shown)", hide_input=True, err=True, value_proc=checked)
    return found


def _agreed(read: Callable[[], Answer]) -> Answer:
    """What it reads, or what makes click ask once more."""
    try:
        return read()
    except AxsyncError as error:
        raise click.BadParameter(str(error)) from error


def ask_text(question: str, check: Callable[[str], str], *, default: str | None = None) -> str:
    """A text that `check` agrees to; what it refuses is asked for again."""

    def checked(text: str) -> str:
        return _agreed(lambda: check(text))

    answer: str = click.prompt(question, default=default, show_default=bool(default), value_proc=checked, err=True)
    return answer


def explain_keys(kind: Kind) -> None:
    """How a key is obtained, on stderr."""
    text = HOW_TO_OBTAIN if kind == "api-key" else HOW_TO_OBTAIN_OAUTH
    plain_console(sys.stderr).print(text, soft_wrap=True)


def confirmed(question: str) -> bool:
    """Whether the person agrees. Raises: ConfigError where there is nobody."""
    if not at_terminal():
        raise ConfigError("nobody can be asked here; --yes agrees in advance")
    return click.confirm(question, err=True)
