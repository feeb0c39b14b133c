"""Admission to one host, by the concurrency and rate that `adaptive` allows."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

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


class HostLimiter:
    """The request limiter of one host, shared by all its lanes.

    Requests wait in one FIFO queue. Only its head looks at the current limits, so a limit may change at any time and no
    waiter has passed it already. The head waits for a free concurrency slot, then enters the throttler alone, because
    asyncio-throttle's waiters poll and are not served in order. It sleeps exactly until the oldest grant leaves the
    window, so the throttler itself never blocks. The throttler allows bursts of a tenth of a second. Bursts at both
    ends of a second could exceed the rate (at 32 per second: eleven bursts of three), so a second window of one second
    is checked as well. When the circuit breaker is open, only the head probes the host. Requests of other limiters to
    the host count by `shared`.
    """

    def __init__(
        self,
        *,
        requests_per_second: float,
        in_flight: int,
        clock: Clock = time.monotonic,
        shared: HostRequests | None = None,
    ) -> None:
        self._shared, self._per_second = shared, requests_per_second
        self.adaptive = AdaptiveLimiter(requests_per_second=requests_per_second, in_flight=in_flight, probes=PROBES)
        self._throttler = Throttler(rate_limit=1, period=1.0)
        self._turn = asyncio.Lock()
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
    async def slot(self, kind: str = "") -> AsyncIterator[Permit]:
        """Hold a permit; entered when the host may be asked. `kind` as in `AdaptiveLimiter.answered`.

        A block that ends without `answered` counts as a good answer, or as no answer if it raises. Raises: HostDead.
        """
        self.waiting += 1
        try:
            place = Permit(self, await self._take_turn(), kind)
        finally:
            self.waiting -= 1
        self.inside += 1
        self._probing = place.probe
        try:
            yield place
        except BaseException:
            place.answered("nothing")
            raise
        else:
            place.answered("good")
        finally:
            self.inside -= 1
            self._probing = self._probing and not place.probe
            self._changed.set()

    async def _take_turn(self) -> Sent:
        async with self._turn:
            while True:
                if self.adaptive.breaker.dead:
                    raise HostDead
                if self._probing or self.inside >= self.adaptive.limit:
                    self._changed.clear()
                    await self._changed.wait()
                elif (wait := self._wait() or self._wait_for_others()) > 0:
                    await asyncio.sleep(wait)
                else:
                    break
            await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no hints there
            self._grants.append(self.clock())
            return self.adaptive.sent(self._grants[-1])

    def _wait(self) -> float:
        burst, period, per_second = self._tune()
        now = self.clock()
        free = max(self._quiet_until, self._room(burst, period), self._room(per_second, MARGIN))
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

    def _room(self, most: int, period: float) -> float:
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
