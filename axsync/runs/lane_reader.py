"""The reading half of a lane: what is asked, in which windows, and how its pages become batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from axsync.api import Listing, Question, is_system, v1
from axsync.api.catalogue import ROOTS, with_roots
from axsync.client.source import Source
from axsync.client.transport import Counters, RequestContext
from axsync.convert import Converted, Converter
from axsync.convert.restore import columns_of, describe
from axsync.engine.lane_walk import Budget, LaneWalk, Stored, Workers
from axsync.engine.offset_paginator import OffsetPaginator
from axsync.engine.paginator import Paginator, Returned
from axsync.engine.token_paginator import TokenPaginator
from axsync.errors import BadAnswer, BadRequest, LaneError, NotOffered, TooHeavy, Unreachable
from axsync.events import Notice, Observer
from axsync.lake.journal import Record
from axsync.model import ID_FIELD, Lane, Page, PageSpan, Window
from axsync.pacing.page_size import PageSizer
from axsync.runs.pin import Pinned, is_detail, pin
from axsync.runs.question import question_for
from axsync.runs.state import merged_ranges, record
from axsync.runs.unlisted import Unlisted
from axsync.schema.fields import Field, Group, Many, drop_forms
from axsync.schema.keys import OVERFLOW
from axsync.schema.selection import RAW, Selection, closest_field, is_glob, select_all, select_fields
from axsync.settings import EntitySettings, Fields, InstanceSettings, RunSettings

ROUND_SHIFT = 1_000_000
"""Page numbers of a repair round start here, so that its answers count as later ones."""
MOST_PAGES = 1_000
"""No administrators' table is longer; a server that never ends is not asked for ever."""
FIELD_BYTES, OBJECTS_BYTES, TREE_BYTES = 32, 40_000, 16_000
"""A guess at the JSON of one field in one row, of a row with lists of objects, and of a whole record, before the first
page tells. Lists have no bound: a row with a thousand programs is 250 kB, and 1,000 of them a page of 250 MB."""


class MarkExpired(LaneError):
    """A token or cursor that the server knows no more; the lane has to begin anew."""


