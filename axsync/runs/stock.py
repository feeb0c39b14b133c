"""What of a lane lies in the staging folder: parts, dead letters, drift."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from axsync.convert import Converted, Converter
from axsync.engine import Stored
from axsync.events import Drifted, PageRead, PartSealed
from axsync.ledger import Ledger, Places, earlier_twins, read_ledger
from axsync.model import Lane, Page, PageSpan, Part
from axsync.parquet import PartFolder, Shelf
from axsync.publish import Lake
from axsync.runs.reading import LaneReader


@dataclass(frozen=True, slots=True)
class Yard:
    """Where all lanes of a run write."""

    lake: Lake
    logical_date: str
    shelf: Shelf


@dataclass(slots=True)
class Stock:
    """The rows of one lane; `duplicates` counts rows that a later answer replaced."""

    lane: Lane
    run_id: str
    yard: Yard
    parts: list[Part] = field(default_factory=list)
    letters: int = 0
    drift: dict[str, tuple[int, str]] = field(default_factory=dict)
    duplicates: int = 0
    pages: int = 0
    _folder: PartFolder | None = None

    @property
    def begun(self) -> bool:
        """Whether a page has arrived."""
        return self._folder is not None

    async def store(self, reader: LaneReader, page: Page, *, shift: int = 0) -> Stored:
        """Convert and write a page; `shift` sets the page numbers of a later round apart from earlier ones."""
        converter = await reader.converter(page)
        folder = self._open(converter)
        number = page.window.number + shift
        converted, sealed = await reader.shop.workers.run(self._write, reader, folder, converter, page, number)
        self.pages += 1
        self._tell(reader, page, converted)
        self._add(reader, sealed)
        return Stored(converted.served, converted.fingerprint)

    def _open(self, converter: Converter) -> PartFolder:
        if self._folder is None:
            staging = self.yard.lake.staging(self.run_id)
            partition = self.yard.lake.partition(self.lane, self.yard.logical_date)
            self._folder = PartFolder(staging, partition, self.run_id, converter.schema, self.yard.shelf)
        return self._folder

    def _write(
        self, reader: LaneReader, folder: PartFolder, converter: Converter, page: Page, number: int
    ) -> tuple[Converted, tuple[Part, ...]]:
        """In a writer thread: bytes to batch to part."""
        converted = reader.convert(converter, page)
        if converted.dead:
            self.yard.lake.bury(self.run_id, self.lane, converted.dead)
        if not converted.batch.num_rows:
            return converted, ()
        span = PageSpan(number, page.window.offset, converted.batch.num_rows)
        return converted, folder.add(converted.batch, span)

    def _tell(self, reader: LaneReader, page: Page, converted: Converted) -> None:
        observe = reader.shop.observe
        self.letters += len(converted.dead)
        for name, (count, example) in converted.drift.items():
            self.drift[name] = self.drift.get(name, (0, ""))[0] + count, example
            observe(Drifted(self.lane, name, count, example))
        seconds = reader.seconds(page)
        observe(PageRead(self.lane, page.window.number, converted.served, len(page.body), seconds))

    def _add(self, reader: LaneReader, sealed: tuple[Part, ...]) -> None:
        self.parts += sealed
        for part in sealed:
            reader.shop.observe(PartSealed(self.lane, part))

    async def settle(self, reader: LaneReader) -> Ledger:
        """Seal all parts, keep the later one of rows with the same id, and say which ids there are."""
        if self._folder is None:
            return Ledger(np.empty(0, dtype=np.uint64))
        run = reader.shop.workers.run
        self._add(reader, await run(self._folder.seal))
        ledger = await run(self._read_ledger, reader.id_column)
        if ledger.distinct == ledger.rows:
            return ledger
        twins = await run(earlier_twins, ledger, self._spans(), self._staged(), reader.id_column)
        self.duplicates += len(twins)
        await run(self._drop, self._folder, twins)
        return await run(self._read_ledger, reader.id_column)

    def _read_ledger(self, id_column: str) -> Ledger:
        return read_ledger(self._staged(), id_column)

    def _staged(self) -> list[Path]:
        staging = self.yard.lake.staging(self.run_id)
        return [staging / part.path for part in self.parts]

    def _spans(self) -> list[PageSpan]:
        return [span for part in self.parts for span in part.pages]

    def _drop(self, folder: PartFolder, rows: Places) -> None:
        """Write the parts that hold these rows (numbered over all parts) anew, without them."""
        start = 0
        for index, part in enumerate(list(self.parts)):
            mine = rows[(rows >= start) & (rows < start + part.rows)] - start
            start += part.rows
            if len(mine):
                self.parts[index] = folder.without(part, mine)

    async def abandon(self, reader: LaneReader) -> None:
        """Drop what is not sealed."""
        if self._folder is not None:
            await reader.shop.workers.run(self._folder.abandon)
