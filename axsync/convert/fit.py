"""Decides what fits: each value goes to its typed column or, exactly as served, to the rescue column.

`Rules(columns)` is compiled once per lane. `accepts` tests whether a record may go to pyarrow unchanged. `reads` is a
quicker test that leaves some values to be checked after reading; `passes` leaves all that has not drifted so far.
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

The text of a value is in the column's canonical form (`kinds.canonical`), whatever form the server uses.
Timestamps and dates stay strings in the clean record, because pyarrow's JSON reader accepts neither as served.
An explicit null is left out and rescued, so that it differs from a missing key; inside a list it stays.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeAlias

import msgspec

from axsync.convert import exact
from axsync.convert.exact import SURROGATE, Number, Unreadable, Value, dump, exact_float, keeps_all, says_each_key_once
from axsync.convert.page_bytes import REFUSALS
from axsync.convert.rescue import Step, join_path
from axsync.convert.strict import Buffer, Strict, StrictRecord
from axsync.convert.watch import Watch
from axsync.model import ID_FIELD
from axsync.schema import dates
from axsync.schema.columns import OVERFLOW, Column, key_owners, settle_keys
from axsync.schema.kinds import EPOCHS, INT64, RFC1123, Atom, Group, Kind, Many, Wrapped, canonical, is_text, parse_text

_Steps: TypeAlias = tuple[Step, ...]
_Fit: TypeAlias = "Callable[[Value, _Steps, _Mismatches], str | None]"

_NUMERIC = re.compile(r"[ ]*[+-]?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,25})?[ ]*")
_TRUTHS = {"true": "true", "false": "false", "1": "true", "0": "false"}

_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_id_of = msgspec.json.Decoder(Annotated[str, msgspec.Meta(min_length=1)]).decode


# ------------------------------------------------------------------------------------------------------------- records


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A record that pyarrow accepts, and path → JSON text of what it cannot hold."""

    json: bytes
    rescued: dict[str, str]


class Rules:
    """The rules of one lane."""

    __slots__ = ("_ignored", "_overflow", "_owners", "_slots", "_slots_by_key", "_strict", "_watch")

    def __init__(self, columns: Sequence[Column], ignored: Callable[[str], bool] | None = None) -> None:
        """`ignored` says which keys without a column are dropped."""
        self._ignored = ignored
        typed = [column for column in columns if column.field != OVERFLOW]
        has_id = any(column.field == ID_FIELD and column.kind == Atom("text") for column in typed)
        self._strict = StrictRecord(typed) if has_id else None
        self._watch = Watch(self._strict) if self._strict else None
        self._owners = key_owners(typed)
        self._slots = {column.field: _Slot(column) for column in typed}
        self._slots_by_key = {column.json_key: self._slots[column.field] for column in typed}
        self._overflow = next((_prefix(c.json_key) for c in columns if c.field == OVERFLOW), None)

    def accepts(self, raw: Buffer) -> bool:
        """Whether the record is certain to survive the fast path unchanged."""
        return self._strict is not None and self._strict.takes(raw)

    def reads(self, raw: Buffer) -> bool:
        """Whether the record's types are right; only its values then need a check after reading."""
        return self._strict is not None and self._strict.reads(raw)

    def passes(self, raw: Buffer) -> bool:
        """Whether the record's types are right wherever this lane is known to drift, the quickest test of all."""
        return self._watch is not None and self._watch.passes(raw)

    def learn(self, slipped: Iterable[Buffer]) -> None:
        """Let `passes` look closer at what was wrong with these records, which it let through."""
        if self._watch is not None:
            self._watch.learn(slipped)

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
        settled = settle_keys(served, self._owners)
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
        self._fit = _fit_of(kind)
        inner = kind.item if isinstance(kind, Many) and not kind.bare else None
        self._element = Strict(inner).takes if inner is not None and canonical(inner) == inner else None
        self._item_fit = _fit_of(inner) if inner is not None else self._fit

    def taken(self, raw: bytes | msgspec.Raw) -> tuple[bytes, bytes | msgspec.Raw, bytes] | None:
        """The clean text, in pieces, of a value in the usual form. None if it needs a closer look."""
        return (self._wrap[0], raw, self._wrap[1]) if self._takes(raw) else None

    def fit(self, value: Value, rescued: dict[str, str]) -> str | None:
        """The clean text of an exact value."""
        return self._fit(value, (), _Mismatches(self.field, rescued))

    def fit_raw(self, raw: bytes, rescued: dict[str, str]) -> str | None:
        """The clean text of a value that cannot pass unchanged."""
        if self._is_json and raw != b"null":
            return dump(_checked_text(raw))
        if self._element and raw.startswith(b"["):
            texts = (self._fit_item(place, bytes(item), rescued) for place, item in enumerate(_elements_of(raw)))
            return f"[{','.join(texts)}]"
        return self.fit(exact.read(exact.text_of(raw)), rescued)

    def _fit_item(self, place: int, raw: bytes, rescued: dict[str, str]) -> str:
        if raw == b"null" or (self._element and self._element(raw)):
            return raw.decode()
        value = exact.read(exact.text_of(raw))
        return self._item_fit(value, (place,), _Mismatches(self.field, rescued)) or "null"


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
                self._strays[key] = dump(value)
            else:
                self._add(slot, slot.fit(value, self._rescued))
            if slot.is_id if slot else key == ID_FIELD:
                self._has_id = _is_id(dump(value).encode())

    def finish(self, overflow: bytes | None) -> Cleaned:
        """Finish the record. Strays go to the overflow column if there is one, else to the rescued values."""
        if not self._has_id:
            raise Unreadable("no usable id")
        if overflow and self._strays:
            inner = ",".join(f"{dump(key)}:{text}" for key, text in self._strays.items())
            self._parts += (overflow, dump(f"{{{inner}}}").encode())
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
    return f",{dump(json_key)}:".encode()


