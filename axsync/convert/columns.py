"""Arrays as pyarrow read them → arrays as the lake keeps them, and which rows must be looked at again."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from axsync.convert import arrays
from axsync.convert.instants import Ints, instants
from axsync.fields import Atom, Column, Group, Kind, Many, arrow_type

EXACT_INTEGERS = float(1 << 53)
SUBNORMAL = 2.3e-308
_NOTHING: Ints = np.empty(0, dtype=np.int64)


def wire_type(kind: Kind) -> pa.DataType:
    """The type as which pyarrow reads a kind from JSON; dates are texts there."""
    match kind:
        case Many(item):
            return pa.list_(wire_type(item))
        case Group(members):
            return pa.struct([pa.field(m.key, wire_type(m.kind)) for m in members])
        case Atom("timestamp" | "date"):
            return pa.string()
        case Atom():
            return arrow_type(kind)


@dataclass(slots=True)
class Finish:
    """Rebuilds one column: lake names for the keys of objects, timestamps for date texts.

    `zeros` tells whether a double came out as zero, which a tiny number's text may have become.
    """

    form: str
    zeros: bool = False

    def column(self, array: pa.Array, kind: Kind) -> tuple[pa.Array, Ints]:
        """The finished array, and its rows that hold something the typed value does not give back."""
        return self._array(array, kind)

    def _array(self, array: pa.Array, kind: Kind) -> tuple[pa.Array, Ints]:
        match kind:
            case Many(item):
                return self._list(array, item, arrow_type(kind))
            case Group(members):
                return self._struct(array, [m.kind for m in members], arrow_type(kind))
            case Atom("timestamp"):
                return _stamps(array, self.form)
            case Atom("date"):
                return _days(array)
            case Atom("number"):
                return array, self._numbers(array)
            case Atom():
                return array, _NOTHING

    def _list(self, array: pa.Array, item: Kind, target: pa.DataType) -> tuple[pa.Array, Ints]:
        if array.type == target and not _needs_look(item):
            return array, _NOTHING
        values, bad = self._array(array.values, item)
        made = pa.Array.from_buffers(
            target, len(array), array.buffers()[:2], array.null_count, array.offset, children=[values]
        )
        return made, _parents(array, bad)

    def _struct(self, array: pa.Array, kinds: list[Kind], target: pa.DataType) -> tuple[pa.Array, Ints]:
        if array.offset:  # pyarrow's reader never makes one; a slice would misplace the children
            array = pa.concat_arrays([array])
        finished = [self._array(array.field(i), kind) for i, kind in enumerate(kinds)]
        children = [child for child, _ in finished]
        made = pa.Array.from_buffers(
            target, len(array), array.buffers()[:1], array.null_count, array.offset, children=children
        )
        return made, _joined([bad for _, bad in finished])

    def _numbers(self, array: pa.Array) -> Ints:
        if not len(array):
            return _NOTHING
        values = np.frombuffer(array.buffers()[1], dtype=np.float64)[array.offset : array.offset + len(array)]
        size = np.abs(values)
        zero = size == 0.0
        self.zeros = self.zeros or bool(zero.any())
        # "not smaller" instead of "greater or equal" catches NaN as well.
        odd = ~(size < EXACT_INTEGERS) | ((size < SUBNORMAL) & ~zero)
        return np.flatnonzero(odd & arrays.valid(array))


def _needs_look(kind: Kind) -> bool:
    match kind:
        case Many(item):
            return _needs_look(item)
        case Group(members):
            return any(_needs_look(m.kind) or m.key != m.name for m in members)
        case Atom(name):
            return name in {"timestamp", "date", "number"}


def _parents(array: pa.Array, elements: Ints) -> Ints:
    if not len(elements):
        return _NOTHING
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return np.unique(np.searchsorted(offsets, elements, side="right") - 1)


def _joined(parts: list[Ints]) -> Ints:
    found = [p for p in parts if len(p)]
    return np.unique(np.concatenate(found)) if found else _NOTHING


def _stamps(texts: pa.Array, form: str) -> tuple[pa.Array, Ints]:
    values, exact, null = instants(texts, form)
    return arrays.fixed(values, exact, pa.timestamp("us", tz="UTC")), np.flatnonzero(~exact & ~null)


def _days(texts: pa.Array) -> tuple[pa.Array, Ints]:
    values, exact, null = instants(texts, "day")
    days = (values // 86_400_000_000).astype(np.int32)
    return arrays.fixed(days, exact, pa.date32()), np.flatnonzero(~exact & ~null)


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch's served columns and the rows that need the exact way."""

    columns: list[pa.Array]
    doubtful: Ints
    zeros: bool


def finish(rows: pa.StructArray, columns: tuple[Column, ...]) -> Finished:
    """All columns of a page, in the order of `columns`."""
    finished, doubtful, zeros = [], [], False
    for index, column in enumerate(columns):
        work = Finish(column.dates or "rfc1123")
        array, bad = work.column(rows.field(index), column.kind)
        finished.append(array)
        doubtful.append(bad)
        zeros = zeros or work.zeros
    return Finished(finished, _joined(doubtful), zeros)
