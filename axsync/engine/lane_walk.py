"""Runs a lane: pages within a lane, lanes beside each other, writer threads. The only module that starts tasks.

Theory of operation
-------------------
A lane's paginator says which windows are due; each becomes a task that fetches its page. What the page is expected to
take is reserved from a byte budget, shared by all lanes of all hosts, before its request leaves, and corrected when its
answer comes. When the writers fall behind, no request leaves, so memory depends on the budget, neither on speed nor on
hosts. Once a page has come, the paginator learns how to continue, so the next request leaves before this page is
converted. Conversion and writing run in a few threads. A task that is cancelled while its thread holds a file waits for
the thread.

A host that takes long must not keep memory that it does not use yet: what its pages reserved is lent to others after a
moment. When its answer begins, the page has to wait for memory before its body is read, ahead of requests that have not
left.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeAlias, TypeVar

from axsync.engine.paginators import Paginator, Returned
from axsync.errors import LaneError
from axsync.model import Page, Window

T = TypeVar("T")
P = ParamSpec("P")
REPEATS = 3
"""Pages with the ids of an earlier one that stop a lane, if they are most of its pages: the server is looping."""


async def gather_all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order. The first error cancels the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in coroutines]
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    return [task.result() for task in tasks]


async def alongside(background: Coroutine[Any, Any, None], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; what runs in the background is cancelled then. The first error of either is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(background)
            result = await group.create_task(work)
            beside.cancel()
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None
    return result


class Deadline:
    """When work has to end, on the loop's clock, and why; None: there is no limit."""

    def __init__(self, at: float | None = None, reason: str = "") -> None:
        self._at, self.reason = at, reason
        self._running: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raises: TimeoutError where the block has not ended in time."""
        async with asyncio.timeout_at(self._at) as timeout:
            self._running.add(timeout)
            try:
                yield
            finally:
                self._running.discard(timeout)

    def bring_forward(self, at: float, reason: str) -> None:
        """End at this time, if that is earlier; also what is under way."""
        if self._at is not None and self._at <= at:
            return
        self._at, self.reason = at, reason
        for timeout in self._running:
            if not timeout.expired():
                timeout.reschedule(at)


Waiting: TypeAlias = deque[tuple[Callable[[], int], asyncio.Future[int]]]
"""What is wanted, which may change, and what is reserved once it fits."""


class Budget:
    """Byte budget for pages, first come first served. One page always fits."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._queue: Waiting = deque()
        self._urgent: Waiting = deque()  # served before the others

    def try_take(self, size: int) -> bool:
        """Reserve these bytes if they fit and nobody waits."""
        free = not self._queue and not self._urgent and self._fits(size)
        self._used += size if free else 0
        return free

    async def take(self, expected: Callable[[], int]) -> int:
        """Reserve what is expected; wait until it fits. Returns the bytes: more may be known by then than before."""
        if self.try_take(size := expected()):
            return size
        return await self._wait(self._queue, expected)

    async def take_urgently(self, size: int) -> None:
        """Reserve these bytes; wait until they fit, for nothing but what is urgent, too."""
        if not self._urgent and self._fits(size):
            self._used += size
        else:
            await self._wait(self._urgent, lambda: size)

    def overdraw(self, size: int) -> None:
        """Take these bytes, whether they fit or not."""
        self._used += size

    def give(self, size: int) -> None:
        """Release these bytes."""
        self._used -= size
        while queue := self._urgent or self._queue:
            wanted, turn = queue[0]
            if not turn.done():
                if not self._fits(size := wanted()):
                    break
                self._used += size
                turn.set_result(size)
            queue.popleft()

    async def _wait(self, queue: Waiting, size: Callable[[], int]) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        queue.append((size, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(turn.result())
            elif (size, turn) in queue:  # `give` may have removed it already
                queue.remove((size, turn))
                self.give(0)  # the next in the queue may fit
            raise

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit


LEND_SECONDS = 0.2
"""After which the memory of a request that has no answer yet is lent to others: quicker servers need fewer at once."""
ARRIVAL_SECONDS = 30.0
"""How long the body of an answer waits for memory; servers close connections that nobody reads."""


@dataclass(slots=True)
class Reservation:
    """What one page takes of a budget: `expected` bytes before its request leaves, then what came.

    Whoever stores the page gives back its bytes; without a page, `drop` gives back what is held. What is expected is
    asked when there is room: the first pages of others tell how large rows are.
    """

    budget: Budget
    expected: Callable[[], int]
    held: int = 0
    _lending: asyncio.TimerHandle | None = None

    def try_take(self) -> bool:
        """Reserve at once; True if it is reserved."""
        if not self.held and self.budget.try_take(size := self.expected()):
            self.held = size
        return self.held > 0

    async def take(self) -> None:
        """Reserve; wait until it fits."""
        if not self.held:
            self.held = await self.budget.take(self.expected)

    def sent(self) -> None:
        """The request has left."""
        self._lending = asyncio.get_running_loop().call_later(LEND_SECONDS, self.drop)

    async def arriving(self, size: int | None) -> None:
        """The answer begins, of so many bytes if that is known; returns when its body may be read."""
        self._keep()
        wanted = max(size or self.expected(), 1)
        if wanted > self.held:  # nothing is held while more is waited for, or pages would wait for each other
            self.drop()
            try:
                async with asyncio.timeout(ARRIVAL_SECONDS):
                    await self.budget.take_urgently(wanted)
            except TimeoutError:
                self.budget.overdraw(wanted)
            self.held = wanted
        elif wanted < self.held:
            self._correct(wanted)

    def arrived(self, size: int) -> None:
        """The page is there; what it holds is now its own to give back."""
        self._keep()
        self._correct(size)
        self.held = 0

    def drop(self) -> None:
        """Give back what is held."""
        self._keep()
        held, self.held = self.held, 0
        if held:
            self.budget.give(held)

    def _keep(self) -> None:
        if self._lending is not None:
            self._lending.cancel()
            self._lending = None

    def _correct(self, size: int) -> None:
        if size > self.held:
            self.budget.overdraw(size - self.held)
        elif size < self.held:
            self.budget.give(self.held - size)
        self.held = size


GRACE_SECONDS = 6.0
"""How long threads go on with what can be left for later, once the run is stopped."""


class Workers:
    """Threads for work that blocks or releases the interpreter lock. A single thread works in order."""

    def __init__(self, count: int, name: str = "axsync-writer") -> None:
        self.count = count
        self._stop_by = math.inf
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a thread; when cancelled, wait for the thread first if it has begun: it may hold a file."""
        submitted = self._pool.submit(work, *args, **kwargs)
        future = asyncio.wrap_future(submitted)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if submitted.cancel():
                raise
            self._stop_by = min(self._stop_by, self.grace_ends())
            # Nobody waits for its error any more, and asyncio would print it.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            while not future.done():
                with suppress(asyncio.CancelledError):  # cancelled once more: a deadline, then the end of the run
                    await asyncio.wait([future])
            raise

    def grace_ends(self) -> float:
        """Until when a run that is stopped now may go on, on the monotonic clock."""
        return time.monotonic() + GRACE_SECONDS

    def is_overdue(self) -> bool:
        """For work of several steps: whether its caller was cancelled and has waited long enough."""
        return time.monotonic() >= self._stop_by

    def close(self) -> None:
        """Wait for the threads."""
        self._pool.shutdown(wait=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing a page: rows served, and a fingerprint of its ids, empty if it had none."""

    rows: int
    fingerprint: bytes


@dataclass(slots=True)
class LaneWalk:
    """The reading of one lane. `release` returns a page's bytes to the budget.

    `answered` is set when the last request has its answer, while pages may still be stored, and at the end.
    `fetch` may raise `Returned`: the window is then requested again in smaller ones, of the size that `limit` returns.
    """

    paginator: Paginator
    fetch: Callable[[Window], Awaitable[Page]]
    store: Callable[[Page], Awaitable[Stored]]
    release: Callable[[Page], None]
    width: int  # windows in flight at once
    limit: Callable[[], int] | None = None  # rows per window; None: as the paginator started
    strict: bool = False  # store a page before the next is requested, and refuse any repeated page
    pages: int = 0
    rows: int = 0
    answers: int = 0  # but for those that are known to be empty
    answered: asyncio.Event = field(default_factory=asyncio.Event)  # all requests, as far as can be known so early
    late: int = 0  # rows of windows that were requested all the same
    _late: set[int] = field(default_factory=set)  # these windows
    _seen: set[bytes] = field(default_factory=set)
    _repeats: int = 0
    _fetching: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Read the lane to its end. Raises: whatever fetch and store raise; LaneError from a guard."""
        changed = asyncio.Event()
        one = self._in_turn if self.strict else self._one
        try:
            async with asyncio.TaskGroup() as group:
                while not self.paginator.done:
                    changed.clear()
                    self._resize()
                    for window in self.paginator.due(self.width - self._fetching):
                        self._fetching += 1
                        self._late |= {window.number} if self.answered.is_set() else set()
                        task = group.create_task(one(window, changed))
                        task.add_done_callback(lambda _: changed.set())
                    if not self._fetching and self.paginator.ending:
                        self.answered.set()
                    await changed.wait()
                self.answered.set()
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
            self.paginator.given_back(window)
            return  # the end of this task wakes the loop
        finally:
            self._fetching -= 1
        try:
            self.answers += page.rows != 0
            self.paginator.answered(page)
            changed.set()
            stored = await self.store(page)
        finally:
            self.release(page)
        self.pages += 1
        self.rows += stored.rows
        self.late += stored.rows if window.number in self._late else 0
        self.paginator.counted(window, stored.rows)
        self._detect_loop(stored)
        changed.set()

    def _resize(self) -> None:
        if self.limit is not None:
            self.paginator.resize(self.limit())

    def _detect_loop(self, stored: Stored) -> None:
        if not stored.fingerprint:
            return
        self._repeats += stored.fingerprint in self._seen
        self._seen.add(stored.fingerprint)
        if self._repeats and (self.strict or (self._repeats >= REPEATS and self._repeats * 2 > self.pages)):
            raise LaneError(f"the server repeats the same page: {self._repeats} of {self.pages} pages were known")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error, which cancelled the rest. No ranking is needed: a bug is re-raised as itself."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def stream_items(produce: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]]) -> AsyncGenerator[T, None]:
    """Iterate over what a producer hands over. Leaving the iteration early cancels the producer.

    The producer waits while two items are pending. Use under `contextlib.aclosing`.
    """
    queue: asyncio.Queue[T | None] = asyncio.Queue(maxsize=2)

    async def work() -> None:
        try:
            await produce(queue.put)
        finally:
            if not _is_cancelling(asyncio.current_task()):
                await queue.put(None)

    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work())
            while (item := await queue.get()) is not None:
                yield item
            await task
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from None


def _is_cancelling(task: "asyncio.Task[None] | None") -> bool:
    return task is not None and task.cancelling() > 0
