"""Adapters, connections, gateways and operators of the emulated instance (invented)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random

from axsync.emulator.columns import Family, Json
from axsync.emulator.forms import moment

NOON = 1_793_620_800  # Mon, 02 Nov 2026 12:00:00 GMT, in seconds since 1970: when the newest rows were written
_FETCHED = moment(NOON - 3 * 3600, iso=False)
_IDLE = tuple(
    "_".join(pair)
    for pair in product(("amber", "basalt", "cedar", "dune", "ember", "fjord"), ("mdm", "siem", "sso", "vault"))
)
_LABELS = ("main", "emea", "lab", "acquired 2024", "")
_ERRORS = ("Login failed: the account is locked", "Timed out after 300 seconds", 'Unexpected answer: "<html>"')
_OPERATORS = 36
# Whatever holds one of these must never be stored by a client that only wants to know which connections there are.
SECRETS = ("pw-Tr0ub4dor-emulated", "tok-9f2c77aa-emulated", "-----BEGIN PRIVATE KEY-----emulated", "whsec_emulated_51")


def adapter_names(families: Mapping[str, Family]) -> list[str]:
    """Every adapter that some family mentions, sorted; these have connections."""
    return sorted({name for family in families.values() for name in family.adapters if name.endswith("_adapter")})


def known_adapters(families: Mapping[str, Family]) -> list[str]:
    """All adapters of the instance: those with connections, then idle ones."""
    return [*adapter_names(families), *(f"{name}_adapter" for name in _IDLE)]


def adapter_rows(families: Mapping[str, Family], *, connections: bool) -> list[Json]:
    """The rows of v2 GET /adapters."""
    return [_adapter(name, connections=connections) for name in known_adapters(families)]


def _adapter(name: str, *, connections: bool) -> Json:
    found = connection_rows(name)
    counts = connection_counts(found)
    row: dict[str, Json] = {
        "id": name,
        "plugin_name": name,
        "unique_plugin_name": f"{name}_0",
        "node_id": "n1",
        "node_name": "Primary",
        "is_master": True,
        "status": status_of(counts),
        "adapter_configs": {},
        "connections_count": {f"{key}_count": count for key, count in counts.items()},
    }
    return {**row, "connections": found} if connections else row


def connection_counts(connections: list[Json]) -> dict[str, int]:
    """How many of *connections* are in which state."""
    return {
        "error": sum(row["status"] == "error" for row in connections),
        "inactive": sum(not row["active"] for row in connections),
        "success": sum(row["active"] and row["status"] == "success" for row in connections),
        "total": len(connections),
        "warning": 0,
    }


def status_of(counts: Mapping[str, int]) -> str:
    """The state of an adapter: an empty text when it has no connection."""
    if not counts["total"]:
        return ""
    return "warning" if counts["error"] else "success"


def connection_rows(adapter: str) -> list[Json]:
    """The connections of *adapter*: one to four, or none for an idle one. Their configuration holds SECRETS."""
    if adapter.removesuffix("_adapter") in _IDLE:
        return []
    dice = Random(f"connections/{adapter}")
    return [_connection(adapter, at, dice) for at in range(dice.randint(1, 4))]


def _connection(adapter: str, at: int, dice: Random) -> Json:
    broken, active = dice.random() < 0.2, dice.random() < 0.85
    identity = f"c{at + 1}-{adapter}"
    return {
        "connection_id": identity,
        "id": identity,
        "uuid": f"66cc{dice.randrange(16**20):020x}",
        "adapter_name": adapter,
        "node_id": "n1",
        "node_name": "Primary",
        "active": active,
        "status": "error" if broken else "success",
        "error": dice.choice(_ERRORS) if broken else None,
        "note": dice.choice(("", "", "ask the network team first")),
        "tunnel_id": dice.choice(("t1", None)),
        "connection_label": dice.choice(_LABELS),
        "last_fetch_time": _FETCHED if active else None,
        "last_successful_fetch": None if broken or not active else _FETCHED,
        "failed_connections_limit_exceeded": broken and dice.random() < 0.5,
        "did_notify_error": broken,
        **_configuration(adapter),
    }


def _configuration(adapter: str) -> dict[str, Json]:
    password, token, key, hook = SECRETS
    return {
        "connection_config": {"domain": f"https://{adapter}.test", "username": "svc-axonius", "password": password},
        "connection_adapter_config": {"api": {"client_id": "7f31", "client_secret": token}, "private_key": key},
        "connection_advanced_config": {"webhooks": [{"url": "https://hooks.test", "signing": hook}], "proxy": None},
    }


def operator_rows() -> list[Json]:
    """The rows of v2 GET /users: people, then service accounts that never log in."""
    names = ["ines.moreau", "tom.akers", "svc-export"]
    names += [f"operator{at:02}" if at % 4 else f"svc-job{at:02}" for at in range(len(names), _OPERATORS)]
    return [_operator(at, name) for at, name in enumerate(names)]


def _operator(at: int, name: str) -> Json:
    service = name.startswith("svc-")
    return {
        "uuid": f"66bb00112233445566778{at:03d}",
        "user_name": name,
        "first_name": "" if service else name.partition(".")[0].title(),
        "last_name": name.partition(".")[2].title(),
        "email": None if service else f"{name}@corp.test",
        "title": "",
        "department": "IT" if at % 5 else None,
        "role_id": f"66dd00112233445566778{at % 3:03d}",
        "role_name": ("Viewer", "Admin", "Restricted")[at % 3],
        "data_scope_id": f"66ee0011223344556677{at % 2:04d}" if at % 7 == 6 else None,
        "data_scope_name": f"Region {at % 2}" if at % 7 == 6 else None,
        "allowed_scopes_impersonation": [f"Region {at % 2}"] if at % 7 == 6 else [],
        "source": ("internal", "saml", "ldap")[at % 3],
        "last_login": None if service else moment(NOON - at * 40_000, iso=False),
        "last_updated": moment(NOON - at * 90_000, iso=False),
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
