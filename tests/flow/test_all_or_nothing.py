"""`--publish all-or-nothing`, and one run at a time per host where lakes share a state folder."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.console.run_result import exit_code
from axsync.emulator import Emulator, Mishap
from axsync.errors import Busy, ConfigError, NotWhole
from axsync.lake.local import hold
from axsync.settings import EntitySettings, RunSettings
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
DAY = "2026-11-23"


async def test_nothing_is_published_where_one_type_failed(lab: Lab, start: Start) -> None:
    """Users answer 503: devices are not published either; exit code 5; the snapshot before stays."""
    emulator = await start()
    await lab.run(lab.settings(lab.instance(emulator), types=FEW, logical_date="2026-11-22"))
    before = {name: content for name, content in lab.everything().items() if name != "_axsync/lock"}
    emulator.mishaps.append(Mishap("503", entity="users", on="page"))
    ran = await lab.run(
        lab.settings(lab.instance(emulator, tries=1), types=FEW, logical_date=DAY, publish="all-or-nothing")
    )

    errors = [error for error in ran.report.errors if isinstance(error, NotWhole)]
    after = lab.everything()
    assert (ran.report.manifest, exit_code(ran.report, dry_run=False)) == (None, 5)
    assert [(str(error), error.__notes__) for error in errors] == [
        ("1 of 2 entity types are incomplete, so nothing is published", ["prod/users"])
    ]
    assert {name: after[name] for name in before} == before
    assert not any(DAY in name for name in lab.published())


async def test_the_same_command_goes_on_with_what_is_missing(lab: Lab, start: Start) -> None:
    """When users answer again, only they are read, and both types appear together."""
    emulator = await start()
    emulator.mishaps.append(Mishap("503", entity="users", on="page"))
    settings = lab.settings(lab.instance(emulator, tries=1), types=FEW, logical_date=DAY, publish="all-or-nothing")
    first = await lab.run(settings)
    emulator.mishaps.clear()
    asked = len(emulator.log)
    second = await lab.run(settings)

    assert second.report.run_id == first.report.run_id
    assert set(second.verdicts().values()) == {"complete"}
    assert not [seen for seen in emulator.log[asked:] if seen.path.endswith("/devices") and seen.body != {}][1:]
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())


async def test_what_is_whole_can_still_be_published(lab: Lab, start: Start) -> None:
    """The other choice, made afterwards, takes what was read."""
    emulator = await start()
    emulator.mishaps.append(Mishap("503", entity="users", on="page"))
    instance = lab.instance(emulator, tries=1)
    await lab.run(lab.settings(instance, types=FEW, logical_date=DAY, publish="all-or-nothing"))
    ran = await lab.run(lab.settings(instance, types=FEW, logical_date=DAY))

    assert exit_code(ran.report, dry_run=False) == 3
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_an_instance_that_is_down_holds_all_back(lab: Lab, start: Start) -> None:
    """Its types are missing, whatever the other one brought."""
    emulator = await start()
    down = lab.instance(emulator, "down", url="http://127.0.0.1:9", tries=1)
    ran = await lab.run(lab.settings(lab.instance(emulator), down, types=FEW, publish="all-or-nothing"))

    assert ran.report.manifest is None
    assert lab.published() == []


def test_a_limit_is_never_whole() -> None:
    """The two settings contradict each other."""
    with pytest.raises(ConfigError, match="all-or-nothing and limit cannot be combined"):
        RunSettings(limit=5, publish="all-or-nothing")


async def test_a_host_that_another_run_asks_is_left_alone(lab: Lab, start: Start) -> None:
    """Another lake, the same host, a shared state folder: the second run is told who asks already."""
    emulator = await start()
    state = lab.folder / "state"
    host = emulator.url.removeprefix("http://")
    place = state / "locks" / f"{host.replace(':', '%3A')}.lock"
    settings = lab.settings(lab.instance(emulator), types=FEW, state_folder=str(state))

    with hold(place, what="the host", run="20261123T020000Z-aaaa"), pytest.raises(Busy) as refused:
        await lab.run(settings)
    assert f"another run is using the host {host}" in str(refused.value)
    assert "20261123T020000Z-aaaa" in refused.value.holder
    assert lab.published() == []

    ran = await lab.run(settings)
    assert ran.report.verdict == "complete"


async def test_lakes_without_a_state_folder_do_not_know_each_other(lab: Lab, start: Start) -> None:
    """The default: a lock per lake."""
    emulator = await start()
    with hold(lab.folder / "state" / "locks" / "x.lock", what="the host", run="r"):
        ran = await lab.run(lab.settings(lab.instance(emulator), types=FEW))

    assert ran.report.verdict == "complete"
