"""The v1 paths beside assets, as far as axsync and the official Python client need them.

The paths are those of docs/axonius-api.md, "Endpoints".
"""

from __future__ import annotations

import re

from axsync.emulator.calls import Call, Refusal, Reply, Route, answered, bad_request
from axsync.emulator.chronicle import activity_rows, fetch_rows
from axsync.emulator.columns import Json
from axsync.emulator.instance import Instance
from axsync.emulator.options import MAX_LIMIT
from axsync.emulator.pages import system_meta
from axsync.emulator.saved import SERVED_AT_MOST, SavedQuery, envelope
from axsync.emulator.staff import connection_counts, connection_rows, known_adapters, operator_rows, status_of
from axsync.emulator.v1_body import HISTORY_TIME, page_in

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


def _about(instance: Instance) -> dict[str, Json]:
    return {
        "Build Date": "Sun Sep 20 10:00:00 UTC 2026",
        "Customer Id": "emulated",
        "Installed Version": instance.profile.version,
        "Contract Expiry Date": "2027-12-31",
        "api_client_version": "5.0.22",
    }


async def about(instance: Instance, _call: Call) -> Reply:
    """GET /api/settings/meta/about."""
    return answered({"data": {"type": "about_schema", "id": "about", "attributes": _about(instance)}})


async def metadata(instance: Instance, _call: Call) -> Reply:
    """GET /api/settings/metadata: plain JSON."""
    return answered(_about(instance))


async def constants(instance: Instance, _call: Call) -> Reply:
    """GET /api/get_constants: plain JSON, the official login check."""
    return answered({"constants": {"systemInfo": {"version": instance.profile.version}}})


async def login(_instance: Instance, _call: Call) -> Reply:
    """GET /api/login: 404 for service accounts (docs/axonius-api.md, "Endpoints")."""
    raise Refusal(404, "Not Found", "No user is logged in")


async def allowed_dates(instance: Instance, _call: Call) -> Reply:
    """GET /api/dashboard/get_allowed_dates: timestamps per type; not all types have some."""
    days = {day: day + HISTORY_TIME for day in instance.days()}
    value = {entity: days for entity in instance.fleets if entity in ("devices", "users", "vulnerabilities")}
    return answered({"data": {"type": "dict_value_schema", "attributes": {"value": value}}})


async def lifecycle(instance: Instance, _call: Call) -> Reply:
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
    return answered({"data": {"type": "lifecycle_schema", "attributes": attributes}})


async def saved(instance: Instance, call: Call) -> Reply:
    """GET /api/queries/saved; serves fewer rows than asked."""
    rows = [envelope(query) for query in _chosen(instance, call)]
    return _listing(call, rows, most=SERVED_AT_MOST)


def _listing(call: Call, rows: list[Json], most: int = MAX_LIMIT) -> Reply:
    """The page of *rows* that the flattened arguments name, at most *most* of them."""
    offset, limit = _number(call, "page[offset]", 0), _number(call, "page[limit]", MAX_LIMIT)
    return _sliced(rows, offset, limit, most)


def _sliced(rows: list[Json], offset: int, limit: int, most: int = MAX_LIMIT) -> Reply:
    meta = system_meta(len(rows), offset, limit)
    return answered({"data": rows[offset : offset + min(limit, most)], "meta": meta})


def _number(call: Call, name: str, default: int) -> int:
    text = call.params.get(name, str(default))
    if not text.isdecimal():
        raise bad_request(f"{name}: Not a valid integer.")
    return int(text)


async def saved_count(instance: Instance, call: Call) -> Reply:
    """GET /api/queries/saved/count."""
    return answered({"data": {"type": "int_value_schema", "attributes": {"value": len(_chosen(instance, call))}}})


def _chosen(instance: Instance, call: Call) -> list[SavedQuery]:
    match = _MODULE.search(call.params.get("filter", ""))
    names = [name.strip(" \"'") for name in match["names"].split(",")] if match else list(instance.fleets)
    return [query for query in instance.queries if query.entity in names]


async def folders(_instance: Instance, _call: Call) -> Reply:
    """GET /api/queries/folders."""
    return answered({"data": {"type": "folders_response_schema", "id": "f", "attributes": {"folders": []}}})


async def adapter_list(instance: Instance, _call: Call) -> Reply:
    """GET /api/adapters/list: the payload is in meta."""
    rows = [{"name": name, "title": name.replace("_", " ").title()} for name in known_adapters(instance.families)]
    return answered({"data": None, "meta": {"adapter_list": rows}})


