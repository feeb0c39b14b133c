"""What `axsync gc` finds and removes, in lakes that were published for real, with journals beside them."""

import errno
import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import Busy, ManifestError, NoLake, StorageError, Unsure
from axsync.lake import layout
from axsync.lake.history import find_run, past_runs
from axsync.lake.manifest import Snapshot
from axsync.lake.publish import RunFacts
from axsync.model import DeadLetter, Outcome
from axsync.runs.gc import Sweep, look, sweep
from axsync.runs.resume import find
from axsync.runs.retention import kept as by_rules
from axsync.runs.state import fold, record
from axsync.settings import LakeSettings
from axsync.snapshots.verify import verify
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, content, devices, facts, outcome, publish, stage

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
KEEP_TWO = LakeSettings(keep_snapshots=2, keep_days=0)


def day(back: int) -> str:
    return (date(2026, 11, 25) - timedelta(days=back)).isoformat()


def journal(lake: FolderLake, run: RunFacts, *events: str, dated: bool = False) -> None:
    """A journal that begins the run, and says this of it."""
    opened = lake.journal(run.run_id).begin()
    opened.append(record("run_opened", facts=run, plan="p", dated=dated))
    for event in events:
        opened.append(record(event))


def dump(lake: FolderLake, run: RunFacts, *types: Type | Outcome) -> str:
    """A run that has ended well."""
    journal(lake, run, "published", "finished")
    lake.write_dead_letters(run.run_id, DEVICES, [DeadLetter(0, 0, "no id", b"{}")])
    return publish(lake, run, *types)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Four runs on four days, the last one today; users only came on the first."""
    made = FolderLake(tmp_path / "lake")
    for back in (3, 2, 1, 0):
        users = Type(USERS, rows=devices(3)) if back == 3 else Outcome(USERS, "partial", "503")
        dump(made, facts(day(back)), Type(rows=devices(10)), users)
    return made


def kinds(found: Sweep) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in found.leftovers]


def test_nothing_is_left_over_within_the_retention(lake: FolderLake) -> None:
    """The defaults keep ninety days, and fourteen snapshots however old."""
    for now in (NOW, NOW + timedelta(days=5000)):
        found = look(lake, LakeSettings(), now)
        assert (found.leftovers, len(found.kept)) == ((), 4)


def test_what_is_beyond_the_retention_goes_and_nothing_else(lake: FolderLake) -> None:
    """Manifest, part files, journal and dead letters of one run; the users of another stand in and stay."""
    run = f"{day(2).replace('-', '')}T020000Z-aaaa"
    found = look(lake, KEEP_TWO, NOW)

    assert kinds(found) == [
        ("snapshot", f"_axsync/snapshots/{run}.json"),
        ("part", f"entity=devices/instance=prod/dt={day(3)}/part-20261122T020000Z-aaaa-00000.parquet"),
        ("part", f"entity=devices/instance=prod/dt={day(2)}/part-{run}-00000.parquet"),
        ("run", f"_axsync/runs/{run}"),
    ]
    assert {one.why for one in found.leftovers} == {"beyond the retention"}

    before = content(lake.root)
    assert sweep(lake, KEEP_TWO, NOW).leftovers == found.leftovers
    gone = before.keys() - content(lake.root).keys()
    assert gone == {path for _, path in kinds(found)[:3]} | {
        f"_axsync/runs/{run}/journal",
        f"_axsync/runs/{run}/dead_letters/prod.devices.jsonl",
    }
    assert not (lake.root / lake.partition(DEVICES, day(2))).exists()
    for kept in found.kept:
        assert verify(lake, find_run(lake, kept)).faults == ()
    assert look(lake, KEEP_TWO, NOW).leftovers == ()


def test_a_look_writes_nothing(lake: FolderLake) -> None:
    """Not even the lock, so that it can be had while a run is going on."""
    before = content(lake.root)
    with lake.store.hold(layout.LOCK, what="the lake", run="r"):
        locked = content(lake.root)
        look(lake, KEEP_TWO, NOW)
        assert content(lake.root) == locked
    assert content(lake.root).keys() - before.keys() <= {"_axsync/lock"}


def test_a_lake_in_use_is_left_alone(lake: FolderLake) -> None:
    """Exit code 75: a run may be about to publish."""
    with lake.store.hold(layout.LOCK, what="the lake", run="r"):
        before = content(lake.root)
        with pytest.raises(Busy, match="run r"):
            sweep(lake, KEEP_TWO, NOW)
        assert content(lake.root) == before


def test_the_latest_snapshot_stays_even_where_it_is_the_oldest(tmp_path: Path) -> None:
    """What `latest.json` names is needed, whatever the retention says."""
    lake = FolderLake(tmp_path)
    first, second = (publish(lake, facts(day(back)), Type(rows=devices(3))) for back in (9, 8))
    (tmp_path / "_axsync/latest.json").write_text(json.dumps({"run_id": first, "manifest": f"snapshots/{first}.json"}))

    sweep(lake, LakeSettings(keep_snapshots=1, keep_days=0), NOW)
    assert [run.run_id for run in past_runs(lake).runs] == [second, first]
    assert verify(lake, find_run(lake, "latest")).faults == ()


def test_a_replaced_snapshot_takes_no_place_among_those_that_are_kept(tmp_path: Path) -> None:
    """Its files are gone, so keeping it would keep nothing."""
    lake = FolderLake(tmp_path)
    kept = publish(lake, facts(day(2)), Type(rows=devices(3)))
    replaced = publish(lake, facts(day(1)), Type(rows=devices(3)))
    latest = publish(lake, facts(day(1), "bbbb"), Type(rows=devices(4)))

    found = sweep(lake, KEEP_TWO, NOW)
    assert found.kept == (latest, kept)
    assert kinds(found) == [("snapshot", f"_axsync/snapshots/{replaced}.json")]


@pytest.mark.fault(53)
def test_what_a_later_run_of_the_day_could_not_remove_goes(tmp_path: Path) -> None:
    """Its manifest is young and stays as evidence; what stands in for another day is kept for that day."""
    lake = FolderLake(tmp_path)
    old = publish(lake, facts(day(2)), Type(rows=devices(3)), Type(USERS, rows=devices(3)))
    other = publish(lake, facts(day(1)), Type(rows=devices(3)), Outcome(USERS, "partial", "down"))
    left = {path: path.read_bytes() for path in tmp_path.glob("entity=*/**/*.parquet") if day(2) in str(path)}
    new = RunFacts(f"{facts(day(2)).run_id[:-4]}bbbb", day(2), None, f"{day(0)}T03:00:00Z", "0.1.0")
    outcomes = [outcome(lake, new, Type(lane, rows=devices(4))) for lane in (DEVICES, USERS)]
    lake.publish(new, outcomes, finished_at=f"{day(0)}T03:10:00Z")
    lake.clear_staging(new.run_id)
    assert all(path.exists() for path in left)

    found = sweep(lake, LakeSettings(), NOW)
    (gone,) = [path for path in left if "entity=devices" in str(path)]
    assert kinds(found) == [("part", gone.relative_to(tmp_path).as_posix())]
    assert [one.why for one in found.leftovers] == ["a later run of the day replaced it"]
    assert old in found.kept
    assert verify(lake, find_run(lake, "latest")).faults == ()
    assert verify(lake, find_run(lake, other)).faults == ()


@pytest.mark.fault(53)
def test_a_file_that_cannot_be_removed_keeps_nothing_else(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a disk keeps (WORM): the others go, and the exit code says that one is left."""
    before, real = kinds(look(lake, KEEP_TWO, NOW)), Path.unlink
    kept = next(path for kind, path in before if kind == "part")

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == lake.root / kept:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(StorageError, match="cannot remove old snapshots: Operation not permitted"):
            sweep(lake, KEEP_TWO, NOW)
    assert len(before) > 2
    assert kinds(look(lake, KEEP_TWO, NOW)) == [("part", kept)]