def forget(record: Record) -> None:
    """Where there is no journal."""
    del record


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all lanes of a run share for reading."""

    run_id: str
    run: RunSettings
    budget: Budget
    workers: Workers
    observe: Observer
    remember: Callable[[Record], None] = forget
    ends: float | None = None  # on the loop's clock: when the time for the run is over


@dataclass(slots=True)
class LaneReader:
    """Asks one entity type of one instance. `earlier` is the lane's entry in the previous snapshot."""

    lane: Lane
    source: Source
    instance: InstanceSettings
    entity: EntitySettings
    shop: RunContext
    earlier: dict[str, Any] | None = None
    counters: Counters = field(default_factory=Counters)
    before: int | None = None  # the server's count before the first page
    question: Question = field(default_factory=lambda: Question(""))
    pinned: Pinned | None = None
    notices: list[str] = field(default_factory=list)
    size: int = 0  # bytes of all pages
    totals: set[int] = field(default_factory=set)  # that the pages told
    portion: PageSizer = field(default_factory=partial(PageSizer, 0))  # rows per page; as the settings say at first
    blank: Page | None = None  # a page without rows
    blind: bool = False  # the field catalogue cannot be read
    told: list[int] = field(default_factory=list)  # the newest total of all, also of those who read for this lane
    _selection: Selection = field(default_factory=lambda: Selection(()))
    _unlisted: Unlisted = field(default_factory=Unlisted)
    _converter: Converter | None = None
    _pin_once: asyncio.Lock = field(default_factory=asyncio.Lock)
    _received: dict[int, tuple[datetime, float]] = field(default_factory=dict)  # window number → when, seconds

    def __post_init__(self) -> None:
        """Begin with pages as large as the settings allow."""
        if not self.portion.most:
            most = self.entity.page_size or self.instance.page_size
            most = self._listing.rows_at_once(most) if self._listing else most
            self.portion = PageSizer(most, aim=self._aim())

    def _aim(self) -> int:
        # A chain of tokens cannot change its limit and stay a chain; rows of a listing are small.
        return 0 if self._by_tokens or self.is_listing else self.instance.page_bytes

    @property
    def _by_tokens(self) -> bool:
        wished = self.instance.paging in {"token", "cursor"} and self.shop.run.limit is None
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
        return RequestContext(self.lane, counters=self.counters)

    def recall(self, pinned: Record) -> None:
        """Go on with what an earlier process settled: question, dialect, columns, first count."""
        self.question = msgspec.convert(pinned["question"], Question)
        self.before, self.blind = pinned["before"], pinned.get("blind", False)
        # Which of them came before is not known here, so that none is called never served.
        self._unlisted = Unlisted(frozenset(pinned.get("unlisted", ())))
        self.portion.expect(self._row_bytes())
        source = self.source
        source.dialect = replace(source.dialect, refused=source.dialect.refused | set(pinned["refused"]))
        columns = columns_of({"columns": {name: entry for name, _, entry in pinned["columns"]}})
        json_keys = {name: key for name, key, _ in pinned["columns"]}
        self.pinned = Pinned(tuple(replace(c, json_key=json_keys[c.name]) for c in columns))
        self._converter = self._make_converter(self.pinned)

    def _record(self, pinned: Pinned) -> Record:
        facts = {
            "generation": self.source.api.GENERATION,
            "refused": sorted(self.source.dialect.refused),
            "question": msgspec.to_builtins(self.question),
            "before": self.before,
            "blind": self.blind,
            "unlisted": sorted(self._unlisted.asked),
            "columns": [[c.name, c.json_key, describe(c)] for c in pinned.columns],
        }
        return record("lane_pinned", self.lane, pinned=facts)

    async def prepare(self) -> None:
        """Settle the question and its fields, and ask for the first count.

        Raises: NotOffered where the type cannot be read; other ServerErrors.
        """
        self.question = await question_for(self.source, self.asked, self.entity, self.shop.run.as_of)
        if self.is_listing:
            self._selection = select_all(await self.source.fields(self.asked))
            return
        self.before = await self.count()
        catalogue = await self._catalogue(readable=self.before is not None)
        self._select(catalogue, await self._saved_columns())

    @property
    def _wish(self) -> Fields:
        """The fields that are wanted, as far as they can be named without a catalogue where there is none."""
        wish = self.entity.fields
        if not self.blind or wish == "saved-query":
            return wish
        if self._fields_before:
            return "full" if wish == "generic" else wish
        plain = not isinstance(wish, str) and not any(is_glob(name) for name in wish)
        return wish if plain else "raw"

    @property
    def asked(self) -> str:
        """The entity type at Axonius; the lane is called like its table."""
        return self.entity.asked(self.lane.entity)

    async def count(self) -> int | None:
        """The server's count; None where it has none to give. The first page decides whether the type is there.

        A listing is counted by its pages alone.
        """
        if self.is_listing:
            return self.told[-1] if self.told else None
        try:
            return await self.source.count(self.question, self._ask)
        except (NotOffered, BadAnswer):
            return None

    async def _catalogue(self, *, readable: bool) -> tuple[Field, ...]:
        """The field catalogue; the fields of the previous snapshot where it cannot be read or lists nothing."""
        listed: tuple[Field, ...] = ()
        try:
            listed = await self.source.fields(self.asked, self._ask)
            why = "" if any(f.name not in ROOTS for f in listed) else "it is empty"
        except (BadRequest, BadAnswer, NotOffered) as error:
            if isinstance(error, NotOffered) and not readable:
                raise
            why = str(error)
        except Unreachable as error:
            if error.status is None:  # the host is away, not its catalogue
                raise
            why = str(error)
        if not why:
            return listed
        self.blind = True
        self.notice(f"the field catalogue cannot be read ({why}); {self._instead()}")
        return with_roots(self._fields_before)

    @property
    def _fields_before(self) -> tuple[Field, ...]:
        """The fields of the previous snapshot."""
        columns = columns_of({"columns": (self.earlier or {}).get("columns", {})})
        return tuple(Field(c.field, drop_forms(c.kind)) for c in columns if c.field not in (OVERFLOW, *ROOTS))

    def _instead(self) -> str:
        if self.entity.fields == "saved-query":
            return "the columns of the saved query are asked for"
        if self._fields_before:
            return "the fields of the previous snapshot are asked for"
        return "whole records are copied" if self._wish == "raw" else "the named fields are asked for as they are"

    async def _saved_columns(self) -> tuple[str, ...] | None:
        """The columns of the saved query where these are wanted; None where they are not, or are not known."""
        if self.entity.fields != "saved-query":
            return None
        found = await self.source.saved_query(self.entity.saved_query, self.asked)
        return (found.fields or None) if found else None

    def _select(self, catalogue: tuple[Field, ...], columns: tuple[str, ...] | None = None) -> None:
        wish, extra = self._wish, self.entity.extra_fields
        if self.blind and not self._fields_before and not isinstance(wish, str):
            wish, extra = (), (*wish, *extra)
        if wish == "saved-query" and columns is None and self.source.api is v1:
            self.notice("the saved query lists no columns; the generic fields are copied")
            wish = "generic"
        selection = select_fields(
            catalogue, wish, entity=self.asked, extra=extra, columns=columns, details=self.entity.details
        )
        self._selection = self._unlisted.settle(selection)
        self._tell_selection(selection)
        self.question = replace(self.question, fields=self._selection.names, details=self._selection.details)
        self.portion.expect(self._row_bytes())

    def _tell_selection(self, selection: Selection) -> None:
        for name in selection.unmatched:
            near = closest_field(name, selection.listed)
            self.notice(f"no field of {self.asked} matches {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        for text in selection.notices:
            self.notice(text)
        for name in selection.lacking:
            self.notice(f"{name!r} is no selected field of {self.asked}; there are no details of it")
        if selection.open:
            without = "; extra_fields are not asked for" if self.entity.extra_fields else ""
            self.notice(f"the columns of the saved query cannot be listed; the server chooses them{without}")

    @property
    def named_question(self) -> Question:
        """The question with its fields named, for rows that are asked for without the saved query."""
        columns = self.pinned.columns if self.pinned else ()
        named = tuple(c.field for c in columns if c.field != OVERFLOW)
        return self.question if self.question.fields else replace(self.question, fields=named)

    def _row_bytes(self) -> float:
        """Of JSON per row, by the previous snapshot, or by what is asked for."""
        earlier = self.earlier or {}
        if earlier.get("rows") and earlier.get("bytes"):
            return float(earlier["bytes"] / earlier["rows"])
        if RAW.name in self.question.fields:
            return TREE_BYTES
        if not self.question.fields:
            return OBJECTS_BYTES
        guess = FIELD_BYTES * len(self.question.fields)
        objects = any(isinstance(f.kind, Many) and isinstance(f.kind.item, Group) for f in self._selection.fields)
        return max(guess, OBJECTS_BYTES) if objects else guess

    def walk(self) -> Paginator:
        """The way over the rows: by offset, or by the server's own token where that is wished."""
        limit, most = self.portion.limit, self.shop.run.limit
        if self._by_tokens:
            return TokenPaginator(limit, v1.CURSOR_START if self.source.api is v1 else None)
        return OffsetPaginator(limit, most=most)

    def way(self, walk: Paginator, store: Callable[[Page], Awaitable[Stored]]) -> LaneWalk:
        """A walk with its pages fetched and stored. A listing is asked page by page and must not repeat itself."""
        width = 1 if self.is_listing else self.instance.in_flight
        return LaneWalk(walk, self.fetch, store, self.release, width, self.limit, strict=self.is_listing)

    def resumed_walk(self, spans: Sequence[PageSpan]) -> Paginator | None:
        """The way over the rows that these pages do not cover; None where the way cannot be taken up again."""
        limit, walk = self.portion.limit, self.walk()
        own = [span for span in spans if span.number < ROUND_SHIFT]
        if isinstance(walk, OffsetPaginator):
            asked = max((span.number for span in own), default=-1) + 1
            return OffsetPaginator.resumed(
                limit, covered=merged_ranges(own), total=self.before, most=self.shop.run.limit, asked=asked
            )
        if self.source.api is v1 or not own:
            return None  # a v1 cursor moves on by itself: what it gave out unsealed is gone
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
        return self.portion.limit

    async def fetch(self, window: Window) -> Page:
        """One page, admitted into the budget.

        Raises: Returned, where smaller ones are better; MarkExpired, and what the source raises.
        """
        try:
            return await self.fetch_whole(window, max_attempts=partial(self.portion.max_attempts, window.limit))
        except TooHeavy as error:
            self.portion.failed(window.limit)
            raise Returned from error

    async def fetch_whole(self, window: Window, *, max_attempts: Callable[[], int] | None = None) -> Page:
        """One page that cannot be had in pieces. Raises: as `fetch`, but Returned."""
        if self.is_listing and window.number >= MOST_PAGES:
            raise LaneError(f"the server lists {self.asked} without end: {MOST_PAGES} pages were not enough")
        whole = self._listing is not None and self._listing.paging == "none"
        started = time.monotonic()
        ask = RequestContext(
            self.lane,
            self.shop.budget.take,
            self.counters,
            kind=f"{self.lane} {window.limit} {len(self.question.fields)}",
            heard=partial(self.portion.served, window.limit),
            max_attempts=max_attempts if window.limit > 1 and not whole else None,
        )
        try:
            page = await self._asked_for(window, ask)
        except (BadRequest, NotOffered) as error:
            if window.token:
                raise MarkExpired(f"the server no longer knows the mark of page {window.number}") from error
            raise
        self._received[window.number] = datetime.now(UTC), time.monotonic() - started
        self.size += len(page.body)
        if page.total is not None:
            self.totals.add(page.total)
            self.told[:] = [page.total]
        return page

    async def _asked_for(self, window: Window, ask: RequestContext) -> Page:
        """The page, without fields that no catalogue lists and that this server refuses."""
        while True:
            question = self.question
            try:
                return await self.source.page(question, window, ask)
            except BadRequest as error:
                if not self._dropped(question, error.detail):
                    raise

    def _dropped(self, question: Question, words: str) -> bool:
        """Drop the fields that a refusal names; whether the question had any that can be done without.

        Several pages may be under way with the same fields: the first refusal drops and tells, the others ask again.
        """
        refused = self._unlisted.named_in(words, question.fields)
        for name in refused:
            if name in self.question.fields:
                self.notice(f"the server does not know the field {name!r}; it is not asked for")
        self.question = replace(self.question, fields=tuple(n for n in self.question.fields if n not in refused))
        self._selection = self._selection.without(refused)
        return bool(refused)

    def tell_unserved(self) -> None:
        """Say which fields were asked for without a catalogue and came in no page."""
        for name in self._unlisted.never_served():
            self.notice(f"the field {name!r} was asked for and never served")

    def sibling(self, question: Question, *, most: int) -> "LaneReader":
        """Another question to the same lane, read with the same columns and counted on the same bill."""
        return replace(self, question=question, portion=PageSizer(most), totals=set(), _received={})

    def release(self, page: Page) -> None:
        """Give back what the page took of the budget."""
        self.shop.budget.give(len(page.body))

    async def converter(self, page: Page) -> Converter:
        """The lane's converter; the first page that arrives settles its columns."""
        async with self._pin_once:
            if self._converter is None:
                self._converter = await self._pin(page)
        return self._converter

    @property
    def known(self) -> Converter | None:
        """The converter, where the columns are settled."""
        return self._converter

    async def settle_columns(self) -> None:
        """Settle them without a sample where no page had rows."""
        if self._converter is None and self.blank is not None:
            await self.converter(self.blank)

    async def _pin(self, first: Page) -> Converter:
        earlier = (self.earlier or {}).get("columns")
        work = partial(pin, earlier=earlier, max_columns=self.entity.max_columns)
        self.pinned = await self.shop.workers.run(work, self.source.api, self._selection, first)
        for text in self.pinned.notices:
            self.notice(text)
        self.shop.remember(self._record(self.pinned))
        return self._make_converter(self.pinned)

    def _make_converter(self, pinned: Pinned) -> Converter:
        return Converter(
            pinned.columns,
            rows_key=self.source.api.ROWS_KEY,
            run_id=self.shop.run_id,
            ignored=is_detail if self.question.details else None,
        )

    def forget_columns(self) -> None:
        """Settle the columns anew by the next page."""
        self.pinned, self._converter = None, None

    def convert(self, converter: Converter, page: Page) -> Converted:
        """The page as a batch; for a writer thread."""
        if self._unlisted.unserved or not self._unlisted.looked:
            keys = {c.field: c.json_key for c in self.pinned.columns} if self.pinned else {}
            self._unlisted.look(page.body, keys)
        number = page.window.number
        return converter.convert(page.body, page=number, fetched_at=self._received[number][0])

    def seconds(self, page: Page) -> float:
        """How long the page was on its way; asked once."""
        return self._received.pop(page.window.number)[1]

    @property
    def id_column(self) -> str:
        """The column that holds the ids."""
        columns = self.pinned.columns if self.pinned else ()
        return next((c.name for c in columns if c.field == ID_FIELD), ID_FIELD)

    def notice(self, text: str) -> None:
        """Tell people, and keep it for the manifest."""
        self.notices.append(text)
        self.shop.observe(Notice(self.lane, text))
