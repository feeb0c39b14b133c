"""The invented saved queries of the instance, in the forms that the product versions send."""

from __future__ import annotations

from dataclasses import dataclass

from axsync.emulator.fields import Json

SERVED_AT_MOST = 10  # rows per page at most, so a short page is not the last one (docs/axonius-api.md, "Saved queries")


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """A named AQL filter over one entity type, with the fields that its view shows."""

    number: int
    name: str
    entity: str
    aql: str
    fields: tuple[str, ...] = ("specific_data.data.name", "specific_data.data.last_seen")
    predefined: bool | None = False

    @property
    def id(self) -> str:
        """24 hex digits, like a MongoDB object id."""
        return f"{0x5F00AA11BB22CC33DD000000 + self.number:024x}"


_EXISTS = '({"$exists":true,"$ne":""})'
_BASE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "All devices",
        "devices",
        "",
        ("specific_data.data.hostname", "specific_data.data.last_seen", "specific_data.data.os.type", "labels"),
    ),
    (
        "Linux machines",
        "devices",
        '("specific_data.data.os.type" == "Linux")',
        (
            "specific_data.data.hostname",
            "specific_data.data.network_interfaces.ips_preferred",
            "specific_data.data.network_interfaces.mac_preferred",
            "specific_data.data.os.distribution",
        ),
    ),
    (
        "Tier one",
        "devices",
        '("labels" == "tier1")',
        ("adapters", "specific_data.data.hostname", "adapters_data.gui.custom_owner", "adapters_data.gui.custom_site"),
    ),
    (
        "Seen by EDR",
        "devices",
        '("adapters" == "acme_edr_adapter")',
        (
            "specific_data.data.hostname",
            "adapters_data.acme_edr_adapter.agent_uuid",
            "adapters_data.acme_edr_adapter.agent_version",
            "specific_data.data.last_seen",
        ),
    ),
    (
        "EDR but not in the directory",
        "devices",
        '("adapters" == "acme_edr_adapter") and not ("adapters" == "corp_ad_adapter")',
        ("specific_data.data.hostname", "specific_data.data.network_interfaces"),
    ),
    (
        "Described devices",
        "devices",
        f'("specific_data.data.description" == {_EXISTS})',
        ("specific_data.data.name", "specific_data.data.description"),
    ),
    ("Nobody", "devices", '("internal_axon_id" in [])', ("specific_data.data.name",)),
    (
        "Administrators",
        "users",
        '("specific_data.data.is_admin" == true)',
        ("specific_data.data.username", "specific_data.data.mail", "specific_data.data.last_logon"),
    ),
    (
        "Directory users",
        "users",
        '("adapters" == "corp_ad_adapter")',
        ("specific_data.data.username", "adapters_data.corp_ad_adapter.sid", "specific_data.data.groups"),
    ),
    (
        "Critical weaknesses",
        "vulnerabilities",
        '("specific_data.data.cve_severity" == "CRITICAL")',
        ("specific_data.data.cve_id", "specific_data.data.cvss", "specific_data.data.affected_devices"),
    ),
)
_MORE = 15
_UPDATED_BY = '{"is_first_login": false, "user_name": "ines.moreau", "first_name": "Ines"}'  # JSON inside a string


def saved_queries() -> tuple[StoredQuery, ...]:
    """All saved queries: a few that are meaningful, and enough others to fill several pages."""
    base = [StoredQuery(at, name, entity, aql, fields) for at, (name, entity, aql, fields) in enumerate(_BASE)]
    more = [
        StoredQuery(at, f"Site report {at}", "devices", f'("specific_data.data.os.major" == {at})', predefined=None)
        for at in range(len(_BASE), len(_BASE) + _MORE)
    ]
    return (*base, *more)


def nested(query: StoredQuery) -> Json:
    """The row of 6.1.67 and 7.0."""
    return {
        "uuid": query.id,
        "name": query.name,
        "module": query.entity,
        "view": {"query": {"filter": query.aql}, "fields": list(query.fields)},
        "tags": [],
        "predefined": query.predefined,
        "timestamp": "2026-10-01 08:00:00.123456",
        "last_updated": "2026-10-02T08:00:00+00:00",
        "updated_by": _UPDATED_BY,
    }


def flat(query: StoredQuery) -> Json:
    """The row of newer versions."""
    return {
        "id": query.id,
        "name": query.name,
        "asset_type": query.entity,
        "query": query.aql,
        "fields": list(query.fields),
        "tags": [],
        "predefined": query.predefined,
        "updated_by": "" if query.number % 3 else _UPDATED_BY,
    }


def envelope(query: StoredQuery) -> Json:
    """The row of v1, whose `predefined` may be null and whose `updated_by` is JSON in a string."""
    view = {
        "query": {"filter": query.aql, "expressions": [], "onlyExpressionsFilter": query.aql},
        "fields": list(query.fields),
        "sort": {"field": "", "desc": True},
        "colFilters": [],
        "colExcludedAdapters": [],
        "assetExcludeAdapters": [],
        "assetConditionExpressions": [],
    }
    attributes: dict[str, Json] = {
        "name": query.name,
        "uuid": query.id,
        "id": query.id,
        "view": view,
        "query_type": "saved",
        "tags": [],
        "predefined": query.predefined,
        "private": False,
        "asset_scope": False,
        "always_cached": False,
        "last_updated": "2026-10-02T08:00:00+00:00",
        "timestamp": "2026-10-01 08:00:00.123456",
        "updated_by": _UPDATED_BY,
        "date_fetched": "2026-10-01 08:00:00.123456",
        "user_id": "66bb0011223344556677889a",
        "folder_id": "66cc0011223344556677889a",
        "module": query.entity,
        "access": {"mode": "Public", "config": {}},
        "last_run_time": None,
        "created_by": "ines.moreau",
        "used_in": [],
        "is_referenced": False,
        "description": "",
    }
    return {"id": query.id, "type": "views_details_schema", "attributes": attributes}