# -------------------------------------------------------------------------------------------------------------- values


class _Mismatches:
    """Collects what does not fit `field`, under its paths."""

    __slots__ = ("_field", "_rescued")

    def __init__(self, field: str, rescued: dict[str, str]) -> None:
        self._field, self._rescued = field, rescued

    def add(self, steps: _Steps, value: Value) -> None:
        """Rescue the value at this path."""
        self._rescued[join_path(self._field, steps)] = dump(value)

    def apart(self) -> "_Mismatches":
        """A separate collection, for when the value around them may be rescued as a whole."""
        return _Mismatches(self._field, {})

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rescued)


def _fit_of(kind: Kind) -> _Fit:
    """The function that fits values of this kind. It returns JSON text, or None if nothing of the value fits."""
    match kind:
        case Many(item, bare=True):
            return _bare_fit(_fit_of(item), _list_fit(_fit_of(item)))
        case Many(item):
            return _list_fit(_fit_of(item))
        case Wrapped(item):
            return _wrapped_fit(_fit_of(item))
        case Group(members):
            return _group_fit({member.key: _fit_of(member.kind) for member in members})
        case Atom():
            return _atom_fit_of(kind)


def _atom_fit_of(atom: Atom) -> _Fit:
    if atom.name == "json":
        return _fit_json
    if atom.name == "timestamp":
        return _atom_fit(*_timestamp_fits(atom.form or RFC1123, canonical(atom)))
    return _atom_fit(_from_form(atom) if atom.form else _ATOMS[atom.name], _COERCED[atom.name])


def _list_fit(fit: _Fit) -> _Fit:
    def fit_list(value: Value, steps: _Steps, mismatches: _Mismatches) -> str | None:
        if not isinstance(value, list):
            mismatches.add(steps, value)
            return _listed(fit(value, steps, mismatches.apart()) if value is not None else None)
        texts = ("null" if item is None else fit(item, (*steps, place), mismatches) for place, item in enumerate(value))
        return f"[{','.join(text or 'null' for text in texts)}]"

    return fit_list


def _bare_fit(fit: _Fit, fit_list: _Fit) -> _Fit:
    def fit_bare(value: Value, steps: _Steps, mismatches: _Mismatches) -> str | None:
        inner = mismatches.apart()
        if isinstance(value, list):
            mismatches.add(steps, value)
            return fit_list(value, steps, inner)
        text = fit(value, steps, inner) if value is not None else None
        if inner or text is None:
            mismatches.add(steps, value)
        return _listed(text)

    return fit_bare


def _listed(text: str | None) -> str | None:
    return None if text is None else f"[{text}]"


def _wrapped_fit(fit: _Fit) -> _Fit:
    def fit_wrapped(value: Value, steps: _Steps, mismatches: _Mismatches) -> str | None:
        inner = mismatches.apart()
        text = _fit_first(fit, value if isinstance(value, list) else [value], steps, inner)
        if inner or text is None or not isinstance(value, list) or len(value) != 1:
            mismatches.add(steps, value)
        return text

    return fit_wrapped


def _fit_first(fit: _Fit, values: list[Value], steps: _Steps, mismatches: _Mismatches) -> str | None:
    """Fit the first value that can be typed at least in part. Nested lists are skipped."""
    texts = (fit(value, steps, mismatches) for value in values if value is not None and not isinstance(value, list))
    return next((text for text in texts if text is not None), None)


def _group_fit(fits: dict[str, _Fit]) -> _Fit:
    def fit_group(value: Value, steps: _Steps, mismatches: _Mismatches) -> str | None:
        if not isinstance(value, dict):
            mismatches.add(steps, value)
            return _fit_first(fit_group, value, steps, mismatches.apart()) if isinstance(value, list) else None
        texts = {key: fits.get(key, _unknown)(member, (*steps, key), mismatches) for key, member in value.items()}
        return f"{{{','.join(f'{dump(key)}:{text}' for key, text in texts.items() if text is not None)}}}"

    return fit_group


