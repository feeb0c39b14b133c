"""Adapters, gateways and operators of the emulated instance (invented)."""

from __future__ import annotations

from collections.abc import Mapping

from axsync.emulator.columns import Family, Json

_FETCHED = "Mon, 02 Nov 2026 09:00:00 GMT"


def adapter_names(families: Mapping[str, Family]) -> list[str]:
    """Every adapter that some family mentions, sorted."""
    return sorted({name for family in families.values() for name in family.adapters if name.endswith("_adapter")})


def adapter_rows(families: Mapping[str, Family], *, connections: bool) -> list[Json]:
    """The rows of v2 GET /adapters."""
    return [_adapter(name, connections=connections) for name in adapter_names(families)]


def _adapter(name: str, *, connections: bool) -> Json:
    counts = {"error_count": 0, "inactive_count": 0, "success_count": 1, "total_count": 1, "warning_count": 0}
    row: dict[str, Json] = {
        "id": name,
        "plugin_name": name,
        "unique_plugin_name": f"{name}_0",
        "node_id": "n1",
        "node_name": "Primary",
        "is_master": True,
        "status": "success",
        "adapter_configs": {},
        "connections_count": counts,
    }
    return {**row, "connections": [_connection(name)]} if connections else row


def _connection(name: str) -> Json:
    return {
        "connection_id": f"c-{name}",
        "id": f"c-{name}",
        "uuid": f"u-{name}",
        "adapter_name": name,
        "node_id": "n1",
        "active": True,
        "status": "success",
        "error": None,
        "note": "",
        "tunnel_id": "t1",
        "last_fetch_time": _FETCHED,
        "last_successful_fetch": _FETCHED,
        "failed_connections_limit_exceeded": False,
        "did_notify_error": False,
    }


def operator_rows() -> list[Json]:
    """The rows of v2 GET /users."""
    return [_operator(at, name) for at, name in enumerate(("ines.moreau", "tom.akers", "svc-export"))]


def _operator(at: int, name: str) -> Json:
    return {
        "uuid": f"66bb00112233445566778{at:03d}",
        "user_name": name,
        "first_name": name.partition(".")[0].title(),
        "last_name": name.partition(".")[2].title(),
        "email": f"{name}@corp.test",
        "title": "",
        "department": "IT",
        "role_id": f"66dd00112233445566778{at:03d}",
        "role_name": "Viewer",
        "data_scope_id": None,
        "data_scope_name": None,
        "allowed_scopes_impersonation": [],
        "source": "internal",
        "last_login": _FETCHED,
        "last_updated": _FETCHED,
    }


def gateway_rows() -> list[Json]:
    """The rows of v2 GET /gateways."""
    return [
        {
            "id": "gw-1",
            "name": "Gateway 1",
            "status": "connected",
            "default": True,
            "dns_server": "192.0.2.53",
            "backup_ids": [],
        }
    ]
