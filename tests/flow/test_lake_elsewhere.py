"""Every command over a lake that has the address of an object store, in one process: the bucket is in memory."""

import json
import threading
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import obstore
import pytest
from click.testing import CliRunner
from obstore.store import MemoryStore

import axsync
from axsync.cli import main
from axsync.console.check import check_exit_code
from axsync.emulator import Emulator
from axsync.errors import LakeError, StorageError
from axsync.lake import buckets, layout
from axsync.lake.history import find_run
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake, open_lake
from axsync.runs.check import THE_LAKE, check
from axsync.runs.gc import sweep
from axsync.runs.plan import plan
from axsync.settings import BY_COPY, BY_MANIFEST, LakeSettings, Visible
from tests.flow.conftest import Start
from tests.flow.harness import Lab, at_once

LAKE = "gs://bucket/axonius/lake"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Whatever store an address names: a bucket of this process."""
    made = MemoryStore()
    monkeypatch.setattr(buckets, "bucket_of", lambda *_told: made)
    return made


def said(*arguments: str) -> str:
    """What a command prints about the lake."""
    result = CliRunner().invoke(main, [*arguments, "--lake", LAKE])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("visible", [BY_COPY, BY_MANIFEST])
async def test_every_command_reads_a_lake_in_a_bucket(
    lab: Lab, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: Visible
) -> None:
    """What one says of the lake is what was served; no folder is made."""
    monkeypatch.chdir(tmp_path)
    await run(lab, await start(sizes={"devices": 40, "users": 20}), "2026-11-01", visible=visible)
    report = await run(lab, await start(sizes={"devices": 40, "users": 21}), "2026-11-02", visible=visible)

    assert [run["verdict"] for run in json.loads(said("runs", "--output", "json"))] == ["complete", "complete"]
    assert f"{LAKE}/_axsync/snapshots/{report.run_id}.json" in said("show")
    assert "everything matches the manifest" in said("verify")
    reads_in_sql(visible)
    assert json.loads(said("diff", "latest~1", "latest", "--output", "json"))["lanes"][1]["added"] == 1
    name = axsync.open(LAKE).table("users", at="2026-11-01").to_arrow(["internal_axon_id"])[0][0].as_py()
    assert "on 2 of 2 days" in said("history", "users", name)
    assert said("report") == f"{LAKE}/_axsync/runs/{report.run_id}/report.html\n"
    assert said("report", "--all") == f"{LAKE}/_axsync/index.html\n"
    assert "hostname" in said("schema", "show", "devices")
    assert len(axsync.load_manifest(LakeSettings(uri=LAKE), "2026-11-01")["lanes"]) == 2

    said("forget", "2026-11-01", "--yes")
    said("gc", "--yes")
    assert axsync.open(LAKE).table("users", history=True).to_arrow(["dt"]).num_rows == 21
    assert names_here() == ["prod.key", "prod.secret"]


def names_here() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


async def run(lab: Lab, emulator: Emulator, day: str, **more: Any) -> axsync.Report:
    settings = lab.settings(lab.instance(emulator), lake={"uri": LAKE, "index": True, **more}, logical_date=day)
    report = await axsync.sync(settings, jitter=at_once)
    assert (report.verdict, report.lake) == ("complete", LAKE)
    return report


def reads_in_sql(visible: Visible) -> None:
    """Tables, rows of all days, views, and what is printed for engines elsewhere."""
    asked = "select (select count(*) from users) as now, (select count(*) from users_history) as ever"
    assert json.loads(said("sql", "--output", "json", asked)) == [{"now": 21, "ever": 41}]
    assert said("sql", "--output", "csv", "select count(*) from devices_flat").splitlines()[-1] == "40"
    assert len(json.loads(said("head", "users", "-n", "2", "--output", "json"))) == 2
    for statements in (said("ddl", "duckdb", "users"), said("views", "duckdb")):
        if visible == BY_COPY:
            assert f"'{LAKE}/entity=users/*/*/*.parquet'" in statements
        else:
            for day in ("2026-11-01", "2026-11-02"):  # a slow machine may seal a part early, so each may have several
                assert f"'{LAKE}/entity=users/instance=prod/dt={day}" in statements


async def test_by_manifest_alone_a_part_is_uploaded_once_and_stays(
    lab: Lab, start: Start, bucket: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is copied; a second run of the day leaves the first one's files to gc, and both can be read."""
    monkeypatch.setattr(obstore, "copy", None)
    emulator = await start(sizes={"users": 20})
    settings = lab.settings(lab.instance(emulator), lake={"uri": LAKE, "visible": BY_MANIFEST})
    first = await axsync.sync(settings, jitter=at_once)
    uploaded = {one["path"] for one in chain(*obstore.list(bucket)) if "/entity=" in one["path"]}
    again = await axsync.sync(replace(settings, run=replace(settings.run, fresh=True)), jitter=at_once)

    assert uploaded == {f"axonius/lake/{part.path}" for one in first.outcomes for part in one.parts}
    for report in (first, again):
        assert "everything matches the manifest" in said("verify", report.run_id)
    assert find_run(open_lake(settings.lake), first.logical_date).snapshot.run_id == again.run_id
    assert "users_history" in said("views", "duckdb")
    refused = CliRunner().invoke(main, ["ddl", "athena", "--lake", LAKE])
    assert (refused.exit_code, "athena reads whole folders" in refused.stderr) == (2, True)

    keeps_one = LakeSettings(uri=LAKE, keep_last=1, keep_days=0)
    swept = sweep(open_lake(keeps_one), keeps_one, datetime.now(UTC))
    assert {one.path for one in swept.leftovers if one.kind == "part"} == {
        part.path for outcome in first.outcomes for part in outcome.parts
    }
    assert "everything matches the manifest" in said("verify")


