"""The v2 asset paths: pages, counts, fields, one asset, asset types (docs/axonius-api.md, "Endpoints")."""

from __future__ import annotations

import json
import re

from axsync.emulator.asks import Ask, Sheet
from axsync.emulator.calls import Call, Refusal, Reply, Route, answered
from axsync.emulator.catalogue import catalogue_v2
from axsync.emulator.columns import Json
from axsync.emulator.forms import moment
from axsync.emulator.instance import Instance
from axsync.emulator.mishaps.counts import counted
from axsync.emulator.mishaps.pages import paged
from axsync.emulator.pages import listed, page_meta
from axsync.emulator.v2_body import COUNT_KEYS, aql_in, checked, day_in, read_ask
from axsync.emulator.walks import token

TITLES = {  # what people see, where the slug does not tell
    "vulnerability_instances": "Security Findings",
    "vulnerabilities": "Aggregated Security Findings",
}
CACHE_STAMP = 1_795_003_200
_DETAIL_KEYS = frozenset({"history", "return_empty_details", "return_complex_fields_data"})


async def page(instance: Instance, call: Call) -> Reply:
    """POST /assets/{entity}."""
    made = await paged(instance, call)
    return Reply(200, b'{"assets":[' + listed(made.rows) + b"]" + _meta(instance, made) + b"}")


def _meta(instance: Instance, made: Sheet) -> bytes:
    if not made.ask.metadata:
        return b""
    if not made.meta or (made.total == 0 and not instance.profile.next_page):
        return b',"meta":{}'  # minimal when nothing matched (3.3)
    meta: dict[str, Json] = {
        "page": page_meta(made),
        "cache_last_updated": moment(CACHE_STAMP, iso=made.ask.form.iso_dates),
        "is_data_from_cache": made.ask.cached,
    }
    if instance.profile.next_page:
        meta |= {
            "next_page": _following(instance, made),
            "expand_row": False,
            "optimized_view": False,
            "relation_fields_data": False,
        }
    return b',"meta":' + json.dumps(meta).encode()


def _following(instance: Instance, made: Sheet) -> str | None:
    if made.following is not None:
        return made.following
    return instance.profile.last_token if made.last else token(made.ask, len(made.rows))


async def count(instance: Instance, call: Call) -> Reply:
    """POST /assets/{entity}/count."""
    fleet = instance.fleet(call.entity)
    body = checked(instance, call.body, COUNT_KEYS)
    ask = Ask(call.entity, fleet.form(None), aql_in(instance, body), day_in(body), 0, 1, 1)
    return answered({"value": counted(call.struck, len(instance.rows(ask)))})


async def fields(instance: Instance, call: Call) -> Reply:
    """GET /assets/{entity}/fields."""
    instance.fleet(call.entity)
    listing = catalogue_v2(
        instance.families[call.entity],
        roots_only=call.params.get("exclude_subfields", "false").lower() == "true",
        search=call.params.get("search", ""),
        formats=instance.profile.field_formats,
    )
    return answered(listing)


async def asset(instance: Instance, call: Call) -> Reply:
    """GET /assets/{entity}/{id}."""
    fleet = instance.fleet(call.entity)
    number = fleet.number(call.match["id"])
    if number is None:
        raise Refusal(404, "Not Found", f"Asset {call.match['id']} was not found")
    every = tuple(line["name"] for lines in _every(instance, call.entity).values() for line in lines)
    return Reply(200, fleet.press.row(number, fleet.form(every)))


def _every(instance: Instance, entity: str) -> dict[str, list[Json]]:
    return catalogue_v2(instance.families[entity], roots_only=True, search="", formats=False)


async def asset_types(instance: Instance, _call: Call) -> Reply:
    """GET /assets/asset_types: entries are strings, or objects on some versions."""
    if not instance.profile.asset_types:
        raise Refusal(404, "Not Found", "Asset type asset_types is not available")
    return answered({"asset_types": [_type(at, entity) for at, entity in enumerate(instance.fleets)]})


def _type(at: int, entity: str) -> Json:
    if at % 3 and entity not in TITLES:
        return entity
    return {"name": entity, "title": TITLES.get(entity) or entity.replace("_", " ").title()}


_ASSETS = r"/api/v2/assets/(?P<entity>[^/]+)"
ROUTES = (
    Route("types", "GET", re.compile(r"/api/v2/assets/asset_types"), asset_types),
    Route("page", "POST", re.compile(_ASSETS), page, read_ask),
    Route("count", "POST", re.compile(_ASSETS + "/count"), count),
    Route("fields", "GET", re.compile(_ASSETS + "/fields"), fields),
    Route("asset", "GET", re.compile(_ASSETS + "/(?P<id>[0-9a-z]+)"), asset),
)
