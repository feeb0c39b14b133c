"""Infers what each column is, and how the server writes its values, from records of the first page.

Catalogue, registry and earlier snapshot are priors. The catalogue decides what the page leaves open; the registry keeps
a column's type, which grows by its rules only; the earlier snapshot tells how this instance writes what the page does
not show. Everything else is decided by the majority of values on the page: scalar or list, object or list of objects,
the kind inside, and the written form (docs/axonius-api.md, "Shapes of values"). Two steps:

    _infer_kind   the kind of a column, by its prior and its values
    _infer_form   the same kind with the forms in which most of its values are written
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Final, Literal, TypeAlias

import msgspec

from axsync.convert import exact
from axsync.convert.exact import SURROGATE, Number, Unreadable, keeps_all
from axsync.convert.page_bytes import REFUSALS
from axsync.model import ID_FIELD
from axsync.schema import dates
from axsync.schema.columns import Column, assign_names, key_owners
from axsync.schema.kinds import (
    BOOL_TEXTS,
    MAX_MEMBERS,
    NUMBER_TEXTS,
    RFC1123,
    Atom,
    Group,
    Kind,
    Many,
    Member,
    Wrapped,
    drop_forms,
    gained,
    grown,
    parse_text,
    widen,
)

MAX_RECORDS: Final = 500
"""Records sampled. More would not change which form is most frequent. Rare fields are searched for in all records."""

MAX_TEXTS: Final = 400
"""Strings sampled per path to find their form, for the same reason."""

MAJORITY: Final = 1.25
"""A column becomes dates if four fifths of the sampled strings have one form."""

Value: TypeAlias = Any  # of JSON; a number may have been rounded, which does not matter here
Shape: TypeAlias = Literal["list", "object", "scalar"]
_decode = msgspec.json.Decoder().decode

_CONTAINERS = (list, dict)
_WHOLE = 10**18  # larger values may not stay within 64 bits
_MAX_LEVELS = 8  # deeper values are stored as JSON
_DATE_NAMES = (
    "last_seen", "first_seen", "fetch_time", "last_fetch", "last_scan", "last_logon", "last_login",
    "_date", "_datetime", "_timestamp",
)  # fmt: skip
_EPOCH_NAMES = (*_DATE_NAMES, "created", "updated", "modified", "changed", "_change", "expiration", "expires", "_at")
_NUMERIC = re.compile(r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?(?:[eE][+-]?[0-9]{1,3})?")
_TEXT, _JSON, _TIMESTAMP, _UNKNOWN = Atom("text"), Atom("json"), Atom("timestamp"), Atom("unknown")


@dataclass(frozen=True, slots=True)
class _Sample:
    """The values seen at one path. `guess_dates` if strings may be dates; `known` if the lake has a column for them."""

    name: str
    values: Sequence[Value]
    guess_dates: bool
    known: bool = False
    level: int = 0

    def inside(self, values: Iterable[Value], name: str | None = None) -> "_Sample":
        """The path one level deeper."""
        return _Sample(name or self.name, list(values), self.guess_dates, self.known, self.level + 1)


def infer_columns(
    columns: Sequence[Column],
    records: Sequence[bytes],
    *,
    guess_dates: bool = False,
    known: Mapping[str, Kind] | None = None,
    earlier: Mapping[str, Kind] | None = None,
    fixed: bool = False,
) -> tuple[Column, ...]:
    """The columns with their kinds and forms settled; `records` are JSON texts, in the order served.

    `guess_dates` also makes timestamps of strings that look or are named like dates, for catalogues without formats.
    `known` maps fields to the kinds of their columns in the lake, without forms: these stay or grow, and a column whose
    values no rule reconciles with them is JSON text. `earlier` are kinds with the forms of this instance until now.
    `fixed`: kinds that are known gain members and stay otherwise, whatever the values.
    """
    seen = _collect_values(columns, records)
    kept, before = known or {}, earlier or {}
    found = []
    for column in columns:
        sample = _Sample(column.field, seen.get(column.field, []), guess_dates)
        kind = _settle_kind(drop_forms(column.kind), sample, kept.get(column.field), fixed=fixed)
        if column.field == ID_FIELD:  # whatever a page shows: rows are known by it
            kind = kept.get(column.field, kind)
        found.append(replace(column, kind=_infer_form(kind, sample.values, before.get(column.field))))
    return tuple(found)


def _settle_kind(listed: Kind, sample: _Sample, kept: Kind | None, *, fixed: bool) -> Kind:
    if kept is None:
        return _infer_kind(listed, sample)
    if fixed:
        prior = gained(kept, listed)
        return gained(prior, _infer_kind(prior, replace(sample, guess_dates=False, known=True)))
    # The catalogue adds members to objects; what else it lists is for the values to show.
    prior = widen(kept, listed)
    return grown(prior, _infer_kind(prior, replace(sample, guess_dates=False, known=True))) or _JSON


def _collect_values(columns: Sequence[Column], records: Sequence[bytes]) -> dict[str, list[Value]]:
    """Field → its values in the first records; more are read while a column has none."""
    owners = key_owners(columns)
    wanted = {column.field for column in owners.values()}
    seen: dict[str, list[Value]] = {}
    for place, raw in enumerate(records):
        if place >= MAX_RECORDS and len(seen) == len(wanted):
            break
        record = read_record(raw)
        for key in record.keys() & owners.keys():
            if place < MAX_RECORDS or owners[key].field not in seen:
                seen.setdefault(owners[key].field, []).append(record[key])
    return seen


def read_record(raw: bytes) -> dict[str, Value]:
    """Read a record; empty if it cannot be read. Exact reading takes five times as long and accepts more."""
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


def _infer_kind(prior: Kind, sample: _Sample) -> Kind:
    values = [value for value in sample.values if value is not None]
    shape = _shape(prior, values)
    if prior == _JSON or shape is None or (shape != "scalar" and sample.level >= _MAX_LEVELS):
        return _JSON
    if shape == "list":
        if sample.known and _only_wrapped(prior, values):
            return _infer_kind(prior, replace(sample, values=_unlisted(values)))
        item = prior.item if isinstance(prior, Many) else prior
        return Many(_infer_kind(item, sample.inside(_elements(values))))
    inner = replace(sample, values=values)
    return _infer_group(prior, inner) if shape == "object" else _infer_atom(prior, inner)


def _shape(prior: Kind, values: Sequence[Value]) -> Shape | None:
    """The majority shape; the prior's own shape if half of the values have it. None if there is no majority."""
    own: Shape = "list" if isinstance(prior, Many) else "object" if isinstance(prior, Group) else "scalar"
    types = Counter(map(type, values))  # counted in C: a first page has hundreds of thousands of values
    counts: dict[Shape, int] = {"list": types[list], "object": types[dict]}
    counts["scalar"] = len(values) - counts["list"] - counts["object"]
    if not values or (prior != _UNKNOWN and 2 * counts[own] >= len(values)):
        return own
    most = max(counts, key=counts.__getitem__)
    if 2 * counts[most] > len(values):
        return most
    return None if counts["object"] else "list"


