"""What is in the lake is what was served: no id missing, none twice."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from axsync.emulator import Emulator, Options
from axsync.emulator.options import DEFAULT_SIZES
from tests.flow.harness import WALKS, Lab, pages

Start = Callable[..., Awaitable[Emulator]]

LIMIT = 20
SIZES = (0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 103)
TYPES = tuple(DEFAULT_SIZES)


def sizes(shift: int) -> dict[str, int]:
    """Every type, the sizes dealt round."""
    return {entity: SIZES[(place + shift) % len(SIZES)] for place, entity in enumerate(TYPES)}


def differing(lab: Lab, emulator: Emulator, types: Sequence[str]) -> list[str]:
    return [entity for entity in types if lab.ids(entity) != sorted(emulator.fleets[entity].ids())]


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_ids_in_the_lake_are_the_ids_served(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """Every type that is offered, with sizes on both sides of a full page."""
    emulator = await start(profile, sizes(0), types=None)
    ran = await lab.run(lab.settings(lab.instance(emulator, paging=paging, page_size=LIMIT)))

    assert set(ran.verdicts()) == {f"prod/{entity}" for entity in TYPES}
    assert set(ran.verdicts().values()) == {"complete"}
    assert differing(lab, emulator, TYPES) == []


@pytest.mark.slow
@pytest.mark.parametrize("shift", range(1, len(SIZES)))
@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_every_type_is_copied_at_every_size(
    lab: Lab, start: Start, profile: str, paging: str, shift: int
) -> None:
    """The sizes wander over the types until each type has had each size."""
    emulator = await start(profile, sizes(shift), types=None)
    await lab.run(lab.settings(lab.instance(emulator, paging=paging, page_size=LIMIT)))

    assert differing(lab, emulator, TYPES) == []


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_the_walk_is_the_one_that_was_wished(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """Offsets, tokens or cursors; no way quietly stands in for another."""
    emulator = await start(profile, {"devices": 3 * LIMIT})
    await lab.run(lab.settings(lab.instance(emulator, paging=paging, page_size=LIMIT)))

    asked = [str(seen.body) for seen in emulator.log if seen.path.endswith("/devices")]
    words = {"offset": "'offset': 40", "token": "'next_page': '", "cursor": "'cursor_id': '"}
    assert {way: any(word in text for text in asked) for way, word in words.items()} == {
        way: way == paging for way in words
    }


@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_pages_without_a_remainder_are_not_asked_twice(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """Each row travels once."""
    emulator = await start(profile, {"devices": 103})
    ran = await lab.run(lab.settings(lab.instance(emulator, paging=paging, page_size=LIMIT)))

    assert (ran.outcome("devices").rows, ran.outcome("devices").duplicates) == (103, 0)


async def test_ids_beyond_hexadecimal_are_copied(lab: Lab, start: Start) -> None:
    """Ids are 32 characters, whatever the letters."""
    emulator = await start(sizes={"devices": 103}, odd_ids=True)
    await lab.run(lab.settings(lab.instance(emulator)))

    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_two_instances_are_copied_side_by_side(lab: Lab, start: Start) -> None:
    """Each has its own partition, whatever generation it speaks."""
    new, old = await start("p90", seed=1), await start("v1", seed=2)
    ran = await lab.run(lab.settings(lab.instance(new, "new"), lab.instance(old, "old")))

    assert ran.report.verdict == "complete"
    assert lab.ids("devices", "new") == sorted(new.fleets["devices"].ids())
    assert lab.ids("devices", "old") == sorted(old.fleets["devices"].ids())


async def test_only_named_types_are_copied(lab: Lab, start: Start) -> None:
    """What nobody named is not asked for a single page."""
    emulator = await start()
    ran = await lab.run(lab.settings(lab.instance(emulator), entities=("users",)))

    assert list(ran.verdicts()) == ["prod/users"]
    assert pages(emulator.log, "devices") == []


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_fifty_thousand_are_copied(lab: Lab, profile: str, paging: str) -> None:
    """The ids of a large type, pages of the usual size, the server in a process of its own."""
    sizes = {"devices": 50_000, "users": 50_000}
    async with elsewhere(profile, sizes) as emulator:
        ran = await lab.run(lab.settings(lab.instance(emulator, paging=paging, page_size=2000)))

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}
    assert differing(lab, emulator, tuple(sizes)) == []


@asynccontextmanager
async def elsewhere(profile: str, sizes: Mapping[str, int]) -> AsyncIterator[Emulator]:
    """An emulator in its own process; what is yielded knows its rows and its address and serves nothing."""
    flags = [word for entity, size in sizes.items() for word in ("--type", entity, "--size", f"{entity}={size}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "axsync.emulator", "--profile", profile, "--output", "json", *flags),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        twin = Emulator(Options(profile, sizes=sizes, types=tuple(sizes)))
        twin.url = json.loads(await process.stdout.readline())["url"]
        yield twin
    finally:
        process.terminate()
        await process.wait()
