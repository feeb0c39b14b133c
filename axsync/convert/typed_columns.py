"""Types the columns of a page: arrays as pyarrow read them become arrays as the lake stores them.

Beside each array goes what the typed values do not reproduce: numbers of rows, from 0, in order.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from axsync.convert import arrays
from axsync.convert.arrays import Ints
from axsync.convert.timestamps import parse_timestamps
from axsync.schema import dates
from axsync.schema.columns import Column
from axsync.schema.kinds import EPOCHS, RFC1123, Atom, Group, Kind, Many, Wrapped, arrow_type, is_text, parse_text

EXACT_INTEGERS = float(1 << 53)
SUBNORMAL = 2.3e-308
_NOTHING: Ints = np.empty(0, dtype=np.int64)


def json_type(kind: Kind) -> pa.DataType:
    """The Arrow type with which pyarrow reads this kind from JSON, in the form in which it is served."""
    match kind:
        case Many(item, bare=True):
            return json_type(item)
        case Many(item) | Wrapped(item):
            return pa.list_(json_type(item))
        case Group(members):
            return pa.struct([pa.field(m.key, json_type(m.kind)) for m in members])
        case Atom():
            return _json_type_of_atom(kind)


def _json_type_of_atom(atom: Atom) -> pa.DataType:
    if atom.form in EPOCHS or atom.form == "0/1":
        return pa.int64()
    dates_or_text = atom.name in {"timestamp", "date"} or is_text(atom)
    return pa.string() if dates_or_text else arrow_type(atom)


@dataclass(slots=True)
class ColumnBuilder:
    """Rebuilds one column: lake names for object keys, timestamps for date strings, lists for bare values.

    `zeros` tells whether a double came out as zero, as the text of a tiny number may.
    """

    zeros: bool = False

    def build(self, array: pa.Array, kind: Kind) -> tuple[pa.Array, Ints]:
        """The finished array, as long as before, and the rows whose served value the typed value does not reproduce."""
        match kind:
            case Many(item, bare=True):
                return self._bare(array, item, arrow_type(kind))
            case Many(item):
                return self._list(array, item, arrow_type(kind))
            case Wrapped(item):
                return self._wrapped(array, item)
            case Group(members):
                return self._struct(array, [m.kind for m in members], arrow_type(kind))
            case Atom():
                return self._atom(array, kind)

    def _atom(self, array: pa.Array, atom: Atom) -> tuple[pa.Array, Ints]:
        if is_text(atom):
            return _from_texts(array, atom)
        match atom:
            case Atom("timestamp", form):
                return _from_epochs(array, form) if form in EPOCHS else _to_timestamps(array, form or RFC1123)
            case Atom("date"):
                return _to_dates(array)
            case Atom("bool", "0/1"):
                return _to_bools(array)
            case Atom("number"):
                return array, self._numbers(array)
            case _:
                return array, _NOTHING

    def _bare(self, array: pa.Array, item: Kind, target: pa.DataType) -> tuple[pa.Array, Ints]:
        """Each value as a list of one."""
        values, bad = self.build(array, item)
        there = arrays.valid(array)
        offsets = np.zeros(len(array) + 1, dtype=np.int32)
        np.cumsum(there, out=offsets[1:])
        children = values.filter(arrays.flags(there)) if array.null_count else values
        buffers = [arrays.bitmap(there) if array.null_count else None, pa.py_buffer(offsets)]
        made = pa.Array.from_buffers(target, len(array), buffers, array.null_count, children=[children])
        return made, bad

    def _wrapped(self, array: pa.Array, item: Kind) -> tuple[pa.Array, Ints]:
        """The only element of each list. Lists of any other length need a closer look."""
        values, bad = self.build(array.values, item)
        there, places, lengths = _extents(array)
        alone = there & (lengths == 1)
        taken = values.take(arrays.fixed(places.astype(np.int64), alone, pa.int64()))
        empty = alone & ~arrays.valid(taken)
        return taken, _merge_rows([_parents(array, bad), np.flatnonzero((there & ~alone) | empty)])

    def _list(self, array: pa.Array, item: Kind, target: pa.DataType) -> tuple[pa.Array, Ints]:
        if array.type == target and not _needs_look(item):
            return array, _NOTHING
        values, bad = self.build(array.values, item)
        made = pa.Array.from_buffers(
            target, len(array), array.buffers()[:2], array.null_count, array.offset, children=[values]
        )
        return made, _parents(array, bad)

    def _struct(self, array: pa.Array, kinds: list[Kind], target: pa.DataType) -> tuple[pa.Array, Ints]:
        if array.offset:  # its fields come sliced already, and its buffers do not
            array = pa.concat_arrays([array])
        finished = [self.build(array.field(i), kind) for i, kind in enumerate(kinds)]
        children = [child for child, _ in finished]
        made = pa.Array.from_buffers(
            target, len(array), array.buffers()[:1], array.null_count, array.offset, children=children
        )
        return made, _merge_rows([bad for _, bad in finished])

    def _numbers(self, array: pa.Array) -> Ints:
        if not len(array):
            return _NOTHING
        values = np.frombuffer(array.buffers()[1], dtype=np.float64)[array.offset : array.offset + len(array)]
        size = np.abs(values)
        zero = size == 0.0
        self.zeros = self.zeros or bool(zero.any())
        # "not smaller" rather than "greater or equal" also catches NaN.
        odd = ~(size < EXACT_INTEGERS) | ((size < SUBNORMAL) & ~zero)
        return np.flatnonzero(odd & arrays.valid(array))


def _extents(array: pa.Array) -> tuple[arrays.Flags, Ints, Ints]:
    """Per list: whether it is not null, where it starts in the values, its length."""
    there = arrays.valid(array)
    if not len(array):
        return there, _NOTHING, _NOTHING
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return there, np.asarray(offsets[:-1], dtype=np.int64), np.diff(offsets).astype(np.int64)


def _needs_look(kind: Kind) -> bool:
    match kind:
        case Many(item, bare):
            return bare or _needs_look(item)
        case Wrapped():
            return True
        case Group(members):
            return any(_needs_look(m.kind) or m.key != m.name for m in members)
        case Atom(name, form):
            return bool(form) or name in {"timestamp", "date", "number"}


def _parents(array: pa.Array, elements: Ints) -> Ints:
    if not len(elements):
        return _NOTHING
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return np.unique(np.searchsorted(offsets, elements, side="right") - 1)


def _merge_rows(parts: list[Ints]) -> Ints:
    found = [p for p in parts if len(p)]
    return np.unique(np.concatenate(found)) if found else _NOTHING


def _to_timestamps(texts: pa.Array, form: str) -> tuple[pa.Array, Ints]:
    values, exact, null = parse_timestamps(texts, form)
    return arrays.fixed(values, exact, pa.timestamp("us", tz="UTC")), np.flatnonzero(~exact & ~null)


def _to_dates(texts: pa.Array) -> tuple[pa.Array, Ints]:
    values, exact, null = parse_timestamps(texts, dates.DAY)
    days = (values // dates.DAY_MICROS).astype(np.int32)
    return arrays.fixed(days, exact, pa.date32()), np.flatnonzero(~exact & ~null)


def _from_epochs(array: pa.Array, form: str) -> tuple[pa.Array, Ints]:
    numbers, there = _integers(array)
    low, high = dates.epoch_bounds(form)
    good = there & (numbers >= low) & (numbers <= high)
    micros = np.where(good, numbers, 0) * dates.EPOCH_MICROS[form]
    return arrays.fixed(micros, good, pa.timestamp("us", tz="UTC")), np.flatnonzero(there & ~good)


def _to_bools(array: pa.Array) -> tuple[pa.Array, Ints]:
    numbers, there = _integers(array)
    good = there & ((numbers == 0) | (numbers == 1))
    return arrays.flags(numbers == 1, good), np.flatnonzero(there & ~good)


def _integers(array: pa.Array) -> tuple[Ints, arrays.Flags]:
    if not len(array):
        return _NOTHING, np.zeros(0, dtype=np.bool_)
    numbers = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array)]
    return numbers, arrays.valid(array)


def _from_texts(array: pa.Array, atom: Atom) -> tuple[pa.Array, Ints]:
    """Numbers and bools that are served as strings."""
    values = [None if text is None else parse_text(text, atom) for text in array.to_pylist()]
    good = np.array([value is not None for value in values], dtype=np.bool_)
    doubtful = np.flatnonzero(arrays.valid(array) & ~good) if len(array) else _NOTHING
    if atom.name == "bool":
        return arrays.flags(np.array(values, dtype=np.bool_), good), doubtful
    kind = arrow_type(atom)
    dtype = np.int64 if atom.name == "integer" else np.float64
    numbers = np.array([0 if value is None else value for value in values], dtype=dtype)  # keeps the sign of -0.0
    return arrays.fixed(numbers, good, kind), doubtful


@dataclass(frozen=True, slots=True)
class Finished:
    """The served columns of a batch, the rows that need the exact path, and whether some double came out as zero."""

    columns: list[pa.Array]
    doubtful: Ints
    zeros: bool


def finish(rows: pa.StructArray, columns: tuple[Column, ...]) -> Finished:
    """Finish all columns of a page, in the order of `columns`."""
    finished, doubtful, zeros = [], [], False
    for index, column in enumerate(columns):
        work = ColumnBuilder()
        array, bad = work.build(rows.field(index), column.kind)
        finished.append(array)
        doubtful.append(bad)
        zeros = zeros or work.zeros
    return Finished(finished, _merge_rows(doubtful), zeros)
