"""The state of one emulated instance, shared by both API generations."""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from re import Pattern

from axsync.emulator import aql
from axsync.emulator.authentication import BearerTokens
from axsync.emulator.catalogue import names
from axsync.emulator.dataset import Dataset, build_datasets
from axsync.emulator.faults import Fault
from axsync.emulator.fields import Json
from axsync.emulator.messages import ApiError, ApiReply, ApiRequest, bad_request
from axsync.emulator.models import entity_models
from axsync.emulator.options import MAX_LIMIT, PROFILES, Options, Profile
from axsync.emulator.pages import PageDraft, PageRequest
from axsync.emulator.saved_queries import StoredQuery, saved_queries

_SELECTIONS_KEPT = 64
_CURSORS_KEPT = 4096
_ROWS_AT_A_TIME = 250  # a few milliseconds of work, so that the event loop notices new requests in time


class Instance:
    """Datasets, saved queries, cursors and counters of one emulated instance."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.profile: Profile = PROFILES[options.profile]
        if options.like is not None and options.like.server_version is not None:
            self.profile = replace(self.profile, version=options.like.server_version)
        self.models = entity_models(options)
        self.datasets: dict[str, Dataset] = build_datasets(options, self.profile)
        self.faults: list[Fault] = []
        self.queries: tuple[StoredQuery, ...] = saved_queries()
        self.newest = options.newest_day()  # of history; does not change at midnight
        self.cursors = Cursors()
        self.discovery = "done"  # done | running | starting | stopping
        self.polls: OrderedDict[str, int] = OrderedDict()  # v1 counts: how often each query was polled
        self.tokens = BearerTokens(options)
        self.rng = Random(f"{options.seed}/chance")
        self._selections: OrderedDict[tuple[object, ...], Sequence[int]] = OrderedDict()

    def dataset(self, entity: str) -> Dataset:
        """The dataset of *entity*.

        Raises:
            ApiError: 404 (or as configured) when the entity type is not licensed.
        """
        if entity not in self.datasets:
            status = self.options.unlicensed_status
            raise ApiError(
                status, "Not Found" if status == 404 else "Forbidden", f"Asset type {entity} is not available"
            )
        return self.datasets[entity]

    def known(self, entity: str, fields: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """*fields* unchanged, unless this instance refuses unknown names.

        Raises:
            ApiError: a 400 that names the first unknown field, or what `dataset` raises.
        """
        if self.options.unknown_fields == "refuse" and fields is not None:
            self.dataset(entity)
            known = names(self.models[entity])
            for name in fields:
                if name not in known:
                    raise bad_request(f"Unknown field '{name}' for asset type {entity}")
        return fields

    def bounds(self, page: Json, default: int = MAX_LIMIT) -> tuple[int, int]:
        """Offset and limit of a page object; *default* is the limit if it has none.

        Raises:
            ApiError: a 400 if they are no such numbers, or too large for this instance.
        """
        if not isinstance(page, dict):
            raise bad_request("page: Not a valid object.")
        offset, limit = page.get("offset", 0), page.get("limit", default)
        if not _natural(offset) or not _natural(limit) or limit < 1:
            raise bad_request("page: offset must be 0 or more, limit 1 or more.")
        if limit > MAX_LIMIT and self.options.reject_big_limit:
            raise bad_request(f"page.limit: must be at most {MAX_LIMIT}.")
        return offset, min(limit, MAX_LIMIT)

    async def draft(self, page: PageRequest) -> PageDraft:
        """The correct page, rendered without blocking the event loop; the next token is left to the generation."""
        dataset = self.dataset(page.entity)
        rows = self.rows(page)
        chosen = rows[page.offset : page.offset + page.limit]
        total = len(rows)
        rendered: list[bytes] = []
        for start in range(0, len(chosen), _ROWS_AT_A_TIME):
            rendered += dataset.renderer.rows(chosen[start : start + _ROWS_AT_A_TIME], page.layout)
            await asyncio.sleep(0)
        return PageDraft(page, rendered, [dataset.ids_of.text(number) for number in chosen], total, not chosen)

    def rows(self, page: PageRequest) -> Sequence[int]:
        """The numbers of all rows that match the request, in served order."""
        dataset = self.dataset(page.entity)
        if not page.query and page.day is None and page.sort is None:
            return dataset.numbers()
        key = (page.entity, page.query, page.day, page.sort, dataset.version)
        if key not in self._selections:
            self._selections[key] = self._select(dataset, page)
            if len(self._selections) > _SELECTIONS_KEPT:
                self._selections.popitem(last=False)
        return self._selections[key]

    def _select(self, dataset: Dataset, page: PageRequest) -> Sequence[int]:
        numbers = self._on_day(dataset, page.day)
        if page.query:
            numbers = _filtered(dataset, numbers, aql.parse(page.query, self.aql_of), live=page.day is None)
        if page.sort == "":
            return ()  # an empty sort key finds nothing, as on real v1 servers
        if page.sort is not None:
            name = page.sort.lstrip("-")
            numbers = sorted(
                numbers, key=lambda row: repr(dataset.values(row, name)), reverse=page.sort.startswith("-")
            )
        return numbers

    def _on_day(self, dataset: Dataset, day: str | None) -> Sequence[int]:
        if day is None:
            return dataset.numbers()
        if day not in self.days() or not self.remembers(dataset.entity):
            return ()
        return dataset.on_day(self.newest, date.fromisoformat(day))

    def remembers(self, entity: str) -> bool:
        """Whether there is history of *entity*."""
        return self.options.history_types is None or entity in self.options.history_types

    def days(self) -> list[str]:
        """The days with a history snapshot, oldest first."""
        newest = self.newest.toordinal()
        return [
            date.fromordinal(newest - age).isoformat()
            for age in range(self.options.history_days - 1, -1, -1)
            if age not in self.options.history_gaps
        ]

    def aql_of(self, identity: str) -> str:
        """The AQL of a saved query, by id or name.

        Raises:
            ApiError: a 400 when there is no such query.
        """
        return self.saved(identity, "id", "name").aql

    def saved(self, identity: str, *by: str) -> StoredQuery:
        """The saved query whose `id` or `name` (*by*) is *identity*.

        Raises:
            ApiError: a 400 when there is no such query.
        """
        for query in self.queries:
            if identity in [getattr(query, attribute) for attribute in by]:
                return query
        raise bad_request(f"Saved query {identity} was not found")

    def discovering(self) -> bool:
        """Whether a discovery cycle is in progress."""
        return self.discovery != "done"


def _natural(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _filtered(dataset: Dataset, numbers: Sequence[int], wanted: aql.Filter, *, live: bool) -> Sequence[int]:
    if wanted.ids is not None and live:
        found = {number for one in wanted.ids if (number := dataset.number(one)) is not None}
        return sorted(found)
    return array("q", (number for number in numbers if wanted.test(dataset.values, number)))


class Cursors:
    """The open v1 cursors, each with the fingerprint, offset and number of its next page."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, int, int]] = OrderedDict()
        self._opened = 0

    def open(self, page: PageRequest) -> str:
        """Open a cursor at *page*."""
        self._opened += 1
        cursor = f"cur-{page.fingerprint}-{self._opened:06d}"
        self._open[cursor] = (page.fingerprint, page.offset, 1)
        if len(self._open) > _CURSORS_KEPT:
            self._open.popitem(last=False)
        return cursor

    def find(self, cursor: str) -> tuple[str, int, int]:
        """Fingerprint, offset and number of the next page of *cursor*.

        Raises:
            ApiError: a 400 when the cursor is not open.
        """
        if cursor not in self._open:
            raise bad_request(f"Cursor {cursor} does not exist or has expired")
        return self._open[cursor]

    def close(self, cursor: str) -> None:
        """Forget *cursor*."""
        self._open.pop(cursor, None)

    def advance(self, cursor: str, page: PageRequest, served: int) -> None:
        """Move *cursor* past *page*, of which *served* rows were sent."""
        self._open[cursor] = (page.fingerprint, page.offset + served, page.number + 1)


Handler = Callable[[Instance, ApiRequest], Awaitable[ApiReply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path of the API that can be read."""

    name: str  # how faults refer to it
    method: str
    pattern: Pattern[str]
    handler: Handler
    read_page: Callable[[Instance, ApiRequest], PageRequest] | None = None  # on paths that serve pages
