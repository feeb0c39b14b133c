"""A run that several processes share: each reads some hosts, one publishes. Here in one process, against emulators."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.errors import (
    Busy,
    ConfigError,
    LakeError,
    OutOfTime,
    StorageError,
    Unreachable,
    UsageError,
)
from axsync.events import Event
from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.model import iso
from axsync.runs import cluster, shards
from axsync.runs.gc import sweep
from axsync.runs.setup import alone
from axsync.runs.shard_plan import read_plan, write_plan
from axsync.runs.shards import publish
from axsync.runs.timeline import read_timeline
from axsync.settings import EntitySettings
from axsync.snapshots.unpublished import all_runs
from tests.flow.harness import Lab, pages
from tests.flow.sharing import at_a_page, cut_off, planned, worked
from tests.unit.lake.folders import FolderLake

Start = Callable[..., Awaitable[Emulator]]
pytestmark = pytest.mark.usefixtures("at_rest")


@pytest.fixture
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shard waits for the second of an earlier process."""
    monkeypatch.setattr(shards, "PACE_SECONDS", 0.0)


def content(lab: Lab) -> dict[tuple[str, str], list[str]]:
    """Lane → ids, of the newest snapshot."""
    lanes = [(one["entity"], one["instance"]) for one in lab.manifest()["lanes"]]
    return {lane: lab.ids(*lane) for lane in lanes}


async def test_shards_read_and_one_publishes(lab: Lab, start: Start) -> None:
    """Both at once; nothing is visible before, and then the lake is that of one run, and nothing is left over."""
    one, two = await start(), await start(sizes={"devices": 30, "users": 10})
    plan = await planned(lab, one, two)
    reports = await asyncio.gather(worked(plan, 0), worked(plan, 1))
    before = lab.published()
    report = await publish(plan)

    assert [(r.verdict, r.shard, r.manifest) for r in reports] == [("complete", 0, None), ("complete", 1, None)]
    assert before == []
    assert (report.verdict, report.errors, report.run_id) == ("complete", (), plan.facts.run_id)
    assert content(lab) == {
        (entity, name): sorted(emulator.fleets[entity].ids())
        for name, emulator in (("one", one), ("two", two))
        for entity in ("devices", "users")
    }
    lake = FolderLake(lab.lake)
    assert not lake.store.has(layout.staging(report.run_id))
    timeline = read_timeline(lake, report.run_id)
    assert timeline is not None
    assert {(lane.instance, lane.entity) for lane in timeline.lanes} == {(i, e) for e, i in content(lab)}


async def test_each_verb_can_be_repeated(lab: Lab, start: Start) -> None:
    """What is read is not read again, and what is published is published once."""
    one, two = await start(), await start()
    plan = await planned(lab, one, two)
    for number in (0, 1, 0):
        await worked(plan, number)
    asked = (len(one.log), len(two.log))
    await publish(plan)
    before = lab.everything()
    again, late = await publish(plan), await worked(plan, 1)

    assert (again.verdict, late.verdict, (len(one.log), len(two.log))) == ("complete", "complete", asked)
    assert {k: v for k, v in lab.everything().items() if "/lock" not in k and "timeline" not in k} == {
        k: v for k, v in before.items() if "/lock" not in k and "timeline" not in k
    }


async def test_a_shard_goes_on_where_it_stopped(lab: Lab, start: Start) -> None:
    """Its closed types are not read again; publishing before that is refused, and names the shard."""
    one, two = await start(sizes={"devices": 200, "users": 5}), await start()
    plan = await planned(lab, one, two)
    await worked(plan, 1)
    await cut_off(plan, 0)
    assert lab.published() == []
    (listed,) = all_runs(FolderLake(lab.lake), datetime.now(UTC)).runs
    assert (listed.verdict, listed.lanes, listed.rows >= 90) == ("unfinished", 4, True)
    await worked(plan, 0)
    report = await publish(plan)

    assert report.verdict == "complete"
    assert lab.ids("devices", "one") == sorted(one.fleets["devices"].ids())


