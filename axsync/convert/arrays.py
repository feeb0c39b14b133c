"""Builds Arrow arrays from numpy arrays and Python strings, buffer by buffer.

`pyarrow.array`, `pyarrow.scalar` and `to_numpy` import pandas if it is installed: half a second and 45 MB that are not
needed here ([ADR 0018](../../docs/adr/0018-memory-in-bytes.md)).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Letters = npt.NDArray[np.bytes_]


def valid(array: pa.Array) -> Flags:
    """Which values are not null."""
    mask = array.buffers()[0]
    if not array.null_count or mask is None:
        return np.full(len(array), array.null_count == 0, dtype=np.bool_)
    end = array.offset + len(array)
    bits = np.unpackbits(np.frombuffer(mask, dtype=np.uint8, count=-(-end // 8)), bitorder="little")
    return bits[array.offset : end].view(np.bool_)


def fixed(values: npt.NDArray[np.generic], is_valid: Flags, kind: pa.DataType) -> pa.Array:
    """Fixed-width values, null where not valid."""
    return pa.Array.from_buffers(kind, len(values), [_validity(is_valid), pa.py_buffer(values)])


def flags(values: Flags, is_valid: Flags | None = None) -> pa.Array:
    """Bools, null where not valid."""
    nulls = 0 if is_valid is None else len(values) - int(np.count_nonzero(is_valid))
    buffers = [bitmap(is_valid) if nulls and is_valid is not None else None, bitmap(values)]
    return pa.Array.from_buffers(pa.bool_(), len(values), buffers, nulls)


def texts(values: Sequence[str | None]) -> pa.Array:
    """Strings and nulls."""
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(one) for one in encoded], out=offsets[1:])
    is_valid = np.array([value is not None for value in values], dtype=np.bool_)
    buffers = [bitmap(is_valid), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def same_width(words: Letters, is_valid: Flags) -> pa.Array:
    """Words that are equally long as strings, null where not valid."""
    offsets = np.arange(len(words) + 1, dtype=np.int32) * np.int32(words.itemsize)
    buffers = [_validity(is_valid), pa.py_buffer(offsets), pa.py_buffer(words.tobytes())]
    return pa.Array.from_buffers(pa.string(), len(words), buffers)


def lists(bounds: npt.NDArray[np.int32], items: pa.Array, is_valid: Flags) -> pa.Array:
    """Lists of these items, which begin and end at these bounds; null where not valid."""
    buffers = [_validity(is_valid), pa.py_buffer(bounds)]
    return pa.Array.from_buffers(pa.list_(items.type), len(is_valid), buffers, children=[items])


def same_text(text: str, count: int) -> pa.Array:
    """One string, `count` times."""
    encoded = text.encode()
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(len(encoded))
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(encoded * count)], 0)


def same_instant(micros: int, count: int) -> pa.Array:
    """One instant, in microseconds since 1970, `count` times."""
    values = np.full(count, micros, dtype=np.int64)
    return pa.Array.from_buffers(pa.timestamp("us", tz="UTC"), count, [None, pa.py_buffer(values)], 0)


def _validity(is_valid: Flags) -> pa.Buffer | None:
    return None if is_valid.all() else bitmap(is_valid)


def bitmap(bits: Flags) -> pa.Buffer:
    """One bit per value, as Arrow stores validity."""
    return pa.py_buffer(np.packbits(bits, bitorder="little"))
