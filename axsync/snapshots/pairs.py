"""Which columns of two snapshots are compared, and how: pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from axsync.model import ID_FIELD
from axsync.schema.fields import FETCHED_AT, RUN_ID, Atom, Column, Group, Kind, Many, canonical, drop_forms
from axsync.schema.kinds import widen
from axsync.sql.types import DIALECTS

MOVING = (
    "fetch_time",
    "last_fetch",
    "last_seen",
    "accurate_for_datetime",
    "from_last_fetch",
    "not_fetched_count",
    "is_fetched_from_adapter",
    "is_latest_last_seen",
)
"""Last words of Axonius names, also with `_preferred`, whose values tell of the fetch and not of the asset."""

OWN = (RUN_ID, FETCHED_AT)
"""Columns of ours that differ in every run."""

Mode = Literal["same", "cast", "loose"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A field as each of two snapshots has it; None where one has no column for it.

    same: equal values are equal bytes; a side that has no column counts as null
    cast: objects got members; equal once both have the members of both
    loose: the types differ otherwise; only the served values can tell
    """

    field: str
    before: Column | None
    after: Column | None
    mode: Mode
    kind: Kind  # to which both are brought

    @property
    def sql_type(self) -> str:
        """The type to which both are brought."""
        return DIALECTS["duckdb"].of(self.kind)


@dataclass(frozen=True, slots=True)
class Ignoring:
    """Which fields are not compared: those that always move, more of them by glob, some of them after all."""

    more: tuple[str, ...] = ()
    after_all: tuple[str, ...] = ()

    def __call__(self, field: str) -> bool:
        """Whether this field is not compared."""
        if any(fnmatchcase(field, glob) for glob in self.after_all):
            return False
        last = field.rpartition(".")[2].removesuffix("_preferred")
        return last in MOVING or any(fnmatchcase(field, glob) for glob in self.more)


def pair_up(before: Sequence[Column], after: Sequence[Column]) -> tuple[Pair, ...]:
    """Each field of either snapshot but the id, in the order of the later one."""
    old, new = ({column.field: _compared(column) for column in columns} for columns in (before, after))
    return tuple(_pair(field, old.get(field), new.get(field)) for field in new | old if field != ID_FIELD)


def _compared(column: Column) -> Column:
    """The column without the shape in which a server wrote its values: an asset does not change with its server."""
    return replace(column, kind=canonical(column.kind))


def _pair(field: str, before: Column | None, after: Column | None) -> Pair:
    if before is None or after is None:
        there = after or before
        return Pair(field, before, after, "same", there.kind if there else Atom("text"))
    if drop_forms(before.kind) == drop_forms(after.kind):
        # The same instant may be served in another form: then the texts differ, and they are what counts.
        return Pair(field, before, after, "same" if before.kind == after.kind else "loose", after.kind)
    both = widen(before.kind, after.kind)
    grown = _grows(before.kind, both) and _grows(after.kind, both) and before.dates == after.dates
    return Pair(field, before, after, "cast" if grown else "loose", both)


def _grows(narrow: Kind, wide: Kind) -> bool:
    """Whether the wide kind is the narrow one with more members, and else the same."""
    match narrow, wide:
        case Many(one), Many(other):
            return _grows(one, other)
        case Group(members), Group(others):
            known = {other.key: other for other in others}
            return all(
                m.key in known and m.name == known[m.key].name and _grows(m.kind, known[m.key].kind) for m in members
            )
        case _:
            return narrow == wide
