"""A store of folders and files (POSIX): writes that survive a power cut, rights without umask, a lease that is a lock.

Files of a lake are written, renamed and removed here and nowhere else. So is what only folders ask for: no link leads
out of the lake, it is on one file system (publishing moves staged parts, ADR 0006), names are durable once their folder
is, and folders that have become empty go.
"""

import errno
import fcntl
import os
import re
import shutil
import socket
import stat
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

import orjson

from axsync.errors import Busy, LakeError, NoLake, NoLakeYet, StorageError
from axsync.lake import layout
from axsync.lake.store import FileSystem, ListedKey, Move, NativeFile, storage_errors

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
OTHERS = 0o077
NO_RIGHTS_HERE = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})
"""What file systems say that know no rights, to those who own the file."""
MOUNTS = Path("/proc/self/mountinfo")
ONE_FILE_SYSTEM = "the lake must be on one file system so that parts can be renamed into place"

SHARED_TRIES, SHARED_PAUSE = 20, 0.05
"""How often, and how many seconds apart, a lock that may be shared is tried."""

TURN_TRIES, TURN_PAUSE = 100, 0.02
"""How often, and how many seconds apart, it is tried to replace a file that another process is replacing."""

_DRAFT = ".draft"
_ESCAPED = re.compile(r"\\([0-7]{3})")
_OWN = (
    layout.CONTROL,
    layout.RUNS,
    layout.SNAPSHOTS,
    layout.LANES,
    layout.SCHEMAS,
    layout.BY_HASH,
    layout.STATE,
    layout.POINTER,
    layout.LOCK,
)


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
    draft = path.with_name(f".{path.name}{_DRAFT}")
    with os.fdopen(_open(draft, os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    fsync_folder(path.parent)


def append(path: Path, content: bytes) -> int:
    """Add to a private file and make it durable; returns its length in bytes. What fails leaves nothing behind."""
    make_folder(path.parent)
    fresh = not path.exists()
    handle = _open(path, os.O_APPEND, PRIVATE_FILE)
    before = os.fstat(handle).st_size
    try:
        written = os.write(handle, content)
        while written < len(content):
            written += os.write(handle, content[written:])
        os.fsync(handle)
        size = os.fstat(handle).st_size
    except OSError:
        with suppress(OSError):  # or what is appended next would follow half a record
            os.ftruncate(handle, before)
        raise
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

    def _path(self, key: str) -> Path:
        return self.root / key

    def name(self, key: str = "") -> str:
        """As `Store.name`."""
        return str(self._path(key))

    def uri(self, key: str = "") -> str:
        """As `Store.uri`: the path without links."""
        return str(self._path(key).resolve())

    def options(self) -> dict[str, str]:
        """As `Store.options`."""
        return {}

    def file_system(self) -> FileSystem:
        """As `Store.file_system`."""
        from pyarrow.fs import LocalFileSystem, SubTreeFileSystem  # noqa: PLC0415  a shell completes names without it

        return SubTreeFileSystem(self.uri(), LocalFileSystem())

    def refuse_no_lake(self) -> None:
        """As `Store.refuse_no_lake`."""
        if not self.root.exists():
            raise NoLakeYet(f"there is no lake {self.name()!r} yet")
        if not self.root.is_dir():
            raise NoLake(f"{self.name()!r} is not a lake, because it is not a folder")
        if not self._path(layout.CONTROL).is_dir():
            raise NoLake(f"{self.name()!r} is not a lake, because it has no folder {layout.CONTROL}")

    def preflight(self, prefixes: Collection[str] = ()) -> None:
        """As `Store.preflight`. That the lake itself is a link is fine, and so is one from a place in it to another."""
        try:
            self._refuse_links()
            if self.root.is_dir():
                _refuse_unfit(self.root, prefixes)
        except OSError as error:
            raise LakeError(f"the lake {self.name()!r} cannot be inspected: {error.strerror}") from error

    def _refuse_links(self) -> None:
        own = [key for key in _OWN if self._path(key).is_symlink()]
        there = self.root.is_dir()
        links = (link for levels in layout.LEVELS if there for link in _links(self.root, levels))
        for link in (*own, *(link.relative_to(self.root).as_posix() for link in links)):
            if not self.is_inside(link):
                raise LakeError(f"in the lake {self.name()!r}, {link!r} is a symbolic link that leads out of it")

    def prepare(self) -> None:
        """As `Store.prepare`. What runs keep is nobody else's business."""
        for key in ("", layout.CONTROL, layout.SNAPSHOTS, layout.LANES, layout.SCHEMAS, layout.BY_HASH):
            make_folder(self._path(key), self.folder_mode)
        runs = self._path(layout.RUNS)
        make_folder(runs)
        if stat.S_IMODE(runs.stat().st_mode) & OTHERS:  # as an older axsync, or somebody, left it
            set_mode(runs, PRIVATE_FOLDER)

    def hold(self, key: str, *, what: str, run: str, shared: bool = False) -> AbstractContextManager[None]:
        """As `Store.hold`."""
        return hold(self._path(key), what=what, run=run, shared=shared)

    def is_sure(self) -> bool:
        """As `Store.is_sure`: a lock of the system cannot be lost."""
        return True

    def prove(self) -> None:
        """As `Store.prove`."""

    def epoch(self) -> int:
        """As `Store.epoch`."""
        return 0

    @contextmanager
    def scratch(self) -> Iterator[str | None]:
        """As `Store.scratch`."""
        folder, made = self._path(layout.SCRATCH), None
        with ExitStack() as held:
            with suppress(OSError):
                made = str(own_folder(folder, held))
            yield made
        with suppress(OSError):  # others may be in it
            folder.rmdir()

    def read(self, key: str, most: int | None = None) -> bytes:
        """As `Store.read`."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                return file.read(-1 if most is None else most)
        except FileNotFoundError as error:
            if path.is_symlink():  # that leads nowhere: something is there, and it cannot be read
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
            raise

    def open(self, key: str) -> NativeFile:
        """As `Store.open`."""
        import pyarrow as pa  # noqa: PLC0415  a shell completes names without it

        return pa.OSFile(str(self._path(key)), "rb")

    def size(self, key: str) -> int | None:
        """As `Store.size`; None as well for what is no file."""
        try:
            found = self._path(key).stat()
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def is_inside(self, key: str) -> bool:
        """As `Store.is_inside`."""
        return self._path(key).resolve().is_relative_to(self.root.resolve())

    def has(self, prefix: str) -> bool:
        """As `Store.has`; an empty folder is something."""
        return self._path(prefix).exists()

    def names(self, prefix: str) -> tuple[str, ...]:
        """As `Store.names`."""
        folder = self._path(prefix)
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.exists() else ()

    def folders(self, prefix: str) -> tuple[str, ...]:
        """As `Store.folders`, without links to others."""
        found = self._path(prefix).glob("*")
        return tuple(sorted(path.name for path in found if path.is_dir() and not path.is_symlink()))

    def list(self, pattern: str) -> Iterator[ListedKey]:
        """As `Store.list`. A link counts as the file that it leads to, but has a size of its own."""
        for path in sorted(self.root.glob(pattern)):
            if path.is_file():
                yield ListedKey(path.relative_to(self.root).as_posix(), _own_size(path))

    def unfinished(self, prefix: str) -> Iterator[ListedKey]:
        """As `Store.unfinished`: the drafts of `replace_file`."""
        return self.list(f"{prefix}/**/.*{_DRAFT}")

    def write(self, key: str, content: bytes, *, shared: bool = False) -> None:
        """As `Store.write`."""
        replace_file(self._path(key), content, self.file_mode if shared else PRIVATE_FILE)

    def create(self, key: str) -> OpenFile:
        """As `Store.create`."""
        path = self._path(key)
        make_folder(path.parent, self.folder_mode)
        return OpenFile.begin(path, self.file_mode)

    def write_if_absent(self, key: str, content: bytes, *, shared: bool = False) -> bool:
        """As `Store.write_if_absent`: a link is made only where nothing has its name."""
        path = self._path(key)
        draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}{_DRAFT}")
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
        """As `Store.replace_if_unchanged`; where nothing was seen, the lease keeps others away until the write."""
        try:
            with _unchanging(self._path(key)):
                if self.read(key) != seen:
                    return False
                self.write(key, content, shared=shared)
                return True
        except FileNotFoundError:
            if seen is not None:
                return False
        self.write(key, content, shared=shared)
        return True

    def adopt(self, *keys: str) -> None:
        """As `Store.adopt`."""
        folders = dict.fromkeys(self._path(key).parent for key in keys)
        for key in keys:
            handle = _open(self._path(key), 0, self.file_mode)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        for folder in folders:
            set_mode(folder, self.folder_mode)
            fsync_folder(folder)
            fsync_folder(folder.parent)

    def append(self, key: str, content: bytes) -> int:
        """As `Store.append`."""
        return append(self._path(key), content)

    def truncate(self, key: str, size: int) -> None:
        """As `Store.truncate`."""
        if (self.size(key) or 0) > size:
            handle = _open(self._path(key), 0, PRIVATE_FILE)
            try:
                os.ftruncate(handle, size)
                os.fsync(handle)
            finally:
                os.close(handle)

    def commit(self, moves: Sequence[Move]) -> None:
        """As `Store.commit`. A folder that is new appears whole, since it is moved.

        Whatever is slow comes before the first rename or behind the last.
        """
        for move in moves:
            if not self.is_inside(move.final):  # a link appeared while the run lasted
                raise StorageError(f"cannot publish the snapshot: {self.name(move.final)!r} leads out of the lake")
            whole = self._is_whole(move)
            make_folder(self._path(move.final).parent if whole else self._path(move.final), self.folder_mode)
        for folder in dict.fromkeys([self._moved(move) for move in moves]):
            fsync_folder(folder)

    def _is_whole(self, move: Move) -> bool:
        """Whether the folder can be moved instead of what is in it."""
        source, place = self._path(move.staged), self._path(move.final)
        return not place.exists() and {path.name for path in source.iterdir()} == move.names

    def _moved(self, move: Move) -> Path:
        """Move it; returns the folder whose names have changed."""
        source, place = self._path(move.staged), self._path(move.final)
        if self._is_whole(move):
            source.rename(place)
            return place.parent
        for name in sorted(move.names):
            if (source / name).exists() or not (place / name).exists():  # an interrupted commit may be repeated
                (source / name).rename(place / name)
        return place

    def delete(self, *keys: str) -> None:
        """As `Store.delete`."""
        folders, failed = dict[Path, None](), list[OSError]()
        for key in keys:
            path = self._path(key)
            try:
                path.unlink()
                folders[path.parent] = None
            except FileNotFoundError:
                continue
            except OSError as error:
                failed.append(error)
        for folder in folders:
            fsync_folder(folder)
        if failed:
            raise failed[0]

    def delete_all(self, prefix: str) -> None:
        """As `Store.delete_all`."""
        folder = self._path(prefix)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        while (folder := folder.parent) != self.root and _is_empty(folder):
            folder.rmdir()
        with suppress(FileNotFoundError):  # where nothing had the prefix
            fsync_folder(folder)


def _links(folder: Path, levels: Sequence[str]) -> Iterator[Path]:
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith(levels[0]):
                continue
            if entry.is_symlink():
                yield Path(entry.path)
            elif len(levels) > 1 and entry.is_dir():
                yield from _links(Path(entry.path), levels[1:])


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _own_size(path: Path) -> int:
    """Of a link itself; 0 for what is gone by now, since runs go on meanwhile."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _refuse_unfit(root: Path, prefixes: Collection[str]) -> None:
    """Raises: LakeError, where a folder on the way to a prefix is a file, elsewhere, or not to be written."""
    device, mounted = root.stat().st_dev, _mount_points()
    for prefix in prefixes:
        there = [place for place in _on_the_way(root, prefix) if os.path.lexists(place)]
        for place in there:
            told = f"in the lake {str(root)!r}, {str(place.relative_to(root))!r}"
            if not place.is_dir():
                raise LakeError(f"{told} is not a folder")
            if place.stat().st_dev != device or place.resolve() in mounted:
                raise LakeError(f"{told} is on a different file system or a separate mount; {ONE_FILE_SYSTEM}")
        if there and not os.access(there[-1], os.W_OK | os.X_OK):
            raise LakeError(f"the lake {str(root)!r} cannot be written: no permission to write in {str(there[-1])!r}")


def _on_the_way(root: Path, prefix: str) -> Iterator[Path]:
    folder = root
    for segment in prefix.split("/"):
        folder /= segment
        yield folder


def _mount_points() -> frozenset[Path]:
    """Also what is mounted from the same file system (bind), between which nothing can be moved either."""
    if sys.platform != "linux" or not MOUNTS.exists():
        return frozenset()
    # The fifth field (proc(5)); blanks in it are written as \040.
    found = (line.split()[4] for line in os.fsdecode(MOUNTS.read_bytes()).splitlines())
    return frozenset(Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), place)) for place in found)


