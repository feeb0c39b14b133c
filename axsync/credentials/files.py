"""The files of the credential store: where they are on this machine, and that only their owner can read them.

The folders follow the XDG base directory specification. Files have mode 0600 in folders of mode 0700; links are not
followed.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from axsync.errors import StoreError, StoreExposed

HOME_VARIABLE = "AXSYNC_HOME"
OTHERS = 0o077
_OTHERS_WRITE = 0o022
_MAX_BYTES = 16 << 20


def config_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the store: `$AXSYNC_HOME`, or axsync in `$XDG_CONFIG_HOME` or ~/.config. Raises: StoreError."""
    return _own(environ) or _xdg(environ, "XDG_CONFIG_HOME", ".config")


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of state that changes from run to run; also `$AXSYNC_HOME` if set. Raises: StoreError."""
    return _own(environ) or _xdg(environ, "XDG_STATE_HOME", ".local/state")


def _own(environ: Mapping[str, str]) -> Path | None:
    return Path(environ[HOME_VARIABLE]).absolute() if environ.get(HOME_VARIABLE) else None


def _xdg(environ: Mapping[str, str], variable: str, usual: str) -> Path:
    given = environ.get(variable, "")
    # "All paths … must be absolute"; relative ones are ignored (XDG base directory specification).
    return (Path(given) if Path(given).is_absolute() else _home(environ) / usual) / "axsync"


def _home(environ: Mapping[str, str]) -> Path:
    if environ.get("HOME"):
        return Path(environ["HOME"])
    try:
        return Path.home()
    except RuntimeError as error:
        raise StoreError(f"there is no home folder for the credential store; set {HOME_VARIABLE}") from error


def read_private(path: Path) -> bytes | None:
    """The content; None if the file does not exist.

    Raises: StoreError if it is a link, not a regular file, another user's, readable by others, or in a folder that
        others may write.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise StoreExposed(f"the credential store {str(path)!r} is a symbolic link") from error
        raise StoreError(f"the credential store {str(path)!r} cannot be read ({error.strerror})") from error
    try:
        _check_file(path, os.fstat(handle))
        _check_folder(path.parent)
        content = _whole(handle)
    finally:
        os.close(handle)
    if len(content) > _MAX_BYTES:
        raise StoreError(f"the credential store {str(path)!r} is too large")
    return content


def _whole(handle: int) -> bytes:
    with os.fdopen(handle, "rb", closefd=False) as file:
        return file.read(_MAX_BYTES + 1)


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise StoreExposed(f"the credential store {str(path)!r} is not a file")
    if found.st_uid not in (os.geteuid(), 0):
        raise StoreExposed(f"the credential store {str(path)!r} belongs to another user")
    if mode := stat.S_IMODE(found.st_mode) & OTHERS:
        whole = stat.S_IMODE(found.st_mode)
        who = "read" if mode & 0o044 else "changed"
        raise StoreExposed(f"the credential store {str(path)!r} has mode {whole:04o} and can be {who} by others")


def _check_folder(folder: Path) -> None:
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid not in (os.geteuid(), 0):
        raise StoreExposed(f"the folder {str(folder)!r} belongs to another user, who can change its content")
    # The sticky bit does not help: anybody could have created the file in such a folder.
    if mode & _OTHERS_WRITE:
        raise StoreExposed(f"the folder {str(folder)!r} has mode {mode:04o} and can be changed by others")


def _make_private_folder(folder: Path) -> None:
    """Create a folder with mode 0700, and its parents as usual. An existing folder is not changed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # an unusual umask may remove the owner's bits


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically and durably, with mode 0600. Raises: StoreError."""
    with _telling(path):
        _make_private_folder(path.parent)
        _check_folder(path.parent)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o600)
                file.write(content)
                file.flush()
                os.fsync(handle)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold this lock file, waiting for it if necessary. It is released when the process exits. Raises: StoreError."""
    with _telling(path):
        _make_private_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if path.is_symlink():
            raise StoreExposed(f"the credential store {str(path)!r} is a symbolic link") from error
        raise StoreError(f"the credential store {str(path)!r} cannot be written ({error.strerror})") from error
