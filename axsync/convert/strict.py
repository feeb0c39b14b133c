"""Tests which JSON texts survive the fast path: pyarrow accepts them for a kind and they come back unchanged.

Decoding with a type compiled by msgspec does most of the test. Three things are checked afterwards: dates in their
form, numbers that float64 represents exactly, and repeated keys (`keeps_all`).
"""

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from axsync.convert.exact import exact_float, keeps_all
from axsync.convert.page_bytes import REFUSALS
from axsync.convert.timestamps import layout_of
from axsync.model import ID_FIELD
from axsync.schema import dates
from axsync.schema.columns import Column
from axsync.schema.kinds import EPOCHS, INT64, RFC1123, Atom, Group, Kind, Many, Wrapped, is_text, parse_text

Check: TypeAlias = Callable[[Any], bool]
Buffer: TypeAlias = bytes | memoryview | Raw
Watched: TypeAlias = tuple[str, str]
"""A key of a record, and a key of the objects there; the second is empty for the value as a whole."""

_members_of = msgspec.json.Decoder(dict[str, Raw]).decode

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

    def takes(self, raw: Buffer) -> bool:
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

    __slots__ = ("_kinds", "_models", "_plain", "reads")

    def __init__(self, columns: Sequence[Column]) -> None:
        kept = [(c.json_key, c.kind, c.field == ID_FIELD) for c in columns if _is_plain_key(c.json_key)]
        self._decode = msgspec.json.Decoder(_struct((key, _model(kind), is_id) for key, kind, is_id in kept)).decode
        self._kinds = [kind for _, kind, _ in kept]
        self._plain = frozenset(key for key, kind, _ in kept if not _has_group(kind))  # no objects: quick to test
        self._models = [(key, _model(kind, float), is_id) for key, kind, is_id in kept]
        self._check = _check_members([_check(kind) for kind in self._kinds])
        self._nested = True
        self.reads = _accepting(_struct(self._models))
        """Whether the types are right, so that only dates, digits and repeated keys may be in doubt."""

    def reader(self, places: Collection[Watched]) -> Callable[[Buffer], bool]:
        """A test like `reads` that steps over objects, but for these places, and looks at what dates say there, too.

        It always sees a field without a column and a missing id.
        """
        members = {key: {member for one, member in places if one == key} for key, _ in places}
        models, checks = [], []
        for (key, model, is_id), kind in zip(self._models, self._kinds, strict=True):
            some = model if key in self._plain else _partial(kind, members[key]) if key in members else Raw
            models.append((key, model if "" in members.get(key, ()) else some, is_id))
            checks.append(_date_check(kind) if key in members else None)
        return _accepting(_struct(models), _check_members(checks))

    def mismatches(self, raw: Buffer) -> dict[Watched, int]:
        """Where this record has other types than its columns, or dates of another form, and the bytes of each field."""
        try:
            members = _members_of(raw)
        except REFUSALS:
            return {}
        served = [entry for entry in zip(self._models, self._kinds, strict=True) if entry[0][0] in members]
        tests = ((key, kind, _accepting(model, _date_check(kind))) for (key, model, _), kind in served)
        wrong = [(key, kind, members[key]) for key, kind, accepts in tests if not accepts(members[key])]
        return {(key, _wrong_member(kind, value)): len(value) for key, kind, value in wrong}


def _partial(kind: Kind, members: Collection[str]) -> Any:  # noqa: ANN401  types are values here
    """The type of objects, or of a list of them, of which only these members are looked at."""
    if isinstance(kind, Many) and not kind.bare:
        return list[_partial(kind.item, members) | None]  # type: ignore[misc]  # made at run time
    if not isinstance(kind, Group):
        return _model(kind, float)
    kept = ((m.key, _model(m.kind, float), False) for m in kind.members if m.key in members and _is_plain_key(m.key))
    return _struct(kept, closed=False)


def _wrong_member(kind: Kind, value: Raw) -> str:
    """The first member of objects that is of another type; empty if it takes a look at all of them to tell."""
    item = kind.item if isinstance(kind, Many) else kind
    keys = [member.key for member in item.members] if isinstance(item, Group) else []
    return next((key for key in keys if not _accepting(_partial(kind, {key}))(value)), "")


def _accepting(model: Any, check: Check | None = None) -> Callable[[Buffer], bool]:  # noqa: ANN401  types are values here
    decode = msgspec.json.Decoder(model).decode

    def accepts(raw: Buffer) -> bool:
        try:
            value = decode(raw)
        except REFUSALS:
            return False
        return check is None or check(value)

    return accepts


def _date_check(kind: Kind) -> Check | None:
    """The check of dates that stand alone or in a list; those in objects are too many to be looked at one by one."""
    item = kind.item if isinstance(kind, Many) else kind
    return _check(kind) if isinstance(item, Atom) and item.name == "timestamp" else None


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
            return _struct((m.key, _model(m.kind, number), False) for m in members if _is_plain_key(m.key))
        case Atom():
            return number if kind == Atom("number") else _atom_model(kind)


def _atom_model(atom: Atom) -> Any:  # noqa: ANN401  # the same
    if atom.form in EPOCHS:
        low, high = dates.epoch_bounds(atom.form)
        return Annotated[int, Meta(ge=low, le=high)]
    if atom.form == "0/1":
        return Annotated[int, Meta(ge=0, le=1)]
    if atom.name == "timestamp":
        width = len(layout_of(atom.form or RFC1123).template)  # tells most other forms, and costs nothing
        return Annotated[str, Meta(min_length=width, max_length=width)]
    return str if is_text(atom) else _ATOMS[atom.name]


def _struct(members: Iterable[tuple[str, Any, bool]], *, closed: bool = True) -> Any:  # noqa: ANN401
    """A struct type with these keys and types, and where it is not closed any others besides."""
    listed = sorted(enumerate(members), key=lambda entry: not entry[1][2])  # required ones first, as msgspec demands
    fields: list[Any] = []
    for place, (_, model, needed) in listed:
        name = f"f{place}"
        fields.append((name, Annotated[str, Meta(min_length=1)]) if needed else (name, model | UnsetType, UNSET))
    names = {f"f{place}": key for place, (key, _, _) in listed}
    return msgspec.defstruct("Served", fields, rename=names, forbid_unknown_fields=closed, gc=False)


# A json value must be turned into a string first, so nothing passes unchanged.
_NOTHING = Annotated[str, Meta(min_length=1, max_length=0)]

_ATOMS: dict[str, Any] = {
    "text": str,
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
