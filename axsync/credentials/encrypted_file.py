"""The encrypted file of secrets: its format, what opens it, and the vault that it makes.

    axsync credential vault
    {"version": 1, "kdf": "scrypt", "n": …, "r": …, "p": …, "salt": …, "nonce": …}
    <box: AES-256-GCM over the content; the two lines above are its associated data>
    <SHA-256 of all of that, 32 bytes>

The checksum is no protection; it tells a damaged file from a wrong passphrase. The box only opens for exactly the bytes
that were written. A key file, a passphrase in a file, or a typed passphrase opens it.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from axsync.credentials.credential import MASK, Secret
from axsync.credentials.files import OTHERS, read_private, write_private
from axsync.errors import (
    ConfigError,
    StoreDamaged,
    StoreError,
    StoreLocked,
    WrongKeyFile,
    WrongPassphrase,
    WrongPassphraseFile,
)

PASSPHRASE_VARIABLE = "AXSYNC_PASSPHRASE_FILE"  # noqa: S105  a name
KEY_VARIABLE = "AXSYNC_STORE_KEY_FILE"
MAGIC = b"axsync credential vault\n"
_VERSION = 1
_CHECKSUM_BYTES = 32
_SALT_BYTES, _NONCE_BYTES = 16, 12
_MIN_KEY_FILE, _MAX_KEY_FILE = 32, 64 * 1024  # bytes
_MIN_PASSPHRASE = 8  # characters

Kdf = Literal["scrypt", "hkdf-sha256"]
Person: TypeAlias = Callable[[bool], Secret]
"""Prompts for the passphrase; with True for a new one."""

PERSON: ContextVar[Person | None] = ContextVar("PERSON", default=None)
"""The prompt, if any. Only the command line sets it: a library must not wait for a keyboard."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one guess at a passphrase: 128 * n * r bytes of memory, and p times the work (RFC 7914)."""

    n: int = 1 << 17
    r: int = 8
    p: int = 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeySource:
    """What opens a store: a passphrase (scrypt), typed or from a file, or a key file (hkdf-sha256)."""

    kdf: Kdf
    secret: Secret
    typed: bool = False

    def __repr__(self) -> str:
        return f"KeySource({self.kdf}, {MASK})"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The readable line. The bounds keep a malicious file from using all memory."""

    version: int
    kdf: Kdf
    salt: str
    nonce: str
    n: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = 2
    r: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    p: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1


def seal(content: bytes, opener: KeySource, cost: Cost) -> bytes:
    """The content of the file, with a fresh salt and nonce."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    header = Header(_VERSION, opener.kdf, salt.hex(), nonce.hex(), cost.n, cost.r, cost.p)
    told = MAGIC + msgspec.json.encode(header) + b"\n"
    box: bytes = _cipher().encrypt(_key(opener, header), nonce, content, told)
    whole = told + box
    return whole + hashlib.sha256(whole).digest()


def header_of(blob: bytes) -> Header:
    """The header of a file. Raises: StoreError if damaged, or written by a newer axsync."""
    told, _ = _split(blob)
    try:
        version = msgspec.json.decode(told[len(MAGIC) :], type=dict[str, object]).get("version")
        if isinstance(version, int) and version > _VERSION:
            raise StoreError(f"it was written by a newer axsync (version {version})")
        header = msgspec.json.decode(told[len(MAGIC) :], type=Header)
        lengths = (len(bytes.fromhex(header.salt)), len(bytes.fromhex(header.nonce)))
        if lengths != (_SALT_BYTES, _NONCE_BYTES) or header.n & (header.n - 1):
            raise StoreDamaged("it is damaged")
    except ValueError as error:  # msgspec's own are ValueErrors
        raise StoreDamaged("it is damaged") from error
    return header


def unseal(blob: bytes, opener: KeySource) -> bytes:
    """Decrypt a file. Raises: StoreError if damaged, written by a newer axsync, or locked with something else."""
    header = header_of(blob)
    told, box = _split(blob)
    content: bytes | None = _cipher().decrypt(_key(opener, header), bytes.fromhex(header.nonce), box, told)
    if content is None:
        raise _wrong(opener)
    return content


def _wrong(opener: KeySource) -> StoreLocked:
    if opener.kdf == "hkdf-sha256":
        return WrongKeyFile("the key file does not open it")
    return (WrongPassphrase if opener.typed else WrongPassphraseFile)("the passphrase does not open it")


def _split(blob: bytes) -> tuple[bytes, bytes]:
    whole, checksum = blob[:-_CHECKSUM_BYTES], blob[-_CHECKSUM_BYTES:]
    end = whole.find(b"\n", len(MAGIC)) + 1
    if not whole.startswith(MAGIC) or not end or hashlib.sha256(whole).digest() != checksum:
        raise StoreDamaged("it is damaged")
    return whole[:end], whole[end:]


