"""Arrays of files as the lake's columns are by now: columns only grow, files stay as they were written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from axsync.convert.arrays import fixed, texts, valid
from axsync.convert.exact import Number
from axsync.convert.records import restored_values
from axsync.schema.kinds import Atom, Group, Kind, Many, Member, Wrapped, arrow_type

_CASTS = {("integer", "number"), ("date", "timestamp")}


def widened(array: pa.Array, have: Kind, want: Kind) -> pa.Array:
    """The array in the type of a kind that has grown from its own, by the rules of `schema.kinds.grown`.

    What the wider kind cannot hold is null; `restore` still tells it.
    """
    have, want = _bare(have), _bare(want)
    if array.type.equals(arrow_type(want)) and not _becomes_json(have, want):
        return array
    match have, want:
        case (Many(item), Many(other)):
            lengths = array.value_lengths().fill_null(0).to_pylist()
            return _list_of(array, widened(array.flatten(), item, other), np.array(lengths, np.int32))
        case (_, Many(other)):
            return _list_of(array, widened(array.drop_null(), have, other), valid(array).astype(np.int32))
        case (Group(members), Group(others)):
            return _objects(array, members, others)
        case (_, Atom("text" | "json" as name)):
            return texts([_text(value, name) for value in restored_values(array, have)])
    return _cast(array, have, want)


def _bare(kind: Kind) -> Kind:
    return _bare(kind.item) if isinstance(kind, Wrapped) else kind


def _cast(array: pa.Array, have: Kind, want: Kind) -> pa.Array:
    wide = arrow_type(want)
    can = isinstance(have, Atom) and isinstance(want, Atom) and (have.name, want.name) in _CASTS
    # Integers beyond 2^53 become the nearest number, as in every engine; `restore` reads the file, not this.
    return array.cast(wide, safe=wide != pa.float64()) if can else pa.nulls(len(array), wide)


def _becomes_json(have: Kind, want: Kind) -> bool:
    return isinstance(want, Atom) and want.name == "json" and not (isinstance(have, Atom) and have.name == "json")


def _list_of(array: pa.Array, items: pa.Array, lengths: npt.NDArray[np.int32]) -> pa.Array:
    """Lists of these items, null where the array is."""
    offsets = np.zeros(len(array) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    starts = fixed(offsets, np.ones(len(offsets), np.bool_), pa.int32())
    return pa.ListArray.from_arrays(starts, items, mask=array.is_null())


def _objects(array: pa.Array, members: tuple[Member, ...], others: tuple[Member, ...]) -> pa.Array:
    parts = dict(zip((member.name for member in members), array.flatten(), strict=True))
    kinds: Mapping[str, Kind] = {member.name: member.kind for member in members}
    found = [
        widened(parts[other.name], kinds[other.name], other.kind)
        if other.name in parts
        else pa.nulls(len(array), arrow_type(other.kind))
        for other in others
    ]
    return pa.StructArray.from_arrays(found, fields=list(arrow_type(Group(others))), mask=array.is_null())


def _text(value: Any, name: str) -> str | None:  # noqa: ANN401  whatever was served
    if value is None or (isinstance(value, str) and name == "text"):
        return value
    return orjson.dumps(value, default=_number).decode()


def _number(value: object) -> Any:  # noqa: ANN401  as orjson has it
    """A number that orjson has no type for, by its text."""
    return orjson.Fragment(value.text if isinstance(value, Number) else str(value))
