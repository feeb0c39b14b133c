"""The records of whole batches as they were served: what `rescue.restore` does with a row, column by column.

What Arrow can do, it does for a whole batch: dates become text, objects are taken apart. Then some hundred rows at a
time leave Arrow: each column gives their values, single ones and lists of them as Arrow makes them, and these are put
into the objects that they belong to. Rows with a rescue column are finished one by one.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import compress, pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from axsync.convert.arrays import Ints, fixed, lists, valid
from axsync.convert.rescue import Restored, overlay, read_plain, spread
from axsync.convert.timestamps import write_timestamps
from axsync.schema.columns import OVERFLOW, RESCUED, Column
from axsync.schema.dates import DAY, DAY_MICROS, EPOCH_MICROS
from axsync.schema.kinds import EPOCHS, RFC1123, Atom, Group, Kind, Many, Wrapped, contains, is_text, write_text

Values: TypeAlias = Callable[[int, int], list[Any]]
"""What was served from one row to before another; None for null."""
Put: TypeAlias = Callable[[Sequence[Any], int, int], None]
"""Gives each of these objects its value, which are those from one row to before another."""

ROWS_AT_ONCE: Final = 500
FEW_ROWS: Final = 50
"""Rows, at most, that make too few objects for a pause of the garbage collector to pay."""

_MICROS = pa.timestamp("us", tz="UTC")


def restore_batch(batch: pa.RecordBatch, columns: Sequence[Column]) -> Iterator[dict[str, Restored]]:
    """The served records of these rows, which a lane with these columns wrote."""
    arrays = {name: array for name, array in zip(batch.schema.names, batch.columns, strict=True) if _has_any(array)}
    puts = [_put_column(column, arrays[column.name]) for column in columns if column.name in arrays]
    if RESCUED in arrays:
        puts.append(_finish(arrays[RESCUED], overlay))
    for low in range(0, batch.num_rows, ROWS_AT_ONCE):
        yield from _records(puts, low, min(low + ROWS_AT_ONCE, batch.num_rows))


def restored_values(array: pa.Array, kind: Kind) -> list[Any]:
    """What was served for each value; None for null."""
    return _values(array, kind)(0, len(array))


def _records(puts: Iterable[Put], low: int, high: int) -> list[dict[str, Restored]]:
    with nullcontext() if high - low <= FEW_ROWS else _no_collection():
        records: list[dict[str, Restored]] = [{} for _ in range(low, high)]
        for put in puts:
            put(records, low, high)
        return records


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: there is no garbage, only thousands of new objects to look through.

    Afterwards they are old objects at once, unless somebody has frozen his own; what was young before is looked at now.
    """
    enabled = gc.isenabled()
    if enabled:
        gc.collect(1)
        gc.disable()
    try:
        yield
    finally:
        if enabled and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


def _has_any(array: pa.Array) -> bool:
    return int(array.null_count) < len(array)


# ----------------------------------------------------------------------------------------------- values to their places


def _put_column(column: Column, array: pa.Array) -> Put:
    if column.field == OVERFLOW:
        return _finish(array, lambda record, text: record.update(spread(read_plain(text))))
    return _put(column.field, array, column.kind)


def _finish(texts: pa.Array, change: Callable[[dict[str, Restored], str], object]) -> Put:
    """Changes the records that have a text here."""

    def finish(records: Sequence[Any], low: int, high: int) -> None:
        for record, text in zip(records, texts.slice(low, high - low).to_pylist(), strict=True):
            if text is not None:
                change(record, text)

    return finish


def _put(key: str, array: pa.Array, kind: Kind) -> Put:
    """Gives objects their values of this array, where there is one; it is null where an object is None."""
    values = _values(array, kind)

    def put_all(objects: Sequence[Any], low: int, high: int) -> None:
        for found, value in zip(objects, values(low, high), strict=True):
            found[key] = value

    def put_some(objects: Sequence[Any], low: int, high: int) -> None:
        for found, value in zip(objects, values(low, high), strict=True):
            if value is not None:
                found[key] = value

    def put_also_none(objects: Sequence[Any], low: int, high: int) -> None:
        chosen = valid(array.slice(low, high - low)).tolist()
        for found, value in zip(compress(objects, chosen), compress(values(low, high), chosen), strict=True):
            found[key] = value

    if not array.null_count:
        return put_all
    return put_also_none if _may_be_none(kind) else put_some


def _may_be_none(kind: Kind) -> bool:
    """Whether None may come back for what is not null: JSON, and a list that is served without its only element."""
    return kind.bare if isinstance(kind, Many) else isinstance(kind, Atom) and kind.name == "json"


