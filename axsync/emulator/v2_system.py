"""The v2 paths beside assets: about, discovery, adapters, operators, queries and small listings.

The paths are those of docs/axonius-api.md, "Endpoints".
"""

from __future__ import annotations

import re

from axsync.emulator.calls import Call, Refusal, Reply, Route, answered, bad_request
from axsync.emulator.chronicle import activity_rows, fetch_rows
from axsync.emulator.columns import Json
from axsync.emulator.instance import Instance
from axsync.emulator.pages import system_meta
from axsync.emulator.saved import SERVED_AT_MOST, flat, nested
from axsync.emulator.staff import adapter_rows, connection_rows, gateway_rows, known_adapters, operator_rows
from axsync.emulator.v2_body import checked, page_in

_FETCH_KEYS = frozenset({"sort", "page", "adapters", "connection_ids", "exclude_realtime", "statuses", "time_range"})
_FETCHES_EACH, _ACTIVITIES_EACH = 100, 200  # rows per page when none are asked for; at most, for activities
_TIMES = ("last_fetch_time", "start_time", "end_time")


async def about(instance: Instance, _call: Call) -> Reply:
    """GET /about."""
    return answered(
        {
            "installed_version": instance.profile.version,
            "build_date": "2026-09-20",
            "customer_id": "emulated",
            "contract_expiry_date": "2027-12-31",
            "trial_expiry_date": None,
            "enabled_products": [{"name": "CAASM", "display_name": "Cyber Assets", "trial_date": None}],
        }
    )


async def discovery(instance: Instance, _call: Call) -> Reply:
    """GET /discovery."""
    return answered({"status": instance.discovery})


async def adapters(instance: Instance, call: Call) -> Reply:
    """GET /adapters."""
    with_connections = call.params.get("include_connection_details", "true").lower() != "false"
    return answered({"adapters": adapter_rows(instance.families, connections=with_connections)})


async def connections(instance: Instance, call: Call) -> Reply:
    """GET /adapters/{name}/connections."""
    return answered({"connections": _connections(instance, call.match["name"])})


async def connection(instance: Instance, call: Call) -> Reply:
    """GET /adapters/{name}/connections/{id}."""
    for row in _connections(instance, call.match["name"]):
        if row["connection_id"] == call.match["id"]:
            return answered(row)
    raise Refusal(404, "Not Found", f"Connection {call.match['id']} was not found")


def _connections(instance: Instance, adapter: str) -> list[Json]:
    if adapter not in known_adapters(instance.families):
        raise Refusal(404, "Not Found", f"Adapter {adapter} was not found")
    return connection_rows(adapter)


async def fetches(instance: Instance, call: Call) -> Reply:
    """POST /adapters/fetch_history: rows of the wanted adapters, connections and statuses, sorted, paged."""
    body = checked(instance, call.body, _FETCH_KEYS)
    offset, limit = page_in(instance, body.get("page", {}), default=_FETCHES_EACH)
    rows = [row for row in fetch_rows(instance.families) if _wanted(row, body)]
    sort = str(body.get("sort", "-last_fetch_time"))
    name, timed = sort.lstrip("-"), sort.lstrip("-") in _TIMES
    if rows and name not in rows[0]:
        raise bad_request(f"sort: unknown field {name}")
    # Written dates have no useful order, but ids grow with age.
    rows.sort(key=lambda row: str(row["id" if timed else name]), reverse=sort.startswith("-") != timed)
    return answered({"history": rows[offset : offset + limit], "meta": system_meta(len(rows), offset, limit)})


def _wanted(row: Json, body: dict[str, Json]) -> bool:
    if body.get("exclude_realtime") and row["realtime"]:
        return False
    asked = ((row["adapter"]["icon"], "adapters"), (row["client_id"], "connection_ids"), (row["status"], "statuses"))
    return all(not body.get(key) or value in body[key] for value, key in asked)


async def activity(_instance: Instance, call: Call) -> Reply:
    """GET /activity_logs: pages by number from 1; beyond the end they are empty."""
    number, limit = _number(call, "page", 1), min(_number(call, "limit", _ACTIVITIES_EACH), _ACTIVITIES_EACH)
    if number < 1 or limit < 1:
        raise bad_request("page and limit must be 1 or more.")
    sought = call.params.get("search", "").lower()
    rows = [row for row in activity_rows() if sought in row["message"].lower()]
    offset = (number - 1) * limit
    return answered({"logs": rows[offset : offset + limit], "meta": system_meta(len(rows), offset, limit)})


async def users(_instance: Instance, _call: Call) -> Reply:
    """GET /users: the operators of the product."""
    return answered({"users": operator_rows()})


async def gateways(_instance: Instance, _call: Call) -> Reply:
    """GET /gateways."""
    return answered({"gateways": gateway_rows()})


async def queries(instance: Instance, call: Call) -> Reply:
    """GET /queries."""
    offset, limit = _number(call, "offset", 0), _number(call, "limit", 1000)
    row = flat if instance.profile.flat_queries else nested
    chosen = instance.queries[offset : offset + min(limit, SERVED_AT_MOST)]
    meta = system_meta(len(instance.queries), offset, limit)
    return answered({"queries": [row(query) for query in chosen], "meta": meta})


def _number(call: Call, name: str, default: int) -> int:
    text = call.params.get(name, str(default))
    if not text.isdecimal():
        raise bad_request(f"{name}: Not a valid integer.")
    return int(text)


async def query(instance: Instance, call: Call) -> Reply:
    """GET /queries/{id}."""
    row = flat if instance.profile.flat_queries else nested
    for one in instance.queries:
        if one.id == call.match["id"]:
            return answered(row(one))
    raise Refusal(404, "Not Found", f"Query {call.match['id']} was not found")


def _empty(name: str, path: str, key: str, method: str = "GET") -> Route:
    """A listing without rows."""

    async def answer(_instance: Instance, _call: Call) -> Reply:
        body: dict[str, Json] = {key: [], "meta": {}}
        return answered(body)

    return Route(name, method, re.compile(f"/api/v2/{path}"), answer)


_CONNECTIONS = "/api/v2/adapters/(?P<name>[^/]+)/connections"
ROUTES = (
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
