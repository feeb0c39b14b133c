"""Without an event loop of one's own: a run, and one entity type as a reader that Arrow knows."""

import asyncio
import errno
import gc
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pyarrow as pa
import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.errors import ConfigError, Unreachable, UsageError
from axsync.settings import Settings
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith(("axsync-reader", "axsync-writer"))]


async def read(settings: Settings) -> pa.Table:
    return await asyncio.to_thread(lambda: axsync.reader(settings, "devices").read_all())


async def test_a_run_without_a_loop(lab: Lab, start: Start) -> None:
    """The report of `sync`; where a loop runs already, a sentence."""
    settings = lab.settings(lab.instance(await start(sizes={"devices": 5})), entities=("devices",))

    assert (await asyncio.to_thread(axsync.run, settings)).verdict == "complete"
    with pytest.raises(UsageError, match="await axsync"):
        axsync.run(settings)


async def test_a_reader_has_the_rows_of_a_stream(lab: Lab, start: Start) -> None:
    """And leaves no thread behind."""
    table = await read(lab.settings(lab.instance(await start(sizes={"devices": 90}), page_size=20)))

    assert (table.num_rows, threads()) == (90, [])


async def test_a_reader_of_an_empty_type_has_a_schema(lab: Lab, start: Start) -> None:
    """Before and after it is read."""
    settings = lab.settings(lab.instance(await start(sizes={"devices": 0})))
    reader = await asyncio.to_thread(axsync.reader, settings, "devices")

    assert "internal_axon_id" in reader.schema.names
    assert (reader.read_all().num_rows, threads()) == (0, [])


@pytest.mark.parametrize("leave", ["close", "drop"])
async def test_leaving_a_reader_early_ends_its_thread(lab: Lab, start: Start, leave: str) -> None:
    """Closed, or dropped: no further request is sent."""
    emulator = await start(sizes={"devices": 500})

    def some() -> None:
        reader = axsync.reader(lab.settings(lab.instance(emulator, page_size=5)), "devices")
        reader.read_next_batch()
        if leave == "close":
            reader.close()
            assert threads() == []
        del reader
        gc.collect()
        assert threads() == []

    await asyncio.to_thread(some)
    assert len(emulator.log) < 500 // 5


async def test_two_readers_of_one_host_do_not_wait_for_each_other(lab: Lab, start: Start) -> None:
    """One is not read at all while the other is read to its end."""
    settings = lab.settings(lab.instance(await start(sizes={"devices": 300}), page_size=5, in_flight=2))
    settings = replace(settings, lake=replace(settings.lake, buffer_bytes=1 << 20))

    def both() -> tuple[int, int]:
        waiting, first = (axsync.reader(settings, "devices") for _ in range(2))
        return first.read_all().num_rows, waiting.read_all().num_rows

    assert await asyncio.wait_for(asyncio.to_thread(both), 60) == (300, 300)


async def test_errors_of_a_reader_reach_its_caller(lab: Lab, start: Start) -> None:
    """What stops the first page as it is, what comes later in Arrow's words; no thread is left."""
    down = await start(mishaps=[Mishap("503")])
    with pytest.raises(Unreachable):
        await read(lab.settings(lab.instance(down, tries=1)))
    with pytest.raises(ConfigError):
        axsync.reader(lab.settings(lab.instance(down, "a"), lab.instance(down, "b")), "devices")
    later = await start(sizes={"devices": 400}, mishaps=[Mishap("503", page=15)])
    with pytest.raises(pa.ArrowInvalid, match="503"):
        await read(lab.settings(lab.instance(later, tries=1, in_flight=1)))
    assert threads() == []


async def test_a_reader_that_can_have_no_loop_says_why(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop needs files, of which none may be left."""
    settings = lab.settings(lab.instance(await start(sizes={"devices": 5})))

    def none_left() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio.events, "new_event_loop", none_left)
    with pytest.raises(OSError, match="Too many open files"):
        await read(settings)
    assert threads() == []
