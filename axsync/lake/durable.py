"""Writes that survive a power cut: files, folders, atomic replacement; with the rights they were given, no umask."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axsync.errors import StorageError

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
NO_RIGHTS_HERE = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})
"""What file systems say that know no rights, to those who own the file."""


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Translate the errors of a disk into one that people understand.

    Raises: StorageError from an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot {doing}: {error.strerror or error}") from error


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Make a folder and those above it, with this mode; that they are there is durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(exist_ok=True)
    set_mode(folder, mode)
    fsync_folder(folder.parent)


def set_mode(place: Path | int, mode: int) -> None:
    """Exactly these rights, whatever the umask; what a folder hands on to its children (setgid) stays."""
    special = stat.S_IMODE(os.stat(place).st_mode) & 0o7000  # noqa: PTH116  may be an open file
    try:
        os.chmod(place, mode | special)  # noqa: PTH101  as above
    except OSError as error:
        if error.errno not in NO_RIGHTS_HERE:
            raise


def _open(path: Path, flags: int, mode: int) -> int:
    # A link in the place of a file is not followed: it could lead out of the lake.
    handle = os.open(path, flags | os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        set_mode(handle, mode)
    except BaseException:
        os.close(handle)
        raise
    return handle


def replace_file(path: Path, content: bytes, mode: int = PRIVATE_FILE) -> None:
    """Put a file in place whole: readers see the old content or the new one."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.draft")
    with os.fdopen(_open(draft, os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    fsync_folder(path.parent)


def append(path: Path, content: bytes) -> int:
    """Add to a private file and make it durable; returns its length in bytes."""
    make_folder(path.parent)
    with os.fdopen(_open(path, os.O_APPEND, PRIVATE_FILE), "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()
