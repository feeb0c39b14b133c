"""Files that only their owner can read: mode 0600 in folders of mode 0700. Links are not followed."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from axsync.errors import StoreError, StoreExposed

OTHERS = 0o077
OTHERS_WRITE = 0o022
MAX_BYTES = 16 << 20


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
    if len(content) > MAX_BYTES:
        raise StoreError(f"the credential store {str(path)!r} is too large")
    return content


def _whole(handle: int) -> bytes:
    with os.fdopen(handle, "rb", closefd=False) as file:
        return file.read(MAX_BYTES + 1)


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
    if mode & OTHERS_WRITE:
        raise StoreExposed(f"the folder {str(folder)!r} has mode {mode:04o} and can be changed by others")


def make_private_folder(folder: Path) -> None:
    """Create a folder with mode 0700, and its parents as usual. An existing folder is not changed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # an unusual umask may remove the owner's bits


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically and durably, with mode 0600. Raises: StoreError."""
    with _telling(path):
        make_private_folder(path.parent)
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
        make_private_folder(path.parent)
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
