"""Proof that a lane is whole: counts against ids, and where they differ a listing and repair (ADR 0008)."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import orjson
import pyarrow as pa

from axsync.api import Question
from axsync.api.catalogue import with_roots
from axsync.convert import Converter, arrays
from axsync.engine.lane_walk import LaneWalk, Stored, gather_all
from axsync.engine.paginators import OffsetPaginator
from axsync.errors import AxsyncError, BadRequest, LaneError, NotOffered, ServerError
from axsync.lake.id_index import Collected, Hashes, IdIndex, different, hash_ids, lacking
from axsync.model import ID_FIELD, Page, Window
from axsync.runs.lane_reader import ROUND_SHIFT, LaneReader
from axsync.runs.lane_writer import LaneWriter
from axsync.runs.verdict import Evidence
from axsync.schema.columns import make_columns

LIST_LIMITS = (1_889, 1_381)
"""Rows per page of the two listings: primes, so that their pages end elsewhere than those of the walk. What slips
through between two pages of one then does not slip through between two of the other."""
MOST_UNSEEN = 500_000
"""Ids that are listed before it is known which of them the parts hold: some 20 MB."""
IDS_AT_ONCE = 100
"""Ids in one repair query; 200 are safe too (docs/axonius-api.md, "Limits and cost")."""


class Void(Exception):
    """A listing that began before the walk had its last rows, and proves nothing."""


class IdListing:
    """Ids of an id-only walk: their hashes, and the names of those that no part holds.

    `counted` and `cycle` are what the server told meanwhile: its count, and the state of its discovery cycle. Without
    an index all names are kept, until `indexed` is given one.
    """

    def __init__(self, index: IdIndex | None) -> None:
        self.counted: int | None = None
        self.cycle: str | None = None
        self.is_void = False
        self._index = index
        self._hashes = Collected()
        self._missing: list[pa.Array] = []
        self._unseen: list[pa.Array] = []
        self._comparable = asyncio.Event()

    async def room(self) -> None:
        """Wait until there is room for another page. Raises: Void."""
        if sum(map(len, self._unseen)) > MOST_UNSEEN:
            await self._comparable.wait()
        if self.is_void:
            raise Void

    def add(self, ids: pa.Array) -> None:
        """Take in the ids of one page."""
        hashes = hash_ids(ids)
        self._hashes.add(hashes)
        if self._index is None:
            self._unseen.append(ids)
        else:
            self._keep_lacking(ids, self._index.lacks(hashes))

    def _keep_lacking(self, ids: pa.Array, absent: arrays.Flags) -> None:
        if absent.any():
            self._missing.append(ids.filter(arrays.flags(absent)))

    def indexed(self, index: IdIndex) -> list[pa.Array]:
        """Keep only the names that this index lacks, from now on; returns those so far, which are to be compared."""
        self._index, unseen, self._unseen = index, self._unseen, []
        self._comparable.set()
        return unseen

    def compare(self, index: IdIndex, unseen: Sequence[pa.Array]) -> None:
        """Take in names that came before the index. For a writer thread; pages may come meanwhile."""
        for ids in unseen:
            self._keep_lacking(ids, index.lacks(hash_ids(ids)))

    def make_void(self) -> None:
        """Ask for nothing more."""
        self.is_void = True
        self._comparable.set()

    @property
    def missing(self) -> pa.Array:
        """The names that no part holds, each once: Python's own strings would take twice as much."""
        return pa.chunked_array(self._missing).unique() if self._missing else pa.nulls(0, pa.string())

    def known(self) -> Hashes:
        """The different hashes, sorted; the listing itself forgets them."""
        return different(self._hashes.take())


