"""The only module that writes Parquet: batches into rolling part files, sealed ones made durable."""

import hashlib
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.convert import arrays
from axsync.lake import layout
from axsync.lake.row_order import Places, in_row_groups, is_timed, moments_of, pages_of
from axsync.lake.store import Draft, NativeFile, Store, storage_errors
from axsync.model import PageSpan, Part
from axsync.schema.columns import FETCHED_AT
from axsync.settings import LakeSettings

DICTIONARY_LIMIT = 128 << 10  # bytes; columns of unique values give the dictionary up early: less work, smaller files
CRUMB = 4  # a row group of less than a quarter of what it could be is a crumb
PARTS_EACH = 100_000
"""So many numbers of parts one holder of a run has for himself, where another one may still be writing."""
_NO_PLACES: Places = np.empty(0, dtype=np.int64)
FILES_SHARE = 4
"""A quarter of the open files that the system grants is for parts."""


def use_steady_memory() -> None:
    """Allocate with jemalloc where it is built in: flat memory over millions of rows (ADR 0018)."""
    try:
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    except NotImplementedError:  # not in every wheel
        return


@dataclass(frozen=True, slots=True)
class PageBatch:
    """What one page brings to a part: its rows, where they are from, what is told about them.

    `dead` records could not be read; `letters` are the lines that keep them. `repeats`: an id comes twice in the page,
    so that only the order of its rows tells which of the two is the later one.
    """

    batch: pa.RecordBatch
    span: PageSpan
    dead: int = 0
    letters: bytes = b""
    drift: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """A durable part, and the key of the dead letters of its pages, where there are some."""

    part: Part
    letters: str | None


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

    `draft` is what it is written to, `path` where it will be published, relative to the lake. Rows are sorted by the
    column `order`, as many as are flushed together.
    """

    def __init__(
        self, draft: Draft, path: str, schema: pa.Schema, settings: LakeSettings, order: str | None = None
    ) -> None:
        self._draft, self.path, self._settings, self._order = draft, path, settings, order
        self._file = _Digested(draft)
        level = settings.compression_level if settings.compression in {"zstd", "gzip"} else None
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression=settings.compression,
            compression_level=level,
            dictionary_pagesize_limit=DICTIONARY_LIMIT,
            store_schema=True,
            write_page_index=True,
        )
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self.pages: list[PageSpan] = []
        self.dead = 0  # records of its pages that could not be read
        self._drift: dict[str, tuple[int, str]] = {}
        self._empty = set(schema.names)  # columns without a value so far
        self._born = time.monotonic()
        self._rows = 0
        self.buffered = 0  # bytes of Arrow data
        self._waiting_rows = 0
        self._repeats = False  # among the waiting rows
        self.repeated = False  # among all
        self._flushed: list[tuple[int, int]] = []  # rows and bytes of what was written at once
        self._whole = True  # no write has failed

    def add(self, load: PageBatch) -> None:
        """Keep a batch; whole row groups are written as soon as they are big enough."""
        batch = load.batch
        self._waiting.append(batch)
        self.pages.append(load.span)
        self.dead += load.dead
        self._drift = add_drift(self._drift, load.drift)
        self.buffered += batch.nbytes
        self._waiting_rows += batch.num_rows
        self._repeats |= load.repeats
        self.repeated |= load.repeats
        settings = self._settings
        if self._waiting_rows >= settings.row_group_rows or self.buffered >= settings.row_group_bytes:
            self.flush()

    def copy(self, file: NativeFile, part: Part, leave_out: Places, together: int = 0) -> None:
        """Take over another part's rows but these, row group by row group, or `together` bytes of them in one."""
        self._drift, self._empty = dict(part.drift), set(part.empty)
        start, moments = 0, list[Places]()
        with pq.ParquetFile(file) as source:
            for index in range(source.num_row_groups):
                table = source.read_row_group(index, use_threads=False)  # memory is promised per writer
                gone = leave_out[(leave_out >= start) & (leave_out < start + table.num_rows)] - start
                start += table.num_rows
                if is_timed(part.pages):
                    moments += [_moments_in(table)[gone]]
                self._take(table, gone)
                if self.buffered >= together or self._waiting_rows >= self._settings.row_group_rows:
                    self.flush()
        self.flush()
        self.pages = _thinned(part.pages, leave_out, np.concatenate(moments) if moments else None)

    def _take(self, table: pa.Table, gone: Places) -> None:
        keep = np.ones(table.num_rows, dtype=np.bool_)
        keep[gone] = False
        kept = table.filter(arrays.flags(keep)) if len(gone) else table
        self._waiting += kept.to_batches()
        self.buffered += kept.nbytes
        self._waiting_rows += kept.num_rows

    def flush(self) -> None:
        """Write what waits as one row group, or sorted as several."""
        if self._waiting_rows:
            self._whole = False
            self._flushed.append((self._waiting_rows, self.buffered))
            self._write()
            self._whole = True
        self._waiting, self.buffered, self._waiting_rows, self._repeats = [], 0, 0, False

    def _write(self) -> None:
        waiting = pa.Table.from_batches(self._waiting, schema=self._schema)
        for table in in_row_groups(waiting, None if self._repeats else self._order):
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._empty -= {name for name in self._empty if waiting.column(name).null_count < waiting.num_rows}
        self._rows += waiting.num_rows

    @property
    def size(self) -> int:
        """Bytes in the file so far."""
        return self._file.size

    def is_crumbled(self, whole: int) -> bool:
        """Whether most of its row groups are so small that they should rather hold `whole` bytes each."""
        most = self._settings.row_group_rows
        crumbs = sum(rows < most and size < whole / CRUMB for rows, size in self._flushed)
        return crumbs > 1 and 2 * crumbs > len(self._flushed)

    @property
    def due(self) -> bool:
        """Big enough, or old enough: what is not sealed would be lost with this process."""
        settings = self._settings
        return self.size >= settings.max_part_bytes or time.monotonic() - self._born >= settings.seal_seconds

    def seal(self) -> Part:
        """Close the file, make it durable under its staged name, and say what it holds. What fails is dropped."""
        try:
            return self._seal()
        except BaseException:
            with suppress(OSError):
                self.abandon()
            raise

    def _seal(self) -> Part:
        if not self._whole:  # the thread of another lane may have had the error, see WriterPool
            raise OSError("an earlier write to this part failed")
        self.flush()
        self._writer.close()
        self._draft.seal()
        pages = tuple(self.pages)
        empty = tuple(name for name in self._schema.names if name in self._empty)
        return Part(
            self.path, self._rows, self.size, self._file.digest.hexdigest(), pages, self._drift, self.dead, empty
        )

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


