"""How a column's kind may change from one snapshot to the next: never, or into one that holds more."""

from axsync.fields import Atom, Group, Kind, Many, Member

_NUMBERS = {Atom("integer"), Atom("number")}


def widen(earlier: Kind, now: Kind) -> Kind:
    """The kind that keeps what was and takes what comes.

    Objects get the members of both, integers become numbers, anything becomes JSON where it was or is JSON. For
    other changes the earlier kind stays, and values that no longer fit it are rescued.
    """
    if isinstance(earlier, Many) and isinstance(now, Many):
        return Many(widen(earlier.item, now.item))
    if isinstance(earlier, Group) and isinstance(now, Group):
        return Group(_members(earlier, now))
    if {earlier, now} == _NUMBERS:
        return Atom("number")
    if Atom("json") in (earlier, now):
        return Atom("json")
    return earlier


def _members(earlier: Group, now: Group) -> tuple[Member, ...]:
    known = {m.key: m for m in earlier.members}
    fresh = [m for m in now.members if m.key not in known]
    today = {m.key: m for m in now.members}
    kept = [
        Member(m.key, m.name, widen(m.kind, today[m.key].kind) if m.key in today else m.kind) for m in earlier.members
    ]
    taken = {m.name for m in earlier.members}
    return (*kept, *(m for m in fresh if m.name not in taken))
