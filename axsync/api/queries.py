"""Saved queries as both generations list them (docs/axonius-api.md, "Saved queries")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One saved query: `entity` is its entity type, empty where it is not told; `fields` are its own columns."""

    name: str
    id: str = ""
    entity: str = ""
    aql: str = ""
    fields: tuple[str, ...] = ()

    def called(self, word: str) -> bool:
        """Whether this name or id means it."""
        return word in (self.name, self.id)


@dataclass(frozen=True, slots=True)
class QueriesPage:
    """One page of the listing: `served` counts its rows, also those that cannot be read; `total` where it is told."""

    queries: tuple[SavedQuery, ...]
    served: int
    total: int | None = None


def queries_page(rows: Iterable[object], answer: Mapping[str, object]) -> QueriesPage:
    """The page with these rows; `answer` is what they came in."""
    listed = list(rows)
    read = (saved_query(row) for row in listed if isinstance(row, Mapping))
    return QueriesPage(tuple(one for one in read if one is not None), len(listed), total_of(answer))


def saved_query(row: Mapping[str, object]) -> SavedQuery | None:
    """A row with its view nested (v1, and v2 up to 7.0) or flat (later v2); None where it has no name."""
    view = row.get("view")
    view = view if isinstance(view, Mapping) else {}
    query = view.get("query", row.get("query"))
    aql = query.get("filter") if isinstance(query, Mapping) else query
    name = _text(row.get("name"))
    if not name:
        return None
    return SavedQuery(
        name,
        _text(row.get("id")) or _text(row.get("uuid")),
        _text(row.get("module")) or _text(row.get("asset_type")),
        _text(aql),
        _names(view.get("fields", row.get("fields"))),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _names(listed: object) -> tuple[str, ...]:
    entries = listed if isinstance(listed, list) else []
    names = [one.get("name") if isinstance(one, Mapping) else one for one in entries]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def total_of(answer: Mapping[str, object]) -> int | None:
    """`meta.page.totalResources`; None where it is absent or senseless."""
    meta = answer.get("meta")
    page = meta.get("page") if isinstance(meta, Mapping) else None
    total = page.get("totalResources") if isinstance(page, Mapping) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None