def unfinished(lake: FolderLake, run: RunFacts, *events: str, dated: bool = False) -> Path:
    """A run that was killed with a part in its staging."""
    journal(lake, run, *events, dated=dated)
    (part,) = stage(lake, run, Type(rows=devices(5)))
    opened = lake.journal(run.run_id).begin()
    opened.append(record("lanes_chosen", lanes=[DEVICES]))
    opened.append(record("part_sealed", DEVICES, part=part, letters_size=0))
    return lake.root / layout.staging(run.run_id) / part.path


@pytest.mark.parametrize("back", [0, 1])
def test_a_run_that_can_be_gone_on_with_keeps_all_it_has(lake: FolderLake, back: int) -> None:
    """Of today, or begun less than a day ago: the same command goes on with it."""
    started = (NOW - timedelta(hours=23)).strftime("%Y-%m-%dT%H:%M:%SZ") if back else f"{day(0)}T00:00:00Z"
    unfinished(lake, RunFacts("20261125T110000Z-ffff", day(back), None, started, "0.1.0"))
    before = content(lake.root)

    sweep(lake, KEEP_TWO, NOW)
    after = content(lake.root)
    assert {path for path in before if "ffff" in path} == {path for path in after if "ffff" in path}
    assert fold(lake.journal("20261125T110000Z-ffff").read()).over is False


