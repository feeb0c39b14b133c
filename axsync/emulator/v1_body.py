"""Reads v1 request bodies by the rules of docs/axonius-api.md, "Endpoints"."""

from __future__ import annotations

from dataclasses import replace

from axsync.emulator.asks import Ask
from axsync.emulator.calls import Call, Refusal, bad_request, unknown_key
from axsync.emulator.columns import Json
from axsync.emulator.instance import Instance
from axsync.emulator.options import MAX_LIMIT

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
HISTORY_TIME = "T00:02:11"  # each day's snapshot was taken then


def attributes(call: Call, accepted: frozenset[str]) -> dict[str, Json]:
    """data.attributes of the body, once its keys and nulls are in order.

    Raises:
        Refusal: a 400 or 422.
    """
    outer = call.body.get("data") if isinstance(call.body, dict) else None
    found = outer.get("attributes", {}) if isinstance(outer, dict) else None
    if not isinstance(found, dict):
        raise bad_request("Object must include `data` with `attributes`.")
    for key, value in found.items():
        if key not in accepted or (value is None and key in _UNKNOWN_WHEN_NULL):
            raise unknown_key(key, accepted)
        if value is None and key in _NEVER_NULL:
            raise Refusal(422, "Unprocessable Entity", f"{key}: Field may not be null.")
    return found


def read_ask(instance: Instance, call: Call) -> Ask:
    """The page that a v1 body asks for.

    Raises:
        Refusal: a 400 or 422.
    """
    found = attributes(call, PAGE_KEYS)
    fleet = instance.fleet(call.entity)
    form = fleet.form(
        instance.known(call.entity, _fields(call.entity, found.get("fields"))),
        details=found.get("include_details") is True,
        nulls=found.get("null_for_non_exist") is True,
        plain=found.get("return_plain_data") is True,
    )
    offset, limit = page_in(instance, found.get("page") or {})
    ask = Ask(
        call.entity,
        form,
        filter_in(found),
        day_in(found),
        offset,
        limit,
        offset // limit + 1,
        metadata=found.get("get_metadata", True) is not False,
        sort=found.get("sort"),
    )
    if found.get("use_cursor", True) is False:
        return ask
    return _placed(instance, replace(ask, cursored=True, walk=found.get("cursor_id")))


def _placed(instance: Instance, ask: Ask) -> Ask:
    # The cursor stays the same over a walk; an offset sent beside it wins, so a repeated request is answered
    # with the same page (6.2).
    if ask.walk is None:
        return ask
    mark, due, number = instance.cursors.find(ask.walk)
    if mark != ask.print:
        raise bad_request(f"Cursor {ask.walk} belongs to another request")
    return replace(ask, offset=due, number=number) if ask.offset in (0, due) else ask


def _fields(entity: str, wanted: Json) -> tuple[str, ...]:
    # Keyed by the type, or by the literal "devices" whatever the type is (4.6). Base keys always come in v1.
    if wanted is None:
        return ()
    names = wanted.get(entity, wanted.get("devices", [])) if isinstance(wanted, dict) else wanted
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_request("fields: Not a valid mapping of lists.")
    return tuple(names)


def page_in(instance: Instance, page: Json) -> tuple[int, int]:
    """Offset and limit of a page object."""
    if not isinstance(page, dict):
        raise bad_request("page: Not a valid object.")
    offset, limit = page.get("offset", 0), page.get("limit", MAX_LIMIT)
    if not _natural(offset) or not _natural(limit) or limit < 1:
        raise bad_request("page: offset must be 0 or more, limit 1 or more.")
    if limit > MAX_LIMIT and instance.options.reject_big_limit:
        raise bad_request(f"page.limit: must be at most {MAX_LIMIT}.")
    return offset, min(limit, MAX_LIMIT)


def _natural(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def filter_in(found: dict[str, Json]) -> str | None:
    """The AQL of the request; an empty filter means all."""
    text = found.get("filter") or ""
    if not isinstance(text, str):
        raise bad_request("filter: Not a valid string.")
    return text or None


def day_in(found: dict[str, Json]) -> str | None:
    """The history day: v1 wants the exact timestamp that get_allowed_dates lists."""
    history = found.get("history")
    if history is None:
        return None
    if not isinstance(history, str):
        raise bad_request("history: Not a valid datetime.")
    return history[:10] if history[10:19] == HISTORY_TIME else f"no snapshot at {history}"
