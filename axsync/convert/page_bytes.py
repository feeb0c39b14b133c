"""What the bytes of a page tell before anything is parsed: where its records are, and what pyarrow would change.

The body of a page is one JSON object, `{"assets": [RECORD, …], "meta": {…}}` in v2. In v1 the list is called `data`,
and a record is the `attributes` of its entries. Positions are bytes from the start of the body.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from axsync.convert.arrays import Bytes, Flags, Ints
from axsync.errors import AxsyncError

Span: TypeAlias = tuple[int, int]
Words = npt.NDArray[np.uint32]

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:"{}\[\]]+')
_SPACE = re.compile(rb"[ \t\r\n]*+")
_CLOSER = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE = ord('"')

# What msgspec raises on bytes that it rejects: NaN, lone surrogates, deep nesting, invalid JSON.
REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


class CutPage(AxsyncError):
    """A body that is not one complete JSON object with a list of records."""


# ----------------------------------------------------------------------------------------------- where the records are


def split_records(body: bytes, path: Literal["assets", "data"]) -> list[bytes]:
    """The records of a page as served; for `data`, the `attributes` of its entries.

    An entry without an attributes object stands for itself; it will be unreadable for lack of an id.

    Raises: CutPage if the page is cut off, or does not have exactly one list of that name.
    """
    return list(map(bytes, view_records(body, path)))


def view_records(body: bytes, path: Literal["assets", "data"]) -> list[msgspec.Raw]:
    """The same as views of the body, which lives as long as one of them does: copies would cost as much as the search.

    Raises: as `split_records`.
    """
    body = body.removeprefix(_BOM)
    records = _quick(body, path)
    if records is None:
        records = [msgspec.Raw(body[start:end]) for start, end in _careful(body, path)]
    return [msgspec.Raw(_attributes(bytes(entry))) for entry in records] if path == "data" else records


def cut_records(body: bytes) -> list[memoryview] | None:
    """The records of a page in v2's usual layout, cut where one seems to end and the next to begin: a guess.

    It takes a third of the time of `view_records`, because nothing is read. It is right if each piece is one JSON
    object, which the caller must make sure of: then there is no other way to read the page. None for other layouts.
    """
    at = body.rfind(b'],"meta":', -_TAIL)
    if not body.startswith(b'{"assets":[{"') or at < 0 or not is_object(body[at + 9 : -1]) or body[-1:] != b"}":
        return None
    first, mark_end = len(b'{"assets":['), body.find(b":", 13) + 1
    mark, starts = b"," + body[first:mark_end], [first]
    while (found := body.find(mark, starts[-1], at)) >= 0:
        starts.append(found + 1)
    view = memoryview(body)
    return [view[start : end - 1] for start, end in pairwise([*starts, at + 1])]


def is_object(text: bytes | memoryview) -> bool:
    """Whether this is one JSON object, and nothing else."""
    try:
        _members_of(text)
    except REFUSALS:
        return False
    return True


def read_member(body: bytes, key: str) -> bytes | None:
    """One member of the outermost object, as served; the last one if the key is repeated.

    Raises: CutPage if the body is cut off or not an object.
    """
    body = body.removeprefix(_BOM)
    spans = [(start, end) for name, start, end in _members(body) if name == key]
    return body[spans[-1][0] : spans[-1][1]] if spans else None


class _AssetPage(msgspec.Struct, forbid_unknown_fields=True):
    assets: list[msgspec.Raw]
    meta: msgspec.Raw = msgspec.Raw()


_page_of = msgspec.json.Decoder(_AssetPage).decode


def _usual(body: bytes) -> list[msgspec.Raw] | None:
    """The records of a page in v2's usual layout, in one pass. None if it may contain anything else."""
    try:
        page = _page_of(body)
    except REFUSALS:
        return None
    records, meta = page.assets, page.meta
    known = sum(map(len, records)) + max(len(records) - 1, 0) + len(meta)
    around = len('{"assets":[],"meta":}' if meta else '{"assets":[]}')
    # Unaccounted bytes could be a second list of that name, which msgspec drops.
    return records if len(body) - known < around + len(',"assets":0') else None


def _quick(body: bytes, path: str) -> list[msgspec.Raw] | None:
    if path == "assets" and (usual := _usual(body)) is not None:
        return usual
    found = _only_member(body, path)
    if found is None:
        return None
    try:
        return _elements_of(found)
    except REFUSALS:
        return None


def _only_member(body: bytes, name: str) -> bytes | None:
    """The value of this key, if the object is certain to have the key only once."""
    try:
        members = _members_of(body)
    except REFUSALS:
        return None
    found = members.get(name)
    # Unaccounted bytes could be a second value of that name, which msgspec drops.
    known = sum(len(key) + len(value) + 4 for key, value in members.items()) + 1
    return bytes(found) if found is not None and len(body) - known < len(f',"{name}":0') else None


