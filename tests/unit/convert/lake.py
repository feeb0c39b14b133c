"""A small converter and oracle for the tests: clean records to tables with pyarrow's JSON reader, and JSON equality."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.json as pj

from axsync.convert.exact import Number
from axsync.schema import dates
from axsync.schema.columns import RESCUED, Column, arrow_schema, key_owners, settle_keys
from axsync.schema.kinds import RFC1123, Atom, Group, Kind, Many, canonical

Read: TypeAlias = Any
"""What readers of JSON and of Parquet give."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READ = {"bool": pa.bool_(), "integer": pa.int64(), "number": pa.float64()}


def wire_type(kind: Kind) -> pa.DataType:
    """The type as which pyarrow reads a kind in a clean record: keys as served, dates as strings."""
    match kind:
        case Many(item):
            return pa.list_(wire_type(item))
        case Group(members):
            return pa.struct([pa.field(member.key, wire_type(member.kind)) for member in members])
        case Atom(name):
            return _READ.get(name, pa.string())


def read(columns: Sequence[Column], clean: Sequence[bytes]) -> list[dict[str, Any]]:
    """What pyarrow makes of clean records: rows by wire keys."""
    body = b'{"assets":[' + b",".join(clean) + b"]}"
    record = pa.struct([pa.field(column.json_key, wire_type(canonical(column.kind))) for column in columns])
    table = pj.read_json(
        pa.BufferReader(body),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(body) + 16),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema([("assets", pa.list_(record))]), unexpected_field_behavior="error"
        ),
    )
    batch = pa.RecordBatch.from_struct_array(table.column("assets").chunk(0).flatten())
    batch.validate(full=True)
    return [
        dict(zip(batch.schema.names, row, strict=True))
        for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
    ]


def table(columns: Sequence[Column], clean: Sequence[bytes], rescued: Sequence[str | None]) -> pa.Table:
    """The table of a part file."""
    rows = read(columns, clean)
    schema = arrow_schema(columns)
    arrays = [
        pa.array([_typed(row[c.json_key], canonical(c.kind)) for row in rows], schema.field(place).type)
        for place, c in enumerate(columns)
    ]
    empty = [pa.nulls(len(rows), schema.field(place).type) for place in (-3, -2)]
    assert schema.names[-1] == RESCUED
    return pa.Table.from_arrays([*arrays, *empty, pa.array(rescued, pa.string())], schema=schema)


def _typed(value: Read, kind: Kind) -> Read:
    match kind:
        case _ if value is None:
            return None
        case Many(item):
            return [_typed(element, item) for element in value]
        case Group(members):
            return {member.name: _typed(value[member.key], member.kind) for member in members}
        case Atom("timestamp", form):
            instant = dates.parse(value, form or RFC1123)
            assert instant is not None
            return _EPOCH + timedelta(microseconds=instant)
        case Atom("date"):
            return date.fromisoformat(value)
        case _:
            return value


class Twice(Exception):
    """A key is served twice in one object."""


def oracle(raw: bytes, columns: Sequence[Column]) -> Read:
    """The record by the standard library's own reading, keys as the lake calls the fields."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise Twice
        return dict(pairs)

    record = json.loads(
        raw.decode("utf-8"), parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=once
    )
    settled = settle_keys(record, key_owners(columns))
    names = {key: column.field if column else key for key, column in settled.items()}
    return {names[key]: value for key, value in record.items()} if len(set(names.values())) == len(names) else None


def same(value: Read) -> Read:
    """A form in which equal JSON values are equal: numbers by mathematical value, text by code points."""
    match value:
        case None | bool() | str():
            return ("value", value)
        case list():
            return ("list", [same(item) for item in value])
        case Mapping():
            return ("object", {key: same(member) for key, member in value.items()})
        case Number(text):
            return ("number", _number(text))
        case int() if abs(value) >= 10**4000:
            return ("number", _number(str(Decimal(value))))
        case _:
            return ("number", _number(repr(value) if isinstance(value, float) else str(value)))


def _number(text: str) -> object:
    if text.lower().lstrip("-") in ("nan", "inf", "infinity"):
        return text.lower().replace("infinity", "inf")
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
