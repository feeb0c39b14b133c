"""What the instance is asked: a log of every request, and limits on requests per second and at once."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil, inf
from pathlib import Path
from typing import TextIO

from axsync.emulator.fields import Json
from axsync.emulator.messages import ApiError
from axsync.emulator.options import Options


@dataclass(slots=True)
class Seen:
    """One request. `finished` is when its body was ready to be written; infinite until then."""

    started: float  # monotonic seconds
    finished: float  # monotonic seconds
    method: str
    path: str
    body: dict[str, Json] | None
    status: int
    active: int  # requests in progress when it arrived, including itself


class RequestLog:
    """Keeps every request in memory and, if configured, in a file of JSON lines."""

    def __init__(self, path: Path | None) -> None:
        self.log: list[Seen] = []
        self._active = 0
        self._file: TextIO | None = None if path is None else path.open("a", encoding="utf-8")

    def arrived(self, started: float, method: str, path: str) -> Seen:
        """Record the arrival of a request."""
        self._active += 1
        seen = Seen(started, inf, method, path, None, 0, self._active)
        self.log.append(seen)
        return seen

    def ready(self, seen: Seen, finished: float, status: int) -> None:
        """Record that the body of *seen* is ready to be written."""
        self._active -= 1
        seen.finished, seen.status = finished, status
        if self._file is not None:
            self._file.write(json.dumps(asdict(seen), ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class RequestLimiter:
    """Refuses requests above the configured limits. Refused requests do not count towards the rate."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._admitted: deque[float] = deque()

    def admit(self, seen: Seen) -> None:
        """Admit *seen*.

        Raises:
            ApiError: a 429.
        """
        rate, window, at_once = self._options.requests_per_second, self._options.window_seconds, self._options.at_once
        while self._admitted and self._admitted[0] <= seen.started - window:
            self._admitted.popleft()
        if rate is not None and len(self._admitted) >= max(rate * window, 1):
            raise ApiError(429, "Too Many Requests", f"More than {rate:g} requests in one second")
        if at_once is not None and seen.active > at_once:
            raise ApiError(429, "Too Many Requests", f"More than {at_once} requests at once")
        self._admitted.append(seen.started)

    def headers(self, now: float) -> Mapping[str, str]:
        """The Retry-After header of a 429, in the configured form."""
        if self._options.retry_after == "none":
            return {}
        oldest = self._admitted[0] if self._admitted else now
        return {
            "Retry-After": retry_after(
                self._options.retry_after, max(1, ceil(oldest + self._options.window_seconds - now))
            )
        }


def retry_after(form: str, seconds: int) -> str:
    """*seconds* from now as the header states it: a number or an HTTP date."""
    if form != "date":
        return str(seconds)
    # HTTP dates have whole seconds. Round up, so that the client never retries too early.
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
    """The most requests that were in progress at the same time."""
    return max((seen.active for seen in log), default=0)
