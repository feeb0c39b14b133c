"""Runs that have a journal and no snapshot, beside those that have one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from axsync.errors import NoLake
from axsync.model import Part
from axsync.runs.state import record
from axsync.snapshots.unpublished import all_runs
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, devices, facts, publish

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def journal(lake: FolderLake, day: str, *events: dict[str, object]) -> str:
    """A run that has begun, and this of it."""
    run = facts(day, "jjjj")
    opened = lake.journal(run.run_id).begin()
    for event in (record("run_opened", facts=run, plan="p"), record("lanes_chosen", lanes=[DEVICES, USERS]), *events):
        opened.append(event)
    return run.run_id


def test_interrupted_runs_stand_where_they_belong(tmp_path: Path) -> None:
    """Newest first, with what they have that is durable; no time at which they ended, for they did not."""
    lake = FolderLake(tmp_path)
    publish(lake, facts("2026-11-21"), Type(rows=devices(3)))
    publish(lake, facts("2026-11-23"), Type(rows=devices(4)))
    sealed = record("part_sealed", DEVICES, part=Part("p", 7, 1, ""), letters_size=0)
    given_up = journal(lake, "2026-11-22", sealed, record("abandoned"))
    unfinished = journal(lake, "2026-11-24", sealed)
    history = all_runs(lake, NOW)

    assert [(run.run_id[:8], run.verdict, run.rows) for run in history.runs] == [
        ("20261124", "unfinished", 7),
        ("20261123", "complete", 4),
        ("20261122", "given up", 7),
        ("20261121", "complete", 3),
    ]
    assert {run.run_id: run.seconds for run in history.runs if run.seconds is None}.keys() == {unfinished, given_up}
    assert [run.latest for run in history.runs] == [False, True, False, False]
    assert history.errors == ()


def test_a_run_is_listed_once(tmp_path: Path) -> None:
    """Its journal stays beside its snapshot, also where the manifest cannot be read; a torn beginning is no run."""
    lake = FolderLake(tmp_path)
    run_id = publish(lake, facts("2026-11-21", "jjjj"), Type(rows=devices(3)))
    assert journal(lake, "2026-11-21") == run_id
    lake.journal("20261122T020000Z-torn").begin()
    assert [run.verdict for run in all_runs(lake, NOW).runs] == ["complete"]

    (lake.root / lake.manifest_name(run_id)).write_text("{")
    history = all_runs(lake, NOW)
    assert (history.runs, len(history.errors)) == ((), 1)


def test_a_journal_of_a_newer_version_is_told_of(tmp_path: Path) -> None:
    """And hides no other run."""
    lake = FolderLake(tmp_path)
    journal(lake, "2026-11-22", {"event": "from_the_future"})
    publish(lake, facts("2026-11-21"), Type(rows=devices(3)))
    history = all_runs(lake, NOW)

    assert [run.verdict for run in history.runs] == ["complete"]
    told = "the journal of run '20261122T020000Z-jjjj' cannot be read: _axsync/runs/20261122T020000Z-jjjj/journal"
    assert [str(error) for error in history.errors] == [told]


def test_a_run_that_nothing_resumes_any_more_is_given_up(tmp_path: Path) -> None:
    """As `axsync run` and `axsync gc` see it: too old, unless its date was asked for and may be asked for again."""
    lake = FolderLake(tmp_path)
    journal(lake, "2026-11-22")
    dated = facts("2026-11-21", "dddd")
    opened = lake.journal(dated.run_id).begin()
    opened.append(record("run_opened", facts=dated, plan="p", dated=True))
    publish(lake, facts("2026-11-20"), Type(rows=devices(3)))

    assert [run.verdict for run in all_runs(lake, NOW).runs] == ["given up", "unfinished", "complete"]


def test_what_is_no_lake_is_refused(tmp_path: Path) -> None:
    """As by every look at the past."""
    with pytest.raises(NoLake):
        all_runs(FolderLake(tmp_path), NOW)