def _only_wrapped(prior: Kind, values: Sequence[Value]) -> bool:
    """Whether lists are only the server's way to write the single values of a column that the lake has."""
    return prior != _UNKNOWN and not isinstance(prior, Many) and not any(isinstance(v, list) and v[1:] for v in values)


def _infer_group(prior: Kind, sample: _Sample) -> Kind:
    """The listed members, and those that most objects have; all seen members if none is listed."""
    objects = [value for value in sample.values if isinstance(value, dict)]
    listed = prior if isinstance(prior, Group) else _inner_group(prior)
    kinds = {member.key: member.kind for member in listed.members}
    counts = Counter(key for value in objects for key in value if key not in kinds and _is_encodable(key))
    fresh = [key for key, count in counts.items() if not kinds or 2 * count > len(objects)]
    if sample.known:  # keys that are data come anew every night: they are left to the rescue column
        fresh = fresh[: max(MAX_MEMBERS - len(kinds), 0)]
    if not 0 < len(kinds) + len(fresh) <= max(len(kinds), MAX_MEMBERS):
        return _JSON
    kinds |= dict.fromkeys(fresh, _UNKNOWN)
    names = assign_names(kinds, earlier={member.key: member.name for member in listed.members})
    members = ((key, _infer_kind(kind, sample.inside(_at(key, objects), key))) for key, kind in kinds.items())
    return Group(tuple(Member(key, names[key], kind) for key, kind in members))


def _inner_group(prior: Kind) -> Group:
    return prior.item if isinstance(prior, Many) and isinstance(prior.item, Group) else Group(())


def _is_encodable(key: str) -> bool:
    """Whether a column can have this key; one with a lone surrogate is left to the rescue column."""
    return not SURROGATE.search(key)


def _infer_atom(prior: Kind, sample: _Sample) -> Kind:
    """The prior's kind if at least half of the values match it, else the majority kind."""
    while isinstance(prior, Many):
        prior = prior.item
    atom = prior if isinstance(prior, Atom) else _UNKNOWN
    if atom == _JSON:
        return _JSON
    told = [value for value in sample.values if value != "" and type(value) not in _CONTAINERS]
    if not told:
        return _assume(atom, sample)
    if atom != _UNKNOWN and 2 * _count_matches(atom, told) >= len(told):
        return _refine(atom, told, sample)
    return _guess(told, sample)


def _count_matches(atom: Atom, told: Sequence[Value]) -> int:
    return Counter(map(type, told))[str] if atom == _TEXT else sum(map(_MATCHES[atom.name], told))


