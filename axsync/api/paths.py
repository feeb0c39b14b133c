"""The only place where a path is made: an allow-list of reads (docs/axonius-api.md, "Endpoints")."""

import re
from typing import Literal

from axsync.errors import UsageError
from axsync.model import Request

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,99}")

READS: dict[str, tuple[str, str]] = {
    "v2.page": ("POST", "/api/v2/assets/{entity}"),
    "v2.count": ("POST", "/api/v2/assets/{entity}/count"),
    "v2.fields": ("GET", "/api/v2/assets/{entity}/fields"),
    "v2.entities": ("GET", "/api/v2/assets/asset_types"),
    "v2.about": ("GET", "/api/v2/about"),
    "v2.discovery": ("GET", "/api/v2/discovery"),
    "v2.adapters": ("GET", "/api/v2/adapters"),
    "v2.users": ("GET", "/api/v2/users"),
    "v2.queries": ("GET", "/api/v2/queries"),
    "v2.fetches": ("POST", "/api/v2/adapters/fetch_history"),
    "v2.activity": ("GET", "/api/v2/activity_logs"),
    "v1.page": ("POST", "/api/{entity}"),
    "v1.count": ("POST", "/api/{entity}/count"),
    "v1.fields": ("GET", "/api/{entity}/fields"),
    "v1.dates": ("GET", "/api/dashboard/get_allowed_dates"),
    "v1.lifecycle": ("GET", "/api/dashboard/lifecycle"),
    "v1.about": ("GET", "/api/settings/meta/about"),
    "v1.queries": ("GET", "/api/queries/saved"),
    "v1.adapters": ("GET", "/api/adapters"),
    "v1.fetches": ("POST", "/api/adapters/history"),
    "v1.activity": ("GET", "/api/settings/audit"),
    "v1.users": ("GET", "/api/settings/users"),
}
"""Every question that axsync can ask. Nothing but these and `TOKEN` reaches a server."""

TOKEN: tuple[Literal["POST"], str] = ("POST", "/api/oauth2/token")
"""What buys a bearer token for an OAuth client (docs/axonius-api.md, "Connection"); it changes nothing there."""

NEVER_ENTITIES = frozenset({"asset_types", "add_tags", "remove_tags"})
"""Path segments under /assets that are not entity types; they would turn a read into something else."""

V1_PLACES = frozenset({
    "adapters", "api", "compliance", "dashboard", "enforcements", "get_constants", "instances",
    "labels", "login", "logout", "oauth2", "open_api_yaml", "queries", "settings", "signup", "supported_versions",
    "system", "tags", "tasks", "v1", "v2",
})  # fmt: skip
"""What stands beside the entity types in v1; a POST there may write."""


def entity_slug(entity: str) -> str:
    """The entity type as a path segment.

    Raises: UsageError where it is not made of [a-z0-9_] (docs/axonius-api.md, "Asset types").
    """
    if not _SLUG.fullmatch(entity) or entity in NEVER_ENTITIES:
        message = f"{entity!r} is not a name of an entity type: small letters, digits and underscores only"
        raise UsageError(message)
    return entity


def read(name: str, entity: str = "") -> tuple[str, str]:
    """Method and path of an allow-listed read. Raises: UsageError for what is no entity type."""
    method, template = READS[name]
    if name.startswith("v1.") and entity in V1_PLACES:
        raise UsageError(f"{entity!r} is not an entity type of API v1")
    return method, template.format(entity=entity_slug(entity)) if "{entity}" in template else template


def get(name: str, entity: str = "", **params: str) -> Request:
    """The GET of an allow-listed read. Raises: as `read`."""
    _, path = read(name, entity)
    return Request("GET", path, params=tuple(params.items()))
