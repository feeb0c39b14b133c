"""What of a lane lies in the staging folder: parts, dead letters, drift."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from axsync.convert import Converted, Converter
from axsync.engine.lane_walk import Stored, gather_all
from axsync.events import Drifted, PageRead, PartSealed
from axsync.lake.id_index import IdIndex, Places, earlier_duplicates, read_id_index
from axsync.lake.journal import Journal
from axsync.lake.parts import PageBatch, PartFolder, Sealed, WriterPool, add_drift
from axsync.lake.publish import Lake
from axsync.model import Lane, Outcome, Page, PageSpan, Part
from axsync.runs.lane_reader import LaneReader
from axsync.runs.state import LaneMemory, Spent, record


@dataclass(frozen=True, slots=True)
class RunStorage:
    """Where all lanes of a run write."""

    lake: Lake
    logical_date: str
    shelf: WriterPool
    journal: Journal


@dataclass(slots=True)
class LaneWriter:
    """The rows of one lane; `memory` is what of them is durable and journaled."""

    lane: Lane
    run_id: str
    yard: RunStorage
    memory: LaneMemory = field(default_factory=LaneMemory)
    pages: int = 0
    began: float = 0.0  # on the monotonic clock
    _folder: PartFolder | None = None

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
        folder = self._open(converter)
        number = page.window.number + shift
        converted, sealed = await reader.shop.workers.run(self._write, reader, folder, converter, page, number)
        self.pages += 1
        if converted.dead and not converted.batch.num_rows:
            self._bury(converted, _span(page, converted, number))
        self._tell(reader, page, converted)
        self._remember(reader, sealed)
        return Stored(converted.served, converted.fingerprint)

    def _store_nothing(self, reader: LaneReader, page: Page) -> Stored:
        """An empty page says nothing about the columns, so that the first one with rows is left to settle them."""
        reader.blank = page
        self.pages += 1
        reader.shop.observe(PageRead(self.lane, page.window.number, 0, len(page.body), reader.seconds(page)))
        return Stored(0, b"")

    def reopen(self, reader: LaneReader) -> None:
        """Go on with parts of an earlier process."""
        if self.memory.parts and reader.known is not None:
            self._open(reader.known)

    def _open(self, converter: Converter) -> PartFolder:
        if self._folder is None:
            lake = self.yard.lake
            partition = lake.partition(self.lane, self.yard.logical_date)
            staging = lake.staging(self.run_id)
            self._folder = PartFolder(staging, partition, self.run_id, converter.schema, self.yard.shelf)
            self._folder.sweep(self.memory.parts)
            lake.trim_letters(self.run_id, self.lane, self.memory.letters_size)
        return self._folder

    def _write(
        self, reader: LaneReader, folder: PartFolder, converter: Converter, page: Page, number: int
    ) -> tuple[Converted, tuple[Sealed, ...]]:
        """In a writer thread: bytes to batch to part."""
        converted = reader.convert(converter, page)
        if not converted.batch.num_rows:
            return converted, ()
        span = _span(page, converted, number)
        return converted, folder.add(PageBatch(converted.batch, span, converted.dead, converted.drift))

    def _bury(self, converted: Converted, span: PageSpan) -> None:
        """Dead letters of a page that brought nothing else."""
        memory = self.memory
        memory.letters_size = self.yard.lake.bury(self.run_id, self.lane, converted.dead)
        memory.buried.append(span)
        memory.letters += len(converted.dead)
        facts = {"span": span, "letters": len(converted.dead), "letters_size": memory.letters_size}
        self.yard.journal.append(record("pages_buried", self.lane, **facts))

    def _tell(self, reader: LaneReader, page: Page, converted: Converted) -> None:
        observe = reader.shop.observe
        for name, (count, example) in converted.drift.items():
            observe(Drifted(self.lane, name, count, example))
        seconds = reader.seconds(page)
        observe(PageRead(self.lane, page.window.number, converted.served, len(page.body), seconds))

    def _remember(self, reader: LaneReader, sealed: Sequence[Sealed]) -> None:
        """Journal what is durable; dead letters first, so that a part never speaks of letters that are not there."""
        memory = self.memory
        for one in sealed:
            if one.letters:
                memory.letters_size = self.yard.lake.bury(self.run_id, self.lane, one.letters)
            spent = Spent(self.pages, reader.counters.requests, reader.counters.retries, time.monotonic() - self.began)
            facts = {"part": one.part, "letters_size": memory.letters_size, "spent": spent}
            self.yard.journal.append(record("part_sealed", self.lane, **facts))
            memory.parts.append(one.part)
            memory.letters += len(one.letters)
            reader.shop.observe(PartSealed(self.lane, one.part))

    async def seal(self, reader: LaneReader) -> None:
        """Make all that was written durable; each writer thread takes a part of those that are open."""
        if self._folder is not None:
            workers = reader.shop.workers
            sealed = await gather_all([workers.run(self._folder.seal) for _ in range(workers.count)])
            self._remember(reader, [part for parts in sealed for part in parts])

    async def settle(self, reader: LaneReader) -> IdIndex:
        """Seal all parts, keep the later one of rows with the same id, and say which ids there are."""
        await self.seal(reader)
        if self._folder is None:
            return IdIndex(np.empty(0, dtype=np.uint64))
        run = reader.shop.workers.run
        ledger = await run(self._read_ledger, reader.id_column)
        if ledger.distinct == ledger.rows:
            return ledger
        twins = await run(earlier_duplicates, ledger, self._spans(), self._staged(), reader.id_column)
        await self._drop(reader, self._folder, twins)
        return await run(self._read_ledger, reader.id_column)

    def _read_ledger(self, id_column: str) -> IdIndex:
        return read_id_index(self._staged(), id_column)

    def _staged(self) -> list[Path]:
        staging = self.yard.lake.staging(self.run_id)
        return [staging / part.path for part in self.memory.parts]

    def _spans(self) -> list[PageSpan]:
        return [span for part in self.memory.parts for span in part.pages]

    async def _drop(self, reader: LaneReader, folder: PartFolder, rows: Places) -> None:
        """Write the parts that hold these rows (numbered over all parts) anew, without them."""
        start = 0
        for index, part in enumerate(list(self.memory.parts)):
            mine = rows[(rows >= start) & (rows < start + part.rows)] - start
            start += part.rows
            if len(mine):
                await self._replace(reader, folder, index, mine)

    async def _replace(self, reader: LaneReader, folder: PartFolder, index: int, rows: Places) -> None:
        old = self.memory.parts[index]
        fresh: Part = await reader.shop.workers.run(folder.without, old, rows)
        facts = {"old": old.path, "part": fresh, "duplicates": len(rows)}
        self.yard.journal.append(record("part_replaced", self.lane, **facts))
        self.memory.parts[index] = fresh
        self.memory.duplicates += len(rows)
        await reader.shop.workers.run(folder.remove, [old])

    def close(self, outcome: Outcome) -> None:
        """The lane has come to an end that no later process needs to look at."""
        self.yard.journal.append(record("lane_closed", self.lane, outcome=outcome))
        self.memory.outcome = outcome

    async def restart(self, reader: LaneReader) -> None:
        """Begin anew: what there is belongs to a walk that cannot be gone on with."""
        await self.abandon(reader)
        self.yard.journal.append(record("lane_restarted", self.lane))
        old, self.memory = self.memory, LaneMemory()
        if self._folder is not None:
            await reader.shop.workers.run(self._folder.remove, old.parts)
        self._folder = None

    async def abandon(self, reader: LaneReader) -> None:
        """Drop what is not sealed."""
        if self._folder is not None:
            await reader.shop.workers.run(self._folder.abandon)


def _span(page: Page, converted: Converted, number: int) -> PageSpan:
    rows = int(converted.batch.num_rows)
    return PageSpan(number, page.window.offset, rows, converted.served, page.token, len(page.body))