def _assume(atom: Atom, sample: _Sample) -> Kind:
    """Without a value: text. A name that sounds like a date becomes a timestamp if the catalogue has no formats."""
    if atom in (_TEXT, _UNKNOWN):
        return _TIMESTAMP if sample.guess_dates and sample.name.endswith(_DATE_NAMES) else _TEXT
    return atom


def _refine(atom: Atom, told: Sequence[Value], sample: _Sample) -> Kind:
    if atom == _TEXT:
        return _TIMESTAMP if sample.guess_dates and _one_form(told) else _TEXT
    if atom == Atom("date"):
        days = sum(isinstance(value, str) and dates.exact_form(value) == dates.DAY for value in told)
        return atom if 2 * days >= len(told) else _TIMESTAMP
    return atom


def _guess(told: Sequence[Value], sample: _Sample) -> Kind:
    """The kind of more than half of the values; JSON if there is none."""
    ((most, count),) = Counter(map(_type_of, told)).most_common(1)
    if 2 * count <= len(told):
        return _JSON
    alike = [value for value in told if _type_of(value) is most]
    if most is str:
        return _TIMESTAMP if _one_form(alike) else _TEXT
    if most is bool:
        return Atom("bool")
    epochs = sum(map(_is_epoch, alike))
    if sample.name.removesuffix("_preferred").endswith(_EPOCH_NAMES) and epochs * MAJORITY >= len(alike):
        return _TIMESTAMP
    whole = all(isinstance(value, int) and abs(value) < _WHOLE for value in alike)
    return Atom("integer") if whole else Atom("number")


def _type_of(value: Value) -> type:
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
        return parse_text(value, Atom("integer", "text")) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _is_bool(value: Value) -> bool:
    return isinstance(value, bool) or (_is_whole(value) and value in (0, 1)) or _bool_text(value) is not None


def _bool_text(value: Value) -> str | None:
    return next((form for form in BOOL_TEXTS if isinstance(value, str) and value in form.split("/")), None)


def _is_date(value: Value) -> bool:
    return dates.parse_any(value) is not None if isinstance(value, str) else _is_epoch(value)


_MATCHES: Mapping[str, Callable[[Value], bool]] = {
    "timestamp": _is_date,
    "date": _is_date,
    "bool": _is_bool,
    "integer": _is_whole,
    "number": _is_number,
}


# ------------------------------------------------------------------------------------------ how it is served


def _infer_form(kind: Kind, values: Iterable[Value], before: Kind | None) -> Kind:
    """The kind with the most frequent forms; those of the earlier snapshot if there are no values."""
    told = [value for value in values if value is not None]
    if not told and before is not None and drop_forms(before) == kind:
        return before
    lists = [value for value in told if type(value) is list]
    inner = list(chain.from_iterable(lists))
    if len(lists) < len(told):
        inner = [*(value for value in told if type(value) is not list), *inner]
    listed = 2 * len(lists)
    below = before.item if isinstance(before, Many | Wrapped) else before
    match kind:
        case Many(item):
            single = isinstance(item, Atom | Group) and listed < len(told)
            return Many(_infer_form(item, inner, below), bare=single)
        case Group(members):
            group = Group(tuple(_infer_member_form(m, inner, below) for m in members))
            return Wrapped(group) if listed > len(told) else group
        case Atom(name):
            atom = Atom(name, _FORMS.get(name, _no_form)(inner) or _earlier_form(name, below))
            alone = 2 * sum(len(value) == 1 for value in lists)
            return Wrapped(atom) if alone > len(told) else atom
        case _:
            return kind


def _infer_member_form(member: Member, objects: Sequence[Value], before: Kind | None) -> Member:
    members = before.members if isinstance(before, Group) else ()
    earlier = next((other.kind for other in members if other.key == member.key), None)
    return replace(member, kind=_infer_form(member.kind, _at(member.key, objects), earlier))


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
    return max(NUMBER_TEXTS, key=lambda form: sum(parse_text(t, Atom("number", form)) is not None for t in texts))


def _bool_form(values: Sequence[Value]) -> str:
    counts = Counter("" if isinstance(v, bool) else _bool_text(v) or "0/1" for v in values if _is_bool(v))
    return counts.most_common(1)[0][0] if counts else ""


_FORMS: Mapping[str, Callable[[Sequence[Value]], str]] = {
    "timestamp": _date_form,
    "integer": _integer_form,
    "number": _number_form,
    "bool": _bool_form,
}


def _unlisted(values: Iterable[Value]) -> list[Value]:
    return [element for value in values for element in (value if isinstance(value, list) else (value,))]


def _elements(values: Iterable[Value]) -> Iterable[Value]:
    return chain.from_iterable(value for value in values if type(value) is list)


def _at(key: str, values: Iterable[Value]) -> Iterable[Value]:
    return [value[key] for value in values if type(value) is dict and key in value]
