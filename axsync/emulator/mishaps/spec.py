"""How a flag spells a mishap."""

from __future__ import annotations

import json

from axsync.emulator.columns import Json
from axsync.emulator.mishaps.model import Mishap

_ALIASES = {"forbid": "403", "unlicensed": "404"}
_SCOPES = ("entity", "on")


def from_spec(spec: str) -> Mishap:
    """Read KIND[:ITEM[,ITEM…]]: a number is the probability, a word the entity type, NAME=VALUE a scope or detail.

    Raises:
        ValueError: the kind is unknown.
    """
    kind, _, rest = spec.partition(":")
    arguments: dict[str, Json] = {}
    for item in filter(None, _items(rest)):
        name, equals, value = item.partition("=")
        if equals:
            arguments[name] = value if name in _SCOPES else _value(value)
        else:
            arguments["probability" if isinstance(_value(item), int | float) else "entity"] = _value(item)
    return Mishap(_ALIASES.get(kind, kind), **arguments)


def _items(text: str) -> list[str]:
    """The parts between commas; a JSON list, object or text has commas of its own."""
    items: list[str] = []
    for piece in text.split(","):
        if items and _unfinished(items[-1].partition("=")[2]):
            items[-1] += f",{piece}"
        else:
            items.append(piece)
    return items


def _unfinished(value: str) -> bool:
    if not value.startswith(("{", "[", '"')):
        return False
    try:
        json.loads(value)
    except ValueError:
        return True
    return False


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text
