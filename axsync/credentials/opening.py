"""Finds what opens the encrypted file: a key file, a passphrase in a file, or a prompt."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias

from axsync.credentials.places import KEY_VARIABLE, PASSPHRASE_VARIABLE
from axsync.credentials.private import OTHERS
from axsync.credentials.sealing import Kdf, KeySource
from axsync.credentials.values import Secret
from axsync.errors import StoreLocked

MIN_KEY_BYTES, MAX_KEY_BYTES = 32, 64 * 1024
MIN_PASSPHRASE = 8  # characters
Person: TypeAlias = Callable[[bool], Secret]
"""Prompts for the passphrase; with True for a new one."""

PERSON: ContextVar[Person | None] = ContextVar("PERSON", default=None)
"""The prompt, if any. Only the command line sets it: a library must not wait for a keyboard."""


def find_opener(environ: Mapping[str, str], kdf: Kdf | None) -> KeySource:
    """The key source for a file with this KDF; for a new file (None) a key file if there is one, else a passphrase.

    Raises: StoreLocked.
    """
    key_file = environ.get(KEY_VARIABLE, "")
    if kdf == "hkdf-sha256" or (kdf is None and key_file):
        if not key_file:
            raise StoreLocked(f"it is locked with a key file, and {KEY_VARIABLE} is not set")
        return opener_of_key(Path(key_file), KEY_VARIABLE)
    if path := environ.get(PASSPHRASE_VARIABLE):
        return opener_of_file(Path(path), PASSPHRASE_VARIABLE)
    person = PERSON.get()
    if person is None:
        raise StoreLocked(f"it needs a passphrase, {PASSPHRASE_VARIABLE} is not set, and there is no terminal")
    return opener_of_person(person(kdf is None))


def opener_of_person(typed: Secret) -> KeySource:
    """A typed passphrase."""
    return KeySource("scrypt", typed, typed=True)


def opener_of_file(path: Path, named: str) -> KeySource:
    """The passphrase from a file; `named` is the variable or option that names it. Raises: StoreLocked."""
    return KeySource("scrypt", good_passphrase(_read(path, named), f"the file of {named}"))


def opener_of_key(path: Path, named: str) -> KeySource:
    """A key file; `named` is the variable or option that names it. Raises: StoreLocked."""
    content = _read(path, named)
    if not MIN_KEY_BYTES <= len(content) <= MAX_KEY_BYTES:
        raise StoreLocked(f"{named} names a file that does not hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes")
    return KeySource("hkdf-sha256", Secret(content.hex()))


def asks_a_person(environ: Mapping[str, str], kdf: Kdf | None) -> bool:
    """Whether a passphrase is needed and no file provides it."""
    return kdf == "scrypt" and not environ.get(PASSPHRASE_VARIABLE)


def open_to_others(environ: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each file that opens the store and can be read by others."""
    named = [variable for variable in (PASSPHRASE_VARIABLE, KEY_VARIABLE) if environ.get(variable)]
    return tuple(
        f"the file of {variable} can be read by others; restrict it with chmod 600"
        for variable in named
        if Path(environ[variable]).stat().st_mode & OTHERS
    )


def good_passphrase(content: bytes, place: str) -> Secret:
    """The passphrase without its line ending. Raises: StoreLocked, which does not repeat it."""
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise StoreLocked(f"{place} does not hold UTF-8 text") from None
    if len(text) < MIN_PASSPHRASE:
        raise StoreLocked(f"{place} holds fewer than {MIN_PASSPHRASE} characters")
    return Secret(text)


def _read(path: Path, named: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise StoreLocked(f"{named} names a file that cannot be read ({error.strerror})") from error
