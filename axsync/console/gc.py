"""`axsync verify` and `gc`: a snapshot against its manifest, and what the lake no longer needs."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from axsync.console.explain import FAILED
from axsync.console.invocation import Invocation
from axsync.console.output import Table, plain_console, print_line, print_table
from axsync.console.text import counted, megabytes, number, volume
from axsync.lake.history import FoundRun, Snapshot, read_as_meant
from axsync.runs.gc import Leftover, Sweep, look, sweep
from axsync.snapshots.verify import Damage, Heard, Verified
from axsync.snapshots.verify import verify as verify_snapshot

MOST_SHOWN = 20
"""Faults shown in text; JSON has all of them."""


def verify(given: Invocation, run: str) -> int:
    """Compare every file of a snapshot with its manifest."""
    lake = given.lake()

    def work(found: tuple[FoundRun, ...]) -> Verified:
        with bar(sys.stderr, found[0].snapshot) as heard:
            return verify_snapshot(lake, found[0], heard)

    verified = read_as_meant(lake, (run,), work, is_whole=lambda one: not one.faults)
    if given.as_json:
        click.echo(verified_json(verified))
    else:
        show_verified(verified, plain_console(sys.stdout))
    return verify_exit_code(verified)


def gc(given: Invocation, *, yes: bool) -> None:
    """Show what is no longer needed; with `yes`, remove it."""
    found = (sweep if yes else look)(given.lake(), given.lake_settings(), datetime.now(UTC))
    if given.as_json:
        click.echo(sweep_json(found))
        return
    if given.output_options.verbosity > 0:
        click.echo("".join(f"{line}\n" for line in paths_of(found.leftovers)), nl=False)
    show_sweep(found, plain_console(sys.stdout))


@contextmanager
def bar(stream: TextIO, snapshot: Snapshot) -> Iterator[Heard]:
    """A progress bar over the bytes of a snapshot, on a terminal only."""
    console = plain_console(stream)
    columns = (TextColumn("verify"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    silent = not console.is_terminal or console.is_dumb_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as progress:
        task = progress.add_task("", total=sum(file.bytes for lane in snapshot.lanes for file in lane.files))
        yield lambda size: progress.advance(task, size)


def verified_json(verified: Verified) -> str:
    """All lanes and all faults, in plain ASCII."""
    return json.dumps({"run_id": verified.run_id, "verdict": _state(verified.faults), **asdict(verified)}, indent=2)


def verify_exit_code(verified: Verified) -> int:
    """1 if something differs from the manifest."""
    return FAILED if verified.faults else 0


def show_verified(verified: Verified, console: Console) -> None:
    """Print a line per lane, then the faults."""
    rows = tuple(
        (
            lane.instance,
            lane.entity,
            number(lane.files),
            number(lane.rows),
            megabytes(lane.bytes),
            _state(lane.faults),
        )
        for lane in verified.lanes
        if lane.files or lane.faults
    )
    titles = ("instance", "entity type", "files", "rows", "MB", "")
    table = Table(titles, ("left", "left", "right", "right", "right", "left"), rows)
    if rows:
        print_table(table if len({row[0] for row in rows}) > 1 else table.without_first(), console)
    for fault in verified.faults[:MOST_SHOWN]:
        print_line(f"{fault.path or fault.lane}: {fault.text}", console)
    if (more := len(verified.faults) - MOST_SHOWN) > 0:
        print_line(f"and {more:,} more; use --output json to see all of them", console)
    if any(fault.stray for fault in verified.faults):
        print_line("axsync gc --yes removes stray files; without --yes it shows them", console)
    files, rows_read = sum(lane.files for lane in verified.lanes), sum(lane.rows for lane in verified.lanes)
    came_out = f"{counted(len(verified.faults), 'fault')} in" if verified.faults else "everything matches the manifest:"
    print_line(f"{came_out} {counted(files, 'file')}, {counted(rows_read, 'row')}, run {verified.run_id}", console)


def _state(faults: Sequence[Damage]) -> str:
    """The files of the manifest may be whole beside one that is in no manifest."""
    if all(fault.stray for fault in faults):
        return "stray file" if faults else "whole"
    return "damaged"


def sweep_json(found: Sweep) -> str:
    """Each leftover, in plain ASCII."""
    told = {"removed": found.removed, "bytes": found.bytes, "kept": found.kept}
    told |= {"snapshots": [asdict(one) for one in found.snapshots]}
    return json.dumps(told | {"leftovers": [asdict(leftover) for leftover in found.leftovers]}, indent=2)


def show_sweep(found: Sweep, console: Console) -> None:
    """Print why each snapshot is kept, a line per run and kind of leftover, and what to do."""
    if found.snapshots:
        why = tuple((one.run_id, one.logical_date, ", ".join(one.reasons) or "goes") for one in found.snapshots)
        print_table(Table(("snapshot", "day", "kept by"), ("left", "left", "left"), why), console)
    kept = f"{counted(len(found.kept), 'snapshot')} kept"
    if not found.leftovers:
        print_line(f"nothing to remove; {kept}", console)
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
    print_table(Table(titles, ("left", "left", "right", "right", "left"), rows, total), console)
    did = "removed" if found.removed else "would be removed"
    print_line(f"{volume(found.bytes)} {did}; {kept}", console)
    if not found.removed:
        print_line("run the same command with --yes to remove it", console)


_NAMES = {
    "snapshot": "manifest",
    "schema": "columns",
    "part": "part files",
    "run": "journal and dead letters",
    "staging": "staging",
    "draft": "unfinished writes",
}


def paths_of(leftovers: Sequence[Leftover]) -> list[str]:
    """One line per path, with the reason."""
    return [f"{leftover.path}  ({leftover.why})" for leftover in leftovers]
