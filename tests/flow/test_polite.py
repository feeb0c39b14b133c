"""How hard a host is asked: per second, at once, and after it said that it is too much."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from axsync.emulator import Emulator, Mishap, Seen
from axsync.events import Retried
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, pages

pytestmark = pytest.mark.alone

Start = Callable[..., Awaitable[Emulator]]

STRICT: dict[str, Any] = {"requests_per_second": 10.0, "at_once": 4}
ALLOWED: dict[str, Any] = {"requests_per_second": 10.0, "in_flight": 4}
FEW = {"default": EntitySettings(fields=("name",))}
"""Little to print and to convert: client and server share this process and must not keep each other from the clock."""


def refusals(log: Sequence[Seen]) -> int:
    return sum(seen.status == 429 for seen in log)


async def test_what_a_host_bears_is_never_exceeded(lab: Lab, start: Start) -> None:
    """Several types at 10 per second and 4 at once: no 429, and no window of the log above either."""
    emulator = await start(sizes={"devices": 150, "users": 60, "groups": 5}, latency_ms=450.0, **STRICT)
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=15, **ALLOWED), types=FEW))

    assert ran.report.verdict == "complete"
    assert (refusals(emulator.log), emulator.peak_at_once()) == (0, 4)
    assert 8 <= emulator.peak_in_window(1.0) <= 10


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "paging"), [("p90", "token"), ("p6164", "offset"), ("v1", "cursor")])
@pytest.mark.parametrize("latency_ms", [0.0, 300.0])
async def test_instances_on_one_host_share_its_pace(
    lab: Lab, start: Start, profile: str, paging: str, latency_ms: float
) -> None:
    """Two names for one host are one host: the sum of their requests keeps within the limits."""
    sizes = {"devices": 200, "users": 100, "networks": 60, "software": 41}
    emulator = await start(profile, sizes, latency_ms=latency_ms, count_nulls=1, **STRICT)
    both = [lab.instance(emulator, name, paging=paging, **ALLOWED) for name in ("one", "two")]
    ran = await lab.run(lab.settings(*both, types=FEW, entities=tuple(sizes)))

    assert ran.report.verdict == "complete"
    assert (refusals(emulator.log), emulator.peak_in_window(1.0) <= 10, emulator.peak_at_once() <= 4) == (0, True, True)


async def test_each_host_has_a_pace_of_its_own(lab: Lab, start: Start) -> None:
    """A host that bears much is not held to the limits of another."""
    # Client and emulators share one process here: with a short latency, pages are over before the eighth is asked for.
    strict, free = await start(sizes={"devices": 10}, **STRICT), await start(latency_ms=100.0)
    both = [lab.instance(strict, "strict", **ALLOWED), lab.instance(free, "free", page_size=5)]
    await lab.run(lab.settings(*both, types=FEW))

    assert (refusals(strict.log), strict.peak_at_once() <= 4, free.peak_at_once()) == (0, True, 8)


@pytest.mark.fault(17)
@pytest.mark.parametrize("order", [1, -1])
async def test_instances_of_one_host_share_the_lower_limits(lab: Lab, start: Start, order: int) -> None:
    """Whichever is named first: to the host they are one client."""
    emulator = await start(sizes={"devices": 100}, latency_ms=20.0)
    slow = lab.instance(emulator, "slow", requests_per_second=40.0, in_flight=6, page_size=5)
    narrow = lab.instance(emulator, "narrow", in_flight=2, page_size=5)
    ran = await lab.run(lab.settings(*[slow, narrow][::order], types=FEW))

    assert ran.report.verdict == "complete"
    assert (emulator.peak_in_window(1.0) <= 40, emulator.peak_at_once() <= 2) == (True, True)


async def test_retry_after_quiets_the_whole_host(lab: Lab, start: Start) -> None:
    """One lane is told to wait, in either form: no lane of that host asks until then, but for what was on its way."""

    async def quieted(form: str) -> None:
        own = Lab(lab.folder / form)
        own.folder.mkdir()
        mishap = Mishap("429", entity="users", page=4, times=1, retry_after=form)
        emulator = await start(sizes={"devices": 100, "users": 100, "groups": 100}, mishaps=[mishap])
        ran = await own.run(own.settings(own.instance(emulator, in_flight=4), types=FEW))

        told = next(place for place, seen in enumerate(emulator.log) if seen.status == 429)
        later = [seen.started for seen in emulator.log[told:]]
        pauses = [place for place, (one, next_one) in enumerate(pairwise(later)) if next_one - one >= 0.9]
        assert ran.report.verdict == "complete", form
        assert len(pauses) == 1, form
        assert pauses[0] < 2 * 4, form

    await asyncio.gather(quieted("seconds"), quieted("date"))


async def test_another_host_is_not_quieted(lab: Lab, start: Start) -> None:
    """A 429 speaks for its own host."""
    busy = await start(mishaps=[Mishap("429", entity="users", on="page", times=1, retry_after=2)])
    free = await start(sizes={"devices": 1000}, latency_ms=20.0)
    events: list[str] = []
    both = [lab.instance(busy, "busy"), lab.instance(free, "free")]
    ran = await lab.run(lab.settings(*both, types=FEW), lambda event: events.append(type(event).__name__))

    waited = events.index("Retried")
    assert ran.report.verdict == "complete"
    assert "PageRead" in events[waited : events.index("LaneClosed", waited)]
    assert {told.host for told in ran.of(Retried)} == {busy.url.removeprefix("http://")}


def rounds(log: Sequence[Seen]) -> int:
    """How many requests, at least, had to wait for one another in a row."""
    longest: list[tuple[float, int]] = []
    for seen in sorted(log, key=lambda seen: seen.started):
        before = max((depth for finished, depth in longest if finished <= seen.started), default=0)
        longest.append((seen.finished, before + 1))
    return max(depth for _, depth in longest)


@pytest.mark.parametrize(
    "sizes",
    [
        {"devices": 995},
        dict.fromkeys(
            (
                "devices",
                "users",
                "groups",
                "networks",
                "software",
                "accounts",
                "incidents",
                "tickets",
                "disks",
                "databases",
            ),
            95,
        ),
    ],
    ids=["one type", "ten types"],
)
async def test_pages_are_asked_side_by_side(lab: Lab, start: Start, sizes: dict[str, int]) -> None:
    """A hundred pages at 8 at once: 12.5 rounds would be ideal, a quarter more is allowed; never nine at once."""
    emulator = await start(sizes=sizes, latency_ms=100.0, at_once=8)
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=10, in_flight=8), types=FEW))

    asked = pages(emulator.log)
    assert ran.report.verdict == "complete"
    assert (len(asked), refusals(emulator.log), emulator.peak_at_once()) == (100, 0, 8)
    assert rounds(asked) <= 1.25 * 100 / 8


async def test_token_walks_go_side_by_side(lab: Lab, start: Start) -> None:
    """One page after the other within a type, all types at once."""
    emulator = await start(sizes={"devices": 100, "users": 100}, latency_ms=30.0)
    await lab.run(lab.settings(lab.instance(emulator, page_size=10, paging="token"), types=FEW))

    asked = pages(emulator.log)
    assert rounds(pages(asked, "devices")) == len(pages(asked, "devices"))
    assert rounds(asked) <= len(asked) / 2 + 2


async def test_waiting_lanes_leave_no_crowd(lab: Lab, start: Start) -> None:
    """No more requests in flight than allowed, however many pages are left."""
    emulator = await start(sizes={"devices": 300}, latency_ms=40.0)
    await lab.run(lab.settings(lab.instance(emulator, page_size=10, in_flight=3), types=FEW))

    assert emulator.peak_at_once() == 3
