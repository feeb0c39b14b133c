"""Whether and when to retry. Deterministic: time and randomness are passed in."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

RETRY_AFTER_CAP = 300.0  # seconds; a longer Retry-After is shortened to this
BASE, CAP = 1.0, 60.0  # seconds of full jitter
RETRIED = frozenset({429, 500, 502, 503, 504})
"""Transient statuses (docs/axonius-api.md, "Errors and maintenance")."""

Jitter: TypeAlias = Callable[[float, float], float]
"""Draws a number between two bounds, like `random.uniform`."""


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait; `whole_host` if every lane of the host must wait."""

    seconds: float
    whole_host: bool = False


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds requested by a Retry-After header, capped. None if the header is absent or unusable.

    Accepts seconds and HTTP dates. Past dates and negative numbers mean zero (RFC 9110, 10.2.3).
    """
    if value is None or not value.strip():
        return None
    text = value.strip()
    seconds = _seconds(text, now)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_CAP)


def _seconds(text: str, now: datetime) -> float | None:
    try:
        return float(text)
    except ValueError:
        return _until(text, now)


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # a year of twenty digits overflows
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - now).total_seconds()


def backoff(attempt: int, jitter: Jitter) -> float:
    """Full jitter: between 0 and 1, 2, 4 … 60 seconds; `attempt` counts from 1."""
    return jitter(0.0, min(CAP, BASE * 2.0 ** (attempt - 1)))


def longest_wait(tries: int) -> float:
    """Total seconds of this many tries if every pause between them is as long as possible."""
    return sum(min(CAP, BASE * 2.0**pause) for pause in range(tries - 1))


def after_status(status: int, header: str | None, *, attempt: int, now: datetime, jitter: Jitter) -> Pause | None:
    """The pause before a retry after this status. None if a retry is pointless."""
    if status not in RETRIED:
        return None
    asked = retry_after(header, now)
    if asked is not None:
        # A little jitter keeps the waiting lanes, and other clients, from waking at the same instant.
        return Pause(asked + jitter(0.0, min(1.0, 0.1 + asked * 0.1)), whole_host=True)
    return Pause(backoff(attempt, jitter), whole_host=status == 429)  # HTTP: too many requests
