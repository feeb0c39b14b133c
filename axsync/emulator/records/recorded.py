"""Families with the shapes of a real server, as a record of shapes tells them; the values are invented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

from axsync.emulator.columns import NUMBER, Column, Draw, Family, Json, Kind, Recorded
from axsync.emulator.likeness import Wire

_AGGREGATED, _ADAPTER = "specific_data.data.", "adapters_data."
_BASE = frozenset({"internal_axon_id", "adapters", "adapter_list_length"})  # the emulator's own, whatever a record says
_FIRST_STAMP, _LAST_STAMP = 1_600_000_000, 1_795_000_000  # seconds since 1970
_LETTERS = "abcdefghjkmnpqrstuvwxyz"
_OWN_LENGTH = len("v-0000000")  # of a text that holds the number of its row
_PLAIN_DRAWS: dict[str, Draw] = {
    "integer": lambda dice: dice.randint(0, 9_999),
    "number": lambda dice: dice.randint(0, 9_999) + dice.randint(1, 99) / 100,
    "bool": lambda dice: dice.random() < 0.5,
    "null": lambda _dice: None,
}
# How an ISO date of so many characters is written; any other length stands for the first.
_ISO = {
    20: "%Y-%m-%dT%H:%M:%SZ",
    19: "%Y-%m-%dT%H:%M:%S",
    24: "%Y-%m-%dT%H:%M:%S.000Z",
    25: "%Y-%m-%dT%H:%M:%S+00:00",
    26: "%Y-%m-%d %H:%M:%S.%f",
    27: "%Y-%m-%dT%H:%M:%S.%fZ",
    32: "%Y-%m-%dT%H:%M:%S.%f+00:00",
}


def recorded(entity: str, fields: Mapping[str, Wire]) -> Family:
    """The family whose records have *fields*, each in its recorded shape, in every row."""
    found = tuple(_recorded(name, wire) for name, wire in fields.items() if name not in _BASE)
    adapters = tuple(dict.fromkeys(one.source for one in found if one.source not in ("generic", "gui")))
    return Family(
        entity,
        columns=(),
        adapters=adapters or ("nimbus_adapter",),
        special={},
        counted="adapter_list_length" in fields or not _BASE & set(fields),
        recorded=found,
    )


def _recorded(name: str, wire: Wire) -> Recorded:
    column = _column(name, wire, merged=name.startswith(_AGGREGATED))
    source = name.split(".")[1] if name.startswith(_ADAPTER) else "generic"
    return Recorded(column, source)


def _column(name: str, wire: Wire, *, merged: bool = False) -> Column:
    rows = wire if wire.type == "object" else wire.items if wire.type == "list" else None
    if rows is not None and rows.type == "object":
        members = tuple(_column(key, member) for key, member in rows.members.items())
        return Column(name, Kind("array", "table", Kind("array")), lambda dice: made(wire, dice), columns=members)
    return Column(name, _kind(wire, merged=merged), lambda dice: made(wire, dice))


def _kind(wire: Wire, *, merged: bool = False) -> Kind:
    # A catalogue tells the type of what an adapter says, not whether what it says was merged into a list.
    if wire.type == "list":
        items = Kind("string") if wire.items is None else _kind(wire.items)
        return items if merged else Kind("array", None, items)
    return Kind("string" if wire.type == "null" else wire.type)


def made(wire: Wire, dice: Random) -> Json:
    """A value in exactly this shape."""
    if wire.type == "object":
        return {key: made(member, dice) for key, member in wire.members.items()}
    if wire.type == "list":
        return [made(wire.items, dice) for _ in range(wire.length)] if wire.items is not None else []
    if wire.type == "string":
        return _text(wire, dice)
    return _PLAIN_DRAWS[wire.type](dice)


def _text(wire: Wire, dice: Random) -> str:
    then = datetime.fromtimestamp(dice.randrange(_FIRST_STAMP, _LAST_STAMP), UTC)
    match wire.form:
        case "rfc1123":
            return format_datetime(then, usegmt=True)
        case "iso":
            return then.strftime(_ISO.get(wire.length, _ISO[20]))
        case "day":
            return then.strftime("%Y-%m-%d")
        case "number":
            return _digits(wire.length, dice)
    return _letters(wire.length, dice)


def _digits(length: int, dice: Random) -> str:
    digits = [dice.choice("123456789") for _ in range(max(length, 1))]
    if length > 2:
        digits[length // 2] = "."
    return "".join(digits)


def _letters(length: int, dice: Random) -> str:
    # Where there is room, a text tells its row, so that rows differ.
    own = f"v-{NUMBER}" if length >= _OWN_LENGTH else ""
    return own + "".join(dice.choice(_LETTERS) for _ in range(length - (_OWN_LENGTH if own else 0)))
