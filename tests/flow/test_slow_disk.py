"""A disk that takes its time holds up nothing but what waits for it: requests, timeouts and signals go on."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.engine import lane_walk
from axsync.events import Event, PageRead
from axsync.lake import layout
from axsync.runs.state import fold
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, at_once, pages
from tests.unit.lake.folders import FolderLake

pytestmark = pytest.mark.alone

Start = Callable[..., Awaitable[Emulator]]

FEW = {"default": EntitySettings(fields=("name",))}
FSYNC_SECONDS = 0.15
MOST_STALL = 0.05  # seconds
BEAT = 0.005
MOST_TRIES = 3
SMALL_PARTS = {"max_part_bytes": 4 << 10, "row_group_rows": 1}
"""Every page fills a part."""


@dataclass(slots=True)
class Disk:
    """When it was asked to make something durable, and by which threads; `look` is called each time."""

    seconds: float = FSYNC_SECONDS
    look: Callable[[], None] = lambda: None
    asked: list[float] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)


@pytest.fixture
def disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Every fsync takes much longer than the loop may stand still, as on a disk that others keep busy."""
    FolderLake(lab.lake).prepare()
    disk, real = Disk(), os.fsync

    def fsync(handle: int) -> None:
        disk.asked.append(time.monotonic())
        disk.threads.add(threading.current_thread().name)
        time.sleep(disk.seconds)
        real(handle)
        disk.look()

    monkeypatch.setattr(os, "fsync", fsync)
    return disk


@asynccontextmanager
async def heartbeat() -> AsyncIterator[list[float]]:
    """How late the loop was, every few milliseconds."""
    late = [0.0]

    async def beat() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(BEAT)
            late.append(time.monotonic() - began - BEAT)

    task = asyncio.create_task(beat())
    await asyncio.sleep(0)
    try:
        yield late
    finally:
        task.cancel()


async def test_a_slow_fsync_never_stops_the_loop(lab: Lab, start: Start, disk: Disk) -> None:
    """From the lock to the published snapshot: parts, journal, dead letters, timeline, publication."""
    emulator = await start(sizes={"devices": 40}, mishaps=(Mishap("duplicate-keys", page=2, times=1, share=1.0),))
    settings = lab.settings(lab.instance(emulator), types=FEW, lake=SMALL_PARTS, accept_drop=True)
    await lab.run(replace(settings, run=replace(settings.run, dry_run=True)))  # the emulator makes its catalogue

    stalls: list[float] = []
    while len(stalls) < MOST_TRIES and min(stalls, default=MOST_STALL) >= MOST_STALL:  # others may use the processor
        disk.asked.clear()
        async with heartbeat() as late:
            ran = await lab.run(replace(settings, run=replace(settings.run, fresh=True)))
        stalls.append(max(late))

        assert (ran.report.manifest is not None, lab.lane("devices")["dead_letters"]) == (True, 0 if stalls[1:] else 20)
        assert len(disk.asked) > 15
        assert threading.main_thread().name not in disk.threads
    assert min(stalls) < MOST_STALL


async def test_requests_keep_their_pace_while_parts_become_durable(lab: Lab, start: Start, disk: Disk) -> None:
    """Ten pages per second are asked for, whatever the writers wait for: half a second for each fsync."""
    emulator = await start(sizes={"devices": 400})

    def look() -> None:  # what comes after the last page needs no slow disk
        disk.seconds = 0.5 if len(pages(emulator.log, "devices")) < 20 else 0.0

    disk.seconds, disk.look = 0.5, look
    own = lab.instance(emulator, requests_per_second=10.0, in_flight=4)
    await lab.run(lab.settings(own, types=FEW, lake=SMALL_PARTS, writers=8))

    asked = [seen.started for seen in pages(emulator.log, "devices")]
    assert sum(asked[0] < began < asked[-1] for began in disk.asked) > 3
    assert max(later - one for one, later in pairwise(asked)) < 2 * 0.1


async def test_what_is_sealed_when_a_run_is_stopped_is_journaled(lab: Lab, start: Start, disk: Disk) -> None:
    """A signal cancels while writers wait for the disk: each part that is there is one that is resumed with."""
    emulator = await start(sizes={"devices": 100})
    settings = lab.settings(lab.instance(emulator), types=FEW, lake=SMALL_PARTS, writers=4)
    task: asyncio.Task[axsync.Report]

    def stop(event: Event) -> None:
        if isinstance(event, PageRead) and event.rows and not task.cancelling():
            task.cancel()

    task = asyncio.create_task(axsync.sync(settings, observers=[stop], jitter=at_once))
    with suppress(asyncio.CancelledError):
        await task

    lake = FolderLake(lab.lake)
    (run_id,) = lake.runs()
    memory = fold(lake.journal(run_id).read())
    staged = lake.root / layout.staging(run_id)
    journaled = {part.path for lane in memory.lanes.values() for part in lane.parts}
    assert (task.cancelled(), len(journaled) > 1) == (True, True)
    assert journaled == {path.relative_to(staged).as_posix() for path in staged.rglob("*.parquet*")}


MANY = (
    "devices",
    "users",
    "vulnerabilities",
    "software",
    "networks",
    "incidents",
    "certificates",
    "groups",
    "accounts",
)
MOST_AFTER_SIGNAL = 8
"""Waits for the disk after a signal: at half a second each, the run has ended long before ten seconds are over."""


@pytest.mark.fault(2)
@pytest.mark.parametrize("moment", ["reading", "publishing"])
async def test_a_signal_waits_for_a_few_operations_however_many_types(
    lab: Lab, start: Start, disk: Disk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Once the grace is over. What is left is done by the same command, and the whole snapshot comes."""
    monkeypatch.setattr(lane_walk, "GRACE_SECONDS", 0.0)
    emulator = await start(sizes=dict.fromkeys(MANY, 10))
    settings = lab.settings(lab.instance(emulator), types=FEW, writers=2)
    loop, manifests, signalled = asyncio.get_running_loop(), lab.lake / layout.SNAPSHOTS, list[float]()
    closed: list[Event] = []

    def stop() -> None:
        signalled.append(time.monotonic())
        loop.call_soon_threadsafe(task.cancel)

    def listen(event: Event) -> None:
        if moment == "reading" and isinstance(event, PageRead) and event.rows and not signalled:
            closed.append(event)
            if len(closed) == len(MANY):
                stop()

    def look() -> None:
        if moment == "publishing" and not signalled and any(manifests.glob("*.json")):
            stop()

    disk.seconds, disk.look = 0.02, look
    task = asyncio.create_task(axsync.sync(settings, observers=[listen], jitter=at_once))
    with suppress(asyncio.CancelledError):
        await task

    after = [began for began in disk.asked if began > signalled[0]]
    assert (task.cancelled(), (lab.lake / layout.POINTER).exists()) == (True, False)
    assert len(after) <= MOST_AFTER_SIGNAL

    ran = await lab.run(settings)
    assert (ran.report.verdict, {len(lab.ids(name)) for name in MANY}) == ("complete", {10})
