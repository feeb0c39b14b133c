"""Values that do not fit their declared type, as they were seen (docs/axonius-api.md, "Shapes of values").

Each entry of the tables below is a small change to one sample: either to the value of a single adapter, before values
are aggregated, or to the aggregated record. A drifted sample has three such changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from axsync.emulator.fields import (
    ADAPTERS,
    AGGREGATED,
    DATE,
    FLAG,
    REAL,
    TEXT,
    WHOLE,
    EntityModel,
    FieldSpec,
    Json,
    Kind,
    Stamp,
)
from axsync.emulator.samples import POOL, AdapterEntity, Sample, draw_sample, flatten

_ROWS_EACH = 3
_IPV6 = 42540766411282592856903984951653826561  # exceeds 64 bits, as raw IPv6 addresses do
_LONG = "long text " * 3_300  # about 33,000 characters

ReportedChange = Callable[[Random, Json], Json]  # an adapter's value -> the drifted one
ServedChange = Callable[[Random, Sample], None]


def _change_reported(sample: Sample, kind: Kind, change: ReportedChange, rng: Random) -> None:
    """Change one value of *kind* that some adapter reports, also inside tables."""
    places = [place for entity in sample.entities for place in _places(sample.model.columns, entity, kind)]
    if places:
        holder, name = rng.choice(places)
        holder[name] = change(rng, holder[name])


def _places(columns: Iterable[FieldSpec], entity: AdapterEntity, kind: Kind) -> Iterable[tuple[dict[str, Json], str]]:
    for column in columns:
        value = entity.values.get(column.name)
        if column.kind == kind and value is not None and column.name != "id":
            yield entity.values, column.name
        if column.complex and isinstance(value, list):
            yield from _inner_places(column, value, kind)


def _inner_places(table: FieldSpec, rows: list[Json], kind: Kind) -> Iterable[tuple[dict[str, Json], str]]:
    for inner in table.columns:
        if inner.kind == kind or (inner.kind.items == kind and kind == TEXT):
            yield from ((row, inner.name) for row in rows if isinstance(row, dict) and inner.name in row)


def _always(other: Json) -> ReportedChange:
    return lambda _rng, _value: other


def _one_of(*others: Json) -> ReportedChange:
    return lambda rng, _value: rng.choice(others)


def _turned(turn: Callable[[Json], Json]) -> ReportedChange:
    return lambda _rng, value: turn(value)


def _stamp(form: str) -> ReportedChange:
    return _turned(lambda value: replace(value, form=form) if isinstance(value, Stamp) else value)


def _flat(other: Json, *, tables: bool = False) -> ServedChange:
    return _flat_list(lambda _values: other, tables=tables)


def _flat_list(change: Callable[[list[Json]], Json], *, tables: bool = False) -> ServedChange:
    """A change to one aggregated list."""

    def served(rng: Random, sample: Sample) -> None:
        complex_names = {AGGREGATED + column.name for column in sample.model.columns if column.complex}
        names = [
            name
            for name, value in sample.flat.items()
            if isinstance(value, list) and (name in complex_names) == tables and name != f"{AGGREGATED}id"
        ]
        if names:
            name = rng.choice(names)
            sample.flat[name] = change(sample.flat[name])

    return served


def _special_list(rng: Random, sample: Sample) -> None:
    names = [name for name, value in sample.flat.items() if name.startswith(ADAPTERS) and not isinstance(value, list)]
    if names:
        name = rng.choice(names)
        sample.flat[name] = [sample.flat[name]] * 2


def _stray_keys(_rng: Random, sample: Sample) -> None:
    sample.stray = {
        "specific_data.data.rack: no. «7»": ["B-12"],
        "adapters_data.esx_like.Custom Attribute (x:y)": "free",
        "specific_data.data.0": [0],
    }


def _stray_members(rng: Random, sample: Sample) -> None:
    rows = _table_rows(sample)
    if rows:
        rng.choice(rows).update({"unknown_member": {"a": [1, "two", None]}, "adapters.$.data.id_raw": "x"})


def _empty_object(rng: Random, sample: Sample) -> None:
    rows = _table_rows(sample)
    if rows:
        rng.choice(rows).clear()


def _table_rows(sample: Sample) -> list[dict[str, Json]]:
    names = [AGGREGATED + column.name for column in sample.model.columns if column.complex]
    return [row for name in names for row in sample.flat.get(name, ()) if isinstance(row, dict)]


def _lacking(*keys: str) -> ServedChange:
    """Remove *keys* from one element of specific_data."""

    def served(rng: Random, sample: Sample) -> None:
        rng.choice(sample.entities).lacks = keys

    return served


def _no_labels(_rng: Random, sample: Sample) -> None:
    sample.flat["labels"] = []


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


# Changes to the value of one adapter: name -> (kind of the value, change).
REPORTED: dict[str, tuple[Kind, ReportedChange]] = {
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

# Changes to the aggregated record: name -> change.
SERVED: dict[str, ServedChange] = {
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
ROWS = (*REPORTED, *SERVED)


def drifted(model: EntityModel, seed: int) -> tuple[Sample, ...]:
    """A pool of drifted samples, with every entry of the two tables."""
    return tuple(_one(model, f"{seed}/{model.entity}/{slot}", slot) for slot in range(POOL))


def _one(model: EntityModel, seed: str, slot: int) -> Sample:
    sample, rng = draw_sample(model, Random(seed)), Random(f"{seed}/drift")
    names = [ROWS[slot % len(ROWS)], *rng.choices(ROWS, k=_ROWS_EACH - 1)]
    for name in names:
        if name in REPORTED:
            _change_reported(sample, *REPORTED[name], rng)
    sample.flat = flatten(sample, rng)
    for name in names:
        if name in SERVED:
            SERVED[name](rng, sample)
    return sample
