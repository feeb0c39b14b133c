"""What a lake needs of the place where its bytes are: the one seam between axsync and a disk or an object store."""

from collections.abc import Collection, Iterator
from typing import BinaryIO, Protocol


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

    A key is a relative path with slashes, made by `axsync.lake.layout`; none leads out of the store. All verbs block
    and are called in worker threads. What a verb changed is durable when it returns: it survives a power cut, and a
    reader that asks afterwards sees it. Raises: OSError (FileNotFoundError where nothing has the key), which callers
    translate with `storage_errors`.

    Contents are `shared`, with the rights of what is published, or else for their owner alone.
    """

    def read(self, key: str, most: int | None = None) -> bytes:
        """The content, or its first `most` bytes."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The content as a file to read from."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of the content; None where nothing has this key."""
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

        Of two writers that saw the same, one is told yes. A store without conditional writes may ask that its
        callers hold the lake's lease, as folders do.
        """
        ...

    def append(self, key: str, content: bytes) -> int:
        """Add to a content, or begin it; returns its size. Nobody else appends to it meanwhile."""
        ...

    def truncate(self, key: str, size: int) -> None:
        """Cut a content off behind so many bytes; nothing where it is not longer."""
        ...

    def list(self, pattern: str) -> Iterator[str]:
        """Keys that a pattern fits, in alphabetical order: `*` is any text within one segment, `**` any segments."""
        ...

    def delete(self, key: str) -> None:
        """Remove one key; nothing where it is not there."""
        ...

    def delete_all(self, prefix: str) -> None:
        """Remove every key below a prefix, and the prefix."""
        ...

    def commit(self, staged: str, final: str, names: Collection[str]) -> None:
        """Move these names from one prefix to another, where they become visible; can be repeated.

        Where nothing has the final prefix and nothing else is staged, they become visible together.
        """
        ...
