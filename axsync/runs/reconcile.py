"""Proof that a lane is whole: counts against ids, and where they differ a listing and repair (ADR 0008)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import orjson
import pyarrow as pa

from axsync.api import Question
from axsync.api.catalogue import with_roots
from axsync.convert import Converter, arrays
from axsync.engine.lane_walk import Stored, gather_all
from axsync.engine.paginators import OffsetPaginator
from axsync.errors import BadRequest, NotOffered
from axsync.lake.id_index import Hashes, IdIndex, different, hash_ids, lacking
from axsync.model import ID_FIELD, Page, Window
from axsync.runs.lane_reader import ROUND_SHIFT, LaneReader
from axsync.runs.lane_writer import LaneWriter
from axsync.runs.verdict import Evidence
from axsync.schema.columns import make_columns

LIST_LIMITS = (1_889, 1_381)
"""Rows per page of the two listings: primes, so that their pages end elsewhere than those of the walk. What slips
through between two pages of one then does not slip through between two of the other."""
IDS_AT_ONCE = 100
"""Ids in one repair query; 200 are safe too (docs/axonius-api.md, "Limits and cost")."""


@dataclass(slots=True)
class IdListing:
    """Ids of an id-only walk: their hashes, and the names of those that no part holds."""

    index: IdIndex
    hashes: list[Hashes] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    counted: int | None = None  # by the server, meanwhile

    def add(self, ids: pa.Array) -> None:
        """Take in the ids of one page."""
        hashes = hash_ids(ids)
        self.hashes.append(hashes)
        absent = self.index.lacks(hashes)
        if absent.any():
            self.missing += ids.filter(arrays.flags(absent)).to_pylist()

    def known(self) -> Hashes:
        """The different hashes, sorted; the listing itself forgets them."""
        taken, self.hashes = self.hashes, []
        return different(np.concatenate(taken)) if taken else np.empty(0, dtype=np.uint64)


@dataclass(slots=True)
class Reconciler:
    """Compares and repairs one lane after its walk.

    `one_answer` says that the walk was of one moment, `cycling` that a discovery cycle ran meanwhile.
    """

    reader: LaneReader
    writer: LaneWriter
    one_answer: bool = False
    cycling: bool = False
    repaired: int = 0

    async def evidence(self, before: int | None, total: int | None) -> Evidence:
        """Count, and until a listing shows just the ids that came, list and repair, at most two rounds.

        Nothing is asked that is known: one answer that holds as many rows as it tells of is the whole type, and where
        a listing will be made, the count is asked beside it.
        """
        index = await self.writer.settle(self.reader)
        limit = self.reader.context.run.limit
        evidence = replace(self._now(before, None, index), total=total, limit=limit)
        whole = self.one_answer and evidence.settled and not self.reader.is_listing
        if not (whole or self._will_list(limit)):
            evidence = replace(evidence, after=await self.reader.count())
        for turn in range(1, len(LIST_LIMITS) + 1):
            if limit is not None or self._proven(evidence):
                break
            evidence = await self._round(turn, evidence, index)
            index = await self.writer.settle(self.reader)
        return evidence

    def _proven(self, evidence: Evidence) -> bool:
        """Whether another listing can tell nothing new.

        Counts that agree are no proof where rows move between two answers: one that came hides one that went. Signs
        of movement are a total that differs from page to page, an id that came twice, a discovery cycle; an equal
        exchange leaves none, so a walk of several answers is proven by a listing unless signs are to be enough.
        """
        if evidence.listed is not None:
            return not (evidence.missing or evidence.vanished or evidence.late)
        if not evidence.settled or evidence.dead_letters:  # dead letters settle the verdict anyway
            return evidence.settled
        return self._still or not self._doubtful()

    @property
    def _still(self) -> bool:
        """Whether nothing can have moved: all was in one answer, or is history."""
        return self.one_answer or self.reader.question.history is not None

    def _will_list(self, limit: int | None) -> bool:
        return limit is None and not self._still and self._doubtful()

    def _doubtful(self) -> bool:
        moved = len(self.reader.totals) > 1 or self.writer.memory.duplicates > 0 or self.cycling
        # A listing is all that there is to know of an administrators' table: it is read twice only for a reason.
        return moved or (self.reader.entity.proof == "always" and not self.reader.is_listing)

    def _now(self, before: int | None, after: int | None, index: IdIndex) -> Evidence:
        return Evidence(before, after, index.distinct, self.writer.memory.letters)

    async def _round(self, turn: int, evidence: Evidence, index: IdIndex) -> Evidence:
        listing = await self._list(index, LIST_LIMITS[turn - 1])
        if listing.missing:
            await self._fetch(listing.missing, turn)
        now = await self.writer.settle(self.reader)
        known = listing.known()
        missing = int(now.lacks(known).sum())
        late = len(set(listing.missing)) - missing
        self.repaired += late
        vanished = int(lacking(known, now.known).sum())
        counted = self._now(evidence.before, listing.counted, now)
        found = {"listed": len(known), "missing": missing, "vanished": vanished, "late": late}
        return replace(counted, total=evidence.total, **found)

    async def _list(self, index: IdIndex, limit: int) -> IdListing:
        """Walk all ids and nothing else, and meanwhile have the server count and tell of its discovery cycle."""
        reader = self.reader.asking(replace(self.reader.question, fields=(ID_FIELD,), details=()), most=limit)
        converter = Converter(make_columns(with_roots(())), rows_key=reader.source.api.ROWS_KEY, run_id="")
        listing = IdListing(index)

        async def store(page: Page) -> Stored:
            converted = await reader.context.workers.run(reader.schema.convert, converter, page)
            listing.add(converted.batch.column(0))
            return Stored(converted.served, converted.fingerprint)

        async def count() -> None:
            listing.counted = await self.reader.count()

        walk = OffsetPaginator.expecting(index.distinct, limit=limit)

        async def look() -> None:
            await reader.source.discovery(seconds=0)  # kept by the source for the lane's end

        await gather_all([reader.way(walk, store).run(), count(), look()])
        return listing

    async def _fetch(self, missing: Sequence[str], turn: int) -> None:
        """Read the missing ids by name, or everything again where the server has no `in` for ids."""
        if self.reader.is_listing:
            await self._walk_again(turn * ROUND_SHIFT)
            return
        names = list(dict.fromkeys(missing))
        batches = [names[at : at + IDS_AT_ONCE] for at in range(0, len(names), IDS_AT_ONCE)]
        shift = turn * ROUND_SHIFT
        try:
            await self._fetch_batch(0, batches[0], shift)
            await gather_all([self._fetch_batch(n, batch, shift) for n, batch in enumerate(batches) if n])
        except (BadRequest, NotOffered):
            await self._walk_again(shift)

    async def _fetch_batch(self, number: int, names: Sequence[str], shift: int) -> None:
        reader = self.reader.asking(by_ids(self.reader.schema.named(self.reader.question), names), most=len(names))
        page = await reader.fetch_whole(Window(number, 0, len(names)))
        try:
            await self.writer.store(reader, page, shift=shift)
        finally:
            reader.release(page)

    async def _walk_again(self, shift: int) -> None:
        reader = self.reader

        async def store(page: Page) -> Stored:
            return await self.writer.store(reader, page, shift=shift)

        await reader.way(reader.walk(), store).run()


def by_ids(question: Question, names: Sequence[str]) -> Question:
    """The same fields of these rows; the ids come from a listing of the same selection, so they replace it."""
    listed = orjson.dumps(list(names)).decode()
    return replace(question, query=f'("{ID_FIELD}" in {listed})', saved_query="", saved_query_id="")
