"""What `axsync forget` shows and removes, in lakes that were published for real."""

import json
from pathlib import Path

import pytest

from axsync.errors import Busy, UnknownRun, Unsure
from axsync.lake import layout
from axsync.lake.history import find_run, past_runs, snapshots
from axsync.model import Outcome
from axsync.snapshots.forget import forget, look
from axsync.snapshots.verify import verify
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, content, devices, facts, publish

OLD, NEW, TYPO = "20261121T020000Z-aaaa", "20261122T020000Z-aaaa", "20310101T020000Z-aaaa"


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two days and a mistyped one; users were only read on the first, and stand in since."""
    made = FolderLake(tmp_path / "lake")
    publish(made, facts("2026-11-21"), Type(rows=devices(5)), Type(USERS, rows=devices(3)))
    for day in ("2026-11-22", "2031-01-01"):
        publish(made, facts(day), Type(rows=devices(10), files=2), Outcome(USERS, "failed", "503"))
    return made


def test_a_mistyped_day_goes_with_its_files(lake: FolderLake) -> None:
    """What is shown is what goes; `latest` is the day before, whole; the rest is untouched."""
    before = content(lake.root)
    shown = look(lake, "2031-01-01")
    assert content(lake.root) == before
    lake.journal(TYPO).begin()
    done = forget(lake, "2031-01-01")

    assert (shown.runs, shown.days, len(shown.files), shown.rows, shown.kept) == ((TYPO,), ("2031-01-01",), 2, 10, 1)
    assert (shown.latest, shown.latest_day, shown.moves, shown.removed) == (NEW, "2026-11-22", True, False)
    assert (done.files, done.removed) == (shown.files, True)
    gone = before.keys() - content(lake.root).keys()
    assert gone == {*shown.files, f"_axsync/snapshots/{TYPO}.json"}
    assert not (lake.root / lake.partition(DEVICES, "2031-01-01")).exists()
    assert not (lake.root / layout.run(TYPO)).exists()
    assert find_run(lake, "latest").snapshot.run_id == NEW
    assert verify(lake, find_run(lake, "latest")).faults == ()


def test_files_that_stand_in_elsewhere_stay(lake: FolderLake) -> None:
    """Users of the first day are those of all; `latest` does not move."""
    done = forget(lake, OLD)

    assert (done.rows, done.kept, done.latest, done.moves) == (5, 1, TYPO, False)
    assert [run.run_id for run in past_runs(lake).runs] == [TYPO, NEW]
    for run in (TYPO, NEW):
        assert verify(lake, find_run(lake, run)).faults == ()


def test_all_snapshots_of_a_day_go_together(lake: FolderLake) -> None:
    """The files of the first have been replaced by the second; a run goes alone."""
    again = publish(lake, facts("2026-11-22", "bbbb"), Type(rows=devices(11)))

    assert look(lake, again).runs == (again,)
    assert forget(lake, "2026-11-22").runs == (again, NEW)
    with pytest.raises(UnknownRun):
        find_run(lake, "2026-11-22")


def test_what_the_forgotten_run_had_replaced_is_lost_and_told(lake: FolderLake) -> None:
    """`latest` is a snapshot that is whole, where there is one."""
    again = publish(lake, facts("2026-11-22", "bbbb"), Type(rows=devices(11)), restricted=True)
    assert look(lake, "2031-01-01").lost == ()
    forget(lake, "2031-01-01")
    done = forget(lake, again)

    assert (done.lost, done.latest) == (("prod/devices",), OLD)


def test_the_last_snapshot_leaves_an_empty_lake(lake: FolderLake) -> None:
    """Without a pointer, as before the first run."""
    left = [forget(lake, day).latest for day in ("2026-11-22", "2031-01-01", "2026-11-21")]
    assert left == [TYPO, OLD, None]
    assert not (lake.root / "_axsync/latest.json").exists()
    assert list(lake.root.glob("entity=*/*/*/*")) == []


def test_nothing_goes_while_what_is_needed_cannot_be_told(lake: FolderLake) -> None:
    """A manifest that cannot be read may name the files; nor while a run holds the lake."""
    before = content(lake.root)
    with lake.store.hold(layout.LOCK, what="the lake", run="r"), pytest.raises(Busy):
        forget(lake, NEW)
    (lake.root / layout.manifest(OLD)).write_text("{")
    with pytest.raises(Unsure, match="is damaged"):
        forget(lake, NEW)
    assert content(lake.root).keys() - {layout.LOCK} == before.keys() - {layout.LOCK}


def test_a_run_that_publishes_meanwhile_is_the_latest(lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at is the lake before it."""

    def found_before_it(lake: FolderLake) -> object:
        found = snapshots(lake)
        publish(lake, facts("2031-01-02"), Type(rows=devices(1)))
        return found

    monkeypatch.setattr("axsync.snapshots.forget.snapshots", found_before_it)
    assert look(lake, OLD).latest == TYPO


def test_only_part_files_are_ever_removed(lake: FolderLake) -> None:
    """Whatever a manifest names."""
    (lake.root / "notes.txt").write_text("mine")
    place = lake.root / layout.manifest(TYPO)
    document = json.loads(place.read_bytes())
    document["lanes"][0]["files"] = [{"path": name, "rows": 1, "bytes": 1, "sha256": ""} for name in ("notes.txt",)]
    place.write_text(json.dumps(document))

    assert forget(lake, TYPO).files == ()
    assert (lake.root / "notes.txt").exists()
