"""The records of whole batches as they were served: what `rescue.restore` does with a row, column by column.

Values leave Arrow a column at a time and are put into the objects that they belong to, so that the interpreter's work
per value is one assignment. Nulls are left out first. Rows with a rescue column are finished one by one.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import compress, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from axsync.convert.arrays import Ints, valid
from axsync.convert.rescue import Restored, overlay, read_plain, spread
from axsync.convert.timestamps import write_timestamps
from axsync.schema.columns import OVERFLOW, RESCUED, Column
from axsync.schema.dates import DAY, DAY_MICROS, EPOCH_MICROS
from axsync.schema.kinds import EPOCHS, RFC1123, Atom, Group, Kind, Many, Wrapped, is_text, write_text

_MICROS = pa.timestamp("us", tz="UTC")


def restore_batch(batch: pa.RecordBatch, columns: Sequence[Column]) -> list[dict[str, Restored]]:
    """The served records of these rows, which a lane with these columns wrote."""
    with _no_collection():
        records: list[dict[str, Restored]] = [{} for _ in range(batch.num_rows)]
        for column in columns:
            array = _column(batch, column.name)
            if column.field == OVERFLOW:
                for record, value in _present(records, array, column.kind):
                    record.update(spread(value))
            else:
                _put(records, column.field, array, column.kind)
        for record, rescued in _present(records, _column(batch, RESCUED), Atom("text")):
            overlay(record, rescued)
        return records


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: there is no garbage, only tens of thousands of new objects to look through."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    place = batch.schema.get_field_index(name)
    return batch.column(place) if place >= 0 else pa.nulls(batch.num_rows)


def _put(objects: list[dict[str, Restored]], key: str, array: pa.Array, kind: Kind) -> None:
    """Give each object its value of this array, where there is one."""
    for found, value in _present(objects, array, kind):
        found[key] = value


def _present(
    objects: list[dict[str, Restored]], array: pa.Array, kind: Kind
) -> Iterable[tuple[dict[str, Restored], Any]]:
    if array.null_count == len(array):
        return ()
    if not array.null_count:
        return zip(objects, _restored(array, kind), strict=True)
    return zip(compress(objects, valid(array).tolist()), _restored(array.drop_null(), kind), strict=True)


def restored_values(array: pa.Array, kind: Kind) -> list[Any]:
    """What was served for each value; None for null."""
    found: list[Any] = [None] * len(array)
    if array.null_count == len(array):
        return found
    if not array.null_count:
        return _restored(array, kind)
    places = np.flatnonzero(valid(array)).tolist()
    for place, value in zip(places, _restored(array.drop_null(), kind), strict=True):
        found[place] = value
    return found


def _restored(array: pa.Array, kind: Kind) -> list[Any]:
    """What was served for these values, none of which is null."""
    match kind:
        case Many():
            return _lists(array, kind)
        case Wrapped(item):
            return [[value] for value in _restored(array, item)]
        case Group(members):
            objects: list[dict[str, Restored]] = [{} for _ in range(len(array))]
            parts = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
            for member in members:
                if member.name in parts:
                    _put(objects, member.key, parts[member.name], member.kind)
            return objects
        case Atom():
            return _atoms(array, kind)


def _lists(array: pa.Array, kind: Many) -> list[Any]:
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    bounds = (offsets - offsets[0]).tolist()
    items = restored_values(array.values.slice(offsets[0], bounds[-1]), kind.item)
    if kind.bare:  # for any other length, the served value is in the rescue column
        return [items[low] if high - low == 1 else items[low:high] for low, high in pairwise(bounds)]
    return [items[low:high] for low, high in pairwise(bounds)]


def _atoms(array: pa.Array, atom: Atom) -> list[Any]:
    if atom.name == "timestamp":
        return _instants(_integers(array.cast(_MICROS).cast(pa.int64())), atom.form or RFC1123)
    if atom.name == "date":
        return write_timestamps(_integers(array.cast(pa.int32()).cast(pa.int64())) * DAY_MICROS, DAY)
    values: list[Any] = array.to_pylist()
    written = _writer(atom)
    return values if written is None else list(map(written, values))


def _integers(array: pa.Array) -> Ints:
    return np.frombuffer(array.buffers()[1], np.int64, len(array), array.offset * 8)


def _instants(micros: Ints, form: str) -> list[Any]:
    return (micros // EPOCH_MICROS[form]).tolist() if form in EPOCHS else write_timestamps(micros, form)


def _writer(atom: Atom) -> Callable[[Any], Restored] | None:
    """What makes the served value of a stored one; None where they are the same."""
    if atom.name == "json":
        return read_plain
    if is_text(atom):
        return partial(write_text, atom=atom)
    return int if atom.form == "0/1" else None
