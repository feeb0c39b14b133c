"""Tests which JSON texts survive the fast path: pyarrow accepts them for a kind and they come back unchanged.

Decoding with a type compiled by msgspec does most of the test. Three things are checked afterwards: dates in their
form, numbers that float64 represents exactly, and repeated keys (`keeps_all`).
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from axsync.convert.exact import exact_float, keeps_all
from axsync.convert.page_bytes import REFUSALS
from axsync.model import ID_FIELD
from axsync.schema import dates
from axsync.schema.columns import Column
from axsync.schema.kinds import EPOCHS, INT64, RFC1123, Atom, Group, Kind, Many, Wrapped, is_text, parse_text

Check: TypeAlias = Callable[[Any], bool]

_SHORT = 32  # characters; longer numbers are too rare to cache
_PLAIN_NUMBER = re.compile(rb"-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?")
_ILLEGAL = re.compile('[\\\\"\x00-\x1f\ud800-\udfff]')  # in names of msgspec fields


class Strict:
    """The test for one kind."""

    __slots__ = ("_check", "_decode", "_nested")

    def __init__(self, kind: Kind) -> None:
        self._decode = msgspec.json.Decoder(_model(kind)).decode
        self._check = _check(kind)
        self._nested = _has_group(kind)

    def takes(self, raw: bytes | Raw) -> bool:
        """Whether this JSON text may go to pyarrow unchanged."""
        try:
            value = self._decode(raw)
        except REFUSALS:
            return False
        if self._check and not self._check(value):
            return False
        return not self._nested or keeps_all(bytes(raw), value)


class StrictRecord(Strict):
    """The test for whole records. `reads` leaves more to be checked afterwards than `takes`."""

    __slots__ = ("_read",)

    def __init__(self, columns: Sequence[Column]) -> None:
        kept = [(c.json_key, c.kind, c.field == ID_FIELD) for c in columns if _is_plain_key(c.json_key)]
        self._decode = msgspec.json.Decoder(_struct(kept)).decode
        self._read = msgspec.json.Decoder(_struct(kept, float)).decode
        self._check = _check_members([_check(kind) for _, kind, _ in kept])
        self._nested = True

    def reads(self, raw: bytes | Raw) -> bool:
        """Whether the types are right, so that only dates, digits and repeated keys may be in doubt."""
        try:
            self._read(raw)
        except REFUSALS:
            return False
        return True


def plain_number(raw: bytes) -> bool:
    """Whether pyarrow reads these bytes as a number that float64 represents exactly."""
    return _plain_short(raw) if len(raw) <= _SHORT else _plain(raw)


def _plain(raw: bytes) -> bool:
    return bool(_PLAIN_NUMBER.fullmatch(raw)) and exact_float(raw.decode()) is not None


_plain_short = lru_cache(maxsize=1 << 14)(_plain)


def _is_plain_key(key: str) -> bool:
    """Whether msgspec accepts the key; a record with any other key never passes unchanged."""
    return not _ILLEGAL.search(key)


def _model(kind: Kind, number: type = Raw) -> Any:  # noqa: ANN401  # types are values here
    match kind:
        case Many(item, bare=True):
            return _model(item, number)
        case Many(Atom("number", "")) if number is Raw:
            return list[Raw]
        case Many(item):
            return list[_model(item, number) | None]  # type: ignore[misc]  # made at run time
        case Wrapped(item):
            return Annotated[list[_model(item, number)], Meta(min_length=1, max_length=1)]  # type: ignore[misc]
        case Group(members):
            return _struct(
                ((member.key, member.kind, False) for member in members if _is_plain_key(member.key)), number
            )
        case Atom():
            return number if kind == Atom("number") else _atom_model(kind)


def _atom_model(atom: Atom) -> Any:  # noqa: ANN401  # the same
    if atom.form in EPOCHS:
        low, high = dates.epoch_bounds(atom.form)
        return Annotated[int, Meta(ge=low, le=high)]
    if atom.form == "0/1":
        return Annotated[int, Meta(ge=0, le=1)]
    return str if is_text(atom) else _ATOMS[atom.name]


def _struct(members: Iterable[tuple[str, Kind, bool]], number: type = Raw) -> Any:  # noqa: ANN401
    """A struct type with these keys; required ones come first, as msgspec demands."""
    listed = sorted(enumerate(members), key=lambda entry: not entry[1][2])
    fields: list[Any] = []
    for place, (_, kind, needed) in listed:
        name = f"f{place}"
        fields.append(
            (name, Annotated[str, Meta(min_length=1)]) if needed else (name, _model(kind, number) | UnsetType, UNSET)
        )
    names = {f"f{place}": key for place, (key, _, _) in listed}
    return msgspec.defstruct("Served", fields, rename=names, forbid_unknown_fields=True, gc=False)


# A json value must be turned into a string first, so nothing passes unchanged.
_NOTHING = Annotated[str, Meta(min_length=1, max_length=0)]

_ATOMS: dict[str, Any] = {
    "text": str,
    "timestamp": str,
    "date": dt.date,
    "bool": bool,
    "integer": Annotated[int, Meta(ge=INT64[0], le=INT64[1])],
    "json": _NOTHING,
    "unknown": str,
}


def _has_group(kind: Kind) -> bool:
    match kind:
        case Many(item) | Wrapped(item):
            return _has_group(item)
        case Group():
            return True
        case Atom():
            return False


def _check(kind: Kind) -> Check | None:
    match kind:
        case Many(item, bare=True):
            return _check(item)
        case Many(Atom("number", "")):
            return _all_numbers
        case Many(item) | Wrapped(item):
            return _check_items(_check(item))
        case Group(members):
            return _check_members([_check(m.kind) for m in members if _is_plain_key(m.key)])
        case Atom():
            return _check_atom(kind)


def _check_atom(atom: Atom) -> Check | None:
    if is_text(atom):
        return lambda text: parse_text(text, atom) is not None
    if atom.name == "timestamp" and atom.form not in EPOCHS:
        return lambda text: dates.parse(text, atom.form or RFC1123) is not None
    return (lambda raw: plain_number(bytes(raw))) if atom.name == "number" else None


def _all_numbers(items: list[Raw]) -> bool:
    return all(plain_number(raw) or raw == b"null" for raw in map(bytes, items))


def _check_items(check: Check | None) -> Check | None:
    if check is None:
        return None
    return lambda items: all(item is None or check(item) for item in items)


def _check_members(checks: Sequence[Check | None]) -> Check | None:
    needed = [(f"f{place}", check) for place, check in enumerate(checks) if check]
    if not needed:
        return None

    def check_all(value: object) -> bool:
        for name, check in needed:
            member = getattr(value, name)
            if member is not UNSET and not check(member):
                return False
        return True

    return check_all
