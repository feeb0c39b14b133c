"""A server that admits so many per second and at once, and eager clients of it, by a clock that jumps."""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from random import Random

from axsync.pacing.health import Heard
from tests.unit.pacing.virtual import make_pace

NETWORK = 0.01  # seconds until a refusal is back


@dataclass(slots=True)
class Server:
    """Answers after `latency`, more slowly where more than `workers` are asked; refuses what is too much."""

    per_second: float = math.inf
    at_once: int = 1 << 30
    latency: float = 0.3
    workers: int = 1 << 30
    relief: float = math.inf  # seconds after which it refuses nobody
    moody: float = 0.0  # share of the requests that it refuses for no reason
    active: int = 0
    dice: Random = field(default_factory=lambda: Random(2))
    log: list[tuple[float, int, int]] = field(default_factory=list)  # when, status, at once
    _admitted: deque[float] = field(default_factory=deque)

    async def ask(self) -> tuple[Heard, float]:
        """An answer, and the Retry-After of a refusal."""
        now = asyncio.get_running_loop().time()
        while self._admitted and self._admitted[0] <= now - 1:
            self._admitted.popleft()
        free = bool(self.log) and now - self.log[0][0] > self.relief
        moody = self.dice.random() < self.moody
        if moody or (not free and (len(self._admitted) >= max(self.per_second, 1) or self.active >= self.at_once)):
            self.log.append((now, 429, self.active + 1))
            await asyncio.sleep(NETWORK)
            return "busy", max(1, math.ceil(self._admitted[0] + 1 - now) if self._admitted else 1)
        self._admitted.append(now)
        self.active += 1
        self.log.append((now, 200, self.active))
        await asyncio.sleep(self.latency * max(1.0, self.active / self.workers))
        self.active -= 1
        return "good", 0.0

    @property
    def refused(self) -> int:
        return sum(status == 429 for _, status, _ in self.log)

    def rate(self, first: int = 20) -> float:
        """Admitted per second after the first so many requests."""
        times = [when for when, status, _ in self.log[first:] if status == 200]
        return (len(times) - 1) / (times[-1] - times[0])


async def crowd(server: Server, *, requests: int, lanes: int = 24, in_flight: int = 16, jitter: float = 0.0) -> None:
    """So many requests by eager lanes, which wait as they are told and ask again."""
    pace, left, dice = make_pace(200.0, in_flight), list(range(requests)), Random(1)

    async def lane() -> None:
        while left:
            left.pop()
            heard: Heard = "busy"
            while heard == "busy":
                async with pace.slot() as place:
                    await asyncio.sleep(dice.random() * jitter)
                    heard, after = await server.ask()
                    place.answered(heard)
                if heard == "busy":
                    pace.quiet(after)
                    await asyncio.sleep(after)

    await asyncio.gather(*(lane() for _ in range(lanes)))
