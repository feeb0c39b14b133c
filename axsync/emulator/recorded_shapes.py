"""Records of shapes: what the values of a real server look like, without the values.

A model with recorded shapes draws invented values in exactly these shapes. The file is JSON: `{"format_version": 1,
"api": "v1"|"v2", "server_version": TEXT or null, "entities": {ENTITY: {"fields": {NAME: SHAPE}}}}`. A SHAPE is one of

    {"type": "list", "length": N, "items": SHAPE}
    {"type": "object", "members": {NAME: SHAPE}}
    {"type": "string", "length": N, "form": "rfc1123"|"iso"|"day"|"number"|null}
    {"type": "integer"|"number"|"bool"|"null"}

Other keys are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

from axsync.emulator.fields import (
    ADAPTERS,
    AGGREGATED,
    FIRST_STAMP,
    LAST_STAMP,
    NUMBER,
    Draw,
    EntityModel,
    FieldSpec,
    Json,
    Kind,
    RecordedField,
)

FORMAT_VERSION = 1
GENERATIONS = ("v1", "v2")
FORMS = ("rfc1123", "iso", "day", "number")
_PLAIN = ("integer", "number", "bool", "null")
_DEEPEST, _LONGEST_LIST, _LONGEST_TEXT = 32, 10_000, 1_000_000  # no probe writes more than this
_BASE = frozenset(
    {"internal_axon_id", "adapters", "adapter_list_length"}
)  # added by the emulator itself, whatever the record says
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_OWN_LENGTH = len("v-0000000")  # of a text that contains its row number
_PLAIN_DRAWS: dict[str, Draw] = {
    "integer": lambda rng: rng.randint(0, 9_999),
    "number": lambda rng: rng.randint(0, 9_999) + rng.randint(1, 99) / 100,
    "bool": lambda rng: rng.random() < 0.5,
    "null": lambda _rng: None,
}
# The form of an ISO date with this many characters; the first one is used for any other length.
_ISO = {
    20: "%Y-%m-%dT%H:%M:%SZ",
    19: "%Y-%m-%dT%H:%M:%S",
    24: "%Y-%m-%dT%H:%M:%S.000Z",
    25: "%Y-%m-%dT%H:%M:%S+00:00",
    26: "%Y-%m-%d %H:%M:%S.%f",
    27: "%Y-%m-%dT%H:%M:%S.%fZ",
    32: "%Y-%m-%dT%H:%M:%S.%f+00:00",
}


@dataclass(frozen=True, slots=True)
class ValueShape:
    """The shape of one value."""

    type: str  # string | integer | number | bool | null | list | object
    length: int = 0  # of a string in characters, of a list in elements
    form: str | None = None  # of a string
    items: ValueShape | None = None  # of a list; None: unknown
    members: Mapping[str, ValueShape] = field(default_factory=dict)  # of an object


@dataclass(frozen=True, slots=True)
class RecordedShapes:
    """A record of shapes: entity type -> field -> shape."""

    api: str  # v1 | v2
    server_version: str | None
    entities: Mapping[str, Mapping[str, ValueShape]]


def read_recorded_shapes(text: str) -> RecordedShapes:
    """Read the content of a file.

    Raises:
        ValueError: it is not a record of shapes; one sentence that says where.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error
    if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
        raise ValueError(f'is not a record of shapes with "format_version": {FORMAT_VERSION}')
    api, version = content.get("api"), content.get("server_version")
    if api not in GENERATIONS:
        raise ValueError(f'has "api": {json.dumps(api)}, which is neither "v1" nor "v2"')
    if version is not None and not isinstance(version, str):
        raise ValueError('has a "server_version" that is not a string')
    return RecordedShapes(api, version, _entities(content.get("entities")))


def _entities(found: Json) -> dict[str, dict[str, ValueShape]]:
    if not isinstance(found, dict) or not found:
        raise ValueError('has no "entities"')
    return {entity: _fields(entity, described) for entity, described in found.items()}


def _fields(entity: str, described: Json) -> dict[str, ValueShape]:
    if not re.fullmatch("[a-z][a-z0-9_]*", entity):
        raise ValueError(f"names an entity type {entity!r}: small letters, digits and underscores only")
    fields = described.get("fields") if isinstance(described, dict) else None
    if not isinstance(fields, dict):
        raise ValueError(f'has no "fields" for {entity}')  # noqa: TRY004  the content is wrong, not the caller
    return {name: _shape(shape, f"{entity} {name}", 0) for name, shape in fields.items()}


