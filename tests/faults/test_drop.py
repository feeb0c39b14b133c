"""Row 30 of the README here: thousands yesterday, few or none today."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from axsync.emulator import Emulator
from tests.faults.proof import NARROW, Tapped, code
from tests.flow.harness import Lab, Ran

Start = Callable[..., Awaitable[Tapped]]
Process = Callable[..., Awaitable[tuple[int, str]]]


def shrink(emulator: Emulator, entity: str, to: int) -> None:
    """Rows go, from the end."""
    fleet = emulator.fleets[entity]
    while len(fleet) > to:
        fleet.delete(len(fleet) - 1)


async def run(lab: Lab, emulator: Emulator, **settings: Any) -> Ran:
    instance = lab.instance(emulator)
    return await lab.run(lab.settings(instance, types={"default": NARROW}, fresh=True, **settings))


def readable(lab: Lab) -> dict[str, bytes]:
    """What readers of the lake look at."""
    looked_at = ("entity=", "_axsync/latest.json", "_axsync/snapshots/")
    return {name: content for name, content in lab.everything().items() if name.startswith(looked_at)}


@pytest.mark.parametrize("day", [None, "2026-11-24"])
@pytest.mark.parametrize("left", [0, 1, 36, 44])
async def test_fault_30_a_type_that_fell_by_more_than_half_is_not_published(
    lab: Lab, start: Start, left: int, day: str | None
) -> None:
    """Its old files stay what readers see, on the same day and on the next; exit code 5."""
    emulator = await start(sizes={"devices": 90})
    await run(lab, emulator, logical_date="2026-11-23")
    before, ids, first = lab.published(), lab.ids("devices"), lab.manifest()["run_id"]
    shrink(emulator, "devices", left)
    ran = await run(lab, emulator, logical_date=day or "2026-11-23")

    assert (code(ran), ran.report.manifest) == (5, None)
    assert ran.outcome("devices").verdict == "partial"
    assert ran.outcome("devices").reason == f"devices fell from 90 to {left} rows and is not published"
    assert (lab.published(), lab.ids("devices"), lab.manifest()["run_id"]) == (before, ids, first)


@pytest.mark.parametrize("left", [45, 60, 90])
async def test_fault_30_a_type_that_kept_half_is_published(lab: Lab, start: Start, left: int) -> None:
    """The guard is for falls by more than half."""
    emulator = await start(sizes={"devices": 90})
    await run(lab, emulator)
    shrink(emulator, "devices", left)
    ran = await run(lab, emulator)

    assert code(ran) == 0
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_fault_30_the_other_types_of_the_run_are_published(lab: Lab, start: Start) -> None:
    """One snapshot: users of today, devices of yesterday; the manifest says from which run these are."""
    emulator = await start(sizes={"devices": 90, "users": 45})
    await run(lab, emulator, logical_date="2026-11-23")
    ids, first = lab.ids("devices"), lab.manifest()["run_id"]
    shrink(emulator, "devices", 9)
    emulator.fleets["users"].delete(0)
    await run(lab, emulator, logical_date="2026-11-24")

    assert lab.manifest()["run_id"] != first
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())
    assert (lab.ids("devices"), lab.lane("devices")["from_run"]) == (ids, first)
    assert all("dt=2026-11-23" in file["path"] for file in lab.lane("devices")["files"])


@pytest.mark.parametrize("left", [0, 9])
async def test_fault_30_an_accepted_drop_is_published(lab: Lab, start: Start, left: int) -> None:
    """With --accept-drop the smaller set is the snapshot."""
    emulator = await start(sizes={"devices": 90})
    await run(lab, emulator)
    shrink(emulator, "devices", left)
    ran = await run(lab, emulator, accept_drop=True)

    assert code(ran) == 0
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_fault_30_a_refused_set_is_measured_against_what_was_published(lab: Lab, start: Start) -> None:
    """Refused once, it is refused again: the fallen set never becomes the yardstick."""
    emulator = await start(sizes={"devices": 90})
    await run(lab, emulator)
    shrink(emulator, "devices", 9)
    codes = [code(await run(lab, emulator)) for _ in range(2)]

    assert codes == [5, 5]


async def test_fault_30_the_process_ends_with_five(lab: Lab, start: Start, process: Process) -> None:
    """Refused, then accepted, on the command line; the words name the type, the numbers and the way out."""
    emulator = await start(sizes={"devices": 90})
    assert (await process(emulator))[0] == 0
    old = readable(lab)
    shrink(emulator, "devices", 9)
    refused, said = await process(emulator, "--fresh")

    assert (refused, readable(lab)) == (5, old)
    assert "devices fell from 90 to 9 rows and is not published" in said
    assert "--accept-drop" in said

    accepted, said = await process(emulator, "--accept-drop")

    assert accepted == 0, said
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_fault_30_a_refusal_is_told_by_the_exit_code_also_where_other_types_were_published(
    lab: Lab, start: Start
) -> None:
    """docs/operations.md, "Exit codes": 5, a guard held everything back."""
    emulator = await start(sizes={"devices": 90, "users": 45})
    await run(lab, emulator)
    shrink(emulator, "devices", 9)

    assert code(await run(lab, emulator)) == 5
