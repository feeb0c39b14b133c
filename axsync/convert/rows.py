"""What the bytes of a page tell before anything is parsed."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from axsync.convert.instants import Bytes, Flags, Ints

_TAIL = 1 << 16  # bytes
_RUN = 16  # digits and points in a row; 15 digits always come back from a double, 9.000000000000001 does not
_POINT = 46
_SPACE = b" \t\r\n"
_MAY_PRECEDE = np.zeros(256, dtype=np.bool_)  # what stands before a number; not the quote, not a letter of an id
_MAY_PRECEDE[list(b":,[-+ \t\r\n")] = True
_MAY_FOLLOW = np.zeros(256, dtype=np.bool_)  # behind the run: more digits, or an exponent
_MAY_FOLLOW[list(b"0123456789.eE")] = True

_one_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def rows_only(body: bytes, key: str) -> bytes | None:
    """The page as `{"assets":[…]}`, without its meta; None where that takes more than a look.

    Meta comes last on every server seen. The cut is safe because what is cut off must be exactly one JSON object
    and the closing brace.
    """
    start = body[:16].lstrip()
    if not start.startswith(b'{"' + key.encode()):
        return None
    at = body.rfind(b'"meta":', -_TAIL)
    if at < 0:
        return body
    try:
        _one_object(body[at + 7 :].rstrip()[:-1])
    except msgspec.DecodeError:
        return None
    while body[at - 1] in _SPACE:
        at -= 1
    # One copy: the view is not one.
    return b"".join((memoryview(body)[: at - 1], b"}")) if body[at - 1 : at] == b"," else None


def has_explicit_null(body: bytes) -> bool:
    """Whether an object's member is null: pyarrow would make it the same as a missing one."""
    # Arrow's regex engine lets go of the interpreter lock and is twice as fast as bytes.find.
    offsets = pa.py_buffer(np.array([0, len(body)], dtype=np.int64))
    one = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(body)])
    return bool(pc.match_substring_regex(one, pattern=r":\s*null")[0].as_py())


def has_long_number(body: bytes) -> bool:
    """Whether a number, outside of strings, has more digits than a double is sure to give back.

    A run of 16 digits and points holds at least three aligned words of four bytes in a row; the places where three
    such words stand are found by arithmetic over the whole page, then looked at more and more closely. About 4 ms
    for 10 MB, most of it without the interpreter lock. May say yes for a string, never no for a number. Integers of
    16 digits alone are left to a look at the doubles: up to 2^53 they come back.
    """
    padded = body if len(body) >= 64 else body.ljust(64)
    words = np.frombuffer(padded, dtype=np.uint32, count=len(padded) // 4)
    # 0x20-0x3f holds digits and the point, 0x30-0x3f digits; both hold others that the closer look throws out.
    wide = (words & np.uint32(0xE0E0E0E0)) == np.uint32(0x20202020)
    narrow = (words & np.uint32(0xF0F0F0F0)) == np.uint32(0x30303030)
    three = wide[:-2] & wide[1:-1] & wide[2:] & (narrow[:-2] | narrow[1:-1]) & (narrow[1:-1] | narrow[2:])
    return _has_number_run(np.frombuffer(padded, dtype=np.uint8), np.flatnonzero(three) * 4)


def _has_number_run(data: Bytes, places: Ints) -> bool:
    left = places
    for _ in range(3):
        left = left - ((left > 0) & _numeric(data[left - 1]))
    left = left[_MAY_PRECEDE[data[left - 1]]]
    left = left[left + _RUN < len(data)]
    for step in range(_RUN):
        left = left[_numeric(data[left + step])]
    return bool(_MAY_FOLLOW[data[left + _RUN]].any())


def _numeric(bytes_: Bytes) -> Flags:
    numeric: Flags = ((bytes_ >= 48) & (bytes_ <= 57)) | (bytes_ == _POINT)
    return numeric


def has_tiny_number(body: bytes) -> bool:
    """Whether some number has an exponent that may have made it zero: three digits below nothing."""
    data = np.frombuffer(body.ljust(64), dtype=np.uint8)
    minus = np.flatnonzero(data[2:-3] == ord("-")) + 2
    minus = minus[(data[minus - 1] | 0x20) == ord("e")]
    minus = minus[_numeric(data[minus - 2])]
    for step in (1, 2, 3):
        minus = minus[_numeric(data[minus + step])]
    return bool(len(minus))
