"""Rows 2 and 5 to 10 of the README here: the process, its machine, its clock, hosts that are away."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path

import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.errors import Busy
from axsync.events import Event, PageRead
from axsync.lake import layout
from axsync.pacing.limiter import HostLimiter
from axsync.pacing.page_size import LARGE_BYTES, PageSizer
from axsync.runs.resume import find, plan_of
from axsync.runs.setup import name_run
from axsync.settings import EntitySettings, Settings
from tests.faults.conftest import CONFIG
from tests.faults.proof import NARROW, Tapped, code
from tests.flow.harness import Lab
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Tapped]]
FEW = {"default": EntitySettings(fields=("name",))}


@asynccontextmanager
async def running(lab: Lab, emulator: Emulator, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`axsync run` as a process."""
    config = lab.folder / "axsync.toml"
    config.write_text(CONFIG.format(url=emulator.url))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "axsync", "run", "--config", str(config), "--lake", str(lab.lake)),
        env=os.environ | {"FAULT_KEY": emulator.api_key, "FAULT_SECRET": emulator.api_secret} | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(true: Callable[[], bool]) -> None:
    """Wait for it, half a minute at most."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  what is waited for happens in another process
            await asyncio.sleep(0.02)


def asked(emulator: Tapped, pages: int) -> Callable[[], bool]:
    return lambda: len(emulator.sent) >= pages


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_fault_2_one_signal_ends_a_run_in_ten_seconds(
    lab: Lab, start: Start, number: signal.Signals, ends: int
) -> None:
    """Pages that hang do not hold it; what was read is sealed, and the same command goes on with the rest."""
    emulator = await start(sizes={"devices": 400}, mishaps=[Mishap("hang", on="page", after=6)])
    async with running(lab, emulator) as process:
        await until(lambda: len(emulator.log) >= 12)
        sent = time.monotonic()
        process.send_signal(number)
        _, said = await process.communicate()

    assert (process.returncode, time.monotonic() - sent < 10) == (ends, True)
    assert b"nothing was published" in said
    emulator.mishaps.clear()
    before = len(emulator.sent)
    async with running(lab, emulator) as process:
        _, said = await process.communicate()
    assert process.returncode == 0, said
    assert b"resuming run" in said
    assert len(emulator.sent) - before < 20  # of twenty pages
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.parametrize("pause", [0.0, 0.1, pytest.param(0.2, marks=pytest.mark.slow)])
async def test_fault_2_a_second_signal_ends_it_at_once(lab: Lab, start: Start, pause: float) -> None:
    """Whatever it is putting away, or however far it has come with leaving; still resumable."""
    emulator = await start(sizes={"devices": 400}, mishaps=[Mishap("hang", on="page", after=6)])
    async with running(lab, emulator) as process:
        await until(lambda: len(emulator.log) >= 12)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(pause)
        with suppress(ProcessLookupError):  # it has ended already
            process.send_signal(signal.SIGTERM)
        await process.communicate()

    assert process.returncode == 143
    emulator.mishaps.clear()
    async with running(lab, emulator) as process:
        _, said = await process.communicate()
    assert process.returncode == 0, said
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_fault_5_pages_larger_than_the_buffers_pass_one_by_one(lab: Lab, start: Start) -> None:
    """Sixteen lanes at once, each page many times the budget: all arrive, and nothing is dropped."""
    sizes = dict.fromkeys(("devices", "users", "groups", "networks"), 60)
    emulator = await start(sizes=sizes)
    tiny = {"buffer_bytes": 16 << 10, "row_group_rows": 10}
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=16), lake=tiny))

    assert code(ran) == 0
    for entity in sizes:
        assert lab.ids(entity) == sorted(emulator.fleets[entity].ids())


def test_fault_5_a_huge_page_makes_the_next_ones_smaller() -> None:
    """Rows per page follow from bytes per page."""
    portion = PageSizer(2000)
    portion.served(2000, 1.0, 2 * LARGE_BYTES)

    assert portion.limit < 2000


async def test_fault_6_a_second_run_is_told_who_holds_the_lake(lab: Lab, start: Start) -> None:
    """Exit code 75; the lake is as it was."""
    emulator = await start()
    with FolderLake(lab.lake).store.hold(layout.LOCK, what="the lake", run="20261123T020000Z-aaaa"):
        async with running(lab, emulator) as second:
            _, said = await second.communicate()

    assert second.returncode == 75
    assert f"process {os.getpid()}".encode() in said
    assert b"20261123T020000Z-aaaa" in said
    assert lab.published() == []


async def test_fault_6_the_lock_of_a_killed_run_is_no_hindrance(lab: Lab, start: Start) -> None:
    """The system takes it away with its process, whatever its text says."""
    emulator = await start(sizes={"devices": 400}, latency_ms=30.0)
    async with running(lab, emulator) as process:
        await until(asked(emulator, 3))
        process.kill()
        await process.communicate()
    assert (lab.lake / layout.LOCK).read_text() != ""

    async with running(lab, emulator) as process:
        _, said = await process.communicate()
    assert process.returncode == 0, said
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_fault_6_the_same_run_cannot_be_resumed_twice_at_once(lab: Lab, start: Start) -> None:
    """Two processes take up one broken run: one does, the other is told to try later."""
    emulator = await start(sizes={"devices": 400}, latency_ms=30.0)
    settings = lab.settings(lab.instance(emulator), types=FEW)
    await _broken_off(settings)

    ended = await asyncio.gather(lab.run(settings), lab.run(settings), return_exceptions=True)

    refused = [one for one in ended if isinstance(one, Busy)]
    arrived = [one for one in ended if not isinstance(one, BaseException)]
    assert (len(refused), len(arrived)) == (1, 1)
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def _broken_off(settings: Settings) -> None:
    """A run that is cancelled after its second page."""
    seen: list[Event] = []
    task = asyncio.current_task()

    def observe(event: Event) -> None:
        seen.append(event)
        if sum(isinstance(one, PageRead) for one in seen) == 2 and task is not None:
            task.cancel()

    try:
        await axsync.sync(settings, observers=[observe])
    except asyncio.CancelledError:
        if task is not None:
            task.uncancel()


def test_fault_7_limits_and_waits_do_not_look_at_the_wall_clock() -> None:
    """Requests are spaced by a clock that cannot be set."""
    assert signature(HostLimiter).parameters["clock"].default is time.monotonic


def test_fault_7_a_clock_that_was_set_back_does_not_reorder_runs() -> None:
    """An hour earlier, the newer run still is the newest."""
    now = datetime(2026, 11, 23, 2, tzinfo=UTC)
    first = name_run(now, 7, [])

    assert name_run(now - timedelta(hours=1), 3, [first]) > first


async def test_fault_8_a_run_over_midnight_has_one_day(lab: Lab, start: Start) -> None:
    """Interrupted before midnight and resumed after it: the day is that of the start."""
    emulator = await start(sizes={"devices": 400}, latency_ms=5.0)
    settings = lab.settings(lab.instance(emulator), types=FEW)
    await _broken_off(settings)
    began = datetime.now(UTC)
    tomorrow = began + timedelta(hours=20)

    past = find(FolderLake(lab.lake), plan_of(settings), f"{tomorrow + timedelta(days=1):%Y-%m-%d}", tomorrow)

    assert past is not None
    assert past.memory.facts is not None
    assert past.memory.facts.logical_date == f"{began:%Y-%m-%d}"
    assert find(FolderLake(lab.lake), plan_of(settings), "2031-01-01", began + timedelta(hours=25)) is None


async def test_fault_9_a_bare_environment_is_enough(tmp_path: Path, start: Start) -> None:
    """No home, the C locale, umask 077, 64 file handles, a folder with odd letters: eleven entity types arrive."""
    names = "devices users groups networks software accounts incidents tickets disks databases certificates"
    sizes = dict.fromkeys(names.split(), 30)
    emulator = await start(sizes=sizes)
    lab = Lab(tmp_path / "läke mit ü")
    lab.folder.mkdir()
    config = lab.folder / "axsync.toml"
    config.write_text(CONFIG.format(url=emulator.url))
    keys = {"FAULT_KEY": emulator.api_key, "FAULT_SECRET": emulator.api_secret}
    code_text = (
        "import os,sys; os.umask(0o077); os.chdir(sys.argv[1]); from axsync.cli import main; "
        "main(['run', '--lake', 'lake', '--config', 'axsync.toml', '-q'])"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code_text, str(lab.folder)),
        env=keys | {"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    _, said = await process.communicate()

    assert process.returncode == 0, said.decode()
    for entity in sizes:
        assert lab.ids(entity) == sorted(emulator.fleets[entity].ids())


async def test_fault_10_one_down_one_dying_one_living(lab: Lab, start: Start) -> None:
    """The living one is published, exit code 3; the dying one goes on later, into the same logical date."""
    living = await start(sizes={"devices": 60, "users": 30}, seed=3)
    dying = await start(sizes={"devices": 400, "users": 30}, mishaps=[Mishap("reset", after=25)])
    instances = [
        lab.instance(living, "living"),
        lab.instance(dying, "dying", tries=2),
        lab.instance(living, "down", url="http://127.0.0.1:9", tries=1),
    ]
    settings = lab.settings(*instances, types={"default": NARROW}, entities=("devices", "users"))
    first = await lab.run(settings)

    assert code(first) == 3
    assert {lane: verdict for lane, verdict in first.verdicts().items() if lane.startswith("living")} == {
        "living/devices": "complete",
        "living/users": "complete",
    }
    assert first.verdicts()["dying/devices"] == first.verdicts()["down/devices"] == "failed"
    assert lab.ids("devices", "living") == sorted(living.fleets["devices"].ids())

    day = lab.manifest()["logical_date"]
    dying.mishaps.clear()
    second = await lab.run(settings)

    assert (second.report.run_id, lab.manifest()["logical_date"]) == (first.report.run_id, day)
    assert second.verdicts()["dying/devices"] == second.verdicts()["living/devices"] == "complete"
    assert lab.ids("devices", "dying") == sorted(dying.fleets["devices"].ids())
    assert all(f"dt={day}" in path for path in lab.published())


async def test_fault_10_a_name_that_nobody_knows_is_temporary(lab: Lab, start: Start) -> None:
    """Name resolution may be back in an hour: exit code 75, nothing written."""
    emulator = await start()
    with pytest.raises(axsync.errors.Unreachable, match=r"acme\.invalid"):
        await lab.run(
            lab.settings(lab.instance(emulator, url="https://acme.invalid", tries=1), types={"default": NARROW})
        )

    assert not lab.lake.exists()
