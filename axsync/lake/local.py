"""A store of folders and files (POSIX): writes that survive a power cut, rights without umask, a lease that is a lock.

Files of a lake are written, renamed and removed here and nowhere else.
"""

import errno
import fcntl
import os
import shutil
import socket
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from axsync.errors import Busy, NoLake, StorageError

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
OTHERS = 0o077
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
    fresh = not path.exists()
    handle = _open(path, os.O_APPEND, PRIVATE_FILE)
    try:
        written = os.write(handle, content)
        while written < len(content):
            written += os.write(handle, content[written:])
        os.fsync(handle)
        size = os.fstat(handle).st_size
    finally:
        os.close(handle)
    if fresh:
        fsync_folder(path.parent)
    return size


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file as `axsync.lake.store.Draft`; until it is sealed, its name has `.open` behind it."""

    path: Path
    file: BinaryIO

    @classmethod
    def begin(cls, path: Path, mode: int) -> "OpenFile":
        """Begin a file whose folder is there."""
        return cls(path, os.fdopen(_open(_draft(path), os.O_TRUNC, mode), "wb"))

    def seal(self) -> None:
        """As `Draft.seal`."""
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
        _draft(self.path).rename(self.path)
        fsync_folder(self.path.parent)

    def abandon(self) -> None:
        """As `Draft.abandon`."""
        try:
            self.file.close()
        finally:
            _draft(self.path).unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".open")


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A folder as `axsync.lake.store.Store`; keys are paths below it."""

    root: Path
    file_mode: int = PRIVATE_FILE  # of what is shared
    folder_mode: int = PRIVATE_FOLDER

    def prepare(self, shared: Sequence[str], *, private: str) -> None:
        """Make the folders that every run needs; the private one is nobody else's business."""
        for folder in (self.root, *map(self.path, shared)):
            make_folder(folder, self.folder_mode)
        own = self.path(private)
        make_folder(own)
        if stat.S_IMODE(own.stat().st_mode) & OTHERS:  # as an older axsync, or somebody, left it
            set_mode(own, PRIVATE_FOLDER)

    def links(self, keys: Sequence[str], levels: Sequence[str]) -> Iterator[str]:
        """The symbolic links among these keys, and among folders whose names begin with these, level below level."""
        yield from (key for key in keys if self.path(key).is_symlink())
        if self.root.is_dir():
            yield from (path.relative_to(self.root).as_posix() for path in _links(self.root, levels))

    def refuse_no_lake(self, control: str) -> None:
        """Raises: NoLake, where there is no folder, or none with this folder in it."""
        if not self.root.exists():
            raise NoLake(f"there is no lake {str(self.root)!r}")
        if not self.root.is_dir():
            raise NoLake(f"{str(self.root)!r} is not a lake, because it is not a folder")
        if not self.path(control).is_dir():
            raise NoLake(f"{str(self.root)!r} is not a lake, because it has no folder {control}")

    def path(self, key: str) -> Path:
        """Where a content is, for what reads and writes files itself, as pyarrow and DuckDB do."""
        return self.root / key

    def read(self, key: str, most: int | None = None) -> bytes:
        """As `Store.read`."""
        path = self.path(key)
        try:
            with path.open("rb") as file:
                return file.read(-1 if most is None else most)
        except FileNotFoundError as error:
            if path.is_symlink():  # that leads nowhere: something is there, and it cannot be read
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
            raise

    def open(self, key: str) -> BinaryIO:
        """As `Store.open`."""
        return self.path(key).open("rb")

    def size(self, key: str) -> int | None:
        """As `Store.size`; None as well for what is no file."""
        try:
            found = self.path(key).stat()
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def write(self, key: str, content: bytes, *, shared: bool = False) -> None:
        """As `Store.write`."""
        replace_file(self.path(key), content, self.file_mode if shared else PRIVATE_FILE)

    def create(self, key: str) -> OpenFile:
        """As `Store.create`."""
        path = self.path(key)
        make_folder(path.parent, self.folder_mode)
        return OpenFile.begin(path, self.file_mode)

    def write_if_absent(self, key: str, content: bytes, *, shared: bool = False) -> bool:
        """As `Store.write_if_absent`: a link is made only where nothing has its name."""
        path = self.path(key)
        draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.draft")
        replace_file(draft, content, self.file_mode if shared else PRIVATE_FILE)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
            fsync_folder(path.parent)
        return True

    def replace_if_unchanged(self, key: str, seen: bytes | None, content: bytes, *, shared: bool = False) -> bool:
        """As `Store.replace_if_unchanged`; the lease keeps others away between the look and the write."""
        if seen is None:
            return self.write_if_absent(key, content, shared=shared)
        try:
            if self.read(key) != seen:
                return False
        except FileNotFoundError:
            return False
        self.write(key, content, shared=shared)
        return True

    def append(self, key: str, content: bytes) -> int:
        """As `Store.append`."""
        return append(self.path(key), content)

    def truncate(self, key: str, size: int) -> None:
        """As `Store.truncate`."""
        if (self.size(key) or 0) > size:
            handle = _open(self.path(key), 0, PRIVATE_FILE)
            try:
                os.ftruncate(handle, size)
                os.fsync(handle)
            finally:
                os.close(handle)

    def list(self, pattern: str) -> Iterator[str]:
        """As `Store.list`."""
        return (path.relative_to(self.root).as_posix() for path in sorted(self.root.glob(pattern)))

    def delete(self, key: str) -> None:
        """As `Store.delete`."""
        path = self.path(key)
        with suppress(FileNotFoundError):
            path.unlink()
            fsync_folder(path.parent)

    def delete_all(self, prefix: str) -> None:
        """As `Store.delete_all`."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path(prefix))

    def has(self, prefix: str) -> bool:
        """Whether there is anything with this key or prefix."""
        return self.path(prefix).exists()

    def names(self, prefix: str) -> tuple[str, ...]:
        """As `Store.names`."""
        folder = self.path(prefix)
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.exists() else ()

    def folders(self, prefix: str) -> tuple[str, ...]:
        """The names of the folders in one, without links to others."""
        found = self.path(prefix).glob("*")
        return tuple(sorted(path.name for path in found if path.is_dir() and not path.is_symlink()))

    def is_file(self, key: str) -> bool:
        """Whether there is a file, be it by a link."""
        return self.path(key).is_file()

    def own_size(self, key: str) -> int:
        """Bytes of a file, of a link itself; 0 for what is neither, or is gone, since runs go on meanwhile."""
        path = self.path(key)
        try:
            return path.lstat().st_size if path.is_symlink() or path.is_file() else 0
        except FileNotFoundError:
            return 0

    def prune(self, key: str) -> None:
        """Remove the folders on the way to a key, as far as they are empty."""
        folder = self.path(key).parent
        while folder != self.root and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    def commit(self, staged: str, final: str, names: Collection[str]) -> None:
        """As `Store.commit`. A folder that is new appears whole, since it is moved."""
        source, place = self.path(staged), self.path(final)
        self._stay_inside(place)
        make_folder(place.parent, self.folder_mode)
        if not place.exists() and {path.name for path in source.iterdir()} == set(names):
            source.rename(place)
            fsync_folder(place.parent)
            return
        make_folder(place, self.folder_mode)
        for name in sorted(names):
            if (source / name).exists() or not (place / name).exists():  # an interrupted commit may be repeated
                (source / name).rename(place / name)
        fsync_folder(place)

    def is_inside(self, key: str) -> bool:
        """Whether no link on its way leads out of the root."""
        return self.path(key).resolve().is_relative_to(self.root.resolve())

    def _stay_inside(self, place: Path) -> None:
        """Raises: StorageError, where a link appeared while the run lasted."""
        if not place.resolve().is_relative_to(self.root.resolve()):
            raise StorageError(f"cannot publish the snapshot: {str(place)!r} leads out of the lake")


def _links(folder: Path, levels: Sequence[str]) -> Iterator[Path]:
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith(levels[0]):
                continue
            if entry.is_symlink():
                yield Path(entry.path)
            elif len(levels) > 1 and entry.is_dir():
                yield from _links(Path(entry.path), levels[1:])


@contextmanager
def hold(path: Path, *, what: str, run: str) -> Iterator[None]:
    """Hold the lock while the block runs.

    The system lets go of the lock when its process ends, however it ends, so a lock is never stale; the text in
    the file only tells who it is. Raises: Busy, StorageError.
    """
    with storage_errors(f"lock {what}"):
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(path)
            raise Busy(f"another run is using {what}: {holder}", holder=holder) from None
        with storage_errors(f"lock {what}"):
            os.ftruncate(handle, 0)
            os.write(handle, orjson.dumps({"pid": os.getpid(), "host": socket.gethostname(), "run": run}))
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        told = orjson.loads(path.read_bytes())
        return f"process {told['pid']} on {told['host']}, run {told['run']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not say who it is"
