"""Kinds: what the values of a field are, and how the server writes them if not as JSON would.

A kind has an Arrow type, in which the lake stores its values, and two spellings in the manifest: the type text, for
people, and JSON where the text does not say everything. From one run to the next it may only grow.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import pyarrow as pa

from axsync.model import Json

AtomName: TypeAlias = Literal["text", "timestamp", "date", "bool", "integer", "number", "json", "unknown"]

RFC1123 = "rfc1123"
"""The form of dates if none was seen; `schema.dates` lists all forms."""
ISO_MICROS = "iso:T:6:Z"
"""The form that can express every timestamp."""
EPOCHS = ("epoch", "epoch_ms")
"""The forms of timestamps that are integers."""
INT64: Final = (-(2**63), 2**63 - 1)
"""The smallest and the largest integer."""
BOOL_TEXTS: Final = ("true/false", "True/False", "TRUE/FALSE")
NUMBER_TEXTS: Final = ("text", "short text")
"""The forms of bools and numbers that are strings. A number is the shortest text of its double."""

MAX_MEMBERS = 100
"""Members that an object may grow to. One with more is a map whose keys are data, and would grow every night."""

FIELD_KEY = b"axonius.field"
"""Arrow field metadata key that holds the Axonius name."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A single value. `json` stores any value as its JSON text; `unknown` is decided by data.

    `form` is how the server writes it, if not as the corresponding JSON type:

        timestamp  a name in `schema.dates`, or "epoch", "epoch_ms": seconds or milliseconds since 1970 as an integer
        integer    "text": `"5"`
        number     "text": `"7.0"`; "short text": `"7"` if the fraction is zero
        bool       "0/1": an integer; "true/false", "True/False", "TRUE/FALSE": a string
    """

    name: AtomName
    form: str = ""


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values of one kind. `bare`: the server writes a single element without the list."""

    item: "Kind"
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A single value or object that the server writes as a list of one element."""

    item: "Kind"


@dataclass(frozen=True, slots=True)
class Member:
    """One key of an object: `key` as served, `name` in the lake."""

    key: str
    name: str
    kind: "Kind"


@dataclass(frozen=True, slots=True)
class Group:
    """An object with known keys."""

    members: tuple[Member, ...]


Kind: TypeAlias = Atom | Many | Wrapped | Group
"""The type of a column, and how the server writes its values if that differs from the type."""


# ------------------------------------------------------------------------------------------------ the type in the lake


_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "bool": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "json": pa.string(),
    "unknown": pa.string(),
}


MOST_KINDS = 1 << 12
"""Kinds for which answers are remembered: lanes of one entity type have the same in all instances."""


@lru_cache(MOST_KINDS)
def arrow_type(kind: Kind) -> pa.DataType:
    """The Arrow type in which values of `kind` are stored."""
    match kind:
        case Many(item):
            return pa.list_(arrow_type(item))
        case Wrapped(item):
            return arrow_type(item)
        case Group(members):
            return pa.struct([pa.field(m.name, arrow_type(m.kind), metadata={FIELD_KEY: m.key}) for m in members])
        case Atom(name):
            return _ARROW[name]


@lru_cache(MOST_KINDS)
def type_text(kind: Kind) -> str:
    """The type as shown to people and in the manifest, such as `list<struct<mac: string>>`."""
    match kind:
        case Many(item):
            return f"list<{type_text(item)}>"
        case Wrapped(item):
            return type_text(item)
        case Group(()):  # members that the data will tell
            return "json"
        case Group(members):
            return f"struct<{', '.join(f'{m.name}: {type_text(m.kind)}' for m in members)}>"
        case Atom(name="json"):
            return "json"
        case Atom(name):
            return str(_ARROW[name])


def contains(kind: Kind, *names: AtomName) -> bool:
    """Whether an atom with one of these names occurs anywhere in the kind."""
    match kind:
        case Many(item) | Wrapped(item):
            return contains(item, *names)
        case Group(members):
            return any(contains(m.kind, *names) for m in members)
        case Atom(name):
            return name in names


def member_keys(kind: Kind) -> Iterator[str]:
    """The keys of all objects in the kind."""
    match kind:
        case Many(item) | Wrapped(item):
            yield from member_keys(item)
        case Group(members):
            for member in members:
                yield member.key
                yield from member_keys(member.kind)


def kept_members(kind: Kind, dropped: Callable[[str], bool]) -> Kind:
    """The kind without the members whose keys are dropped; an object of which none is left is JSON text."""
    return _kept_members(kind, dropped) if any(map(dropped, member_keys(kind))) else kind


def _kept_members(kind: Kind, dropped: Callable[[str], bool]) -> Kind:
    match kind:
        case Many(item):
            return replace(kind, item=_kept_members(item, dropped))
        case Wrapped(item):
            return Wrapped(_kept_members(item, dropped))
        case Group(members):
            kept = [replace(m, kind=_kept_members(m.kind, dropped)) for m in members if not dropped(m.key)]
            return Group(tuple(kept)) if kept or not members else Atom("json")
        case Atom():
            return kind


# ----------------------------------------------------------------------------------------- as served, and without that


def date_forms(kind: Kind) -> Iterator[str]:
    """The forms of all its dates (`schema.dates`), in the order of members."""
    match kind:
        case Many(item) | Wrapped(item):
            yield from date_forms(item)
        case Group(members):
            for member in members:
                yield from date_forms(member.kind)
        case Atom("timestamp", form):
            yield form or RFC1123


def with_date_form(kind: Kind, form: str) -> Kind:
    """The kind with this form for those of its dates that have none yet."""
    return _map_atoms(kind, lambda atom: Atom("timestamp", form) if atom == Atom("timestamp") else atom)


@lru_cache(MOST_KINDS)
def drop_forms(kind: Kind) -> Kind:
    """The kind without the forms of the server: what decides the column's type."""
    return _map_atoms(_unwrap(kind), lambda atom: Atom(atom.name))


