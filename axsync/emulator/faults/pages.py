"""Faults of pages, counts and records: which rows a page has, what its meta claims, what single records look like.

Faulty records are JSON that a strict parser rejects, or values that a lenient one gets wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

from axsync.emulator.faults import Fault
from axsync.emulator.fields import Json
from axsync.emulator.instance import Instance
from axsync.emulator.messages import ApiRequest
from axsync.emulator.pages import PageDraft, PageRequest
from axsync.emulator.rendering import RowLayout

_FIELD = "specific_data.data.name"
_RESERVED = ("axsync_rescued", "axsync_run_id", "axsync_fetched_at", "_axsync_overflow", "entity", "instance", "dt")


async def faulty_page(instance: Instance, request: ApiRequest) -> PageDraft:
    """The requested page, with all faults of the request injected."""
    page = request.page_request
    for fault in request.faults:
        if fault.kind in REQUEST_FAULTS:
            page = REQUEST_FAULTS[fault.kind](instance, page, fault)
    draft = await instance.draft(page)
    draft.request = request.page_request  # meta describes the original request, as if nothing had gone wrong
    for fault in request.faults:
        if fault.kind in DRAFT_FAULTS:
            DRAFT_FAULTS[fault.kind](instance, draft, fault)
        _corrupt(instance, draft, fault)
    return draft


def faulty_count(faults: Iterable[Fault], correct: int) -> Json:
    """The *correct* count, unless a fault makes it null or another number."""
    for fault in faults:
        if fault.kind == "count-null":
            return None
        if fault.kind == "count":
            return fault.details.get("to", correct + fault.integer("by", 0))
    return correct


# --- before the rows are selected -----------------------------------------------------------------------------------


def _clamp(_instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """At most `limit` rows, however many were requested."""
    return replace(page, limit=min(page.limit, fault.integer("limit", 100)))


def _oversize(_instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """`extra` rows more than requested."""
    return replace(page, limit=page.limit + fault.integer("extra", 5))


def _repeat_page(_instance: Instance, page: PageRequest, _fault: Fault) -> PageRequest:
    """Ignore the offset: always serve the first page."""
    return replace(page, offset=0)


def _never_ending(instance: Instance, page: PageRequest, _fault: Fault) -> PageRequest:
    """Past the end, start over with the first row."""
    return replace(page, offset=page.offset % max(len(instance.rows(page)), 1))


def _shift(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Insert `insert` and delete `delete` rows at `position` (default: somewhere before the page)."""
    dataset = instance.dataset(page.entity)
    for _ in range(fault.integer("insert", 1)):
        fault.ids.append(dataset.insert(_position(instance, page, fault, len(dataset))))
    for _ in range(fault.integer("delete", 0)):
        if len(dataset):
            fault.ids.append(dataset.delete(_position(instance, page, fault, len(dataset) - 1)))
    return page


def _position(instance: Instance, page: PageRequest, fault: Fault, maximum: int) -> int:
    if "position" in fault.details:
        return min(fault.integer("position", 0), maximum)
    return instance.rng.randint(0, min(page.offset, maximum))