@pytest.mark.usefixtures("bucket")
async def test_the_way_in_which_parts_become_visible_may_change(lab: Lab, start: Start) -> None:
    """From one run to the next, also of one day; a run that was begun goes on as it began."""
    emulator, reports = await start(sizes={"users": 30}), list[axsync.Report]()
    for visible in (BY_COPY, BY_MANIFEST, BY_COPY):
        settings = lab.settings(lab.instance(emulator), lake={"uri": LAKE, "visible": visible}, fresh=True)
        reports.append(await axsync.sync(settings, jitter=at_once))
        assert "everything matches the manifest" in said("verify")
    parts = {one.key for one in open_lake(LakeSettings(uri=LAKE)).store.list(layout.ALL_PARTS)}
    assert parts == {part.path for outcome in reports[-1].outcomes for part in outcome.parts}


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(("began", "now"), [(BY_COPY, BY_MANIFEST), (BY_MANIFEST, BY_COPY)])
async def test_a_run_goes_on_as_it_began(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, began: Visible, now: Visible
) -> None:
    """What it has read is where its first process has put it, whatever the settings say now."""
    instance = lab.instance(await start(sizes={"users": 30}))

    def fail(_lake: Lake, *_told: object, **_more: object) -> str:
        raise StorageError("cannot publish the snapshot")

    first = lab.settings(instance, lake={"uri": LAKE, "visible": began})
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "publish", fail)
        with pytest.raises(StorageError):
            await axsync.sync(first, jitter=at_once)
    report = await axsync.sync(lab.settings(instance, lake={"uri": LAKE, "visible": now}), jitter=at_once)

    assert axsync.load_manifest(LAKE).get("visible", BY_COPY) == began
    assert open_lake(LakeSettings(uri=LAKE)).runs() == [report.run_id]
    assert "everything matches the manifest" in said("verify")


async def test_a_lake_inside_another_is_refused(lab: Lab, start: Start, bucket: MemoryStore) -> None:
    """Before anything is written: in a bucket, and in a folder."""
    instance = lab.instance(await start(sizes={"users": 20}))
    obstore.put(bucket, "axonius/_axsync/latest.json", b"{}")
    (lab.lake / "_axsync").mkdir(parents=True)

    for inside, outer in ((LAKE, "gs://bucket/axonius"), (str(lab.lake / "deep/inside"), str(lab.lake))):
        with pytest.raises(LakeError, match=f"would be inside another lake, '{outer}'"):
            await axsync.sync(lab.settings(instance, lake={"uri": inside}), jitter=at_once)
    assert sum(map(len, obstore.list(bucket))) == 1


