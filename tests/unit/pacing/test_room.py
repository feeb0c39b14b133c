"""Requests that need memory as well as a permit."""

import asyncio
import math
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine.lane_walk import Budget, Reservation
from axsync.pacing.limiter import HostLimiter
from tests.examples import scaled
from tests.unit.pacing.virtual import make_pace, most_within, run


@given(st.floats(0.5, 50), st.integers(1, 8), st.integers(10, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(40))
def test_the_rate_holds_while_pages_wait_for_memory(rate: float, in_flight: int, limit: int, seed: int) -> None:
    """Requests whose memory comes late do not leave together afterwards; all leave, and all memory comes back."""

    async def story() -> tuple[list[float], int]:
        pace, dice, budget, grants = make_pace(rate, in_flight), Random(seed), Budget(limit), list[float]()
        most = 0

        async def page(size: int) -> None:
            nonlocal most
            room = Reservation(budget, lambda: size)
            async with pace.slot("page", room):
                most = max(most, pace.inside)
                grants.append(asyncio.get_running_loop().time())
                await asyncio.sleep(dice.random())
                room.arrived(size)
            await asyncio.sleep(dice.random() * 3)
            budget.give(size)

        await asyncio.gather(*(page(dice.randrange(1, 20)) for _ in range(25)))
        assert budget.try_take(limit)
        return grants, most

    grants, most = run(story())

    assert len(grants) == 25
    assert most <= in_flight
    assert most_within(1.0, grants) <= math.ceil(rate)


def test_what_needs_no_memory_passes_a_page_that_waits_for_it() -> None:
    """Otherwise a page that is being stored, and needs a count of its host for that, would wait for itself."""

    async def story() -> list[str]:
        pace, budget, order = make_pace(50.0, 4), Budget(10), list[str]()
        await budget.take(lambda: 10)

        async def ask(name: str, room: Reservation | None) -> None:
            async with pace.slot(name, room):
                order.append(name)

        waiting = asyncio.create_task(ask("page", Reservation(budget, lambda: 5)))
        await asyncio.sleep(1)
        await ask("count", None)
        budget.give(10)
        await waiting
        return order

    assert run(story()) == ["count", "page"]


def test_hosts_take_turns_by_weight() -> None:
    """Where memory is for one page at a time, a host of weight 3 gets three pages for one of the other."""

    async def story() -> list[str]:
        budget, order = Budget(10), list[str]()
        hosts = {"heavy": make_pace(1000.0, 8, weight=3), "light": make_pace(1000.0, 8)}
        await budget.take(lambda: 10)

        async def page(name: str) -> None:
            room = Reservation(budget, lambda: 10)
            async with hosts[name].slot("page", room):
                order.append(name)
                await asyncio.sleep(0.1)
                room.drop()

        waiting = [asyncio.create_task(page(name)) for name in ["heavy", "light"] * 8]
        await asyncio.sleep(1)
        budget.give(10)
        await asyncio.gather(*waiting)
        return order

    assert Counter(run(story())[:8]) == {"heavy": 6, "light": 2}


def test_a_host_that_rests_holds_no_memory() -> None:
    """While it is quiet, the pages of others get what its next page would take."""

    async def story() -> float:
        loop, budget = asyncio.get_running_loop(), Budget(10)
        quiet, other = make_pace(50.0, 4), make_pace(50.0, 4)
        await budget.take(lambda: 10)
        began = loop.time()

        async def page(pace: HostLimiter) -> None:
            room = Reservation(budget, lambda: 10)
            async with pace.slot("page", room):
                room.drop()

        waiting = asyncio.create_task(page(quiet))
        await asyncio.sleep(1)
        quiet.quiet(60)
        budget.give(10)
        await page(other)
        took = loop.time() - began
        await waiting
        return took

    assert run(story()) < 2