async def test_what_is_whole_is_published_and_the_rest_added(lab: Lab, start: Start) -> None:
    """The hosts of a shard that has not begun keep their earlier files; the same command adds them later."""
    one, two = await start(), await start()
    first = await planned(lab, one, two)
    for number in (0, 1):
        await worked(first, number)
    await publish(first)
    earlier = lab.lane("devices", "two")["files"]

    plan = await planned(lab, one, two)
    await worked(plan, 0)
    report = await publish(plan, what_is_whole=True)
    lane = lab.lane("devices", "two")
    assert (report.verdict, {type(error).__name__ for error in report.errors}) == ("partial", {"ShardFailed"})
    assert (lane["files"], lane["from_run"], lane["reason"]) == (earlier, first.facts.run_id, "shard 1 has not read it")

    await worked(plan, 1)
    assert (await publish(plan)).verdict == "complete"
    assert lab.lane("devices", "two")["files"] != earlier
    assert lab.ids("devices", "two") == sorted(two.fleets["devices"].ids())


@pytest.mark.parametrize("cut", ["publish", "point_to"])
async def test_a_publication_that_is_cut_short_is_made_up_for(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """By the same command, whether parts were in their places or not; meanwhile gc takes nothing away."""
    one, two = await start(), await start()
    plan = await planned(lab, one, two)
    for number in (0, 1):
        await worked(plan, number)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Lake, cut, fail)
        with pytest.raises((StorageError, OSError)):
            await publish(plan)
    sweep(FolderLake(lab.lake), plan.settings.lake, datetime.now(UTC))
    assert lab.published() == []
    report = await publish(plan)

    assert (report.verdict, report.errors) == ("complete", ())
    assert lab.ids("devices", "two") == sorted(two.fleets["devices"].ids())


@pytest.mark.parametrize("down", ["types", "host"])
async def test_a_host_that_fails_costs_itself(lab: Lab, start: Start, down: str) -> None:
    """Its shard has come to its end, so that the others are published; it is read again when it answers."""
    one = await start()
    two = await start(mishaps=(Mishap("503", entity="users", on="page"),) if down == "types" else ())
    plan = await planned(lab, one, two)
    if down == "host":
        two.mishaps.append(Mishap("503"))
    with suppress(Unreachable):
        await worked(plan, 1)
    await worked(plan, 0)
    report = await publish(plan)
    failed = {str(o.lane) for o in report.outcomes if o.verdict == "failed"}
    assert failed == ({"two/users"} if down == "types" else {"two/devices", "two/users"})
    assert lab.ids("devices", "one") == sorted(one.fleets["devices"].ids())

    two.mishaps.clear()
    await worked(plan, 1)
    assert (await publish(plan)).verdict == "complete"


async def test_whoever_could_ask_the_same_hosts_is_busy(lab: Lab, start: Start) -> None:
    """While a shard is read: a second process for it, an ordinary run, a shard of another plan, publishing."""
    one, two = await start(), await start()
    plan, other = await planned(lab, one, two), await planned(lab, one, two)
    lake, run_id = FolderLake(lab.lake), plan.facts.run_id
    key = layout.shard_lock(run_id, 0)
    with alone(plan.settings, lake, run_id, shared=True), lake.store.hold(key, what="shard 0 of run x", run="x"):
        with pytest.raises(Busy, match="using shard 0 of run"):
            await worked(plan, 0)
        assert len(one.log) == 0
        assert (await worked(plan, 1)).verdict == "complete"
        for refused in (partial(lab.run, plan.run_settings), partial(worked, other, 1), partial(publish, plan)):
            with pytest.raises(Busy, match="using the lake"):
                await refused()

    assert (await worked(plan, 0)).verdict == "complete"


async def test_a_shard_holds_its_locks_while_it_reads(lab: Lab, start: Start) -> None:
    """The lake as one of its run, itself alone; they are free behind it."""
    plan = await planned(lab, await start(), await start())
    store, run_id = FolderLake(lab.lake).store, plan.facts.run_id
    told: list[str] = []

    def look() -> None:
        for key in (layout.LOCK, layout.shard_lock(run_id, 0)):
            with pytest.raises(Busy) as busy, store.hold(key, what=key, run="x"):
                pass
            told.append(busy.value.holder.rpartition("run ")[2])

    await worked(plan, 0, at_a_page(1, look))
    assert set(told) == {run_id, layout.shard(run_id, 0)}
    with store.hold(layout.LOCK, what="it", run="x"), store.hold(layout.shard_lock(run_id, 0), what="it", run="x"):
        pass


