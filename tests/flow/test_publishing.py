"""What a reader of the lake sees while runs begin, end, fail and are broken off."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256

import pyarrow.parquet as pq
import pytest

import axsync
from axsync.emulator import Emulator, Mishap
from axsync.errors import GuardRefused
from axsync.events import Event, LaneClosed, Notice, PageRead, PartSealed, SnapshotPublished
from axsync.settings import Settings
from tests.flow.harness import Lab, at_once

Start = Callable[..., Awaitable[Emulator]]
DAY = "2026-11-20"


async def broken_off(settings: Settings, when: Callable[[Event], bool]) -> None:
    """A run that is cancelled at the first event of this sort."""

    def observe(event: Event) -> None:
        if when(event):
            task.cancel()

    task = asyncio.ensure_future(axsync.sync(settings, observers=[observe], jitter=at_once))
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


def visible(lab: Lab) -> dict[str, bytes]:
    """What readers of the lake look at: partitions, manifests, the pointer."""
    seen = ("entity=", "_axsync/latest.json", "_axsync/snapshots/")
    return {path: content for path, content in lab.everything().items() if path.startswith(seen)}


@pytest.mark.parametrize("event", [PageRead, PartSealed, LaneClosed])
@pytest.mark.parametrize("paging", ["offset", "token"])
async def test_a_run_that_is_broken_off_changes_nothing(
    lab: Lab, start: Start, event: type[Event], paging: str
) -> None:
    """Whenever it ends, pointer, manifests and files are as they were before, and no other file can be found."""
    emulator = await start(latency_ms=5.0)
    settings = lab.settings(lab.instance(emulator, paging=paging), logical_date=DAY, fresh=True)
    await lab.run(settings)
    before = visible(lab)

    await broken_off(settings, lambda happened: isinstance(happened, event))

    assert visible(lab) == before


async def test_a_first_run_that_is_broken_off_leaves_no_partition(lab: Lab, start: Start) -> None:
    """There is no pointer and nothing that a glob would find."""
    emulator = await start(latency_ms=5.0)
    await broken_off(lab.settings(lab.instance(emulator)), lambda event: isinstance(event, PageRead))

    assert (lab.published(), (lab.lake / "_axsync" / "latest.json").exists()) == ([], False)


async def test_a_run_that_is_broken_off_leaves_no_task(lab: Lab, start: Start) -> None:
    """Nothing goes on behind the caller's back."""
    emulator = await start(latency_ms=5.0)
    await broken_off(lab.settings(lab.instance(emulator)), lambda event: isinstance(event, PageRead))
    asked = len(emulator.log)
    await asyncio.sleep(0.1)

    ours = [t for t in asyncio.all_tasks() if "axsync/emulator" not in repr(t) and "aiohttp" not in repr(t)]
    assert (ours, len(emulator.log)) == ([asyncio.current_task()], asked)


async def test_nothing_is_visible_before_the_end(lab: Lab, start: Start) -> None:
    """Until the snapshot is published no glob finds a file of the run; then all are there."""
    emulator = await start()
    seen: dict[type[Event], list[str]] = {}
    await lab.run(lab.settings(lab.instance(emulator)), lambda event: seen.update({type(event): lab.published()}))

    assert (seen[LaneClosed], seen[PartSealed]) == ([], [])
    assert seen[SnapshotPublished] == lab.published() != []


async def test_staging_is_gone_after_a_run(lab: Lab, start: Start) -> None:
    """Each Parquet file in the lake is one that the manifest names, or tells of its lanes."""
    emulator = await start()
    await lab.run(lab.settings(lab.instance(emulator)))

    named = [file["path"] for lane in lab.manifest()["lanes"] for file in lane["files"]]
    control = ["_axsync/latest.json", f"_axsync/snapshots/{lab.manifest()['run_id']}.json"]
    assert sorted(visible(lab)) == sorted(named + control)
    lanes = f"_axsync/lanes/{lab.manifest()['run_id']}.parquet"
    assert sorted(path for path in lab.everything() if path.endswith((".parquet", ".open"))) == sorted([*named, lanes])


async def test_the_manifest_tells_the_truth_about_its_files(lab: Lab, start: Start) -> None:
    """Rows, bytes and SHA-256 of each; hive paths."""
    emulator = await start()
    await lab.run(lab.settings(lab.instance(emulator), logical_date=DAY))

    for lane in lab.manifest()["lanes"]:
        for file in lane["files"]:
            content = (lab.lake / file["path"]).read_bytes()
            rows = pq.ParquetFile(lab.lake / file["path"]).metadata.num_rows
            assert file["path"].startswith(f"entity={lane['entity']}/instance=prod/dt={DAY}/part-")
            assert (file["rows"], file["bytes"], file["sha256"]) == (rows, len(content), sha256(content).hexdigest())
        assert sum(file["rows"] for file in lane["files"]) == lane["rows"] == len(emulator.fleets[lane["entity"]])


async def test_parts_are_rolled_near_the_asked_size(lab: Lab, start: Start) -> None:
    """Several files where one would be too large, all rows in them once."""
    emulator = await start(sizes={"devices": 1500})
    small = {"max_part_bytes": 64 << 10, "row_group_rows": 100}
    await lab.run(lab.settings(lab.instance(emulator, page_size=100), lake=small, writers=2))

    assert len(lab.lane("devices")["files"]) > 2
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


