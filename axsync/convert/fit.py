"""Decides what fits: each value of a record goes to its typed column or, exactly as served, to the rescue column.

`Rules(columns)` is compiled once per lane. `accepts` is the test that a record may go to pyarrow as it is, `reads` a
quicker one that leaves some values to be looked at once they are read.
`clean` turns any other record into one that pyarrow surely takes, and the rest into rescued values:

    text       a string that UTF-8 can hold
    integer    a number that is whole and fits 64 bits, but not -0.0
    number     a number that is said again by its float64's shortest text; NaN and the infinities
    bool       true, false
    timestamp  a date in the column's form
    date       a real day, YYYY-MM-DD
    json       anything, as the string of its JSON text
    Many       a list; a single value becomes a list of one
    Group      an object; a member that does not fit is left out, and rescued at its place

Each column has the form in which most of its values are served (`sample`). A value in another form is typed all the
same where it can be, and is rescued, so that the served one comes back: "9.8" for a number, 0 for a bool, a number for
a text, another form of a date, a single value for a list, the first element of a list for a single value.

Timestamps and dates stay strings in the clean record: pyarrow's JSON reader takes neither as they are served.
An explicit null is left out and rescued, so that it is not taken for a missing key; inside a list it stays.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec

from axsync.convert import exact
from axsync.convert.exact import Unreadable, Value
from axsync.convert.json_split import REFUSALS
from axsync.convert.mismatch import Mismatches, fit_of
from axsync.convert.rescue import join_path
from axsync.convert.strict import Strict, StrictRecord, keeps_all, says_each_key_once
from axsync.model import ID_FIELD
from axsync.schema import keys
from axsync.schema.fields import Atom, Column, Many, canonical

__all__ = ["Cleaned", "Rules", "Unreadable"]

_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_id_of = msgspec.json.Decoder(Annotated[str, msgspec.Meta(min_length=1)]).decode


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A record that pyarrow takes, and path → JSON text of what it cannot hold."""

    json: bytes
    rescued: dict[str, str]


class Rules:
    """The rules of one lane."""

    __slots__ = ("_ignored", "_overflow", "_owners", "_slots", "_strict", "_wires")

    def __init__(self, columns: Sequence[Column], ignored: Callable[[str], bool] | None = None) -> None:
        """`ignored` tells of keys without a column that are not kept."""
        self._ignored = ignored
        typed = [column for column in columns if column.field != keys.OVERFLOW]
        has_id = any(column.field == ID_FIELD and column.kind == Atom("text") for column in typed)
        self._strict = StrictRecord(typed) if has_id else None
        self._owners = keys.owners(typed)
        self._slots = {column.field: _Slot(column) for column in typed}
        self._wires = {column.wire: self._slots[column.field] for column in typed}
        self._overflow = next((_prefix(c.wire) for c in columns if c.field == keys.OVERFLOW), None)

    def accepts(self, raw: bytes) -> bool:
        """Whether the record surely survives the fast path exactly as it is."""
        return self._strict is not None and self._strict.takes(raw)

    def reads(self, raw: bytes) -> bool:
        """Whether the record's types are right: after reading, only its values can be in doubt."""
        return self._strict is not None and self._strict.reads(raw)

    def clean(self, raw: bytes) -> Cleaned:
        """The record in two halves that together are what was served.

        Raises: Unreadable where it cannot be kept at all.
        """
        draft = _Draft()
        members = _once_each(raw)
        if members is None:
            values = exact.decode(raw)
            draft.add_values((key, slot, values[key]) for key, slot in self._settled(values).items())
        else:
            draft.add_raws((key, slot, members[key]) for key, slot in self._settled(members).items())
        return draft.finish(self._overflow)

    def _settled(self, served: Mapping[str, object]) -> "Mapping[str, _Slot | None]":
        if served.keys() <= self._wires.keys():
            return {key: self._wires[key] for key in served}
        settled = keys.settle(served, self._owners)
        if self._ignored is not None:
            settled = {key: column for key, column in settled.items() if column or not self._ignored(key)}
        slots = {key: self._slots[column.field] if column else None for key, column in settled.items()}
        names = {slot.field if slot else key for key, slot in slots.items()}
        if len(names) < len(slots):
            raise Unreadable("one field under two keys")
        return slots


