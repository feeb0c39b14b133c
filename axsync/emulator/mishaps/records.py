"""Mishaps of single records: text that a strict reader trips over."""

from __future__ import annotations

import json
from collections.abc import Callable

from axsync.emulator.asks import Sheet
from axsync.emulator.columns import Json
from axsync.emulator.instance import Instance
from axsync.emulator.mishaps.model import Mishap

_FIELD = "specific_data.data.name"
_RESERVED = ("axsync_rescued", "axsync_run_id", "axsync_fetched_at", "_axsync_overflow", "entity", "instance", "dt")


def spoil(instance: Instance, made: Sheet, mishap: Mishap) -> None:
    """Alter `share` of the rows (at least one), if *mishap* is of that sort."""
    change = RECORDS.get(mishap.kind)
    if change is None or not made.rows:
        return
    count = max(1, round(len(made.rows) * mishap.real("share", 0.0)))
    for at in sorted(instance.dice.sample(range(len(made.rows)), min(count, len(made.rows)))):
        mishap.ids.append(made.ids[at] or "")
        made.rows[at] = change(made.rows[at], mishap)
        if mishap.kind in _NAMELESS:
            made.ids[at] = None


def _put(value: bytes | Callable[[Mishap], bytes]) -> Callable[[bytes, Mishap], bytes]:
    """A change that gives `field` a raw value, in place of the one it had."""

    def change(row: bytes, mishap: Mishap) -> bytes:
        name = mishap.text("field", _FIELD)
        raw = value(mishap) if callable(value) else value
        return _extended(_without(row, name), json.dumps(name, ensure_ascii=False).encode() + b":" + raw)

    return change


def _extended(row: bytes, members: bytes) -> bytes:
    return row[:-1] + (b"," if len(row) > 2 else b"") + members + b"}"


def _without(row: bytes, *names: str) -> bytes:
    # json keeps key order, number text of floats that came from Python, and big integers.
    kept = {key: value for key, value in json.loads(row).items() if key not in names}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def _duplicate_keys(row: bytes, mishap: Mishap) -> bytes:
    name = json.dumps(mishap.text("field", _FIELD)).encode()
    return _extended(row, name + b':["first twin"],' + name + b':["second twin"]')


def _deep(mishap: Mishap) -> bytes:
    depth = mishap.whole("depth", 1025)
    return b"[" * depth + b"]" * depth


def _many_keys(row: bytes, mishap: Mishap) -> bytes:
    count = mishap.whole("count", 100_000)
    return _extended(row, b",".join(b'"specific_data.data.k%d":%d' % (at, at) for at in range(count)))


def _huge_text(mishap: Mishap) -> bytes:
    return b'["' + b"x" * mishap.whole("size", 10_000_000) + b'"]'


def _long_list(mishap: Mishap) -> bytes:
    return b"[" + b",".join([b"7"] * mishap.whole("count", 1_000_000)) + b"]"


def _twin_keys(row: bytes, mishap: Mishap) -> bytes:
    name = mishap.text("field", _FIELD)
    twins = {name.upper(): ["UPPER"], name.title(): ["Title"]}
    return _extended(row, _members(twins))


def _own_names(row: bytes, _mishap: Mishap) -> bytes:
    return _extended(row, _members(dict.fromkeys(_RESERVED, "from the server")))


def _odd_names(row: bytes, _mishap: Mishap) -> bytes:
    odd = {"": "empty", " ": "space", "a.b..c": 1, "_leading": 2, "select": 3, "é" * 150: 4, "x=y/../z": 5}
    return _extended(row, _members(odd))


def _members(members: dict[str, Json]) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode()[1:-1]


def _id(raw: bytes | None) -> Callable[[bytes, Mishap], bytes]:
    def change(row: bytes, _mishap: Mishap) -> bytes:
        rest = _without(row, "internal_axon_id")
        return rest if raw is None else _extended(rest, b'"internal_axon_id":' + raw)

    return change


def _not_object(_row: bytes, mishap: Mishap) -> bytes:
    return mishap.text("value", '"not a record"').encode()


_NAMELESS = {"no-id", "number-id", "null-id", "empty-id", "list-id", "not-object"}
RECORDS: dict[str, Callable[[bytes, Mishap], bytes]] = {
    "duplicate-keys": _duplicate_keys,
    "nan": _put(b"[NaN]"),
    "infinity": _put(b"[Infinity,-Infinity]"),
    "huge-float": _put(b"[1e400]"),
    "big-integer": _put(b"[18446744073709551621]"),
    "lone-surrogate": _put(b'["\\ud800 alone"]'),
    "bad-utf8": _put(b'["caf\xe9 \xff"]'),
    "nul": _put(b'["nul \\u0000 inside"]'),
    "raw-control": _put(b'["raw \x01 control"]'),
    "inner-bom": _put(b'["\xef\xbb\xbfmarked"]'),
    "deep": _put(_deep),
    "many-keys": _many_keys,
    "huge-text": _put(_huge_text),
    "long-list": _put(_long_list),
    "raw": _put(lambda mishap: mishap.text("value", "null").encode()),
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