def _thinned(pages: Sequence[PageSpan], rows: Places, moments: Places | None) -> list[PageSpan]:
    """The spans after these rows, whose pages came at these moments, are gone."""
    gone = np.bincount(pages_of(rows, moments, pages), minlength=len(pages))
    return [replace(span, rows=span.rows - int(lost)) for span, lost in zip(pages, gone, strict=True)]


def _moments_in(table: pa.Table) -> Places:
    chunks = [moments_of(chunk) for chunk in table.column(FETCHED_AT).chunks]
    return np.concatenate(chunks) if chunks else np.empty(0, dtype=np.int64)


def share_of_files() -> int:
    """How many of the files that this process may open are for parts; the rest is for sockets and libraries."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft // FILES_SHARE, 1)


@dataclass(slots=True)
class WriterPool:
    """Open writers of all lanes that no thread is using, and how much they hold together.

    When they hold more than `most` bytes, the fullest one is flushed, so that memory depends on settings and
    not on the number of lanes. With many lanes that makes small row groups: a part of such crumbs is written anew when
    it is sealed, for which half of `most` is kept free. When more than `most_open` parts are open, the one that has
    been idle for longest is sealed. The thread that does so may belong to another lane.
    """

    settings: LakeSettings
    most: int
    most_open: int = field(default_factory=share_of_files)
    _open: int = 0  # parts, those in use included
    _idle: list[tuple["PartFolder", PartWriter]] = field(default_factory=list)
    _relieved: list[int] = field(default_factory=list)  # ids of the folders whose writers are flushed or sealed
    _kept_free: int = 0  # bytes
    _change: threading.Condition = field(default_factory=threading.Condition)
    _rewriting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def whole(self) -> int:
        """Bytes of a row group that is made of crumbs."""
        return min(self.settings.row_group_bytes, self.most // 2)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Room for one such row group; for one thread at a time, and not for one that has it."""
        with self._rewriting:
            self._kept_free = self.whole
            try:
                self._relieve()
                yield
            finally:
                self._kept_free = 0

    def count(self, folder: "PartFolder") -> int:
        """Open parts of this lane that no thread adds to."""
        with self._change:
            return sum(owner is folder for owner, _ in self._idle) + self._relieved.count(id(folder))

    def take(self, folder: "PartFolder") -> PartWriter | None:
        """An idle writer of this lane."""
        with self._change:
            return self._found(folder)

    def take_last(self, folder: "PartFolder") -> PartWriter | None:
        """The same at the end of a lane: one that another thread flushes or seals is waited for."""
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
        """The writer is idle again; where all together hold too much, the fullest are relieved."""
        with self._change:
            self._idle.append((folder, writer))
        self._relieve()

    def _relieve(self) -> None:
        while fullest := self._fullest():
            try:
                fullest[1].flush()
            finally:
                self._done(fullest[0], back=fullest)

    def _fullest(self) -> tuple["PartFolder", PartWriter] | None:
        with self._change:
            if sum(w.buffered for _, w in self._idle) <= self.most - self._kept_free:
                return None
            return self._taken(max(range(len(self._idle)), key=lambda i: self._idle[i][1].buffered))

    def opened(self) -> None:
        """A lane is about to open a part. Where that is one too many, another is sealed and kept by its own lane."""
        with self._change:
            self._open += 1
            if self._open <= self.most_open or not self._idle:
                return
            folder, writer = self._taken(0)  # what was put back last stands last
        try:
            folder.finish(writer)
        finally:
            self._done(folder)

    def closed(self) -> None:
        """A part is sealed or dropped."""
        with self._change:
            self._open -= 1

    def _taken(self, index: int) -> tuple["PartFolder", PartWriter]:
        found = self._idle.pop(index)
        self._relieved.append(id(found[0]))
        return found

    def _done(self, folder: "PartFolder", back: tuple["PartFolder", PartWriter] | None = None) -> None:
        with self._change:
            self._idle += [back] if back else []
            self._relieved.remove(id(folder))
            self._change.notify_all()


