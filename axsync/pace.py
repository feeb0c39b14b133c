"""How fast one host is asked: at once (the gate) and per second (the throttler)."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from asyncio_throttle.throttler import Throttler

MARGIN = 1.05
"""Periods are stretched by this much: between a grant and its arrival at the server lie some milliseconds that
differ from request to request, and a window that is full here must not be over-full there."""

Clock: TypeAlias = Callable[[], float]


class Pace:
    """One host's meter, shared by all its lanes.

    A FIFO gate admits `in_flight` requests at once. Behind it a single waiter at a time stands at the throttler,
    because asyncio-throttle's waiters poll and are not served in order; it sleeps exactly until the oldest of the
    last grants leaves the window, so the throttler itself never has to make anybody wait. Bursts alone would let a
    second begin and end with one (at 32 per second: eleven bursts of three), hence the second window, of a second.
    """

    def __init__(self, *, requests_per_second: float, in_flight: int, clock: Clock = time.monotonic) -> None:
        self._burst = max(1, int(requests_per_second / 10))
        self._period = self._burst / requests_per_second * MARGIN
        self._throttler = Throttler(rate_limit=self._burst, period=self._period)
        self._gate = asyncio.Semaphore(in_flight)
        self._turn = asyncio.Lock()
        self._per_second = math.ceil(requests_per_second)
        self._grants: deque[float] = deque(maxlen=self._per_second)
        self._quiet_until = 0.0
        self._clock = clock
        self.in_flight = in_flight
        self.waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A place among those at once, entered when the host may be asked."""
        self.waiting += 1
        try:
            await self._gate.acquire()
        finally:
            self.waiting -= 1
        try:
            await self._take_turn()
            yield
        finally:
            self._gate.release()

    async def _take_turn(self) -> None:
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110  # quiet() may move the end while we sleep
                await asyncio.sleep(wait)
            await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no hints there
            self._grants.append(self._clock())

    def _wait(self) -> float:
        free = max(self._quiet_until, self._room(self._burst, self._period), self._room(self._per_second, MARGIN))
        return free - self._clock()

    def _room(self, most: int, period: float) -> float:
        """When one more grant makes no more than `most` within the period."""
        return self._grants[-most] + period if len(self._grants) >= most else 0.0

    def quiet(self, seconds: float) -> None:
        """Nobody asks this host for so long; a longer quiet that is already ordered stays."""
        self._quiet_until = max(self._quiet_until, self._clock() + seconds)
