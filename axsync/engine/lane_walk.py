"""The only module that starts tasks: walks within a lane, lanes beside each other, threads that write.

Theory of operation
-------------------
A lane's walk says which windows are due; each becomes a task that fetches its page. A page is admitted into a byte
budget that all lanes share while its request still holds its place at the gate: when the writers fall behind, the
host is asked no further, and memory depends on the budget, not on speed. Once admitted, the walk learns what the
page says about the way on, so the next request leaves before this page is converted. Conversion and writing
happen in a few threads; a task that is cancelled while its thread holds a file waits for the thread.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from axsync.engine.paginator import Returned, Walk
from axsync.errors import LaneError
from axsync.model import Page, Window

T = TypeVar("T")
P = ParamSpec("P")
REPEATS = 3
"""So many pages with the ids of an earlier one, if they are most of the pages, mean that a server goes in circles."""


async def together(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All answers in order; the first error ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    return [task.result() for task in tasks]


class Budget:
    """Bytes that may wait to be written, first come first served. One page always fits."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Wait until these bytes fit."""
        if not self._queue and self._fits(size):
            self._used += size
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(size)
            elif (size, turn) in self._queue:  # `give` may have thrown it out already
                self._queue.remove((size, turn))
                self.give(0)  # who stood behind may fit
            raise

    def give(self, size: int) -> None:
        """These bytes are written."""
        self._used -= size
        while self._queue and self._fits(self._queue[0][0]):
            waiting, turn = self._queue.popleft()
            if not turn.done():
                self._used += waiting
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit


class Workers:
    """Threads for what blocks, or lets go of the interpreter lock; one thread does its work in order."""

    def __init__(self, count: int, name: str = "axsync-writer") -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a thread; when cancelled, wait for the thread first: it may hold a file."""
        future = asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def close(self) -> None:
        """Wait for the threads."""
        self._pool.shutdown(wait=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a page: rows served, and a fingerprint of its ids, empty where it brought none."""

    rows: int
    fingerprint: bytes


@dataclass(slots=True)
class LaneWalk:
    """One lane under way; `release` gives back what a page took of the budget.

    `fetch` may raise `Returned`: the window is then asked again in smaller ones, with what `limit` says by then.
    """

    walk: Walk
    fetch: Callable[[Window], Awaitable[Page]]
    store: Callable[[Page], Awaitable[Stored]]
    release: Callable[[Page], None]
    width: int  # windows on their way at once
    limit: Callable[[], int] | None = None  # rows per window; None: as the walk began
    strict: bool = False  # a page is stored before the next is asked, and one that comes twice is one too many
    pages: int = 0
    rows: int = 0
    _seen: set[bytes] = field(default_factory=set)
    _repeats: int = 0
    _fetching: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Walk to the end. Raises: whatever fetch and store raise; LaneError from a guard."""
        changed = asyncio.Event()
        one = self._in_turn if self.strict else self._one
        try:
            async with asyncio.TaskGroup() as group:
                while not self.walk.done:
                    changed.clear()
                    self._resize()
                    for window in self.walk.due(self.width - self._fetching):
                        self._fetching += 1
                        task = group.create_task(one(window, changed))
                        task.add_done_callback(lambda _: changed.set())
                    await changed.wait()
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _in_turn(self, window: Window, changed: asyncio.Event) -> None:
        async with self._turn:
            await self._one(window, changed)

    async def _one(self, window: Window, changed: asyncio.Event) -> None:
        try:
            page = await self.fetch(window)
        except Returned:
            self._resize()
            self.walk.given_back(window)
            return  # the end of this task wakes the walk
        finally:
            self._fetching -= 1
        try:
            self.walk.answered(page)
            changed.set()
            stored = await self.store(page)
        finally:
            self.release(page)
        self.pages += 1
        self.rows += stored.rows
        self.walk.counted(window, stored.rows)
        self._look_for_circles(stored)
        changed.set()

    def _resize(self) -> None:
        if self.limit is not None:
            self.walk.resize(self.limit())

    def _look_for_circles(self, stored: Stored) -> None:
        if not stored.fingerprint:
            return
        self._repeats += stored.fingerprint in self._seen
        self._seen.add(stored.fingerprint)
        if self._repeats and (self.strict or (self._repeats >= REPEATS and self._repeats * 2 > self.pages)):
            raise LaneError(f"the server repeats the same page: {self._repeats} of {self.pages} pages were known")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the others; bugs before expected ones would hide nothing, so the first is it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def items_of(produce: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]]) -> AsyncGenerator[T, None]:
    """What a producer hands over, as an iterator; leaving it early ends the producer.

    The producer waits when two items are not taken yet. Use under `contextlib.aclosing`.
    """
    queue: asyncio.Queue[T | None] = asyncio.Queue(maxsize=2)

    async def work() -> None:
        try:
            await produce(queue.put)
        finally:
            if not _leaving(asyncio.current_task()):
                await queue.put(None)

    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work())
            while (item := await queue.get()) is not None:
                yield item
            await task
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None


def _leaving(task: "asyncio.Task[None] | None") -> bool:
    return task is not None and task.cancelling() > 0
