"""The journal of a run: what is durable, one line each, and nothing that is not.

A line is its length and checksum in hexadecimal, then JSON. A line that was torn by a crash is cut off on opening,
since nobody has been told of it: an event is fsynced before anything that depends on it happens.
"""

import os
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from axsync.lake.local import fsync_folder, make_folder, storage_errors

Record = dict[str, Any]
_HEAD = 18  # eight digits of length, eight of checksum, two separators


def encode(record: Record) -> bytes:
    """One line."""
    body = orjson.dumps(record)
    return b"%08x %08x " % (len(body), zlib.crc32(body)) + body + b"\n"


def decode(content: bytes) -> tuple[list[Record], int]:
    """All whole records from the beginning, and how many bytes they take; what follows is torn."""
    records: list[Record] = []
    at = 0
    while (record := _one(content, at)) is not None:
        records.append(record[0])
        at = record[1]
    return records, at


def _one(content: bytes, at: int) -> tuple[Record, int] | None:
    head = content[at : at + _HEAD]
    try:
        length, checksum = int(head[:8], 16), int(head[9:17], 16)
    except ValueError:
        return None
    end = at + _HEAD + length
    body = content[at + _HEAD : end]
    if len(body) < length or content[end : end + 1] != b"\n" or zlib.crc32(body) != checksum:
        return None
    return orjson.loads(body), end + 1


def read(path: Path) -> list[Record]:
    """The records of a journal, without touching it; none where there is no journal."""
    try:
        return decode(path.read_bytes())[0]
    except FileNotFoundError:
        return []


@dataclass(slots=True)
class Journal:
    """An open journal; `append` returns when the record is durable. It blocks, and may be called by any thread."""

    path: Path
    _handle: int
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """Open or begin a journal, its torn tail cut off. Raises: StorageError."""
        with storage_errors("keep the journal"):
            make_folder(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            whole = decode(path.read_bytes())[1]
            os.ftruncate(handle, whole)
            os.fsync(handle)
            fsync_folder(path.parent)
        return cls(path, handle)

    def append(self, record: Record) -> None:
        """Make an event durable. Raises: StorageError."""
        line = encode(record)
        with self._turn, storage_errors("keep the journal"):
            written = os.write(self._handle, line)
            while written < len(line):
                written += os.write(self._handle, line[written:])
            os.fsync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
