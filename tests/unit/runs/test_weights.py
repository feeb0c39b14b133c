"""Instances of more weight get more, where what several share is short."""

import asyncio
from collections.abc import Mapping
from typing import Any

from axsync.engine.lane_walk import Budget, Reservation
from axsync.runs.instances import Instances, _limiter_of
from axsync.runs.reading import FEWEST_LANES, LANES_AT_ONCE, Reading
from axsync.settings import CredentialReference, InstanceSettings

KEYS = CredentialReference("env:AX_KEY", "env:AX_SECRET")


def instance(name: str, weight: int) -> InstanceSettings:
    """An instance of this weight."""
    return InstanceSettings(name, f"https://{name}.example.com", KEYS, weight=weight)


async def test_a_host_has_as_many_pages_in_the_queue_for_memory_as_its_heaviest_instance_weighs() -> None:
    """The others wait behind them, so that hosts take turns."""
    limiter, budget = _limiter_of("acme.example.com", [instance("one", 3), instance("two", 1)], None), Budget(10)
    await budget.take(lambda: 10)

    async def page() -> None:
        async with limiter.slot("page", Reservation(budget, lambda: 5)):
            pass

    pages = [asyncio.create_task(page()) for _ in range(8)]
    for _ in range(50):
        await asyncio.sleep(0)
    waiting = len(budget._queue)
    for task in pages:
        task.cancel()
    await asyncio.gather(*pages, return_exceptions=True)

    assert waiting == 3


def test_lanes_are_shared_out_by_weight() -> None:
    """All that may be open, and at least two of each instance."""
    nothing: Any = None

    def reading(weights: Mapping[str, int]) -> Reading:
        settings = {name: instance(name, weight) for name, weight in weights.items()}
        return Reading(nothing, Instances(settings, {}, None, {}), nothing, nothing, nothing, {}, nothing)

    few = reading({"heavy": 6, "light": 2})
    many = reading({"heavy": 6, "light": 2} | {f"site-{number}": 1 for number in range(1000)})

    assert [few.at_once(name) for name in ("heavy", "light")] == [LANES_AT_ONCE * 3 // 4, LANES_AT_ONCE // 4]
    assert many.at_once("light") == FEWEST_LANES
