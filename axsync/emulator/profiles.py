"""The product versions that can be emulated, as docs/emulator.md lists them."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = frozenset(
    {
        "include_metadata",
        "query",
        "saved_query_id",
        "saved_query_name",
        "history",
        "page",
        "fields",
        "use_cache_entry",
        "include_details",
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one product version differs from the others."""

    name: str
    generation: str  # v1 | v2
    version: str  # as the server writes it
    accepted: frozenset[str]  # keyword arguments of a v2 assets request
    short_keys: bool = False
    next_page: bool = False
    null_query: bool = False
    raw_tree: bool = True
    asset_types: bool = False
    field_formats: bool = False
    flat_queries: bool = False
    may_iso_dates: bool = False
    last_token: str | None = ""  # next_page of the empty page after the last


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("p6164", "v2", "6_1_6_4", _FIRST | {"return_plain_data"}, null_query=True, raw_tree=False),
        Profile("p6167", "v2", "6_1_67_2", _FIRST | {"fields_to_exclude"}, short_keys=True, raw_tree=False),
        Profile("p70", "v2", "7_0_1", _FIRST | {"fields_to_exclude", "next_page"}, next_page=True),
        Profile(
            "p90",
            "v2",
            "9_0_4",
            _FIRST | {"fields_to_exclude", "next_page"},
            next_page=True,
            asset_types=True,
            field_formats=True,
            flat_queries=True,
            may_iso_dates=True,
            last_token=None,
        ),
        Profile("v1", "v1", "6_1_70_3", _FIRST),
    )
}
