import asyncio
import math
import time
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from axsync.pacing.limiter import MARGIN, HostLimiter, HostRequests
from tests.examples import scaled
from tests.unit.pacing.virtual import make_pace, most_within, run

RATES = st.one_of(st.floats(0.5, 200), st.integers(1, 200).map(float))


async def ask(pace: HostLimiter, grants: list[float], seconds: float) -> None:
    """One request that takes so long."""
    async with pace.slot():
        grants.append(asyncio.get_running_loop().time())
        await asyncio.sleep(seconds)


async def crowd(rate: float, in_flight: int, count: int, seed: int, slow: float) -> list[float]:
    """When each of so many requests, all of them eager, was let go."""
    pace, dice, grants = make_pace(rate, in_flight), Random(seed), list[float]()
    await asyncio.gather(*(ask(pace, grants, dice.random() * slow) for _ in range(count)))
    return grants


@given(RATES, st.integers(1, 64), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.001, 0.3]))
@example(32.0, 64, 0, 0.0)
@example(159.0, 256, 0, 0.0)
@example(0.5, 1, 0, 0.0)
@settings(max_examples=scaled(100))
def test_no_second_holds_more_than_the_rate(rate: float, in_flight: int, seed: int, slow: float) -> None:
    """Whichever second one looks at, from the first request on; a rate below one means one."""
    grants = run(crowd(rate, in_flight, int(min(3 * rate, 250)) + 2, seed, slow))

    assert most_within(1.0, grants) <= math.ceil(rate)


@given(RATES, st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(60))
def test_grants_are_spread(rate: float, seed: int) -> None:
    """Never more than a tenth of a second's requests, and never fewer than one, leave in a burst."""
    grants = run(crowd(rate, 64, int(min(2 * rate, 150)) + 2, seed, 0.0))

    burst = max(1, int(rate / 10))
    assert most_within(burst / rate, grants) <= burst


@given(st.integers(1, 20).map(lambda tens: 10.0 * tens))
@settings(max_examples=scaled(10))
def test_the_rate_is_used(rate: float) -> None:
    """With eager lanes, the host is asked at least nine times out of ten."""
    grants = run(crowd(rate, 64, int(3 * rate), 0, 0.0))

    assert len(grants) / (grants[-1] - grants[0]) >= 0.9 * rate


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(30))
def test_requests_at_once_are_bounded(in_flight: int, seed: int) -> None:
    """However slow the answers are, no more than `in_flight` are outstanding; all of these places are used."""

    async def story() -> tuple[int, int]:
        pace, dice, inside, most = make_pace(200.0, in_flight), Random(seed), 0, 0

        async def one() -> None:
            nonlocal inside, most
            async with pace.slot():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(1 + dice.random())
                inside -= 1

        await asyncio.gather(*(one() for _ in range(40)))
        return most, pace.waiting

    assert run(story()) == (in_flight, 0)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(30))
def test_first_come_first_served(in_flight: int, seed: int) -> None:
    """Requests leave in the order in which they came, whatever the answers take."""

    async def story() -> list[int]:
        pace, dice, order = make_pace(50.0, in_flight), Random(seed), list[int]()

        async def one(number: int) -> None:
            async with pace.slot():
                order.append(number)
                await asyncio.sleep(dice.random())

        await asyncio.gather(*(one(number) for number in range(30)))
        return order

    assert run(story()) == list(range(30))


def test_a_quiet_host_is_asked_by_nobody() -> None:
    """`quiet` holds those that wait already and those that come later, until it is over."""

    async def story() -> list[float]:
        loop = asyncio.get_running_loop()
        pace, grants, start = make_pace(10.0, 4), list[float](), loop.time()
        early = [asyncio.create_task(ask(pace, grants, 0.0)) for _ in range(5)]
        await asyncio.sleep(0.15)
        pace.quiet(30)
        await asyncio.sleep(1)
        await asyncio.gather(*early, *(ask(pace, grants, 0.0) for _ in range(5)))
        return [moment - start for moment in grants]

    moments = run(story())
    assert [m for m in moments if 0.15 < m < 30.15] == []
    assert len(moments) == 10


