"""The v1 API (docs/axonius-api.md, "Endpoints"), as far as axsync and the official Python client need it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from axsync.emulator.admin_rows import (
    activity_rows,
    connection_counts,
    connection_rows,
    fetch_rows,
    known_adapters,
    operator_rows,
    status_of,
)
from axsync.emulator.catalogue import catalogue_v1, entries
from axsync.emulator.faults.pages import faulty_count, faulty_page
from axsync.emulator.fields import Json
from axsync.emulator.instance import Handler, Instance, Route
from axsync.emulator.messages import ApiError, ApiReply, ApiRequest, bad_request, json_reply, unknown_key
from axsync.emulator.options import MAX_LIMIT
from axsync.emulator.pages import PageDraft, PageRequest, listing_meta, page_meta
from axsync.emulator.saved_queries import SERVED_AT_MOST, StoredQuery, envelope

_COMMON = {
    "history",
    "search",
    "filter",
    "use_cache_entry",
    "query_id",
    "saved_query_id",
    "source_component",
    "frontend_sent_time",
}
COUNT_KEYS = frozenset(_COMMON)
PAGE_KEYS = frozenset(
    _COMMON
    | {
        "page",
        "sort",
        "get_metadata",
        "fields",
        "include_details",
        "include_notes",
        "use_cursor",
        "cursor_id",
        "field_filters",
        "excluded_adapters",
        "asset_excluded_adapters",
        "asset_filters",
        "expressions",
        "filter_out_non_existing_fields",
        "null_for_non_exist",
        "max_field_items",
        "complex_fields_preview_limit",
        "return_plain_data",
        "always_cached_query",
        "wait_for_data",
        "is_refresh",
        "download_id",
        "should_exclude_complex_fields",
        "should_split_by_adapter",
        "should_split_complex_objects",
        "delimiter",
        "field_to_split_by",
        "file_name",
        "max_rows",
    }
)
_NEVER_NULL = ("search", "file_name")  # 422
_UNKNOWN_WHEN_NULL = ("sort",)  # 400
HISTORY_TIME = "T00:02:11"  # when the snapshot of each day was taken
_POLLS_KEPT = 4096
_PHASES = (
    "Fetch_Devices",
    "Fetch_Scanners",
    "Clean_Devices",
    "Pre_Correlation",
    "Run_Correlations",
    "Post_Correlation",
    "Run_Queries",
    "Save_Historical",
)
_MODULE = re.compile(r"module in \[(?P<names>[^\]]*)\]")

# --- requests ---------------------------------------------------------------------------------------------------------


def attributes(request: ApiRequest, accepted: frozenset[str]) -> dict[str, Json]:
    """data.attributes of the body, with keys and nulls validated.

    Raises:
        ApiError: a 400 or 422.
    """
    outer = request.body.get("data") if isinstance(request.body, dict) else None
    found = outer.get("attributes", {}) if isinstance(outer, dict) else None
    if not isinstance(found, dict):
        raise bad_request("Object must include `data` with `attributes`.")
    for key, value in found.items():
        if key not in accepted or (value is None and key in _UNKNOWN_WHEN_NULL):
            raise unknown_key(key, accepted)
        if value is None and key in _NEVER_NULL:
            raise ApiError(422, "Unprocessable Entity", f"{key}: Field may not be null.")
    return found


def read_page_request(instance: Instance, request: ApiRequest) -> PageRequest:
    """The page that a v1 body requests.

    Raises:
        ApiError: a 400 or 422.
    """
    found = attributes(request, PAGE_KEYS)
    dataset = instance.dataset(request.entity)
    layout = dataset.layout(
        instance.known(request.entity, _fields(request.entity, found.get("fields"))),
        details=found.get("include_details") is True,
        nulls=found.get("null_for_non_exist") is True,
        plain=found.get("return_plain_data") is True,
    )
    offset, limit = instance.bounds(found.get("page") or {})
    page_request = PageRequest(
        request.entity,
        layout,
        filter_in(found),
        day_in(found),
        offset,
        limit,
        offset // limit + 1,
        metadata=found.get("get_metadata", True) is not False,
        sort=found.get("sort"),
    )
    if found.get("use_cursor", True) is False:
        return page_request
    return _at_cursor(instance, replace(page_request, uses_cursor=True, continuation=found.get("cursor_id")))


def _at_cursor(instance: Instance, page_request: PageRequest) -> PageRequest:
    # The cursor stays the same from page to page. An offset sent along with it takes precedence, so that a repeated
    # request gets the same page.
    if page_request.continuation is None:
        return page_request
    fingerprint, due, number = instance.cursors.find(page_request.continuation)
    if fingerprint != page_request.fingerprint:
        raise bad_request(f"Cursor {page_request.continuation} belongs to another request")
    return replace(page_request, offset=due, number=number) if page_request.offset in (0, due) else page_request


def _fields(entity: str, wanted: Json) -> tuple[str, ...]:
    # Keyed by the entity type, or by "devices" for any type (docs/axonius-api.md, "Endpoints"). v1 always returns
    # the base keys.
    if wanted is None:
        return ()
    names = wanted.get(entity, wanted.get("devices", [])) if isinstance(wanted, dict) else wanted
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_request("fields: Not a valid mapping of lists.")
    return tuple(names)


def filter_in(found: dict[str, Json]) -> str | None:
    """The AQL of the request; an empty filter matches everything."""
    text = found.get("filter") or ""
    if not isinstance(text, str):
        raise bad_request("filter: Not a valid string.")
    return text or None


def day_in(found: dict[str, Json]) -> str | None:
    """The history day. v1 needs the exact timestamp that get_allowed_dates lists."""
    history = found.get("history")
    if history is None:
        return None
    if not isinstance(history, str):
        raise bad_request("history: Not a valid datetime.")
    return history[:10] if history[10:19] == HISTORY_TIME else f"no snapshot at {history}"


# --- assets -----------------------------------------------------------------------------------------------------------


async def page(instance: Instance, request: ApiRequest) -> ApiReply:
    """POST /api/{entity}."""
    draft = await faulty_page(instance, request)
    if draft.request.uses_cursor:
        cursor = draft.request.continuation or instance.cursors.open(draft.request)
        instance.cursors.advance(cursor, draft.request, len(draft.rows))
        draft.next_token = cursor if draft.next_token is None else draft.next_token
    return ApiReply(200, b'{"data":[' + b",".join(_enveloped(draft)) + b"]" + _meta(draft) + b"}")


def _enveloped(draft: PageDraft) -> list[bytes]:
    return [
        b'{"type":"entities_schema",%b"attributes":%b}'
        % (b"" if identity is None else b'"id":"%b",' % identity.encode(), row)
        for identity, row in zip(draft.ids, draft.rows, strict=True)
    ]


def _meta(draft: PageDraft) -> bytes:
    if not draft.meta:
        return b',"meta":{}'
    meta: dict[str, Json] = {} if draft.next_token is None else {"cursor": draft.next_token}
    if draft.request.metadata:
        meta["page"] = page_meta(draft)
    return b',"meta":' + json.dumps(meta).encode()


async def count(instance: Instance, request: ApiRequest) -> ApiReply:
    """POST /api/{entity}/count: null until the background job is done (docs/axonius-api.md, "Counts")."""
    found = attributes(request, COUNT_KEYS)
    dataset = instance.dataset(request.entity)
    page_request = PageRequest(request.entity, dataset.layout(None), filter_in(found), day_in(found), 0, 1, 1)
    query = str(found.get("query_id") or page_request.fingerprint)
    polled = instance.polls.get(query, 0)
    instance.polls[query] = polled + 1
    if len(instance.polls) > _POLLS_KEPT:
        instance.polls.popitem(last=False)
    value = (
        None
        if polled < instance.options.count_nulls
        else faulty_count(request.faults, len(instance.rows(page_request)))
    )
    return json_reply({"data": {"type": "int_value_schema", "attributes": {"value": value}}})


async def fields(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/{entity}/fields; the payload is in meta."""
    instance.dataset(request.entity)
    return json_reply({"data": None, "meta": catalogue_v1(instance.models[request.entity])})


