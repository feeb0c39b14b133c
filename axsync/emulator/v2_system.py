"""The v2 paths beside assets: about, discovery, adapters, operators, queries and small listings (reference 3.4)."""

from __future__ import annotations

import re

from axsync.emulator.calls import Call, Refusal, Reply, Route, answered, bad_request
from axsync.emulator.columns import Json
from axsync.emulator.instance import Instance
from axsync.emulator.pages import total_pages
from axsync.emulator.saved import SERVED_AT_MOST, flat, nested
from axsync.emulator.staff import adapter_rows, gateway_rows, operator_rows


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
    page = {
        "number": offset // max(limit, 1) + 1,
        "size": limit,
        "totalPages": total_pages(len(instance.queries), limit),
        "totalResources": len(instance.queries),
    }
    return answered({"queries": [row(query) for query in chosen], "meta": {"page": page}})


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


ROUTES = (
    Route("about", "GET", re.compile("/api/v2/about"), about),
    Route("discovery", "GET", re.compile("/api/v2/discovery"), discovery),
    Route("adapters", "GET", re.compile("/api/v2/adapters"), adapters),
    Route("users", "GET", re.compile("/api/v2/users"), users),
    Route("gateways", "GET", re.compile("/api/v2/gateways"), gateways),
    Route("queries", "GET", re.compile("/api/v2/queries"), queries),
    _empty("queries", "queries/folders", "folders"),
    Route("queries", "GET", re.compile("/api/v2/queries/(?P<id>[^/]+)"), query),
    _empty("activity", "activity_logs", "logs"),
    _empty("tags", "tags", "tags"),
    _empty("enforcements", "enforcements", "enforcements"),
    _empty("custom", "custom_data_management", "custom_fields"),
    _empty("dashboards", "dashboards", "dashboards"),
    _empty("connections", "adapters/[^/]+/connections", "connections"),
    _empty("events", "adapters/fetch_events", "events", "POST"),
    _empty("fetches", "adapters/fetch_history", "history", "POST"),
)
