"""What a run that was killed while it published leaves, and what is made of it by the next one that holds the lake."""

from pathlib import Path

import pytest

from axsync.errors import UnknownRun
from axsync.lake import layout
from axsync.lake.history import find_run, half_published, past_runs
from axsync.lake.lane_files import match_lane_files
from axsync.lake.publish import RunFacts
from axsync.model import Outcome
from axsync.runs.recovery import recover
from axsync.runs.state import memory_of, record
from tests.unit.lake.folders import FolderLake
from tests.unit.lake.runs import (
    DEVICES,
    DISK,
    FINISHED,
    USERS,
    Interrupted,
    check_snapshot,
    facts,
    parts_below,
    publish,
    stage,
    whole,
)

POINTER = 5
"""The step at which the pointer moves, of two lanes with two parts each beside older ones."""


def begun(lake: FolderLake, run: RunFacts, *outcomes: Outcome) -> None:
    """The journal of a run whose lanes are closed."""
    journal = lake.journal(run.run_id).begin()
    journal.append(record("run_opened", facts=run, plan="p"))
    journal.append(record("lanes_chosen", lanes=[outcome.lane for outcome in outcomes]))
    for outcome in outcomes:
        for part in outcome.parts:
            journal.append(record("part_sealed", outcome.lane, part=part, letters_size=0))
        journal.append(record("lane_closed", outcome.lane, outcome=outcome))


def read(lake: FolderLake, run: RunFacts, *sizes: int) -> list[Outcome]:
    """What a run has read of both types, staged and journaled."""
    outcomes = [whole(lane, stage(lake, run, lane, *sizes)) for lane in (DEVICES, USERS)]
    begun(lake, run, *outcomes)
    return outcomes


def done(lake: FolderLake, run: RunFacts, *outcomes: Outcome) -> None:
    publish(lake, run, *outcomes)
    lake.journal(run.run_id).append(record("published"))
    match_lane_files(lake)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """One run of the day has published."""
    made, first = FolderLake(tmp_path / "lake"), facts("aaaa")
    done(made, first, *read(made, first, 3))
    return made


@pytest.mark.fault(41)
@pytest.mark.parametrize("step", range(POINTER + 1))
def test_what_was_killed_before_the_pointer_moved_is_no_snapshot(lake: FolderLake, step: int) -> None:
    """Nobody lists, finds or counts it, before and after it is taken back; then a glob is as it was, too."""
    before, run = parts_below(lake.root), facts("bbbb")
    outcomes = read(lake, run, 4, 5)
    with pytest.raises(Interrupted), DISK.watched(lake.root, step):
        publish(lake, run, *outcomes)

    assert [one.run_id for one in past_runs(lake).runs] == [facts("aaaa").run_id]
    assert half_published(lake) == ((run.run_id,) if step else ())
    with pytest.raises(UnknownRun, match="has not published"):
        find_run(lake, run.run_id)
    recover(lake)
    assert parts_below(lake.root) == before
    assert half_published(lake) == ()
    assert all((lake.root / layout.staged(run.run_id, p.path)).exists() for o in outcomes for p in o.parts)

    publish(lake, run, *outcomes)
    assert (check_snapshot(lake) or {})["run_id"] == run.run_id


@pytest.mark.fault(41)
def test_a_kill_right_behind_the_pointer_is_made_up_for(lake: FolderLake) -> None:
    """Readers saw that snapshot: it is one for ever, also when the pointer has moved on. What it replaced goes."""
    seen, later = facts("bbbb"), facts("cccc", "2026-11-24")
    lake.publish(seen, read(lake, seen, 4), finished_at=FINISHED)
    assert len(parts_below(lake.root)) == 4
    recover(lake)
    assert len(parts_below(lake.root)) == 2
    done(lake, later, *read(lake, later, 5))

    assert memory_of(lake, seen.run_id).published
    assert find_run(lake, "latest~1").snapshot.run_id == seen.run_id
    assert find_run(lake, "2026-11-23").snapshot.run_id == seen.run_id


