"""What happened on the emulated instance (invented): fetches of connections, and the activity log."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from random import Random

from axsync.emulator.columns import Family, Json
from axsync.emulator.forms import moment
from axsync.emulator.staff import NOON, adapter_names, connection_rows, operator_rows

FETCHES, ACTIVITIES = 330, 450  # rows
_STEP_SECONDS = 1_130
_DONE = (
    ("Query", "Saved", 'saved the query "Linux machines"'),
    ("Login", "Success", "logged in"),
    ("Adapter", "Connection updated", "changed a connection of {adapter}"),
    ("Dashboard", "Viewed", "opened the dashboard «Überblick»"),
    ("Settings", "Changed", "changed Settings > Data > Cache\nand nothing else"),
)


def fetch_rows(families: Mapping[str, Family]) -> list[Json]:
    """The rows of the fetch history, newest first."""
    connections = [row for name in adapter_names(families) for row in connection_rows(name)]
    if not connections:
        return []
    dice = Random("fetches")
    return [_fetch(at, dice.choice(connections), dice) for at in range(FETCHES)]


def _fetch(at: int, connection: Json, dice: Random) -> Json:
    end = NOON - at * _STEP_SECONDS
    seconds, failed = dice.randint(2, 1_000), dice.random() < 0.1
    title = connection["adapter_name"].removesuffix("_adapter").replace("_", " ").title()
    return {
        "id": f"66ff{at:020d}",
        "adapter": {"icon": connection["adapter_name"], "text": title},
        "adapter_discovery_id": f"ad-{at:05d}",
        "client": connection["connection_config"]["domain"],
        "client_id": connection["connection_id"],
        "connection_label": connection["connection_label"],
        "devices_count": 0 if failed else dice.randint(0, 4_000),
        "users_count": None if failed else dice.randint(0, 900),
        "resources_count": dice.randint(0, 50),
        "ignored_devices_count": dice.randint(0, 9),
        "ignored_users_count": None if at % 5 == 0 else 0,
        "start_time": moment(end - seconds, iso=False),
        "end_time": moment(end, iso=False),
        "last_fetch_time": moment(end, iso=False),
        "duration": f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        "error": "Timed out after 300 seconds" if failed else "",
        "fetch_events_count": {"info": dice.randint(0, 3), "warning": dice.randint(0, 2), "error": int(failed)},
        "instance": "Primary",
        "realtime": dice.random() < 0.1,
        "status": "error" if failed else dice.choice(("success", "success", "warning")),
        "discovery_id": None if at % 11 == 0 else f"disc-{at // 12:04d}",
        "axonius_version": "7_0_1",
        "has_configuration_changed": dice.random() < 0.05,
    }


@cache
def activity_rows() -> tuple[Json, ...]:
    """The rows of the activity log, newest first; some lack what only newer versions write."""
    dice, operators = Random("activity"), operator_rows()
    return tuple(_activity(at, dice.choice(operators), dice) for at in range(ACTIVITIES))


def _activity(at: int, operator: Json, dice: Random) -> Json:
    category, action, message = dice.choice(_DONE)
    row = {
        "action": action,
        "category": category,
        "date": moment(NOON - at * _STEP_SECONDS, iso=False),
        "message": f"{operator['user_name']} {message.format(adapter='corp_ad_adapter')}",
        "type": dice.choice(("Info", "Info", "Warning")),
        "user": operator["user_name"] if at % 9 else "",
    }
    if at % 4:
        row |= {"role": operator["role_name"], "data_scope": operator["data_scope_name"]}
    return row if at % 13 else {**row, "discovery_cycle_id": f"disc-{at:04d}"}
