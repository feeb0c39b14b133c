"""A store in memory: what keeps the contract of `axsync.lake.store` without a folder behind it."""

import io
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import pyarrow as pa
from pyarrow.fs import _MockFileSystem

from axsync.errors import Busy, NoLakeYet
from axsync.lake import layout
from axsync.lake.store import FileSystem, ListedKey, Move, NativeFile


@dataclass
class MemoryDraft:
    """A content that is being written."""

    store: "MemoryStore"
    key: str
    file: BinaryIO = field(default_factory=io.BytesIO)

    def seal(self) -> None:
        self.file.seek(0)
        self.store.contents[self.key] = self.file.read()

    def abandon(self) -> None:
        self.file.close()


@dataclass
class MemoryStore:
    """Contents by key, and the keys that are held. Prefixes are there as long as something is below them."""

    contents: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def name(self, key: str = "") -> str:
        return self.uri(key)

    def uri(self, key: str = "") -> str:
        return f"memory://{key}"

    def file_system(self) -> FileSystem:
        made = _MockFileSystem()
        for key, content in self.contents.items():
            made.create_dir(layout.folder_of(key))
            with made.open_output_stream(key) as file:
                file.write(content)
        return made

    def refuse_no_lake(self) -> None:
        if not self.has(layout.CONTROL):
            raise NoLakeYet(f"there is no lake {self.name()!r} yet")

    def preflight(self, prefixes: Collection[str] = ()) -> None:
        self.calls += ["preflight", *prefixes]

    def prepare(self) -> None:
        self.calls.append("prepare")

    @contextmanager
    def hold(self, key: str, *, what: str, run: str, shared: bool = False) -> Iterator[None]:
        others = self.held.setdefault(key, [])
        if others and not (shared and (run, True) in others):
            raise Busy(f"another run is using {what}: run {others[0][0]}", holder=others[0][0])
        others.append((run, shared))
        try:
            yield
        finally:
            others.remove((run, shared))

    def read(self, key: str, most: int | None = None) -> bytes:
        if key not in self.contents:
            raise FileNotFoundError(2, "No such file or directory", key)
        return self.contents[key][:most]

    def open(self, key: str) -> NativeFile:
        return pa.BufferReader(self.read(key))

    def size(self, key: str) -> int | None:
        return len(self.contents[key]) if key in self.contents else None

    def is_inside(self, key: str) -> bool:
        return True

    def has(self, prefix: str) -> bool:
        return prefix in self.contents or any(self._below(prefix))

    def names(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted({rest.partition("/")[0] for rest in self._below(prefix)}))

    def folders(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted({rest.partition("/")[0] for rest in self._below(prefix) if "/" in rest}))

    def _below(self, prefix: str) -> list[str]:
        start = f"{prefix}/" if prefix else ""
        return [key.removeprefix(start) for key in self.contents if key.startswith(start)]

    def list(self, pattern: str) -> Iterator[ListedKey]:
        wanted = re.compile(re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*"))
        return iter([ListedKey(key, len(self.contents[key])) for key in sorted(self.contents) if wanted.fullmatch(key)])

    @contextmanager
    def scratch(self) -> Iterator[str | None]:
        yield None

    def unfinished(self, prefix: str) -> Iterator[ListedKey]:
        return iter(())

    def write(self, key: str, content: bytes, *, shared: bool = False) -> None:
        self.contents[key] = content

    def create(self, key: str) -> MemoryDraft:
        return MemoryDraft(self, key)

    def write_if_absent(self, key: str, content: bytes, *, shared: bool = False) -> bool:
        return self.replace_if_unchanged(key, None, content)

    def replace_if_unchanged(self, key: str, seen: bytes | None, content: bytes, *, shared: bool = False) -> bool:
        with self._turn:
            if self.contents.get(key) != seen:
                return False
            self.contents[key] = content
            return True

    def append(self, key: str, content: bytes) -> int:
        self.contents[key] = self.contents.get(key, b"") + content
        return len(self.contents[key])

    def truncate(self, key: str, size: int) -> None:
        if key in self.contents:
            self.contents[key] = self.contents[key][:size]

    def commit(self, moves: Sequence[Move]) -> None:
        for move, name in [(one, name) for one in moves for name in sorted(one.names)]:
            if self.size(f"{move.staged}/{name}") is not None or self.size(f"{move.final}/{name}") is None:
                self.contents[f"{move.final}/{name}"] = self.read(f"{move.staged}/{name}")
                self.delete(f"{move.staged}/{name}")

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.contents.pop(key, None)

    def delete_all(self, prefix: str) -> None:
        for rest in self._below(prefix):
            self.delete(f"{prefix}/{rest}")
