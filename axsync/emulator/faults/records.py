"""Faults of single records: JSON that a strict parser rejects, and values that a lenient one gets wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

from axsync.emulator.faults.fault import Fault
from axsync.emulator.fields import Json
from axsync.emulator.instance import Instance
from axsync.emulator.pages import PageDraft

_FIELD = "specific_data.data.name"
_RESERVED = ("axsync_rescued", "axsync_run_id", "axsync_fetched_at", "_axsync_overflow", "entity", "instance", "dt")


def corrupt(instance: Instance, draft: PageDraft, fault: Fault) -> None:
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
