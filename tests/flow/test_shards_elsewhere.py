"""A run that several processes share, over a lake in an object store: each has a lease that can be lost.

Here in one process, against emulators; a process is a store of its own over a bucket in memory.
"""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import obstore
import pyarrow as pa
import pytest
from obstore.store import MemoryStore

import axsync
from axsync.errors import Busy, Overtaken
from axsync.lake import buckets, layout, lease
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake, open_lake
from axsync.runs import shards
from axsync.runs.gc import sweep
from axsync.runs.setup import alone
from axsync.runs.shard_plan import ShardPlan
from axsync.runs.shards import publish
from axsync.settings import LakeSettings
from tests.faults.torture.place import FULL
from tests.flow.conftest import Start
from tests.flow.harness import Lab, pages
from tests.flow.sharing import at_a_page, cut_off, planned, worked
from tests.unit.lake.memory import paused

LAKE = "gs://bucket/lake"
ELSEWHERE = {"uri": LAKE}


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Whatever store an address names: a bucket of this process. No shard waits for the second of an earlier one."""
    made = MemoryStore()
    monkeypatch.setattr(buckets, "bucket_of", lambda *_told: made)
    monkeypatch.setattr(shards, "PACE_SECONDS", 0.0)
    monkeypatch.setattr(lease, "JOIN_PAUSE", 0.0)
    return made


def lake() -> Lake:
    """As somebody else sees it."""
    return open_lake(LakeSettings(uri=LAKE))


def rows(entity: str = "devices") -> pa.Table:
    """Of the newest snapshot, without what differs from run to run."""
    table = axsync.open(LAKE).table(entity).to_arrow().drop_columns(["axsync_run_id", "axsync_fetched_at"])
    return table.sort_by([("instance", "ascending"), ("internal_axon_id", "ascending")])


async def test_shards_over_a_bucket_make_the_lake_of_one_run(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side; each verb can be repeated; nothing is left over, and nothing is asked on the event loop."""
    on_the_loop, real = set[bool](), ObjectStore._ask

    def watched(store: ObjectStore, *told: Any, **named: Any) -> object:
        on_the_loop.add(threading.current_thread() is threading.main_thread())
        return real(store, *told, **named)

    monkeypatch.setattr(ObjectStore, "_ask", watched)
    one, two = await start(), await start(sizes={"devices": 30, "users": 10})
    plan = await planned(lab, one, two, lake=ELSEWHERE)
    reports = await asyncio.gather(worked(plan, 0), worked(plan, 1))
    assert [(r.verdict, r.manifest) for r in reports] == [("complete", None)] * 2
    assert await asyncio.to_thread(lake().newest) is None
    asked = (len(one.log), len(two.log))
    await worked(plan, 1)
    report, again = await publish(plan), await publish(plan)

    assert [(r.verdict, r.errors) for r in (report, again)] == [("complete", ())] * 2
    assert ((len(one.log), len(two.log)), on_the_loop) == (asked, {False})
    assert not lake().store.has(layout.staging(report.run_id))
    shared = rows("devices"), rows("users")
    await lab.run(replace(plan.run_settings, run=replace(plan.run_settings.run, fresh=True)))
    assert (rows("devices"), rows("users")) == shared


async def test_while_a_shard_is_read_everybody_else_is_told_to_come_later(lab: Lab, start: Start) -> None:
    """A second process for it, a run, shards of another plan, publishing, gc; not another shard."""
    one, two = await start(), await start()
    plan, other = await planned(lab, one, two, lake=ELSEWHERE), await planned(lab, one, two, lake=ELSEWHERE)
    there, run_id = open_lake(plan.settings.lake), plan.facts.run_id
    key = layout.shard_lock(run_id, 0)
    with alone(plan.settings, there, run_id, shared=True), there.store.hold(key, what="it", run=f"{run_id}/shards/0"):
        with pytest.raises(Busy, match=rf"using shard 0 of run {run_id}: process \d+ on .*, run {run_id}/shards/0"):
            await worked(plan, 0)
        assert (len(one.log), (await worked(plan, 1)).verdict) == (0, "complete")
        for refused in (partial(lab.run, plan.run_settings), partial(worked, other, 1), partial(publish, plan)):
            with pytest.raises(Busy, match=rf"using the lake .*, run {run_id}/shards/0"):
                await refused()
        with pytest.raises(Busy, match="using the lake"):
            await asyncio.to_thread(sweep, lake(), plan.settings.lake, datetime.now(UTC))

    assert (await worked(plan, 0)).verdict == "complete"
    assert (await publish(plan)).verdict == "complete"


