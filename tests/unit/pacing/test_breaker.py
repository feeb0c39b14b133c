import asyncio

import pytest

from axsync.pacing.limiter import PROBES, HostDead, HostLimiter
from tests.unit.pacing.virtual import make_pace, run


async def fail(pace: HostLimiter, seconds: float = 0.1) -> bool:
    """One request that comes to nothing; whether it was to look after the host."""
    async with pace.slot() as place:
        await asyncio.sleep(seconds)
        place.answered("failed")
        return place.probe


async def broken_pace(in_flight: int = 8) -> HostLimiter:
    """A host that failed five times in a row."""
    pace = make_pace(100.0, in_flight)
    for _ in range(5):
        assert not pace.broken
        assert not await fail(pace)
    assert pace.broken
    return pace


def test_one_request_at_a_time_looks() -> None:
    """Ten that wait: no two of them are under way, until one is answered."""

    async def story() -> tuple[list[int], int]:
        pace, inside, seen = await broken_pace(), 0, list[int]()

        async def one(number: int) -> None:
            nonlocal inside
            async with pace.slot() as place:
                inside += 1
                seen.append(inside)
                await asyncio.sleep(1)
                place.answered("failed" if number < 3 else "good")
                inside -= 1

        await asyncio.gather(*(one(number) for number in range(10)))
        return seen, max(seen[4:])

    seen, later = run(story())
    assert seen[:4] == [1, 1, 1, 1]
    assert later > 1


def test_the_look_waits_for_the_quiet() -> None:
    """A pause that was ordered holds the look as well."""

    async def story() -> float:
        pace, start = await broken_pace(), asyncio.get_running_loop().time()
        pace.quiet(16)
        await fail(pace, 0.0)
        return asyncio.get_running_loop().time() - start

    assert run(story()) == pytest.approx(16)


def test_a_host_that_stays_away_is_given_up() -> None:
    """Everybody who waits is told, and nobody asks any more."""

    async def story() -> tuple[int, int]:
        pace = await broken_pace()
        ends = await asyncio.gather(*(fail(pace) for _ in range(30)), return_exceptions=True)
        looks = sum(end is True for end in ends)
        return looks, sum(isinstance(end, HostDead) for end in ends)

    assert run(story()) == (PROBES, 30 - PROBES)


def test_a_look_that_is_cancelled_leaves_the_place_to_the_next() -> None:
    """Nobody waits for ever."""

    async def story() -> bool:
        pace = await broken_pace()
        first = asyncio.create_task(fail(pace, 1000.0))
        await asyncio.sleep(1)
        second = asyncio.create_task(fail(pace))
        await asyncio.sleep(1)
        assert not second.done()
        first.cancel()
        return await second

    assert run(story()) is True


def test_a_limit_that_falls_holds_those_who_wait() -> None:
    """Eight are under way and fail: the ninth does not leave before only few are left."""

    async def story() -> int:
        pace, inside, most = make_pace(1000.0, 8), 0, 0

        async def good() -> None:
            async with pace.slot():
                await asyncio.sleep(0.1)

        async def late() -> None:
            nonlocal inside, most
            async with pace.slot():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(5)
                inside -= 1

        await asyncio.gather(*(good() for _ in range(40)))
        await asyncio.gather(*(fail(pace, 0.2) for _ in range(4)))
        await asyncio.gather(*(late() for _ in range(6)))
        return most

    assert run(story()) <= 6
