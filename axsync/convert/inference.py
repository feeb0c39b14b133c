"""Settles what each column is, and how the server writes its values, by a look at records of the first page.

Catalogue and earlier snapshot are priors: the catalogue decides what the page leaves open, and the earlier snapshot
keeps a column's type from day to day. What most values of the page are decides everything else: scalar or list,
object or list of objects, the kind inside, and the form in which it is written (docs/axonius-api.md, "Shapes of
values"). Two steps:

    settled   the kind of a column by its prior and its values
    served    the same kind with the forms in which most of the values are written
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec

from axsync.convert import exact
from axsync.convert.exact import Number, Unreadable
from axsync.convert.json_split import REFUSALS
from axsync.convert.strict import keeps_all
from axsync.schema import dates, forms, keys
from axsync.schema.fields import RFC1123, Atom, Column, Group, Kind, Many, Member, Wrapped, assign_names, kept
from axsync.schema.widen import MAX_MEMBERS, widen

MAX_RECORDS: Final = 500
"""Records that are looked at; more would not change what the most frequent form is. Fields that are rare are looked for
in all of them."""

MAX_TEXTS: Final = 400
"""Texts of one place whose form is looked at, for the same reason."""

MAJORITY: Final = 1.25
"""Four fifths of the sampled texts in one form make a column of dates."""

Value: TypeAlias = Any  # of JSON; a number may have been rounded, which is no matter here
Shape: TypeAlias = Literal["list", "object", "scalar"]
_decode = msgspec.json.Decoder().decode

_WHOLE = 10**18  # what is larger may not stay within 64 bits
_MAX_LEVELS = 8  # what nests deeper is kept as JSON
_DATE_NAMES = (
    "last_seen", "first_seen", "fetch_time", "last_fetch", "last_scan", "last_logon", "last_login",
    "_date", "_datetime", "_timestamp",
)  # fmt: skip
_EPOCH_NAMES = (*_DATE_NAMES, "created", "updated", "modified", "changed", "_change", "expiration", "expires", "_at")
_NUMERIC = re.compile(r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?(?:[eE][+-]?[0-9]{1,3})?")
_TEXT, _JSON, _TIMESTAMP, _UNKNOWN = Atom("text"), Atom("json"), Atom("timestamp"), Atom("unknown")


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen at one place: its name and its values; `guess_dates` where texts may be dates."""

    name: str
    values: Sequence[Value]
    guess_dates: bool
    level: int = 0

    def inside(self, values: Iterable[Value], name: str | None = None) -> "_Look":
        """The place one level deeper."""
        return replace(self, name=name or self.name, values=list(values), level=self.level + 1)


def resolve(
    columns: Sequence[Column],
    records: Sequence[bytes],
    *,
    guess_dates: bool = False,
    earlier: Mapping[str, Kind] | None = None,
) -> tuple[Column, ...]:
    """The columns with nothing left open.

    `guess_dates` also makes timestamps of texts that look or sound like dates: for catalogues without formats.
    `earlier` maps fields to the kinds of the previous snapshot; these stay, or hold more.
    """
    seen = _seen(columns, records)
    before = earlier or {}
    return tuple(_resolved(c, seen.get(c.field, []), before.get(c.field), guess_dates=guess_dates) for c in columns)


def _resolved(column: Column, values: Sequence[Value], before: Kind | None, *, guess_dates: bool) -> Column:
    now = _settled(kept(column.kind), _Look(column.field, values, guess_dates))
    return replace(column, kind=_served(now if before is None else widen(before, now), values, before))


def _seen(columns: Sequence[Column], records: Sequence[bytes]) -> dict[str, list[Value]]:
    """Field → its values in the first records; further ones are read while a column has none."""
    owners = keys.owners(columns)
    wanted = {column.field for column in owners.values()}
    seen: dict[str, list[Value]] = {}
    for place, raw in enumerate(records):
        if place >= MAX_RECORDS and len(seen) == len(wanted):
            break
        record = read(raw)
        for key in record.keys() & owners.keys():
            if place < MAX_RECORDS or owners[key].field not in seen:
                seen.setdefault(owners[key].field, []).append(record[key])
    return seen


def read(raw: bytes) -> dict[str, Value]:
    """A record; empty where it cannot be read. Exact reading takes five times as long, and takes more."""
    try:
        decoded = _decode(raw)
        if isinstance(decoded, dict) and keeps_all(raw, decoded):
            return decoded
    except REFUSALS:
        pass
    try:
        return exact.decode(raw)
    except Unreadable:
        return {}


# ----------------------------------------------------------------------------------------------- the kind


