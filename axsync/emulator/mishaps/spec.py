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
    for item in filter(None, rest.split(",")):
        name, equals, value = item.partition("=")
        if equals:
            arguments[name] = value if name in _SCOPES else _value(value)
        else:
            arguments["probability" if isinstance(_value(item), int | float) else "entity"] = _value(item)
    return Mishap(_ALIASES.get(kind, kind), **arguments)


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text
