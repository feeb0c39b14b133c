"""How fast something goes: what came within the last seconds, from few samples."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 20.0  # over which rates are averaged
SAMPLE_SECONDS = 0.5
STEADY_SECONDS = 3.0  # a rate is worth a forecast after so long


@dataclass(frozen=True, slots=True)
class Rate:
    """Per second, over the window; `steady` once it is old enough for a forecast."""

    rows: float
    size: float  # bytes
    steady: bool

    def seconds_left(self, total: int | None, rows: int) -> float | None:
        """Until `total` rows are there at this rate; None while nobody knows."""
        if total is None or not self.steady or self.rows <= 0:
            return None
        return max(total - rows, 0) / self.rows


@dataclass(slots=True)
class Meter:
    """Remembers a total at most twice per second, for as long as its window."""

    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def note(self, now: float, rows: int, size: int) -> None:
        """So many rows and bytes by now."""
        if self._samples and now - self._samples[-1][0] < SAMPLE_SECONDS:
            return
        self._samples.append((now, rows, size))
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW_SECONDS:
            self._samples.popleft()

    def rate(self, now: float, rows: int, size: int) -> Rate:
        """What the totals of this moment say."""
        then, rows_then, size_then = self._samples[0] if self._samples else (now, rows, size)
        passed = max(now - then, SAMPLE_SECONDS)
        return Rate((rows - rows_then) / passed, (size - size_then) / passed, now - then >= STEADY_SECONDS)
