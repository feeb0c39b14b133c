"""What a run that goes on makes of what it finds: parts that are gone, costs of before, pages without rows."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.events import Event, Notice, PartSealed
from axsync.lake.publish import RunFacts
from axsync.model import iso
from axsync.runs.resume import plan_of
from axsync.runs.state import record
from axsync.settings import EntitySettings, Settings
from tests.flow.harness import Lab, pages
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}
SMALL = {"max_part_bytes": 4096, "row_group_rows": 20}
"""A part for every page or two."""


async def broken_off(settings: Settings, sealed: int) -> None:
    """A run that is cancelled when so many parts are sealed."""
    task, seen = asyncio.current_task(), list[Event]()

    def observe(event: Event) -> None:
        seen.append(event)
        if sum(isinstance(one, PartSealed) for one in seen) == sealed and task is not None:
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await axsync.sync(settings, observers=[observe])
    if task is not None:
        task.uncancel()


def remove(part: Path) -> None:
    part.unlink()


def cut(part: Path) -> None:
    os.truncate(part, part.stat().st_size - 10)


def flip(part: Path) -> None:
    """A bit in the middle: of the rows."""
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)


def flip_footer(part: Path) -> None:
    """A bit that makes it no Parquet file."""
    content = bytearray(part.read_bytes())
    content[-6] ^= 1
    part.write_bytes(content)


@pytest.mark.fault(4, 51)
@pytest.mark.parametrize("damage", [remove, cut, flip, flip_footer])
async def test_a_staged_part_that_is_gone_is_read_again(lab: Lab, start: Start, damage: Callable[[Path], None]) -> None:
    """Its pages are asked again, the others are not, and the run says so."""
    emulator = await start(sizes={"devices": 400})
    settings = lab.settings(lab.instance(emulator, in_flight=2), types=FEW, lake=SMALL)
    await broken_off(settings, sealed=5)
    staged = sorted(lab.lake.glob("_axsync/runs/*/staging/**/*.parquet"))
    damage(staged[0])
    before = len(pages(emulator.log))
    ran = await lab.run(settings)

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert [e.text for e in ran.of(Notice) if "gone or damaged" in e.text] == [
        "1 files of this run are gone or damaged; their rows are read again"
    ]
    assert len(pages(emulator.log)) - before < 20 - len(staged) + 4


@pytest.mark.fault(51)
@pytest.mark.parametrize("damage", [remove, cut, flip, flip_footer])
async def test_a_finished_type_whose_part_is_gone_is_read_again(
    lab: Lab, start: Start, damage: Callable[[Path], None]
) -> None:
    """Between its end and the publication."""
    emulator = await start(sizes={"devices": 60, "users": 60}, mishaps=(Mishap("503", entity="users", on="page"),))
    settings = lab.settings(lab.instance(emulator, tries=1), types=FEW, publish="all-or-nothing")
    await lab.run(settings)
    for part in lab.lake.glob("_axsync/runs/*/staging/entity=devices/**/*.parquet"):
        damage(part)
    emulator.mishaps.clear()
    ran = await lab.run(settings)

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.fault(51)
@pytest.mark.parametrize("damage", [remove, cut])
async def test_a_published_type_that_lost_a_part_is_read_again_whole(
    lab: Lab, start: Start, damage: Callable[[Path], None]
) -> None:
    """Another type failed, so that the run is resumed; no file of the snapshot changes under its readers."""
    emulator = await start(sizes={"devices": 400, "users": 60}, mishaps=(Mishap("503", entity="users", on="page"),))
    settings = lab.settings(lab.instance(emulator, tries=1), types=FEW, lake=SMALL)
    await lab.run(settings)
    before = {path: content for path, content in lab.everything().items() if path.startswith("entity=")}
    assert len(before) > 2
    damage(lab.lake / min(before))
    emulator.mishaps.clear()
    ran = await lab.run(settings)

    assert ran.report.verdict == "complete"
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert not set(before) & set(lab.published())


@pytest.mark.fault(52)
async def test_what_another_run_has_published_since_is_read_again(lab: Lab, start: Start) -> None:
    """An older run that is resumed brings no row back that the newer one had no more; the rest is not repeated."""
    emulator = await start(
        sizes={"devices": 60, "users": 60, "software": 60}, mishaps=(Mishap("503", entity="users", on="page"),)
    )
    settings = lab.settings(lab.instance(emulator, tries=1), types=FEW, publish="all-or-nothing")
    await lab.run(settings)
    emulator.fleets["devices"].delete(0)
    newer = await lab.run(lab.settings(lab.instance(emulator), types=FEW, entities=("devices",)))
    read = len(pages(emulator.log, "devices")), len(pages(emulator.log, "software"))
    ran = await lab.run(settings)
    assert len(pages(emulator.log, "devices")) > read[0]
    read = len(pages(emulator.log, "devices")), read[1]
    again = await lab.run(settings)
    emulator.mishaps.clear()
    last = await lab.run(settings)

    told = f"run {newer.report.run_id} has published prod/devices since; it is read again"
    assert [e.text for one in (ran, again, last) for e in one.of(Notice) if "since" in e.text] == [told]
    assert (len(pages(emulator.log, "devices")), len(pages(emulator.log, "software"))) == read
    assert last.report.verdict == "complete"
    for entity in ("devices", "users", "software"):
        assert lab.ids(entity) == sorted(emulator.fleets[entity].ids())


@pytest.mark.fault(8)
async def test_a_run_of_yesterday_leaves_today_due(lab: Lab, start: Start) -> None:
    """Killed in the evening: it is resumed and published for its day, and the same call then reads today."""
    emulator = await start(sizes={"devices": 30})
    settings = lab.settings(lab.instance(emulator), types=FEW)
    now = datetime.now(UTC)
    yesterday, today = ((now - timedelta(days=days)).date().isoformat() for days in (1, 0))
    begun = iso(now - timedelta(hours=2))
    facts = RunFacts(f"{now - timedelta(hours=2):%Y%m%dT%H%M%SZ}-aaaa", yesterday, None, begun, "0.1.0")
    journal = FolderLake(lab.lake).journal(facts.run_id).begin()
    journal.append(record("run_opened", facts=facts, plan=plan_of(settings), dated=False))
    reports = [(await lab.run(settings)).report for _ in range(3)]

    assert [(one.logical_date, one.still_due) for one in reports] == [(yesterday, today), (today, None), (today, None)]
    assert [one.run_id == facts.run_id for one in reports] == [True, False, False]
    assert reports[1].run_id == reports[2].run_id
    assert {path.split("/")[2] for path in lab.published()} == {f"dt={yesterday}", f"dt={today}"}


async def test_what_was_spent_before_counts(lab: Lab, start: Start) -> None:
    """Pages, requests and seconds are those of all processes that worked on it."""
    emulator = await start(sizes={"devices": 400}, latency_ms=10.0)
    settings = lab.settings(lab.instance(emulator, in_flight=2), types=FEW, lake=SMALL)
    await broken_off(settings, sealed=5)
    first = len(pages(emulator.log))
    await lab.run(settings)

    lane, asked = lab.lane("devices"), len(pages(emulator.log))
    assert asked - 6 <= lane["pages"] <= asked  # pages under way when it was broken off are not known
    assert lane["requests"] > asked - first
    assert lane["bytes"] > 0


async def test_an_empty_first_page_does_not_settle_the_columns(lab: Lab, start: Start) -> None:
    """Clean data stays in its columns: nothing is rescued."""
    mishap = Mishap("empty-page", on="page", page=1, after=1, times=1)
    emulator = await start(sizes={"devices": 90}, mishaps=(mishap,))
    ran = await lab.run(lab.settings(lab.instance(emulator, in_flight=1)))

    assert mishap.fired == 1
    assert ran.outcome("devices").rescued_values == 0
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_a_type_without_rows_has_columns(lab: Lab, start: Start) -> None:
    """They come from the catalogue alone."""
    emulator = await start(sizes={"devices": 0, "users": 5})
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    lane = lab.lane("devices")
    assert ran.report.verdict == "complete"
    assert len(lane["columns"]) > 10
    assert [file["rows"] for file in lane["files"]] == [0]
    with pq.ParquetFile(lab.lake / lane["files"][0]["path"]) as file:
        assert {*lane["columns"], "axsync_run_id"} <= set(file.schema_arrow.names)