@lru_cache(MOST_KINDS)
def canonical(kind: Kind) -> Kind:
    """The kind as cleaned records are written: JSON's own types, dates as lossless strings."""
    return _map_atoms(_unwrap(kind), _canonical_atom)


def _canonical_atom(atom: Atom) -> Atom:
    if atom.name == "timestamp":
        return Atom("timestamp", ISO_MICROS if atom.form in EPOCHS else atom.form or RFC1123)
    return Atom(atom.name)


def _unwrap(kind: Kind) -> Kind:
    match kind:
        case Many(item):
            return Many(_unwrap(item))
        case Wrapped(item):
            return _unwrap(item)
        case Group(members):
            return Group(tuple(replace(m, kind=_unwrap(m.kind)) for m in members))
        case Atom():
            return kind


def _map_atoms(kind: Kind, change: Callable[[Atom], Atom]) -> Kind:
    match kind:
        case Many(item):
            return replace(kind, item=_map_atoms(item, change))
        case Wrapped(item):
            return Wrapped(_map_atoms(item, change))
        case Group(members):
            return Group(tuple(replace(m, kind=_map_atoms(m.kind, change)) for m in members))
        case Atom():
            return change(kind)


# ------------------------------------------------------------------------ numbers and bools that are served as strings


# A string counts only if writing its value again reproduces it exactly.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?")


def is_text(atom: Atom) -> bool:
    """Whether values of this kind are served as strings but have another type."""
    return bool(atom.form) and atom.name in {"integer", "number", "bool"} and atom.form != "0/1"


def parse_text(text: str, atom: Atom) -> int | float | bool | None:
    """The value, iff `write_text` reproduces this string."""
    if atom.name == "integer":
        number = int(text) if _INTEGER.fullmatch(text) else None
        return number if number is not None and INT64[0] <= number <= INT64[1] else None
    if atom.name == "number":
        value = float(text) if _NUMBER.fullmatch(text) else None
        return value if value is not None and write_text(value, atom) == text else None
    yes, _, no = atom.form.partition("/")
    return {yes: True, no: False}.get(text)


