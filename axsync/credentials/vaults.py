"""Where secrets are stored: the system keyring, or one encrypted file. Both map names to texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from axsync.credentials.private import read_private, write_private
from axsync.credentials.references import of_keyring
from axsync.credentials.sealing import Cost, Kdf, KeySource, header_of, seal, unseal
from axsync.errors import ConfigError, StoreDamaged, StoreError

RECOMMENDED = 1
"""The priority from which the keyring library recommends a backend; lower ones are not safe."""
KEYRING_USER = "credential"


class Vault(Protocol):
    """A place for secrets, by name."""

    def fetch(self, name: str) -> str | None:
        """The text of this name; None if there is none. Raises: StoreError."""
        ...

    def keep(self, name: str, text: str) -> None:
        """Add or replace the text. Raises: StoreError."""
        ...

    def forget(self, name: str) -> None:
        """Remove the text, if there is one. Raises: StoreError."""
        ...

    def unlock(self) -> None:
        """Prompt now for what is needed, so that later calls do not. Raises: StoreError."""
        ...


FindOpener = Callable[[Kdf | None], KeySource]
"""Finds what opens a file with this KDF; None for a new file. Raises: StoreError."""


class FileVault:
    """Secrets in one encrypted file, which is rewritten on each change."""

    def __init__(self, path: Path, opener: FindOpener, *, cost: Cost | None = None) -> None:
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


class KeyringVault:
    """Secrets in the system's keyring: service `axsync/NAME`, user `credential`."""

    def unlock(self) -> None:
        """Nothing to do: the system prompts by itself."""

    def fetch(self, name: str) -> str | None:
        found = _asked("get_password", _service(name), KEYRING_USER)
        return None if found is None else str(found)

    def keep(self, name: str, text: str) -> None:
        _asked("set_password", _service(name), KEYRING_USER, text)

    def forget(self, name: str) -> None:
        if self.fetch(name) is not None:
            _asked("delete_password", _service(name), KEYRING_USER)


def _service(name: str) -> str:
    return f"axsync/{name}"


def _asked(verb: str, *arguments: str) -> object:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise StoreError("the system keyring needs one more package: pip install 'axsync[keyring]'") from error
    try:
        return getattr(keyring, verb)(*arguments)
    except KeyringError as error:
        # Not chained: the message of a backend may repeat the secret.
        raise StoreError(f"the system keyring could not be used ({of_keyring(error)})") from None


def keyring_at_hand() -> bool:
    """Whether this system has a keyring that is safe."""
    try:
        import keyring
    except ImportError:
        return False
    return bool(keyring.get_keyring().priority >= RECOMMENDED)
