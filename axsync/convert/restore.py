"""Restores the served record from a row and its lane's manifest entry.

Keys are the Axonius names of the fields, whatever spelling the server used. A number comes back as int, as float if
that float's shortest text denotes exactly the same number, else as Decimal.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson

from axsync.convert import exact, rescue
from axsync.convert.exact import Number, Value
from axsync.convert.strict import exact_float
from axsync.model import Json
from axsync.schema import dates, forms, kinds
from axsync.schema.fields import (
    EPOCHS,
    RESCUED,
    RFC1123,
    Atom,
    Column,
    Group,
    Kind,
    Many,
    Wrapped,
    type_text,
    with_dates,
)
from axsync.schema.keys import OVERFLOW

Restored: TypeAlias = "bool | int | float | str | Decimal | Number | list[Restored] | dict[str, Restored] | None"

_INT_DIGITS: Final = 4_000  # Python refuses to read longer integers from text


def describe(column: Column) -> dict[str, Json]:
    """The column's entry in the manifest; `kind` only if the type text does not say everything."""
    text = type_text(column.kind)
    entry: dict[str, Json] = {"field": column.field, "type": text, "dates": column.dates}
    told = kinds.from_type(text)
    if told is None or with_dates(replace(column, kind=told), column.dates).kind != column.kind:
        entry["kind"] = kinds.to_json(column.kind)
    if column.field == OVERFLOW:
        entry["overflow"] = True
    return entry


def columns_of(lane: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns that a lane's manifest entry describes, with their full names as keys."""
    return tuple(_column(name, orjson.dumps(entry)) for name, entry in lane["columns"].items())


def restore(row: Mapping[str, object], lane: Mapping[str, Any]) -> dict[str, Restored]:
    """The served record of this row, as pyarrow's `to_pylist` or a DuckDB fetch returns it."""
    record: dict[str, Restored] = {}
    for name, entry in lane["columns"].items():
        value = row.get(name)
        if value is not None:
            column = _column(name, orjson.dumps(entry))
            back = restore_value(value, column)
            record |= _object(back) if column.field == OVERFLOW else {column.field: back}
    rescued = row.get(RESCUED)
    return _overlay(record, rescue.parse(str(rescued))) if rescued is not None else record


def restore_value(value: object, column: Column) -> Restored:
    """What was served for this value of a column, as far as the column alone can tell."""
    return _restore(value, column.kind)


@lru_cache(maxsize=1 << 14)
def _column(name: str, written: bytes) -> Column:
    entry = orjson.loads(written)
    kind = kinds.from_json(entry["kind"]) if "kind" in entry else kinds.from_type(entry["type"])
    if kind is None:
        raise ValueError(f"column {name!r} has an unknown type: {entry['type']!r}")
    field = OVERFLOW if entry.get("overflow") else entry["field"]
    return with_dates(Column(name, field, field, kind), entry.get("dates"))


def _restore(value: Any, kind: Kind) -> Restored:  # noqa: ANN401  # whatever a Parquet reader returns
    match kind:
        case _ if value is None:
            return None
        case Many(item, bare):
            found = [_restore(element, item) for element in value]
            # For any other length, the served value is in the rescue column.
            return found[0] if bare and len(found) == 1 else found
        case Wrapped(item):
            return [_restore(value, item)]
        case Group(members):
            parts = ((member, value.get(member.name)) for member in members)
            return {member.key: _restore(part, member.kind) for member, part in parts if part is not None}
        case Atom():
            return _restore_atom(value, kind)


def _restore_atom(value: Any, atom: Atom) -> Restored:  # noqa: ANN401  # the same
    if atom.name == "json":
        return _plain(exact.read(value, levels=exact.DEPTH + 1))
    if isinstance(value, datetime):
        micros, form = dates.micros_of(value), atom.form or RFC1123
        return dates.to_epoch(micros, form) if form in EPOCHS else dates.write(micros, form)
    if isinstance(value, date):
        return value.isoformat()
    if forms.is_text(atom):
        return forms.write(value, atom)
    return int(value) if atom.form == "0/1" else value


def _plain(value: Value) -> Restored:
    match value:
        case Number(text):
            return _number(text)
        case list():
            return list(map(_plain, value))
        case dict():
            return {key: _plain(member) for key, member in value.items()}
        case _:
            return value


def _number(text: str) -> Restored:
    if text.removeprefix("-").isdigit() and len(text) <= _INT_DIGITS and text != "-0":
        return int(text)
    number = exact_float(text)
    if number is not None:
        return number
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits
        return Number(text)


def _overlay(record: dict[str, Restored], rescued: Mapping[str, Value]) -> dict[str, Restored]:
    for path, value in rescued.items():
        field, steps = rescue.split_path(path)
        place: Any = record
        *way, last = field, *steps
        for step in way:
            place = place[step]
        place[last] = _plain(value)
    return record


def _object(value: Restored) -> dict[str, Restored]:
    if not isinstance(value, dict):
        raise TypeError("an overflow column must hold objects")
    return value
