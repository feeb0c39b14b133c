"""Kinds as the manifest writes them, and how a kind may change from one snapshot to the next."""

import re
from collections.abc import Mapping
from functools import lru_cache

from axsync.model import Json
from axsync.schema.fields import Atom, AtomName, Group, Kind, Many, Member, Wrapped, drop_forms, type_text

_READABLE: tuple[AtomName, ...] = ("text", "timestamp", "date", "bool", "integer", "number", "json")
_ATOMS = {type_text(Atom(name)): Atom(name) for name in _READABLE}
_ATOM = re.compile("|".join(re.escape(text) for text in _ATOMS))
_NAME = re.compile(r"([A-Za-z0-9_]+): ")
MAX_MEMBERS = 100
"""Members that an object may grow to. One with more is a map whose keys are data, and would grow every night."""

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