def _shape(shape: Json, place: str, depth: int) -> ValueShape:
    kind = shape.get("type") if isinstance(shape, dict) else None
    if depth > _DEEPEST:
        raise ValueError(f"nests deeper than {_DEEPEST} levels in {place}")
    if kind == "string":
        return _string(shape, place)
    if kind == "list":
        return _list(shape, place, depth)
    if kind == "object":
        members = shape.get("members", {})
        if not isinstance(members, dict):
            raise ValueError(f'has "members" that are not an object in {place}')
        return ValueShape(
            "object", members={key: _shape(one, f"{place}.{key}", depth + 1) for key, one in members.items()}
        )
    if kind not in _PLAIN:
        raise ValueError(f"has an unknown shape in {place}: {json.dumps(shape, ensure_ascii=False)[:80]}")
    return ValueShape(str(kind))


def _string(shape: dict[str, Json], place: str) -> ValueShape:
    form = shape.get("form")
    if form is not None and form not in FORMS:
        raise ValueError(f"has an unknown form of text in {place}: {json.dumps(form)[:80]}")
    return ValueShape("string", _length(shape, place, _LONGEST_TEXT), form)


def _list(shape: dict[str, Json], place: str, depth: int) -> ValueShape:
    items = shape.get("items")
    length = _length(shape, place, _LONGEST_LIST)
    if items is None and length:
        raise ValueError(f'has a list without "items" in {place}')
    return ValueShape("list", length, items=None if items is None else _shape(items, f"{place}[]", depth + 1))


def _length(shape: dict[str, Json], place: str, maximum: int) -> int:
    length = shape.get("length", 0)
    if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length <= maximum:
        raise ValueError(f'has a "length" that is not a number from 0 to {maximum} in {place}')
    return length


def recorded(entity: str, fields: Mapping[str, ValueShape]) -> EntityModel:
    """The model whose records have all *fields* in every row, each in its recorded shape."""
    found = tuple(_recorded(name, shape) for name, shape in fields.items() if name not in _BASE)
    adapters = tuple(dict.fromkeys(one.source for one in found if one.source not in ("generic", "gui")))
    return EntityModel(
        entity,
        columns=(),
        adapters=adapters or ("nimbus_adapter",),
        special={},
        counted="adapter_list_length" in fields or not _BASE & set(fields),
        recorded=found,
    )


def _recorded(name: str, shape: ValueShape) -> RecordedField:
    column = _column(name, shape, merged=name.startswith(AGGREGATED))
    source = name.split(".")[1] if name.startswith(ADAPTERS) else "generic"
    return RecordedField(column, source)


def _column(name: str, shape: ValueShape, *, merged: bool = False) -> FieldSpec:
    rows = shape if shape.type == "object" else shape.items if shape.type == "list" else None
    if rows is not None and rows.type == "object":
        members = tuple(_column(key, member) for key, member in rows.members.items())
        return FieldSpec(
            name, Kind("array", "table", Kind("array")), lambda rng: draw_value(shape, rng), columns=members
        )
    return FieldSpec(name, _kind(shape, merged=merged), lambda rng: draw_value(shape, rng))


def _kind(shape: ValueShape, *, merged: bool = False) -> Kind:
    # A catalogue states the type of an adapter's value, not that values of several adapters are merged into a list.
    if shape.type == "list":
        items = Kind("string") if shape.items is None else _kind(shape.items)
        return items if merged else Kind("array", None, items)
    return Kind("string" if shape.type == "null" else shape.type)


def draw_value(shape: ValueShape, rng: Random) -> Json:
    """An invented value in exactly this shape."""
    if shape.type == "object":
        return {key: draw_value(member, rng) for key, member in shape.members.items()}
    if shape.type == "list":
        return [draw_value(shape.items, rng) for _ in range(shape.length)] if shape.items is not None else []
    if shape.type == "string":
        return _text(shape, rng)
    return _PLAIN_DRAWS[shape.type](rng)


def _text(shape: ValueShape, rng: Random) -> str:
    then = datetime.fromtimestamp(rng.randrange(FIRST_STAMP, LAST_STAMP), UTC)
    match shape.form:
        case "rfc1123":
            return format_datetime(then, usegmt=True)
        case "iso":
            return then.strftime(_ISO.get(shape.length, _ISO[20]))
        case "day":
            return then.strftime("%Y-%m-%d")
        case "number":
            return _digits(shape.length, rng)
    return _letters(shape.length, rng)


def _digits(length: int, rng: Random) -> str:
    digits = [rng.choice("123456789") for _ in range(max(length, 1))]
    if length > 2:
        digits[length // 2] = "."
    return "".join(digits)


def _letters(length: int, rng: Random) -> str:
    # If there is room, a text contains its row number, so that rows differ.
    own = f"v-{NUMBER}" if length >= _OWN_LENGTH else ""
    return own + "".join(rng.choice(_LETTERS) for _ in range(length - (_OWN_LENGTH if own else 0)))