def test_a_run_of_a_date_that_was_asked_for_is_kept_however_old_it_is(tmp_path: Path) -> None:
    """`--date` of last week, begun two days ago and killed: the same command resumes it, so gc leaves all of it."""
    lake, run = (
        FolderLake(tmp_path / "lake"),
        RunFacts("20261123T110000Z-ffff", day(9), None, f"{day(2)}T11:00:00Z", "0.1.0"),
    )
    published = publish(lake, facts(day(0)), Type(rows=devices(3)))
    staged = unfinished(lake, run, dated=True)
    before = content(lake.root)

    swept = sweep(lake, KEEP_TWO, NOW)

    found = find(lake, "p", day(9), NOW)
    assert (found and found.run_id, swept.leftovers) == (run.run_id, ())
    assert content(lake.root).keys() - before.keys() == {"_axsync/lock", layout.lanes(published)}
    assert staged.exists()


@pytest.mark.parametrize("days", [0.5, 2.0, 30.0])
@pytest.mark.parametrize("asked", [None, 0, 1, 9])
@pytest.mark.parametrize("events", [(), ("published",), ("published", "finished"), ("abandoned",)])
def test_what_a_command_would_resume_is_never_removed(
    tmp_path: Path, days: float, asked: int | None, events: tuple[str, ...]
) -> None:
    """Whatever its date, age and end: gc and run ask the same of a journal, unless the retention takes a snapshot."""
    lake, began = FolderLake(tmp_path / "lake"), NOW - timedelta(days=days)
    dated, started = asked is not None, began.strftime("%Y-%m-%dT%H:%M:%SZ")
    date_of = day(asked) if asked is not None else started[:10]
    run = RunFacts(f"{began:%Y%m%dT%H%M%SZ}-ffff", date_of, None, started, "0.1.0")
    publish(lake, facts(day(0)), Type(rows=devices(3)))
    staged = unfinished(lake, run, *events, dated=dated)
    wanted = date_of if dated else day(0)
    resumed = find(lake, "p", wanted, NOW)

    sweep(lake, LakeSettings(), NOW)

    if resumed is not None and not resumed.memory.finished and not resumed.memory.published:
        assert staged.exists()
    again = find(lake, "p", wanted, NOW)
    assert again is None or staged.exists()


def test_a_dated_run_with_a_snapshot_goes_with_it(tmp_path: Path) -> None:
    """A type was skipped, so that the run never finished; the retention takes its snapshot, journal and all."""
    lake, old = FolderLake(tmp_path / "lake"), facts(day(9))
    journal(lake, old, "published", dated=True)
    for run in (old, facts(day(1)), facts(day(0))):
        publish(lake, run, Type(rows=devices(3)))

    found = sweep(lake, KEEP_TWO, NOW)

    assert ("run", f"_axsync/runs/{old.run_id}") in kinds(found)
    assert find(lake, "p", day(9), NOW) is None


