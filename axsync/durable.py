"""Writes that survive a power cut: files, folders, atomic replacement."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axsync.errors import StorageError


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


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; that they are there is durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in place whole: readers see the old content or the new one."""
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    fsync_folder(path.parent)


def append(path: Path, content: bytes) -> int:
    """Add to a file and make it durable; returns its length in bytes."""
    make_folder(path.parent)
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()