class _Slot:
    """One column: how its values are tested, fitted and written."""

    __slots__ = ("_element", "_fit", "_is_json", "_item_fit", "_takes", "_wrap", "field", "is_id", "prefix")

    def __init__(self, column: Column) -> None:
        kind = column.kind
        self.field = column.field
        self.is_id = column.field == ID_FIELD
        self.prefix = _prefix(column.wire)
        bare = isinstance(kind, Many) and kind.bare
        # What is served in the canonical form may go on as it is; a bare element only wants its list.
        as_it_is = canonical(kind) == (replace(kind, bare=False) if isinstance(kind, Many) else kind)
        self._takes = Strict(kind).takes if as_it_is else _never
        self._wrap = (b"[", b"]") if bare else (b"", b"")
        self._is_json = kind == Atom("json")
        self._fit = fit_of(kind)
        inner = kind.item if isinstance(kind, Many) and not kind.bare else None
        self._element = Strict(inner).takes if inner is not None and canonical(inner) == inner else None
        self._item_fit = fit_of(inner) if inner is not None else self._fit

    def taken(self, raw: bytes | msgspec.Raw) -> tuple[bytes, bytes | msgspec.Raw, bytes] | None:
        """The clean text of a value that is served as most are, in pieces; None where it wants a closer look."""
        return (self._wrap[0], raw, self._wrap[1]) if self._takes(raw) else None

    def fit(self, value: Value, rescued: dict[str, str]) -> str | None:
        """The clean text of an exact value."""
        return self._fit(value, (), Mismatches(self.field, rescued))

    def fit_raw(self, raw: bytes, rescued: dict[str, str]) -> str | None:
        """The clean text of a value that cannot be taken as it is."""
        if self._is_json and raw != b"null":
            return exact.dump(_sound(raw))
        if self._element and raw.startswith(b"["):
            texts = (self._fit_item(place, bytes(item), rescued) for place, item in enumerate(_elements_of(raw)))
            return f"[{','.join(texts)}]"
        return self.fit(exact.read(exact.text_of(raw)), rescued)

    def _fit_item(self, place: int, raw: bytes, rescued: dict[str, str]) -> str:
        if raw == b"null" or (self._element and self._element(raw)):
            return raw.decode()
        value = exact.read(exact.text_of(raw))
        return self._item_fit(value, (place,), Mismatches(self.field, rescued)) or "null"


class _Draft:
    """A clean record in the making."""

    __slots__ = ("_has_id", "_parts", "_rescued", "_strays")

    def __init__(self) -> None:
        self._has_id = False
        self._parts: list[bytes | msgspec.Raw] = []
        self._rescued: dict[str, str] = {}
        self._strays: dict[str, str] = {}

    def add_raws(self, members: Iterable[tuple[str, _Slot | None, msgspec.Raw]]) -> None:
        """Add values that are still JSON text."""
        for key, slot, raw in members:
            if slot is None:
                self._strays[key] = _sound(bytes(raw))
            elif (taken := slot.taken(raw)) is not None:
                self._parts += (slot.prefix, *taken)
            else:
                self._add(slot, slot.fit_raw(bytes(raw), self._rescued))
            if slot.is_id if slot else key == ID_FIELD:
                self._has_id = _is_id(bytes(raw))

    def add_values(self, members: Iterable[tuple[str, _Slot | None, Value]]) -> None:
        """Add exact values."""
        for key, slot, value in members:
            if slot is None:
                self._strays[key] = exact.dump(value)
            else:
                self._add(slot, slot.fit(value, self._rescued))
            if slot.is_id if slot else key == ID_FIELD:
                self._has_id = _is_id(exact.dump(value).encode())

    def finish(self, overflow: bytes | None) -> Cleaned:
        """The record; strays go to the overflow column where there is one, else to the rescued values."""
        if not self._has_id:
            raise Unreadable("no usable id")
        if overflow and self._strays:
            inner = ",".join(f"{exact.dump(key)}:{text}" for key, text in self._strays.items())
            self._parts += (overflow, exact.dump(f"{{{inner}}}").encode())
        else:
            self._rescued |= {join_path(key): text for key, text in self._strays.items()}
        return Cleaned(b"{" + b"".join(self._parts)[1:] + b"}", self._rescued)

    def _add(self, slot: _Slot, text: str | None) -> None:
        if text is not None:
            self._parts += (slot.prefix, text.encode())


def _never(raw: bytes | msgspec.Raw) -> bool:
    del raw
    return False


def _once_each(raw: bytes) -> dict[str, msgspec.Raw] | None:
    """The members of a record whose keys are surely served once each; None where only exact reading can tell."""
    try:
        members = _members_of(raw)
    except REFUSALS:
        return None
    return members if keeps_all(raw, members) else None


def _sound(raw: bytes) -> str:
    """The text of a value that is kept as text, once it is known that it can be read again."""
    text = exact.text_of(raw)
    if (b"{" in raw or b"[" in raw) and not says_each_key_once(raw):
        exact.read(text)
    return text


def _is_id(raw: bytes) -> bool:
    try:
        return bool(_id_of(raw))
    except REFUSALS:
        return False


def _prefix(wire: str) -> bytes:
    return f",{exact.dump(wire)}:".encode()
