"""References to API key and secret, and the only place where the two are read."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Never
from urllib.parse import quote

from axsync.errors import ConfigError
from axsync.settings import CredentialReference, check_reference

MASK = "***"
COMMAND_SECONDS = 30.0
MAX_FILE_BYTES = 64 * 1024
HIDDEN_FROM_COMMANDS = ("AX_KEY", "AX_SECRET")


class Secret:
    """A text that cannot be printed, formatted, pickled or compared by value; `reveal` is the one way to it.

    `notice` is a sentence for the operator about the place it came from, or empty.
    """

    __slots__ = ("__text", "notice")

    def __init__(self, text: str, *, notice: str = "") -> None:
        self.__text = text
        self.notice = notice

    def reveal(self) -> str:
        """The text itself, for the request header."""
        return self.__text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a secret is neither pickled nor copied")


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """What the headers `api-key` and `api-secret` are made of."""

    key: Secret
    secret: Secret

    @property
    def notices(self) -> tuple[str, ...]:
        """What the operator should know about the places they came from."""
        return tuple(dict.fromkeys(one.notice for one in (self.key, self.secret) if one.notice))


def resolve(reference: str, *, environ: Mapping[str, str], seconds: float = COMMAND_SECONDS) -> Secret:
    """Read the secret that `env:NAME`, `file:PATH`, `keyring:NAME` or `command:ARGV` stands for.

    `seconds` is how long a command may take.

    Raises: ConfigError, which names the place and never its content.
    """
    check_reference(reference, called="the reference")
    kind, _, rest = reference.partition(":")
    readers: dict[str, Callable[[], Secret]] = {
        "env": lambda: _from_variable(rest.strip(), environ),
        "file": lambda: _from_file(Path(rest.strip())),
        "keyring": lambda: _from_keyring(rest.strip()),
        "command": lambda: _from_command(rest, environ, seconds),
    }
    return readers[kind]()


def resolve_credential(reference: CredentialReference, *, environ: Mapping[str, str]) -> Credential:
    """Read both halves.

    Raises: ConfigError, which names the place and never its content.
    """
    return Credential(resolve(reference.api_key, environ=environ), resolve(reference.api_secret, environ=environ))


def redact(text: str, credential: Credential) -> str:
    """The text without key and secret, also where they stand URL-encoded or as JSON."""
    plain = (credential.key.reveal(), credential.secret.reveal())
    forms = {form for one in plain for form in (one, quote(one, safe=""), json.dumps(one)[1:-1]) if form}
    for form in sorted(forms, key=len, reverse=True):  # the longer first: one may be part of the other
        text = text.replace(form, MASK)
    return text


def _secret(text: str, place: str, *, notice: str = "") -> Secret:
    # The official client strips them too (API reference 2.1).
    stripped = text.strip()
    if not stripped:
        raise ConfigError(f"{place} is empty")
    if not all("!" <= c <= "~" for c in stripped):
        raise ConfigError(f"{place} holds more than one word of plain ASCII, which no key or secret does")
    return Secret(stripped, notice=notice)


def _from_variable(name: str, environ: Mapping[str, str]) -> Secret:
    if name not in environ:
        raise ConfigError(f"the environment variable {name} is not set")
    return _secret(environ[name], f"the environment variable {name}")


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            open_to_others = os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077
            content = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigError(f"the file {str(path)!r} cannot be read ({error.strerror})") from error
    notice = f"the file {str(path)!r} can be read by others; chmod 600 keeps it to you" if open_to_others else ""
    return _secret(content.decode("utf-8", "replace"), f"the file {str(path)!r}", notice=notice)


def _from_keyring(name: str) -> Secret:
    """`NAME` is the user of the service `axsync`; in `SERVICE/USER` what follows the last slash is the user."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError(f"keyring:{name} needs one more package: pip install 'axsync[keyring]'") from error
    service, _, user = name.rpartition("/")
    try:
        found = keyring.get_password(service or "axsync", user)
    except KeyringError as error:
        raise ConfigError(f"the keyring could not be asked for {name!r} ({type(error).__name__})") from error
    if found is None:
        raise ConfigError(f"the keyring knows no {name!r}; keyring set {service or 'axsync'} {user} adds it")
    return _secret(found, f"the keyring entry {name!r}")


def _from_command(line: str, environ: Mapping[str, str], seconds: float) -> Secret:
    """The first line that the command prints; no shell is involved."""
    try:
        argv = shlex.split(line)
    except ValueError as error:
        raise ConfigError("a command: reference has a quotation mark without its partner") from error
    if not argv or not argv[0]:
        raise ConfigError("a command: reference names no program")
    # Only the program is named in errors: arguments and what it printed may be secret.
    printed = _printed(argv, {k: v for k, v in environ.items() if k not in HIDDEN_FROM_COMMANDS}, seconds)
    first = printed.decode("utf-8", "replace").strip().partition("\n")[0]
    return _secret(first, f"the output of the command {argv[0]!r}")


def _printed(argv: list[str], environ: Mapping[str, str], seconds: float) -> bytes:
    program = f"the command {argv[0]!r}"
    try:
        done = subprocess.run(  # noqa: S603  the operator's own words, split without a shell
            argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:  # holds what was printed so far
        raise ConfigError(f"{program} did not end within {seconds:g} seconds") from None
    except OSError as error:
        raise ConfigError(f"{program} cannot be started ({error.strerror})") from error
    if done.returncode:
        raise ConfigError(f"{program} failed with exit code {done.returncode}")
    return done.stdout
