"""A run that several processes share, for the tests of shards: the plan, a shard, and a shard that is cut off."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from axsync.emulator import Emulator
from axsync.errors import ShardUnfinished
from axsync.events import Event, Observer, PageRead
from axsync.runs.run import Report
from axsync.runs.shard_plan import ShardPlan, plan_shards, read_plan, write_plan
from axsync.runs.shards import publish, work
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, at_once

FEW = {"default": EntitySettings(fields=("name",))}
NAMES = ("one", "two", "three")


async def planned(lab: Lab, *emulators: Emulator, machines: int = 2, **more: Any) -> ShardPlan:
    """The plan of a run over these, one instance each, as it comes from its file."""
    instances = [lab.instance(one, name, tries=1) for one, name in zip(emulators, NAMES, strict=False)]
    plan = await plan_shards(lab.settings(*instances, types=FEW, **more), machines)
    found = read_plan(write_plan(plan).encode())
    return replace(found, shards=tuple(sorted(found.shards, key=lambda shard: NAMES.index(shard.instances[0]))))


async def worked(plan: ShardPlan, number: int, *observers: Observer) -> Report:
    """One shard, read to its end."""
    return await work(plan, number, observers=observers, jitter=at_once)


def at_a_page(number: int, act: Callable[[], object]) -> Observer:
    """An observer that does this when so many pages are stored."""
    seen = count(1)

    def observe(event: Event) -> None:
        if isinstance(event, PageRead) and next(seen) == number:
            act()

    return observe


async def cut_off(plan: ShardPlan, number: int) -> None:
    """A shard that is stopped in the middle; it cannot be published."""
    seen = asyncio.Event()
    reading = asyncio.ensure_future(worked(plan, number, at_a_page(5, seen.set)))
    await seen.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    told = rf"shard {number} of run .* is unfinished, so nothing is published"
    with pytest.raises(ShardUnfinished, match=told):
        await publish(plan)
