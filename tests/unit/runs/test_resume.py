"""Which run is gone on with, and which of its lanes another run has published since."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from axsync.model import Outcome
from axsync.runs import resume
from axsync.runs.resume import find, give_up, overtaken
from axsync.runs.state import RunMemory, fold, memory_of, record, restart
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, devices, facts, publish

DAY = "2026-11-23"


def memory(name: str = "bbbb") -> RunMemory:
    """Devices were read, users were not."""
    begun = record("run_opened", facts=facts(DAY, name), plan="p")
    closed = record("lane_closed", DEVICES, outcome=Outcome(DEVICES, "complete"))
    return fold([begun, record("lanes_chosen", lanes=[DEVICES, USERS]), closed])


@pytest.mark.fault(52)
@pytest.mark.parametrize("name", ["aaaa", "cccc"])
def test_a_later_publication_is_noticed_whichever_run_began_first(tmp_path: Path, name: str) -> None:
    """One with an older id was resumed in between. What was never begun cannot be too old."""
    lake = FolderLake(tmp_path)
    other = publish(lake, facts(DAY, name), Type(rows=devices(3)), Type(USERS, rows=devices(3)))
    found = memory()
    assert list(overtaken(lake, found)) == [(DEVICES, other)]

    restart(found, DEVICES, other)
    assert list(overtaken(lake, found)) == []


def test_what_was_read_behind_a_newer_run_is_not_too_old(tmp_path: Path) -> None:
    """Its journal says which one that was."""
    lake = FolderLake(tmp_path)
    other = publish(lake, facts(DAY, "cccc"), Type(rows=devices(3)))
    found = memory()
    told = restart(found, DEVICES, other)
    closed = record("lane_closed", DEVICES, outcome=Outcome(DEVICES, "complete"))
    opened = record("run_opened", facts=facts(DAY, "bbbb"), plan="p")

    again = fold([opened, record("lanes_chosen", lanes=[DEVICES]), told, closed])
    assert (again.lanes[DEVICES].begun, list(overtaken(lake, again))) == (True, [])
    newest = publish(lake, facts(DAY, "dddd"), Type(rows=devices(3)))
    assert list(overtaken(lake, again)) == [(DEVICES, newest)]


def test_another_day_and_files_that_stand_in_overtake_nothing(tmp_path: Path) -> None:
    """Nor the run itself, nor one that had ended before."""
    lake = FolderLake(tmp_path)
    publish(lake, facts("2026-11-22", "aaaa"), Type(rows=devices(3)))
    publish(lake, facts("2026-11-24", "aaaa"), Type(rows=devices(3)))
    publish(lake, facts(DAY, "bbbb"), Type(rows=devices(3)))
    publish(lake, facts(DAY, "cccc"), Type(USERS, rows=devices(3)), Outcome(DEVICES, "partial", "down"))

    assert list(overtaken(lake, memory())) == []


@pytest.mark.parametrize("event", ["finished", "abandoned"])
def test_runs_of_other_days_that_are_over_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    """Journals have megabytes, and each night makes one more of the same plan."""
    lake = FolderLake(tmp_path)
    for day in ("2026-11-20", "2026-11-21", "2026-11-22"):
        journal = lake.journal(facts(day, "aaaa").run_id).begin()
        journal.append(record("run_opened", facts=facts(day, "aaaa"), plan="p"), record(event))
    looked = list[str]()

    def watched(lake: FolderLake, run_id: str) -> RunMemory:
        looked.append(run_id)
        return memory_of(lake, run_id)

    monkeypatch.setattr(resume, "memory_of", watched)

    assert (find(lake, "p", DAY, datetime(2026, 11, 23, tzinfo=UTC)), give_up(lake, "p")) == (None, [])
    assert looked == ([facts("2026-11-22", "aaaa").run_id] if event == "finished" else [])
