"""A loop whose clock jumps to whatever is due next, and a throttler that goes by it."""

import asyncio
import selectors
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from asyncio_throttle.throttler import Throttler

from axsync.pacing.limiter import HostLimiter, HostRequests

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeping takes no time; `time` tells how long it would have taken."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Hasty(self))

    def time(self) -> float:
        """Seconds since some day."""
        return self.now


class _Hasty(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits and nobody will ever be woken"
        self._loop.now += max(timeout, 0.0)
        return super().select(0)


class Turnstile(Throttler):
    """asyncio-throttle's rule by the virtual clock; having to make somebody wait is an error."""

    def __init__(self, pace: HostLimiter) -> None:
        self.rate_limit, self.period = pace._throttler.rate_limit, pace._throttler.period
        self._log: deque[float] = deque()

    async def acquire(self) -> None:
        """One grant."""
        now = asyncio.get_running_loop().time()
        while self._log and now - self._log[0] >= self.period - 1e-9:
            self._log.popleft()
        assert len(self._log) < self.rate_limit, "the throttler had to make somebody wait"
        self._log.append(now)


def run(story: Coroutine[Any, Any, T]) -> T:
    """The story's end, without its pauses."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


def make_pace(rate: float, in_flight: int, shared: HostRequests | None = None, *, weight: int = 1) -> HostLimiter:
    """A pace by the virtual clock."""
    clock = asyncio.get_running_loop().time
    pace = HostLimiter(requests_per_second=rate, in_flight=in_flight, weight=weight, clock=clock, shared=shared)
    pace._throttler = Turnstile(pace)
    return pace


def most_within(seconds: float, grants: list[float]) -> int:
    """The largest number of grants in any window of so many seconds, its end excluded."""
    most = first = 0
    for last, moment in enumerate(grants):
        while moment - grants[first] >= seconds - 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most