def write_text(value: float, atom: Atom) -> str:
    """The string served for this value."""
    if atom.name == "bool":
        yes, _, no = atom.form.partition("/")
        return yes if value else no
    return repr(value).removesuffix(".0") if atom.form == "short text" else repr(value)


# ----------------------------------------------------------------------------------------------------- in the manifest


_READABLE: tuple[AtomName, ...] = ("text", "timestamp", "date", "bool", "integer", "number", "json")
_ATOMS = {type_text(Atom(name)): Atom(name) for name in _READABLE}
_ATOM = re.compile("|".join(re.escape(text) for text in _ATOMS))
_NAME = re.compile(r"([A-Za-z0-9_]+): ")
_NUMBERS = {Atom("integer"), Atom("number")}


def to_json(kind: Kind) -> Json:
    """The JSON form of a kind.

    An atom is its name, with its form after a colon. An object maps each lake name to key and kind. A list contains its
    item. `["bare", item]` is a list whose only element is served without it, `["wrapped", item]` a single value that is
    served as a list of one.
    """
    match kind:
        case Many(item, bare):
            return ["bare", to_json(item)] if bare else [to_json(item)]
        case Wrapped(item):
            return ["wrapped", to_json(item)]
        case Group(members):
            return {member.name: [member.key, to_json(member.kind)] for member in members}
        case Atom(name, form):
            return f"{name}:{form}" if form else name


def from_json(written: object) -> Kind:
    """Read what `to_json` wrote.

    Raises: ValueError for anything else.
    """
    match written:
        case str():
            return _atom(written)
        case [item]:
            return Many(from_json(item))
        case ["bare", item]:
            return Many(from_json(item), bare=True)
        case ["wrapped", item]:
            return Wrapped(from_json(item))
        case Mapping():
            return Group(tuple(_member(name, pair) for name, pair in written.items()))
        case _:
            raise ValueError(f"{written!r} is no kind")


def _atom(written: str) -> Atom:
    name, _, form = written.partition(":")
    for known in (*_READABLE, "unknown"):
        if name == known:
            return Atom(known, form)
    raise ValueError(f"{written!r} is no kind")


def _member(name: str, pair: object) -> Member:
    match pair:
        case [str() as key, kind]:
            return Member(key, name, from_json(kind))
        case _:
            raise ValueError(f"{pair!r} is no key with its kind")


@lru_cache(maxsize=1 << 12)
def from_type(text: str) -> "Kind | None":
    """The kind of a type text such as `list<struct<mac: string>>`, as far as it tells.

    Keys are assumed to equal the names in the lake. None if the text is not one of ours.
    """
    read = _read(text, 0)
    return read[0] if read and read[1] == len(text) else None


def _read(text: str, place: int) -> "tuple[Kind, int] | None":
    if atom := _ATOM.match(text, place):
        return _ATOMS[atom[0]], atom.end()
    if text.startswith("list<", place):
        item = _read(text, place + len("list<"))
        return (Many(item[0]), item[1] + 1) if item and text.startswith(">", item[1]) else None
    return _read_struct(text, place + len("struct<")) if text.startswith("struct<", place) else None


def _read_struct(text: str, place: int) -> "tuple[Kind, int] | None":
    members: list[Member] = []
    while named := _NAME.match(text, place):
        value = _read(text, named.end())
        if value is None:
            return None
        members.append(Member(named[1], named[1], value[0]))
        place = value[1] + len(", ") if text.startswith(", ", value[1]) else value[1]
    return (Group(tuple(members)), place + 1) if text.startswith(">", place) else None


# --------------------------------------------------------------------------------------- from one snapshot to the next


