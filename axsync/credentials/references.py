"""References to API key and secret: what they may refer to, and how each is read."""

import os
import shlex
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from axsync.credentials.child_environment import child_environment
from axsync.credentials.credential import Credential, Secret
from axsync.credentials.system_keyring import keyring_failure, load_keyring
from axsync.errors import ConfigError
from axsync.settings import CredentialReference, check_reference

COMMAND_SECONDS = 30.0
_POLL_SECONDS = 0.05
_MAX_FILE_BYTES = 64 * 1024
SYSTEMD_VARIABLE = "CREDENTIALS_DIRECTORY"


def resolve(reference: str, *, environ: Mapping[str, str], seconds: float = COMMAND_SECONDS) -> Secret:
    """Read the secret that `env:NAME`, `file:PATH`, `keyring:NAME`, `systemd:NAME` or `command:ARGV` refers to.

    `seconds` is the timeout of a command.

    Raises: ConfigError, which names the place and never its content.
    """
    check_reference(reference, called="the reference")
    kind, _, rest = reference.partition(":")
    readers: dict[str, Callable[[], Secret]] = {
        "env": lambda: _from_variable(rest, environ),
        "file": lambda: _from_file(Path(rest)),
        "keyring": lambda: _from_keyring(rest),
        "systemd": lambda: _from_systemd(rest, environ),
        "command": lambda: _from_command(rest, environ, seconds),
    }
    return readers[kind]()


def resolve_credential(reference: CredentialReference, *, environ: Mapping[str, str]) -> Credential:
    """Read both halves.

    Raises: ConfigError, which names the place and never its content.
    """
    halves = reference.api_key, reference.api_secret
    named = {half.partition(":")[2] for half in halves if half.startswith("env:")}
    others = {name: text for name, text in environ.items() if name not in named}
    # A program that provides one half does not need the other.
    key, secret = (resolve(half, environ=others if half.startswith("command:") else environ) for half in halves)
    return Credential(key, secret)


def secret_word(text: str, place: str) -> Secret:
    """The secret in a text: one word of plain ASCII. Raises: ConfigError, which only names the place."""
    # The official client strips them too.
    stripped = text.strip()
    if not stripped:
        raise ConfigError(f"{place} is empty")
    if not all("!" <= c <= "~" for c in stripped):
        raise ConfigError(f"{place} must hold one word of plain ASCII, as every key and secret is")
    return Secret(stripped)


def _from_variable(name: str, environ: Mapping[str, str]) -> Secret:
    if name not in environ:
        raise ConfigError(f"the environment variable {name} is not set")
    return secret_word(environ[name], f"the environment variable {name}")


def _from_systemd(name: str, environ: Mapping[str, str]) -> Secret:
    """`LoadCredential=NAME:…` of a unit; the folder exists while the service runs (systemd.exec)."""
    if not (folder := environ.get(SYSTEMD_VARIABLE)):
        raise ConfigError(f"systemd:{name} needs {SYSTEMD_VARIABLE}, which systemd sets for units with LoadCredential=")
    if Path(name).name != name or name == "..":
        raise ConfigError("a systemd: reference must be the name of one credential, without a folder")
    return read_word(Path(folder) / name)


def _from_file(path: Path) -> Secret:
    open_to_others, secret = _read(path)
    notice = f"the file {str(path)!r} can be read by others; restrict it with chmod 600" if open_to_others else ""
    return Secret(secret.reveal(), notice=notice)


def read_word(path: Path) -> Secret:
    """The secret in a file, whatever its mode. Raises: ConfigError, which only names the file."""
    return _read(path)[1]


def _read(path: Path) -> tuple[bool, Secret]:
    try:
        # Neither opening nor reading waits: nobody may ever write into a pipe, or type at a terminal.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            mode = os.fstat(handle).st_mode
            content = b"" if stat.S_ISFIFO(mode) else os.read(handle, _MAX_FILE_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"the file {str(path)!r} cannot be read ({error.strerror})") from error
    if stat.S_ISFIFO(mode):
        raise ConfigError(f"the file {str(path)!r} is a pipe; use command: to run the program that fills it")
    return bool(mode & 0o077), secret_word(content.decode("utf-8", "replace"), f"the file {str(path)!r}")