@dataclass(slots=True)
class Reconciler:
    """Compares and repairs one lane after its walk.

    `one_answer` says that the walk was of one moment, `cycling` that a discovery cycle ran meanwhile, `cycle` in which
    state it was beside the last listing.
    """

    reader: LaneReader
    writer: LaneWriter
    one_answer: bool = False
    cycling: bool = False
    cycle: str | None = None
    repaired: int = 0
    _index: IdIndex | None = field(default=None, init=False)  # of what is in the parts
    _early: IdListing | None = field(default=None, init=False)
    _early_error: AxsyncError | None = field(default=None, init=False)

    async def walk(self, walk: LaneWalk, *, anew: bool) -> None:
        """Read the lane, and begin the first listing when every page is answered, while the last ones are stored.

        Not a moment earlier: what the walk reads after a listing, that listing does not prove (docs/adr/0028).
        Raises: what the walk raises. An error of the listing waits until the listing is needed.
        """
        await gather_all([self._to_end(walk), self._list_early(walk, anew=anew)])
        if walk.late:
            self._early = self._early_error = None

    async def _to_end(self, walk: LaneWalk) -> None:
        await walk.run()
        if walk.late and self._early is not None:
            self._early.make_void()
        await self.reader.settle_columns()
        self._index = await self.writer.settle(self.reader)
        if self._early is not None and not walk.late:
            unseen = self._early.indexed(self._index)
            await self.reader.context.workers.run(self._early.compare, self._index, unseen)

    async def _list_early(self, walk: LaneWalk, *, anew: bool) -> None:
        await walk.answered.wait()
        total, alone = walk.paginator.total, anew and walk.answers <= 1
        if alone or total is None or self.reader.entity.proof != "always" or not self._may_list:
            return
        self._early = IdListing(self._index)
        try:
            await self._list(self._early, LIST_LIMITS[0], total)
        except Void:
            pass
        except (ServerError, LaneError) as error:
            self._early_error = error

    async def evidence(self, before: int | None, total: int | None) -> Evidence:
        """Count, and until a listing shows just the ids that came, list and repair, at most two rounds.

        Nothing is asked that is known: one answer that holds as many rows as it tells of is the whole type, and where
        a listing will be made, the count is asked beside it.
        """
        limit = self.reader.context.run.limit
        evidence = replace(self._now(before, None), total=total, limit=limit)
        whole = self.one_answer and evidence.settled and not self.reader.is_listing
        if not (whole or self._will_list):
            evidence = replace(evidence, after=await self.reader.count())
        for turn in range(1, len(LIST_LIMITS) + 1):
            if limit is not None or self._proven(evidence):
                break
            evidence = await self._round(turn, evidence)
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

    @property
    def _may_list(self) -> bool:
        return self.reader.context.run.limit is None and not self._still and not self.reader.is_listing

    @property
    def _will_list(self) -> bool:
        return self.reader.context.run.limit is None and not self._still and self._doubtful()

    def _doubtful(self) -> bool:
        moved = len(self.reader.totals) > 1 or self.writer.memory.duplicates > 0 or self.cycling
        # A listing is all that there is to know of an administrators' table: it is read twice only for a reason.
        return moved or (self.reader.entity.proof == "always" and not self.reader.is_listing)

    def _now(self, before: int | None, after: int | None) -> Evidence:
        return Evidence(before, after, self._held, self.writer.memory.letters)

    @property
    def _held(self) -> int:
        """Different ids that are in the parts."""
        return self._index.distinct if self._index else 0

    async def _round(self, turn: int, evidence: Evidence) -> Evidence:
        listing = await self._listing(LIST_LIMITS[turn - 1])
        counted, listed, names = listing.counted, listing.known(), listing.missing
        del listing
        self._index = None  # as large as the one that follows
        if len(names):
            await self._fetch(names, turn)
        self._index = index = await self.writer.settle(self.reader)
        missing = int(index.lacks(listed).sum())
        late = len(names) - missing
        self.repaired += late
        vanished = int(lacking(listed, index.known).sum())
        found = {"listed": len(listed), "missing": missing, "vanished": vanished, "late": late}
        return replace(self._now(evidence.before, counted), total=evidence.total, **found)

    async def _listing(self, limit: int) -> IdListing:
        """The one that was begun early, or a new one."""
        listing, self._early = self._early, None
        if self._early_error is not None:
            raise self._early_error
        if listing is None:
            listing = IdListing(self._index)
            await self._list(listing, limit, self._held)
        self.cycle = listing.cycle
        return listing

    async def _list(self, listing: IdListing, limit: int, expected: int) -> None:
        """Walk all ids and nothing else, and meanwhile have the server count and tell of its discovery cycle."""
        reader = self.reader.asking(replace(self.reader.question, fields=(ID_FIELD,), details=()), most=limit)
        converter = Converter(make_columns(with_roots(())), rows_key=reader.source.api.ROWS_KEY, run_id="")

        async def fetch(window: Window) -> Page:
            await listing.room()
            return await reader.fetch(window)

        async def store(page: Page) -> Stored:
            converted = await reader.context.workers.run(reader.schema.convert, converter, page)
            listing.add(converted.batch.column(0))
            return Stored(converted.served, converted.fingerprint)

        async def count() -> None:
            listing.counted = await self.reader.count()

        async def look() -> None:
            listing.cycle = await self.reader.cycle()

        way = replace(reader.way(OffsetPaginator.expecting(expected, limit=limit), store), fetch=fetch)
        await gather_all([way.run(), count(), look()])

    async def _fetch(self, names: pa.Array, turn: int) -> None:
        """Read the missing ids by name, or everything again where the server has no `in` for ids."""
        shift = turn * ROUND_SHIFT
        if self.reader.is_listing:
            await self._walk_again(shift)
            return
        slices = (names.slice(at, IDS_AT_ONCE) for at in range(0, len(names), IDS_AT_ONCE))
        batches = enumerate(one.to_pylist() for one in slices)
        try:
            await self._fetch_batch(*next(batches), shift)
            # As many at once as may be in flight: a task for each of a million names would take more than the names.
            await gather_all([self._fetch_batches(batches, shift) for _ in range(self.reader.instance.in_flight)])
        except (BadRequest, NotOffered):
            await self._walk_again(shift)

    async def _fetch_batches(self, batches: Iterator[tuple[int, list[str]]], shift: int) -> None:
        for number, names in batches:
            await self._fetch_batch(number, names, shift)

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
