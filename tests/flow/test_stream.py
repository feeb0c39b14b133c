"""One entity type as record batches, without a lake."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pyarrow as pa
import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.errors import ConfigError, LaneError, NotOffered, ServerError
from axsync.lake.publish import open_lake
from axsync.lake.schemas import put_registries
from axsync.runs.inspect import fields
from axsync.schema.kinds import Atom, Many
from axsync.schema.registry import Registered, Registry
from axsync.settings import EntitySettings, Settings
from tests.flow.harness import ONE_WALK_EACH, Lab

Start = Callable[..., Awaitable[Emulator]]
OWN = {"axsync_run_id", "axsync_fetched_at"}


async def streamed(settings: Settings, entity: str = "devices", **more: Any) -> pa.Table:
    async with aclosing(axsync.stream(settings, entity, **more)) as batches:
        return pa.Table.from_batches([batch async for batch in batches])


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by id, without what tells one reading from another."""
    kept = [{name: value for name, value in row.items() if name not in OWN} for row in rows]
    return sorted(kept, key=lambda row: str(row["internal_axon_id"]))


@pytest.mark.parametrize(("profile", "paging"), ONE_WALK_EACH)
async def test_a_stream_has_the_rows_of_the_lake(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """The same columns, the same values, drift and all."""
    emulator = await start(profile, {"devices": 150}, drift_percent=10.0)
    settings = lab.settings(lab.instance(emulator, paging=paging, page_size=40))
    await lab.run(settings)

    assert plain((await streamed(settings)).to_pylist()) == plain(lab.rows("devices"))


async def test_names_and_types_are_those_of_the_lake(lab: Lab, start: Start) -> None:
    """Of a stream and of the list of fields: another instance may have brought other names first."""
    settings = lab.settings(lab.instance(await start(sizes={"devices": 5})))
    opened, field = open_lake(settings.lake), "specific_data.data.last_seen"
    assert opened is not None
    put_registries(opened.store, {"devices": Registry((Registered("seen", field, Many(Atom("timestamp")), "r"),))})

    table = await streamed(settings)
    listed = {row.field: (row.column, row.type) for row in await fields(settings, "devices")}

    assert table.schema.field("seen").type == pa.list_(pa.timestamp("us", tz="UTC"))
    assert "last_seen" not in table.column_names
    assert listed[field] == ("seen", "list<timestamp[us, tz=UTC]>")


async def test_a_stream_takes_the_same_settings(lab: Lab, start: Start) -> None:
    """Query, fields and limit of the type."""
    emulator = await start()
    types = {"devices": EntitySettings(query='("labels" == "tier1")', fields=("hostname",))}
    table = await streamed(lab.settings(lab.instance(emulator), types=types, limit=3))

    assert table.num_rows == 3
    assert {"internal_axon_id", "hostname"} <= set(table.column_names)
    assert "os_type" not in table.column_names


async def test_an_empty_type_is_one_batch_without_rows(lab: Lab, start: Start) -> None:
    """It has the columns that its rows would have."""
    empty, full = await start(sizes={"devices": 0}), await start(sizes={"devices": 5})
    async with aclosing(axsync.stream(lab.settings(lab.instance(empty)), "devices")) as batches:
        (batch,) = [batch async for batch in batches]

    assert batch.num_rows == 0
    assert {"internal_axon_id", "adapters", *OWN} <= set(batch.schema.names)
    assert (await streamed(lab.settings(lab.instance(full)), "devices")).num_rows == 5


async def left_early(settings: Settings) -> None:
    async with aclosing(axsync.stream(settings, "devices")) as batches:
        async for _ in batches:
            break


@pytest.mark.parametrize("paging", ["offset", "token"])
async def test_leaving_a_stream_early_ends_everything(lab: Lab, start: Start, paging: str) -> None:
    """No task, no writer thread, no further request is left behind."""
    emulator = await start(sizes={"devices": 1000}, latency_ms=2.0)
    await left_early(lab.settings(lab.instance(emulator, paging=paging)))
    asked = len(emulator.log)
    await asyncio.sleep(0.1)

    ours = [t for t in asyncio.all_tasks() if "axsync/emulator" not in repr(t) and "aiohttp" not in repr(t)]
    assert (ours, len(emulator.log)) == ([asyncio.current_task()], asked)
    assert not any(thread.name.startswith("axsync-writer") for thread in threading.enumerate())


async def test_a_slow_reader_holds_the_server_back(lab: Lab, start: Start) -> None:
    """Pages wait for the reader, not in memory: few more than what was taken are asked for."""
    emulator = await start(sizes={"devices": 2000})
    settings = lab.settings(lab.instance(emulator, page_size=50, in_flight=2), lake={"buffer_bytes": 1 << 20})
    async with aclosing(axsync.stream(settings, "devices")) as batches:
        async for _ in batches:
            await asyncio.sleep(0.3)
            break
        asked = sum(seen.path.endswith("/devices") for seen in emulator.log)

    assert asked < 20


async def test_a_stream_that_fails_raises(lab: Lab, start: Start) -> None:
    """After the tries, what was wrong with the server."""
    emulator = await start(mishaps=[Mishap("503", page=3)])
    with pytest.raises(ServerError, match="503"):
        await streamed(lab.settings(lab.instance(emulator, tries=1)))


async def test_a_stream_of_a_type_that_is_not_there_raises(lab: Lab, start: Start) -> None:
    """404 is no empty stream."""
    emulator = await start()
    with pytest.raises(NotOffered):
        await streamed(lab.settings(lab.instance(emulator)), "firewalls")


async def test_a_record_that_cannot_be_read_raises(lab: Lab, start: Start) -> None:
    """A stream has no dead letters, and nothing may be lost."""
    emulator = await start(mishaps=[Mishap("not-object", page=2)])
    with pytest.raises(LaneError, match="cannot be read"):
        await streamed(lab.settings(lab.instance(emulator)))


async def test_one_of_several_instances_must_be_named(lab: Lab, start: Start) -> None:
    """It is not guessed, and no request is sent."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator, "one"), lab.instance(emulator, "two"))
    with pytest.raises(ConfigError, match="one, two"):
        await streamed(settings)

    assert emulator.log == []
    assert (await streamed(settings, instance="two")).num_rows == 90


async def test_only_the_chosen_instance_is_asked(lab: Lab, start: Start) -> None:
    """The others may be many."""
    chosen, other = await start(sizes={"devices": 5}), await start()
    settings = lab.settings(lab.instance(chosen, "one"), lab.instance(other, "two"))

    assert (await streamed(settings, instance="one")).num_rows == 5
    assert other.log == []


async def test_streams_of_one_process_share_the_pace_of_their_host(lab: Lab, start: Start) -> None:
    """Five at once, some in threads of their own, send what one of them may send.

    On a busy machine requests arrive later than they left, so that a window may have a few more; without a shared pace
    it has all of them. `tests/unit/pacing` has the exact rule.
    """
    emulator = await start(sizes={"devices": 4})
    settings = lab.settings(lab.instance(emulator, requests_per_second=20.0))
    streams = [streamed(settings) for _ in range(3)]
    readers = [asyncio.to_thread(lambda: axsync.reader(settings, "devices").read_all()) for _ in range(2)]
    tables = await asyncio.gather(*streams, *readers)

    assert [table.num_rows for table in tables] == [4] * 5
    assert emulator.peak_in_window(1.0) <= 26 < len(emulator.log)