async def asset(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/{entity}/{id}."""
    dataset = instance.dataset(request.entity)
    number = dataset.number(request.match["id"])
    if number is None:
        raise ApiError(404, "Not Found", f"Asset {request.match['id']} was not found")
    names = tuple(entry.name for entry in entries(instance.models[request.entity]) if entry.root)
    record = json.loads(dataset.renderer.row(number, dataset.layout((*names, "specific_data"))))
    return json_reply({"data": {"type": "entity_schema", "id": request.match["id"], "attributes": _sections(record)}})


def _sections(record: dict[str, Json]) -> Json:
    return {
        "internal_axon_id": record["internal_axon_id"],
        "adapters": record["specific_data"],
        "advanced": [],
        "basic": {key: value for key, value in record.items() if key != "specific_data"},
        "aggregated_specific_data": {},
        "data": [],
        "labels": record.get("labels", []),
        "expirable_tags": [],
        "labels_metadata": [],
        "compliance_meta": None,
        "updated": "Mon, 02 Nov 2026 12:00:00 GMT",
    }


async def labels(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/{entity}/labels."""
    instance.dataset(request.entity)
    names = instance.models[request.entity].labels
    return json_reply({"data": [{"type": "string_value_schema", "attributes": {"value": name}} for name in names]})


_ENTITY = r"/api/(?P<entity>[a-z_]+)"
_ASSET_ROUTES = (
    Route("count", "POST", re.compile(_ENTITY + "/count"), count),
    Route("fields", "GET", re.compile(_ENTITY + "/fields"), fields),
    Route("labels", "GET", re.compile(_ENTITY + "/(?:labels|expirable_tags_names)"), labels),
    Route("asset", "GET", re.compile(_ENTITY + "/(?P<id>[0-9a-z]{32})"), asset),
    Route("page", "POST", re.compile(_ENTITY), page, read_page_request),
)

# --- everything else --------------------------------------------------------------------------------------------------


def _about(instance: Instance) -> dict[str, Json]:
    return {
        "Build Date": "Sun Sep 20 10:00:00 UTC 2026",
        "Customer Id": "emulated",
        "Installed Version": instance.profile.version,
        "Contract Expiry Date": "2027-12-31",
        "api_client_version": "5.0.22",
    }


async def about(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/settings/meta/about."""
    return json_reply({"data": {"type": "about_schema", "id": "about", "attributes": _about(instance)}})


async def metadata(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/settings/metadata: plain JSON."""
    return json_reply(_about(instance))


async def constants(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/get_constants: plain JSON, the official login check."""
    return json_reply({"constants": {"systemInfo": {"version": instance.profile.version}}})


async def login(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/login: 404 for service accounts (docs/axonius-api.md, "Endpoints")."""
    raise ApiError(404, "Not Found", "No user is logged in")


async def allowed_dates(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/dashboard/get_allowed_dates: timestamps per entity type. Not every type has any."""
    days = {day: day + HISTORY_TIME for day in instance.days()}
    kept = instance.options.history_types or ("devices", "users", "vulnerabilities")
    value = {entity: days for entity in instance.datasets if entity in kept}
    return json_reply({"data": {"type": "dict_value_schema", "attributes": {"value": value}}})


async def lifecycle(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/dashboard/lifecycle."""
    done = not instance.discovering()
    attributes = {
        "status": instance.discovery,
        "last_start_time": "Mon, 02 Nov 2026 00:00:05 GMT",
        "last_finished_time": "Mon, 02 Nov 2026 01:14:40 GMT",
        "next_run_time": 38115.5,
        "tunnel_status": "",
        "sub_phases": [{"name": name, "status": int(done), "additional_data": {}} for name in _PHASES],
    }
    return json_reply({"data": {"type": "lifecycle_schema", "attributes": attributes}})


async def saved(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/queries/saved; may return fewer rows than requested."""
    rows = [envelope(query) for query in _chosen(instance, request)]
    return _listing(request, rows, maximum=SERVED_AT_MOST)


def _listing(request: ApiRequest, rows: list[Json], maximum: int = MAX_LIMIT) -> ApiReply:
    """The page of *rows* that the flattened parameters request, *maximum* rows at most."""
    offset, limit = request.number("page[offset]", 0), request.number("page[limit]", MAX_LIMIT)
    return _sliced(rows, offset, limit, maximum)


def _sliced(rows: list[Json], offset: int, limit: int, maximum: int = MAX_LIMIT) -> ApiReply:
    meta = listing_meta(len(rows), offset, limit)
    return json_reply({"data": rows[offset : offset + min(limit, maximum)], "meta": meta})


async def saved_count(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/queries/saved/count."""
    return json_reply({"data": {"type": "int_value_schema", "attributes": {"value": len(_chosen(instance, request))}}})


def _chosen(instance: Instance, request: ApiRequest) -> list[StoredQuery]:
    match = _MODULE.search(request.params.get("filter", ""))
    names = [name.strip(" \"'") for name in match["names"].split(",")] if match else list(instance.datasets)
    return [query for query in instance.queries if query.entity in names]


async def folders(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/queries/folders."""
    return json_reply({"data": {"type": "folders_response_schema", "id": "f", "attributes": {"folders": []}}})


async def adapter_list(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/adapters/list: the payload is in meta."""
    rows = [{"name": name, "title": name.replace("_", " ").title()} for name in known_adapters(instance.models)]
    return json_reply({"data": None, "meta": {"adapter_list": rows}})


async def adapters(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/adapters; the nodes list their connections only with get_clients."""
    clients = request.params.get("get_clients", "false").lower() == "true"
    return json_reply({"data": [_adapter(name, clients=clients) for name in known_adapters(instance.models)]})


def _adapter(name: str, *, clients: bool) -> Json:
    connections = connection_rows(name)
    counts = connection_counts(connections)
    node = {
        "node_id": "n1",
        "node_name": "Primary",
        "plugin_name": name,
        "unique_plugin_name": f"{name}_0",
        "status": status_of(counts),
        "clients": [_client(row) for row in connections] if clients else [],
        "clients_count": {f"{key}_count": count for key, count in counts.items()},
        "is_master": True,
        "supported_features": [],
    }
    return {"id": name, "type": "adapters_schema", "attributes": {"id": name, "adapters_data": [node]}}


def _client(row: Json) -> Json:
    # v1 has other names for two keys and a number instead of a bool; the secrets are the same.
    return {
        **row,
        "client_id": row["connection_id"],
        "client_config": row["connection_config"],
        "failed_connections_limit_exceeded": int(row["failed_connections_limit_exceeded"]),
    }


async def connections(instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/adapters/{name}/connections."""
    name = request.match["name"]
    if name not in known_adapters(instance.models):
        raise ApiError(404, "Not Found", f"Adapter {name} was not found")
    rows = [_client(row) for row in connection_rows(name)]
    data = [{"id": row["id"], "type": "connections", "attributes": row} for row in rows]
    return json_reply({"data": data, "meta": {}})


async def connection_labels(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/adapters/labels: the payload is in meta."""
    rows = [row for name in known_adapters(instance.models) for row in connection_rows(name)]
    labels = [
        {
            "client_id": row["connection_id"],
            "plugin_name": row["adapter_name"],
            "node_id": row["node_id"],
            "label": row["connection_label"],
        }
        for row in rows
    ]
    return json_reply({"data": None, "meta": {"labels": labels}})


async def fetches(instance: Instance, request: ApiRequest) -> ApiReply:
    """POST /api/adapters/history: newest first, paged."""
    outer = request.body.get("data") if isinstance(request.body, dict) else None
    found = outer.get("attributes") if isinstance(outer, dict) else None
    page = found.get("page") if isinstance(found, dict) else None
    offset, limit = instance.bounds(page or {})
    rows = fetch_rows(instance.models)
    return _sliced(
        [{"id": row["id"], "type": "history_response_schema", "attributes": row} for row in rows], offset, limit
    )


async def fetch_filters(instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/adapters/history/filters: the values by which the history can be filtered."""
    rows = fetch_rows(instance.models)
    adapters = {row["adapter"]["icon"]: row["adapter"]["text"] for row in rows}
    attributes = {
        "adapters_filter": [{"id": name, "name": title} for name, title in sorted(adapters.items())],
        "clients_filter": _distinct(rows, "client"),
        "connection_labels_filter": _distinct(rows, "connection_label"),
        "instance_filter": _distinct(rows, "instance"),
        "statuses_filter": _distinct(rows, "status"),
        "discoveries_filter": _distinct(rows, "discovery_id"),
    }
    return json_reply({"data": {"id": "filters", "type": "history_filters_response_schema", "attributes": attributes}})


def _distinct(rows: list[Json], key: str) -> list[str]:
    return sorted({row[key] for row in rows if row[key]})


async def audit(_instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/settings/audit: pages by offset, empty past the end."""
    search = request.params.get("search", "").lower()
    rows = [row for row in activity_rows() if search in row["message"].lower()]
    return _listing(request, [{"type": "audit_schema", "attributes": row} for row in rows])


async def users(_instance: Instance, request: ApiRequest) -> ApiReply:
    """GET /api/settings/users: keys that are null in v2 are omitted."""
    rows = [{key: value for key, value in row.items() if value is not None} for row in operator_rows()]
    return _listing(request, [{"id": row["uuid"], "type": "users_details_schema", "attributes": row} for row in rows])


async def instances(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """GET /api/instances."""
    node = {"node_id": "n1", "node_name": "Primary", "is_master": True, "hostname": "emulated", "status": "Activated"}
    return json_reply({"data": [{"id": "n1", "type": "instances_schema", "attributes": node}]})


async def nothing(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """A listing without rows."""
    return json_reply({"data": [], "meta": {"page": {"totalResources": 0}}})


async def plain(_instance: Instance, _request: ApiRequest) -> ApiReply:
    """An empty plain JSON object."""
    return json_reply({})


def _route(name: str, path: str, handler: Handler, method: str = "GET") -> Route:
    return Route(name, method, re.compile(f"/api/{path}"), handler)


_ADMIN_ROUTES = (
    _route("about", "settings/meta/about", about),
    _route("about", "settings/metadata", metadata),
    _route("constants", "get_constants", constants),
    _route("login", "login", login),
    _route("dates", "dashboard/get_allowed_dates", allowed_dates),
    _route("discovery", "dashboard/lifecycle", lifecycle),
    _route("queries", "queries/saved", saved),
    _route("queries", "queries/saved/count", saved_count),
    _route("queries", "queries/folders", folders),
    _route("adapters", "adapters", adapters),
    _route("adapters", "adapters/list", adapter_list),
    _route("connections", "adapters/(?P<name>[^/]+)/connections", connections),
    _route("connections", "adapters/labels", connection_labels),
    _route("fetches", "adapters/history", fetches, "POST"),
    _route("fetches", "adapters/history/filters", fetch_filters),
    _route("activity", "settings/audit", audit),
    _route("users", "settings/users", users),
    _route("instances", "instances", instances),
    _route(
        "listing",
        "(?:queries/history|settings/roles|settings/data_scope|enforcements|enforcements/tasks|dashboard)",
        nothing,
    ),
    _route("plain", "(?:settings/historical_sizes|labels|supported_versions|api|system/expired)", plain),
)

ROUTES = (*_ADMIN_ROUTES, *_ASSET_ROUTES)