@pytest.mark.usefixtures("bucket")
async def test_no_store_is_asked_on_the_event_loop(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer may take seconds, and all requests to all instances would wait for it."""
    settings = lab.settings(lab.instance(await start()), lake={"uri": LAKE, "gc": True})
    asked, real = list[bool](), ObjectStore._ask

    def watched(store: ObjectStore, *told: Any, **named: Any) -> object:
        asked.append(threading.current_thread() is threading.main_thread())
        return real(store, *told, **named)

    monkeypatch.setattr(ObjectStore, "_ask", watched)
    await axsync.sync(settings, jitter=at_once)
    await axsync.sync(replace(settings, run=replace(settings.run, fresh=True)), jitter=at_once)
    await axsync.sync(settings, jitter=at_once)
    await plan(settings)
    await check(settings)

    assert (len(asked) > 100, any(asked)) == (True, False)


@pytest.mark.usefixtures("bucket")
async def test_runs_of_the_past_cost_no_round_trips(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not wait for more answers, one after the other, because there were more runs before it."""
    instance, real = lab.instance(await start(sizes={"users": 20})), ObjectStore._ask
    asked = list[str]()

    def watched(store: ObjectStore, *told: Any, **named: Any) -> object:
        asked.append(threading.current_thread().name)
        return real(store, *told, **named)

    async def waits(day: str) -> int:
        asked.clear()
        settings = lab.settings(instance, lake={"uri": LAKE, "gc": True}, logical_date=day)
        await axsync.sync(settings, jitter=at_once)
        return sum(not name.startswith(("axsync-each", "axsync-store", "axsync-lease")) for name in asked)

    monkeypatch.setattr(ObjectStore, "_ask", watched)
    counts = [await waits(f"2026-11-0{number}") for number in range(1, 6)]

    assert counts[2] == counts[4]


@pytest.mark.parametrize("heeds", [True, False])
async def test_check_tries_the_store_of_a_lake(
    lab: Lab, start: Start, bucket: MemoryStore, monkeypatch: pytest.MonkeyPatch, *, heeds: bool
) -> None:
    """Step by step, up to the first that fails; nothing stays there."""
    if not heeds:
        monkeypatch.setattr(ObjectStore, "preflight", refuse_all)
    settings = lab.settings(lab.instance(await start(sizes={"users": 20})), lake={"uri": LAKE})
    *_, found = await check(settings)

    assert (found.name, found.url) == (THE_LAKE, LAKE)
    assert [step.ok for step in found.steps] == ([True] * 5 if heeds else [True, False, None, None, None])
    assert check_exit_code([found]) == (0 if heeds else 2)
    assert list(obstore.list(bucket)) == []


def refuse_all(store: ObjectStore, _prefixes: Collection[str] = ()) -> None:
    raise LakeError(f"the lake {store.name()!r} cannot be written safely")


@pytest.mark.usefixtures("bucket")
async def test_a_file_that_is_gone_is_told(lab: Lab, start: Start) -> None:
    """When the rows are read; nobody asks a store for each file before."""
    emulator = await start(sizes={"users": 20})
    settings = lab.settings(lab.instance(emulator), lake={"uri": LAKE})
    report = await axsync.sync(settings, jitter=at_once)
    lake = buckets.open_objects(settings.lake)
    lake.delete(report.outcomes[0].parts[0].path)

    for arguments in (("sql", "select max(username) from users"), ("history", "users", "anybody")):
        result = CliRunner().invoke(main, [*arguments, "--lake", LAKE])
        assert result.exit_code == 2
        assert "entity=users/instance=prod" in result.stderr or "holds no 'users'" in result.stderr
    with pytest.raises(axsync.AxsyncError, match="a file of users cannot be read any more"):
        axsync.open(LAKE).table("users").to_arrow()