@dataclass(slots=True)
class PartFolder:
    """The parts of one lane, staged below a prefix of the store, or written to where they are published.

    `keep` is told of each part that is sealed; `order` is the column that rows are sorted by. `numbered` gives the
    columns their numbers, where a table needs them; it is asked before the first part is begun, in a writer thread.
    """

    store: Store
    staging: str
    partition: str  # entity=…/instance=…/dt=…, relative to the lake
    run_id: str
    schema: pa.Schema
    pool: WriterPool
    keep: Callable[[Sealed], None] = lambda _: None
    in_place: bool = False
    order: str | None = None
    numbered: Callable[[pa.Schema], pa.Schema] = lambda schema: schema
    _written: pa.Schema | None = None  # the schema with its numbers
    _count: int = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Number from where nobody else does who holds the run, before or after."""
        self._count = self.store.epoch() * PARTS_EACH

    def add(self, load: PageBatch) -> tuple[Sealed, ...]:
        """Write a batch into a part of this lane; a part that is due is sealed and returned."""
        with storage_errors("write to the lake"):
            writer = self.pool.take(self) or self._new()
            try:
                writer.add(load)
                if load.letters:  # they would fill the memory until the part is sealed
                    self.store.append(self._letters(writer.path), load.letters)
            except BaseException:
                self._abandon(writer)
                raise
            if writer.due:
                return (self.finish(writer),)
            self.pool.put_back(self, writer)
            return ()

    def finish(self, writer: PartWriter, *, hurry: bool = False) -> Sealed:
        """Seal a part of this lane, in whatever thread; in a `hurry` its row groups stay as small as they are."""
        try:
            part = writer.seal()
            letters = self._letters(part.path) if part.letters else None
            if not hurry and writer.is_crumbled(self.pool.whole):
                part = self._gathered(part, None if writer.repeated else self.order)
        finally:
            self.pool.closed()
        sealed = Sealed(part, letters)
        self.keep(sealed)
        return sealed

    def _gathered(self, part: Part, order: str | None) -> Part:
        """The part anew, its row groups as large as they can be within the memory of all lanes."""
        with self.pool.room():
            fresh = self._copied(part, self._create(order), _NO_PLACES, together=self.pool.whole)
        self.remove([part])
        return fresh

    def _copied(self, part: Part, writer: PartWriter, leave_out: Places, together: int = 0) -> Part:
        try:
            with self.store.open(self._staged(part.path)) as file:
                writer.copy(file, part, leave_out, together)
        except BaseException:
            writer.abandon()
            raise
        return replace(writer.seal(), letters=part.letters)

    def _abandon(self, writer: PartWriter) -> None:
        try:
            writer.abandon()
        finally:
            self.pool.closed()
            if writer.dead:
                self.store.delete(self._letters(writer.path))

    def seal(self, *, hurry: bool = False) -> tuple[Sealed, ...]:
        """Seal all open parts of this lane; `hurry` as in `finish`."""
        parts: list[Sealed] = []
        with storage_errors("write to the lake"):
            while (writer := self.pool.take_last(self)) is not None:
                parts.append(self.finish(writer, hurry=hurry))
        return tuple(parts)

    @property
    def open(self) -> int:
        """Parts that are not sealed, when no thread adds to them."""
        return self.pool.count(self)

    def add_empty(self) -> Sealed:
        """A part that has columns and no rows."""
        with storage_errors("write to the lake"):
            return self.finish(self._new())

    def without(self, part: Part, rows: Places) -> Part:
        """The part anew, without these rows; the old file stays until it is removed, and `keep` is not told."""
        with storage_errors("write to the lake"):
            writer = self._new()
            try:
                return self._copied(part, writer, rows)
            finally:
                self.pool.closed()

    def remove(self, parts: Iterable[Part]) -> None:
        """Take sealed parts off the disk."""
        with storage_errors("write to the lake"):
            for part in parts:
                self.store.delete(self._staged(part.path))

    def sweep(self, known: Iterable[Part]) -> None:
        """After a crash: remove staged files that are no known part, and go on numbering behind those that were there.

        And behind those in the partition, where readers may be in the midst of them: whether a manifest names one is
        for `axsync gc` to tell.
        """
        kept = {f"{self.staging}/{part.path}" for part in known}
        with storage_errors("write to the lake"):
            for one in self.store.list(layout.parts_in(self.partition)):
                if layout.run_of_part(one.key) == self.run_id:
                    self._count = max(self._count, layout.part_number(layout.name_of(one.key)) + 1)
            for one in tuple(self.store.list(layout.drafts_in(f"{self.staging}/{self.partition}"))):
                self._count = max(self._count, layout.part_number(layout.name_of(one.key)) + 1)
                if one.key not in kept:
                    self.store.delete(one.key)

    def abandon(self) -> None:
        """Drop all unsealed parts of this lane."""
        while (writer := self.pool.take_last(self)) is not None:
            self._abandon(writer)

    def _new(self) -> PartWriter:
        self.pool.opened()
        try:
            return self._create(self.order)
        except BaseException:
            self.pool.closed()
            raise

    def _create(self, order: str | None) -> PartWriter:
        with self._lock:
            schema = self._written = self._written or self.numbered(self.schema)
            name = layout.part_name(self.run_id, self._count)
            self._count += 1
        path = f"{self.partition}/{name}"
        return PartWriter(self.store.create(self._staged(path)), path, schema, self.pool.settings, order)

    def _letters(self, path: str) -> str:
        """The key of the dead letters of a part that is not journaled yet."""
        return layout.letters_beside(f"{self.staging}/{path}")

    def _staged(self, path: str) -> str:
        """The key of a part that is not published yet."""
        return path if self.in_place else f"{self.staging}/{path}"
