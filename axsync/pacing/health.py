"""Host health from its answers: queueing and outage. Pure: time is passed in."""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SLOWER, MORE = 2.0, 1.1  # ratios: latency, throughput
NOTICEABLE = 0.25  # seconds; quicker answers are no load
CREEP, FADE = 1.0005, 1.005  # decay of the quickest latency per answer, and of the calmest ratio per round
ROUND = 4  # answers per round, at least
FAILURES = 5
"""Consecutive failures that open the circuit breaker. Then only one probe at a time is sent."""

Heard: TypeAlias = Literal["good", "busy", "failed", "nothing"]
"""A usable answer; 429; 5xx, timeout or connection error; a request cancelled by us."""


@dataclass(slots=True)
class LatencyMonitor:
    """Detects latency that rises without more throughput. Work is measured in seconds of an idle server."""

    _quickest: dict[str, float] = field(default_factory=dict)  # kind of request → seconds, slowly forgotten
    _work: float = 0.0
    _spent: float = 0.0
    _count: int = 0
    _began: float | None = None
    _size: int = ROUND
    _best: float = 0.0  # work per second
    _calm: float = math.inf  # seconds spent per second of work

    def heard(self, kind: str, seconds: float, limit: int, now: float) -> bool:
        """Record one answer. Returns True when a round of answers shows a queue."""
        base = self._quickest[kind] = min(seconds, self._quickest.get(kind, seconds) * CREEP)
        self._began = now - seconds if self._began is None else self._began
        self._work, self._spent, self._count = self._work + base, self._spent + seconds, self._count + 1
        return self._count >= self._size and self._round(limit, now)

    def _round(self, limit: int, now: float) -> bool:
        stretch = self._spent / max(self._work, 1e-9)
        through = self._work / max(now - (self._began or 0.0), 1e-9)
        noticeable = self._spent / self._count > NOTICEABLE
        more = through >= MORE * self._best
        self._best = max(self._best * CREEP**self._count, through if more else 0.0)
        self._calm = min(self._calm * FADE, stretch)
        self._work, self._spent, self._count, self._began, self._size = 0.0, 0.0, 0, now, max(ROUND, limit)
        return noticeable and not more and stretch > SLOWER * self._calm


@dataclass(slots=True)
class CircuitBreaker:
    """Whether the host is reachable. After `probes` failed probes it counts as dead."""

    probes: int
    failures: int = 0  # in a row
    _failed_probes: int = 0

    @property
    def broken(self) -> bool:
        """Only one probe at a time may be sent."""
        return self.failures >= FAILURES

    @property
    def dead(self) -> bool:
        """No more requests may be sent."""
        return self._failed_probes >= self.probes

    def heard(self, heard: Heard, *, probe: bool) -> None:
        """Record an outcome. Any answer, even a refusal, proves that the host is up."""
        if heard == "failed":
            self.failures += 1
            self._failed_probes += probe
        elif heard != "nothing":
            self.failures = self._failed_probes = 0
