"""What a lane asks for, how a server wants to be asked, and what it lists that a question may name.

A question may name a saved query and a day of history (docs/axonius-api.md, "Saved queries" and "History").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from axsync.api import paths
from axsync.api.envelope import read_object, total_in
from axsync.model import Reply, Request


@dataclass(frozen=True, slots=True)
class Question:
    """The rows and fields of one lane; the same for each of its pages.

    No `fields`: none are sent, and the server chooses. `saved_query_id` goes before `saved_query`, which is a name.
    `details` are fields of which each adapter's own value is wanted too.
    `history` is what the generation wants there: a day in v2, a listed timestamp in v1.
    """

    entity: str
    fields: tuple[str, ...] = ()
    query: str = ""
    saved_query: str = ""
    saved_query_id: str = ""
    history: str | None = None
    details: tuple[str, ...] = ()


DETAILS = "_details"
"""The end of the key that holds each adapter's value of a field, in the order of `adapters`; null where it has none."""
ALSO_DETAILED = (
    "adapters_details",
    "adapter_list_length_details",
    "internal_axon_id_details",
    "labels_details",
    "unique_adapter_names_details",
    "meta_data.client_used",
    "adapter_asset_entities_info",
)
"""Keys that come along with details, whatever was asked for (docs/axonius-api.md, "Records")."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server does not accept, found out once and kept for the run."""

    refused: frozenset[str] = frozenset()  # optional body keys that it answered 400 to


# ------------------------------------------------------------------------------------------------------- saved queries


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
    read = (read_saved_query(row) for row in listed if isinstance(row, Mapping))
    return QueriesPage(tuple(one for one in read if one is not None), len(listed), total_in(answer))


def read_saved_query(row: Mapping[str, object]) -> SavedQuery | None:
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


# ----------------------------------------------------------------------------------------------------- days of history


def history_days_request() -> Request:
    """The days of history of all entity types (docs/axonius-api.md, "History").

    Only v1 has a path for them. Servers of both generations may answer it, and an account may be refused.
    """
    return paths.get("v1.dates")


def read_history_days(reply: Reply, host: str) -> dict[str, dict[str, str]]:
    """Entity type → day → the timestamp under which v1 keeps it; a day without one is left out. Raises: BadAnswer."""
    data = read_object(reply, host).get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    value = attributes.get("value") if isinstance(attributes, dict) else None
    listed = value if isinstance(value, dict) else {}
    return {
        entity: {day: stamp for day, stamp in days.items() if isinstance(stamp, str) and stamp}
        for entity, days in listed.items()
        if isinstance(days, dict)
    }
