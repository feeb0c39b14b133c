"""The reading half of a lane: the questions that are asked, in which windows, and what their answers tell."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from axsync.api import Listing, Question, is_system
from axsync.client.source import Source
from axsync.client.transport import Counters, RequestContext
from axsync.convert import Converter
from axsync.engine.lane_walk import Budget, Deadline, LaneWalk, Reservation, Stored, Workers
from axsync.engine.paginators import OffsetPaginator, Paginator, Returned, TokenPaginator
from axsync.errors import BadAnswer, BadRequest, LaneError, NotOffered, TooHeavy, TooLarge
from axsync.events import LaneOpened, Notice, Observer
from axsync.lake.journal import Record
from axsync.model import Asked, Lane, Page, PageSpan, Window
from axsync.pacing.page_size import FoundSize, PageSizer
from axsync.runs.lane_schema import LaneSchema, question_of
from axsync.runs.lane_selection import asked_by, least, question_for
from axsync.runs.registries import Registries
from axsync.runs.state import merged_ranges, record
from axsync.settings import EntitySettings, InstanceSettings, RunSettings

PAGES_SHARE = 2
"""Half of `buffer_bytes` is for pages that are on their way or wait for a writer: several for each writer."""
ENVELOPE_BYTES = 4 << 10
"""Of an answer besides its rows, and what a page without rows takes."""
OVERSHOOT = 2
"""A page may be so many times as large as it is meant to be."""
ROUND_SHIFT = 1_000_000
"""Page numbers of a repair round start here, so that its answers count as later ones."""
MOST_PAGES = 1_000
"""No administrators' table is longer; a server that never ends is not asked for ever."""


class MarkExpired(LaneError):
    """A token or cursor that the server knows no more; the lane has to begin anew."""


async def forget(record: Record) -> None:
    """Where there is no journal."""
    del record


