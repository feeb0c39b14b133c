import asyncio
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine.lane_walk import Budget
from tests.examples import scaled


async def settle() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_fits_is_taken_at_once() -> None:
    """Up to the limit, to the byte."""
    budget = Budget(10)

    await asyncio.wait_for(budget.take(4), 1)
    await asyncio.wait_for(budget.take(6), 1)

    late = asyncio.create_task(budget.take(1))
    await settle()
    assert not late.done()
    budget.give(4)
    await asyncio.wait_for(late, 1)


async def test_one_page_always_fits() -> None:
    """A page that is larger than the whole budget waits until nothing else is held, then goes."""
    budget = Budget(10)
    await budget.take(3)
    large = asyncio.create_task(budget.take(1000))
    await settle()
    assert not large.done()

    budget.give(3)

    await asyncio.wait_for(large, 1)


async def test_first_come_first_served() -> None:
    """A small page does not overtake a large one that waits."""
    budget, order = Budget(10), list[int]()
    await budget.take(8)

    async def page(size: int) -> None:
        await budget.take(size)
        order.append(size)

    waiting = [asyncio.create_task(page(size)) for size in (5, 1, 2)]
    await settle()
    assert order == []
    budget.give(8)
    await asyncio.gather(*waiting)

    assert order == [5, 1, 2]


async def test_who_gives_up_makes_room_for_those_behind() -> None:
    """They need not wait for the next page that is written."""
    budget = Budget(10)
    await budget.take(8)
    large, small = (asyncio.create_task(budget.take(size)) for size in (5, 2))
    await settle()

    large.cancel()

    await asyncio.wait_for(small, 1)


async def test_a_turn_that_comes_in_the_moment_of_giving_up_is_given_back() -> None:
    """The bytes belong to nobody then."""
    budget = Budget(10)
    await budget.take(10)
    late = asyncio.create_task(budget.take(10))
    await settle()
    budget.give(10)

    late.cancel()

    with suppress(asyncio.CancelledError):
        await late
    await asyncio.wait_for(budget.take(10), 1)


async def test_giving_up_in_the_moment_of_a_gift_is_only_giving_up() -> None:
    """A waiter that is cancelled just before there is room ends as cancelled, with no other error."""
    budget = Budget(10)
    await budget.take(10)
    late = asyncio.create_task(budget.take(10))
    await settle()

    late.cancel()
    budget.give(10)

    with pytest.raises(asyncio.CancelledError):
        await late
    await asyncio.wait_for(budget.take(10), 1)


@given(st.lists(st.integers(1, 15), min_size=1, max_size=25), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(100))
def test_the_budget_is_kept_whatever_happens(sizes: list[int], seed: int) -> None:
    """Held bytes never exceed the limit, but for a single page; nothing is lost by cancellation, nobody starves."""

    async def story() -> None:
        budget, dice, held = Budget(10), Random(seed), list[int]()

        async def page(size: int) -> None:
            await budget.take(size)
            held.append(size)
            assert sum(held) <= 10 or len(held) == 1
            try:
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                held.remove(size)
                budget.give(size)

        tasks = [asyncio.create_task(page(size)) for size in sizes]
        for task in tasks:
            if dice.random() < 0.3:
                await asyncio.sleep(0)
                task.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert all(o is None or isinstance(o, asyncio.CancelledError) for o in outcomes)
        await asyncio.wait_for(budget.take(10), 1)

    asyncio.run(story())