@contextmanager
def _alone(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of a folder, which goes with its process."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def own_folder(folder: Path, held: ExitStack) -> Path:
    """A folder in this one that is locked and goes with the stack; others that nobody has locked are removed."""
    make_folder(folder)
    with _alone(folder):
        for left in folder.iterdir():
            with suppress(OSError), _alone(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(left)
        made = Path(mkdtemp(dir=folder))
        held.callback(shutil.rmtree, made, ignore_errors=True)
        held.enter_context(_alone(made))
    return made


@contextmanager
def hold(path: Path, *, what: str, run: str, shared: bool = False) -> Iterator[None]:
    """Hold the lock while the block runs, alone, or beside others that share it for the same run.

    The system lets go of the lock when its process ends, however it ends, so a lock is never stale; the text in
    the file only tells who it is. Raises: Busy, StorageError.
    """
    with storage_errors(f"lock {what}"):
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with storage_errors(f"lock {what}"):
            is_ours = _shared(handle, path, run) if shared else _own(handle, run)
        if not is_ours:
            holder = _holder(path)
            raise Busy(f"another run is using {what}: {holder}", holder=holder)
        yield
    finally:
        os.close(handle)


@contextmanager
def _unchanging(path: Path) -> Iterator[None]:
    """The file stays what it is, for all who change it by this, while the block runs. Raises: OSError."""
    for _ in range(TURN_TRIES):
        with ExitStack() as stack:
            handle = _opened_to_lock(path)
            stack.callback(os.close, handle)
            # Whoever replaced it meanwhile has the lock of a file that is no longer here.
            if _locked(handle, fcntl.LOCK_EX) and os.fstat(handle).st_ino == path.stat().st_ino:
                yield
                return
        time.sleep(TURN_PAUSE)
    raise OSError(errno.EBUSY, f"another process is changing {path.name}")


def _opened_to_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)  # NFS locks nothing that is open for reading only
    except PermissionError:  # of another member of the group
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _own(handle: int, run: str) -> bool:
    """Take a lock that nobody has, and write into its file who has it."""
    if not _locked(handle, fcntl.LOCK_EX):
        return False
    os.ftruncate(handle, 0)
    os.pwrite(handle, orjson.dumps({"pid": os.getpid(), "host": socket.gethostname(), "run": run}), 0)
    return True


def _shared(handle: int, path: Path, run: str) -> bool:
    """Share a lock with those of this run. Who comes first is alone for a moment, so others try again."""
    for left in reversed(range(SHARED_TRIES)):
        # A lock that is changed from one kind to the other is let go of in between (flock(2)).
        if _own(handle, run):
            if _locked(handle, fcntl.LOCK_SH):
                return True
        elif _locked(handle, fcntl.LOCK_SH):
            if _run_of(path) == run:
                return True
            fcntl.flock(handle, fcntl.LOCK_UN)
        if left:
            time.sleep(SHARED_PAUSE)
    return False


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _run_of(path: Path) -> str | None:
    try:
        told: str = orjson.loads(path.read_bytes())["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told


def _holder(path: Path) -> str:
    try:
        told = orjson.loads(path.read_bytes())
        return f"process {told['pid']} on {told['host']}, run {told['run']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not say who it is"
