"""Many instances in one run: each by itself, and no more of them at once than this machine can hold."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module

import pytest

from axsync.client import probing
from axsync.emulator import Emulator, Mishap
from axsync.engine.lane_walk import Budget
from axsync.events import Event, LaneClosed, LanesAdded, PageRead
from axsync.runs import instances
from tests.flow.conftest import Start
from tests.flow.harness import Lab

SIZES = {"devices": 30, "users": 5}


@asynccontextmanager
async def held_back(emulator: Emulator, until: asyncio.Event) -> AsyncIterator[str]:
    """An address that accepts connections to an emulator, and passes nothing on until then."""
    port = int(emulator.url.rpartition(":")[2])

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until.wait()
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
    writer.close()


def when_closed(names: set[str], then: Callable[[], None]) -> Callable[[Event], None]:
    """An observer that waits for the last lane of these instances."""
    left = {(name, entity) for name in names for entity in SIZES}

    def observe(event: Event) -> None:
        if isinstance(event, LaneClosed):
            left.discard((event.outcome.lane.instance, event.outcome.lane.entity))
            if not left:
                then()

    return observe


async def test_an_instance_that_answers_late_joins_the_run(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers only when the others are read whole, which they could not be if they waited for it."""
    monkeypatch.setattr(instances, "OTHERS_SECONDS", 0.05)
    emulators = {name: await start(sizes=SIZES, seed=seed) for seed, name in enumerate(("late", "one", "two"))}
    others_read = asyncio.Event()
    async with held_back(emulators["late"], others_read) as url:
        chosen = [lab.instance(emulator, name) for name, emulator in emulators.items()]
        chosen[0] = replace(chosen[0], url=url)
        ran = await lab.run(lab.settings(*chosen), when_closed({"one", "two"}, others_read.set))

    assert ran.report.verdict == "complete"
    assert "late" in [event.lanes[0].instance for event in ran.of(LanesAdded)]
    assert lab.ids("devices", "late") == sorted(emulators["late"].fleets["devices"].ids())


async def test_an_instance_that_hangs_or_refuses_costs_itself(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe has its own time and tries; the others are published, and the exit code is that of a partial run."""
    monkeypatch.setattr(instances, "OTHERS_SECONDS", 0.05)
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.5)
    good = await start(sizes=SIZES)
    hanging = lab.instance(await start(mishaps=[Mishap("hang")]), "hanging")
    refusing = lab.instance(good, "refusing", url="http://127.0.0.1:9")
    ran = await lab.run(lab.settings(hanging, refusing, lab.instance(good, "good"), entities=("devices",)))

    assert ran.verdicts() == {"hanging/devices": "failed", "refusing/devices": "failed", "good/devices": "complete"}
    assert ran.report.manifest is not None


async def test_an_instance_that_refuses_while_it_joins_costs_itself(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entity types cannot be counted; what the others have is published."""
    monkeypatch.setattr(instances, "OTHERS_SECONDS", 0.05)
    late = await start("v1", SIZES, mishaps=[Mishap("401", on="count")])
    good = await start(sizes=SIZES, seed=3)
    others_read = asyncio.Event()
    async with held_back(late, others_read) as url:
        joins = lab.instance(late, "late", url=url)
        watch = when_closed({"good"}, others_read.set)
        ran = await lab.run(lab.settings(joins, lab.instance(good, "good")), watch)

    assert {lane: verdict for lane, verdict in ran.verdicts().items() if "good" in lane} == {
        "good/devices": "complete",
        "good/users": "complete",
    }
    assert [type(error).__name__ for error in ran.report.errors] == ["Refused"]
    assert ran.report.manifest is not None


async def test_what_is_late_is_left_to_the_next_run(lab: Lab, start: Start) -> None:
    """The snapshot waits so long for the last instance after the others; the next run goes on where that one was."""
    slow, quick = await start(sizes={"devices": 60}, latency_ms=250.0), await start(sizes={"devices": 30}, seed=3)
    chosen = [lab.instance(slow, "slow", in_flight=1, page_size=5), lab.instance(quick, "quick")]
    first = await lab.run(lab.settings(*chosen, publish_wait_minutes=0.02))
    second = await lab.run(lab.settings(*chosen))

    assert first.verdicts() == {"slow/devices": "failed", "quick/devices": "complete"}
    assert "minutes after the others" in str(first.outcome("devices", "slow").reason)
    assert first.report.manifest is not None
    assert second.report.run_id == first.report.run_id
    assert second.verdicts() == {"slow/devices": "complete", "quick/devices": "complete"}


async def test_an_instance_that_does_not_answer_is_not_waited_for(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its probe would take a minute."""
    monkeypatch.setattr(instances, "OTHERS_SECONDS", 0.05)
    hanging, good = await start(mishaps=[Mishap("hang")]), await start(sizes=SIZES)
    chosen = [lab.instance(hanging, "hanging"), lab.instance(good, "good")]
    ran = await asyncio.wait_for(
        lab.run(lab.settings(*chosen, entities=("devices",), publish_wait_minutes=0.005)), timeout=50
    )

    assert ran.verdicts() == {"hanging/devices": "failed", "good/devices": "complete"}


async def test_pages_of_all_instances_share_one_budget(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many instances answer at the same moment, their pages are read one after the other as memory allows."""
    held: list[int] = []

    class Watched(Budget):
        def _fits(self, size: int) -> bool:
            held.append(self._used)
            return super()._fits(size)

    monkeypatch.setattr(import_module("axsync.runs.run"), "Budget", Watched)
    emulators = [await start(sizes={"devices": 60}, seed=seed, latency_ms=50.0) for seed in range(4)]
    chosen = [lab.instance(emulator, f"t{n}", page_bytes=64 << 10) for n, emulator in enumerate(emulators)]
    ran = await lab.run(lab.settings(*chosen, lake={"buffer_bytes": 256 << 10}, entities=("devices",)))

    pages = [event.size for event in ran.of(PageRead)]
    assert ran.report.verdict == "complete"
    assert sum(sorted(pages)[-16:]) > 2 * (128 << 10)  # otherwise nothing would have to wait
    assert max(held) <= 128 << 10


async def test_more_instances_than_connections(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where few files may be open, instances are read one after the other, and all are whole."""
    monkeypatch.setattr(instances, "connected_at_once", lambda _: 1)
    emulators = {name: await start(sizes=SIZES, seed=seed) for seed, name in enumerate(("one", "two", "three"))}
    ran = await lab.run(lab.settings(*(lab.instance(emulator, name) for name, emulator in emulators.items())))

    assert ran.report.verdict == "complete"
    spans = [(e.log[-len(SIZES)].started, e.log[-1].finished) for e in emulators.values()]
    assert all(one[1] <= other[0] or other[1] <= one[0] for one in spans for other in spans if one != other)


@pytest.mark.parametrize(("files", "in_flight", "most"), [(256, 4, 25), (1024, 8, 78), (64, 4, 1)])
def test_connections_follow_from_open_files(
    files: int, in_flight: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter is for parts, some for libraries; at least one instance can be asked."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))

    assert instances.connected_at_once(in_flight) == most


def test_a_run_may_open_as_many_files_as_it_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soft limit goes up to the hard one, and what the system refuses all the same is no error."""
    asked: list[tuple[int, int]] = []

    def refuse(_: int, limits: tuple[int, int]) -> None:
        asked.append(limits)
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    for limits in ((256, 4096), (256, resource.RLIM_INFINITY), (4096, 4096)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limits=limits: limits)
        instances.raise_file_limit()

    assert asked == [(4096, 4096), (instances.MOST_FILES, resource.RLIM_INFINITY)]
