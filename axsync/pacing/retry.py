"""Whether to ask again and after how long. No clock and no dice of its own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

RETRY_AFTER_CAP = 300.0  # seconds; a server that asks for more is asked again after this
BASE, CAP = 1.0, 60.0  # seconds of full jitter
RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses that may pass by themselves (docs/axonius-api.md, "Errors and maintenance")."""

Jitter: TypeAlias = Callable[[float, float], float]
"""A number between two bounds, such as `random.uniform`."""


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait; `whole_host` where every lane of the host must wait."""

    seconds: float
    whole_host: bool = False


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, capped; None where it says nothing usable.

    Seconds and HTTP dates are understood; the past and negative numbers mean at once (RFC 9110, 10.2.3).
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
    """Full jitter: anything between nothing and 1, 2, 4 … 60 seconds; `attempt` counts from 1."""
    return jitter(0.0, min(CAP, BASE * 2.0 ** (attempt - 1)))


def longest_wait(tries: int) -> float:
    """Seconds that so many tries take in all where every pause between two of them is as long as it may be."""
    return sum(min(CAP, BASE * 2.0**pause) for pause in range(tries - 1))


def after_status(status: int, header: str | None, *, attempt: int, now: datetime, jitter: Jitter) -> Pause | None:
    """The pause before asking again after a status, None where asking again is no use."""
    if status not in RETRIED:
        return None
    asked = retry_after(header, now)
    if asked is not None:
        # A little on top keeps all the waiting lanes, and other clients, from waking in the same instant.
        return Pause(asked + jitter(0.0, min(1.0, 0.1 + asked * 0.1)), whole_host=True)
    return Pause(backoff(attempt, jitter), whole_host=status == 429)  # HTTP: too many requests
