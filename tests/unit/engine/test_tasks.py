import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress

import pytest

from axsync.engine.lane_walk import Workers, gather_all, stream_items

Put = Callable[[int], Awaitable[None]]


def others() -> set["asyncio.Task[object]"]:
    """Tasks that are alive beside this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_answers_come_in_the_order_of_the_questions() -> None:
    """Whichever is first to end."""

    async def answer(number: int) -> int:
        await asyncio.sleep((3 - number) / 1000)
        return number

    assert await gather_all(answer(n) for n in range(3)) == [0, 1, 2]
    assert await gather_all([]) == []


async def test_the_first_error_ends_the_other_questions() -> None:
    """It is raised as itself, and none of them is left behind."""

    async def fail() -> int:
        raise ValueError("wrong")

    async def stay() -> int:
        await asyncio.sleep(60)
        return 1

    with pytest.raises(ValueError, match="wrong"):
        await gather_all([stay(), fail(), stay()])

    assert not others()


@pytest.fixture
def workers() -> Workers:
    """Two threads; the test closes them."""
    return Workers(2)


async def test_work_is_done_in_a_thread(workers: Workers) -> None:
    """Its answer and its errors come back."""
    name = await workers.run(lambda: threading.current_thread().name)
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 1, 0)

    workers.close()
    assert name.startswith("axsync-writer")


@pytest.mark.parametrize("times", [1, 2])
async def test_who_is_cancelled_waits_for_the_thread(workers: Workers, times: int) -> None:
    """It may hold a file: only when it is done, the cancellation goes on; also where a second one follows."""
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        let_go.wait(10)
        ended.set()

    task = asyncio.create_task(workers.run(work))
    await asyncio.to_thread(begun.wait, 10)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.02)
    assert not task.done()
    let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    workers.close()
    assert ended.is_set()


@pytest.mark.parametrize("times", [1, 2])
async def test_an_error_of_a_thread_that_nobody_waits_for_is_no_noise(
    workers: Workers, caplog: pytest.LogCaptureFixture, times: int
) -> None:
    """A cancelled task stays cancelled, and nothing is logged about an error that was never retrieved."""
    let_go = threading.Event()

    def work() -> None:
        let_go.wait(10)
        raise OSError

    task = asyncio.create_task(workers.run(work))
    for _ in range(times):
        await asyncio.sleep(0.01)
        task.cancel()
    await asyncio.sleep(0.01)
    let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    workers.close()
    await asyncio.sleep(0.01)
    gc.collect()  # asyncio tells when the error is thrown away

    assert caplog.records == []


async def test_items_come_as_they_are_made() -> None:
    """In order, and the end of the producer is the end."""

    async def produce(put: Put) -> None:
        for number in range(10):
            await put(number)

    async with aclosing(stream_items(produce)) as items:
        assert [item async for item in items] == list(range(10))
    assert not others()


async def test_a_producer_waits_for_its_consumer() -> None:
    """No more than two items are made ahead."""
    made: list[int] = []

    async def produce(put: Put) -> None:
        for number in range(10):
            made.append(number)
            await put(number)

    async with aclosing(stream_items(produce)) as items:
        await anext(items)
        for _ in range(10):
            await asyncio.sleep(0)

        assert len(made) <= 4


async def test_who_leaves_early_ends_the_producer() -> None:
    """With its own clean-up, before the consumer goes on."""
    ended: list[str] = []

    async def produce(put: Put) -> None:
        try:
            for number in range(10**6):
                await put(number)
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    async with aclosing(stream_items(produce)) as items:
        async for _ in items:
            break

    assert ended == ["cleaned up"]
    assert not others()


@pytest.mark.parametrize("before", [0, 1, 5])
async def test_an_error_of_the_producer_reaches_the_consumer(before: int) -> None:
    """After the items that were made before it, and as itself, not in a group."""

    async def produce(put: Put) -> None:
        for number in range(before):
            await put(number)
        raise OSError("broken")

    got: list[int] = []

    async def consume() -> None:
        async with aclosing(stream_items(produce)) as items:
            async for item in items:
                got.append(item)  # noqa: PERF401  # what came before the error counts

    with pytest.raises(OSError, match="broken"):
        await consume()

    assert got == list(range(before))
    assert not others()


async def test_an_error_of_the_consumer_is_its_own() -> None:
    """The producer is ended by it."""

    async def produce(put: Put) -> None:
        while True:
            await put(1)

    async def consume() -> None:
        async with aclosing(stream_items(produce)) as items:
            async for _ in items:
                raise KeyError

    with pytest.raises(KeyError):
        await consume()

    assert not others()


async def test_a_cancelled_consumer_leaves_no_producer() -> None:
    """Ctrl-C in the middle of waiting."""

    async def produce(put: Put) -> None:
        await asyncio.sleep(60)

    async def consume() -> None:
        async with aclosing(stream_items(produce)) as items:
            async for _ in items:
                pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert task.cancelled()
    assert not others()