def test_parts_that_a_broken_publication_has_moved_are_needed(lake: FolderLake) -> None:
    """They are in their folder already, and no pointer names them: they go back to where going on finds them."""
    run = RunFacts("20261125T110000Z-ffff", day(0), None, f"{day(0)}T11:00:00Z", "0.1.0")
    staged = unfinished(lake, run)
    target = lake.root / staged.relative_to(lake.root / layout.staging(run.run_id))
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)

    assert run.run_id not in {one.run_id for one in look(lake, KEEP_TWO, NOW).leftovers}
    sweep(lake, KEEP_TWO, NOW)
    assert (staged.exists(), target.exists()) == (True, False)


def test_the_staging_of_a_run_that_was_given_up_goes_and_its_journal_says_so(lake: FolderLake) -> None:
    """Within the retention the journal stays as evidence, and nobody takes the run up again."""
    young = LakeSettings(keep_days=90)
    over, stale = facts(day(1), "cccc"), facts(day(2), "dddd")
    unfinished(lake, over, "abandoned")
    unfinished(lake, stale)

    found = sweep(lake, young, NOW)
    assert [(one.kind, one.run_id, one.why) for one in found.leftovers] == [
        ("staging", stale.run_id, "its run was never finished and is too old to resume"),
        ("staging", over.run_id, "its run is over"),
    ]
    for run in (over, stale):
        assert not (lake.root / layout.staging(run.run_id)).exists()
        assert fold(lake.journal(run.run_id).read()).over is True
    assert look(lake, young, NOW).leftovers == ()


def test_loose_parts_and_drafts_go_and_what_is_not_ours_stays(lake: FolderLake) -> None:
    """Other files beside ours, other folders, links to elsewhere: somebody else's."""
    folder = lake.root / lake.partition(DEVICES, day(0))
    for name in ("part-20261101T000000Z-0000-00000.parquet", "README.txt", "other.parquet"):
        (folder / name).write_text("x")
    (lake.root / "_axsync/snapshots/.r9.json.draft").write_text("{")
    elsewhere = lake.root / "entity=mine/part-x.parquet"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    (lake.root / "_axsync/runs/link").symlink_to(folder)

    assert kinds(sweep(lake, LakeSettings(), NOW)) == [
        ("part", f"entity=devices/instance=prod/dt={day(0)}/part-20261101T000000Z-0000-00000.parquet"),
        ("draft", "_axsync/snapshots/.r9.json.draft"),
    ]
    assert {path.name for path in folder.iterdir()} >= {"README.txt", "other.parquet"}
    assert elsewhere.exists()
    assert (lake.root / "_axsync/runs/link").is_symlink()


@pytest.mark.parametrize("raw", ["{", '{"format_version": 3}'])
def test_nothing_goes_while_a_manifest_cannot_be_read(lake: FolderLake, raw: str) -> None:
    """Nobody knows which files it names."""
    (lake.root / "_axsync/snapshots/20261101T020000Z-aaaa.json").write_text(raw)
    before = content(lake.root)

    with pytest.raises(ManifestError, match="20261101T020000Z-aaaa"):
        sweep(lake, KEEP_TWO, NOW)
    assert content(lake.root) == before


def test_nothing_goes_while_a_journal_speaks_of_unknown_things(lake: FolderLake) -> None:
    """It may be that of a newer version, and its run may be resumable."""
    journal_file = lake.journal("20261124T230000Z-eeee").begin()
    journal_file.append({"event": "from_the_future"})
    before = content(lake.root)

    with pytest.raises(ManifestError, match="the journal of run '20261124T230000Z-eeee' cannot be read"):
        sweep(lake, KEEP_TWO, NOW)
    assert content(lake.root) == before


