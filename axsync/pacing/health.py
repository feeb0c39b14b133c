"""What answers tell about a host: that it queues, that it is gone. Pure: no clock, no dice."""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SLOWER, MORE, NOTICEABLE = 2.0, 1.1, 0.25  # answers this much slower, and not more; quicker ones (seconds) are no load
CREEP, FADE = 1.0005, 1.005  # what was quickest is forgotten by this much per answer, what was calmest per round
ROUND = 4  # answers, at least
FAILURES = 5
"""So many failures in a row, and nobody asks but one request that looks whether the host is there."""

Heard: TypeAlias = Literal["good", "busy", "failed", "nothing"]
"""An answer; 429; 5xx, timeout or a broken connection; given up by ourselves."""


@dataclass(slots=True)
class LatencyMonitor:
    """Whether answers get slower without getting more. Work is measured in seconds of an idle server."""

    _quickest: dict[str, float] = field(default_factory=dict)  # kind of question → seconds, slowly forgotten
    _work: float = 0.0
    _spent: float = 0.0
    _count: int = 0
    _began: float | None = None
    _size: int = ROUND
    _best: float = 0.0  # work per second
    _calm: float = math.inf  # seconds spent per second of work

    def heard(self, kind: str, seconds: float, limit: int, now: float) -> bool:
        """Take in one answer; true where a round of them shows a queue."""
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
    """Whether the host is there at all. `probes` is how many looks may fail before it counts as dead."""

    probes: int
    failures: int = 0  # in a row

    @property
    def broken(self) -> bool:
        """Nobody asks but one."""
        return self.failures >= FAILURES

    @property
    def dead(self) -> bool:
        """Nobody asks any more."""
        return self._looked >= self.probes

    _looked: int = 0  # failed looks

    def heard(self, heard: Heard, *, probe: bool) -> None:
        """Any answer, a refusal too, shows that somebody is there."""
        if heard == "failed":
            self.failures += 1
            self._looked += probe
        elif heard != "nothing":
            self.failures = self._looked = 0
