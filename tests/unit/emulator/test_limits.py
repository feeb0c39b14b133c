"""Requests per second and at once are enforced and measured."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from axsync.emulator import Seen
from axsync.emulator.traffic import peak_at_once, peak_in_window

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Start


def seen(started: float, active: int = 1) -> Seen:
    return Seen(started, started, "GET", "/", None, 200, active)


async def test_more_than_the_pace_is_refused(start: Start) -> None:
    """The eleventh request within a second is a 429; later ones pass again."""
    client = await start(requests_per_second=10)

    statuses = [(await client.get("/api/v2/about")).status for _ in range(12)]
    await asyncio.sleep(1.05)

    assert statuses == [200] * 10 + [429] * 2
    assert (await client.get("/api/v2/about")).status == 200
    assert client.emulator.peak_in_window() == 12


async def test_more_at_once_is_refused(start: Start) -> None:
    """A request counts from its arrival until its body is ready."""
    client = await start(at_once=2, latency_ms=100)

    answers = await asyncio.gather(*(client.page("devices") for _ in range(5)))

    assert sorted(answer.status for answer in answers) == [200, 200, 429, 429, 429]
    assert client.emulator.peak_at_once() >= 3
    assert (await client.page("devices")).status == 200


async def test_latency_holds_back_each_page(start: Start) -> None:
    """Finished minus started tells it."""
    client = await start(latency_ms=60)

    await client.page("devices")

    only = client.emulator.log[0]
    assert only.finished - only.started >= 0.06


@pytest.mark.parametrize("form", ["seconds", "date", "none"])
async def test_retry_after_in_the_configured_form(start: Start, form: str) -> None:
    """A number, a date that is not too early, or nothing."""
    client = await start(requests_per_second=1, retry_after=form)
    await client.get("/api/v2/about")

    answer = await client.get("/api/v2/about")

    header = answer.headers.get("Retry-After")
    if form == "seconds":
        assert header == "1"
    elif form == "date":
        assert parsedate_to_datetime(str(header)) >= datetime.now(UTC)
    else:
        assert header is None


def test_window_is_half_open() -> None:
    """Requests exactly one window apart are not in the same one."""
    log = [seen(0.0), seen(0.5), seen(1.0), seen(1.4)]

    assert peak_in_window(log, 1.0) == 3
    assert peak_in_window(log, 0.1) == 1
    assert peak_in_window([], 1.0) == 0


def test_peak_at_once_is_the_highest_seen() -> None:
    """From the log alone."""
    assert peak_at_once([seen(0, 1), seen(1, 4), seen(2, 2)]) == 4
    assert peak_at_once([]) == 0