async def test_what_only_other_shards_have_is_no_reason_to_refuse(lab: Lab, start: Start) -> None:
    """A field of another instance, or of none: one process cannot tell."""
    one, two = await start(sizes={"devices": 5}), await start(sizes={"devices": 5})
    plan = await planned(lab, one, two, entities=("devices",))
    wish = {"devices": EntitySettings(fields=("name", "of_somebody_else"))}
    plan = replace(plan, settings=replace(plan.settings, entities=wish))

    assert (await worked(plan, 0)).verdict == "complete"


async def test_the_time_of_a_run_is_that_of_all_its_processes(lab: Lab, start: Start) -> None:
    """It counts from the plan on; what is late is missing, as in any run."""
    one, two = await start(), await start()
    plan = await planned(lab, one, two, deadline_minutes=1.0)
    began = datetime.now(UTC) - timedelta(minutes=2)
    plan = replace(plan, facts=replace(plan.facts, started_at=iso(began), logical_date=f"{began:%Y-%m-%d}"))
    with suppress(Unreachable):
        report = await worked(plan, 0)
        assert {type(error) for error in report.errors} == {OutOfTime}
    assert pages(one.log) == []


async def test_processes_agree_on_columns(lab: Lab, start: Start) -> None:
    """A field that each of them meets first has one name and one type, whoever was quicker."""
    one, two = await start(), await start()
    plan = await planned(lab, one, two)
    await asyncio.gather(worked(plan, 0), worked(plan, 1))
    settled = sorted(key for key in lab.everything() if "/columns/devices/" in key)
    await publish(plan)

    assert [Path(key).name for key in settled] == ["00000.json"]
    assert lab.lane("devices", "one")["schema"] == lab.lane("devices", "two")["schema"]


async def test_plans_that_cannot_be_kept_are_refused(lab: Lab, start: Start) -> None:
    """Before anything is sent: too old, another lake, no such shard, changed since it began, nothing to publish."""
    one, two = await start(), await start()
    plan = await planned(lab, one, two)
    with pytest.raises(UsageError, match=r"there is no shard 2; the plan has 0 to 1"):
        await worked(plan, 2)
    with pytest.raises(UsageError, match=r"no shard of run .* has begun"):
        await publish(plan)
    old = replace(plan, facts=replace(plan.facts, started_at="2026-01-01T00:00:00Z", logical_date="2026-01-01"))
    with pytest.raises(UsageError, match="would be of another day"):
        await worked(old, 0)
    with pytest.raises(LakeError, match="has no columns on record"):
        await worked(replace(plan, registry="0" * 64), 0)
    assert (len(one.log), len(two.log)) == (0, 0)

    await worked(plan, 0)
    with pytest.raises(UsageError, match="began with instance 'one'"):
        await worked(replace(plan, shards=plan.shards[::-1]), 0)
    both = [replace(i, url=one.url) for i in plan.settings.instances]
    shared = replace(plan, settings=replace(plan.settings, instances=tuple(both)))
    with pytest.raises(ConfigError, match="has two shards read the host"):
        read_plan(write_plan(shared).encode())


class Nobody(cluster.Home):
    """Where no scheduler is."""

    def __init__(self) -> None:
        pass

    def __call__(self, event: Event) -> None:
        pass

    def watch(self) -> None:
        pass

    def send(self) -> None:
        pass


async def test_a_worker_says_how_its_shard_ended(lab: Lab, start: Start) -> None:
    """Read, waited for, not to be reached, or failed by itself, as where its lake is another one."""
    one, two = await start(), await start(mishaps=(Mishap("503"),))
    plan = await planned(lab, one, two)
    lake, run_id = FolderLake(lab.lake), plan.facts.run_id

    async def told(number: int) -> tuple[str, str]:
        ended = await cluster._read(plan.only(number), number, Nobody())
        return ended["how"], ended["words"]

    how, words = await told(0)
    assert (how, "is not that of run" in words, lab.lake.exists()) == (cluster.FAILED, True, False)
    lake.prepare()
    shards.open_run(lake, plan)
    with lake.store.hold(layout.shard_lock(run_id, 0), what="it", run="x"):
        assert (await told(0))[0] == cluster.BUSY
    assert [(await told(number))[0] for number in (0, 1)] == [cluster.READ, cluster.UNREACHED]
