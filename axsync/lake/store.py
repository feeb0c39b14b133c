"""What a lake needs of the place where its bytes are: the one seam between axsync and a disk or an object store."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeVar

from axsync.errors import StorageError

NativeFile: TypeAlias = Any
"""A `pyarrow.NativeFile`; pyarrow has no types."""
FileSystem: TypeAlias = Any
"""A `pyarrow.fs.FileSystem`."""
Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 16
"""So many contents or runs are looked at beside each other where a store is asked for each."""
_CHUNK = 1 << 20  # bytes


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Translate the errors of a store into one that people understand.

    Raises: StorageError from an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot {doing}: {error.strerror or error}") from error


def digest_of(content: NativeFile, heard: Callable[[int], None] = lambda _size: None) -> tuple[str, int]:
    """SHA-256 in hexadecimal and bytes of an open content; `heard` is told of bytes as they are read."""
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        heard(len(chunk))
    return digest.hexdigest(), size


def is_folder(store: "Store") -> bool:
    """Whether contents are files: DuckDB opens them by itself, and an open one is readable when it is deleted."""
    return "://" not in store.uri()


def read_if_there(store: "Store", key: str) -> bytes | None:
    """The content; None where nothing has this key. Raises: OSError."""
    try:
        return store.read(key)
    except FileNotFoundError:
        return None


def each(store: "Store", work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Work on items, the results in their order; on some of them at once where each waits for the store to answer."""
    if is_folder(store) or len(items) == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(AT_ONCE, "axsync-each") as pool:
        for start in range(0, len(items), AT_ONCE):
            yield from pool.map(work, items[start : start + AT_ONCE])


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A content as a listing has it; its size may be that of a moment ago."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Move:
    """These names from one prefix to another."""

    staged: str
    final: str
    names: frozenset[str]


class Draft(Protocol):
    """A content that is being written in many steps; nothing has its key before it is sealed."""

    @property
    def file(self) -> BinaryIO:
        """Where to write it. Not for two threads at a time."""
        ...

    def seal(self) -> None:
        """Make the content durable under its key."""
        ...

    def abandon(self) -> None:
        """Drop what was written."""
        ...


