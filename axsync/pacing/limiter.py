"""Admission to one host, by the concurrency and rate that `adaptive` allows."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol, TypeAlias

from asyncio_throttle.throttler import Throttler

from axsync.pacing.adaptive import AdaptiveLimiter, Sent
from axsync.pacing.health import Heard

MARGIN = 1.05
"""Stretch factor for rate periods.

The delay between a grant and its arrival at the server varies by some milliseconds per request. Without a margin a
window that is exactly full here could overflow there.
"""
PROBES = 10
"""Failed probes, about ten minutes at most, after which every waiting request gets `HostDead`."""

Clock: TypeAlias = Callable[[], float]


class HostDead(Exception):
    """The host has not answered for so long that waiting is pointless."""


class Room(Protocol):
    """Memory for an answer, reserved before its request leaves."""

    @property
    def held(self) -> int:
        """Bytes that are reserved."""

    def try_take(self) -> bool:
        """Reserve at once; whether it is reserved."""

    async def take(self) -> None:
        """Reserve; wait until it fits."""

    def drop(self) -> None:
        """Give back what is reserved."""


class HostRequests:
    """When requests left for one host, whoever sent them. Safe for threads.

    The limiters of a process share it, and not their permits: a permit is held while a page waits for its reader, and
    readers may wait for each other.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._times: deque[float] = deque()
        self._most = 0  # requests that the largest limit looks back at

    def take(self, per_second: float) -> float:
        """Count one request that leaves now, and return 0; or the seconds until it may leave, with nothing counted."""
        most = math.ceil(per_second)
        with self._lock:
            now = self._clock()
            if len(self._times) >= most and (wait := self._times[-most] + most / per_second * MARGIN - now) > 0:
                return wait
            self._most = max(self._most, most)
            self._times.append(now)
            if len(self._times) > self._most:
                self._times.popleft()
            return 0.0


_HOSTS: dict[str, HostRequests] = {}


def requests_to(host: str) -> HostRequests:
    """What this process knows of a host, for all that ask it."""
    return _HOSTS.setdefault(host, HostRequests())


class Permit:
    """Permission to send one request. `probe`: it is the one request that checks whether the host is back."""

    def __init__(self, limiter: "HostLimiter", sent: Sent, kind: str) -> None:
        self.probe = limiter.broken
        self._limiter, self._sent, self._kind, self._heard = limiter, sent, kind, False

    def answered(self, heard: Heard) -> float:
        """Report the outcome; only the first call counts. Returns the seconds since the request left."""
        now = self._limiter.clock()
        if not self._heard:
            self._heard = True
            self._limiter.learn(self._sent, heard, kind=self._kind, now=now, probe=self.probe)
        return now - self._sent.at

    def waited(self, seconds: float) -> None:
        """Leave out this time: we, not the host, made the answer wait."""
        self._sent = replace(self._sent, at=self._sent.at + seconds)


