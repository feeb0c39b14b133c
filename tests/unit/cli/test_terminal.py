"""What a run looks like on a terminal: a real pseudo terminal, read as bytes."""

import os
import pty
import subprocess
import sys
from pathlib import Path

RUNNING = """
import asyncio
from axsync.cli import main
from axsync.events import LaneClosed, LaneOpened, PageRead, RunStarted
from axsync.model import Lane, Outcome
from axsync.runs.run import Report

LANE = Lane("default", "devices")
DONE = Outcome(LANE, "complete", rows=4000, pages=2, bytes=9_000_000, seconds=1.0)

async def run(settings, *, observers=()):
    events = [RunStarted("r1", "2026-11-23", (LANE,)), LaneOpened(LANE, 4000), PageRead(LANE, 0, 2000, 4_500_000, 0.5)]
    for event in events:
        for observer in observers:
            observer(event)
    await asyncio.sleep(0.5)
    for observer in observers:
        observer(LaneClosed(DONE))
    return Report("r1", "2026-11-23", "complete", (DONE,), "m.json", "lake", 1.0)

main(["run"], obj={"sync": run})
"""


def on_terminal(folder: Path, **environment: str) -> str:
    """What the program writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    keys = {"AX_URL": "https://acme.example", "AX_KEY": "k", "AX_SECRET": "s"}
    env = os.environ | size | keys | environment
    with subprocess.Popen(
        [sys.executable, "-c", RUNNING],
        cwd=folder,
        env=env,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_a_terminal_gets_bars_and_a_drawn_table(tmp_path: Path) -> None:
    """The bars live while the run does; the table stays."""
    written = on_terminal(tmp_path)

    assert "━" in written
    assert "2,000 of 4,000 rows" in written
    assert "\x1b[32m" in written
    assert "────" in written.rpartition("entity type")[2]


def test_no_color_is_respected(tmp_path: Path) -> None:
    """The same, without colours."""
    written = on_terminal(tmp_path, NO_COLOR="1")

    assert "━" in written
    assert "\x1b[32m" not in written


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    """No cursor movement, no drawing."""
    written = on_terminal(tmp_path, TERM="dumb")

    assert "devices: 4,000 rows to read" in written
    assert "\x1b" not in written
    assert "━" not in written