def forget_note(record: Record) -> None:
    """The same of what is noted."""
    del record


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all lanes of a run share for reading."""

    run_id: str
    run: RunSettings
    budget: Budget
    workers: Workers
    observe: Observer
    remember: Callable[[Record], Awaitable[None]] = forget  # returns when the record is durable
    note: Callable[[Record], None] = forget_note  # the record becomes durable with the next one
    deadline: Deadline = field(default_factory=Deadline)  # when the time for the run is over
    page_bytes: int = 64 << 20  # of all pages in flight at one instance
    registries: Registries = field(default_factory=Registries)
    row_bytes: dict[tuple[str, int], float] = field(default_factory=dict)  # of entity type and number of fields, seen


@dataclass(slots=True)
class LaneStats:
    """What reading a lane came to, by all who read for it: requests, bytes of all pages, the newest total, notices."""

    counters: Counters = field(default_factory=Counters)
    size: int = 0
    newest_total: int | None = None
    notices: list[str] = field(default_factory=list)


class LaneReader:
    """Asks one entity type of one instance.

    `question` is what it asks, `before` the server's count before the first page, `totals` what the pages told, `blank`
    a page without rows. `schema` and `stats` are the lane's: a reader of another question shares them (`asking`).
    """

    def __init__(
        self,
        lane: Lane,
        source: Source,
        instance: InstanceSettings,
        entity: EntitySettings,
        context: RunContext,
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        self.lane, self.source, self.instance, self.entity, self.context = lane, source, instance, entity, context
        self.stats = LaneStats()
        self.schema = LaneSchema(
            lane.entity,
            self.asked,
            entity,
            source,
            context.workers,
            context.registries,
            context.run_id,
            self.notice,
            earlier,
        )
        self.question = Question("")
        self.before: int | None = None
        self.totals: set[int] = set()
        self.blank: Page | None = None
        self._found_before: FoundSize | None = None
        most = entity.page_size or instance.page_size
        turn = instance.in_flight / instance.requests_per_second
        self._sizer = PageSizer(self._listing.rows_at_once(most) if self._listing else most, self._ceiling(), turn)

    def begin_with(self, found: FoundSize | None) -> None:
        """Ask for pages of the size that the server bore in an earlier run; before anything is asked."""
        self._found_before = found

    @property
    def found_size(self) -> FoundSize | None:
        """The size of pages that the server bears; None where it bears what the settings say."""
        return self._sizer.found

    def asking(self, question: Question, *, most: int) -> "LaneReader":
        """A reader of another question to the same lane, with the same columns and on the same bill."""
        other = LaneReader(self.lane, self.source, self.instance, self.entity, self.context)
        other.stats, other.schema = self.stats, self.schema
        other.question, other.before, other._sizer = question, self.before, PageSizer(most)
        return other

    @property
    def asked(self) -> str:
        """The entity type at Axonius; the lane is called like its table."""
        return self.entity.asked(self.lane.entity)

    @property
    def kind(self) -> Asked:
        """What kind of lane this is, for whoever compares it with others."""
        return asked_by(self.entity, self.lane.entity, self.context.run)

    def _ceiling(self) -> int:
        # A chain of tokens cannot change its limit and stay a chain; rows of a listing are small.
        if self._by_tokens or self.is_listing:
            return 0
        return self._page_bytes

    @property
    def _page_bytes(self) -> int:
        """Most bytes that a page is meant to have."""
        return self.instance.page_bytes or self.context.page_bytes // self.instance.in_flight

    @property
    def _by_tokens(self) -> bool:
        wished = self.instance.paging in {"token", "cursor"} and self.context.run.limit is None
        return wished and not self.is_listing

    @property
    def is_listing(self) -> bool:
        """Whether this is an administrators' table: no catalogue, no count, no ids to ask for."""
        return is_system(self.asked)

    @property
    def _listing(self) -> Listing | None:
        return self.source.api.SYSTEM[self.asked] if self.is_listing else None

    @property
    def _ask(self) -> RequestContext:
        return RequestContext(self.lane, counters=self.stats.counters, heard=self._heard_nothing)

    def _heard_nothing(self, seconds: float, _size: int) -> None:
        """Learn what a request without rows takes."""
        self._sizer.answered(0, seconds)

    def restore(self, pinned: Record) -> None:
        """Go on with what an earlier process settled: question, dialect, columns, first count."""
        self.question, self.before = question_of(pinned), pinned["before"]
        source = self.source
        source.dialect = replace(source.dialect, refused=source.dialect.refused | set(pinned["refused"]))
        self.schema.restore(pinned)
        self._size_pages()

    def _note_pinned(self) -> None:
        facts = {
            "generation": self.source.api.GENERATION,
            "refused": sorted(self.source.dialect.refused),
            "question": msgspec.to_builtins(self.question),
            "before": self.before,
            **self.schema.record(),
        }
        self.context.note(record("lane_pinned", self.lane, pinned=facts))

    async def prepare(self) -> None:
        """Settle the question and its fields. How many rows there are, the first page will tell.

        Raises: NotOffered where the type cannot be read; other ServerErrors.
        """
        self.before = None
        self.question = await question_for(self.source, self.asked, self.entity, self.context.run.as_of)
        if self.is_listing:
            await self.schema.select_table()
            return
        self.question = await self.schema.select(self.question, self._ask, readable=self._is_readable)
        self._size_pages()

    def _size_pages(self) -> None:
        self._sizer.expect(self.schema.row_bytes(self.question))
        if self._found_before is not None:
            self._sizer.resume(self._found_before)

    async def _is_readable(self) -> bool:
        self.before = await self.count()
        return self.before is not None

    async def open(self, first: Page | None = None) -> None:
        """Note how many rows there are: the first page's total, or the server's count if it has none."""
        if self.before is None:
            self.before = await self.count() if first is None or first.total is None else first.total
        self.context.observe(LaneOpened(self.lane, least(self.before, self.context.run.limit)))

    async def count(self) -> int | None:
        """The server's count; None where it has none to give.

        The pages decide whether the type is there. A listing is counted by its pages alone.
        """
        if self.is_listing:
            return self.stats.newest_total
        try:
            return await self.source.count(self.question, self._ask)
        except (NotOffered, BadRequest, BadAnswer):
            return None

    async def cycle(self) -> str | None:
        """The state of the discovery cycle by a look that begins now, on the lane's bill."""
        return await self.source.discovery(self._ask, seconds=0)

    def walk(self) -> Paginator:
        """The way over the rows: by offset, or by the server's own token where that is wished."""
        limit, most = self._sizer.limit, self.context.run.limit
        if self._by_tokens:
            return TokenPaginator(limit, self.source.api.FIRST_TOKEN)
        return OffsetPaginator(limit, most=most, total=self.schema.rows_before)

    def way(self, walk: Paginator, store: Callable[[Page], Awaitable[Stored]]) -> LaneWalk:
        """A walk with its pages fetched and stored. A listing is asked page by page and must not repeat itself."""
        width = 1 if self.is_listing else self.instance.in_flight
        return LaneWalk(walk, self.fetch, store, self.release, width, self.limit, strict=self.is_listing)

    def resumed_walk(self, spans: Sequence[PageSpan]) -> Paginator | None:
        """The way over the rows that these pages do not cover; None where the way cannot be taken up again."""
        limit, walk = self._sizer.limit, self.walk()
        own = [span for span in spans if span.number < ROUND_SHIFT]
        if isinstance(walk, OffsetPaginator):
            asked = max((span.number for span in own), default=-1) + 1
            return OffsetPaginator.resumed(
                limit, covered=merged_ranges(own), total=self.before, most=self.context.run.limit, asked=asked
            )
        if not self.source.api.TOKENS_SURVIVE or not own:
            return None
        return self._resumed_chain(limit, {span.number: span for span in own})

    def _resumed_chain(self, limit: int, spans: Mapping[int, PageSpan]) -> Paginator | None:
        number = next(n for n in range(len(spans) + 1) if n not in spans)
        token = spans[number - 1].mark if number else None
        if token is None:
            return None
        rows = sum(spans[n].served for n in range(number))
        return TokenPaginator.resumed(limit, number=number, token=token, rows=rows, total=self.before)

    def limit(self) -> int:
        """Rows that the next window is to ask for."""
        return self._sizer.limit

    async def fetch(self, window: Window) -> Page:
        """One page, admitted into the budget.

        Raises: Returned, where smaller ones are better; MarkExpired, and what the source raises.
        """
        if not self._is_divisible(window):
            return await self.fetch_whole(window)
        attempts = partial(self._sizer.max_attempts, window.limit)
        try:
            return await self.fetch_whole(window, max_attempts=attempts, most=self._most_of_a_page)
        except (TooHeavy, TooLarge) as error:
            self._sizer.failed(window.limit)
            raise Returned from error

    def _is_divisible(self, window: Window) -> bool:
        return window.limit > 1 and not (self._listing is not None and self._listing.paging == "none")

    @property
    def _most_of_a_page(self) -> int:
        """Bytes of a page beyond which smaller ones are asked for; rows may be larger than those before told."""
        return OVERSHOOT * self._page_bytes

    async def fetch_whole(
        self, window: Window, *, max_attempts: Callable[[], int] | None = None, most: int = 0
    ) -> Page:
        """One page, of `most` bytes, or as many as one that cannot be had in pieces may have.

        Raises: as `fetch`, but Returned; TooLarge.
        """
        if self.is_listing and window.number >= MOST_PAGES:
            raise LaneError(f"the server lists {self.asked} without end: {MOST_PAGES} pages were not enough")
        most = most or max(self.context.page_bytes, self._most_of_a_page)
        started = time.monotonic()
        ask = RequestContext(
            self.lane,
            Reservation(self.context.budget, partial(self._expected, window, most)),
            self.stats.counters,
            kind=f"{self.lane} {window.limit} {len(self.question.fields)}",
            heard=partial(self._sizer.served, window.limit),
            most=most,
            max_attempts=max_attempts,
        )
        try:
            page = await self._asked_for(window, ask)
        except (BadRequest, NotOffered) as error:
            if window.token:
                raise MarkExpired(f"the server no longer knows the token of page {window.number}") from error
            raise
        page = replace(page, fetched_at=datetime.now(UTC), seconds=time.monotonic() - started)
        self.stats.size += len(page.body)
        if page.total is not None:
            self.totals.add(page.total)
            self.stats.newest_total = page.total
        if rows := self._rows_in(window):  # instances differ in their rows, so the largest that were seen count
            seen, kind = self.context.row_bytes, self._kind_of_rows
            seen[kind] = max(seen.get(kind, 0.0), len(page.body) / rows)
        return page

    def _expected(self, window: Window, most: int) -> int:
        """Bytes that the page will have, by what is known of the type and of how many rows there are."""
        known = self.context.row_bytes.get(self._kind_of_rows)
        each = self.schema.row_bytes(self.question) if known is None else known
        return min(ENVELOPE_BYTES + int(self._rows_in(window) * each), most)

    def _rows_in(self, window: Window) -> int:
        """Rows that an answer has, as far as the newest page, the count, or the previous snapshot tells."""
        total = self.stats.newest_total or self.before or self.schema.rows_before
        return window.limit if total is None else max(0, min(window.limit, total - window.offset))

    @property
    def _kind_of_rows(self) -> tuple[str, int]:
        return self.asked, len(self.question.fields)

    async def _asked_for(self, window: Window, ask: RequestContext) -> Page:
        """The page, without fields that no catalogue lists and that this server refuses."""
        while True:
            question = self.question
            try:
                return await self.source.page(question, window, ask)
            except BadRequest as error:
                refused = self.schema.drop_refused(question, error.detail)
                if not refused:
                    raise
                kept = tuple(name for name in self.question.fields if name not in refused)
                self.question = replace(self.question, fields=kept)

    def release(self, page: Page) -> None:
        """Give back what the page took of the budget."""
        self.context.budget.give(len(page.body))

    async def converter(self, page: Page) -> Converter:
        """The lane's converter; the first page that arrives settles its columns."""
        return await self.schema.converter(page, self._note_pinned)

    async def settle_columns(self) -> None:
        """Settle them without a sample where no page had rows."""
        if self.schema.known is None and self.blank is not None:
            await self.converter(self.blank)

    def notice(self, text: str) -> None:
        """Tell people, and keep it for the manifest."""
        self.stats.notices.append(text)
        self.context.observe(Notice(self.lane, text))
