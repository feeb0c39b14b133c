"""Reads a record of shapes: what the values of a real server look like, without the values.

The file is JSON: `{"format_version": 1, "api": "v1"|"v2", "server_version": TEXT or null, "entities": {ENTITY:
{"fields": {NAME: SHAPE}}}}`. A SHAPE is one of

    {"type": "list", "length": N, "items": SHAPE}
    {"type": "object", "members": {NAME: SHAPE}}
    {"type": "string", "length": N, "form": "rfc1123"|"iso"|"day"|"number"|null}
    {"type": "integer"|"number"|"bool"|"null"}

Other keys beside these are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from axsync.emulator.columns import Json

FORMAT_VERSION = 1
GENERATIONS = ("v1", "v2")
FORMS = ("rfc1123", "iso", "day", "number")
_PLAIN = ("integer", "number", "bool", "null")
_DEEPEST, _LONGEST_LIST, _LONGEST_TEXT = 32, 10_000, 1_000_000  # beyond these a file is wrong, or no probe made it


@dataclass(frozen=True, slots=True)
class Wire:
    """The shape of one value."""

    type: str  # string | integer | number | bool | null | list | object
    length: int = 0  # of a string in characters, of a list in elements
    form: str | None = None  # of a string
    items: Wire | None = None  # of a list; None: not known
    members: Mapping[str, Wire] = field(default_factory=dict)  # of an object


@dataclass(frozen=True, slots=True)
class Likeness:
    """A whole record: entity type -> field -> shape."""

    api: str  # v1 | v2
    server_version: str | None
    entities: Mapping[str, Mapping[str, Wire]]


def read_likeness(text: str) -> Likeness:
    """Read the content of a file.

    Raises:
        ValueError: it is no record of shapes; one sentence that says where.
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
        raise ValueError('has a "server_version" that is no text')
    return Likeness(api, version, _entities(content.get("entities")))


def _entities(found: Json) -> dict[str, dict[str, Wire]]:
    if not isinstance(found, dict) or not found:
        raise ValueError('has no "entities"')
    return {entity: _fields(entity, described) for entity, described in found.items()}


def _fields(entity: str, described: Json) -> dict[str, Wire]:
    if not re.fullmatch("[a-z][a-z0-9_]*", entity):
        raise ValueError(f"names an entity type {entity!r}: small letters, digits and underscores only")
    fields = described.get("fields") if isinstance(described, dict) else None
    if not isinstance(fields, dict):
        raise ValueError(f'has no "fields" for {entity}')  # noqa: TRY004  the content is wrong, not the caller
    return {name: _wire(shape, f"{entity} {name}", 0) for name, shape in fields.items()}


def _wire(shape: Json, place: str, depth: int) -> Wire:
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
            raise ValueError(f'has "members" that are no object in {place}')
        return Wire("object", members={key: _wire(one, f"{place}.{key}", depth + 1) for key, one in members.items()})
    if kind not in _PLAIN:
        raise ValueError(f"has no shape that is known in {place}: {json.dumps(shape, ensure_ascii=False)[:80]}")
    return Wire(str(kind))


def _string(shape: dict[str, Json], place: str) -> Wire:
    form = shape.get("form")
    if form is not None and form not in FORMS:
        raise ValueError(f"has a form of text that is not known in {place}: {json.dumps(form)[:80]}")
    return Wire("string", _length(shape, place, _LONGEST_TEXT), form)


def _list(shape: dict[str, Json], place: str, depth: int) -> Wire:
    items = shape.get("items")
    length = _length(shape, place, _LONGEST_LIST)
    if items is None and length:
        raise ValueError(f'has a list without "items" in {place}')
    return Wire("list", length, items=None if items is None else _wire(items, f"{place}[]", depth + 1))


def _length(shape: dict[str, Json], place: str, most: int) -> int:
    length = shape.get("length", 0)
    if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length <= most:
        raise ValueError(f'has a "length" that is no number from 0 to {most} in {place}')
    return length
