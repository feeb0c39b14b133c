"""How API v2 asks and answers (docs/axonius-api.md, "Endpoints"). No I/O."""

from collections.abc import Mapping
from typing import Literal

import orjson

from axsync.api import paths
from axsync.api.catalogue import fields_of, with_roots
from axsync.api.envelope import read_envelope, read_object, refuse_error, tells_error, unexpected_key
from axsync.api.question import ALSO_DETAILED, DETAILS, Dialect, QueriesPage, Question, queries_page
from axsync.api.system import Listing, connections_in, entries_in, listed_rows, place_of, read_listing, system_page
from axsync.errors import BadAnswer
from axsync.model import Generation, Page, Reply, Request, Window
from axsync.schema.columns import Field

GENERATION: Generation = "v2"
ROWS_KEY: Literal["assets", "data"] = "assets"
FIRST_TOKEN: str | None = None
"""The token of a walk's first page: none, the answer brings the first one."""
TOKENS_SURVIVE = True
NAMES_QUERIES = True
OPTIONAL = ("use_cache_entry", "include_details", "include_metadata", "fields_to_exclude")
"""Body keys that a server may refuse with 400; any of them can be left out."""


def _post(name: str, entity: str, body: Mapping[str, object]) -> Request:
    _, path = paths.read(name, entity)
    return Request("POST", path, orjson.dumps(body))


def about_request() -> Request:
    """Cheap, and readable by every role."""
    return paths.get("v2.about")


def read_about(reply: Reply, host: str) -> str | None:
    """The product version, underscores as on the wire (`6_1_70_3`)."""
    version = read_object(reply, host).get("installed_version")
    return version if isinstance(version, str) else None


def discovery_request() -> Request:
    """State of the discovery cycle."""
    return paths.get("v2.discovery")


def read_discovery(reply: Reply, host: str) -> str | None:
    """Only `status` is dependable (docs/axonius-api.md, "Discovery"); that of an error is none of the cycle."""
    answer = read_object(reply, host)
    status = None if tells_error(answer) else answer.get("status")
    return status if isinstance(status, str) else None


def entities_request() -> Request:
    """The entity types of this tenant; not served by older versions."""
    return paths.get("v2.entities")


def read_entities(reply: Reply, host: str) -> dict[str, str]:
    """Slug → title, empty where none is told.

    Entries are strings, or objects on some versions (docs/axonius-api.md, "Asset types").
    """
    listed = read_object(reply, host).get("asset_types")
    if not isinstance(listed, list):
        raise BadAnswer(f"{host} answered without a list of entity types", host=host, status=reply.status)
    titles: dict[str, str] = {}
    for entry in listed:
        slug, title = _slug_and_title(entry)
        if slug:
            titles[slug] = titles.get(slug) or title
    return titles


def _slug_and_title(entry: object) -> tuple[str, str]:
    if isinstance(entry, Mapping):
        return _text(entry, "name", "asset_type", "id", "value"), _text(entry, "title", "display_name", "label")
    return (entry, "") if isinstance(entry, str) else ("", "")


def _text(entry: Mapping[str, object], *keys: str) -> str:
    """The first of these keys that holds a text with something in it."""
    texts = (value for key in keys if isinstance(value := entry.get(key), str))
    return next((text for text in texts if text.strip()), "")


def fields_request(entity: str) -> Request:
    """The field catalogue, sub-fields included: without `items` they alone tell the leaves of complex fields."""
    return paths.get("v2.fields", entity, exclude_subfields="false")


def read_fields(reply: Reply, host: str) -> tuple[Field, ...]:
    """Category → list of field objects; a category is `generic` or an adapter's name."""
    fields: list[Field] = []
    for category, entries in read_object(reply, host).items():
        if isinstance(entries, list):
            listed = [e for e in entries if isinstance(e, Mapping)]
            fields += fields_of(listed, None if category.startswith("generic") else category)
    return with_roots(fields)


def _selection(question: Question) -> dict[str, object]:
    body: dict[str, object] = {}
    if question.query:
        body["query"] = question.query
    elif question.saved_query_id:
        body["saved_query_id"] = question.saved_query_id
    elif question.saved_query:
        body["saved_query_name"] = question.saved_query
    if question.history:
        body["history"] = question.history
    return body


def count_request(question: Question, dialect: Dialect, poll: str) -> Request:
    """How many rows match; `poll` has no meaning in v2."""
    del dialect, poll
    return _post("v2.count", question.entity, _selection(question))


