"""The only module that writes Parquet: batches into rolling part files, sealed ones made durable."""

import hashlib
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.convert import arrays
from axsync.lake import layout
from axsync.lake.store import Draft, NativeFile, Store, storage_errors
from axsync.model import DeadLetter, PageSpan, Part
from axsync.settings import LakeSettings

DICTIONARY_LIMIT = 128 << 10  # bytes; columns of unique values give the dictionary up early: less work, smaller files
Places = npt.NDArray[np.int64]


def use_steady_memory() -> None:
    """Allocate with jemalloc where it is built in: flat memory over millions of rows (ADR 0018)."""
    try:
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    except NotImplementedError:  # not in every wheel
        return


@dataclass(frozen=True, slots=True)
class PageBatch:
    """What one page brings to a part: its rows, where they are from, what is told about them."""

    batch: pa.RecordBatch
    span: PageSpan
    letters: tuple[DeadLetter, ...] = ()
    drift: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A durable part, and the dead letters of its pages, which are not durable yet."""

    part: Part
    letters: tuple[DeadLetter, ...]


class _Digested:
    """What pyarrow writes to: passes all bytes on, and knows how many and which they were."""

    closed = False  # pyarrow asks; the draft is closed when it is sealed

    def __init__(self, draft: Draft) -> None:
        self._file, self.digest, self.size = draft.file, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self._file.write(content)
        self.digest.update(content)
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        """Nothing needs to be on the disk before the part is sealed."""


class PartWriter:
    """One open part. Not for two threads at a time.

    `draft` is what it is written to, `path` where it will be published, relative to the lake.
    """

    def __init__(self, draft: Draft, path: str, schema: pa.Schema, settings: LakeSettings) -> None:
        self._draft, self._path, self._settings = draft, path, settings
        self._file = _Digested(draft)
        level = settings.compression_level if settings.compression in {"zstd", "gzip"} else None
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression=settings.compression,
            compression_level=level,
            dictionary_pagesize_limit=DICTIONARY_LIMIT,
            store_schema=True,
        )
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self.pages: list[PageSpan] = []
        self._letters: list[DeadLetter] = []
        self._drift: dict[str, tuple[int, str]] = {}
        self._empty = set(schema.names)  # columns without a value so far
        self._born = time.monotonic()
        self._rows = 0
        self.buffered = 0  # bytes of Arrow data
        self._waiting_rows = 0
        self._whole = True  # no write has failed

    def add(self, load: PageBatch) -> None:
        """Keep a batch; whole row groups are written as soon as they are big enough."""
        batch = load.batch
        self._waiting.append(batch)
        self.pages.append(load.span)
        self._letters += load.letters
        self._drift = add_drift(self._drift, load.drift)
        self.buffered += batch.nbytes
        self._waiting_rows += batch.num_rows
        settings = self._settings
        if self._waiting_rows >= settings.row_group_rows or self.buffered >= settings.row_group_bytes:
            self.flush()

    def copy(self, file: NativeFile, part: Part, leave_out: Places) -> None:
        """Take over another part's rows but these, row group by row group."""
        self.pages, self._drift, self._empty = _thinned(part.pages, leave_out), dict(part.drift), set(part.empty)
        start = 0
        with pq.ParquetFile(file) as source:
            for index in range(source.num_row_groups):
                table = source.read_row_group(index)
                keep = np.ones(table.num_rows, dtype=np.bool_)
                keep[leave_out[(leave_out >= start) & (leave_out < start + len(keep))] - start] = False
                start += len(keep)
                kept = table.filter(arrays.flags(keep))
                self._writer.write_table(kept, row_group_size=max(kept.num_rows, 1))
                self._rows += kept.num_rows

    def flush(self) -> None:
        """Write what waits as one row group."""
        if self._waiting_rows:
            self._whole = False
            table = pa.Table.from_batches(self._waiting, schema=self._schema)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._empty -= {name for name in self._empty if table.column(name).null_count < table.num_rows}
            self._rows += table.num_rows
            self._whole = True
        self._waiting, self.buffered, self._waiting_rows = [], 0, 0

    @property
    def size(self) -> int:
        """Bytes in the file so far."""
        return self._file.size

    @property
    def due(self) -> bool:
        """Big enough, or old enough: what is not sealed would be lost with this process."""
        settings = self._settings
        return self.size >= settings.max_part_bytes or time.monotonic() - self._born >= settings.seal_seconds

    def seal(self) -> Sealed:
        """Close the file, make it durable under its staged name, and say what it holds. What fails is dropped."""
        try:
            return self._seal()
        except BaseException:
            with suppress(OSError):
                self.abandon()
            raise

    def _seal(self) -> Sealed:
        if not self._whole:  # the thread of another lane may have had the error, see Shelf
            raise OSError("an earlier write to this part failed")
        self.flush()
        self._writer.close()
        self._draft.seal()
        letters = tuple(self._letters)
        pages = tuple(self.pages)
        empty = tuple(name for name in self._schema.names if name in self._empty)
        part = Part(
            self._path, self._rows, self.size, self._file.digest.hexdigest(), pages, self._drift, len(letters), empty
        )
        return Sealed(part, letters)

    def abandon(self) -> None:
        """Drop the unsealed file."""
        try:
            self._writer.close()
        finally:
            self._draft.abandon()