def _reorder(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Move `moves` rows, as an unstable sort would."""
    dataset = instance.dataset(page.entity)
    for _ in range(fault.integer("moves", 10) if len(dataset) else 0):
        fault.ids.append(dataset.move(instance.rng.randrange(len(dataset)), instance.rng.randrange(len(dataset))))
    return page


def _churn(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Insert and delete rows at random, so that `percent` of them change while all pages are read."""
    dataset = instance.dataset(page.entity)
    due = fault.number("_rest", 0.0) + min(page.limit, len(dataset)) * fault.number("percent", 5.0) / 100
    fault.details["_rest"] = due % 1
    for _ in range(int(due)):
        if instance.rng.random() < 0.5 or not len(dataset):
            fault.ids.append(dataset.insert(instance.rng.randint(0, len(dataset))))
        else:
            fault.ids.append(dataset.delete(instance.rng.randrange(len(dataset))))
    return page


def _discovery_starts(instance: Instance, page: PageRequest, fault: Fault) -> PageRequest:
    """Start a discovery cycle (`status`)."""
    instance.discovery = fault.text("status", "running")
    return page


REQUEST_FAULTS: dict[str, Callable[[Instance, PageRequest, Fault], PageRequest]] = {
    "clamp": _clamp,
    "oversize": _oversize,
    "repeat-page": _repeat_page,
    "never-ending": _never_ending,
    "shift": _shift,
    "churn": _churn,
    "reorder": _reorder,
    "discovery-starts": _discovery_starts,
}

# --- after they are rendered ----------------------------------------------------------------------------------------


def _short_page(_instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Serve only `rows` rows, or `share` of them."""
    keep = fault.integer("rows", int(len(draft.rows) * fault.number("share", 0.5)))
    del draft.rows[keep:], draft.ids[keep:]


def _empty_page(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Serve no rows, although rows remain."""
    del draft.rows[:], draft.ids[:]


def _shuffle(instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Serve the rows in random order."""
    order = list(range(len(draft.rows)))
    instance.rng.shuffle(order)
    draft.rows[:], draft.ids[:] = [draft.rows[at] for at in order], [draft.ids[at] for at in order]


def _duplicate_row(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Start with the last row of the previous page; on the first page, repeat the first row."""
    if not draft.rows:
        return
    dataset, rows = instance.dataset(draft.request.entity), instance.rows(draft.request)
    number = rows[max(min(draft.request.offset, len(rows)) - 1, 0)]
    draft.rows.insert(0, dataset.renderer.row(number, draft.request.layout))
    draft.ids.insert(0, dataset.ids_of.text(number))
    fault.ids.append(dataset.ids_of.text(number))


def _same_id(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Repeat a row with the same id and different content."""
    if not draft.rows or draft.ids[0] is None:
        return
    dataset = instance.dataset(draft.request.entity)
    other = dataset.renderer.row(len(dataset) + 10**6, draft.request.layout)
    other_id = dataset.ids_of.text(len(dataset) + 10**6)
    draft.rows.append(other.replace(other_id.encode(), draft.ids[0].encode()))
    draft.ids.append(draft.ids[0])
    fault.ids.append(draft.ids[0])


def _total(_instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Set the total to `to` (a number, or "absent"), or change it by `by`."""
    to = fault.details.get("to")
    if to == "absent":
        draft.total = None
    elif to is not None:
        draft.total = to
    else:
        draft.total += fault.integer("by", 1)


def _token_loop(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Return the token that was sent."""
    draft.next_token = draft.request.continuation


def _token_vanishes(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Return no token, although rows remain."""
    draft.next_token = ""


def _empty_meta(_instance: Instance, draft: PageDraft, _fault: Fault) -> None:
    """Return an empty meta."""
    draft.meta = False


def _no_specific_data(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Omit specific_data from `share` of the rows."""
    fields = tuple(name for name in draft.request.layout.fields or () if name != "specific_data")
    _render_again(instance, draft, fault, replace(draft.request.layout, fields=fields))


def _other_keys(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Use the other version's key style in `share` of the rows."""
    _render_again(instance, draft, fault, replace(draft.request.layout, short_keys=not draft.request.layout.short_keys))


def _render_again(instance: Instance, draft: PageDraft, fault: Fault, layout: RowLayout) -> None:
    dataset = instance.dataset(draft.request.entity)
    for at, identity in enumerate(draft.ids):
        number = None if identity is None else dataset.number(identity)
        if number is not None and identity and instance.rng.random() < fault.number("share", 0.2):
            draft.rows[at] = dataset.renderer.row(number, layout)
            fault.ids.append(identity)


DRAFT_FAULTS: dict[str, Callable[[Instance, PageDraft, Fault], None]] = {
    "short-page": _short_page,
    "empty-page": _empty_page,
    "shuffle": _shuffle,
    "duplicate-row": _duplicate_row,
    "same-id": _same_id,
    "total": _total,
    "token-loop": _token_loop,
    "token-vanishes": _token_vanishes,
    "empty-meta": _empty_meta,
    "no-specific-data": _no_specific_data,
    "other-keys": _other_keys,
}

# --- single records ---------------------------------------------------------------------------------------------------


def _corrupt(instance: Instance, draft: PageDraft, fault: Fault) -> None:
    """Change `share` of the rows (at least one) if *fault* is a fault of records."""
    change = RECORD_FAULTS.get(fault.kind)
    if change is None or not draft.rows:
        return
    count = max(1, round(len(draft.rows) * fault.number("share", 0.0)))
    for at in sorted(instance.rng.sample(range(len(draft.rows)), min(count, len(draft.rows)))):
        fault.ids.append(draft.ids[at] or "")
        draft.rows[at] = change(draft.rows[at], fault)
        if fault.kind in _WITHOUT_ID:
            draft.ids[at] = None


def _set(value: bytes | Callable[[Fault], bytes]) -> Callable[[bytes, Fault], bytes]:
    """A change that replaces the value of `field` by raw JSON."""

    def change(row: bytes, fault: Fault) -> bytes:
        name = fault.text("field", _FIELD)
        raw = value(fault) if callable(value) else value
        return _extended(_without(row, name), json.dumps(name, ensure_ascii=False).encode() + b":" + raw)

    return change


def _extended(row: bytes, members: bytes) -> bytes:
    return row[:-1] + (b"," if len(row) > 2 else b"") + members + b"}"


def _without(row: bytes, *names: str) -> bytes:
    # A round trip through json preserves key order, big integers, and floats as Python writes them.
    kept = {key: value for key, value in json.loads(row).items() if key not in names}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def _duplicate_keys(row: bytes, fault: Fault) -> bytes:
    name = json.dumps(fault.text("field", _FIELD)).encode()
    return _extended(row, name + b':["first twin"],' + name + b':["second twin"]')


def _deep(fault: Fault) -> bytes:
    depth = fault.integer("depth", 1025)
    return b"[" * depth + b"]" * depth


def _many_keys(row: bytes, fault: Fault) -> bytes:
    count = fault.integer("count", 100_000)
    return _extended(row, b",".join(b'"specific_data.data.k%d":%d' % (at, at) for at in range(count)))


def _huge_text(fault: Fault) -> bytes:
    return b'["' + b"x" * fault.integer("size", 10_000_000) + b'"]'


def _long_list(fault: Fault) -> bytes:
    return b"[" + b",".join([b"7"] * fault.integer("count", 1_000_000)) + b"]"


def _twin_keys(row: bytes, fault: Fault) -> bytes:
    name = fault.text("field", _FIELD)
    respelled = {name.upper(): ["UPPER"], name.title(): ["Title"]}
    return _extended(row, _members(respelled))


def _own_names(row: bytes, _fault: Fault) -> bytes:
    return _extended(row, _members(dict.fromkeys(_RESERVED, "from the server")))


def _odd_names(row: bytes, _fault: Fault) -> bytes:
    odd = {"": "empty", " ": "space", "a.b..c": 1, "_leading": 2, "select": 3, "é" * 150: 4, "x=y/../z": 5}
    return _extended(row, _members(odd))


def _members(members: dict[str, Json]) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode()[1:-1]


def _id(raw: bytes | None) -> Callable[[bytes, Fault], bytes]:
    def change(row: bytes, _fault: Fault) -> bytes:
        rest = _without(row, "internal_axon_id")
        return rest if raw is None else _extended(rest, b'"internal_axon_id":' + raw)

    return change


def _not_object(_row: bytes, fault: Fault) -> bytes:
    return fault.text("value", '"not a record"').encode()


_WITHOUT_ID = {"no-id", "number-id", "null-id", "empty-id", "list-id", "not-object"}
RECORD_FAULTS: dict[str, Callable[[bytes, Fault], bytes]] = {
    "duplicate-keys": _duplicate_keys,
    "nan": _set(b"[NaN]"),
    "infinity": _set(b"[Infinity,-Infinity]"),
    "huge-float": _set(b"[1e400]"),
    "big-integer": _set(b"[18446744073709551621]"),
    "lone-surrogate": _set(b'["\\ud800 alone"]'),
    "bad-utf8": _set(b'["caf\xe9 \xff"]'),
    "nul": _set(b'["nul \\u0000 inside"]'),
    "raw-control": _set(b'["raw \x01 control"]'),
    "inner-bom": _set(b'["\xef\xbb\xbfmarked"]'),
    "deep": _set(_deep),
    "many-keys": _many_keys,
    "huge-text": _set(_huge_text),
    "long-list": _set(_long_list),
    "raw": _set(lambda fault: fault.text("value", "null").encode()),
    "twin-keys": _twin_keys,
    "own-names": _own_names,
    "odd-names": _odd_names,
    "no-id": _id(None),
    "number-id": _id(b"12345"),
    "null-id": _id(b"null"),
    "empty-id": _id(b'""'),
    "list-id": _id(b'["a","b"]'),
    "not-object": _not_object,
}
