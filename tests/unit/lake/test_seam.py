"""A lake without a folder: all that a run, gc and the looks back do to it goes through `axsync.lake.store`."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from axsync.errors import Busy, NoLake
from axsync.lake import layout
from axsync.lake.history import find_run, past_runs
from axsync.lake.id_index import read_id_index
from axsync.lake.objects import ObjectStore
from axsync.lake.parts import PageBatch, PartFolder, WriterPool
from axsync.lake.publish import Lake, RunTargets
from axsync.lake.uploads import UPLOAD
from axsync.model import DeadLetter, PageSpan
from axsync.runs.gc import look, sweep
from axsync.runs.resume import find, give_up, lost_parts
from axsync.runs.state import fold, record
from axsync.settings import BY_MANIFEST, LakeSettings
from axsync.snapshots.verify import verify
from axsync.sql import query_session, tables_of
from tests.unit.lake.memory import store_in_memory
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, devices, facts, outcome, publish, stage

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
KEEP_ONE = LakeSettings(keep_snapshots=1, keep_days=0)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return store_in_memory(tmp_path)


@pytest.fixture
def lake(store: ObjectStore) -> Lake:
    return Lake(store)


def keys(store: ObjectStore) -> list[str]:
    """Of everything."""
    return [one.key for one in store.list("**/*")]


def test_parts_are_written_read_and_rewritten(store: ObjectStore) -> None:
    """Staged until they are sealed; rows that came again are left out of a part that takes its place."""
    schema = pa.schema([("internal_axon_id", pa.string())])
    folder = PartFolder(store, "staging", "entity=devices", "r", schema, WriterPool(LakeSettings(), 1 << 40))
    rows = pa.RecordBatch.from_pydict({"internal_axon_id": ["a", "b", "a"]}, schema=schema)
    folder.add(PageBatch(rows, PageSpan(0, 0, 3)))
    assert keys(store) == []
    (sealed,) = folder.seal()

    index = read_id_index(store, [f"staging/{sealed.part.path}"], "internal_axon_id")
    fresh = folder.without(sealed.part, pa.array([0]).to_numpy())
    folder.remove([sealed.part])

    assert (index.rows, index.distinct, fresh.rows) == (3, 2, 2)
    assert keys(store) == [f"staging/{fresh.path}"]


def test_a_snapshot_is_published_read_and_verified(lake: Lake, store: ObjectStore) -> None:
    """Its parts are where the manifest says, nothing is staged, and SQL finds the rows."""
    run_id = publish(lake, facts("2026-11-22"), Type(rows=devices(30), files=3), Type(USERS))

    found = find_run(lake, "latest")
    with query_session(lake, tables_of(found)) as session:
        rows = list(session.ask("SELECT count(*), min(dt)::varchar FROM devices").rows)
    assert (found.snapshot.run_id, verify(lake, found).faults, rows) == (run_id, (), [(30, "2026-11-22")])
    assert not store.has(layout.RUNS)

    later = publish(lake, facts("2026-11-22", "bbbb"), Type(rows=devices(5)), Type(USERS))
    assert [run.run_id for run in past_runs(lake).runs] == [later, run_id]
    assert len(store.names(layout.partition(DEVICES, "2026-11-22"))) == 1


def test_a_journal_is_kept_and_a_run_found_by_it(lake: Lake, store: ObjectStore) -> None:
    """A torn tail is cut off; parts that are gone are seen; a run that is given up leaves no staging."""
    run = facts("2026-11-25")
    journal = lake.journal(run.run_id).begin()
    journal.append(record("run_opened", facts=run, plan="p", dated=False))
    (part,) = stage(lake, run, Type(rows=devices(5)))
    journal.append(record("lanes_chosen", lanes=[DEVICES]))
    journal.append(record("part_sealed", DEVICES, part=part, letters_size=0))
    store.append(layout.journal(run.run_id), b"torn")
    lake.journal(run.run_id).begin().append(record("published"))

    past = find(lake, "p", run.logical_date, NOW)
    assert past is not None
    assert (past.memory.published, lost_parts(lake, run, past.memory, set())) == (True, [])
    store.delete(layout.staged(run.run_id, part.path))
    assert lost_parts(lake, run, past.memory, set()) == [(DEVICES, part.path)]

    lake.write_dead_letters(run.run_id, DEVICES, [DeadLetter(0, 0, "no id", b"{}")])
    assert give_up(lake, "p") == [run.run_id]
    assert not store.has(layout.staging(run.run_id))


def test_gc_removes_what_is_beyond_the_retention(lake: Lake, store: ObjectStore) -> None:
    """Alone with the lake; the journal of a run that loses its staging says so first."""
    with pytest.raises(NoLake):
        sweep(lake, KEEP_ONE, NOW)
    for day in ("2026-11-20", "2026-11-21"):
        publish(lake, facts(day), Type(rows=devices(3)))
    stale = facts("2026-11-22", "ffff")
    lake.journal(stale.run_id).begin().append(record("run_opened", facts=stale, plan="p", dated=False))
    stage(lake, stale, Type(rows=devices(3)))

    with store.hold(layout.LOCK, what="the lake", run="r"), pytest.raises(Busy):
        sweep(lake, KEEP_ONE, NOW)
    swept = sweep(lake, LakeSettings(keep_snapshots=1, keep_days=4), NOW)

    assert [one.kind for one in swept.leftovers] == ["snapshot", "part", "staging"]
    assert fold(lake.journal(stale.run_id).read()).over
    assert look(lake, LakeSettings(keep_snapshots=1, keep_days=4), NOW).leftovers == ()
    assert not store.has(layout.partition(DEVICES, "2026-11-20"))


def test_what_a_run_has_read_in_place_is_its_own_until_it_is_given_up(store: ObjectStore) -> None:
    """It goes on with that, and gc leaves it alone; one that is too old says first that it is over."""
    lake, run = Lake(store, visible=BY_MANIFEST), replace(facts("2026-11-25"), visible=BY_MANIFEST)
    journal = lake.journal(run.run_id).begin()
    journal.append(record("run_opened", facts=run, plan="p", dated=False), record("lanes_chosen", lanes=[DEVICES]))
    (part,) = stage(lake, run, Type(rows=devices(5)))
    journal.append(record("part_sealed", DEVICES, part=part, letters_size=0))
    (orphan,) = stage(lake, replace(run, run_id=run.run_id[:-1]), Type(rows=devices(1)))

    past = find(lake, "p", run.logical_date, NOW)
    assert past is not None
    assert lost_parts(lake, run, past.memory, set()) == []
    swept = sweep(lake, LakeSettings(), NOW)
    assert [(one.path, one.why) for one in swept.leftovers] == [(orphan.path, "no manifest names it")]

    (left,) = sweep(lake, LakeSettings(), NOW + timedelta(days=2)).leftovers
    assert (left.kind, left.path, left.run_id) == ("part", part.path, run.run_id)
    assert fold(lake.journal(run.run_id).read()).over
    assert not store.has(part.path)


def test_where_nothing_is_replaced_the_day_means_what_was_published_last(store: ObjectStore) -> None:
    """Both runs of the day are whole; the one with the older id was resumed, and published behind the other."""
    lake, day = Lake(store, visible=BY_MANIFEST), "2026-11-20"
    for name, finished in (("bbbb", "03"), ("aaaa", "04")):
        run = replace(facts(day, name), visible=BY_MANIFEST)
        lake.publish(run, [outcome(lake, run, Type(rows=devices(3)))], finished_at=f"{day}T{finished}:00:00Z")
    for _ in range(2):
        found = find_run(lake, day)
        assert (found.snapshot.run_id, verify(lake, found).faults) == (facts(day).run_id, ())
        publish(lake, replace(facts("2026-11-21"), visible=BY_MANIFEST), Type(rows=devices(1)))
    kept = look(lake, LakeSettings(keep_last=2, keep_days=0), NOW).kept
    assert kept == (facts("2026-11-21").run_id, facts(day).run_id)


def test_an_upload_in_place_that_never_ended_goes_with_gc(store: ObjectStore) -> None:
    """Those of others stay, who may write to tables."""
    lake, run = Lake(store, visible=BY_MANIFEST), facts("2026-11-25")
    own = f"{layout.partition(DEVICES, '2026-11-25')}/{layout.part_name(run.run_id, 0)}{UPLOAD}1"
    other = f"tables/devices/part-0000{UPLOAD}2"
    publish(lake, run, Type(rows=devices(1)))
    aborted = list[str]()

    class Begun:
        def begun(self, prefix: str) -> Iterator[tuple[str, int]]:
            yield from ((f"{prefix}{key}", 5) for key in (own, other))

        def abort(self, name: str) -> None:
            aborted.append(name)

    store.uploads = Begun
    (left,) = sweep(lake, LakeSettings(), NOW).leftovers
    assert (left.kind, left.path, aborted) == ("draft", own, [f"lakes/one/{own}"])


def test_a_run_is_told_where_it_cannot_write(lake: Lake, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked about what the run will write to: its own keys, and the partitions of its types."""
    publish(lake, facts("2026-11-20"), Type(rows=devices(3)))
    asked: list[str] = []

    def preflight(_store: ObjectStore, prefixes: Collection[str] = ()) -> None:
        asked.extend(prefixes)

    monkeypatch.setattr(ObjectStore, "preflight", preflight)
    lake.preflight(RunTargets([], ["prod"], "2026-11-25"))

    partition = layout.partition(DEVICES, "2026-11-25")
    assert asked == [layout.RUNS, layout.SNAPSHOTS, layout.LANES, layout.SCHEMAS, partition]
