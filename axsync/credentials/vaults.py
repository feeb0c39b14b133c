"""Where secrets are kept: the system's keyring, or one encrypted file. Both keep texts under names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from axsync.credentials.private import read_private, write_private
from axsync.credentials.references import of_keyring
from axsync.credentials.sealing import Cost, Kdf, KeySource, header_of, seal, unseal
from axsync.errors import ConfigError, StoreDamaged, StoreError

RECOMMENDED = 1
"""keyring's own measure: backends below it are no safe place, or none at all."""
KEYRING_USER = "credential"


class Fetches(Protocol):
    """Gives back what was kept."""

    def fetch(self, name: str) -> str | None:
        """What is kept under the name, None for nothing. Raises: StoreError."""
        ...


class Keeps(Protocol):
    """Takes something to keep."""

    def keep(self, name: str, text: str) -> None:
        """Keep it, in place of what was there. Raises: StoreError."""
        ...


class Forgets(Protocol):
    """Lets go of what was kept."""

    def forget(self, name: str) -> None:
        """Forget it; nothing to forget is no error. Raises: StoreError."""
        ...


class Unlocks(Protocol):
    """Asks for what opens it, and tries that."""

    def unlock(self) -> None:
        """Make ready, so that nothing needs to be asked later. Raises: StoreError."""
        ...


class Vault(Fetches, Keeps, Forgets, Unlocks, Protocol):
    """A place for secrets."""


FindOpener = Callable[[Kdf | None], KeySource]
"""What opens a file of this kind; None: a new file, and whatever is at hand. Raises: StoreError."""


class FileVault:
    """Secrets in one encrypted file, written whole each time."""

    def __init__(self, path: Path, opener: FindOpener, *, cost: Cost | None = None) -> None:
        self.path, self._find, self._cost = path, opener, cost or Cost()
        self._at_hand: KeySource | None = None
        self._known: tuple[bytes, dict[str, str]] | None = None  # a file and its content: opening takes its time

    @property
    def kdf(self) -> Kdf | None:
        """What the file is opened with, None where there is no file. Raises: StoreError."""
        blob = read_private(self.path)
        return None if blob is None else self._told(lambda: header_of(blob)).kdf

    def unlock(self) -> None:
        if self.kdf is None:
            self._opener(None)
        self._content()

    def _opener(self, kdf: Kdf | None) -> KeySource:
        """Found once, so that a person is asked once."""
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
        """Lock the same secrets with something else, in one step. Raises: StoreError, ConfigError for the same one."""
        kept, old = self._content(), self._opener(self.kdf)
        if opener.kdf == old.kdf and opener.secret.equals(old.secret):
            raise ConfigError("what is to open the credential store opens it already")
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

    def _told(self, read: Callable[[], Any]) -> Any:  # noqa: ANN401  what `read` gives
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
        """The system asks when it wants to."""

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
        # Not chained: what a backend says may repeat what it was given.
        raise StoreError(f"the system keyring could not be asked ({of_keyring(error)})") from None


def keyring_at_hand() -> bool:
    """Whether this system has a keyring that is a safe place."""
    try:
        import keyring
    except ImportError:
        return False
    return bool(keyring.get_keyring().priority >= RECOMMENDED)
