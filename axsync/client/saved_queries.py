"""Saved queries of an instance: which one a name or an id means, and the question that it makes.

What generations write differently: docs/axonius-api.md, "Saved queries".
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from axsync.api import Api, Question, SavedQuery
from axsync.client.transport import RequestContext, Transport
from axsync.errors import BadAnswer, BadRequest, NotOffered, Unreachable
from axsync.settings import closest, did_you_mean

PAGE_ROWS = 1000
"""Rows per request; a server may serve fewer, so a short page is not the end."""
MOST_PAGES = 1000
"""No list is longer; a server that never ends is not asked for ever."""
MOST_QUERIES = 100_000
"""Nor has a list more entries; all of them are in memory."""
_ID = re.compile(r"[0-9a-f]{24}")  # as saved queries have it


class QueryMissing(NotOffered):
    """The instance lists its saved queries, and none of them is the one that is wanted."""


class EndlessList(BadAnswer):
    """The list of saved queries does not come to an end."""


@dataclass(slots=True)
class SavedQueries:
    """The saved queries of one instance, listed once, and only if one is needed."""

    api: Api
    transport: Transport
    _listed: tuple[SavedQuery, ...] | None = field(default=None, init=False)
    _once: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def resolve(self, question: Question) -> Question:
        """The question in terms that this generation understands. Raises: as `find`."""
        word = question.saved_query
        if not word:
            return question
        found = await self.find(word, question.entity)
        if found is None:
            return replace(question, saved_query_id=word if _ID.fullmatch(word) else "")
        if not self.api.NAMES_QUERIES:
            return replace(question, query=found.aql, saved_query="")
        return replace(question, saved_query=found.name, saved_query_id=found.id)

    async def find(self, word: str, entity: str) -> SavedQuery | None:
        """The saved query that this name or id means; None where the list cannot be read and is not needed.

        Raises: QueryMissing; EndlessList; what keeps the list from being read, where the AQL must be known.
        """
        try:
            queries = await self.listed()
        except EndlessList:
            raise
        except (NotOffered, BadRequest, BadAnswer, Unreachable):
            if self.api.NAMES_QUERIES:
                return None
            raise
        return choose_query(queries, word, entity, host=self.transport.host)

    async def listed(self) -> tuple[SavedQuery, ...]:
        """All of them. Raises: EndlessList; what every question raises."""
        async with self._once:
            if self._listed is None:
                self._listed = await list_queries(self.api, self.transport)
        return self._listed

    async def why_missing(self, word: str, entity: str) -> str:
        """Why there is no such saved query; empty where there is one, or where nothing can be told."""
        try:
            await self.find(word, entity)
        except QueryMissing as error:
            return str(error)
        except (NotOffered, BadRequest, BadAnswer, Unreachable):
            pass  # its lane will meet the same, or go on by name
        return ""


async def list_queries(api: Api, transport: Transport) -> tuple[SavedQuery, ...]:
    """All saved queries, page by page, until a page is empty or as many have come as there are.

    Raises: EndlessList for a page that repeats what came before, and beyond 1,000 pages or 100,000
    entries; what every question raises.
    """
    host, served = transport.host, 0
    found: dict[tuple[str, str], SavedQuery] = {}
    for _ in range(MOST_PAGES):
        request = api.queries_request(served, PAGE_ROWS)
        page = await transport.ask(request, lambda reply: api.read_queries(reply, host), RequestContext())
        if not page.served:
            return tuple(found.values())
        # By what names them: an attribute may move from one answer to the next.
        named = {(query.id or query.name, query.entity): query for query in page.queries}
        if named and named.keys() <= found.keys():
            raise EndlessList(f"{host} repeats a page of its saved queries", host=host, status=200)
        found |= {key: query for key, query in named.items() if key not in found}
        served += page.served
        if page.total is not None and served >= page.total:
            return tuple(found.values())
        if len(found) > MOST_QUERIES:
            break
    raise EndlessList(f"{host} lists its saved queries without end", host=host, status=200)


def choose_query(queries: Sequence[SavedQuery], word: str, entity: str, *, host: str) -> SavedQuery:
    """The saved query with this id or name for this entity type.

    Raises: QueryMissing, with the nearest name, or with the entity type that it is for.
    """
    called = [query for query in queries if query.called(word)]
    fitting = [query for query in called if query.entity in ("", entity)]
    if fitting:
        return fitting[0]
    if called:
        message = f"the saved query {word!r} of {host} is for {called[0].entity}, not for {entity}"
    else:
        near = closest(word, [query.name for query in queries if query.entity in ("", entity)])
        message = f"{host} has no saved query {word!r} for {entity}" + did_you_mean(near)
    raise QueryMissing(message, host=host, status=404)