def widen(earlier: Kind, now: Kind) -> Kind:
    """The kind that stores both earlier and new values, without the forms of the server.

    Objects get the members of both, integers become numbers. For any other change the earlier kind stays: a list stays
    a list if single values come, and values that do not fit are rescued.
    """
    return _widen(drop_forms(earlier), drop_forms(now))


def _widen(earlier: Kind, now: Kind) -> Kind:
    match earlier, now:
        case Many(item), Many(other):
            return Many(_widen(item, other))
        case Many(item), _:
            return Many(_widen(item, now))
        case _, Many(other):
            return _widen(earlier, other)
        case Group(), Group():
            return Group(_widen_members(earlier, now))
        case _:
            return Atom("number") if {earlier, now} == _NUMBERS else earlier


def _widen_members(earlier: Group, now: Group) -> tuple[Member, ...]:
    known = {m.key: m for m in earlier.members}
    fresh = [m for m in now.members if m.key not in known]
    today = {m.key: m for m in now.members}
    kept_on = [
        Member(m.key, m.name, _widen(m.kind, today[m.key].kind) if m.key in today else m.kind) for m in earlier.members
    ]
    taken = {m.name for m in earlier.members}
    room = max(MAX_MEMBERS - len(kept_on), 0)
    return (*kept_on, *[m for m in fresh if m.name not in taken][:room])


def grown(kept: Kind, now: Kind) -> Kind | None:
    """The kind of the lake's column from now on, where values of another kind come; None where no rule reconciles them.

    Both are without forms. A single value becomes a list, an integer a number, an object gets members; a text holds any
    single value as its text, JSON holds anything. A member that cannot be reconciled keeps its kind.
    """
    match kept, now:
        case (Atom("json"), _) | (_, Atom("unknown")):
            return kept
        case (Many(single), Many(other)) | (Many(single), other) | (single, Many(other)):
            item = grown(single, other)
            return None if item is None else Many(item)
        case Group(), Group():
            return Group(_grown_members(kept, now))
        case Atom("integer"), Atom("number"):
            return now
        case Atom(), Atom() if kept == now or (kept.name, now.name) in _HOLDS:
            return kept
        case _:
            return None


_HOLDS = {("number", "integer"), ("timestamp", "date")} | {("text", name) for name in _READABLE if name != "json"}


def _grown_members(kept: Group, now: Group) -> tuple[Member, ...]:
    today = {m.key: m.kind for m in now.members}
    names = {m.name for m in kept.members}
    known = {m.key for m in kept.members}
    stay = [replace(m, kind=grown(m.kind, today.get(m.key, m.kind)) or m.kind) for m in kept.members]
    return (*stay, *[m for m in now.members if m.key not in known and m.name not in names])


def gained(kept: Kind, now: Kind) -> Kind:
    """The kept kind with the members that another one adds to its objects, and otherwise as it is.

    That is all that a column of a table can take; both are without forms.
    """
    match kept, now:
        case Many(item), Many(other):
            return Many(gained(item, other))
        case Many(item), _:
            return Many(gained(item, now))
        case _, Many(other):
            return gained(kept, other)
        case Group(members), Group(others):
            today, names = {m.key: m.kind for m in others}, {m.name for m in members}
            known = {m.key for m in members}
            stay = [replace(m, kind=gained(m.kind, today.get(m.key, m.kind))) for m in members]
            return Group((*stay, *[m for m in others if m.key not in known and m.name not in names]))
        case _:
            return kept


def only_gains_members(narrow: Kind, wide: Kind) -> bool:
    """Whether the wide kind is the narrow one with more members, and else the same."""
    match narrow, wide:
        case Many(one), Many(other):
            return only_gains_members(one, other)
        case Group(members), Group(others):
            known = {other.key: other for other in others}
            return all(
                m.key in known and m.name == known[m.key].name and only_gains_members(m.kind, known[m.key].kind)
                for m in members
            )
        case _:
            return narrow == wide
