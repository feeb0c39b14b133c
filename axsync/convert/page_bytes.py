"""Checks on the bytes of a page before anything is parsed."""

import re
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from axsync.convert.arrays import Flags
from axsync.convert.json_split import REFUSALS
from axsync.convert.timestamps import Bytes, Ints

Words = npt.NDArray[np.uint32]

_TAIL = 1 << 16  # bytes
_RUN = 16  # consecutive digits and points; 15 digits always survive a double, 9.000000000000001 does not
_BLOCK = 1 << 18  # words per step
_POINT, _MINUS, _EXPONENT = 46, 45, 101
_LOOK_BACK = 64  # bytes; numbers with more digits are long numbers anyway
_NULL = np.frombuffer(b"null", dtype=np.uint32)[0]
_AFTER_KEY = np.zeros(256, dtype=np.bool_)  # bytes allowed before a member's value
_AFTER_KEY[list(b": \t\r\n")] = True
_GAP = 64  # bytes of space between a key and its value; beyond that a null is assumed
_COLON = re.compile(rb"(?::|[ \t\r\n]{64})[ \t\r\n]*\Z")
_NUMBER_BEFORE = re.compile(rb"(?:^|[:,\[ \t\r\n])-?[0-9.]+$", re.DOTALL)
_SPACE = b" \t\r\n"
_MAY_PRECEDE = np.zeros(256, dtype=np.bool_)  # bytes allowed before a number; not the quote, not a letter of an id
_MAY_PRECEDE[list(b":,[-+ \t\r\n")] = True
_MAY_FOLLOW = np.zeros(256, dtype=np.bool_)  # bytes allowed after the run: more digits, or an exponent
_MAY_FOLLOW[list(b"0123456789.eE")] = True

_one_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def rows_only(body: bytes, key: str) -> bytes | None:
    """The page as `{"assets":[…]}` without its meta. None if that takes more than a glance.

    Meta comes last on every server seen. The cut is safe because the part removed must be exactly one JSON object and
    the closing brace.
    """
    start = body[:16].lstrip()
    if not start.startswith(b'{"' + key.encode()):
        return None
    at = body.rfind(b'"meta":', -_TAIL)
    if at < 0:
        return body
    try:
        _one_object(body[at + 7 :].rstrip()[:-1])
    except REFUSALS:
        return None
    while body[at - 1] in _SPACE:
        at -= 1
    # One copy only: the view makes none.
    return b"".join((memoryview(body)[: at - 1], b"}")) if body[at - 1 : at] == b"," else None


def has_explicit_null(body: bytes) -> bool:
    """Whether a member of an object is null, which pyarrow would equate with a missing one.

    Strings may give false positives.
    """
    data = np.frombuffer(body, dtype=np.uint8)
    for places in _places_of(body, _NULL):
        near = places[_AFTER_KEY[data[places - 1]]]
        if any(_COLON.search(body[max(place - _GAP, 0) : place]) for place in near.tolist()):
            return True
    return False


def _places_of(body: bytes, word: np.uint32) -> Iterator[Ints]:
    """Positions of these four bytes. numpy finds them faster than `bytes.find` and releases the interpreter lock."""
    for shift in range(min(4, len(body) - 3)):
        words = np.frombuffer(body, dtype=np.uint32, offset=shift, count=(len(body) - shift) // 4)
        for start in range(0, len(words), _BLOCK):
            yield (np.flatnonzero(words[start : start + _BLOCK] == word) + start) * 4 + shift


def has_long_number(body: bytes) -> bool:
    """Whether a number, outside of strings, has more digits than a double surely reproduces."""
    return bool(len(long_numbers(body)))


def long_numbers(body: bytes) -> Ints:
    """Positions of numbers, outside of strings, with more digits than a double surely reproduces.

    A run of 16 digits and points contains at least three consecutive aligned words of four bytes. The positions of
    three such words are found by arithmetic, then checked more and more closely. Most of this runs without the
    interpreter lock. Strings may give false positives; numbers give no false negatives. Integers of exactly 16 digits
    are left to a check of the doubles: they survive up to 2^53.
    """
    padded = body if len(body) >= 64 else body.ljust(64)
    words, data = np.frombuffer(padded, dtype=np.uint32, count=len(padded) // 4), np.frombuffer(padded, dtype=np.uint8)
    return _number_runs(data, np.concatenate(list(_word_runs(words))) * 4)


def _word_runs(words: Words) -> Iterator[Ints]:
    """Positions of three consecutive words that may belong to a number; in blocks that fit the cache."""
    for start in range(0, len(words) - 2, _BLOCK):
        block = words[start : start + _BLOCK + 2]
        # 0x20-0x3f contains digits and the point, 0x30-0x3f digits; the closer check removes the other bytes.
        wide = (block & np.uint32(0xE0E0E0E0)) == np.uint32(0x20202020)
        narrow = (block & np.uint32(0xF0F0F0F0)) == np.uint32(0x30303030)
        three = wide[:-2] & wide[1:-1] & wide[2:] & (narrow[:-2] | narrow[1:-1]) & (narrow[1:-1] | narrow[2:])
        yield np.flatnonzero(three) + start


def _number_runs(data: Bytes, places: Ints) -> Ints:
    left = places
    for _ in range(3):
        left = left - ((left > 0) & _numeric(data[left - 1]))
    left = left[_MAY_PRECEDE[data[left - 1]]]
    left = left[left + _RUN < len(data)]
    for step in range(_RUN):
        left = left[_numeric(data[left + step])]
    return left[_MAY_FOLLOW[data[left + _RUN]]]


def _numeric(bytes_: Bytes) -> Flags:
    numeric: Flags = ((bytes_ >= 48) & (bytes_ <= 57)) | (bytes_ == _POINT)
    return numeric


def has_tiny_number(body: bytes) -> bool:
    """Whether some number has an exponent that may have made it zero: a negative one of three digits.

    Strings may give false positives, ids do not: what looks like an exponent must end a whole number.
    """
    data = np.frombuffer(body.ljust(64), dtype=np.uint8)
    for start in range(2, len(data) - 3, _BLOCK * 4):
        minus = np.flatnonzero(data[start : min(start + _BLOCK * 4, len(data) - 3)] == _MINUS) + start
        minus = minus[(data[minus - 1] | 0x20) == _EXPONENT]
        for step in (-2, 1, 2, 3):
            minus = minus[_numeric(data[minus + step])]
        if any(_NUMBER_BEFORE.search(body, max(place - _LOOK_BACK, 0), place - 1) for place in minus.tolist()):
            return True
    return False
