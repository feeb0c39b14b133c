"""Which tables and columns of a snapshot a person means."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from axsync.errors import UsageError
from axsync.sql.tables import PARTITIONS, EntityTable
from axsync.sql.types import double_quoted


def chosen(tables: Mapping[str, EntityTable], entities: Sequence[str]) -> list[EntityTable]:
    """The tables of these entity types, or all. Raises: UsageError."""
    return [tables[_known(tables, entity, "entity type")] for entity in entities or tables]


def first_rows(tables: Mapping[str, EntityTable], entity: str, *, rows: int, columns: Sequence[str] | None) -> str:
    """The query for the first rows of an entity type. Raises: UsageError."""
    _known(tables, entity, "entity type")
    names = [*tables[entity].columns, *PARTITIONS]
    wished = [_known(names, column.strip(), f"column of {entity}") for column in columns or ()]
    what = ", ".join(map(double_quoted, wished)) or "*"
    return f"SELECT {what} FROM {double_quoted(entity)} LIMIT {rows}"  # noqa: S608  quoted


def _known(names: Iterable[str], name: str, what: str) -> str:
    listed = list(names)
    if name in listed:
        return name
    near = get_close_matches(name, listed, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"the snapshot has no {what} {name!r}{hint}")