@pytest.mark.fault(41)
@pytest.mark.parametrize("step", range(3))
def test_a_run_that_published_and_brings_more_is_whole_all_along(lake: FolderLake, step: int) -> None:
    """A type failed at first: its parts are there before the manifest names them."""
    run = facts("bbbb", "2026-11-24")
    devices = whole(DEVICES, stage(lake, run, DEVICES, 4))
    done_first = [devices, Outcome(USERS, "partial", "down")]
    begun(lake, run, *done_first)
    done(lake, run, *done_first)
    users = whole(USERS, stage(lake, run, USERS, 5))
    lake.journal(run.run_id).append(record("part_sealed", USERS, part=users.parts[0], letters_size=0))
    with pytest.raises(Interrupted), DISK.watched(lake.root, step):
        publish(lake, run, devices, users)

    assert check_snapshot(lake) is not None
    recover(lake)
    assert (check_snapshot(lake) or {})["run_id"] == run.run_id
    named = {file["path"] for entry in (check_snapshot(lake) or {})["lanes"] for file in entry["files"]}
    assert {path for path in parts_below(lake.root) if "11-24" in path} == {path for path in named if "11-24" in path}


@pytest.mark.fault(41)
def test_an_older_date_is_published_once_its_journal_says_so(lake: FolderLake) -> None:
    """The pointer stays. Killed before, it takes its parts back, and the date is whole; afterwards it is a snapshot."""
    newest = facts("bbbb", "2026-11-24")
    done(lake, newest, *read(lake, newest, 6))
    before, past = parts_below(lake.root), facts("cccc")
    outcomes = read(lake, past, 4)
    lake.publish(past, outcomes, finished_at=FINISHED)
    assert lake.latest_run() == newest.run_id
    recover(lake)
    assert parts_below(lake.root) == before
    assert find_run(lake, "2026-11-23").snapshot.run_id == facts("aaaa").run_id

    lake.publish(past, outcomes, finished_at=FINISHED)
    lake.journal(past.run_id).append(record("published", replacing=True))
    assert len(parts_below(lake.root)) == 6
    recover(lake)
    assert len(parts_below(lake.root)) == 4
    assert not memory_of(lake, past.run_id).replacing
    assert find_run(lake, "2026-11-23").snapshot.run_id == past.run_id
    assert find_run(lake, "latest~1").snapshot.run_id == past.run_id
    assert lake.latest_run() == newest.run_id


def test_a_lake_without_journals_counts_its_manifests(lake: FolderLake) -> None:
    """Those of old, and where somebody removed them."""
    for run in (facts("aaaa"), facts("bbbb")):
        if run == facts("bbbb"):
            done(lake, run, *read(lake, run, 4))
        (lake.root / layout.journal(run.run_id)).unlink()
    recover(lake)

    assert len(past_runs(lake).runs) == 2


def test_a_run_whose_journal_is_damaged_is_left_alone(lake: FolderLake) -> None:
    """With all it has; a sentence says so."""
    run = facts("bbbb")
    with pytest.raises(Interrupted), DISK.watched(lake.root, 4):
        publish(lake, run, *read(lake, run, 4, 5))
    journal = lake.root / layout.journal(run.run_id)
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)
    match_lane_files(lake)  # of the run before
    before = {path: path.read_bytes() for path in lake.root.rglob("*") if path.is_file()}

    told = f"the journal of run {run.run_id!r} cannot be read: {layout.journal(run.run_id)}; that run is left alone"
    assert recover(lake) == [told]
    assert {path: path.read_bytes() for path in lake.root.rglob("*") if path.is_file()} == before


def damage(lake: FolderLake, run: RunFacts) -> None:
    """Change a byte within the journal."""
    journal = lake.root / layout.journal(run.run_id)
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)


def test_a_run_that_has_ended_is_known_by_the_end_of_its_journal(lake: FolderLake) -> None:
    """The rest is not read again at the start of each run; but that of the newest snapshot is."""
    for name in ("bbbb", "cccc"):
        run = facts(name)
        done(lake, run, *read(lake, run, 4))
        damage(lake, run)
    (told,) = recover(lake)

    assert facts("cccc").run_id in told
