"""What of a lane lies in the staging folder: parts, dead letters, drift.

Theory of operation
-------------------
Nothing durable happens on the event loop: a slow disk would hold up every request, timeout and signal. The writer
thread that seals a part also journals it, under the lane's lock: dead letters, journal, memory, in this order. Since
a task that is cancelled waits for its thread, memory and journal never differ, and a sealed part is never forgotten.

Dead letters are written as they come, beside the open part that has the other rows of their page. When the part is
sealed they are put behind those of the lane, so that the journal can tell how long the lane's file is, and a resumed
lane cuts off what belongs to pages that are asked again.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from axsync.convert import Converted, Converter
from axsync.engine.lane_walk import Stored, gather_all
from axsync.events import Drifted, PageRead, PartSealed
from axsync.lake import layout
from axsync.lake.id_index import NO_IDS, Hashes, IdIndex, earlier_duplicates, read_id_index, repeats
from axsync.lake.journal import Journal
from axsync.lake.parts import PageBatch, PartFolder, Sealed, WriterPool, add_drift
from axsync.lake.publish import Lake, RunFacts, letter_lines
from axsync.lake.row_order import Places, order_column
from axsync.lake.schemas import FieldNumbers
from axsync.lake.store import storage_errors
from axsync.model import DeadLetter, Lane, Outcome, Page, PageSpan, Part
from axsync.runs.lane_reader import LaneReader
from axsync.runs.state import LaneMemory, Spent, record
from axsync.schema.dates import micros_of

MOST_STRAYS = 1_000
"""Names without a column of which drift is told by name, in one lane; a server may send a new one in each record."""
LONGEST_NAME = 1_000
"""Characters of such a name."""
OTHERS = "others"
"""What the drift of all other names is counted under."""


@dataclass(frozen=True, slots=True)
class RunStorage:
    """Where all lanes of a run write. `numbers` are of the columns, where a table needs them."""

    lake: Lake
    run: RunFacts
    pool: WriterPool
    journal: Journal
    numbers: FieldNumbers | None = None
    is_new: bool = False  # no earlier process has begun the run, so that nothing of it lies anywhere


@dataclass(slots=True)
class DriftNames:
    """Under which names the drift of a lane is counted: fields that have columns, and some of those that have none."""

    columns: frozenset[str]
    _strays: set[str] = field(default_factory=set)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def counted(self, drift: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
        """The drift of a page or part under these names."""
        found: dict[str, tuple[int, str]] = {}
        with self._turn:
            for name, (count, example) in drift.items():
                known = self._name(name)
                found[known] = (found.get(known, (0, ""))[0] + count, example)
        return found

    def _name(self, name: str) -> str:
        if name in self.columns or name in self._strays:
            return name
        if name == OTHERS or len(self._strays) >= MOST_STRAYS or len(name) > LONGEST_NAME:
            return OTHERS
        self._strays.add(name)
        return name


@dataclass(slots=True)
class LaneWriter:
    """The rows of one lane; `memory` is what of them is durable and journaled."""

    lane: Lane
    storage: RunStorage
    memory: LaneMemory = field(default_factory=LaneMemory)
    pages: int = 0
    began: float = 0.0  # on the monotonic clock
    _folder: PartFolder | None = field(default=None, init=False)
    _names: DriftNames = field(default_factory=lambda: DriftNames(frozenset()), init=False)
    _moments: set[int] = field(default_factory=set, init=False)  # in which pages came
    _swept: bool = field(default=False, init=False)  # nothing lies in the folder that is not in memory
    _used: bool = field(default=False, init=False)  # this process has written to the folder
    _untold: deque[Part] = field(default_factory=deque, init=False)  # sealed parts that no observer was told of
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def begun(self) -> bool:
        """Whether a page has arrived."""
        return self._folder is not None

    @property
    def drift(self) -> dict[str, tuple[int, str]]:
        """Field → rescued values and an example's type, over all parts."""
        found: dict[str, tuple[int, str]] = {}
        for part in self.memory.parts:
            found = add_drift(found, part.drift)
        return found

    async def store(self, reader: LaneReader, page: Page, *, shift: int = 0) -> Stored:
        """Convert and write a page; `shift` sets the page numbers of a later round apart from earlier ones."""
        if page.rows == 0:
            return self._store_nothing(reader, page)
        converter = await reader.converter(page)
        folder = self._open(reader, converter)
        self.pages += 1
        number = page.window.number + shift
        converted = await reader.context.workers.run(self._write, reader, folder, converter, page, number)
        self._tell(reader, page, converted)
        self._tell_sealed(reader)
        return Stored(converted.served, converted.fingerprint)

    def _store_nothing(self, reader: LaneReader, page: Page) -> Stored:
        """An empty page says nothing about the columns, so that the first one with rows is left to settle them."""
        reader.blank = page
        self.pages += 1
        reader.context.observe(PageRead(self.lane, page.window.number, 0, len(page.body), page.seconds))
        return Stored(0, b"")

    async def reopen(self, reader: LaneReader) -> None:
        """Resume with the parts of an earlier process."""
        if self.memory.parts and reader.schema.known is not None:
            folder = self._open(reader, reader.schema.known)
            await reader.context.workers.run(self._sweep, folder)

    def _open(self, reader: LaneReader, converter: Converter) -> PartFolder:
        if self._folder is None:
            run, store = self.storage.run, self.storage.lake.store
            partition, staging = self.storage.lake.partition(self.lane, run.logical_date), layout.staging(run.run_id)
            schema, pool, keep = converter.schema, self.storage.pool, partial(self._keep, reader)
            self._folder = PartFolder(store, staging, partition, run.run_id, schema, pool, keep, run.in_place)
            self._folder.order = order_column(reader.asked, schema)
            if self.storage.numbers is not None:
                self._folder.numbered = partial(self.storage.numbers.numbered, self.lane.entity)
            self._moments = {span.fetched for span in self.memory.spans}
            self._names = DriftNames(frozenset(column.field for column in converter.columns))
            self._names.counted(self.drift)  # of an earlier process
            self._swept, self._used = self.storage.is_new and not self._used, True
        return self._folder

    def _sweep(self, folder: PartFolder) -> None:
        """In a writer thread, before the first write: remove what an earlier process left and did not journal."""
        with self._turn:
            if not self._swept:
                folder.sweep(self.memory.parts)
                self.storage.lake.trim_letters(self.storage.run.run_id, self.lane, self.memory.letters_size)
                self._swept = True

    def _write(
        self, reader: LaneReader, folder: PartFolder, converter: Converter, page: Page, number: int
    ) -> Converted:
        """In a writer thread: bytes to batch to part; a part that is due becomes durable and is journaled."""
        self._sweep(folder)
        page = replace(page, fetched_at=self._own_moment(page.fetched_at))
        converted = reader.schema.convert(converter, page)
        converted = replace(converted, drift=self._names.counted(converted.drift))
        # A token that repeats a secret is followed, but it is in no journal: such a chain is not resumed.
        token = None if reader.source.transport.hides(page.token or "") else page.token
        span = _span(replace(page, token=token), converted, number)
        if converted.batch.num_rows:
            letters = letter_lines(self.lane, converted.dead)
            twice = folder.order is not None and repeats(converted.batch.column(reader.schema.id_column))
            folder.add(PageBatch(converted.batch, span, len(converted.dead), letters, converted.drift, twice))
        elif converted.dead:
            self._keep_letters(converted.dead, span)
        return converted

    def _own_moment(self, moment: datetime) -> datetime:
        """When a page came, a little later where another page of the lane came just then: it tells its rows apart."""
        with self._turn:
            while micros_of(moment) in self._moments:
                moment += timedelta(microseconds=1)
            self._moments.add(micros_of(moment))
        return moment

    def _keep_letters(self, letters: Sequence[DeadLetter], span: PageSpan) -> None:
        """Dead letters of a page that brought nothing else."""
        memory = self.memory
        with self._turn:
            memory.letters_size = self.storage.lake.write_dead_letters(self.storage.run.run_id, self.lane, letters)
            facts = {"span": span, "letters": len(letters), "letters_size": memory.letters_size}
            self.storage.journal.append(record("pages_buried", self.lane, **facts))
            memory.buried.append(span)
            memory.letters += len(letters)

    def _keep(self, reader: LaneReader, sealed: Sealed) -> None:
        """Journal what is durable; dead letters first, so that a part never speaks of letters that are not there.

        In a writer thread, perhaps of another lane: where too many parts are open, it seals the one of this lane.
        """
        memory, part = self.memory, sealed.part
        with self._turn:
            if sealed.letters:
                memory.letters_size = self.storage.lake.take_letters(self.storage.run.run_id, self.lane, sealed.letters)
            counters, seconds = reader.stats.counters, time.monotonic() - self.began
            spent = Spent(self.pages, counters.requests, counters.retries, seconds)
            facts = {"part": part, "letters_size": memory.letters_size, "spent": spent}
            self.storage.journal.append(record("part_sealed", self.lane, **facts))
            memory.parts.append(part)
            memory.letters += part.letters
        if sealed.letters:
            self.storage.lake.drop_letters(sealed.letters)
        self._untold.append(part)

    def _tell(self, reader: LaneReader, page: Page, converted: Converted) -> None:
        observe = reader.context.observe
        for name, (count, example) in converted.drift.items():
            observe(Drifted(self.lane, name, count, example))
        observe(PageRead(self.lane, page.window.number, converted.served, len(page.body), page.seconds))

    def _tell_sealed(self, reader: LaneReader) -> None:
        while self._untold:
            reader.context.observe(PartSealed(self.lane, self._untold.popleft()))

    async def seal(self, reader: LaneReader, *, until: float = math.inf) -> None:
        """Make all that was written durable; each writer thread takes a part of those that are open.

        What is not begun `until` then is left, to be read again.
        """
        if self._folder is not None:
            workers = reader.context.workers
            threads = min(workers.count, self._folder.open)
            await gather_all([workers.run(self._seal, self._folder, until) for _ in range(threads)])
            self._tell_sealed(reader)

    def _seal(self, folder: PartFolder, until: float) -> None:
        if time.monotonic() < until:
            folder.seal(hurry=until < math.inf)

    async def settle(self, reader: LaneReader) -> IdIndex:
        """Seal all parts, keep the later one of rows with the same id, and say which ids there are."""
        if self._folder is None:
            return NO_IDS
        if self._folder.open > 1:
            await self.seal(reader)
        run = reader.context.workers.run
        index = await run(self._sealed_index, self._folder, reader.schema.id_column)
        self._tell_sealed(reader)
        if index.distinct == index.rows:
            return index
        repeated = index.repeated
        del index  # larger than what follows
        duplicates = await run(self._duplicates, repeated, reader.schema.id_column)
        await self._drop(reader, self._folder, duplicates)
        return await run(self._read_index, reader.schema.id_column)

    async def keep_empty(self, reader: LaneReader) -> None:
        """Of a lane without rows a part has the columns, so that readers find a table; nothing where none are known."""
        if not self.memory.parts and reader.schema.known is not None:
            folder = self._open(reader, reader.schema.known)
            await reader.context.workers.run(self._keep_empty, folder)
            self._tell_sealed(reader)

    def _keep_empty(self, folder: PartFolder) -> None:
        """In a writer thread."""
        self._sweep(folder)
        folder.add_empty()

    def _sealed_index(self, folder: PartFolder, id_column: str) -> IdIndex:
        """In a writer thread: the ids of all parts, of which one is perhaps not sealed yet."""
        folder.seal()
        return self._read_index(id_column)

    def _read_index(self, id_column: str) -> IdIndex:
        with storage_errors("read what was written"):
            return read_id_index(self.storage.lake.store, self._staged(), id_column)

    def _duplicates(self, repeated: Hashes, id_column: str) -> Places:
        with storage_errors("read what was written"):
            return earlier_duplicates(self.storage.lake.store, self._staged(), id_column, repeated, self._spans())

    def _staged(self) -> list[str]:
        return [self.storage.run.place(part.path) for part in self.memory.parts]

    def _spans(self) -> list[PageSpan]:
        return [span for part in self.memory.parts for span in part.pages]

    async def _drop(self, reader: LaneReader, folder: PartFolder, rows: Places) -> None:
        """Write the parts that hold these rows (numbered over all parts) anew, without them."""
        start = 0
        for index, part in enumerate(list(self.memory.parts)):
            mine = rows[(rows >= start) & (rows < start + part.rows)] - start
            start += part.rows
            if len(mine):
                await reader.context.workers.run(self._replace, folder, index, mine)

    def _replace(self, folder: PartFolder, index: int, rows: Places) -> None:
        """In a writer thread: the old file goes when the journal knows the new one."""
        old = self.memory.parts[index]
        fresh: Part = folder.without(old, rows)
        facts = {"old": old.path, "part": fresh, "duplicates": len(rows)}
        with self._turn:
            self.storage.journal.append(record("part_replaced", self.lane, **facts))
            self.memory.parts[index] = fresh
            self.memory.duplicates += len(rows)
        folder.remove([old])

    async def close(self, reader: LaneReader, outcome: Outcome) -> None:
        """The lane has come to an end that no later process needs to look at."""
        await reader.context.remember(record("lane_closed", self.lane, outcome=outcome))
        self.memory.outcome = outcome

    async def restart(self, reader: LaneReader) -> None:
        """Begin anew: what there is belongs to a walk that cannot be resumed."""
        await self.abandon(reader)
        await reader.context.workers.run(self._forget)
        self._folder = None

    def _forget(self) -> None:
        """In a writer thread: the files go when the journal says that nobody needs them."""
        with self._turn:
            self.storage.journal.append(record("lane_restarted", self.lane))
            old, self.memory = self.memory, LaneMemory()
        if self._folder is not None:
            self._folder.remove(old.parts)

    async def abandon(self, reader: LaneReader) -> None:
        """Drop what is not sealed."""
        if self._folder is not None and self._folder.open:
            await reader.context.workers.run(self._folder.abandon)


def _span(page: Page, converted: Converted, number: int) -> PageSpan:
    rows = int(converted.batch.num_rows)
    fetched = micros_of(page.fetched_at)
    return PageSpan(number, page.window.offset, rows, converted.served, page.token, len(page.body), fetched)
