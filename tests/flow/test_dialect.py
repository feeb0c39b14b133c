"""Body keys that a server does not know."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Mishap
from tests.flow.harness import Lab, attributes

Start = Callable[..., Awaitable[Emulator]]

KEYS = {"v2": ("use_cache_entry", "include_details", "include_metadata"), "v1": ("include_details", "get_metadata")}
SERVERS = [(p, key) for p in ("p90", "v1") for key in KEYS["v1" if p == "v1" else "v2"]]


@pytest.mark.parametrize(("profile", "key"), SERVERS)
async def test_a_refused_key_is_left_out_from_then_on(lab: Lab, start: Start, profile: str, key: str) -> None:
    """One 400 and no more, however many lanes and pages follow."""
    emulator = await start(profile, mishaps=[Mishap("unknown-key", key=key)])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert [key in attributes(seen) for seen in emulator.log if seen.status == 400] == [True]
    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.parametrize("profile", ["p6164", "p90", "v1"])
async def test_all_optional_keys_may_be_refused(lab: Lab, start: Start, profile: str) -> None:
    """One 400 for each of them."""
    keys = KEYS["v1" if profile == "v1" else "v2"]
    emulator = await start(profile, mishaps=[Mishap("unknown-key", key=key) for key in keys])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert sum(seen.status == 400 for seen in emulator.log) == len(keys)
    assert ran.report.verdict == "complete"


async def test_each_instance_is_asked_for_itself(lab: Lab, start: Start) -> None:
    """What one server refuses, another is still sent."""
    old, new = await start(mishaps=[Mishap("unknown-key", key="include_details")]), await start()
    await lab.run(lab.settings(lab.instance(old, "old"), lab.instance(new, "new")))

    assert [sum(seen.status == 400 for seen in emulator.log) for emulator in (old, new)] == [1, 0]
    assert all("include_details" in attributes(seen) for seen in new.log if seen.path.endswith("/devices"))


async def test_a_refusal_is_met_once_where_devices_cannot_be_read(lab: Lab, start: Start) -> None:
    """The first lane that gets through finds out for all."""
    sizes = {"devices": 50, "users": 45, "groups": 30}
    refused = [Mishap("403", entity="devices"), Mishap("unknown-key", key="use_cache_entry")]
    emulator = await start(sizes=sizes, mishaps=refused)
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.verdicts() == {"prod/devices": "skipped", "prod/users": "complete", "prod/groups": "complete"}
    assert sum(seen.status == 400 for seen in emulator.log) == 1


async def test_a_bad_query_is_not_taken_for_a_refused_key(lab: Lab, start: Start) -> None:
    """A 400 about anything else fails the lane, told in the server's words."""
    emulator = await start(mishaps=[Mishap("400", entity="users", on="page", description="Bad AQL near foo")])
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "failed"}
    assert "Bad AQL near foo" in str(ran.outcome("users").reason)