# ----------------------------------------------------------------------------------------------------- values of a kind


def _values(array: pa.Array, kind: Kind) -> Values:
    if _is_plain(kind):
        served = _as_served(array, kind)
        return lambda low, high: served.slice(low, high - low).to_pylist()
    match kind:
        case Many():
            return _lists(array, kind)
        case Wrapped(item):
            return _wrapped(array, _values(array, item))
        case Group():
            return _objects(array, kind)
        case Atom():
            return _written(array, _writer(kind) or (lambda value: value))


def _written(array: pa.Array, write: Callable[[Any], Restored]) -> Values:
    def written(low: int, high: int) -> list[Any]:
        return [None if value is None else write(value) for value in array.slice(low, high - low).to_pylist()]

    return written


def _wrapped(array: pa.Array, values: Values) -> Values:
    def wrapped(low: int, high: int) -> list[Any]:
        there = valid(array.slice(low, high - low)).tolist()
        return [[value] if ok else None for value, ok in zip(values(low, high), there, strict=True)]

    return wrapped


def _objects(array: pa.Array, kind: Group) -> Values:
    parts = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
    puts = [
        _put(member.key, parts[member.name], member.kind)
        for member in kind.members
        if member.name in parts and _has_any(parts[member.name])
    ]

    def objects(low: int, high: int) -> list[Any]:
        found: list[Any] = [{} for _ in range(low, high)]
        if array.null_count:
            there = valid(array.slice(low, high - low)).tolist()
            found = [one if ok else None for one, ok in zip(found, there, strict=True)]
        for put in puts:
            put(found, low, high)
        return found

    return objects


def _lists(array: pa.Array, kind: Many) -> Values:
    bounds, items = _bounds(array)
    ends, values = bounds.tolist(), _values(items, kind.item)

    def found(low: int, high: int) -> list[Any]:
        first = ends[low]
        given = values(first, ends[high])
        edges = [end - first for end in ends[low : high + 1]]
        if not array.null_count:
            return [given[start:end] for start, end in pairwise(edges)]
        there = valid(array.slice(low, high - low)).tolist()
        return [given[start:end] if ok else None for (start, end), ok in zip(pairwise(edges), there, strict=True)]

    return _bare(found) if kind.bare else found


def _bare(lists_of: Values) -> Values:
    """Only elements without their list; for any other length, the served value is in the rescue column."""

    def bare(low: int, high: int) -> list[Any]:
        return [one[0] if one is not None and len(one) == 1 else one for one in lists_of(low, high)]

    return bare


def _bounds(array: pa.Array) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Where each list begins, and where the last one ends, in the items of all of them."""
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    return offsets - offsets[0], array.values.slice(offsets[0], offsets[-1] - offsets[0])


# ------------------------------------------------------------------------------------------------- what Arrow can write


def _is_plain(kind: Kind) -> bool:
    """Whether values come back by Arrow alone: single values and lists of them, also dates."""
    if isinstance(kind, Many):
        return not kind.bare and _is_plain(kind.item)
    return isinstance(kind, Atom) and _writer(kind) is None


def _as_served(array: pa.Array, kind: Kind) -> pa.Array:
    """Values of a plain kind with their dates as they were served."""
    match kind:
        case Many(item) if contains(item, "timestamp", "date"):
            bounds, items = _bounds(array)
            return lists(bounds, _as_served(items, item), valid(array))
        case Atom("timestamp", form) if form in EPOCHS:
            return fixed(_micros(array) // EPOCH_MICROS[form], valid(array), pa.int64())
        case Atom("timestamp", form):
            return write_timestamps(_micros(array), form or RFC1123, valid(array))
        case Atom("date"):
            return write_timestamps(_integers(array, np.int32) * DAY_MICROS, DAY, valid(array))
        case _:
            return array


def _micros(array: pa.Array) -> Ints:
    return _integers(array if array.type.equals(_MICROS) else array.cast(_MICROS), np.int64)


def _integers(array: pa.Array, kind: type[np.signedinteger[Any]]) -> Ints:
    """The numbers in an array; anything where it is null."""
    width = np.dtype(kind).itemsize
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * width).astype(np.int64, copy=False)


def _writer(atom: Atom) -> Callable[[Any], Restored] | None:
    """What makes the served value of a stored one; None where Arrow does."""
    if atom.name == "json":
        return read_plain
    if is_text(atom):
        return partial(write_text, atom=atom)
    return int if atom.form == "0/1" else None
