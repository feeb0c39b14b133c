"""How API v1 asks and answers (docs/axonius-api.md, "Endpoints"). No I/O."""

from collections.abc import Mapping
from typing import Literal

import orjson

from axsync.api import paths
from axsync.api.catalogue import fields_of, with_roots
from axsync.api.envelope import read_envelope, read_object, refuse_error, unexpected_key
from axsync.api.question import Dialect, QueriesPage, Question, queries_page
from axsync.api.system import Listing, connections_in, entries_in, listed_rows, place_of, read_listing, system_page
from axsync.errors import BadAnswer
from axsync.model import Generation, Page, Reply, Request, Window
from axsync.schema.columns import Field

GENERATION: Generation = "v1"
ROWS_KEY: Literal["assets", "data"] = "data"
FIRST_TOKEN: str | None = ""
"""The token of a walk's first page: a cursor is wanted, and there is none yet."""
TOKENS_SURVIVE = False  # a cursor moves on by itself: what it gave out before a crash is gone
NAMES_QUERIES = False  # a saved query is asked for by its AQL
OPTIONAL = ("include_details", "get_metadata")


def _post(name: str, entity: str, schema: str, attributes: Mapping[str, object]) -> Request:
    _, path = paths.read(name, entity)
    return Request("POST", path, orjson.dumps({"data": {"type": schema, "attributes": attributes}}))


def _attributes(reply: Reply, host: str) -> dict[str, object]:
    data = read_object(reply, host).get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def about_request() -> Request:
    """Keys with spaces, which the vendor's own developers call a defect of the server."""
    return paths.get("v1.about")


def read_about(reply: Reply, host: str) -> str | None:
    """The product version."""
    version = _attributes(reply, host).get("Installed Version")
    return version if isinstance(version, str) else None


def discovery_request() -> Request:
    """The lifecycle is v1's view of the discovery cycle."""
    return paths.get("v1.lifecycle")


def read_discovery(reply: Reply, host: str) -> str | None:
    """done, running, starting or stopping."""
    status = _attributes(reply, host).get("status")
    return status if isinstance(status, str) else None


def entities_request() -> Request | None:
    """v1 has no list of entity types."""
    return None


def read_entities(reply: Reply, host: str) -> dict[str, str]:
    """Never asked in v1."""
    del reply, host
    return {}


def fields_request(entity: str) -> Request:
    """The field catalogue."""
    return paths.get("v1.fields", entity)


def read_fields(reply: Reply, host: str) -> tuple[Field, ...]:
    """`generic` and `specific` in `meta`; `data` is null."""
    meta = read_object(reply, host).get("meta")
    if not isinstance(meta, dict):
        raise BadAnswer(f"{host} answered without a field catalogue", host=host, status=reply.status)
    fields = list(fields_of(_entries(meta.get("generic")), None))
    specific = meta.get("specific")
    for adapter, entries in specific.items() if isinstance(specific, dict) else ():
        fields += fields_of(_entries(entries), adapter)
    return with_roots(fields)


def _entries(listed: object) -> list[Mapping[str, object]]:
    return [e for e in listed if isinstance(e, Mapping)] if isinstance(listed, list) else []


def count_request(question: Question, dialect: Dialect, poll: str) -> Request:
    """How many rows match; the same `poll` (query_id) continues an unready count (docs/axonius-api.md, "Counts")."""
    del dialect
    attributes: dict[str, object] = {"filter": question.query, "search": "", "use_cache_entry": True, "query_id": poll}
    if question.history:
        attributes["history"] = question.history
    return _post("v1.count", question.entity, "entities_count_schema", attributes)


def read_count(reply: Reply, host: str) -> int | None:
    """None means that the background job has not ended. Raises: BadAnswer, also for an error told with status 200."""
    refuse_error(read_object(reply, host), reply, host, "a count")
    value = _attributes(reply, host).get("value")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def page_request(question: Question, dialect: Dialect, window: Window) -> Request:
    """One window of rows. `search` must not be null, an empty `sort` finds nothing."""
    page: dict[str, int] = {"limit": window.limit}
    attributes: dict[str, object] = {"page": page, "filter": question.query, "search": "", "file_name": ""}
    attributes["use_cursor"] = window.token is not None
    if question.fields:
        attributes["fields"] = {question.entity: list(question.fields)}
    optional: dict[str, object] = {"include_details": bool(question.details), "get_metadata": True}
    attributes |= {k: v for k, v in optional.items() if k not in dialect.refused}
    if window.token is None:
        page["offset"] = window.offset
    elif window.token != FIRST_TOKEN:
        # No offset beside a cursor: the vendor's own test saw timeouts when the two disagreed.
        attributes["cursor_id"] = window.token
    if question.history:
        attributes["history"] = question.history
    return _post("v1.page", question.entity, "entity_request_schema", attributes)