def _from_keyring(name: str) -> Secret:
    """`NAME` is a user of the service `axsync`; in `SERVICE/USER` the user follows the last slash."""
    keyring = load_keyring()
    if keyring is None:
        raise ConfigError(f"keyring:{name} needs one more package: pip install keyring")
    service, _, user = name.rpartition("/")
    try:
        found = keyring.get_password(service or "axsync", user)
    except keyring.errors.KeyringError as error:
        raise ConfigError(f"the keyring could not be read for {name!r} ({keyring_failure(error)})") from error
    if found is None:
        raise ConfigError(f"the keyring has no {name!r}; add it with `keyring set {service or 'axsync'} {user}`")
    return secret_word(found, f"the keyring entry {name!r}")


def _from_command(line: str, environ: Mapping[str, str], seconds: float) -> Secret:
    """The first line that the command prints; no shell is involved."""
    argv = _argv(line)
    # Errors only name the program: arguments and output may be secret.
    printed = _printed(argv, child_environment(environ, for_secrets=True), seconds)
    first = printed[:_MAX_FILE_BYTES].decode("utf-8", "replace").strip().partition("\n")[0]
    return secret_word(first, f"the output of the command {argv[0]!r}")


def output_of(line: str, environ: Mapping[str, str], seconds: float, most: int) -> bytes:
    """All that a command prints, at most so many bytes; it may log in to secret stores. No shell is involved.

    Raises: ConfigError, which only names the program.
    """
    argv = _argv(line)
    printed = _printed(argv, child_environment(environ, for_secrets=True), seconds, most + 1)
    if len(printed) > most:
        raise ConfigError(f"the command {argv[0]!r} printed more than {most >> 20} MiB")
    return printed


def _argv(line: str) -> list[str]:
    try:
        argv = shlex.split(line)
    except ValueError as error:
        raise ConfigError("a command: reference has an unmatched quote or a trailing backslash") from error
    if not argv or not argv[0]:
        raise ConfigError("a command: reference names no program")
    return argv


def _printed(argv: list[str], environ: Mapping[str, str], seconds: float, most: int = _MAX_FILE_BYTES) -> bytes:
    """What the program prints until it ends; children that it leaves behind are not waited for."""
    program = f"the command {argv[0]!r}"
    nothing = subprocess.DEVNULL
    try:
        child = subprocess.Popen(  # noqa: S603  the operator's own command, without a shell
            argv, env=environ, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing, bufsize=0
        )
    except OSError as error:
        raise ConfigError(f"{program} cannot be started ({error.strerror})") from error
    with child:
        printed = _until_it_ends(child, seconds, most)
    if printed is None:
        raise ConfigError(f"{program} did not finish within {seconds:g} seconds")
    if child.returncode:
        raise ConfigError(f"{program} failed with exit code {child.returncode}")
    return printed


def _until_it_ends(child: "subprocess.Popen[bytes]", seconds: float, most: int) -> bytes | None:
    """The first so many bytes that it prints; None where it did not end in time and was killed."""
    printed, ends = bytearray(), time.monotonic() + seconds
    out = child.stdout.fileno() if child.stdout else -1
    os.set_blocking(out, False)  # a child of its own may hold the other end for ever
    while True:
        ended = _has_ended(child)
        with suppress(BlockingIOError):
            while piece := os.read(out, _MAX_FILE_BYTES):
                printed += piece[: most - len(printed)]
        if ended:
            return bytes(printed)
        if time.monotonic() >= ends:
            child.kill()
            return None


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    with suppress(subprocess.TimeoutExpired):
        child.wait(_POLL_SECONDS)
        return True
    return False
