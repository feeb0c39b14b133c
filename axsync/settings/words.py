"""Checks of names, days, commands and references to secrets."""

import difflib
import re
import shlex
from collections.abc import Collection, Iterable
from datetime import date

from axsync.errors import ConfigError

REFERENCE_KINDS = ("env", "file", "keyring", "systemd", "command")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_reference(reference: str, *, called: str) -> None:
    """Refuse what is not a reference. The message does not repeat it: it may be the secret itself."""
    kind, _, rest = reference.partition(":")
    if not reference.strip():
        raise ConfigError(f"{called} is empty; write a reference such as env:AX_KEY")
    if not reference.isprintable():
        raise ConfigError(f"{called} contains an invisible character")
    if kind not in REFERENCE_KINDS:
        kinds = "env:NAME, file:PATH, keyring:NAME, systemd:NAME or command:ARGV"
        raise ConfigError(f"{called} must be a reference ({kinds}), never the secret itself")
    if not rest.strip():
        raise ConfigError(f"{called} has nothing after '{kind}:'")


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, ignoring case."""
    found = all_close(word, known, most=1)
    return found[0] if found else None


def all_close(word: str, known: Iterable[str], *, most: int) -> list[str]:
    """Up to `most` known words that may have been meant, the closest first."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.lower(), name)
    return [folded[name] for name in difflib.get_close_matches(word.lower(), folded, n=most, cutoff=0.5)]


def did_you_mean(*near: str | None) -> str:
    """The end of a sentence about an unknown word; empty if nothing is close."""
    meant = " or ".join(repr(name) for name in near if name)
    return f"; did you mean {meant}?" if meant else ""


def nearest(word: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown word: the closest known word, or else all that are known."""
    return did_you_mean(closest(word, known)) or (f"; known: {', '.join(known)}" if known else "")


def check_names(called: str, names: Iterable[str]) -> None:
    if not all(_NAME.fullmatch(name) for name in names):
        rule = "1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"
        raise ConfigError(f"{called} must be written with {rule}")


def check_day(called: str, day: str, *, also: str = "") -> None:
    try:
        # fromisoformat alone would take 20261123 and 2026-W48-1.
        date.fromisoformat(day if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day) else "")
    except ValueError as error:
        raise ConfigError(f"{called} must be a day such as 2026-11-23{also}, not {day!r}") from error


def check_command(called: str, command: str) -> None:
    """Refuse a command that a shell's quoting rules cannot split; empty means none."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"{called} has an unmatched quote or a trailing backslash") from error
    if command and not (words and words[0]):
        raise ConfigError(f"{called} does not name a program")
