"""Columns of files that were written before the lake's column widened, as DuckDB reads them beside later ones.

UNION ALL BY NAME makes numbers of integers and adds members. What it cannot do is said here: a list of a single value.
"""

from collections.abc import Iterable, Mapping

from axsync.schema.columns import Column
from axsync.schema.kinds import Atom, Group, Kind, Many, drop_forms
from axsync.sql.dialects import double_quoted


def widened(columns: Iterable[Column], wanted: Mapping[str, Kind]) -> str:
    """What follows the star of a SELECT from files with these columns; empty where nothing has to be widened."""
    found = []
    for column in columns:
        value = double_quoted(column.name)
        wide = _as(value, drop_forms(column.kind), wanted[column.name])
        if wide != value:
            found.append(f"{wide} AS {value}")
    return f" REPLACE ({', '.join(found)})" if found else ""


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
