"""The v2 API (docs/axonius-api.md, "Endpoints"), as each of the product versions speaks it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, replace
from time import monotonic

from axsync.emulator.admin_rows import (
    activity_rows,
    adapter_rows,
    connection_rows,
    fetch_rows,
    gateway_rows,
    known_adapters,
    operator_rows,
)
from axsync.emulator.catalogue import catalogue_v2
from axsync.emulator.faults.pages import faulty_count, faulty_page
from axsync.emulator.fields import Json
from axsync.emulator.instance import Instance, Route
from axsync.emulator.messages import ApiError, ApiReply, ApiRequest, bad_request, json_reply, unknown_key
from axsync.emulator.options import MAX_LIMIT
from axsync.emulator.pages import PageDraft, PageRequest, listing_meta, page_meta
from axsync.emulator.rendering import RowLayout, moment
from axsync.emulator.saved_queries import SERVED_AT_MOST, StoredQuery, flat, nested

_QUERIES = ("query", "saved_query_id", "saved_query_name")
_SAVED_BY = {"saved_query_id": "id", "saved_query_name": "name"}
COUNT_KEYS = frozenset({*_QUERIES, "history"})
_PAGE_KEYS = frozenset({"offset", "limit"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BOOLS = ("include_metadata", "use_cache_entry", "include_details", "return_plain_data")
TITLES = {  # as shown to users, where the slug is no help
    "vulnerability_instances": "Security Findings",
    "vulnerabilities": "Aggregated Security Findings",
}
CACHE_STAMP = 1_795_003_200
_FETCH_KEYS = frozenset({"sort", "page", "adapters", "connection_ids", "exclude_realtime", "statuses", "time_range"})
_FETCHES_EACH, _ACTIVITIES_EACH = 100, 200  # rows per page by default; for activities also the maximum
_TIMES = ("last_fetch_time", "start_time", "end_time")

# --- requests ---------------------------------------------------------------------------------------------------------


def read_page_request(instance: Instance, request: ApiRequest) -> PageRequest:
    """The page that a v2 body requests.

    Raises:
        ApiError: a 400 that says which rule was broken.
    """
    body = checked(instance, request.body, instance.profile.accepted)
    layout = _layout(instance, request.entity, body)
    offset, limit = page_in(instance, body.get("page", {}))
    page_request = PageRequest(
        request.entity,
        layout,
        aql_in(instance, body),
        day_in(body),
        offset,
        limit,
        number=offset // limit + 1,
        metadata=body.get("include_metadata", True),
        cached=body.get("use_cache_entry", True),
        continuation=body.get("next_page") or None,
    )
    token = page_request.continuation
    return page_request if token is None else _continued(instance, page_request, token)


def checked(instance: Instance, body: Json, accepted: frozenset[str]) -> dict[str, Json]:
    """The body, with keys and nulls validated."""
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object")
    for key, value in body.items():
        if key not in accepted:
            raise unknown_key(key, accepted)
        if value is None and not (instance.profile.null_query and key in _QUERIES):
            raise bad_request(f"{key}: Field may not be null.")
        if key in _BOOLS and not isinstance(value, bool):
            raise bad_request(f"{key}: Not a valid boolean.")
    return body


def _layout(instance: Instance, entity: str, body: dict[str, Json]) -> RowLayout:
    excluded = _names(body.get("fields_to_exclude", []))
    wanted = instance.known(entity, _fields(instance, body))
    layout = instance.dataset(entity).layout(
        None if wanted is None else [name for name in wanted if name not in excluded],
        details=body.get("include_details", True),
        plain=body.get("return_plain_data", False),
    )
    return replace(layout, excluded=excluded)


def _fields(instance: Instance, body: dict[str, Json]) -> tuple[str, ...] | None:
    """The fields of the request, or else those of the saved query that it names, or None."""
    if "fields" in body:
        return _names(body["fields"])
    query = _saved(instance, body)
    return None if query is None else query.fields


def _names(names: Json) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_request("fields: Not a valid list of strings.")
    return tuple(names)


def _saved(instance: Instance, body: dict[str, Json]) -> StoredQuery | None:
    for key, by in _SAVED_BY.items():
        if body.get(key) is not None:
            return instance.saved(body[key], by)
    return None


def page_in(instance: Instance, page: Json, default: int = MAX_LIMIT) -> tuple[int, int]:
    """Offset and limit of a page object; *default* is the limit if it has none."""
    for key in page if isinstance(page, dict) else ():
        if key not in _PAGE_KEYS:
            raise unknown_key(key, _PAGE_KEYS)
    return instance.bounds(page, default)


def aql_in(instance: Instance, body: dict[str, Json]) -> str | None:
    """The AQL of the body, with saved queries resolved."""
    given = [(key, body[key]) for key in _QUERIES if body.get(key) is not None]
    if len(given) > 1:
        raise bad_request(f"{given[0][0]} and {given[1][0]} exclude each other.")
    if not given:
        return None
    key, value = given[0]
    if not isinstance(value, str):
        raise bad_request(f"{key}: Not a valid string.")
    return value if key == "query" else instance.saved(value, _SAVED_BY[key]).aql


def day_in(body: dict[str, Json]) -> str | None:
    """The history day of the body."""
    day = body.get("history")
    if day is not None and not (isinstance(day, str) and _DAY.fullmatch(day)):
        raise bad_request("history: Not a valid date, YYYY-MM-DD is expected.")
    return day


# --- next_page tokens -------------------------------------------------------------------------------------------------


def _continued(instance: Instance, page_request: PageRequest, token: str) -> PageRequest:
    found = _read_token(token, instance.options.token_seconds)
    if found.fingerprint != page_request.fingerprint:
        raise bad_request("The next_page token belongs to another request")
    return PageRequest(
        page_request.entity,
        page_request.layout,
        page_request.query,
        page_request.day,
        found.offset,
        page_request.limit,
        found.number,
        page_request.metadata,
        continuation=token,
    )


@dataclass(frozen=True, slots=True)
class _TokenPosition:
    """The page that a v2 token points at."""

    fingerprint: str  # of the request that the token belongs to
    offset: int
    number: int
    issued: float  # monotonic seconds


def _next_page_token(page: PageRequest, served: int) -> str:
    """The token for the page after *page*, of which *served* rows were sent."""
    plain = f"{page.fingerprint} {page.offset + served} {page.number + 1} {monotonic():.3f}"
    return base64.urlsafe_b64encode(plain.encode()).decode()


def _read_token(text: str, life_seconds: float | None) -> _TokenPosition:
    """Decode a token.

    Raises:
        ApiError: a 400 when the token is invalid or has expired.
    """
    try:
        fingerprint, offset, number, issued = base64.urlsafe_b64decode(text).decode().split()
        found = _TokenPosition(fingerprint, int(offset), int(number), float(issued))
    except (ValueError, binascii.Error) as error:
        raise bad_request("Invalid next_page token") from error
    if life_seconds is not None and monotonic() - found.issued > life_seconds:
        raise bad_request("The next_page token has expired")
    return found


# --- assets -----------------------------------------------------------------------------------------------------------


async def page(instance: Instance, request: ApiRequest) -> ApiReply:
    """POST /assets/{entity}."""
    draft = await faulty_page(instance, request)
    return ApiReply(200, b'{"assets":[' + b",".join(draft.rows) + b"]" + _meta(instance, draft) + b"}")


def _meta(instance: Instance, draft: PageDraft) -> bytes:
    if not draft.request.metadata:
        return b""
    if not draft.meta or (draft.total == 0 and not instance.profile.next_page):
        return b',"meta":{}'  # empty when nothing matched (docs/axonius-api.md, "Paging")
    meta: dict[str, Json] = {
        "page": page_meta(draft),
        "cache_last_updated": moment(CACHE_STAMP, iso=draft.request.layout.iso_dates),
        "is_data_from_cache": draft.request.cached,
    }
    if instance.profile.next_page:
        meta |= {
            "next_page": _token_after(instance, draft),
            "expand_row": False,
            "optimized_view": False,
            "relation_fields_data": False,
        }
    return b',"meta":' + json.dumps(meta).encode()


def _token_after(instance: Instance, draft: PageDraft) -> str | None:
    if draft.next_token is not None:
        return draft.next_token
    return instance.profile.last_token if draft.past_end else _next_page_token(draft.request, len(draft.rows))


async def count(instance: Instance, request: ApiRequest) -> ApiReply:
    """POST /assets/{entity}/count."""
    dataset = instance.dataset(request.entity)
    body = checked(instance, request.body, COUNT_KEYS)
    page_request = PageRequest(request.entity, dataset.layout(None), aql_in(instance, body), day_in(body), 0, 1, 1)
    return json_reply({"value": faulty_count(request.faults, len(instance.rows(page_request)))})


async def fields(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /assets/{entity}/fields."""
    instance.dataset(request.entity)
    listing = catalogue_v2(
        instance.models[request.entity],
        roots_only=request.params.get("exclude_subfields", "false").lower() == "true",
        search=request.params.get("search", ""),
        formats=instance.profile.field_formats,
    )
    return json_reply(listing)


