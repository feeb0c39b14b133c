"""Finds where the records of a page begin and end, without parsing them."""

import json
import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from axsync.errors import AxsyncError

Span: TypeAlias = tuple[int, int]

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:"{}\[\]]+')
_SPACE = re.compile(rb"[ \t\r\n]*+")
_CLOSER = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE = ord('"')

# What msgspec raises on bytes that it rejects: NaN, lone surrogates, deep nesting, invalid JSON.
REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_skip = msgspec.json.Decoder(msgspec.Raw).decode
_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


class CutPage(AxsyncError):
    """A body that is not one complete JSON object with a list of records."""


def split(body: bytes, path: Literal["assets", "data"]) -> list[bytes]:
    """The records of a page as served; for `data`, the `attributes` of its entries.

    An entry without an attributes object stands for itself; it will be unreadable for lack of an id.

    Raises: CutPage if the page is cut off, or does not have exactly one list of that name.
    """
    body = body.removeprefix(_BOM)
    records = _quick(body, path)
    if records is None:
        records = [body[start:end] for start, end in _careful(body, path)]
    return [_attributes(entry) for entry in records] if path == "data" else records


def is_whole(body: bytes) -> bool:
    """Whether the body is one complete object, whatever it contains."""
    body = body.removeprefix(_BOM)
    try:
        _skip(body)
    except REFUSALS:
        return _closes(body)
    return body.lstrip()[:1] == b"{"


def member(body: bytes, key: str) -> bytes | None:
    """One member of the outermost object, as served; the last one if the key is repeated.

    Raises: CutPage if the body is cut off or not an object.
    """
    body = body.removeprefix(_BOM)
    spans = [(start, end) for name, start, end in _members(body) if name == key]
    return body[spans[-1][0] : spans[-1][1]] if spans else None


def _closes(body: bytes) -> bool:
    try:
        return all(True for _ in _members(body))
    except CutPage:
        return False


class _AssetPage(msgspec.Struct, forbid_unknown_fields=True):
    assets: list[msgspec.Raw]
    meta: msgspec.Raw = msgspec.Raw()


_page_of = msgspec.json.Decoder(_AssetPage).decode


def _usual(body: bytes) -> list[bytes] | None:
    """The records of a page in v2's usual layout, in one pass. None if it may contain anything else."""
    try:
        page = _page_of(body)
    except REFUSALS:
        return None
    records, meta = [bytes(record) for record in page.assets], bytes(page.meta)
    known = sum(map(len, records)) + max(len(records) - 1, 0) + len(meta)
    around = len('{"assets":[],"meta":}' if meta else '{"assets":[]}')
    # Unaccounted bytes could be a second list of that name, which msgspec drops.
    return records if len(body) - known < around + len(',"assets":0') else None


def _quick(body: bytes, path: str) -> list[bytes] | None:
    if path == "assets" and (usual := _usual(body)) is not None:
        return usual
    found = _only_member(body, path)
    if found is None:
        return None
    try:
        return [bytes(record) for record in _elements_of(found)]
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