def test_all_that_cannot_be_read_is_named_at_once(lake: FolderLake) -> None:
    """A manifest and a journal are one thing to repair, not one after the other."""
    (lake.root / "_axsync/snapshots/20261101T020000Z-aaaa.json").write_text("{")
    journal_file = lake.journal("20261124T230000Z-eeee").begin()
    journal_file.append({"event": "from_the_future"})

    files = "_axsync/snapshots/20261101T020000Z-aaaa.json, _axsync/runs/20261124T230000Z-eeee/journal"
    for step in (look, sweep):
        with pytest.raises(Unsure, match=f"nothing is removed, .* 2 files cannot be read: {files}$"):
            step(lake, KEEP_TWO, NOW)


def test_what_a_run_takes_away_meanwhile_has_no_size(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only looks holds no lock: a file may be gone between two looks at it."""
    part = lake.root / f"entity=devices/instance=prod/dt={day(0)}/part-x.parquet"
    part.touch()
    real = Path.lstat

    def gone(path: Path) -> os.stat_result:
        if path == part:
            raise FileNotFoundError
        return real(path)

    monkeypatch.setattr(Path, "lstat", gone)
    assert [(one.path, one.bytes) for one in look(lake, KEEP_TWO, NOW).leftovers if "part-x" in one.path] == [
        (part.relative_to(lake.root).as_posix(), 0)
    ]


def test_what_is_no_lake_stays_none(tmp_path: Path) -> None:
    """The lock is not the beginning of one."""
    with pytest.raises(NoLake):
        sweep(FolderLake(tmp_path), LakeSettings(), NOW)
    assert list(tmp_path.iterdir()) == []


def reasons(days: list[str], **rules: Any) -> dict[str, tuple[str, ...]]:
    """Day → why its snapshot is kept, where a run of each finished on that day."""
    found = [snapshot(day) for day in days]
    told = by_rules(found, found, LakeSettings(**rules).retention, NOW)
    return {one.logical_date: told[one.run_id] for one in found if one.run_id in told}


def snapshot(day: str, name: str = "aaaa") -> Snapshot:
    begun = datetime.fromisoformat(f"{day}T02:00:00Z")
    return Snapshot(facts(day, name).run_id, day, None, begun, begun, "0.1.0", "complete", ())


def test_each_rule_keeps_the_newest_of_its_periods() -> None:
    """As restic does: the union, with gaps not counted, and each rule named."""
    days = ["2026-11-25", "2026-11-23", "2026-11-22", "2026-10-31", "2026-10-30", "2026-08-01"]

    assert reasons(days, keep_last=1, keep_daily=2, keep_weekly=2, keep_monthly=3) == {
        "2026-11-25": ("last", "daily", "weekly", "monthly"),
        "2026-11-23": ("daily",),
        "2026-11-22": ("weekly",),
        "2026-10-31": ("monthly",),
        "2026-08-01": ("monthly",),
    }


def test_the_old_rules_hold_where_no_new_one_is_set() -> None:
    """Ninety days and fourteen snapshots; one new rule switches both defaults off, and neither that is set."""
    days = [day(back) for back in range(100)]

    assert len(reasons(days)) == 90
    assert len(reasons(days, keep_daily=30)) == 30
    assert len(reasons(days, keep_daily=2, keep_snapshots=5, keep_days=0)) == 5
    assert reasons(days, keep_days=1)[day(0)] == ("last", "within 1 day")


@given(
    st.lists(st.dates(date(2025, 1, 1), date(2026, 12, 31)), max_size=40, unique=True),
    st.tuples(*[st.integers(0, 5)] * 4),
)
def test_no_rule_keeps_more_than_it_may_and_the_newest_day_stays(days: list[date], most: tuple[int, ...]) -> None:
    """And a rule that is the only one keeps just so many, where there are so many."""
    names = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
    told = reasons([str(day) for day in days], **dict(zip(names, most, strict=True)), keep_days=0, keep_snapshots=1)

    for name, count in zip(names, most, strict=True):
        held = [day for day, why in told.items() if name.removeprefix("keep_") in why]
        assert len(held) <= max(count, name == "keep_last")
    assert not days or str(max(days)) in told
