"""Columns of files as the lake has them by now: files keep the names and types with which they were written.

UNION ALL BY NAME makes numbers of integers and adds members. What it cannot do is said here: a list of a single value,
the JSON of what clashes, and another name.
"""

from collections.abc import Mapping, Sequence

from axsync.schema.columns import Column
from axsync.schema.kinds import Atom, Group, Kind, Many, drop_forms
from axsync.sql.dialects import double_quoted

_TEXTS = frozenset({"text", "json", "unknown"})


def star(columns: Sequence[Column], wanted: Mapping[str, Kind], renamed: Mapping[str, str] | None = None) -> str:
    """What a SELECT from files with these columns takes: the star, if nothing is to be widened or renamed.

    `renamed` tells which columns of the files are others of the lake. Two may be one, and then one of them has a value.
    """
    other = renamed or {}
    values: dict[str, list[str]] = {}
    for column in columns:
        name = other.get(column.name, column.name)
        values.setdefault(name, []).append(_as(double_quoted(column.name), drop_forms(column.kind), wanted[name]))
    stays = {column.name for column in columns if column.name not in other}
    wide = {name: found[0] if len(found) == 1 else f"coalesce({', '.join(found)})" for name, found in values.items()}
    replaced = [
        f"{value} AS {double_quoted(name)}"
        for name, value in wide.items()
        if name in stays and value != double_quoted(name)
    ]
    without = f" EXCLUDE ({', '.join(map(double_quoted, other))})" if other else ""
    instead = f" REPLACE ({', '.join(replaced)})" if replaced else ""
    added = [f"{value} AS {double_quoted(name)}" for name, value in wide.items() if name not in stays]
    return ", ".join([f"*{without}{instead}", *added])


def _as(value: str, have: Kind, want: Kind) -> str:
    match have, want:
        case Many(item), Many(other):
            inside = _as("x", item, other)
            return value if inside == "x" else f"list_transform({value}, lambda x: {inside})"
        case _, Many(other):
            return f"CASE WHEN {value} IS NULL THEN NULL ELSE [{_as(value, have, other)}] END"
        case Group(), Group():
            return _object(value, have, want)
        case Atom(), Atom("text"):
            return value if have == want else f"CAST({value} AS VARCHAR)"
        case _, Atom("json"):
            is_text = isinstance(have, Atom) and have.name in _TEXTS
            return value if is_text else f"CAST(to_json({value}) AS VARCHAR)"
        case _:
            return value


def _object(value: str, have: Group, want: Group) -> str:
    wanted = {m.name: m.kind for m in want.members}
    parts = {m.name: f"{value}.{double_quoted(m.name)}" for m in have.members}
    wide = {m.name: _as(parts[m.name], m.kind, wanted[m.name]) for m in have.members if m.name in wanted}
    if all(parts[name] == text for name, text in wide.items()):
        return value
    packed = ", ".join(f"{double_quoted(name)} := {text}" for name, text in wide.items())
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({packed}) END"