def read_page(window: Window, reply: Reply, host: str) -> Page:
    """The page, rows still bytes. Raises: BadAnswer."""
    meta, rows = read_envelope(reply, rows_key=ROWS_KEY, host=host)
    return Page(window, reply.body, rows, meta.total, meta.token)


def refused_key(words: str) -> str | None:
    """The optional key that a 400's words complain about, if it is one we can do without."""
    key = unexpected_key(words)
    return key if key in OPTIONAL else None


def history_key(day: str, stamp: str) -> str:
    """What `history` holds for a day: its timestamp as listed."""
    del day
    return stamp


def queries_request(offset: int, limit: int) -> Request:
    """Saved queries from a place on, of all entity types."""
    return paths.get("v1.queries", **{"page[offset]": str(offset), "page[limit]": str(limit)})


def read_queries(reply: Reply, host: str) -> QueriesPage:
    """The saved queries of one page. Raises: BadAnswer."""
    answer = read_object(reply, host)
    rows = answer.get("data")
    if not isinstance(rows, list):
        raise BadAnswer(f"{host} answered without a list of saved queries", host=host, status=reply.status)
    attributes = [row.get("attributes") if isinstance(row, Mapping) else None for row in rows]
    return queries_page(attributes, answer)


SYSTEM: dict[str, Listing] = {
    "system_adapters": Listing("v1.adapters", params=(("get_clients", "false"),)),
    "system_connections": Listing("v1.adapters", params=(("get_clients", "true"),)),
    "system_fetch_history": Listing("v1.fetches", "offset", 2000),
    "system_saved_queries": Listing("v1.queries", "offset", 1000),
    "system_activity_log": Listing("v1.activity", "offset", 2000),
    "system_users": Listing("v1.users", "offset", 2000),
}


def system_request(table: str, window: Window) -> Request:
    """A window of an administrators' table."""
    listing = SYSTEM[table]
    place = place_of(listing, window)
    method, path = paths.read(listing.read)
    if method == "POST":
        page = {"offset": place.offset, "limit": place.limit}
        return _post(listing.read, "", "history_request_schema", {"page": page, "sort": "-last_fetch_time"})
    paged = (("page[offset]", str(place.offset)), ("page[limit]", str(place.limit)), ("get_metadata", "true"))
    return Request("GET", path, params=(*(paged if listing.paging == "offset" else ()), *listing.params))


def read_system(question: Question, window: Window, reply: Reply, host: str) -> Page:
    """The rows of that window, without what may hold a secret. Raises: BadAnswer."""
    table = question.entity
    answer = read_listing(reply, host)
    entries = [_resource(entry) for entry in entries_in(answer, ("data",), host)]
    rows: list[object] = [*entries]
    if table in {"system_adapters", "system_connections"}:
        rows = [node for entry in entries for node in _nodes(entry)]
    if table == "system_connections":
        rows = list(connections_in(rows))
    served = listed_rows(rows, len(entries), answer)
    return system_page(table, SYSTEM[table], window, served, fields=question.fields, enveloped=True)


def _resource(entry: object) -> object:
    """The attributes of a resource, with its id where they have none of their own."""
    attributes = entry.get("attributes") if isinstance(entry, Mapping) else None
    if not isinstance(attributes, Mapping):
        return None
    return {"id": entry["id"], **attributes} if isinstance(entry, Mapping) and "id" in entry else attributes


def _nodes(entry: object) -> list[object]:
    """An adapter on each of the nodes where it runs; the entry itself where it does not tell them apart."""
    nodes = entry.get("adapters_data") if isinstance(entry, Mapping) else None
    return nodes if isinstance(nodes, list) else [entry]
