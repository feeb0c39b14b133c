"""What `verify` and `gc` found, as tables or JSON."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from axsync.console.explain import FAILED
from axsync.console.session import plain_console
from axsync.console.table import Table, show
from axsync.console.words import clean, counted, megabytes, number, volume
from axsync.lake.history import Snapshot
from axsync.snapshots.gc import Leftover, Sweep
from axsync.snapshots.verify import Heard, Verified

MOST_SHOWN = 20
"""So many faults are shown; JSON has them all."""


@contextmanager
def bar(stream: TextIO, snapshot: Snapshot) -> Iterator[Heard]:
    """Shows how many bytes of a snapshot are read, on a terminal only."""
    console = plain_console(stream)
    columns = (TextColumn("verify"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    silent = not console.is_terminal or console.is_dumb_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as progress:
        task = progress.add_task("", total=sum(file.bytes for lane in snapshot.lanes for file in lane.files))
        yield lambda size: progress.advance(task, size)


def verified_json(verified: Verified) -> str:
    """All lanes and all faults, plain ASCII."""
    verdict = "damaged" if verified.faults else "whole"
    return json.dumps({"run_id": verified.run_id, "verdict": verdict, **asdict(verified)}, indent=2)


def verify_exit_code(verified: Verified) -> int:
    """1 where something is not as the manifest says."""
    return FAILED if verified.faults else 0


def show_verified(verified: Verified, console: Console) -> None:
    """Print a line per lane, then what is wrong."""
    rows = tuple(
        (
            lane.instance,
            lane.entity,
            number(lane.files),
            number(lane.rows),
            megabytes(lane.bytes),
            "damaged" if lane.faults else "whole",
        )
        for lane in verified.lanes
        if lane.files or lane.faults
    )
    titles = ("instance", "entity type", "files", "rows", "MB", "")
    table = Table(titles, ("left", "left", "right", "right", "right", "left"), rows)
    if rows:
        show(table if len({row[0] for row in rows}) > 1 else table.without_first(), console)
    for fault in verified.faults[:MOST_SHOWN]:
        _say(f"{fault.path or fault.lane}: {fault.text}", console)
    if (more := len(verified.faults) - MOST_SHOWN) > 0:
        _say(f"and {more:,} more; --output json has them all", console)
    files, rows_read = sum(lane.files for lane in verified.lanes), sum(lane.rows for lane in verified.lanes)
    came_out = f"{counted(len(verified.faults), 'fault')} in" if verified.faults else "all is as the manifest says:"
    _say(f"{came_out} {counted(files, 'file')}, {counted(rows_read, 'row')}, run {verified.run_id}", console)


def sweep_json(found: Sweep) -> str:
    """Each leftover, plain ASCII."""
    told = {"removed": found.removed, "bytes": found.bytes, "kept": found.kept}
    return json.dumps(told | {"leftovers": [asdict(leftover) for leftover in found.leftovers]}, indent=2)


def show_sweep(found: Sweep, console: Console) -> None:
    """Print a line per run and kind of what is left over, and what to do."""
    kept = f"{counted(len(found.kept), 'snapshot')} kept"
    if not found.leftovers:
        _say(f"nothing is left over; {kept}", console)
        return
    groups: dict[tuple[str, str, str], list[Leftover]] = {}
    for one in found.leftovers:
        groups.setdefault((_NAMES[one.kind], one.run_id or "", one.why), []).append(one)
    rows = tuple(
        (what, run, number(len(many)), megabytes(sum(one.bytes for one in many)), why)
        for (what, run, why), many in groups.items()
    )
    total = ("total", "", number(len(found.leftovers)), megabytes(found.bytes), "")
    titles = ("what", "run", "number", "MB", "why")
    show(Table(titles, ("left", "left", "right", "right", "left"), rows, total), console)
    did = "removed" if found.removed else "would be removed"
    _say(f"{volume(found.bytes)} {did}; {kept}", console)
    if not found.removed:
        _say("try: the same command with --yes", console)


_NAMES = {
    "snapshot": "manifest",
    "part": "part files",
    "run": "journal and dead letters",
    "staging": "staging",
    "draft": "drafts",
}


def _say(line: str, console: Console) -> None:
    console.print(Text(clean(line, most=2000)), soft_wrap=True)


def paths_of(leftovers: Sequence[Leftover]) -> list[str]:
    """One line each, for those who want to see every path."""
    return [f"{leftover.path}  ({leftover.why})" for leftover in leftovers]
