"""Requests per second and at once: what the instance bears, and what was really asked of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil

from axsync.emulator.calls import Refusal
from axsync.emulator.journal import Seen
from axsync.emulator.options import Options


class Gate:
    """Refuses what comes above the configured pace; refused requests do not count against it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._admitted: deque[float] = deque()

    def admit(self, seen: Seen) -> None:
        """Let *seen* in.

        Raises:
            Refusal: a 429.
        """
        rate, window, at_once = self._options.requests_per_second, self._options.window_seconds, self._options.at_once
        while self._admitted and self._admitted[0] <= seen.started - window:
            self._admitted.popleft()
        if rate is not None and len(self._admitted) >= max(rate * window, 1):
            raise Refusal(429, "Too Many Requests", f"More than {rate:g} requests in one second")
        if at_once is not None and seen.active > at_once:
            raise Refusal(429, "Too Many Requests", f"More than {at_once} requests at once")
        self._admitted.append(seen.started)

    def headers(self, now: float) -> Mapping[str, str]:
        """The Retry-After of a refusal, in the configured form."""
        if self._options.retry_after == "none":
            return {}
        oldest = self._admitted[0] if self._admitted else now
        return {
            "Retry-After": retry_after(
                self._options.retry_after, max(1, ceil(oldest + self._options.window_seconds - now))
            )
        }


def retry_after(form: str, seconds: int) -> str:
    """*seconds* from now, as the header writes it: a number or an HTTP date."""
    if form != "date":
        return str(seconds)
    # Dates have whole seconds: round up, so that the client is never told too early.
    then = datetime.now(UTC) + timedelta(seconds=seconds + 1)
    return format_datetime(then.replace(microsecond=0), usegmt=True)


def peak_in_window(log: Iterable[Seen], seconds: float) -> int:
    """The most requests that arrived within any half-open window of *seconds*."""
    window: deque[float] = deque()
    peak = 0
    for started in sorted(seen.started for seen in log):
        window.append(started)
        while window[0] <= started - seconds:
            window.popleft()
        peak = max(peak, len(window))
    return peak


def peak_at_once(log: Iterable[Seen]) -> int:
    """The most requests that were worked on at the same time."""
    return max((seen.active for seen in log), default=0)
