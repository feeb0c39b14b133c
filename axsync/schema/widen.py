"""How a column's kind may change from one snapshot to the next: never, or into one that holds more."""

from axsync.schema.fields import Atom, Group, Kind, Many, Member, kept

MAX_MEMBERS = 100
"""Members that an object may come to have; one with more is a map with data for keys, and would grow every night."""

_NUMBERS = {Atom("integer"), Atom("number")}


def widen(earlier: Kind, now: Kind) -> Kind:
    """The kind that keeps what was and takes what comes, without how the server writes it.

    Objects get the members of both, integers become numbers. For other changes the earlier kind stays: a list stays
    a list where single values come, and values that do not fit are rescued.
    """
    return _widen(kept(earlier), kept(now))


def _widen(earlier: Kind, now: Kind) -> Kind:
    match earlier, now:
        case Many(item), Many(other):
            return Many(_widen(item, other))
        case Many(item), _:
            return Many(_widen(item, now))
        case _, Many(other):
            return _widen(earlier, other)
        case Group(), Group():
            return Group(_members(earlier, now))
        case _:
            return Atom("number") if {earlier, now} == _NUMBERS else earlier


def _members(earlier: Group, now: Group) -> tuple[Member, ...]:
    known = {m.key: m for m in earlier.members}
    fresh = [m for m in now.members if m.key not in known]
    today = {m.key: m for m in now.members}
    kept_on = [
        Member(m.key, m.name, _widen(m.kind, today[m.key].kind) if m.key in today else m.kind) for m in earlier.members
    ]
    taken = {m.name for m in earlier.members}
    room = max(MAX_MEMBERS - len(kept_on), 0)
    return (*kept_on, *[m for m in fresh if m.name not in taken][:room])