class Store(Protocol):
    """Bytes by key. `axsync.lake.local.LocalStore` is the one for folders.

    A key is a relative path with slashes, made by `axsync.lake.layout`; none leads out of the store. A prefix is one or
    more whole segments of a key; the empty one has every key below it. All verbs block and are called in worker
    threads. What a verb changed is durable when it returns: it survives a power cut, and a reader that asks afterwards
    sees it. Raises: OSError (FileNotFoundError where nothing has the key), which callers translate with
    `storage_errors`.

    Contents are `shared`, with the rights of what is published, or else for their owner alone. A store whose rights are
    those of a bucket pays no heed to it.
    """

    # Names

    def name(self, key: str = "") -> str:
        """What people call the store, or the content with this key: the folder as they wrote it, or a URI."""
        ...

    def uri(self, key: str = "") -> str:
        """Where a content is for an engine that opens it itself, such as DuckDB: an absolute path, or a URI."""
        ...

    def options(self) -> dict[str, str]:
        """What a library that opens `uri` itself, such as delta-rs, has to know beside it; nothing for a folder."""
        ...

    def file_system(self) -> FileSystem:
        """The store as pyarrow sees it, for reading; keys are its paths."""
        ...

    # Before a run, and around what writes

    def refuse_no_lake(self) -> None:
        """Raises: NoLake, with the reason, where nothing is below `layout.CONTROL`."""
        ...

    def preflight(self, prefixes: Collection[str] = ()) -> None:
        """Whether what is written to this store stays in it, and can be committed to these prefixes.

        A folder looks for symbolic links, rights and file systems, an object store for its bucket, its credentials, and
        whether it heeds conditions. What is not there yet is fine. Nothing is left behind. Raises: LakeError.
        """
        ...

    def prepare(self) -> None:
        """Make what every run needs, such as folders with their rights; can be repeated."""
        ...

    def hold(self, key: str, *, what: str, run: str, shared: bool = False) -> AbstractContextManager[None]:
        """Be the only one to write while the block runs. `what` is what is held, `run` who holds it.

        Those that hold it `shared` may be several, of one run: they keep away everybody else, but not each other. Each
        of them holds a lock of its own within, `layout.shard_lock`, before it changes anything.

        The lease of a process that ended is free: at once where the system knows, or else after a time. A store whose
        lease can be lost meanwhile refuses every further change. Raises: Busy, StorageError.
        """
        ...

    def is_sure(self) -> bool:
        """Whether nobody else can have the lease that is held, as far as this can be told at once.

        True where it cannot be lost, and where none is held.
        """
        ...

    def prove(self) -> None:
        """Return when that is certain. Raises: Overtaken where another process has the lease now; OSError."""
        ...

    def epoch(self) -> int:
        """A number that nobody has who holds the store before or after; 0 where its lease cannot be lost.

        Names that are made with it are nobody else's, also where a process that was paused goes on making names.
        """
        ...

    def scratch(self) -> AbstractContextManager[str | None]:
        """A private folder of this machine that lasts as long as the block, for an engine that spills, such as DuckDB.

        What a process that was killed left of another goes. None where the store has none, or it cannot be written.
        """
        ...

    # Reading

    def read(self, key: str, most: int | None = None) -> bytes:
        """The content, or its first `most` bytes."""
        ...

    def open(self, key: str) -> NativeFile:
        """The content as a file to read from, anywhere in it."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of the content; None where nothing has this key."""
        ...

    def is_inside(self, key: str) -> bool:
        """Whether the content is in this store. False only where a link leads out of it, which object stores lack."""
        ...

    def has(self, prefix: str) -> bool:
        """Whether anything has this key, or one below it."""
        ...

    def names(self, prefix: str) -> tuple[str, ...]:
        """The next segments below a prefix, in alphabetical order; none where nothing has it."""
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """The next segments below a prefix that have keys below them, in alphabetical order."""
        ...

    def list(self, pattern: str) -> Iterator[ListedKey]:
        """Contents whose keys fit, in alphabetical order: `*` is any text within one segment, `**` any segments.

        A store that knows prefixes only lists what is below the segments before the first `*`, and picks.
        """
        ...

    def unfinished(self, prefix: str) -> Iterator[ListedKey]:
        """Writes below a prefix that a crash cut short, by keys that `delete` takes; no other verb lists them.

        Only who holds the lease may take them for such.
        """
        ...

    # Writing

    def write(self, key: str, content: bytes, *, shared: bool = False) -> None:
        """Put a content in place whole: readers see the old one or the new one."""
        ...

    def create(self, key: str) -> Draft:
        """Begin a shared content that is written in many steps."""
        ...

    def write_if_absent(self, key: str, content: bytes, *, shared: bool = False) -> bool:
        """The same where nothing has the key yet; whether it was written. Of two writers, one is told yes."""
        ...

    def replace_if_unchanged(self, key: str, seen: bytes | None, content: bytes, *, shared: bool = False) -> bool:
        """The same where the content is still what was `seen` (None: nothing); whether it was written.

        Of two writers that saw the same content, one is told yes. Where nothing was seen, a store without conditional
        writes may ask that its callers hold the lake's lease, as folders do; `write_if_absent` asks for none.
        """
        ...

    def adopt(self, *keys: str) -> None:
        """Make shared and durable what another library has written under these keys, and the names above them."""
        ...

    def append(self, key: str, content: bytes) -> int:
        """Add to a private content, or begin it; returns its size. Nobody else appends to it meanwhile.

        A store whose contents cannot grow keeps numbered ones, which all other verbs take for one.
        """
        ...

    def truncate(self, key: str, size: int) -> None:
        """Cut a content off behind so many bytes; nothing where it is not longer."""
        ...

    def commit(self, moves: Sequence[Move]) -> None:
        """Move names to their final prefixes, where they become visible, one right after the other; can be repeated.

        Where nothing has the final prefix and nothing else is staged, they become visible together, if the store can.
        An object store copies, and then deletes. Raises: StorageError, where a final prefix leads out of the store.
        """
        ...

    def delete(self, *keys: str) -> None:
        """Remove keys, one right after the other; nothing where one is not there.

        One that cannot be removed keeps none of the others; its error is raised at the end.
        """
        ...

    def delete_all(self, prefix: str) -> None:
        """Remove every key below a prefix; of the prefix, and of those above it, nothing is left where it is empty."""
        ...
