"""One lane of a run, from its first count to its outcome."""

import time
from dataclasses import dataclass, field, replace

from axsync.convert import Converted, Converter
from axsync.engine import LaneWalk, Stored
from axsync.errors import AxsyncError, NotOffered
from axsync.events import Drifted, LaneClosed, LaneOpened, PageRead, PartSealed
from axsync.ledger import read_ledger
from axsync.model import Lane, Outcome, Page, PageSpan, Part, Verdict
from axsync.parquet import PartFolder, Shelf
from axsync.publish import Lake
from axsync.runs.reading import LaneReader, Shop
from axsync.runs.verdict import Evidence, judge


@dataclass(frozen=True, slots=True)
class Yard:
    """Where all lanes of a run write."""

    lake: Lake
    logical_date: str
    shelf: Shelf


@dataclass(slots=True)
class LaneRun:
    """One lane under way; `error` is why it failed."""

    reader: LaneReader
    yard: Yard
    error: AxsyncError | None = None
    _folder: PartFolder | None = None
    _parts: list[Part] = field(default_factory=list)
    _letters: int = 0
    _drift: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def _shop(self) -> Shop:
        return self.reader.shop

    @property
    def _lane(self) -> Lane:
        return self.reader.lane

    async def run(self) -> Outcome:
        """Walk the lane; what goes wrong on the way becomes its outcome and `error`."""
        started = time.monotonic()
        try:
            outcome = await self._walked()
        except NotOffered as error:
            outcome = self._skipped(error) if self._folder is None else self._failed(error)
        except AxsyncError as error:
            outcome = self._failed(error)
        finally:
            if self._folder is not None:
                await self._shop.workers.run(self._folder.abandon)
        counters = self.reader.counters
        outcome = replace(
            outcome,
            requests=counters.requests,
            retries=counters.retries,
            seconds=time.monotonic() - started,
            notices=tuple(self.reader.notices),
        )
        self._shop.observe(LaneClosed(outcome))
        return outcome

    async def _walked(self) -> Outcome:
        source = self.reader.source
        discovery = {"before": await source.discovery()}
        before = await self.reader.prepare()
        self._shop.observe(LaneOpened(self._lane, _least(before, self._shop.run.limit)))
        reader = self.reader
        walk = LaneWalk(reader.walk(), reader.fetch, self._store, reader.release, reader.instance.in_flight)
        await walk.run()
        await self._seal()
        after = await reader.count()
        discovery["after"] = await source.discovery()
        evidence = await self._evidence(before, after, walk)
        return self._outcome(evidence, discovery, walk)

    async def _store(self, page: Page) -> Stored:
        converter = await self.reader.converter(page)
        if self._folder is None:
            staging = self.yard.lake.staging(self._shop.run_id)
            partition = self.yard.lake.partition(self._lane, self.yard.logical_date)
            self._folder = PartFolder(staging, partition, self._shop.run_id, converter.schema, self.yard.shelf)
        converted, sealed = await self._shop.workers.run(self._write, self._folder, converter, page)
        self._tell(page, converted)
        self._note_parts(sealed)
        return Stored(converted.served, converted.fingerprint)

    def _write(self, folder: PartFolder, converter: Converter, page: Page) -> tuple[Converted, tuple[Part, ...]]:
        """In a writer thread: bytes to batch to part."""
        converted = self.reader.convert(converter, page)
        if converted.dead:
            self.yard.lake.bury(self._shop.run_id, self._lane, converted.dead)
        if not converted.batch.num_rows:
            return converted, ()
        span = PageSpan(page.window.number, page.window.offset, converted.batch.num_rows)
        return converted, folder.add(converted.batch, span)

    def _tell(self, page: Page, converted: Converted) -> None:
        self._letters += len(converted.dead)
        for name, (count, example) in converted.drift.items():
            self._drift[name] = self._drift.get(name, (0, ""))[0] + count, example
            self._shop.observe(Drifted(self._lane, name, count, example))
        seconds = self.reader.seconds(page)
        self._shop.observe(PageRead(self._lane, page.window.number, converted.served, len(page.body), seconds))

    def _note_parts(self, sealed: tuple[Part, ...]) -> None:
        self._parts += sealed
        for part in sealed:
            self._shop.observe(PartSealed(self._lane, part))

    async def _seal(self) -> None:
        if self._folder is not None:
            self._note_parts(await self._shop.workers.run(self._folder.seal))

    async def _evidence(self, before: int | None, after: int | None, walk: LaneWalk) -> Evidence:
        staging = self.yard.lake.staging(self._shop.run_id)
        paths = [staging / part.path for part in self._parts]
        ledger = await self._shop.workers.run(read_ledger, paths, self.reader.id_column)
        return Evidence(
            before=before,
            after=after,
            rows=ledger.rows,
            distinct=ledger.distinct,
            dead_letters=self._letters,
            total=walk.walk.total,
            limit=self._shop.run.limit,
            history=self.reader.question.history is not None,
        )

    def _outcome(self, evidence: Evidence, discovery: dict[str, str | None], walk: LaneWalk) -> Outcome:
        verdict, reason = judge(evidence)
        return replace(
            self._bare(verdict, reason),
            discovery=discovery,
            count_before=evidence.before,
            count_after=evidence.after,
            rows=evidence.rows,
            distinct_ids=evidence.distinct,
            duplicates=evidence.rows - evidence.distinct,
            rescued_values=sum(count for count, _ in self._drift.values()),
            dead_letters=self._letters,
            pages=walk.pages,
            bytes=self.reader.size,
            columns=self.reader.pinned.manifest if self.reader.pinned else {},
            drift={name: {"rescued": n, "example": kind} for name, (n, kind) in sorted(self._drift.items())},
            parts=tuple(self._parts),
        )

    def _bare(self, verdict: Verdict, reason: str | None) -> Outcome:
        source = self.reader.source
        return Outcome(self._lane, verdict, reason, source.api.GENERATION, source.version)

    def _skipped(self, error: NotOffered) -> Outcome:
        why = "forbidden" if error.status == 403 else "not offered"
        reason = f"{why}: {_with_detail(error)}"
        self.reader.notice(f"skipped, {reason}")
        return self._bare("skipped", reason)

    def _failed(self, error: AxsyncError) -> Outcome:
        error.add_note(str(self._lane))
        self.error = error
        return self._bare("partial", _with_detail(error))


def _with_detail(error: AxsyncError) -> str:
    detail = getattr(error, "detail", "")
    return f"{error} ({detail})" if detail else str(error)


def _least(count: int | None, limit: int | None) -> int | None:
    return count if limit is None else limit if count is None else min(count, limit)
