"""Which lanes of an unfinished run another run has published since."""

from pathlib import Path

import pytest

from axsync.model import Outcome
from axsync.runs.resume import overtaken
from axsync.runs.state import RunMemory, fold, record, restart
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
