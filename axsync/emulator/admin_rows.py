"""The invented rows of administrators' tables: adapters, connections, fetches, activities, operators, gateways."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from random import Random

from axsync.emulator.fields import EntityModel, Json
from axsync.emulator.rendering import moment

NOON = 1_793_620_800  # Mon, 02 Nov 2026 12:00:00 GMT, in seconds since 1970, the time of the newest rows
_FETCHED = moment(NOON - 3 * 3600, iso=False)
_IDLE = tuple(
    "_".join(pair)
    for pair in product(("amber", "basalt", "cedar", "dune", "ember", "fjord"), ("mdm", "siem", "sso", "vault"))
)
_LABELS = ("main", "emea", "lab", "acquired 2024", "")
_ERRORS = ("Login failed: the account is locked", "Timed out after 300 seconds", 'Unexpected answer: "<html>"')
_OPERATORS = 36
# In the configuration of every connection. A client that lists connections must never store any of these.
SECRETS = ("pw-Tr0ub4dor-emulated", "tok-9f2c77aa-emulated", "-----BEGIN PRIVATE KEY-----emulated", "whsec_emulated_51")
FETCHES, ACTIVITIES = 330, 450  # rows
_STEP_SECONDS = 1_130
_ACTIONS = (
    ("Query", "Saved", 'saved the query "Linux machines"'),
    ("Login", "Success", "logged in"),
    ("Adapter", "Connection updated", "changed a connection of {adapter}"),
    ("Dashboard", "Viewed", "opened the dashboard «Überblick»"),
    ("Settings", "Changed", "changed Settings > Data > Cache\nand nothing else"),
)


def adapter_names(models: Mapping[str, EntityModel]) -> list[str]:
    """Every adapter that a model mentions, sorted; these have connections."""
    return sorted({name for model in models.values() for name in model.adapters if name.endswith("_adapter")})


def known_adapters(models: Mapping[str, EntityModel]) -> list[str]:
    """All adapters of the instance: those with connections, then idle ones."""
    return [*adapter_names(models), *(f"{name}_adapter" for name in _IDLE)]


def adapter_rows(models: Mapping[str, EntityModel], *, connections: bool) -> list[Json]:
    """The rows of v2 GET /adapters."""
    return [_adapter(name, connections=connections) for name in known_adapters(models)]


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
    """The number of *connections* in each state."""
    return {
        "error": sum(row["status"] == "error" for row in connections),
        "inactive": sum(not row["active"] for row in connections),
        "success": sum(row["active"] and row["status"] == "success" for row in connections),
        "total": len(connections),
        "warning": 0,
    }


def status_of(counts: Mapping[str, int]) -> str:
    """The state of an adapter; an empty string without connections."""
    if not counts["total"]:
        return ""
    return "warning" if counts["error"] else "success"


def connection_rows(adapter: str) -> list[Json]:
    """The connections of *adapter*: one to four, or none if it is idle. Their configuration contains SECRETS."""
    if adapter.removesuffix("_adapter") in _IDLE:
        return []
    rng = Random(f"connections/{adapter}")
    return [_connection(adapter, at, rng) for at in range(rng.randint(1, 4))]


def _connection(adapter: str, at: int, rng: Random) -> Json:
    broken, active = rng.random() < 0.2, rng.random() < 0.85
    identity = f"c{at + 1}-{adapter}"
    return {
        "connection_id": identity,
        "id": identity,
        "uuid": f"66cc{rng.randrange(16**20):020x}",
        "adapter_name": adapter,
        "node_id": "n1",
        "node_name": "Primary",
        "active": active,
        "status": "error" if broken else "success",
        "error": rng.choice(_ERRORS) if broken else None,
        "note": rng.choice(("", "", "ask the network team first")),
        "tunnel_id": rng.choice(("t1", None)),
        "connection_label": rng.choice(_LABELS),
        "last_fetch_time": _FETCHED if active else None,
        "last_successful_fetch": None if broken or not active else _FETCHED,
        "failed_connections_limit_exceeded": broken and rng.random() < 0.5,
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
    """The rows of v2 GET /users: people, and service accounts that never log in."""
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


def fetch_rows(models: Mapping[str, EntityModel]) -> list[Json]:
    """The rows of the fetch history, newest first."""
    connections = [row for name in adapter_names(models) for row in connection_rows(name)]
    if not connections:
        return []
    rng = Random("fetches")
    return [_fetch(at, rng.choice(connections), rng) for at in range(FETCHES)]


def _fetch(at: int, connection: Json, rng: Random) -> Json:
    end = NOON - at * _STEP_SECONDS
    seconds, failed = rng.randint(2, 1_000), rng.random() < 0.1
    title = connection["adapter_name"].removesuffix("_adapter").replace("_", " ").title()
    return {
        "id": f"66ff{at:020d}",
        "adapter": {"icon": connection["adapter_name"], "text": title},
        "adapter_discovery_id": f"ad-{at:05d}",
        "client": connection["connection_config"]["domain"],
        "client_id": connection["connection_id"],
        "connection_label": connection["connection_label"],
        "devices_count": 0 if failed else rng.randint(0, 4_000),
        "users_count": None if failed else rng.randint(0, 900),
        "resources_count": rng.randint(0, 50),
        "ignored_devices_count": rng.randint(0, 9),
        "ignored_users_count": None if at % 5 == 0 else 0,
        "start_time": moment(end - seconds, iso=False),
        "end_time": moment(end, iso=False),
        "last_fetch_time": moment(end, iso=False),
        "duration": f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        "error": "Timed out after 300 seconds" if failed else "",
        "fetch_events_count": {"info": rng.randint(0, 3), "warning": rng.randint(0, 2), "error": int(failed)},
        "instance": "Primary",
        "realtime": rng.random() < 0.1,
        "status": "error" if failed else rng.choice(("success", "success", "warning")),
        "discovery_id": None if at % 11 == 0 else f"disc-{at // 12:04d}",
        "axonius_version": "7_0_1",
        "has_configuration_changed": rng.random() < 0.05,
    }


@cache
def activity_rows() -> tuple[Json, ...]:
    """The rows of the activity log, newest first; some lack keys that only newer versions write."""
    rng, operators = Random("activity"), operator_rows()
    return tuple(_activity(at, rng.choice(operators), rng) for at in range(ACTIVITIES))


def _activity(at: int, operator: Json, rng: Random) -> Json:
    category, action, message = rng.choice(_ACTIONS)
    row = {
        "action": action,
        "category": category,
        "date": moment(NOON - at * _STEP_SECONDS, iso=False),
        "message": f"{operator['user_name']} {message.format(adapter='corp_ad_adapter')}",
        "type": rng.choice(("Info", "Info", "Warning")),
        "user": operator["user_name"] if at % 9 else "",
    }
    if at % 4:
        row |= {"role": operator["role_name"], "data_scope": operator["data_scope_name"]}
    return row if at % 13 else {**row, "discovery_cycle_id": f"disc-{at:04d}"}
