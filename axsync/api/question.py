"""What a lane asks for, and how this server wants to be asked."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

KeyStyle: TypeAlias = Literal["full", "short"]


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


def short_key(field: str) -> str:
    """The key under which a short-key server (v2 6.1.67) serves a field (docs/axonius-api.md, "Records")."""
    if field.startswith("specific_data.data."):
        return field.removeprefix("specific_data.data.")
    if field.startswith("adapters_data."):
        adapter, _, rest = field.removeprefix("adapters_data.").partition(".")
        return f"{adapter.removesuffix('_adapter')}.{rest}" if rest else field
    return field
