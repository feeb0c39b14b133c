"""Settles what a catalogue leaves open by a look at records of the first page: unknown kinds, and forms of dates."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec

from axsync.fields import Atom, Column, Group, Kind, Many, Member, group, with_dates
from axsync.shape import dates, exact, keys, kinds
from axsync.shape.borders import REFUSALS
from axsync.shape.exact import Number, Unreadable
from axsync.shape.strict import keeps_all

MAX_RECORDS: Final = 500
"""Records that are looked at; more would not change what the most frequent form is."""

MAX_TEXTS: Final = 400
"""Texts of one place whose form is looked at, for the same reason."""

MAJORITY: Final = 1.25
"""Four fifths of the sampled texts in one form make a column of dates."""

Value: TypeAlias = Any  # of JSON; a number may have been rounded, which is no matter here
_decode = msgspec.json.Decoder().decode

_MAX_KEYS = 100  # an object with more keys than this is a map with data for keys
_WHOLE = 10**18  # what is larger may not stay within 64 bits
_MAX_LEVELS = 8  # what nests deeper is kept as JSON
_DATE_NAMES = (
    "last_seen", "first_seen", "fetch_time", "last_fetch", "last_scan", "last_logon", "last_login",
    "_date", "_datetime", "_timestamp",
)  # fmt: skip
_TEXT, _JSON, _TIMESTAMP = Atom("text"), Atom("json"), Atom("timestamp")


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen at one place: its name, its values, and the kind it had in an earlier snapshot."""

    name: str
    values: Sequence[Value]
    earlier: "Kind | None"
    guess_dates: bool
    level: int = 0


def resolve(
    columns: Sequence[Column],
    records: Sequence[bytes],
    *,
    guess_dates: bool = False,
    earlier: Mapping[str, str] | None = None,
) -> tuple[Column, ...]:
    """The columns with nothing left open.

    `guess_dates` also makes timestamps of texts that look or sound like dates: for catalogues without formats.
    `earlier` maps fields to the type texts of the previous snapshot; they win over what would be guessed here.
    """
    seen = _seen(columns, records[:MAX_RECORDS])
    types = earlier or {}
    looks = (
        _Look(c.field, seen.get(c.field, ()), kinds.from_type(types.get(c.field, "")), guess_dates) for c in columns
    )
    return tuple(_resolved(column, look) for column, look in zip(columns, looks, strict=True))


def _seen(columns: Sequence[Column], records: Iterable[bytes]) -> dict[str, list[Value]]:
    owners = keys.owners(columns)
    seen: dict[str, list[Value]] = {}
    for raw in records:
        record = _record(raw)
        for key in record.keys() & owners.keys():
            seen.setdefault(owners[key].field, []).append(record[key])
    return seen


def _record(raw: bytes) -> dict[str, Value]:
    """A record; empty where it cannot be read. Exact reading takes five times as long, and takes more."""
    try:
        read = _decode(raw)
        if isinstance(read, dict) and keeps_all(raw, read):
            return read
    except REFUSALS:
        pass
    try:
        return exact.decode(raw)
    except Unreadable:
        return {}


def _resolved(column: Column, look: _Look) -> Column:
    kind = _settled(column.kind, look)
    form = dates.form_of(islice(_date_texts(kind, look.values), MAX_TEXTS)) or column.dates or dates.RFC1123
    return with_dates(replace(column, kind=kind), form)


def _date_texts(kind: Kind, values: Iterable[Value]) -> Iterable[str]:
    match kind:
        case Many(item):
            yield from _date_texts(item, _elements(values))
        case Group(members):
            for member in members:
                yield from _date_texts(member.kind, _at(member.key, values))
        case Atom("timestamp"):
            yield from (value for value in values if isinstance(value, str))


def _settled(kind: Kind, look: _Look) -> Kind:
    match kind:
        case Many(item):
            was = look.earlier.item if isinstance(look.earlier, Many) else None
            return Many(_settled(item, replace(look, values=list(_elements(look.values)), earlier=was)))
        case Group(()):  # Parquet has no object without keys
            return _JSON
        case Group(members):
            return Group(tuple(_settled_member(member, look) for member in members))
        case Atom("unknown"):
            return look.earlier or _guessed(look)
        case Atom("text") if look.guess_dates and look.earlier in (None, _TIMESTAMP):
            return _TIMESTAMP if look.earlier or _is_date(look) else kind
        case Atom():
            return kind


def _settled_member(member: Member, look: _Look) -> Member:
    was = look.earlier.members if isinstance(look.earlier, Group) else ()
    earlier = next((other.kind for other in was if other.name == member.name), None)
    inner = replace(look, name=member.key, values=list(_at(member.key, look.values)), earlier=earlier)
    return replace(member, kind=_settled(member.kind, inner))


def _guessed(look: _Look) -> Kind:
    """The kind that most of the values have; JSON where no kind has more than half of them."""
    values = [value for value in look.values if value is not None]
    if not values:
        return _TEXT
    ((most, count),) = Counter(map(_sort, values)).most_common(1)
    if count * 2 <= len(values):
        return _JSON
    alike = [value for value in values if _sort(value) is most]
    inner = replace(look, values=alike, earlier=None, level=look.level + 1)
    if most in (list, dict):
        return _nested(inner) if look.level < _MAX_LEVELS else _JSON
    return _scalar(inner, most)


def _scalar(look: _Look, sort: type) -> Kind:
    if sort is str:
        return _TIMESTAMP if _one_form(look.values) else _TEXT
    if sort is bool:
        return Atom("bool")
    whole = all(isinstance(value, int) and abs(value) < _WHOLE for value in look.values)
    return Atom("integer") if whole else Atom("number")


def _nested(look: _Look) -> Kind:
    if all(isinstance(value, list) for value in look.values):
        return Many(_guessed(replace(look, values=list(_elements(look.values)))))
    names = dict.fromkeys(key for value in look.values if isinstance(value, dict) for key in value if _sayable(key))
    if not 0 < len(names) <= _MAX_KEYS:
        return _JSON
    return group((key, _guessed(replace(look, name=key, values=list(_at(key, look.values))))) for key in names)


def _sayable(key: str) -> bool:
    """Whether a column can have this key: one with a lone surrogate is left to the rescue column."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _sort(value: Value) -> type:
    return int if isinstance(value, Number | float) else type(value)


def _is_date(look: _Look) -> bool:
    texts = [value for value in look.values if value not in (None, "")]
    return _one_form(texts) if texts else look.name.endswith(_DATE_NAMES)


def _one_form(values: Sequence[Value]) -> bool:
    """Whether most of these are dates in one form; the others will be rescued."""
    told = islice((value for value in values if value != ""), MAX_TEXTS)
    forms = Counter(dates.exact_form(value) if isinstance(value, str) else None for value in told)
    most = max((count for form, count in forms.items() if form), default=0)
    return most * MAJORITY > forms.total()


def _elements(values: Iterable[Value]) -> Iterable[Value]:
    return (element for value in values if isinstance(value, list) for element in value)


def _at(key: str, values: Iterable[Value]) -> Iterable[Value]:
    return (value[key] for value in values if isinstance(value, dict) and key in value)