async def adapters(instance: Instance, call: Call) -> Reply:
    """GET /api/adapters; connections are among the nodes only with get_clients."""
    clients = call.params.get("get_clients", "false").lower() == "true"
    return answered({"data": [_adapter(name, clients=clients) for name in known_adapters(instance.families)]})


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
    # The older generation has other names for two of them, a number in place of a flag, and holds the same secrets.
    return {
        **row,
        "client_id": row["connection_id"],
        "client_config": row["connection_config"],
        "failed_connections_limit_exceeded": int(row["failed_connections_limit_exceeded"]),
    }


async def connections(instance: Instance, call: Call) -> Reply:
    """GET /api/adapters/{name}/connections."""
    name = call.match["name"]
    if name not in known_adapters(instance.families):
        raise Refusal(404, "Not Found", f"Adapter {name} was not found")
    rows = [_client(row) for row in connection_rows(name)]
    data = [{"id": row["id"], "type": "connections", "attributes": row} for row in rows]
    return answered({"data": data, "meta": {}})


async def connection_labels(instance: Instance, _call: Call) -> Reply:
    """GET /api/adapters/labels: the payload is in meta."""
    rows = [row for name in known_adapters(instance.families) for row in connection_rows(name)]
    labels = [
        {
            "client_id": row["connection_id"],
            "plugin_name": row["adapter_name"],
            "node_id": row["node_id"],
            "label": row["connection_label"],
        }
        for row in rows
    ]
    return answered({"data": None, "meta": {"labels": labels}})


async def fetches(instance: Instance, call: Call) -> Reply:
    """POST /api/adapters/history: newest first, paged."""
    outer = call.body.get("data") if isinstance(call.body, dict) else None
    found = outer.get("attributes") if isinstance(outer, dict) else None
    page = found.get("page") if isinstance(found, dict) else None
    offset, limit = page_in(instance, page or {})
    rows = fetch_rows(instance.families)
    return _sliced(
        [{"id": row["id"], "type": "history_response_schema", "attributes": row} for row in rows], offset, limit
    )


async def fetch_filters(instance: Instance, _call: Call) -> Reply:
    """GET /api/adapters/history/filters: by what the history can be narrowed."""
    rows = fetch_rows(instance.families)
    adapters = {row["adapter"]["icon"]: row["adapter"]["text"] for row in rows}
    attributes = {
        "adapters_filter": [{"id": name, "name": title} for name, title in sorted(adapters.items())],
        "clients_filter": _told(rows, "client"),
        "connection_labels_filter": _told(rows, "connection_label"),
        "instance_filter": _told(rows, "instance"),
        "statuses_filter": _told(rows, "status"),
        "discoveries_filter": _told(rows, "discovery_id"),
    }
    return answered({"data": {"id": "filters", "type": "history_filters_response_schema", "attributes": attributes}})


def _told(rows: list[Json], key: str) -> list[str]:
    return sorted({row[key] for row in rows if row[key]})


async def audit(_instance: Instance, call: Call) -> Reply:
    """GET /api/settings/audit: pages by offset; beyond the end they are empty."""
    sought = call.params.get("search", "").lower()
    rows = [row for row in activity_rows() if sought in row["message"].lower()]
    return _listing(call, [{"type": "audit_schema", "attributes": row} for row in rows])


async def users(_instance: Instance, call: Call) -> Reply:
    """GET /api/settings/users: what is null in the newer generation is left out."""
    rows = [{key: value for key, value in row.items() if value is not None} for row in operator_rows()]
    return _listing(call, [{"id": row["uuid"], "type": "users_details_schema", "attributes": row} for row in rows])


async def instances(_instance: Instance, _call: Call) -> Reply:
    """GET /api/instances."""
    node = {"node_id": "n1", "node_name": "Primary", "is_master": True, "hostname": "emulated", "status": "Activated"}
    return answered({"data": [{"id": "n1", "type": "instances_schema", "attributes": node}]})


async def nothing(_instance: Instance, _call: Call) -> Reply:
    """A listing without rows."""
    return answered({"data": [], "meta": {"page": {"totalResources": 0}}})


async def plain(_instance: Instance, _call: Call) -> Reply:
    """An answer that is plain JSON and empty."""
    return answered({})


def _route(name: str, path: str, answer: object, method: str = "GET") -> Route:
    return Route(name, method, re.compile(f"/api/{path}"), answer)  # type: ignore[arg-type]


ROUTES = (
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
