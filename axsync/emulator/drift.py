"""Values that do not fit their declared type, as they were seen (docs/axonius-api.md, "Shapes of values").

Each row of the table is a small change to one specimen: some to what a single adapter says, before the
values are aggregated, some to the aggregated record. A drifted specimen carries three of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from axsync.emulator.columns import DATE, FLAG, REAL, TEXT, WHOLE, Column, Family, Json, Kind, Stamp
from axsync.emulator.specimens import AGGREGATED, POOL, Entity, Specimen, flatten, specimen

_ROWS_EACH = 3
_IPV6 = 42540766411282592856903984951653826561  # passes 64 bits, as raw IPv6 addresses do
_LONG = "long text " * 3_300  # about 33,000 characters

Said = Callable[[Random, Json], Json]  # an adapter's value -> another one
Served = Callable[[Random, Specimen], None]


def _say(made: Specimen, kind: Kind, change: Said, dice: Random) -> None:
    """Change one value of *kind* that some adapter says, in a table or beside."""
    places = [place for entity in made.entities for place in _places(made.family.columns, entity, kind)]
    if places:
        holder, name = dice.choice(places)
        holder[name] = change(dice, holder[name])


def _places(columns: Iterable[Column], entity: Entity, kind: Kind) -> Iterable[tuple[dict[str, Json], str]]:
    for column in columns:
        value = entity.values.get(column.name)
        if column.kind == kind and value is not None and column.name != "id":
            yield entity.values, column.name
        if column.complex and isinstance(value, list):
            yield from _inner_places(column, value, kind)


def _inner_places(table: Column, rows: list[Json], kind: Kind) -> Iterable[tuple[dict[str, Json], str]]:
    for inner in table.columns:
        if inner.kind == kind or (inner.kind.items == kind and kind == TEXT):
            yield from ((row, inner.name) for row in rows if isinstance(row, dict) and inner.name in row)


def _always(other: Json) -> Said:
    return lambda _dice, _value: other


def _one_of(*others: Json) -> Said:
    return lambda dice, _value: dice.choice(others)


def _turned(turn: Callable[[Json], Json]) -> Said:
    return lambda _dice, value: turn(value)


def _stamp(form: str) -> Said:
    return _turned(lambda value: replace(value, form=form) if isinstance(value, Stamp) else value)


def _flat(other: Json, *, tables: bool = False) -> Served:
    return _flat_list(lambda _values: other, tables=tables)


def _flat_list(change: Callable[[list[Json]], Json], *, tables: bool = False) -> Served:
    """A change to one aggregated list."""

    def served(dice: Random, made: Specimen) -> None:
        complex_names = {AGGREGATED + column.name for column in made.family.columns if column.complex}
        names = [
            name
            for name, value in made.flat.items()
            if isinstance(value, list) and (name in complex_names) == tables and name != f"{AGGREGATED}id"
        ]
        if names:
            name = dice.choice(names)
            made.flat[name] = change(made.flat[name])

    return served


def _special_list(dice: Random, made: Specimen) -> None:
    names = [
        name for name, value in made.flat.items() if name.startswith("adapters_data.") and not isinstance(value, list)
    ]
    if names:
        name = dice.choice(names)
        made.flat[name] = [made.flat[name]] * 2


def _stray_keys(_dice: Random, made: Specimen) -> None:
    made.stray = {
        "specific_data.data.rack: no. «7»": ["B-12"],
        "adapters_data.esx_like.Custom Attribute (x:y)": "free",
        "specific_data.data.0": [0],
    }


def _stray_members(dice: Random, made: Specimen) -> None:
    rows = _table_rows(made)
    if rows:
        dice.choice(rows).update({"unknown_member": {"a": [1, "two", None]}, "adapters.$.data.id_raw": "x"})


def _empty_object(dice: Random, made: Specimen) -> None:
    rows = _table_rows(made)
    if rows:
        dice.choice(rows).clear()


def _table_rows(made: Specimen) -> list[dict[str, Json]]:
    names = [AGGREGATED + column.name for column in made.family.columns if column.complex]
    return [row for name in names for row in made.flat.get(name, ()) if isinstance(row, dict)]


def _lacking(*keys: str) -> Served:
    """One element of specific_data comes without *keys*."""

    def served(dice: Random, made: Specimen) -> None:
        dice.choice(made.entities).lacks = keys

    return served


def _no_labels(_dice: Random, made: Specimen) -> None:
    made.flat["labels"] = []


def _nested(value: Json) -> Json:
    return value if isinstance(value, list) else [value, ["nested"]]


def _first(value: Json) -> Json:
    return value[0] if isinstance(value, list) and value else value


def _whole(value: Json) -> Json:
    return int(value) if isinstance(value, float) else value


def _fraction(value: Json) -> Json:
    return value + 0.5 if isinstance(value, int) else value


def _float(value: Json) -> Json:
    return float(value) if isinstance(value, int) else value


# What one adapter says: name -> (kind of the value, change).
SAID: dict[str, tuple[Kind, Said]] = {
    "numeric text": (REAL, _turned(str)),
    "numeric text for integer": (WHOLE, _turned(str)),
    "integer for number": (REAL, _turned(_whole)),
    "number for integer": (WHOLE, _turned(_fraction)),
    "integer written with a fraction": (WHOLE, _turned(_float)),
    "free text for number": (REAL, _always("Medium-High")),
    "big integer": (WHOLE, _one_of(2**53 + 1, 2**63, 2**64 + 5, _IPV6, -(2**63) - 1)),
    "big integer for number": (REAL, _always(2**64 + 5)),
    "negative zero": (REAL, _always(-0.0)),
    "empty text": (TEXT, _always("")),
    "empty text for number": (REAL, _always("")),
    "number for text": (TEXT, _one_of(*range(12))),
    "list for text": (TEXT, _turned(_nested)),
    "empty list for text": (TEXT, _always([])),
    "null for text": (TEXT, _always(None)),
    "object for text": (TEXT, _always({"value": "x", "bracketWeight": 1})),
    "text for list": (TEXT, _turned(_first)),
    "long text": (TEXT, _always(_LONG)),
    "odd characters": (TEXT, _always('tab\t quote" back\\slash \u2028 \U0001f512 r\\u0026d e\u0301')),
    "bool as text": (FLAG, _one_of("TRUE", "true", "no", 1, 0)),
    "other date form": (DATE, _stamp("other")),
    "wrong weekday": (DATE, _stamp("weekday")),
    "naive date": (DATE, _stamp("naive")),
    "offset date": (DATE, _stamp("offset")),
    "tight date": (DATE, _stamp("tight")),
    "date as number": (DATE, _always(1_790_000_000_123)),
    "text for date": (DATE, _one_of("never", "0001-01-01T00:00:00", "9999-12-31T23:59:59Z")),
}

# What is served once the values are aggregated: name -> change.
SERVED: dict[str, Served] = {
    "null": _flat(None),
    "list of null": _flat([None]),
    "list of empty text": _flat([""]),
    "empty list": _flat([]),
    "scalar for list": _flat_list(_first),
    "nested list": _flat_list(lambda values: [values, values[:1]]),
    "object for list of objects": _flat_list(_first, tables=True),
    "text for list of objects": _flat("see console", tables=True),
    "empty table": _flat([], tables=True),
    "several entities": _special_list,
    "unknown keys": _stray_keys,
    "unknown members": _stray_members,
    "empty object": _empty_object,
    "empty labels": _no_labels,
    "entity without type": _lacking("type", "plugin_type", "accurate_for_datetime", "client_used"),
    "entity without ids": _lacking("quick_id", "plugin_type", "client_used"),
    "entity without data": _lacking("data"),
}
ROWS = (*SAID, *SERVED)


def drifted(family: Family, seed: int) -> tuple[Specimen, ...]:
    """A pool of specimens that drift, all rows of the two tables among them."""
    return tuple(_one(family, f"{seed}/{family.entity}/{slot}", slot) for slot in range(POOL))


def _one(family: Family, seed: str, slot: int) -> Specimen:
    made, dice = specimen(family, Random(seed)), Random(f"{seed}/drift")
    names = [ROWS[slot % len(ROWS)], *dice.choices(ROWS, k=_ROWS_EACH - 1)]
    for name in names:
        if name in SAID:
            _say(made, *SAID[name], dice)
    made.flat = flatten(made, dice)
    for name in names:
        if name in SERVED:
            SERVED[name](dice, made)
    return made
