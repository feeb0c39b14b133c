"""The list of saved queries of an instance, and the one that a name or an id means."""

from collections.abc import Sequence

from axsync.api import Api, SavedQuery
from axsync.client.transport import RequestContext, Transport
from axsync.errors import BadAnswer, NotOffered
from axsync.settings import closest, did_you_mean

PAGE_ROWS = 1000
"""Rows per request; a server may serve fewer, so a short page is not the end."""
MOST_PAGES = 1000
"""No list is longer; a server that never ends is not asked for ever."""


class QueryMissing(NotOffered):
    """The instance lists its saved queries, and none of them is the one that is wanted."""


class EndlessList(BadAnswer):
    """The list of saved queries does not come to an end."""


async def list_queries(api: Api, transport: Transport) -> tuple[SavedQuery, ...]:
    """All saved queries, page by page, until a page is empty or as many have come as there are.

    Raises: EndlessList for a page that repeats what came before, and beyond 1,000 pages; what every question raises.
    """
    host, served = transport.host, 0
    found: dict[SavedQuery, None] = {}
    for _ in range(MOST_PAGES):
        request = api.queries_request(served, PAGE_ROWS)
        page = await transport.ask(request, lambda reply: api.read_queries(reply, host), RequestContext())
        if not page.served:
            return tuple(found)
        if page.queries and all(query in found for query in page.queries):
            raise EndlessList(f"{host} repeats a page of its saved queries", host=host, status=200)
        found |= dict.fromkeys(page.queries)
        served += page.served
        if page.total is not None and served >= page.total:
            return tuple(found)
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
