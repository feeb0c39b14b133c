"""The v1 asset paths: pages, counts that take their time, fields, one asset (docs/axonius-api.md, "Endpoints")."""

from __future__ import annotations

import json
import re

from axsync.emulator.asks import Ask, Sheet
from axsync.emulator.calls import Call, Refusal, Reply, Route, answered
from axsync.emulator.catalogue import catalogue_v1, entries
from axsync.emulator.columns import Json
from axsync.emulator.instance import Instance
from axsync.emulator.mishaps.counts import counted
from axsync.emulator.mishaps.pages import paged
from axsync.emulator.pages import listed, page_meta
from axsync.emulator.v1_body import COUNT_KEYS, attributes, day_in, filter_in, read_ask

_POLLS_KEPT = 4096


async def page(instance: Instance, call: Call) -> Reply:
    """POST /api/{entity}."""
    made = await paged(instance, call)
    if made.ask.cursored:
        cursor = made.ask.walk or instance.cursors.start(made.ask)
        instance.cursors.advance(cursor, made.ask, len(made.rows))
        made.following = cursor if made.following is None else made.following
    return Reply(200, b'{"data":[' + listed(_enveloped(made)) + b"]" + _meta(made) + b"}")


def _enveloped(made: Sheet) -> list[bytes]:
    return [
        b'{"type":"entities_schema",%b"attributes":%b}'
        % (b"" if identity is None else b'"id":"%b",' % identity.encode(), row)
        for identity, row in zip(made.ids, made.rows, strict=True)
    ]


def _meta(made: Sheet) -> bytes:
    if not made.meta:
        return b',"meta":{}'
    meta: dict[str, Json] = {} if made.following is None else {"cursor": made.following}
    if made.ask.metadata:
        meta["page"] = page_meta(made)
    return b',"meta":' + json.dumps(meta).encode()


async def count(instance: Instance, call: Call) -> Reply:
    """POST /api/{entity}/count: null until the background job is done (4.4)."""
    found = attributes(call, COUNT_KEYS)
    fleet = instance.fleet(call.entity)
    ask = Ask(call.entity, fleet.form(None), filter_in(found), day_in(found), 0, 1, 1)
    query = str(found.get("query_id") or ask.print)
    asked = instance.polls.get(query, 0)
    instance.polls[query] = asked + 1
    if len(instance.polls) > _POLLS_KEPT:
        instance.polls.popitem(last=False)
    value = None if asked < instance.options.count_nulls else counted(call.struck, len(instance.rows(ask)))
    return answered({"data": {"type": "int_value_schema", "attributes": {"value": value}}})


async def fields(instance: Instance, call: Call) -> Reply:
    """GET /api/{entity}/fields: the payload is in meta."""
    instance.fleet(call.entity)
    return answered({"data": None, "meta": catalogue_v1(instance.families[call.entity])})


async def asset(instance: Instance, call: Call) -> Reply:
    """GET /api/{entity}/{id}."""
    fleet = instance.fleet(call.entity)
    number = fleet.number(call.match["id"])
    if number is None:
        raise Refusal(404, "Not Found", f"Asset {call.match['id']} was not found")
    names = tuple(entry.name for entry in entries(instance.families[call.entity]) if entry.root)
    record = json.loads(fleet.press.row(number, fleet.form((*names, "specific_data"))))
    return answered({"data": {"type": "entity_schema", "id": call.match["id"], "attributes": _sections(record)}})


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


async def labels(instance: Instance, call: Call) -> Reply:
    """GET /api/{entity}/labels."""
    instance.fleet(call.entity)
    names = instance.families[call.entity].labels
    return answered({"data": [{"type": "string_value_schema", "attributes": {"value": name}} for name in names]})


_ENTITY = r"/api/(?P<entity>[a-z_]+)"
ROUTES = (
    Route("count", "POST", re.compile(_ENTITY + "/count"), count),
    Route("fields", "GET", re.compile(_ENTITY + "/fields"), fields),
    Route("labels", "GET", re.compile(_ENTITY + "/(?:labels|expirable_tags_names)"), labels),
    Route("asset", "GET", re.compile(_ENTITY + "/(?P<id>[0-9a-z]{32})"), asset),
    Route("page", "POST", re.compile(_ENTITY), page, read_ask),
)