def read_count(reply: Reply, host: str) -> int | None:
    """`{"value": n}`, `count` tolerated; None means: ask again later (docs/axonius-api.md, "Counts")."""
    if reply.status == 202 or not reply.body:  # HTTP: accepted
        return None
    answer = read_object(reply, host)
    refuse_error(answer, reply, host, "a count")
    value = answer.get("value", answer.get("count"))
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def page_request(question: Question, dialect: Dialect, window: Window) -> Request:
    """One window of rows. Null and empty values are left out (docs/axonius-api.md, "Endpoints").

    Without `fields` a saved query's own columns come (docs/axonius-api.md, "Saved queries").
    """
    optional: dict[str, object] = {
        "use_cache_entry": False,
        "include_details": bool(question.details),
        "include_metadata": True,
    }
    if question.details:
        optional["fields_to_exclude"] = _unwanted(question)
    page: dict[str, int] = {"limit": window.limit}
    body: dict[str, object] = {"page": page} | _selection(question)
    if question.fields:
        body["fields"] = list(question.fields)
    body |= {k: v for k, v in optional.items() if k not in dialect.refused}
    if window.token is None:
        page["offset"] = window.offset
    else:
        body["next_page"] = window.token
    return _post("v2.page", question.entity, body)


def _unwanted(question: Question) -> list[str]:
    """The details that nobody asked for; a server that knows no exclusions serves them, and they are left out here."""
    named = (f"{name}{DETAILS}" for name in question.fields if name not in question.details)
    return list(dict.fromkeys((*named, *ALSO_DETAILED)))


def read_page(window: Window, reply: Reply, host: str) -> Page:
    """The page, rows still bytes. Raises: BadAnswer."""
    meta, rows = read_envelope(reply, rows_key=ROWS_KEY, host=host)
    return Page(window, reply.body, rows, meta.total, meta.token)


def refused_key(words: str) -> str | None:
    """The optional key that a 400's words complain about, if it is one we can do without."""
    key = unexpected_key(words)
    return key if key in OPTIONAL else None


def queries_request(offset: int, limit: int) -> Request:
    """Saved queries from a place on, of all folders and entity types: there is no listing of one type."""
    return paths.get("v2.queries", offset=str(offset), limit=str(limit), include_metadata="true", folder_id="all")


def read_queries(reply: Reply, host: str) -> QueriesPage:
    """The saved queries of one page. Raises: BadAnswer."""
    answer = read_object(reply, host)
    rows = answer.get("queries", answer.get("data"))
    if not isinstance(rows, list):
        raise BadAnswer(f"{host} answered without a list of saved queries", host=host, status=reply.status)
    return queries_page(rows, answer)


SYSTEM: dict[str, Listing] = {
    "system_adapters": Listing("v2.adapters", params=(("include_connection_details", "false"),)),
    "system_connections": Listing("v2.adapters", params=(("include_connection_details", "true"),)),
    "system_fetch_history": Listing("v2.fetches", "offset", 2000),
    "system_saved_queries": Listing("v2.queries", "offset", 1000, (("include_metadata", "true"), ("folder_id", "all"))),
    "system_activity_log": Listing("v2.activity", "number", 200),
    "system_users": Listing("v2.users"),
}
_ROWS_OF = {
    "system_adapters": ("adapters", "data"),
    "system_connections": ("adapters", "data"),
    "system_fetch_history": ("history", "fetch_history", "data"),
    "system_saved_queries": ("queries", "data"),
    "system_activity_log": ("logs", "activity_logs", "data"),
    "system_users": ("users", "data"),
}


def system_request(table: str, window: Window) -> Request:
    """A window of an administrators' table."""
    listing = SYSTEM[table]
    place = place_of(listing, window)
    method, path = paths.read(listing.read)
    if method == "POST":
        page = {"offset": place.offset, "limit": place.limit}
        return _post(listing.read, "", {"page": page, "sort": "-last_fetch_time"})
    pages = {
        "offset": (("offset", str(place.offset)), ("limit", str(place.limit))),
        "number": (("page", str(place.number)), ("limit", str(place.limit))),
        "none": (),
    }
    return Request("GET", path, params=(*pages[listing.paging], *listing.params))


def read_system(question: Question, window: Window, reply: Reply, host: str) -> Page:
    """The rows of that window, without what may hold a secret. Raises: BadAnswer."""
    table = question.entity
    answer = read_listing(reply, host)
    entries = entries_in(answer, _ROWS_OF[table], host)
    rows = list(connections_in(entries)) if table == "system_connections" else entries
    served = listed_rows(rows, len(entries), answer)
    return system_page(table, SYSTEM[table], window, served, fields=question.fields, enveloped=False)


def history_key(day: str, stamp: str) -> str:
    """What `history` holds for a day: the day itself."""
    del stamp
    return day