def _settled(prior: Kind, look: _Look) -> Kind:
    values = [value for value in look.values if value is not None]
    shape = _shape(prior, values)
    if prior == _JSON or shape is None or (shape != "scalar" and look.level >= _MAX_LEVELS):
        return _JSON
    if shape == "list":
        item = prior.item if isinstance(prior, Many) else prior
        return Many(_settled(item, look.inside(_elements(values))))
    inner = replace(look, values=values)
    return _settled_group(prior, inner) if shape == "object" else _settled_atom(prior, inner)


def _shape(prior: Kind, values: Sequence[Value]) -> Shape | None:
    """What most of the values are, the prior's own shape where half of them are; None where nothing is."""
    own: Shape = "list" if isinstance(prior, Many) else "object" if isinstance(prior, Group) else "scalar"
    counts = Counter(map(_shape_of, values))
    if not counts or (prior != _UNKNOWN and 2 * counts[own] >= len(values)):
        return own
    ((most, count),) = counts.most_common(1)
    if 2 * count > len(values):
        return most
    return None if "object" in counts else "list"


def _shape_of(value: Value) -> Shape:
    return "list" if isinstance(value, list) else "object" if isinstance(value, dict) else "scalar"


def _settled_group(prior: Kind, look: _Look) -> Kind:
    """The listed members, and those that most objects have; all that are seen where none is listed."""
    objects = [value for value in look.values if isinstance(value, dict)]
    listed = prior if isinstance(prior, Group) else _inner_group(prior)
    kinds = {member.key: member.kind for member in listed.members}
    counts = Counter(key for value in objects for key in value if key not in kinds and _sayable(key))
    fresh = [key for key, count in counts.items() if not kinds or 2 * count > len(objects)]
    if not 0 < len(kinds) + len(fresh) <= max(len(kinds), MAX_MEMBERS):
        return _JSON
    kinds |= dict.fromkeys(fresh, _UNKNOWN)
    names = assign_names(kinds, earlier={member.key: member.name for member in listed.members})
    members = ((key, _settled(kind, look.inside(_at(key, objects), key))) for key, kind in kinds.items())
    return Group(tuple(Member(key, names[key], kind) for key, kind in members))


def _inner_group(prior: Kind) -> Group:
    return prior.item if isinstance(prior, Many) and isinstance(prior.item, Group) else Group(())


def _sayable(key: str) -> bool:
    """Whether a column can have this key: one with a lone surrogate is left to the rescue column."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _settled_atom(prior: Kind, look: _Look) -> Kind:
    """The prior's kind where at least half of the values say it, else what most of them are."""
    while isinstance(prior, Many):
        prior = prior.item
    atom = prior if isinstance(prior, Atom) else _UNKNOWN
    if atom == _JSON:
        return _JSON
    told = [value for value in look.values if _shape_of(value) == "scalar" and value != ""]
    if not told:
        return _assumed(atom, look)
    if atom != _UNKNOWN and 2 * sum(map(_SAYS[atom.name], told)) >= len(told):
        return _refined(atom, told, look)
    return _guessed(told, look)


def _assumed(atom: Atom, look: _Look) -> Kind:
    """Without a value: a text, but for names that sound like dates where the catalogue tells no formats."""
    if atom in (_TEXT, _UNKNOWN):
        return _TIMESTAMP if look.guess_dates and look.name.endswith(_DATE_NAMES) else _TEXT
    return atom


def _refined(atom: Atom, told: Sequence[Value], look: _Look) -> Kind:
    if atom == _TEXT:
        return _TIMESTAMP if look.guess_dates and _one_form(told) else _TEXT
    if atom == Atom("date"):
        days = sum(isinstance(value, str) and dates.exact_form(value) == dates.DAY for value in told)
        return atom if 2 * days >= len(told) else _TIMESTAMP
    return atom


def _guessed(told: Sequence[Value], look: _Look) -> Kind:
    """The kind that most of the values have; JSON where no kind has more than half of them."""
    ((most, count),) = Counter(map(_sort, told)).most_common(1)
    if 2 * count <= len(told):
        return _JSON
    alike = [value for value in told if _sort(value) is most]
    if most is str:
        return _TIMESTAMP if _one_form(alike) else _TEXT
    if most is bool:
        return Atom("bool")
    epochs = sum(map(_is_epoch, alike))
    if look.name.removesuffix("_preferred").endswith(_EPOCH_NAMES) and epochs * MAJORITY >= len(alike):
        return _TIMESTAMP
    whole = all(isinstance(value, int) and abs(value) < _WHOLE for value in alike)
    return Atom("integer") if whole else Atom("number")


def _sort(value: Value) -> type:
    return int if isinstance(value, Number | float) else type(value)