async def asset(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /assets/{entity}/{id}."""
    dataset = instance.dataset(request.entity)
    number = dataset.number(request.match["id"])
    if number is None:
        raise ApiError(404, "Not Found", f"Asset {request.match['id']} was not found")
    names = tuple(line["name"] for lines in _all_fields(instance, request.entity).values() for line in lines)
    return ApiReply(200, dataset.renderer.row(number, dataset.layout(names)))


def _all_fields(instance: Instance, entity: str) -> dict[str, list[Json]]:
    return catalogue_v2(instance.models[entity], roots_only=True, search="", formats=False)


async def asset_types(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /assets/asset_types: some entries are strings, others objects."""
    if not instance.profile.asset_types:
        raise ApiError(404, "Not Found", "Asset type asset_types is not available")
    return json_reply({"asset_types": [_type(at, entity) for at, entity in enumerate(instance.datasets)]})


def _type(at: int, entity: str) -> Json:
    if at % 3 and entity not in TITLES:
        return entity
    return {"name": entity, "title": TITLES.get(entity) or entity.replace("_", " ").title()}


_ASSETS = r"/api/v2/assets/(?P<entity>[^/]+)"
_ASSET_ROUTES = (
    Route("types", "GET", re.compile(r"/api/v2/assets/asset_types"), asset_types),
    Route("page", "POST", re.compile(_ASSETS), page, read_page_request),
    Route("count", "POST", re.compile(_ASSETS + "/count"), count),
    Route("fields", "GET", re.compile(_ASSETS + "/fields"), fields),
    Route("asset", "GET", re.compile(_ASSETS + "/(?P<id>[0-9a-z]+)"), asset),
)

# --- everything else --------------------------------------------------------------------------------------------------


async def about(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /about."""
    return json_reply(
        {
            "installed_version": instance.profile.version,
            "build_date": "2026-09-20",
            "customer_id": "emulated",
            "contract_expiry_date": "2027-12-31",
            "trial_expiry_date": None,
            "enabled_products": [{"name": "CAASM", "display_name": "Cyber Assets", "trial_date": None}],
        }
    )


async def discovery(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /discovery."""
    return json_reply({"status": instance.discovery})


async def adapters(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /adapters."""
    with_connections = request.params.get("include_connection_details", "true").lower() != "false"
    return json_reply({"adapters": adapter_rows(instance.models, connections=with_connections)})


async def connections(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /adapters/{name}/connections."""
    return json_reply({"connections": _connections(instance, request.match["name"])})


async def connection(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /adapters/{name}/connections/{id}."""
    for row in _connections(instance, request.match["name"]):
        if row["connection_id"] == request.match["id"]:
            return json_reply(row)
    raise ApiError(404, "Not Found", f"Connection {request.match['id']} was not found")


def _connections(instance: Instance, adapter: str) -> list[Json]:
    if adapter not in known_adapters(instance.models):
        raise ApiError(404, "Not Found", f"Adapter {adapter} was not found")
    return connection_rows(adapter)


async def fetches(instance: Instance, request: ApiRequest) -> ApiReply:
    """POST /adapters/fetch_history: filtered by adapter, connection and status, sorted, paged."""
    body = checked(instance, request.body, _FETCH_KEYS)
    offset, limit = page_in(instance, body.get("page", {}), default=_FETCHES_EACH)
    rows = [row for row in fetch_rows(instance.models) if _wanted(row, body)]
    sort = str(body.get("sort", "-last_fetch_time"))
    name, timed = sort.lstrip("-"), sort.lstrip("-") in _TIMES
    if rows and name not in rows[0]:
        raise bad_request(f"sort: unknown field {name}")
    # RFC 1123 dates do not sort, but ids increase with age.
    rows.sort(key=lambda row: str(row["id" if timed else name]), reverse=sort.startswith("-") != timed)
    return json_reply({"history": rows[offset : offset + limit], "meta": listing_meta(len(rows), offset, limit)})


def _wanted(row: Json, body: dict[str, Json]) -> bool:
    if body.get("exclude_realtime") and row["realtime"]:
        return False
    filters = ((row["adapter"]["icon"], "adapters"), (row["client_id"], "connection_ids"), (row["status"], "statuses"))
    return all(not body.get(key) or value in body[key] for value, key in filters)


async def activity(_instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /activity_logs: pages numbered from 1, empty past the end."""
    number, limit = request.number("page", 1), min(request.number("limit", _ACTIVITIES_EACH), _ACTIVITIES_EACH)
    if number < 1 or limit < 1:
        raise bad_request("page and limit must be 1 or more.")
    search = request.params.get("search", "").lower()
    rows = [row for row in activity_rows() if search in row["message"].lower()]
    offset = (number - 1) * limit
    return json_reply({"logs": rows[offset : offset + limit], "meta": listing_meta(len(rows), offset, limit)})


async def users(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /users: the operators of the product."""
    return json_reply({"users": operator_rows()})


async def gateways(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /gateways."""
    return json_reply({"gateways": gateway_rows()})


async def queries(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /queries."""
    offset, limit = request.number("offset", 0), request.number("limit", 1000)
    row = flat if instance.profile.flat_queries else nested
    chosen = instance.queries[offset : offset + min(limit, SERVED_AT_MOST)]
    meta = listing_meta(len(instance.queries), offset, limit)
    return json_reply({"queries": [row(query) for query in chosen], "meta": meta})


async def query(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /queries/{id}."""
    row = flat if instance.profile.flat_queries else nested
    for one in instance.queries:
        if one.id == request.match["id"]:
            return json_reply(row(one))
    raise ApiError(404, "Not Found", f"Query {request.match['id']} was not found")


def _empty(name: str, path: str, key: str, method: str = "GET") -> Route:
    """A listing without rows."""

    async def answer(_instance: Instance, _request: ApiRequest) -> ApiReply:
        body: dict[str, Json] = {key: [], "meta": {}}
        return json_reply(body)

    return Route(name, method, re.compile(f"/api/v2/{path}"), answer)


_CONNECTIONS = "/api/v2/adapters/(?P<name>[^/]+)/connections"
_ADMIN_ROUTES = (
    Route("about", "GET", re.compile("/api/v2/about"), about),
    Route("discovery", "GET", re.compile("/api/v2/discovery"), discovery),
    Route("adapters", "GET", re.compile("/api/v2/adapters"), adapters),
    Route("users", "GET", re.compile("/api/v2/users"), users),
    Route("gateways", "GET", re.compile("/api/v2/gateways"), gateways),
    Route("queries", "GET", re.compile("/api/v2/queries"), queries),
    _empty("queries", "queries/folders", "folders"),
    Route("queries", "GET", re.compile("/api/v2/queries/(?P<id>[^/]+)"), query),
    Route("activity", "GET", re.compile("/api/v2/activity_logs"), activity),
    _empty("tags", "tags", "tags"),
    _empty("enforcements", "enforcements", "enforcements"),
    _empty("custom", "custom_data_management", "custom_fields"),
    _empty("dashboards", "dashboards", "dashboards"),
    Route("connections", "GET", re.compile(_CONNECTIONS), connections),
    Route("connections", "GET", re.compile(f"{_CONNECTIONS}/(?P<id>[^/]+)"), connection),
    _empty("events", "adapters/fetch_events", "events", "POST"),
    Route("fetches", "POST", re.compile("/api/v2/adapters/fetch_history"), fetches),
)

ROUTES = (*_ASSET_ROUTES, *_ADMIN_ROUTES)