class HostLimiter:
    """The request limiter of one host, shared by all its lanes.

    Requests wait in one FIFO queue. Only its head looks at the current limits, so a limit may change at any time and no
    waiter has passed it already. The head waits for a free concurrency slot, then enters the throttler alone, because
    asyncio-throttle's waiters poll and are not served in order. It sleeps exactly until the oldest grant leaves the
    window, so the throttler itself never blocks. The throttler allows bursts of a tenth of a second. Bursts at both
    ends of a second could exceed the rate (at 32 per second: eleven bursts of three), so a second window of one second
    is checked as well. When the circuit breaker is open, only the head probes the host. Requests of other limiters to
    the host count by `shared`.

    `may_ask` is awaited right before a request leaves: whoever was paused may find that others ask the host by now.

    A page needs memory as well as a permit, and takes it last, so that a host that rests holds none. While it waits for
    memory, requests that need none pass. One page of a host waits at a time, so that hosts take turns; a host of more
    `weight` has as many in the queue, so as many turns.
    """

    def __init__(
        self,
        *,
        requests_per_second: float,
        in_flight: int,
        weight: int = 1,
        clock: Clock = time.monotonic,
        shared: HostRequests | None = None,
        may_ask: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._shared, self._per_second, self._may_ask = shared, requests_per_second, may_ask
        self.adaptive = AdaptiveLimiter(requests_per_second=requests_per_second, in_flight=in_flight, probes=PROBES)
        self._throttler = Throttler(rate_limit=1, period=1.0)
        self._turn = asyncio.Lock()
        self._pages = asyncio.Semaphore(weight)  # pages that wait
        self.inside = 0  # requests in flight
        self._probing = False  # a probe is in flight
        self._changed = asyncio.Event()  # a slot may be free, or the probe has ended
        self._grants: deque[float] = deque(maxlen=math.ceil(requests_per_second))
        self._quiet_until = 0.0
        self.clock = clock
        self.in_flight = in_flight
        self.waiting = 0
        self._tune()

    @property
    def broken(self) -> bool:
        """Whether the circuit breaker is open: one probe at a time, nothing else."""
        return self.adaptive.breaker.broken

    @property
    def limit(self) -> int:
        """Current concurrency limit."""
        return self.adaptive.limit

    @property
    def rate(self) -> float:
        """Current limit in requests per second."""
        return self.adaptive.rate(self.clock())

    @property
    def failures(self) -> int:
        """Consecutive failures, over all lanes."""
        return self.adaptive.breaker.failures

    @asynccontextmanager
    async def slot(self, kind: str = "", room: Room | None = None) -> AsyncIterator[Permit]:
        """Hold a permit; entered when the host may be asked and `room` is reserved.

        `kind` as in `AdaptiveLimiter.answered`. A block that ends without `answered` counts as a good answer, or as no
        answer if it raises. Raises: HostDead.
        """
        self.waiting += 1
        try:
            permit = Permit(self, await self._granted(room), kind)
        finally:
            self.waiting -= 1
        self.inside += 1
        self._probing = permit.probe
        if permit.probe and room is not None:  # the host may be gone: it gets memory when it answers
            room.drop()
        try:
            yield permit
        except BaseException:
            permit.answered("nothing")
            raise
        else:
            permit.answered("good")
        finally:
            self.inside -= 1
            self._probing = self._probing and not permit.probe
            self._changed.set()

    async def _granted(self, room: Room | None) -> Sent:
        if room is None:
            async with self._turn:
                await self._take_turn(None)
                return await self._grant()
        async with self._pages:
            try:
                return await self._grant_with(room)
            except BaseException:
                room.drop()
                raise

    async def _grant_with(self, room: Room) -> Sent:
        while True:
            if self._turn.locked() or not self._is_free():
                room.drop()
            async with self._turn:
                if await self._take_turn(room):
                    return await self._grant()
            await room.take()

    async def _take_turn(self, room: Room | None) -> bool:
        """Wait until the host may be asked; False if there is no memory then."""
        while True:
            await self._until_free(room)
            if room is not None and not room.try_take():
                return False
            if (wait := self._wait_for_others()) <= 0:
                return True
            if room is not None:
                room.drop()
            await asyncio.sleep(wait)

    async def _until_free(self, room: Room | None) -> None:
        while not self._is_free():
            if room is not None:
                room.drop()
            if self.adaptive.breaker.dead:
                raise HostDead
            if self._has_slot():
                await asyncio.sleep(self._wait())
            else:
                self._changed.clear()
                await self._changed.wait()

    def _has_slot(self) -> bool:
        return not self._probing and self.inside < self.adaptive.limit

    def _is_free(self) -> bool:
        """Whether the host may be asked now, as far as its own limits go."""
        return not self.adaptive.breaker.dead and self._has_slot() and self._wait() <= 0

    async def _grant(self) -> Sent:
        await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no hints there
        if self._may_ask is not None:
            await self._may_ask()
        self._grants.append(self.clock())
        return self.adaptive.sent(self._grants[-1])

    def _wait(self) -> float:
        burst, period, per_second = self._tune()
        now = self.clock()
        free = max(self._quiet_until, self._free_at(burst, period), self._free_at(per_second, MARGIN))
        return max(free, self.adaptive.ready_at(now), now) - now

    def _wait_for_others(self) -> float:
        """Only where nothing else is waited for: the request then counts for the others as well."""
        return self._shared.take(self._per_second) if self._shared else 0.0

    def _tune(self) -> tuple[int, float, int]:
        rate = self.adaptive.rate(self.clock())
        burst = max(1, int(rate / 10))
        period = burst / rate * MARGIN
        self._throttler.rate_limit, self._throttler.period = burst, period
        return burst, period, math.ceil(rate)

    def _free_at(self, most: int, period: float) -> float:
        """Earliest time at which one more grant keeps within `most` per period."""
        return self._grants[-most] + period if len(self._grants) >= most else 0.0

    def learn(self, sent: Sent, heard: Heard, *, kind: str, now: float, probe: bool) -> None:
        """Pass an outcome to the controller and wake the head of the queue."""
        self.adaptive.answered(sent, heard, kind=kind, now=now, probe=probe)
        self._changed.set()

    def quiet(self, seconds: float) -> None:
        """Send nothing for this long; a longer pause in effect stays. Concurrency restarts low afterwards."""
        now = self.clock()
        self._quiet_until = max(self._quiet_until, now + seconds)
        self.adaptive.quieted(now, self._quiet_until)