def add_drift(one: Mapping[str, tuple[int, str]], other: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Rescued values of both, field by field, with the later example."""
    more = {name: (one.get(name, (0, ""))[0] + count, example) for name, (count, example) in other.items()}
    return {**one, **more}


def _thinned(pages: Sequence[PageSpan], rows: Places) -> list[PageSpan]:
    """The spans after these rows are gone."""
    ends = np.cumsum([span.rows for span in pages])
    gone = np.bincount(np.searchsorted(ends, rows, side="right"), minlength=len(pages))
    return [replace(span, rows=span.rows - int(lost)) for span, lost in zip(pages, gone, strict=True)]


@dataclass(slots=True)
class WriterPool:
    """Open writers of all lanes that no thread is using, and how much they hold together.

    When they hold more than `most` bytes, the fullest one is flushed, so that memory depends on settings and
    not on the number of lanes. The thread that flushes it may belong to another lane.
    """

    settings: LakeSettings
    most: int
    _idle: list[tuple["PartFolder", PartWriter]] = field(default_factory=list)
    _relieved: list[int] = field(default_factory=list)  # ids of the folders whose writers are being flushed
    _change: threading.Condition = field(default_factory=threading.Condition)

    def take(self, folder: "PartFolder") -> PartWriter | None:
        """An idle writer of this lane."""
        with self._change:
            return self._found(folder)

    def take_last(self, folder: "PartFolder") -> PartWriter | None:
        """The same at the end of a lane: one that is being flushed is waited for."""
        with self._change:
            while (writer := self._found(folder)) is None and id(folder) in self._relieved:
                self._change.wait()
            return writer

    def _found(self, folder: "PartFolder") -> PartWriter | None:
        for index, (owner, writer) in enumerate(self._idle):
            if owner is folder:
                del self._idle[index]
                return writer
        return None

    def put_back(self, folder: "PartFolder", writer: PartWriter) -> None:
        """The writer is idle again; relieve the fullest one where all together hold too much."""
        with self._change:
            self._idle.append((folder, writer))
            if sum(w.buffered for _, w in self._idle) <= self.most:
                return
            index = max(range(len(self._idle)), key=lambda i: self._idle[i][1].buffered)
            fullest = self._idle.pop(index)
            self._relieved.append(id(fullest[0]))
        try:
            fullest[1].flush()
        finally:
            with self._change:
                self._idle.append(fullest)
                self._relieved.remove(id(fullest[0]))
                self._change.notify_all()


@dataclass(slots=True)
class PartFolder:
    """The parts of one lane, staged below a prefix of the store."""

    store: Store
    staging: str
    partition: str  # entity=…/instance=…/dt=…, relative to the lake
    run_id: str
    schema: pa.Schema
    pool: WriterPool
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, load: PageBatch) -> tuple[Sealed, ...]:
        """Write a batch into a part of this lane; a part that is due is sealed and returned."""
        with storage_errors("write to the lake"):
            writer = self.pool.take(self) or self._new()
            try:
                writer.add(load)
            except BaseException:
                writer.abandon()
                raise
            if writer.due:
                return (writer.seal(),)
            self.pool.put_back(self, writer)
            return ()

    def seal(self) -> tuple[Sealed, ...]:
        """Seal all open parts of this lane."""
        parts: list[Sealed] = []
        with storage_errors("write to the lake"):
            while (writer := self.pool.take_last(self)) is not None:
                parts.append(writer.seal())
        return tuple(parts)

    def without(self, part: Part, rows: Places) -> Part:
        """The part anew, without these rows; the old file stays until it is removed."""
        with storage_errors("write to the lake"):
            writer = self._new()
            try:
                with self.store.open(self._staged(part.path)) as file:
                    writer.copy(file, part, rows)
                return replace(writer.seal().part, letters=part.letters)
            except BaseException:
                writer.abandon()
                raise

    def remove(self, parts: Iterable[Part]) -> None:
        """Take sealed parts off the disk."""
        with storage_errors("write to the lake"):
            for part in parts:
                self.store.delete(self._staged(part.path))

    def sweep(self, known: Iterable[Part]) -> None:
        """After a crash: remove files that are no known part, and go on numbering behind those that were there.

        And behind those that this run has published: readers may be in the midst of them.
        """
        kept = {self._staged(part.path) for part in known}
        with storage_errors("write to the lake"):
            for one in self.store.list(layout.parts_in(self.partition)):
                if layout.run_of_part(one.key) == self.run_id:
                    self._count = max(self._count, layout.part_number(layout.name_of(one.key)) + 1)
            for one in tuple(self.store.list(layout.drafts_in(self._staged(self.partition)))):
                self._count = max(self._count, layout.part_number(layout.name_of(one.key)) + 1)
                if one.key not in kept:
                    self.store.delete(one.key)

    def abandon(self) -> None:
        """Drop all unsealed parts of this lane."""
        while (writer := self.pool.take_last(self)) is not None:
            writer.abandon()

    def _new(self) -> PartWriter:
        with self._lock:
            name = layout.part_name(self.run_id, self._count)
            self._count += 1
        path = f"{self.partition}/{name}"
        return PartWriter(self.store.create(self._staged(path)), path, self.schema, self.pool.settings)

    def _staged(self, path: str) -> str:
        """The key of a part that is not published yet."""
        return f"{self.staging}/{path}"