async def test_a_second_run_replaces_the_first(lab: Lab, start: Start) -> None:
    """The same logical date: the same rows, none twice, the old files gone."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator), fresh=True, logical_date=DAY)
    await lab.run(settings)
    first, rows = lab.published(), lab.ids("devices")
    await lab.run(settings)

    assert set(first).isdisjoint(lab.published())
    assert lab.ids("devices") == rows
    assert lab.published() == sorted(file["path"] for lane in lab.manifest()["lanes"] for file in lane["files"])


async def test_another_date_adds_a_partition(lab: Lab, start: Start) -> None:
    """The files of the day before stay as they were; the pointer names the newer run."""
    emulator = await start()
    await lab.run(lab.settings(lab.instance(emulator), logical_date="2026-11-19"))
    before = {path: content for path, content in lab.everything().items() if path.startswith("entity=")}
    await lab.run(lab.settings(lab.instance(emulator), logical_date=DAY))

    assert {path: content for path, content in lab.everything().items() if path in before} == before
    assert {path.split("/")[2] for path in lab.published()} == {"dt=2026-11-19", f"dt={DAY}"}
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.parametrize("status", ["503", "403"])
async def test_a_failing_type_keeps_its_earlier_files(lab: Lab, start: Start, status: str) -> None:
    """They stay in place and in the manifest, which names the run that they are from."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator, tries=2), fresh=True, logical_date=DAY)
    first = (await lab.run(settings)).report.run_id
    before = lab.ids("users")
    emulator.mishaps.append(Mishap(status, entity="users", on="page"))
    ran = await lab.run(settings)

    lane = lab.lane("users")
    assert (lane["from_run"], lane["verdict"]) == (first, "failed" if status == "503" else "skipped")
    assert lab.ids("users") == before
    assert lab.lane("devices")["files"][0]["path"].count(ran.report.run_id) == 1


async def test_a_type_that_fails_twice_still_has_its_earlier_files(lab: Lab, start: Start) -> None:
    """`from_run` is the run that wrote them, not the one that passed them on."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator, tries=1), fresh=True, logical_date=DAY)
    first = (await lab.run(settings)).report.run_id
    emulator.mishaps.append(Mishap("503", entity="users", on="page"))
    await lab.run(settings)
    await lab.run(settings)

    assert lab.lane("users")["from_run"] == first
    assert lab.ids("users") == sorted(emulator.fleets["users"].ids())


async def test_a_finished_run_is_not_repeated(lab: Lab, start: Start) -> None:
    """The same settings for the same date again: no request, no change, the same report, and how to have it anew."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator), logical_date=DAY)
    first = await lab.run(settings)
    before, asked = lab.everything(), len(emulator.log)
    again = await lab.run(settings)

    assert (again.report.run_id, again.verdicts()) == (first.report.run_id, first.verdicts())
    assert (lab.everything(), len(emulator.log)) == (before, asked)
    (told,) = again.of(Notice)
    assert told.text.endswith("is finished; nothing to do (--fresh reads it again)")


@pytest.mark.parametrize("event", [PageRead, PartSealed, LaneClosed])
async def test_a_run_that_was_broken_off_is_gone_on_with(lab: Lab, start: Start, event: type[Event]) -> None:
    """The result is that of a run that nobody disturbed."""
    emulator = await start(sizes={"devices": 300, "users": 100}, latency_ms=5.0)
    settings = lab.settings(lab.instance(emulator), logical_date=DAY)
    await broken_off(settings, lambda happened: isinstance(happened, event))
    ran = await lab.run(settings)

    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}
    assert lab.ids("devices") == sorted(emulator.fleets["devices"].ids())
    assert lab.published() == sorted(file["path"] for lane in lab.manifest()["lanes"] for file in lane["files"])


async def test_a_type_that_became_empty_loses_its_files(lab: Lab, start: Start) -> None:
    """Accepted as a drop, the partition holds nothing of the day's earlier run."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator), fresh=True, logical_date=DAY, accept_drop=True)
    await lab.run(settings)
    while len(emulator.fleets["users"]):
        emulator.fleets["users"].delete(0)
    await lab.run(settings)

    own = [file["path"] for file in lab.lane("users")["files"]]
    assert (lab.ids("users"), [path for path in lab.published() if "users" in path]) == ([], own)


async def test_a_fallen_type_is_not_published_unasked(lab: Lab, start: Start) -> None:
    """More than half gone: the earlier files stay, and an error says what happened."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator), fresh=True, logical_date=DAY)
    await lab.run(settings)
    before = lab.ids("users")
    for _ in range(30):
        emulator.fleets["users"].delete(0)
    ran = await lab.run(settings)

    assert [type(error) for error in ran.report.errors] == [GuardRefused]
    assert lab.ids("users") == before


async def test_a_run_where_every_type_fails_publishes_nothing(lab: Lab, start: Start) -> None:
    """The pointer still names the earlier snapshot, and its files are there."""
    emulator = await start()
    settings = lab.settings(lab.instance(emulator, tries=1), fresh=True, logical_date=DAY)
    await lab.run(settings)
    before = visible(lab)
    emulator.mishaps.append(Mishap("503", on="page"))
    ran = await lab.run(settings)

    assert (ran.report.manifest, ran.report.verdict) == (None, "failed")
    assert visible(lab) == before


async def test_a_dry_run_writes_nothing(lab: Lab, start: Start) -> None:
    """Counts only; not even the folder of the lake is made."""
    emulator = await start()
    ran = await lab.run(lab.settings(lab.instance(emulator), dry_run=True))

    assert (ran.outcome("devices").count_before, lab.lake.exists()) == (90, False)
