"""The lanes of runs as files: those of the runs that have published, whatever was killed, forgotten or is old."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.lane_files import match_lane_files, stored_runs, untold_runs
from axsync.runs.gc import sweep
from axsync.runs.recovery import recover
from axsync.runs.state import record
from axsync.settings import LakeSettings
from axsync.snapshots.forget import forget
from tests.unit.lake.folders import FolderLake
from tests.unit.lake.runs import DEVICES, facts, publish, stage, whole


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Two runs of a day have published, and a third was killed before it did."""
    made = FolderLake(tmp_path / "lake")
    for run in (facts("aaaa"), facts("bbbb")):
        made.journal(run.run_id).begin().append(record("run_opened", facts=run, plan="p"))
        publish(made, run, whole(DEVICES, stage(made, run, DEVICES, 3)))
        made.journal(run.run_id).append(record("published"))
    published, killed = facts("bbbb"), facts("cccc")
    made.journal(killed.run_id).begin().append(record("run_opened", facts=killed, plan="p"))
    manifest = made.root / made.manifest_name(killed.run_id)
    manifest.write_bytes((made.root / made.manifest_name(published.run_id)).read_bytes())
    return made


def test_a_run_that_has_published_has_one(lake: FolderLake) -> None:
    """It says what the manifest does. One that no reader has seen has none."""
    assert untold_runs(lake) == [facts("aaaa").run_id, facts("bbbb").run_id]
    match_lane_files(lake)

    assert stored_runs(lake) == [facts("aaaa").run_id, facts("bbbb").run_id]
    (lane,) = pq.read_table(lake.root / layout.lanes(facts("bbbb").run_id)).to_pylist()
    snapshot = find_run(lake, "latest").snapshot
    (told,) = snapshot.lanes
    day = date.fromisoformat(snapshot.logical_date)
    assert (lane["run"], lane["dt"], lane["files_dt"]) == (snapshot.run_id, day, day)
    assert (lane["verdict"], lane["rows"], lane["schema"]) == (told.verdict, told.rows, told.schema)


def test_the_next_one_that_holds_the_lake_makes_up_for_what_is_missing(lake: FolderLake) -> None:
    """After a kill, and in a lake of an earlier version; a file whose manifest is gone goes, too."""
    match_lane_files(lake)
    (lake.root / layout.lanes(facts("bbbb").run_id)).unlink()
    (lake.root / lake.manifest_name(facts("aaaa").run_id)).unlink()
    recover(lake)

    assert stored_runs(lake) == [facts("bbbb").run_id]


def test_what_is_forgotten_or_beyond_the_retention_has_none(lake: FolderLake) -> None:
    """The file goes with the manifest."""
    match_lane_files(lake)
    sweep(lake, LakeSettings(uri=str(lake.root), keep_last=1), datetime(2027, 11, 23, tzinfo=UTC))
    assert stored_runs(lake) == [facts("bbbb").run_id]

    forget(lake, facts("bbbb").run_id)
    assert stored_runs(lake) == []


def test_a_run_that_publishes_again_has_no_old_one(lake: FolderLake) -> None:
    """Killed behind the pointer, it is told of anew."""
    match_lane_files(lake)
    publish(lake, facts("bbbb"), whole(DEVICES, stage(lake, facts("bbbb"), DEVICES, 3, 4)))

    assert untold_runs(lake) == [facts("bbbb").run_id]