def _key(opener: KeySource, header: Header) -> bytes:
    salt, material = bytes.fromhex(header.salt), opener.secret.reveal().encode()
    if opener.kdf == "scrypt":
        key: bytes = _cipher().key_of_passphrase(material, salt, n=header.n, r=header.r, p=header.p)
    else:
        key = _cipher().key_of_file(material, salt, MAGIC)
    return key


def _cipher() -> ModuleType:
    from axsync.credentials import cipher  # noqa: PLC0415  takes 25 ms, and only this file needs it

    return cipher


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
    return KeySource("scrypt", good_passphrase(_read_opener(path, named), f"the file of {named}"))


def opener_of_key(path: Path, named: str) -> KeySource:
    """A key file; `named` is the variable or option that names it. Raises: StoreLocked."""
    content = _read_opener(path, named)
    if not _MIN_KEY_FILE <= len(content) <= _MAX_KEY_FILE:
        raise StoreLocked(f"{named} names a file that does not hold {_MIN_KEY_FILE} to {_MAX_KEY_FILE} bytes")
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
        if _is_open_to_others(Path(environ[variable]))
    )


def _is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:  # then it is not this one that opens the store
        return False


def good_passphrase(content: bytes, place: str) -> Secret:
    """The passphrase without its line ending. Raises: StoreLocked, which does not repeat it."""
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise StoreLocked(f"{place} does not hold UTF-8 text") from None
    if len(text) < _MIN_PASSPHRASE:
        raise StoreLocked(f"{place} holds fewer than {_MIN_PASSPHRASE} characters")
    return Secret(text)


def _read_opener(path: Path, named: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_FILE + 1)
    except OSError as error:
        raise StoreLocked(f"{named} names a file that cannot be read ({error.strerror})") from error


class FileVault:
    """Secrets by name in one encrypted file, which is rewritten on each change.

    `opener` finds what opens a file with this KDF, or a new file (None), as `find_opener` does.
    """

    def __init__(self, path: Path, opener: Callable[[Kdf | None], KeySource], *, cost: Cost | None = None) -> None:
        self.path, self._find, self._cost = path, opener, cost or Cost()
        self._at_hand: KeySource | None = None
        self._known: tuple[bytes, dict[str, str]] | None = None  # a file and its content: opening is slow

    @property
    def kdf(self) -> Kdf | None:
        """The KDF of the file; None if there is no file. Raises: StoreError."""
        blob = read_private(self.path)
        return None if blob is None else self._told(lambda: header_of(blob)).kdf

    def unlock(self) -> None:
        if self.kdf is None:
            self._opener(None)
        self._content()

    def _opener(self, kdf: Kdf | None) -> KeySource:
        """Looked up once, so that a person is prompted once."""
        if self._at_hand is None or kdf not in (None, self._at_hand.kdf):
            self._at_hand = self._find(kdf)
        return self._at_hand

    def fetch(self, name: str) -> str | None:
        return self._content().get(name)

    def keep(self, name: str, text: str) -> None:
        self._write(self._content() | {name: text})

    def forget(self, name: str) -> None:
        kept = self._content()
        if name in kept:
            self._write({key: text for key, text in kept.items() if key != name})

    def rekey(self, opener: KeySource) -> None:
        """Lock the secrets with another key source, atomically. Raises: StoreError, ConfigError if it is the same."""
        kept, old = self._content(), self._opener(self.kdf)
        if opener.kdf == old.kdf and opener.secret.equals(old.secret):
            raise ConfigError("the new passphrase or key file is the same as the old one")
        write_private(self.path, self._sealed(kept, opener))
        self._at_hand = opener

    def _content(self) -> dict[str, str]:
        blob = read_private(self.path)
        if blob is None:
            return {}
        if self._known is None or self._known[0] != blob:
            self._known = blob, self._told(lambda: self._opened(blob))
        return self._known[1]

    def _opened(self, blob: bytes) -> dict[str, str]:
        content = unseal(blob, self._opener(header_of(blob).kdf))
        try:
            return msgspec.json.decode(content, type=dict[str, str])
        except msgspec.MsgspecError as error:
            raise StoreDamaged("it is damaged") from error

    def _told(self, read: Callable[[], Any]) -> Any:  # noqa: ANN401  the result of `read`
        try:
            return read()
        except StoreError as error:
            raise type(error)(f"the credential store {str(self.path)!r} cannot be opened: {error}") from error

    def _write(self, kept: dict[str, str]) -> None:
        write_private(self.path, self._sealed(kept, self._opener(self.kdf)))

    def _sealed(self, kept: dict[str, str], opener: KeySource) -> bytes:
        return seal(msgspec.json.encode(dict(sorted(kept.items()))), opener, self._cost)