async def test_a_shard_goes_on_on_another_machine(lab: Lab, start: Start) -> None:
    """Whose folder for drafts is empty: what is sealed is not read again."""
    one, two = await start(sizes={"devices": 200, "users": 5}), await start()
    plan = await planned(lab, one, two, lake=ELSEWHERE)
    await worked(plan, 1)
    await cut_off(plan, 0)
    assert lake().newest() is None
    asked = len(pages(one.log, "devices"))
    assert (await worked(plan, 0)).verdict == "complete"
    assert (await publish(plan)).verdict == "complete"
    assert len(pages(one.log, "devices")) - asked < 10
    assert rows().num_rows == 290


@pytest.mark.parametrize("then", ["work", "publish"])
async def test_a_shard_that_slept_changes_nothing(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, bucket: MemoryStore, then: str
) -> None:
    """At whatever change: another process has read its hosts and published, or published without them."""
    monkeypatch.setattr(lease, "TRUSTED", -1.0)
    one, two = await start(sizes={"devices": 60}), await start(sizes={"devices": 20})
    loop, told = asyncio.get_running_loop(), set[str]()

    async def others(plan: ShardPlan) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(lease, "_has_ended", lambda _lock: True)
            if then == "work":
                await worked(plan, 0)
            await publish(plan, what_is_whole=then == "publish")

    async def slept(at: int) -> int:
        for key in [one["path"] for some in obstore.list(bucket) for one in some]:
            obstore.delete(bucket, key)
        plan = await planned(lab, one, two, lake=ELSEWHERE)
        await worked(plan, 1)
        before = list[tuple[bytes, int]]()

        def meanwhile() -> None:
            asyncio.run_coroutine_threadsafe(others(plan), loop).result(30)
            before.append((lake().store.read(layout.POINTER), rows().num_rows))

        with paused(at, meanwhile) as seen:
            try:
                told.add((await worked(plan, 0)).verdict)
            except (Busy, Overtaken) as error:  # busy where it slept before it had its lock
                told.add(type(error).__name__)
        if before:
            assert (lake().store.read(layout.POINTER), rows().num_rows) == before[0], at
        await worked(plan, 0)
        assert (await publish(plan)).verdict == "complete", at
        assert rows().num_rows == 80, at
        sweep(lake(), plan.settings.lake, datetime.now(UTC))  # a part that it uploaded when it woke, say
        assert [*lake().store.list(layout.ALL_STAGED)] == [], at
        return len(seen)

    count = await slept(-1)
    for at in range(0 if FULL else 2, count, 1 if FULL else count // 4):
        await slept(at)
    assert "Overtaken" in told


async def test_who_slept_asks_nobody_before_it_knows_that_its_hosts_are_still_its_own(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, bucket: MemoryStore
) -> None:
    """The one who has them now keeps their pace."""
    one = await start(sizes={"devices": 400})
    plan = await planned(lab, one, machines=1, lake=ELSEWHERE)
    asked = list[int]()

    def sleep() -> None:
        monkeypatch.setattr(lease, "TRUSTED", -1.0)
        place = f"{LAKE.rpartition('/')[2]}/{layout.shard_lock(plan.facts.run_id, 0)}"
        obstore.put(bucket, place, b'{"epoch":9,"run":"x","who":"x","pid":1,"host":"","ttl":60,"n":0}')
        asked.append(len(one.log))

    with pytest.raises(Overtaken, match="has taken over shard 0"):
        await worked(plan, 0, at_a_page(1, sleep))

    assert len(one.log) - asked[0] <= 8  # those that were under way
