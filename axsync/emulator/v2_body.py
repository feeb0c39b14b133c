"""Reads v2 request bodies by the rules of docs/axonius-api.md, "Endpoints"."""

from __future__ import annotations

import re
from dataclasses import replace

from axsync.emulator.asks import Ask
from axsync.emulator.calls import Call, bad_request, unknown_key
from axsync.emulator.columns import Json
from axsync.emulator.forms import Form
from axsync.emulator.instance import Instance
from axsync.emulator.options import MAX_LIMIT
from axsync.emulator.saved import SavedQuery
from axsync.emulator.walks import place

_QUERIES = ("query", "saved_query_id", "saved_query_name")
_SAVED_BY = {"saved_query_id": "id", "saved_query_name": "name"}
COUNT_KEYS = frozenset({*_QUERIES, "history"})
_PAGE_KEYS = frozenset({"offset", "limit"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BOOLS = ("include_metadata", "use_cache_entry", "include_details", "return_plain_data")


def read_ask(instance: Instance, call: Call) -> Ask:
    """The page that a v2 body asks for.

    Raises:
        Refusal: a 400 that says which rule was broken.
    """
    body = checked(instance, call.body, instance.profile.accepted)
    form = _form(instance, call.entity, body)
    offset, limit = page_in(instance, body.get("page", {}))
    ask = Ask(
        call.entity,
        form,
        aql_in(instance, body),
        day_in(body),
        offset,
        limit,
        number=offset // limit + 1,
        metadata=body.get("include_metadata", True),
        cached=body.get("use_cache_entry", True),
        walk=body.get("next_page") or None,
    )
    return ask if ask.walk is None else _continued(instance, ask, ask.walk)


def checked(instance: Instance, body: Json, accepted: frozenset[str]) -> dict[str, Json]:
    """The body, once its keys and nulls are in order."""
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


def _form(instance: Instance, entity: str, body: dict[str, Json]) -> Form:
    excluded = _names(body.get("fields_to_exclude", []))
    wanted = instance.known(entity, _fields(instance, body))
    form = instance.fleet(entity).form(
        None if wanted is None else [name for name in wanted if name not in excluded],
        details=body.get("include_details", True),
        plain=body.get("return_plain_data", False),
    )
    return replace(form, excluded=excluded)


def _fields(instance: Instance, body: dict[str, Json]) -> tuple[str, ...] | None:
    """The fields to serve: those of the request, or else the columns of the saved query that it names, or None."""
    if "fields" in body:
        return _names(body["fields"])
    query = _saved(instance, body)
    return None if query is None else query.fields


def _names(names: Json) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_request("fields: Not a valid list of strings.")
    return tuple(names)


def _saved(instance: Instance, body: dict[str, Json]) -> SavedQuery | None:
    for key, by in _SAVED_BY.items():
        if body.get(key) is not None:
            return instance.saved(body[key], by)
    return None


def page_in(instance: Instance, page: Json, default: int = MAX_LIMIT) -> tuple[int, int]:
    """Offset and limit of a page object; *default* rows where it names no limit."""
    if not isinstance(page, dict):
        raise bad_request("page: Not a valid object.")
    for key in page:
        if key not in _PAGE_KEYS:
            raise unknown_key(key, _PAGE_KEYS)
    offset, limit = page.get("offset", 0), page.get("limit", default)
    if not _natural(offset) or not _natural(limit) or limit < 1:
        raise bad_request("page: offset must be 0 or more, limit 1 or more.")
    if limit > MAX_LIMIT and instance.options.reject_big_limit:
        raise bad_request(f"page.limit: must be at most {MAX_LIMIT}.")
    return offset, min(limit, MAX_LIMIT)


def _natural(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def aql_in(instance: Instance, body: dict[str, Json]) -> str | None:
    """The AQL that the body means, saved queries resolved."""
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


def _continued(instance: Instance, ask: Ask, token: str) -> Ask:
    found = place(token, instance.options.token_seconds)
    if found.print != ask.print:
        raise bad_request("The next_page token belongs to another request")
    return Ask(
        ask.entity, ask.form, ask.query, ask.day, found.offset, ask.limit, found.number, ask.metadata, walk=token
    )
