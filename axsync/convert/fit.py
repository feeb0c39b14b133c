"""Decides what fits: each value goes to its typed column or, exactly as served, to the rescue column.

`Rules(columns)` is compiled once per lane. `accepts` tests whether a record may go to pyarrow unchanged. `reads` is a
quicker test that leaves some values to be checked after reading.
`clean` turns any other record into one that pyarrow is sure to accept, and rescues the rest:

    text       a string that UTF-8 can encode
    integer    a whole number that fits 64 bits, but not -0.0
    number     a number that the shortest text of its float64 reproduces; NaN and the infinities
    bool       true, false
    timestamp  a date in the column's form
    date       a valid day, YYYY-MM-DD
    json       anything, as the string of its JSON text
    Many       a list; a single value becomes a list of one
    Group      an object; a member that does not fit is left out and rescued at its path

Each column has the form in which most of its values are served (`inference`). A value in another form is typed if
possible and rescued as well, so that the served one can be restored: "9.8" for a number, 0 for a bool, a number for a
text, another form of a date, a single value for a list, the first element of a list for a single value.

Timestamps and dates stay strings in the clean record, because pyarrow's JSON reader accepts neither as served.
An explicit null is left out and rescued, so that it differs from a missing key; inside a list it stays.
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
    """A record that pyarrow accepts, and path → JSON text of what it cannot hold."""

    json: bytes
    rescued: dict[str, str]


class Rules:
    """The rules of one lane."""

    __slots__ = ("_ignored", "_overflow", "_owners", "_slots", "_slots_by_key", "_strict")

    def __init__(self, columns: Sequence[Column], ignored: Callable[[str], bool] | None = None) -> None:
        """`ignored` says which keys without a column are dropped."""
        self._ignored = ignored
        typed = [column for column in columns if column.field != keys.OVERFLOW]
        has_id = any(column.field == ID_FIELD and column.kind == Atom("text") for column in typed)
        self._strict = StrictRecord(typed) if has_id else None
        self._owners = keys.owners(typed)
        self._slots = {column.field: _Slot(column) for column in typed}
        self._slots_by_key = {column.json_key: self._slots[column.field] for column in typed}
        self._overflow = next((_prefix(c.json_key) for c in columns if c.field == keys.OVERFLOW), None)

    def accepts(self, raw: bytes) -> bool:
        """Whether the record is certain to survive the fast path unchanged."""
        return self._strict is not None and self._strict.takes(raw)

    def reads(self, raw: bytes) -> bool:
        """Whether the record's types are right; only its values then need a check after reading."""
        return self._strict is not None and self._strict.reads(raw)

    def clean(self, raw: bytes) -> Cleaned:
        """Split the record into two parts that together are what was served.

        Raises: Unreadable if it cannot be stored at all.
        """
        draft = _Draft()
        members = _unique_members(raw)
        if members is None:
            values = exact.decode(raw)
            draft.add_values((key, slot, values[key]) for key, slot in self._assign_slots(values).items())
        else:
            draft.add_raws((key, slot, members[key]) for key, slot in self._assign_slots(members).items())
        return draft.finish(self._overflow)

    def _assign_slots(self, served: Mapping[str, object]) -> "Mapping[str, _Slot | None]":
        if served.keys() <= self._slots_by_key.keys():
            return {key: self._slots_by_key[key] for key in served}
        settled = keys.settle(served, self._owners)
        if self._ignored is not None:
            settled = {key: column for key, column in settled.items() if column or not self._ignored(key)}
        slots = {key: self._slots[column.field] if column else None for key, column in settled.items()}
        names = {slot.field if slot else key for key, slot in slots.items()}
        if len(names) < len(slots):
            raise Unreadable("one field under two keys")
        return slots


class _Slot:
    """How the values of one column are tested, fitted and written."""

    __slots__ = ("_element", "_fit", "_is_json", "_item_fit", "_takes", "_wrap", "field", "is_id", "prefix")

    def __init__(self, column: Column) -> None:
        kind = column.kind
        self.field = column.field
        self.is_id = column.field == ID_FIELD
        self.prefix = _prefix(column.json_key)
        bare = isinstance(kind, Many) and kind.bare
        # Values served in canonical form pass unchanged; a bare element only needs its list.
        as_it_is = canonical(kind) == (replace(kind, bare=False) if isinstance(kind, Many) else kind)
        self._takes = Strict(kind).takes if as_it_is else _never
        self._wrap = (b"[", b"]") if bare else (b"", b"")
        self._is_json = kind == Atom("json")
        self._fit = fit_of(kind)
        inner = kind.item if isinstance(kind, Many) and not kind.bare else None
        self._element = Strict(inner).takes if inner is not None and canonical(inner) == inner else None
        self._item_fit = fit_of(inner) if inner is not None else self._fit

    def taken(self, raw: bytes | msgspec.Raw) -> tuple[bytes, bytes | msgspec.Raw, bytes] | None:
        """The clean text, in pieces, of a value in the usual form. None if it needs a closer look."""
        return (self._wrap[0], raw, self._wrap[1]) if self._takes(raw) else None

    def fit(self, value: Value, rescued: dict[str, str]) -> str | None:
        """The clean text of an exact value."""
        return self._fit(value, (), Mismatches(self.field, rescued))

    def fit_raw(self, raw: bytes, rescued: dict[str, str]) -> str | None:
        """The clean text of a value that cannot pass unchanged."""
        if self._is_json and raw != b"null":
            return exact.dump(_checked_text(raw))
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
    """A clean record under construction."""

    __slots__ = ("_has_id", "_parts", "_rescued", "_strays")

    def __init__(self) -> None:
        self._has_id = False
        self._parts: list[bytes | msgspec.Raw] = []
        self._rescued: dict[str, str] = {}
        self._strays: dict[str, str] = {}

    def add_raws(self, members: Iterable[tuple[str, _Slot | None, msgspec.Raw]]) -> None:
        """Add values as JSON text."""
        for key, slot, raw in members:
            if slot is None:
                self._strays[key] = _checked_text(bytes(raw))
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
        """Finish the record. Strays go to the overflow column if there is one, else to the rescued values."""
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


def _unique_members(raw: bytes) -> dict[str, msgspec.Raw] | None:
    """The members of a record whose keys are certain to be unique. None if only exact reading can tell."""
    try:
        members = _members_of(raw)
    except REFUSALS:
        return None
    return members if keeps_all(raw, members) else None


def _checked_text(raw: bytes) -> str:
    """The text of a value stored as text, after checking that it can be read again."""
    text = exact.text_of(raw)
    if (b"{" in raw or b"[" in raw) and not says_each_key_once(raw):
        exact.read(text)
    return text


def _is_id(raw: bytes) -> bool:
    try:
        return bool(_id_of(raw))
    except REFUSALS:
        return False


def _prefix(json_key: str) -> bytes:
    return f",{exact.dump(json_key)}:".encode()