@pytest.mark.parametrize("second", [-5.0, 0.0, 1.0, 19.0])
def test_a_longer_quiet_that_is_ordered_stays(second: float) -> None:
    """A shorter order takes nothing back."""

    async def story() -> float:
        pace, grants, start = make_pace(10.0, 1), list[float](), asyncio.get_running_loop().time()
        pace.quiet(20)
        pace.quiet(second)
        await ask(pace, grants, 0.0)
        return grants[0] - start

    assert run(story()) == pytest.approx(20)


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=scaled(50))
def test_cancelled_waiters_leak_nothing(in_flight: int, seed: int) -> None:
    """Whether they wait at the gate, for their turn or for the clock: afterwards all places are free again."""

    async def story() -> tuple[int, int]:
        pace, dice, grants = make_pace(20.0, in_flight), Random(seed), list[float]()
        tasks = [asyncio.create_task(ask(pace, grants, dice.random() / 5)) for _ in range(20)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(dice.random() / 10)
            dice.choice(tasks).cancel()
        inside = 0

        async def stay() -> None:
            nonlocal inside
            async with pace.slot():
                inside += 1
                await asyncio.sleep(60)

        stays = [asyncio.create_task(stay()) for _ in range(in_flight + 3)]
        await asyncio.sleep(30)
        waiting = pace.waiting
        for task in stays:
            task.cancel()
        await asyncio.gather(*tasks, *stays, return_exceptions=True)
        assert pace.waiting == 0
        return inside, waiting

    assert run(story()) == (in_flight, 3)


def test_a_cancelled_waiter_takes_no_grant() -> None:
    """Who gave up at the clock is not counted against the rate."""

    async def story() -> float:
        loop = asyncio.get_running_loop()
        pace, grants, start = make_pace(1.0, 4), list[float](), loop.time()
        await ask(pace, grants, 0.0)
        patient, hasty = (asyncio.create_task(ask(pace, grants, 0.0)) for _ in range(2))
        await asyncio.sleep(0.5)
        patient.cancel()
        await asyncio.gather(patient, hasty, return_exceptions=True)
        return grants[1] - start

    assert run(story()) == pytest.approx(1.05)


def test_a_failure_in_a_slot_gives_the_place_back() -> None:
    """An error of a request is no reason to ask less."""

    async def story() -> int:
        pace, grants = make_pace(100.0, 1), list[float]()
        for _ in range(3):
            with pytest.raises(RuntimeError):
                async with pace.slot():
                    raise RuntimeError
        await ask(pace, grants, 0.0)
        return len(grants)

    assert run(story()) == 1


async def test_the_real_throttler_agrees() -> None:
    """By the machine's own clock and with asyncio-throttle itself: the rate holds, and is used."""
    pace, grants = HostLimiter(requests_per_second=200, in_flight=64), list[float]()

    async def one() -> None:
        async with pace.slot():
            grants.append(time.monotonic())

    await asyncio.gather(*(one() for _ in range(120)))

    assert most_within(0.1, grants) <= 20
    assert grants[-1] - grants[0] < 1.2


def test_limiters_of_one_host_count_each_other() -> None:
    """Of two that may each send ten per second, both together send ten; without waiting for each other's permits."""

    async def story() -> list[float]:
        loop, grants = asyncio.get_running_loop(), list[float]()
        shared = HostRequests(loop.time)
        paces = [make_pace(10.0, 1, shared) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for pace in paces:
                for _ in range(20):
                    group.create_task(ask(pace, grants, 0.01))
        return grants

    grants = run(story())

    assert len(grants) == 40
    assert most_within(1.0, sorted(grants)) <= 10
    assert max(grants) - min(grants) < 5.0


def test_a_slow_host_is_asked_less_than_once_per_second() -> None:
    """Whoever asks it."""
    moment = [1000.0]
    shared = HostRequests(lambda: moment[0])

    assert shared.take(0.5) == 0.0
    assert shared.take(0.5) == pytest.approx(2 * MARGIN)
    moment[0] += 2 * MARGIN
    assert (shared.take(0.5), shared.take(5.0)) == (0.0, 0.0)
