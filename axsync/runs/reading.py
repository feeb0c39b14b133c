"""The reading half of a lane: what is asked, in which windows, and how its pages become batches."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from axsync.api import Question, v1
from axsync.convert import Converted, Converter
from axsync.engine import Budget, Workers
from axsync.errors import BadAnswer, BadRequest, NotOffered
from axsync.events import Notice, Observer
from axsync.fields import Field
from axsync.model import ID_FIELD, Lane, Page, Window
from axsync.plan import Selection, select_fields
from axsync.runs.pin import Pinned, pin
from axsync.settings import EntitySettings, InstanceSettings, RunSettings
from axsync.source import Source, history_mark
from axsync.transport import Ask, Counters
from axsync.walk import MarkWalk, OffsetWalk, Walk


@dataclass(frozen=True, slots=True)
class Shop:
    """What all lanes of a run share for reading."""

    run_id: str
    run: RunSettings
    budget: Budget
    workers: Workers
    observe: Observer


@dataclass(slots=True)
class LaneReader:
    """Asks one entity type of one instance. `earlier` is the lane's entry in the previous snapshot."""

    lane: Lane
    source: Source
    instance: InstanceSettings
    entity: EntitySettings
    shop: Shop
    earlier: dict[str, Any] | None = None
    counters: Counters = field(default_factory=Counters)
    question: Question = field(default_factory=lambda: Question(""))
    pinned: Pinned | None = None
    notices: list[str] = field(default_factory=list)
    size: int = 0  # bytes of all pages
    _selection: Selection = field(default_factory=lambda: Selection(()))
    _converter: Converter | None = None
    _pin_once: asyncio.Lock = field(default_factory=asyncio.Lock)
    _received: dict[int, tuple[datetime, float]] = field(default_factory=dict)  # window number → when, seconds

    @property
    def _ask(self) -> Ask:
        return Ask(self.lane, counters=self.counters)

    async def prepare(self) -> int | None:
        """Settle the question and its fields; returns the server's count.

        Raises: NotOffered where the type cannot be read; other ServerErrors.
        """
        entity = self.entity
        mark = await history_mark(self.source, self.lane.entity, self.shop.run.as_of)
        wished = Question(self.lane.entity, query=entity.query, saved_query=entity.saved_query, history=mark)
        self.question = await self.source.question(wished)
        count = await self.count()
        self._select(await self._catalogue(readable=count is not None))
        return count

    async def count(self) -> int | None:
        """The server's count; None where it has none to give. The first page decides whether the type is there."""
        try:
            return await self.source.count(self.question, self._ask)
        except (NotOffered, BadAnswer):
            return None

    async def _catalogue(self, *, readable: bool) -> tuple[Field, ...]:
        try:
            return await self.source.fields(self.lane.entity, self._ask)
        except (BadRequest, BadAnswer, NotOffered) as error:
            if isinstance(error, NotOffered) and not readable:
                raise
            self.notice("the field catalogue cannot be read; only ids and what is always served are copied")
            return ()

    def _select(self, catalogue: tuple[Field, ...]) -> None:
        self._selection = select_fields(catalogue, self.entity.fields)
        for name in self._selection.unmatched:
            self.notice(f"no field of {self.lane.entity} matches {name!r}")
        self.question = replace(self.question, fields=self._selection.names)

    def walk(self) -> Walk:
        """The way over the rows: by offset, or by the server's own mark where that is wished."""
        limit = self.entity.page_size or self.instance.page_size
        most = self.shop.run.limit
        if self.instance.paging in {"token", "cursor"} and most is None:
            return MarkWalk(limit, v1.CURSOR_START if self.source.api is v1 else None)
        return OffsetWalk(limit, most=most)

    async def fetch(self, window: Window) -> Page:
        """One page, admitted into the budget."""
        started = time.monotonic()
        ask = Ask(self.lane, self.shop.budget.take, self.counters)
        page = await self.source.page(self.question, window, ask)
        self._received[window.number] = datetime.now(UTC), time.monotonic() - started
        self.size += len(page.body)
        return page

    def sibling(self, question: Question) -> "LaneReader":
        """Another question to the same lane, read with the same columns and counted on the same bill."""
        return replace(self, question=question, _received={})

    def release(self, page: Page) -> None:
        """Give back what the page took of the budget."""
        self.shop.budget.give(len(page.body))

    async def converter(self, page: Page) -> Converter:
        """The lane's converter; the first page that arrives settles its columns."""
        async with self._pin_once:
            if self._converter is None:
                self._converter = await self._pin(page)
        return self._converter

    async def _pin(self, first: Page) -> Converter:
        earlier = (self.earlier or {}).get("columns")
        work = partial(pin, earlier=earlier, max_columns=self.entity.max_columns)
        self.pinned = await self.shop.workers.run(work, self.source.api, self._selection, first)
        for text in self.pinned.notices:
            self.notice(text)
        return Converter(self.pinned.columns, rows_key=self.source.api.ROWS_KEY, run_id=self.shop.run_id)

    def convert(self, converter: Converter, page: Page) -> Converted:
        """The page as a batch; for a writer thread."""
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
