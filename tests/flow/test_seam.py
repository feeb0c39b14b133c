"""A whole run whose lake is no folder."""

from pathlib import Path

import pytest

import axsync
from axsync.lake.history import find_run
from axsync.lake.publish import Lake
from axsync.runs import setup
from axsync.snapshots.verify import verify
from tests.flow.conftest import Start
from tests.flow.harness import Lab, at_once
from tests.unit.lake.memory import store_in_memory


async def test_a_run_needs_no_folder(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All bytes of a lake go through its store; the same command then finds that nothing is left to do."""
    emulator = await start()
    lake, settings = Lake(store_in_memory(tmp_path)), lab.settings(lab.instance(emulator))
    monkeypatch.setattr(setup, "open_lake", lambda _settings: lake)
    report = await axsync.sync(settings, jitter=at_once)
    again = await axsync.sync(settings, jitter=at_once)

    assert (report.verdict, again.run_id) == ("complete", report.run_id)
    assert verify(lake, find_run(lake, "latest")).faults == ()
    assert not lab.lake.exists()
