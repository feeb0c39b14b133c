"""The rescue column, and with it the record as it was served.

The rescue column holds the JSON text of an object from paths to values exactly as served.

A path is a field name, followed by steps if only a part of the field's value had to be rescued:

    specific_data.data.cvss[2]                        third element
    specific_data.data.network_interfaces[0].mac      its key `mac`
    os["type"]                                        a first step always has brackets: field names have dots
    tags[0]["a b"]                                    a key that is no identifier is a JSON string in brackets
    ["strange[name]"][1]                              so is a field name that is empty, has a `[` or opens with `"`

In a restored record keys are the Axonius names of the fields, whatever spelling the server used. A number comes back as
int, as float if that float's shortest text denotes exactly the same number, else as Decimal.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson

from axsync.convert import exact
from axsync.convert.exact import Number, Value, exact_float
from axsync.errors import UsageError
from axsync.schema import dates
from axsync.schema.columns import OVERFLOW, RESCUED, Column, column_of
from axsync.schema.kinds import EPOCHS, RFC1123, Atom, Group, Kind, Many, Wrapped, is_text, write_text

Step: TypeAlias = int | str
Restored: TypeAlias = "bool | int | float | str | Decimal | Number | list[Restored] | dict[str, Restored] | None"

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP = re.compile(r'\[(\d+)\]|\.([A-Za-z_][A-Za-z0-9_]*)|\[("(?:[^"\\]|\\.)*")\]', re.DOTALL)
_QUOTED = re.compile(r'\[("(?:[^"\\]|\\.)*")\]', re.DOTALL)
_INT_DIGITS: Final = 4_000  # Python refuses to read longer integers from text


# ---------------------------------------------------------------------------------------------------------- the column


def join_path(field: str, steps: Sequence[Step] = ()) -> str:
    """The path of a field, or of a part of its value."""
    head = f"[{exact.dump(field)}]" if not field or "[" in field or field[0] == '"' else field
    return head + "".join(_step(step, first=not place) for place, step in enumerate(steps))


@lru_cache(maxsize=1 << 12)
def split_path(path: str) -> tuple[str, tuple[Step, ...]]:
    """Field and steps of a path; the inverse of `join_path`.

    Raises: ValueError if the text is not a path.
    """
    quoted = _QUOTED.match(path)
    end = quoted.end() if quoted else path.find("[")
    field = _unquote(quoted[1]) if quoted else path[: end if end >= 0 else len(path)]
    steps: list[Step] = []
    while 0 <= end < len(path):
        match = _STEP.match(path, end)
        if match is None:
            raise ValueError(f"{path!r} is not a path of the rescue column")
        steps.append(_read_step(match))
        end = match.end()
    return field, tuple(steps)


def write_rescued(rescued: Mapping[str, str]) -> str:
    """The JSON object of these paths; the values are JSON texts already and stay unchanged."""
    return "{" + ",".join(f"{exact.dump(path)}:{value}" for path, value in rescued.items()) + "}"


def read_rescued(rescued: str) -> dict[str, exact.Value]:
    """Path → exact value; the inverse of `write_rescued`."""
    read = exact.read(rescued, levels=exact.DEPTH + 1)
    if not isinstance(read, dict):
        raise _no_object()
    return read


def _step(step: Step, *, first: bool) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if not first and _PLAIN_KEY.fullmatch(step) else f"[{exact.dump(step)}]"


def _read_step(match: re.Match[str]) -> Step:
    number, key, quoted = match.groups()
    if number is not None:
        return int(number)
    return key if key is not None else _unquote(quoted)


def _unquote(quoted: str) -> str:
    return str(exact.read(quoted))


# ---------------------------------------------------------------------------------------------------------- the record


def restore(row: Mapping[str, object], lane: Mapping[str, Any]) -> dict[str, Restored]:
    """The served record of this row, as pyarrow's `to_pylist` or a DuckDB fetch returns it.

    `lane` is its lane's entry in a manifest, as `axsync.load_manifest` gives it. Raises: UsageError for one without
    columns.
    """
    if "columns" not in lane:
        raise UsageError("this is no lane with its columns; read the manifest with axsync.load_manifest(lake)")
    record: dict[str, Restored] = {}
    for name, entry in lane["columns"].items():
        value = row.get(name)
        if value is not None:
            column = column_of(name, entry)
            back = restore_value(value, column)
            record |= spread(back) if column.field == OVERFLOW else {column.field: back}
    rescued = row.get(RESCUED)
    return overlay(record, str(rescued)) if rescued is not None else record


def restore_value(value: object, column: Column) -> Restored:
    """What was served for this value of a column, as far as the column alone can tell."""
    return _restore(value, column.kind)


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
        return read_plain(value)
    if isinstance(value, datetime):
        micros, form = dates.micros_of(value), atom.form or RFC1123
        return dates.to_epoch(micros, form) if form in EPOCHS else dates.write(micros, form)
    if isinstance(value, date):
        return value.isoformat()
    if is_text(atom):
        return write_text(value, atom)
    return int(value) if atom.form == "0/1" else value


def read_plain(text: str) -> Restored:
    """The value of a JSON text. Raises: as `exact.read`."""
    try:
        value: Restored = orjson.loads(text)
        if orjson.dumps(value) == text.encode():  # nothing rounded, no key twice
            return value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    return _plain(exact.read(text, levels=exact.DEPTH + 1))


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


def overlay(record: dict[str, Restored], rescued: str) -> dict[str, Restored]:
    """Put the values of the rescue column where they were served."""
    read = read_plain(rescued)
    if not isinstance(read, dict):
        raise _no_object()
    for path, value in read.items():
        field, steps = split_path(path)
        place: Any = record
        *way, last = field, *steps
        for step in way:
            place = place[step]
        place[last] = value
    return record


def spread(value: Restored) -> dict[str, Restored]:
    """The fields that a value of the overflow column holds."""
    if not isinstance(value, dict):
        raise TypeError("an overflow column must hold objects")
    return value


def _no_object() -> TypeError:
    return TypeError("the rescue column holds JSON objects")
