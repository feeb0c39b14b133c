"""How fast one host is asked: so many at once, and so many per second, both as `steer` finds them."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from asyncio_throttle.throttler import Throttler

from axsync.pacing.adaptive import AdaptiveLimiter
from axsync.pacing.health import Heard
from axsync.pacing.limits import Sent

MARGIN = 1.05
"""Periods are stretched by this much: between a grant and its arrival at the server lie some milliseconds that
differ from request to request, and a window that is full here must not be over-full there."""
PROBES = 10
"""So many looks at a host that is not there, ten minutes at most, and those who wait for it are told."""

Clock: TypeAlias = Callable[[], float]


class HostDead(Exception):
    """Nobody has answered for so long that waiting is no use."""


class Permit:
    """A place among those at once. `probe`: it is the one request that looks whether the host is there."""

    def __init__(self, pace: "HostLimiter", sent: Sent, kind: str) -> None:
        self.probe = pace.broken
        self._pace, self._sent, self._kind, self._heard = pace, sent, kind, False

    def answered(self, heard: Heard) -> float:
        """Tell what came, once; seconds since the request left."""
        now = self._pace.clock()
        if not self._heard:
            self._heard = True
            self._pace.learn(self._sent, heard, kind=self._kind, now=now, probe=self.probe)
        return now - self._sent.at


class HostLimiter:
    """One host's meter, shared by all its lanes.

    All wait in one line, first come first served; only its head looks at what `steer` allows by now, so that a limit
    may change at any time and nobody who waits is ahead of it. The head waits for a place among those at once, then
    stands at the throttler, alone, because asyncio-throttle's waiters poll and are not served in order; it sleeps
    exactly until the oldest of the last grants leaves the window, so the throttler never makes anybody wait. Bursts
    alone would let a second begin and end with one (at 32 per second: eleven bursts of three), hence the second
    window, of a second. Where a host failed several times in a row, the head alone looks whether it is there again.
    """

    def __init__(self, *, requests_per_second: float, in_flight: int, clock: Clock = time.monotonic) -> None:
        self.steer = AdaptiveLimiter(requests_per_second=requests_per_second, in_flight=in_flight, probes=PROBES)
        self._throttler = Throttler(rate_limit=1, period=1.0)
        self._turn = asyncio.Lock()
        self.inside = 0  # requests under way
        self._looking = False  # one request looks whether the host is there
        self._changed = asyncio.Event()  # a place may be free, or the look is over
        self._grants: deque[float] = deque(maxlen=math.ceil(requests_per_second))
        self._quiet_until = 0.0
        self.clock = clock
        self.in_flight = in_flight
        self.waiting = 0
        self._tune()

    @property
    def broken(self) -> bool:
        """Whether the host failed so often in a row that only one request at a time looks after it."""
        return self.steer.breaker.broken

    @property
    def limit(self) -> int:
        """Requests at once that are allowed now."""
        return self.steer.limit

    @property
    def rate(self) -> float:
        """Requests per second that are allowed now."""
        return self.steer.rate(self.clock())

    @property
    def failures(self) -> int:
        """Failures in a row, over all lanes."""
        return self.steer.breaker.failures

    @asynccontextmanager
    async def slot(self, kind: str = "") -> AsyncIterator[Permit]:
        """A place among those at once, entered when the host may be asked; `kind` as in `Steer.answered`.

        Left without `answered`, it counts as a good answer, or, by an error, as none. Raises: HostDead.
        """
        self.waiting += 1
        try:
            place = Permit(self, await self._take_turn(), kind)
        finally:
            self.waiting -= 1
        self.inside += 1
        self._looking = place.probe
        try:
            yield place
        except BaseException:
            place.answered("nothing")
            raise
        else:
            place.answered("good")
        finally:
            self.inside -= 1
            self._looking = self._looking and not place.probe
            self._changed.set()

    async def _take_turn(self) -> Sent:
        async with self._turn:
            while True:
                if self.steer.breaker.dead:
                    raise HostDead
                if self._looking or self.inside >= self.steer.limit:
                    self._changed.clear()
                    await self._changed.wait()
                elif (wait := self._wait()) > 0:
                    await asyncio.sleep(wait)
                else:
                    break
            await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no hints there
            self._grants.append(self.clock())
            return self.steer.sent(self._grants[-1])

    def _wait(self) -> float:
        burst, period, per_second = self._tune()
        now = self.clock()
        free = max(self._quiet_until, self._room(burst, period), self._room(per_second, MARGIN))
        return max(free, self.steer.ready_at(now)) - now

    def _tune(self) -> tuple[int, float, int]:
        rate = self.steer.rate(self.clock())
        burst = max(1, int(rate / 10))
        period = burst / rate * MARGIN
        self._throttler.rate_limit, self._throttler.period = burst, period
        return burst, period, math.ceil(rate)

    def _room(self, most: int, period: float) -> float:
        """When one more grant makes no more than `most` within the period."""
        return self._grants[-most] + period if len(self._grants) >= most else 0.0

    def learn(self, sent: Sent, heard: Heard, *, kind: str, now: float, probe: bool) -> None:
        """An answer has come; more or fewer may be allowed now."""
        self.steer.answered(sent, heard, kind=kind, now=now, probe=probe)
        self._changed.set()

    def quiet(self, seconds: float) -> None:
        """Nobody asks this host for so long; a longer quiet that is already ordered stays. Few begin afterwards."""
        now = self.clock()
        self._quiet_until = max(self._quiet_until, now + seconds)
        self.steer.quieted(now, self._quiet_until)
