"""The journal of a run: what is durable, one line each, and nothing that is not.

A line is its length and checksum in hexadecimal, then JSON. A line that was torn by a crash is cut off before the next,
since nobody has been told of it: an event is fsynced before anything that depends on it happens. Where whole lines
follow a broken one, no crash did that: the journal is damaged, and what it says no longer counts.
"""

import re
import threading
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

from axsync.lake.store import Store, storage_errors

Record = dict[str, Any]
PUBLISHED = "published"
"""The event that follows the move of `latest.json`: from then on, the run's manifest is a snapshot."""
PUBLISHING = "publishing"
"""The event before what cannot be taken back, with the manifest: whoever holds the lake next carries it out."""
COMMITTED = "committed"
"""The event that follows the commit to a table."""
FINISHED, ABANDONED = "finished", "abandoned"
"""The events of a run that is over."""
_HEAD = 18  # eight digits of length, eight of checksum, two separators
_FIRST_BYTES = 4096
"""More than a first record has."""
_LAST_BYTES = 1024
"""More than the last records of a run have once it has published."""
_ANY_LINE = re.compile(rb"[0-9a-f]{8} [0-9a-f]{8} \{")


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


def _is_damaged(content: bytes, at: int) -> bool:
    """Whether a whole record follows the one that begins here, which is not."""
    return any(_one(content, found.start()) for found in _ANY_LINE.finditer(content, at))


def _has_record(content: bytes, event: str) -> bool:
    """Whether a whole record of this event is in it, whatever is before it."""
    body = b'{"event":"%s"' % event.encode()
    at = content.find(body)
    while at >= 0:
        if at >= _HEAD and _one(content, at - _HEAD) is not None:
            return True
        at = content.find(body, at + 1)
    return False


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one run, which may not exist yet. Its methods block and may be called by any thread."""

    store: Store
    key: str
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _noted: deque[Record] = field(default_factory=deque, init=False, repr=False, compare=False)

    def read(self) -> list[Record]:
        """The records, without touching the journal; none where there is no journal.

        Raises: ValueError where it is damaged; OSError.
        """
        try:
            content = self.store.read(self.key)
        except FileNotFoundError:
            return []
        records, at = decode(content)
        if _is_damaged(content, at):
            raise ValueError("a record is damaged, and others follow it")
        return records

    def first(self) -> Record | None:
        """The first record, without reading much more; None where it cannot be read so. Raises: OSError."""
        found = _one(self.store.read(self.key, _FIRST_BYTES), 0)
        return found[0] if found else None

    def last(self) -> Record | None:
        """The last record, without reading much more; None where it cannot be read so, or is torn. Raises: OSError."""
        tail = self._tail()
        lines = tail.splitlines(keepends=True)
        found = _one(lines[-1], 0) if lines else None
        return found[0] if found else None

    def _tail(self) -> bytes:
        """The end of the journal, from the middle of a record on."""
        with self.store.open(self.key) as content:
            content.seek(max(content.size() - _LAST_BYTES, 0))
            tail: bytes = content.read()
        return tail

    def tells_of(self, event: str) -> bool | None:
        """Whether there is a record of this event; None where that cannot be told: no journal, or a damaged one.

        Looks for the line instead of reading all of them, and first at the end: whoever looks back does this for every
        run.
        """
        try:
            if _has_record(self._tail(), event):
                return True
            content = self.store.read(self.key)
        except OSError:
            return None
        if _has_record(content, event):
            return True
        return None if _is_damaged(content, decode(content)[1]) else False

    def begin(self) -> "Journal":
        """Begin the journal, or cut off its torn tail. Raises: StorageError."""
        with storage_errors("keep the journal"):
            self.store.append(self.key, b"")
            self.store.truncate(self.key, decode(self.store.read(self.key))[1])
        return self

    def append(self, *records: Record) -> None:
        """Return when the records are durable; of several, a crash leaves the first ones. Raises: StorageError."""
        with self._turn, storage_errors("keep the journal"):
            noted = tuple(self._noted)
            self.store.append(self.key, b"".join(map(encode, (*noted, *records))))
            for _ in noted:
                self._noted.popleft()

    def note(self, record: Record) -> None:
        """Write this record ahead of what is appended next. Does not block.

        For what nothing depends on but later records: it costs no write of its own.
        """
        self._noted.append(record)
