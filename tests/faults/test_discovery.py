"""Row 29 of the README here: discovery cycles that run or start, days of history that are not there."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from axsync.emulator import Mishap
from axsync.events import Notice, RunStarted
from tests.faults.proof import NARROW, Tapped, assert_nothing_lost, told
from tests.flow.harness import Lab, Ran, attributes, pages

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]

TODAY = date(2026, 11, 20)
MISSED = "2026-11-18"  # the emulator keeps no snapshot of the third newest day
KEPT = "2026-11-17"


async def run(lab: Lab, emulator: Tapped, **settings: Any) -> Ran:
    return await lab.run(
        lab.settings(lab.instance(emulator), types={"default": NARROW}, entities=("devices",), **settings)
    )


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_fault_29_a_cycle_that_starts_within_the_walk_is_in_the_manifest(
    lab: Lab, start: Start, profile: str
) -> None:
    """Done before, running after: the manifest says so, also of a walk of a few milliseconds."""
    emulator = await start(profile, {"devices": 90}, mishaps=(Mishap("discovery-starts", after=2),))
    ran = await run(lab, emulator)

    assert told(ran) == ("complete", 0)
    assert lab.lane("devices")["discovery"] == {"before": "done", "after": "running"}


async def test_fault_29_a_cycle_that_ends_within_the_walk_is_in_the_manifest(lab: Lab, start: Start) -> None:
    """Running before, done after."""
    emulator = await start(sizes={"devices": 90}, mishaps=(Mishap("discovery-starts", status="done", after=2),))
    emulator.discovery = "running"
    await run(lab, emulator)

    assert lab.lane("devices")["discovery"] == {"before": "running", "after": "done"}


async def test_fault_29_a_quiet_instance_is_done_at_both_ends(lab: Lab, start: Start) -> None:
    """The other direction."""
    await run(lab, await start(sizes={"devices": 90}))

    assert lab.lane("devices")["discovery"] == {"before": "done", "after": "done"}


async def test_fault_29_waiting_for_a_cycle_is_said(lab: Lab, start: Start) -> None:
    """The run waits for the end of the cycle, says that it does, and asks for no page before."""
    emulator = await start(sizes={"devices": 90})
    emulator.discovery = "running"
    asked: list[int] = []

    def cycle_ends() -> None:
        asked.append(len(pages(emulator.log)))
        emulator.discovery = "done"

    def when_it_waits(event: object) -> None:
        if isinstance(event, Notice) and "a discovery cycle is running; waiting up to" in event.text:
            asyncio.get_running_loop().call_later(0.1, cycle_ends)

    instance = lab.instance(emulator)
    settings = lab.settings(instance, types={"default": NARROW}, wait_stable_minutes=0.01)
    ran = await lab.run(settings, when_it_waits)

    assert (told(ran), asked) == (("complete", 0), [0])
    assert lab.lane("devices")["discovery"] == {"before": "done", "after": "done"}
    assert not any("did not end" in notice.text for notice in ran.of(Notice))


async def test_fault_29_waiting_ends(lab: Lab, start: Start) -> None:
    """After the wished minutes the run goes on, says so, and the manifest tells of the running cycle."""
    emulator = await start(sizes={"devices": 90})
    emulator.discovery = "running"
    ran = await run(lab, emulator, wait_stable_minutes=0.002)

    texts = [notice.text for notice in ran.of(Notice)]
    assert [("waiting up to" in text, "did not end" in text) for text in texts] == [(True, False), (False, True)]
    assert told(ran) == ("complete", 0)
    assert lab.lane("devices")["discovery"] == {"before": "running", "after": "running"}


async def test_fault_29_nobody_waits_unasked(lab: Lab, start: Start) -> None:
    """A running cycle is noted down, no more."""
    emulator = await start(sizes={"devices": 90})
    emulator.discovery = "running"
    ran = await run(lab, emulator)

    assert (ran.of(Notice), len(ran.of(RunStarted))) == ([], 1)
    assert lab.lane("devices")["discovery"] == {"before": "running", "after": "running"}


async def test_fault_29_the_process_waits_and_says_so(lab: Lab, start: Start, process: Process) -> None:
    """The same on the command line."""
    emulator = await start(sizes={"devices": 90})
    emulator.discovery = "starting"
    exit_code, said = await process(emulator, "--wait-stable", "0.001")

    assert exit_code == 0
    assert "a discovery cycle is starting; waiting up to 0.001 minutes" in said
    assert "did not end in 0.001 minutes" in said


# ---------------------------------------------------------------------------------------------------- days of history


@pytest.mark.parametrize(("profile", "options"), [("v1", {}), ("p90", {"other_generation": True})])
async def test_fault_29_a_day_without_history_is_refused(
    lab: Lab, start: Start, profile: str, options: dict[str, bool]
) -> None:
    """Where the server lists its days, a day that it does not list is skipped with the reason, and nothing is asked."""
    emulator = await start(profile, {"devices": 90}, today=TODAY, **options)
    ran = await run(lab, emulator, as_of=MISSED)

    assert ran.verdicts() == {"prod/devices": "skipped"}
    assert f"has no history of devices for {MISSED}" in str(ran.outcome("devices").reason)
    assert (ran.report.manifest, pages(emulator.log)) == (None, [])


@pytest.mark.parametrize(("profile", "options"), [("v1", {}), ("p90", {"other_generation": True}), ("p90", {})])
async def test_fault_29_a_day_of_history_is_copied_and_labelled(
    lab: Lab, start: Start, profile: str, options: dict[str, bool]
) -> None:
    """The frozen rows of that day, and the manifest names it."""
    emulator = await start(profile, {"devices": 90}, today=TODAY, **options)
    fleet = emulator.fleets["devices"]
    ran = await run(lab, emulator, as_of=KEPT)

    frozen = [fleet.ids_of.text(number) for number in fleet.on_day(TODAY, date.fromisoformat(KEPT))]
    assert (told(ran), lab.manifest()["as_of"]) == (("complete", 0), KEPT)
    assert lab.ids("devices") == sorted(frozen)
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize(("profile", "options"), [("v1", {}), ("p90", {"other_generation": True}), ("p90", {})])
async def test_fault_29_the_latest_day_is_found(lab: Lab, start: Start, profile: str, options: dict[str, bool]) -> None:
    """`latest` is the newest day that is kept, also where only counts can tell."""
    emulator = await start(profile, {"devices": 90}, **options)
    ran = await run(lab, emulator, as_of="latest")

    asked = {str(attributes(seen)["history"])[:10] for seen in pages(emulator.log)}
    assert (told(ran), asked) == (("complete", 0), {emulator.instance.newest.isoformat()})


@pytest.mark.parametrize(("profile", "paging"), [("p90", "offset"), ("p70", "token"), ("v1", "cursor")])
async def test_fault_29_a_day_of_history_is_complete_or_fails(
    lab: Lab, start: Start, profile: str, paging: str
) -> None:
    """History does not move, so rows that cannot be had are a failure: nothing is published, exit code 1."""
    hidden = Mishap("empty-page", page=lambda ask: bool(ask.query) or 20 <= ask.offset < 40)
    emulator = await start(profile, {"devices": 90}, today=TODAY, mishaps=(hidden,))
    instance = lab.instance(emulator, paging=paging)
    ran = await lab.run(
        lab.settings(instance, types={"default": NARROW}, entities=("devices",), as_of=TODAY.isoformat())
    )

    assert told(ran) == ("failed", 1)
    assert "the history of devices is incomplete" in str(ran.report.errors)
    assert (ran.report.manifest, lab.published()) == (None, [])


async def test_fault_29_a_hole_in_a_day_of_history_is_repaired(lab: Lab, start: Start) -> None:
    """What the walk missed is fetched by name, of that same day."""
    hidden = Mishap("empty-page", page=lambda ask: not ask.query and 20 <= ask.offset < 40)
    emulator = await start(sizes={"devices": 90}, today=TODAY, mishaps=(hidden,))
    ran = await run(lab, emulator, as_of=TODAY.isoformat())

    assert told(ran) == ("complete", 0)
    assert ran.outcome("devices").repaired > 0
    assert {attributes(seen)["history"] for seen in pages(emulator.log)} == {TODAY.isoformat()}
    assert_nothing_lost(lab, emulator, "devices")
