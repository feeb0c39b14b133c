"""A host that fails in the middle of a run: nobody storms it, it is looked after, and it costs its own lanes only."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.events import Event, LaneClosed, Retried
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, pages

pytestmark = pytest.mark.alone

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
SIZES = {"devices": 400, "users": 400, "groups": 400}


@pytest.mark.fault(10)
async def test_a_host_that_is_away_for_a_moment_is_waited_for(lab: Lab, start: Start) -> None:
    """Ten answers in a row are 503: somebody looks, and all goes on where it was."""
    emulator = await start(sizes=SIZES, latency_ms=20.0, mishaps=[Mishap("503", after=30, times=10)])
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=2), types=FEW))

    looks = [event for event in ran.of(Retried) if event.lane is None]
    assert ran.report.verdict == "complete"
    assert 1 <= len(looks) <= 5
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.fault(10)
async def test_a_host_that_dies_fails_its_own_lanes(lab: Lab, start: Start) -> None:
    """The other is published whole, the dead one is given up after some looks, whatever waited for it."""
    dying, sound = await start(sizes=SIZES, mishaps=[Mishap("reset", after=25)]), await start(seed=3)
    ran = await lab.run(
        lab.settings(lab.instance(dying, "dying"), lab.instance(sound, "sound"), types=FEW, entities=tuple(SIZES)[:2])
    )

    failed = sum(seen.finished >= 0 for seen in dying.log[25:])
    assert {v for lane, v in ran.verdicts().items() if lane.startswith("sound")} == {"complete"}
    assert {v for lane, v in ran.verdicts().items() if lane.startswith("dying")} == {"failed"}
    assert failed <= 8 + 2 * 6 + 10


async def test_pauses_of_a_dead_host_grow(lab: Lab, start: Start) -> None:
    """Up to 16, 32, 60 seconds, drawn by the dice that everybody uses; a few minutes in all."""
    emulator = await start(sizes=SIZES, mishaps=[Mishap("reset", after=25)])
    bounds: list[float] = []

    def shortest(low: float, high: float) -> float:
        bounds.append(high)
        return low

    await axsync.sync(lab.settings(lab.instance(emulator), types=FEW), jitter=shortest)

    assert max(bounds) == 60
    assert sum(high for high in bounds if high >= 16) <= 1200


@pytest.mark.fault(17)
async def test_a_retry_after_in_any_form_passes(lab: Lab, start: Start) -> None:
    """Every lane goes on after it, and nobody asks before; all forms wait at the same time."""

    async def passes(form: str) -> None:
        own = Lab(lab.folder / form)
        own.folder.mkdir()
        mishap = Mishap("429", entity="users", page=3, times=2, retry_after=form)
        emulator = await start(sizes=dict.fromkeys(SIZES, 60), mishaps=[mishap])
        ran = await own.run(own.settings(own.instance(emulator, in_flight=4), types=FEW))

        waits = [event.seconds for event in ran.of(Retried)]
        longest = {"1": 1.0, "seconds": 1.0, "date": 2.0}.get(form, 0.0)
        told = next(place for place, seen in enumerate(emulator.log) if seen.status == 429)
        gaps = [later.started - one.started for one, later in pairwise(emulator.log[told:])]
        assert ran.report.verdict == "complete", form
        assert len(waits) == 2, form
        assert all(longest - 1 <= wait <= longest for wait in waits), form
        assert max(gaps) >= min(waits) * 0.9, form

    await asyncio.gather(*map(passes, ("past", "negative", "garbage", "0", "1", "seconds", "date")))


@pytest.mark.fault(17)
async def test_an_absurd_retry_after_is_capped(lab: Lab, start: Start) -> None:
    """Thirty years become five minutes, in which nobody asks."""
    emulator = await start(sizes=SIZES, mishaps=[Mishap("429", entity="users", page=3, retry_after="absurd")])
    told: asyncio.Future[Retried] = asyncio.get_running_loop().create_future()

    def observe(event: Event) -> None:
        if isinstance(event, Retried) and not told.done():
            told.set_result(event)

    task = asyncio.create_task(axsync.sync(lab.settings(lab.instance(emulator), types=FEW), observers=[observe]))
    waited = (await told).seconds
    await asyncio.sleep(0.2)
    asked = len(emulator.log)
    await asyncio.sleep(0.3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert 300 <= waited <= 301
    assert len(emulator.log) == asked


async def test_small_types_do_not_wait_for_a_giant(lab: Lab, start: Start) -> None:
    """One type of 200 pages and nine of three: all pages of the nine are asked for before a sixth of the giant's."""
    names = ("users", "groups", "networks", "software", "accounts", "incidents", "tickets", "disks", "databases")
    sizes = {"devices": 2000} | dict.fromkeys(names, 25)
    emulator = await start(sizes=sizes, latency_ms=30.0)
    ran = await lab.run(lab.settings(lab.instance(emulator, page_size=10), types=FEW))

    closed = [event.outcome.lane.entity for event in ran.of(LaneClosed)]
    asked = [seen.path.rpartition("/")[2] for seen in pages(emulator.log)]
    last = max(place for place, entity in enumerate(asked) if entity != "devices")
    assert ran.report.verdict == "complete"
    assert closed[-1] == "devices"
    assert asked[:last].count("devices") <= 30


async def test_a_slow_host_does_not_hold_the_others(lab: Lab, start: Start) -> None:
    """The quick one is whole while the slow one has hardly begun."""
    slow, quick = await start(latency_ms=300.0), await start(sizes={"devices": 400, "users": 100}, seed=3)
    order: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, LaneClosed):
            order.append(event.outcome.lane.instance)

    both = [lab.instance(slow, "slow"), lab.instance(quick, "quick")]
    await lab.run(lab.settings(*both, types=FEW), observe)

    assert order == ["quick", "quick", "slow", "slow"]
    assert len(pages(slow.log)) > 0