def _unknown(value: Value, steps: _Steps, mismatches: _Mismatches) -> None:
    mismatches.add(steps, value)


def _atom_fit(text_of: Callable[[Value], str | None], coerced: Callable[[Value], str | None]) -> _Fit:
    def fit_atom(value: Value, steps: _Steps, mismatches: _Mismatches) -> str | None:
        text = text_of(value)
        if text is not None:
            return text
        mismatches.add(steps, value)
        if isinstance(value, list):
            return _fit_first(fit_atom, value, steps, mismatches.apart())
        return coerced(value)

    return fit_atom


def _timestamp_fits(form: str, target: Kind) -> tuple[Callable[[Value], str | None], Callable[[Value], str | None]]:
    """Two functions for values in the form and in any other form; both return text in the target's form."""
    written = target.form if isinstance(target, Atom) else RFC1123

    def exactly(value: Value) -> str | None:
        if form in EPOCHS:
            whole = _as_read(value)
            instant = None if whole is None else dates.of_epoch(whole, form)
            return dump(dates.write(instant, written)) if instant is not None else None
        return dump(value) if isinstance(value, str) and dates.parse(value, form) is not None else None

    def nearly(value: Value) -> str | None:
        instant = _instant(value)
        return dump(dates.write(instant, written)) if instant is not None else None

    return exactly, nearly


def _instant(value: Value) -> int | None:
    if isinstance(value, str):
        return dates.parse_any(value)
    form = dates.epoch_form(value)
    return dates.of_epoch(value, form) if form and isinstance(value, int) else None


def _from_form(atom: Atom) -> Callable[[Value], str | None]:
    """For values served as strings, or bools served as 0 and 1."""
    if not is_text(atom):
        return lambda value: _TRUTHS.get(str(_as_read(value)))
    name = atom.name

    def text_of(value: Value) -> str | None:
        found = parse_text(value, atom) if isinstance(value, str) else None
        return None if found is None else dump(found) if name == "bool" else repr(found)  # type: ignore[arg-type]

    return text_of


def _text(value: Value) -> str | None:
    return dump(value) if isinstance(value, str) and not SURROGATE.search(value) else None


def _as_text(value: Value) -> str | None:
    """A number, a bool or an object as its JSON text."""
    if value is None or isinstance(value, str) or (isinstance(value, Number) and value.is_token):
        return None
    return _text(dump(value))


def _bool(value: Value) -> str | None:
    return dump(value) if isinstance(value, bool) else None


def _as_bool(value: Value) -> str | None:
    return _TRUTHS.get(str(value).lower()) if isinstance(value, int | str) else None


def _as_read(value: Value) -> int | None:
    """The value of a column of integers, as the reader of pages takes it: it makes 0 of -0."""
    if isinstance(value, Number):
        return 0 if value.text == "-0" else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _integer(value: Value) -> str | None:
    if isinstance(value, Number):
        return _whole(value.text)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _as_integer(value: Value) -> str | None:
    if isinstance(value, str):
        return _whole(value.strip()) if _NUMERIC.fullmatch(value) else None
    return _integer(value)


def _whole(text: str) -> str | None:
    """The integer that this number is, if it is whole and fits 64 bits."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not INT64[0] <= number <= INT64[1] or number != number.to_integral_value():
        return None
    return None if number.is_zero() and number.is_signed() and text != "-0" else str(int(number))


def _number(value: Value) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, Number)):
        return None
    if isinstance(value, Number) and value.is_token:
        return value.text
    number = exact_float(dump(value))
    return repr(number) if number is not None else None


def _as_number(value: Value) -> str | None:
    """The nearest double of a numeric string, or of a number that no double equals."""
    text = value if isinstance(value, str) else dump(value) if isinstance(value, int | Number) else ""
    if isinstance(value, bool) or not _NUMERIC.fullmatch(text):
        return None
    number = float(text)
    return repr(number) if math.isfinite(number) else None


def _date(value: Value) -> str | None:
    return dump(value) if isinstance(value, str) and dates.parse(value, dates.DAY) is not None else None


def _as_date(value: Value) -> str | None:
    instant = _instant(value)
    return dump(dates.write(instant, dates.DAY)) if instant is not None else None


def _fit_json(value: Value, steps: _Steps, mismatches: _Mismatches) -> str | None:
    if value is None:
        mismatches.add(steps, value)
        return None
    return dump(dump(value))


_ATOMS: dict[str, Callable[[Value], str | None]] = {
    "text": _text,
    "date": _date,
    "bool": _bool,
    "integer": _integer,
    "number": _number,
    "unknown": _text,
}

_COERCED: dict[str, Callable[[Value], str | None]] = {
    "text": _as_text,
    "date": _as_date,
    "bool": _as_bool,
    "integer": _as_integer,
    "number": _as_number,
    "unknown": _as_text,
}
"""Typed values of what is served in another form, which is rescued as well."""
