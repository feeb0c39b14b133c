"""The keyring of the system as a vault: service `axsync/NAME`, user `credential`."""

from types import ModuleType

from axsync.errors import StoreError

RECOMMENDED = 1
"""The priority from which the keyring library recommends a backend; lower ones are not safe."""

_USER = "credential"
_REASONS = {
    "KeyringLocked": "it is locked",
    "NoKeyringError": "there is none on this system",
    "InitError": "it cannot be opened",
    "PasswordSetError": "it did not accept the entry",
    "PasswordDeleteError": "it did not delete the entry",
}


def load_keyring() -> ModuleType | None:
    """The keyring library; None where it is not installed."""
    try:
        import keyring  # an extra
    except ImportError:
        return None
    return keyring


def keyring_at_hand() -> bool:
    """Whether this system has a keyring that is safe."""
    found = load_keyring()
    return found is not None and bool(found.get_keyring().priority >= RECOMMENDED)


def keyring_failure(error: Exception) -> str:
    """What a keyring did, in our own words: the message of its backend may repeat the secret."""
    return _REASONS.get(type(error).__name__, "it did not respond")


class KeyringVault:
    """Secrets by name in the system's keyring."""

    def unlock(self) -> None:
        """Nothing to do: the system prompts by itself."""

    def fetch(self, name: str) -> str | None:
        found = _call("get_password", _service(name), _USER)
        return None if found is None else str(found)

    def keep(self, name: str, text: str) -> None:
        _call("set_password", _service(name), _USER, text)

    def forget(self, name: str) -> None:
        if self.fetch(name) is not None:
            _call("delete_password", _service(name), _USER)


def _service(name: str) -> str:
    return f"axsync/{name}"


def _call(verb: str, *arguments: str) -> object:
    keyring = load_keyring()
    if keyring is None:
        raise StoreError("the system keyring needs one more package: pip install keyring")
    try:
        return getattr(keyring, verb)(*arguments)
    except keyring.errors.KeyringError as error:
        # Not chained: the message of a backend may repeat the secret.
        raise StoreError(f"the system keyring could not be used ({keyring_failure(error)})") from None
