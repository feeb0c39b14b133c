"""What the bytes of a page tell before anything is parsed."""

import re
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from axsync.convert.arrays import Flags
from axsync.convert.timestamps import Bytes, Ints

Words = npt.NDArray[np.uint32]

_TAIL = 1 << 16  # bytes
_RUN = 16  # digits and points in a row; 15 digits always come back from a double, 9.000000000000001 does not
_BLOCK = 1 << 18  # words that are looked at together
_POINT, _MINUS, _EXPONENT = 46, 45, 101
_LOOK_BACK = 64  # bytes; numbers with more digits are long ones anyway
_NULL = np.frombuffer(b"null", dtype=np.uint32)[0]
_AFTER_KEY = np.zeros(256, dtype=np.bool_)  # what may stand before the value of a member
_AFTER_KEY[list(b": \t\r\n")] = True
_GAP = 64  # bytes of space between a key and its value; where there are more, a null is taken for granted
_COLON = re.compile(rb"(?::|[ \t\r\n]{64})[ \t\r\n]*\Z")
_NUMBER_BEFORE = re.compile(rb"(?:^|[:,\[ \t\r\n])-?[0-9.]+$", re.DOTALL)
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
    """Whether an object's member is null: pyarrow would make it the same as a missing one. May say yes for a string."""
    data = np.frombuffer(body, dtype=np.uint8)
    for places in _places_of(body, _NULL):
        near = places[_AFTER_KEY[data[places - 1]]]
        if any(_COLON.search(body[max(place - _GAP, 0) : place]) for place in near.tolist()):
            return True
    return False


def _places_of(body: bytes, word: np.uint32) -> Iterator[Ints]:
    """Where these four bytes stand; numpy finds them faster than `bytes.find`, and without the interpreter lock."""
    for shift in range(min(4, len(body) - 3)):
        words = np.frombuffer(body, dtype=np.uint32, offset=shift, count=(len(body) - shift) // 4)
        for start in range(0, len(words), _BLOCK):
            yield (np.flatnonzero(words[start : start + _BLOCK] == word) + start) * 4 + shift


def has_long_number(body: bytes) -> bool:
    """Whether a number, outside of strings, has more digits than a double is sure to give back."""
    return bool(len(long_numbers(body)))


def long_numbers(body: bytes) -> Ints:
    """Where numbers, outside of strings, have more digits than a double is sure to give back.

    A run of 16 digits and points holds at least three aligned words of four bytes in a row; the places where three
    such words stand are found by arithmetic, then looked at more and more closely. Most of it runs without the
    interpreter lock. May say yes for a string, never no for a number. Integers of 16 digits alone are left to a look
    at the doubles: up to 2^53 they come back.
    """
    padded = body if len(body) >= 64 else body.ljust(64)
    words, data = np.frombuffer(padded, dtype=np.uint32, count=len(padded) // 4), np.frombuffer(padded, dtype=np.uint8)
    return _number_runs(data, np.concatenate(list(_word_runs(words))) * 4)


def _word_runs(words: Words) -> Iterator[Ints]:
    """Where three words that may be of a number stand in a row; block by block, so that the cache holds it."""
    for start in range(0, len(words) - 2, _BLOCK):
        block = words[start : start + _BLOCK + 2]
        # 0x20-0x3f holds digits and the point, 0x30-0x3f digits; both hold others that the closer look throws out.
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
    """Whether some number has an exponent that may have made it zero: three digits below nothing.

    May say yes for a string, but not for an id: what looks like an exponent must end a whole number.
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