def _one_form(values: Sequence[Value]) -> bool:
    """Whether most of these are dates in one form; the others will be rescued."""
    seen = Counter(dates.exact_form(value) if isinstance(value, str) else None for value in islice(values, MAX_TEXTS))
    most = max((count for form, count in seen.items() if form), default=0)
    return most * MAJORITY > seen.total()


def _is_epoch(value: Value) -> bool:
    return dates.epoch_form(value) is not None


def _is_number(value: Value) -> bool:
    if isinstance(value, str):
        return bool(_NUMERIC.fullmatch(value))
    return isinstance(value, int | float | Number) and not isinstance(value, bool)


def _is_whole(value: Value) -> bool:
    if isinstance(value, str):
        return forms.parse(value, Atom("integer", "text")) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _is_bool(value: Value) -> bool:
    return isinstance(value, bool) or (_is_whole(value) and value in (0, 1)) or _bool_text(value) is not None


def _bool_text(value: Value) -> str | None:
    return next((form for form in forms.BOOL_TEXTS if isinstance(value, str) and value in form.split("/")), None)


def _is_date(value: Value) -> bool:
    return dates.parse_any(value) is not None if isinstance(value, str) else _is_epoch(value)


_SAYS: Mapping[str, Callable[[Value], bool]] = {
    "text": lambda value: isinstance(value, str),
    "timestamp": _is_date,
    "date": _is_date,
    "bool": _is_bool,
    "integer": _is_whole,
    "number": _is_number,
}


# ------------------------------------------------------------------------------------------ how it is served


def _served(kind: Kind, values: Iterable[Value], before: Kind | None) -> Kind:
    """The kind with the forms that most values have; as in the earlier snapshot where there are no values."""
    told = [value for value in values if value is not None]
    if not told and before is not None and kept(before) == kind:
        return before
    inner = [*(value for value in told if not isinstance(value, list)), *_elements(told)]
    listed = 2 * sum(isinstance(value, list) for value in told)
    below = before.item if isinstance(before, Many | Wrapped) else before
    match kind:
        case Many(item):
            single = isinstance(item, Atom | Group) and listed < len(told)
            return Many(_served(item, inner, below), bare=single)
        case Group(members):
            group = Group(tuple(_served_member(m, inner, below) for m in members))
            return Wrapped(group) if listed > len(told) else group
        case Atom(name):
            atom = Atom(name, _FORMS.get(name, _no_form)(inner) or _earlier_form(name, below))
            alone = 2 * sum(isinstance(value, list) and len(value) == 1 for value in told)
            return Wrapped(atom) if alone > len(told) else atom
        case _:
            return kind


def _served_member(member: Member, objects: Sequence[Value], before: Kind | None) -> Member:
    members = before.members if isinstance(before, Group) else ()
    earlier = next((other.kind for other in members if other.key == member.key), None)
    return replace(member, kind=_served(member.kind, _at(member.key, objects), earlier))


def _earlier_form(name: str, before: Kind | None) -> str:
    if name != "timestamp":
        return ""
    return before.form if isinstance(before, Atom) and before.name == name and before.form else RFC1123


def _no_form(values: Sequence[Value]) -> str:
    del values
    return ""


def _date_form(values: Sequence[Value]) -> str:
    found = (dates.exact_form(v) if isinstance(v, str) else dates.epoch_form(v) for v in islice(values, MAX_TEXTS))
    counts = Counter(form for form in found if form)
    return counts.most_common(1)[0][0] if counts else ""


def _integer_form(values: Sequence[Value]) -> str:
    return "text" if 2 * sum(isinstance(v, str) and _is_whole(v) for v in values) > len(values) else ""


def _number_form(values: Sequence[Value]) -> str:
    texts = [v for v in values if isinstance(v, str) and _is_number(v)]
    if 2 * len(texts) <= len(values):
        return ""
    return max(
        forms.NUMBER_TEXTS, key=lambda form: sum(forms.parse(t, Atom("number", form)) is not None for t in texts)
    )


def _bool_form(values: Sequence[Value]) -> str:
    counts = Counter("" if isinstance(v, bool) else _bool_text(v) or "0/1" for v in values if _is_bool(v))
    return counts.most_common(1)[0][0] if counts else ""


_FORMS: Mapping[str, Callable[[Sequence[Value]], str]] = {
    "timestamp": _date_form,
    "integer": _integer_form,
    "number": _number_form,
    "bool": _bool_form,
}


def _elements(values: Iterable[Value]) -> Iterable[Value]:
    return (element for value in values if isinstance(value, list) for element in value)


def _at(key: str, values: Iterable[Value]) -> Iterable[Value]:
    return (value[key] for value in values if isinstance(value, dict) and key in value)