def _careful(body: bytes, path: str) -> list[Span]:
    lists = [start for key, start, _ in _members(body) if key == path and body[start] == ord("[")]
    if len(lists) != 1:
        raise CutPage(f"{len(lists)} lists named {path!r} in the page")
    return list(_elements(body, lists[0]))


def _attributes(entry: bytes) -> bytes:
    found = _only_member(entry, "attributes")
    if found is None:
        try:
            values = [entry[start:end] for key, start, end in _members(entry) if key == "attributes"]
        except CutPage:
            return entry
        found = values[0] if len(values) == 1 else entry
    return found if found.startswith(b"{") else entry


def _members(body: bytes) -> Iterator[tuple[str, int, int]]:
    """Key, start and end of each value of an object that fills the body."""
    place = _expect(body, 0, b"{")
    if body[place : place + 1] != b"}":
        while True:
            key_end = _value_end(body, place)
            start = _expect(body, key_end, b":")
            end = _value_end(body, start)
            yield _key(body[place:key_end]), start, end
            place = _space(body, end)
            if body[place : place + 1] != b",":
                break
            place = _space(body, place + 1)
    if _expect(body, place, b"}") != len(body):
        raise CutPage("something follows the page")


def _elements(body: bytes, opening: int) -> Iterator[Span]:
    place = _space(body, opening + 1)
    while body[place : place + 1] != b"]":
        end = _value_end(body, place)
        yield place, end
        place = _space(body, end)
        if body[place : place + 1] == b",":
            place = _space(body, place + 1)


def _key(quoted: bytes) -> str:
    try:
        key = json.loads(quoted)
    except ValueError:
        return ""
    return key if isinstance(key, str) else ""


def _space(body: bytes, place: int) -> int:
    match = _SPACE.match(body, place)
    return match.end() if match else place


def _expect(body: bytes, place: int, mark: bytes) -> int:
    """The position after this character and the space around it."""
    place = _space(body, place)
    if body[place : place + 1] != mark:
        raise CutPage(f"cut or garbled at byte {place}: {mark.decode()} expected")
    return _space(body, place + 1)


def _value_end(body: bytes, start: int) -> int:
    first = body[start : start + 1]
    if first in (b"{", b"["):
        return _container_end(body, start)
    match = (_STRING if first == b'"' else _SCALAR).match(body, start)
    if match is None:
        raise CutPage(f"cut or garbled at byte {start}")
    return match.end()


def _container_end(body: bytes, start: int) -> int:
    """Where the object or list that opens at `start` closes, in one pass and without recursion."""
    due = bytearray()
    for match in _TOKEN.finditer(body, start):
        mark = body[match.start()]
        if mark in _CLOSER:
            due.append(_CLOSER[mark])
        elif mark == _QUOTE:
            if match.end() - match.start() == 1:
                break
        elif due.pop() != mark:
            break
        elif not due:
            return match.end()
    raise CutPage(f"cut or garbled after byte {start}")


# ------------------------------------------------------------------------------------------- what pyarrow would change


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
_MANY = 64  # nulls in a block that are looked at one by one
_NULL_MEMBER = re.compile(rb":[ \t\r\n]*null")
_NUMBER_BEFORE = re.compile(rb"(?:^|[:,\[ \t\r\n])-?[0-9.]+$", re.DOTALL)
_MAY_PRECEDE = np.zeros(256, dtype=np.bool_)  # bytes allowed before a number; not the quote, not a letter of an id
_MAY_PRECEDE[list(b":,[-+ \t\r\n")] = True
_MAY_FOLLOW = np.zeros(256, dtype=np.bool_)  # bytes allowed after the run: more digits, or an exponent
_MAY_FOLLOW[list(b"0123456789.eE")] = True


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
    if not is_object(body[at + 7 :].rstrip()[:-1]):
        return None
    while body[at - 1] in b" \t\r\n":
        at -= 1
    # One copy only: the view makes none.
    return b"".join((memoryview(body)[: at - 1], b"}")) if body[at - 1 : at] == b"," else None


def has_explicit_null(body: bytes) -> bool:
    """Whether a member of an object is null, which pyarrow would equate with a missing one.

    Strings may give false positives.
    """
    return next(null_members(body), None) is not None


def null_members(body: bytes) -> Iterator[int]:
    """Positions of nulls that are members of objects, some of them perhaps twice. Strings may give false positives."""
    data = np.frombuffer(body, dtype=np.uint8)
    for places in _places_of(body, _NULL):
        near = places[_AFTER_KEY[data[places - 1]]]
        if len(near) > _MANY:  # a text full of " null": from here on one search costs less than many looks
            yield from (match.end() - 1 for match in _NULL_MEMBER.finditer(body))
            return
        yield from (place for place in near.tolist() if _COLON.search(body[max(place - _GAP, 0) : place]))


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
