import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.engine import lane_walk
from axsync.engine.lane_walk import Budget, Reservation
from tests.examples import scaled


async def settle() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_fits_is_taken_at_once() -> None:
    """Up to the limit, to the byte."""
    budget = Budget(10)

    await asyncio.wait_for(budget.take(lambda: 4), 1)
    await asyncio.wait_for(budget.take(lambda: 6), 1)

    late = asyncio.create_task(budget.take(lambda: 1))
    await settle()
    assert not late.done()
    budget.give(4)
    await asyncio.wait_for(late, 1)


async def test_one_page_always_fits() -> None:
    """A page that is larger than the whole budget waits until nothing else is held, then goes."""
    budget = Budget(10)
    await budget.take(lambda: 3)
    large = asyncio.create_task(budget.take(lambda: 1000))
    await settle()
    assert not large.done()

    budget.give(3)

    await asyncio.wait_for(large, 1)


async def test_first_come_first_served() -> None:
    """A small page does not overtake a large one that waits."""
    budget, order = Budget(10), list[int]()
    await budget.take(lambda: 8)

    async def page(size: int) -> None:
        await budget.take(lambda: size)
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
    await budget.take(lambda: 8)
    large, small = asyncio.create_task(budget.take(lambda: 5)), asyncio.create_task(budget.take(lambda: 2))
    await settle()

    large.cancel()

    await asyncio.wait_for(small, 1)


async def test_a_turn_that_comes_in_the_moment_of_giving_up_is_given_back() -> None:
    """The bytes belong to nobody then."""
    budget = Budget(10)
    await budget.take(lambda: 10)
    late = asyncio.create_task(budget.take(lambda: 10))
    await settle()
    budget.give(10)

    late.cancel()

    with suppress(asyncio.CancelledError):
        await late
    await asyncio.wait_for(budget.take(lambda: 10), 1)


async def test_giving_up_in_the_moment_of_a_gift_is_only_giving_up() -> None:
    """A waiter that is cancelled just before there is room ends as cancelled, with no other error."""
    budget = Budget(10)
    await budget.take(lambda: 10)
    late = asyncio.create_task(budget.take(lambda: 10))
    await settle()

    late.cancel()
    budget.give(10)

    with pytest.raises(asyncio.CancelledError):
        await late
    await asyncio.wait_for(budget.take(lambda: 10), 1)


@given(st.lists(st.integers(1, 15), min_size=1, max_size=25), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(100))
def test_the_budget_is_kept_whatever_happens(sizes: list[int], seed: int) -> None:
    """Held bytes never exceed the limit, but for a single page; nothing is lost by cancellation, nobody starves."""

    async def story() -> None:
        budget, dice, held = Budget(10), Random(seed), list[int]()

        async def page(size: int) -> None:
            await budget.take(lambda: size)
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
        await asyncio.wait_for(budget.take(lambda: 10), 1)

    asyncio.run(story())


async def test_what_is_urgent_goes_first() -> None:
    """An answer that has come waits for no request that has not left."""
    budget, order = Budget(10), list[str]()
    await budget.take(lambda: 10)

    async def page(name: str, taken: Awaitable[int | None]) -> None:
        await taken
        order.append(name)
        budget.give(10)

    waiting = [asyncio.create_task(page("request", budget.take(lambda: 10)))]
    await settle()
    waiting.append(asyncio.create_task(page("answer", budget.take_urgently(10))))
    await settle()
    budget.give(10)
    await asyncio.gather(*waiting)

    assert order == ["answer", "request"]


async def test_who_waits_asks_for_what_is_known_when_there_is_room() -> None:
    """Rows that turn out small let all go that wait, not one after the other by the first guess."""
    budget, each, held = Budget(10), 9, list[int]()

    async def page() -> None:
        held.append(await budget.take(lambda: each))

    await budget.take(lambda: 10)
    waiting = [asyncio.create_task(page()) for _ in range(3)]
    await settle()

    each = 2
    budget.give(10)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)

    assert held == [2, 2, 2]
    assert budget.try_take(4)
    assert not budget.try_take(1)


async def test_a_reservation_is_corrected_by_what_comes() -> None:
    """More or less than expected: afterwards the budget is as full as the page is large."""
    for size in (3, 9):
        budget = Budget(10)
        page = Reservation(budget, lambda: 6)
        assert page.try_take()
        page.sent()
        await page.arriving(None)
        page.arrived(size)
        page.drop()  # the page is somebody else's now

        assert not budget.try_take(11 - size)
        assert budget.try_take(10 - size)


async def test_the_memory_of_a_slow_answer_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer holds nothing; its answer waits until there is memory again."""
    monkeypatch.setattr(lane_walk, "LEND_SECONDS", 0.0)
    budget = Budget(10)
    slow, quick = Reservation(budget, lambda: 8), Reservation(budget, lambda: 8)
    await slow.take()
    slow.sent()

    await asyncio.wait_for(quick.take(), 1)
    arriving = asyncio.create_task(slow.arriving(8))
    await settle()
    assert not arriving.done()
    quick.drop()

    await asyncio.wait_for(arriving, 1)


async def test_answers_that_are_larger_than_expected_do_not_wait_for_each_other() -> None:
    """Whoever waits for more holds nothing meanwhile."""
    budget = Budget(10)
    pages = [Reservation(budget, lambda: 5) for _ in range(2)]
    for page in pages:
        await page.take()

    async def come(page: Reservation) -> None:
        await page.arriving(9)
        page.arrived(9)
        budget.give(9)

    await asyncio.wait_for(asyncio.gather(*map(come, pages)), 1)


async def test_an_answer_is_read_in_time_whatever_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server closes connections that nobody reads."""
    monkeypatch.setattr(lane_walk, "ARRIVAL_SECONDS", 0.01)
    budget = Budget(10)
    await budget.take(lambda: 10)
    page = Reservation(budget, lambda: 5)

    await asyncio.wait_for(page.arriving(5), 1)

    assert page.held == 5
