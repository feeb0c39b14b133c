"""A generation of the API bound to a transport, with what was negotiated."""

import asyncio
import hashlib
import math
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias, TypeVar

from axsync.api import Api, Dialect, Question, history_days_request, is_system, read_history_days, table_fields
from axsync.client.saved_queries import SavedQueries
from axsync.client.transport import FACT_BYTES, RequestContext, Transport
from axsync.errors import BadAnswer, BadRequest, NotOffered, ServerError, Unreachable, UsageError
from axsync.events import Notice
from axsync.model import Page, Reply, Request, Window
from axsync.schema.columns import Field

CYCLE_SECONDS = 10.0
"""How long a look at the discovery cycle serves lanes that begin."""
WAIT_PAUSE = 15.0  # seconds between two looks while waiting for a cycle's end
UNSTABLE = frozenset({"running", "starting", "stopping"})  # docs/axonius-api.md, "Discovery"
POLL_FIRST, POLL_CAP, POLL_TOTAL = 0.5, 5.0, 600.0  # seconds; a count may be a background job of the server
_NOBODY = RequestContext()

TOLD_AFTER = 5.0  # seconds of waiting for a count, after which people should know what is awaited

MOST_FIELDS = 1 << 16  # of all catalogues that are remembered

T = TypeVar("T")
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Catalogues:
    """What field catalogues were read as, by their bytes: instances of one version mostly send the same.

    The one that was not asked for longest goes first when they have more than `most` fields together. Safe for threads.
    """

    most: int = MOST_FIELDS
    _known: dict[tuple[str, bytes], tuple[Field, ...]] = field(default_factory=dict, init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    def read(self, api: Api, reply: Reply, host: str) -> tuple[Field, ...]:
        """The fields of an answer. Raises: BadAnswer."""
        key = api.GENERATION, hashlib.blake2b(reply.body, digest_size=16).digest()
        with self._turn:
            found = self._known.pop(key, None)
            if found is None:
                found = api.read_fields(reply, host)
            self._known[key] = found
            while sum(map(len, self._known.values())) > self.most:
                del self._known[next(iter(self._known))]
        return found


_CATALOGUES = Catalogues()


@dataclass(slots=True)
class Source:
    """Questions to one instance.

    Raises, from every question: Refused, NotOffered, BadRequest, BadAnswer, Unreachable.
    """

    name: str
    api: Api
    transport: Transport
    dialect: Dialect
    version: str | None = None
    listed: tuple[str, ...] | None = None  # entity types that the server lists itself
    titles: Mapping[str, str] = field(default_factory=dict)  # what it calls them, as far as it tells
    agreed: bool = False  # a page was answered, now or in an earlier run, so the dialect holds
    history_marks: dict[tuple[str, str], str] = field(default_factory=dict)  # (type, day) → what `history` must hold
    _catalogues: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    _cycle: str | None = None
    _cycle_at: float = -math.inf
    _cycle_took: float = 0.0
    _cycle_once: asyncio.Lock = field(default_factory=asyncio.Lock)
    _agree_once: asyncio.Lock = field(default_factory=asyncio.Lock)
    _days: Mapping[str, Mapping[str, str]] | None = None  # None: not asked yet; empty: they cannot be listed
    _days_once: asyncio.Lock = field(default_factory=asyncio.Lock)
    saved_queries: SavedQueries = field(init=False)

    def __post_init__(self) -> None:
        self.saved_queries = SavedQueries(self.api, self.transport)

    async def _ask(self, request: Request, read: Callable[[Reply, str], T], ask: RequestContext = _NOBODY) -> T:
        host = self.transport.host
        return await self.transport.ask(request, lambda reply: read(reply, host), ask)

    async def _ask_fact(self, request: Request, read: Callable[[Reply, str], T], ask: RequestContext) -> T:
        return await self._ask(request, read, replace(ask, most=FACT_BYTES))

    async def discovery(self, ask: RequestContext = _NOBODY, *, seconds: float = CYCLE_SECONDS) -> str | None:
        """State of the discovery cycle, told at most so many seconds ago; None where it cannot be seen.

        0 seconds ask for a look that begins now.
        """
        asked = time.monotonic()
        async with self._cycle_once:
            # A look that took long was no older when its answer came.
            if self._cycle_at < asked - (seconds + self._cycle_took if seconds else 0):
                looked = time.monotonic()
                self._cycle, self._cycle_at = await self._read_cycle(ask), looked
                self._cycle_took = time.monotonic() - looked
        return self._cycle

    async def _read_cycle(self, ask: RequestContext) -> str | None:
        try:
            return await self._ask_fact(self.api.discovery_request(), self.api.read_discovery, ask)
        except (NotOffered, BadRequest, BadAnswer, Unreachable):
            return None

    async def history_days(self) -> Mapping[str, Mapping[str, str]]:
        """Entity type → its days of history → what `history` must hold; empty where they cannot be listed. Asked once.

        v2 has no path for it, and v1's may be closed to this account (docs/axonius-api.md, "History").
        """
        async with self._days_once:
            if self._days is None:
                try:
                    self._days = await self._ask(history_days_request(), read_history_days)
                except (NotOffered, BadRequest, BadAnswer):
                    self._days = {}
        return self._days

    async def wait_stable(self, minutes: float, say: Callable[[str], None], *, pause: float = WAIT_PAUSE) -> None:
        """Wait until no discovery cycle is running, at most so long; says so when it waits or gives up."""
        began, waited, most, who = time.monotonic(), 0.0, minutes * 60, f"instance {self.name}"
        while most and (state := await self.discovery(seconds=0)) in UNSTABLE:
            if waited >= most:
                say(f"{who}: the discovery cycle did not end in {minutes:g} minutes; continuing anyway")
                return
            if not waited:
                say(f"{who}: a discovery cycle is {state}; waiting up to {minutes:g} minutes for its end")
            step = min(pause, most - waited)
            await asyncio.sleep(step)
            waited = max(waited + step, time.monotonic() - began)  # answers may take long themselves

    async def fields(self, entity: str, ask: RequestContext = _NOBODY) -> tuple[Field, ...]:
        """The field catalogue of an entity type, read once.

        Of an administrators' table it is what is known; none is asked for.
        """
        if is_system(entity):
            return table_fields(entity)
        if entity not in self._catalogues:
            read = partial(_CATALOGUES.read, self.api)
            self._catalogues[entity] = await self._ask(self.api.fields_request(entity), read, ask)
        return self._catalogues[entity]

    async def count(
        self,
        question: Question,
        ask: RequestContext = _NOBODY,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        patience: float = POLL_TOTAL,
    ) -> int | None:
        """How many rows match; None where the server does not get the count ready in so many seconds.

        Of an administrators' table there is no count; what a page of one row tells is as good.
        """
        if is_system(question.entity):
            return (await self.page(question, Window(0, 0, 1), ask)).total
        began, poll, waited, pause, told = clock(), str(uuid.uuid4()), 0.0, POLL_FIRST, False
        while True:
            request = self.api.count_request(question, self.dialect, poll)
            value = await self._ask_fact(request, self.api.read_count, ask)
            if value is not None:
                return value
            if not told and waited >= TOLD_AFTER:
                told = True
                self._say_waiting(question.entity, ask, patience)
            if waited + pause > patience:
                return None
            await sleep(pause)
            waited = max(waited + pause, clock() - began)  # answers may take long themselves
            pause = min(pause * 2, POLL_CAP)

    def _say_waiting(self, entity: str, ask: RequestContext, patience: float) -> None:
        who = "" if ask.lane else f"instance {self.name}: "
        text = f"{who}the server has not counted {entity} yet; waiting up to {patience / 60:.3g} minutes"
        self.transport.tell(Notice(ask.lane, text))

    async def page(self, question: Question, window: Window, ask: RequestContext) -> Page:
        """One window of rows; a refused optional key is dropped once and for the run."""
        if is_system(question.entity):
            return await self._system_page(question, window, ask)
        if self.agreed:
            return await self._negotiated(question, window, ask)
        # Until one page is answered they go one by one, or each lane would meet the same refusal.
        async with self._agree_once:
            if not self.agreed:
                page = await self._negotiated(question, window, ask)
                self.agreed = True
                return page
        return await self._negotiated(question, window, ask)

    async def _system_page(self, question: Question, window: Window, ask: RequestContext) -> Page:
        """A window of an administrators' table, whose rows are made anew: the page that is kept is what is admitted."""
        request = self.api.system_request(question.entity, window)
        read = partial(self.api.read_system, question, window)
        page = await self._ask(request, read, replace(ask, room=None))
        if ask.room is not None:
            await ask.room.take()
            ask.room.arrived(len(page.body))
        return page

    async def _negotiated(self, question: Question, window: Window, ask: RequestContext) -> Page:
        while True:
            dialect = self.dialect
            request = self.api.page_request(question, dialect, window)
            try:
                return await self._ask(request, lambda reply, host: self.api.read_page(window, reply, host), ask)
            except BadRequest as error:
                key = self.api.refused_key(error.detail)
                if key is None or key in dialect.refused:
                    raise
                self.dialect = replace(self.dialect, refused=self.dialect.refused | {key})

    async def count_or_error(self, entity: str, patience: float = POLL_TOTAL) -> int | ServerError | None:
        """The count of all rows of a type, or why it cannot be read."""
        try:
            return await self.count(Question(entity), patience=patience)
        except (NotOffered, BadRequest, BadAnswer, Unreachable) as error:
            return error
        except UsageError as error:  # a name that could become another path is never asked for
            return NotOffered(str(error), host=self.transport.host, status=404)
