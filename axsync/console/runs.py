"""`axsync runs`, `show` and `report`: past runs, listed, in full, or as an HTML page."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from axsync.console.invocation import Invocation
from axsync.console.output import Side, Table, plain_console, print_line, print_table
from axsync.console.report import rewrite_report, write_index
from axsync.console.text import as_json, as_json_object, clean, clock, counted, megabytes, number
from axsync.errors import UsageError
from axsync.lake import layout
from axsync.lake.history import LATEST, FoundRun, History, LaneRecord, PastRun, Snapshot, find_run, unreadable
from axsync.lake.publish import Lake
from axsync.model import iso
from axsync.snapshots.unpublished import all_runs

Cells = tuple[str, ...]

_PLACE: Cells = ("instance", "entity type")
_ROWS: Cells = ("rows", "distinct ids", "before", "after", "verdict")
_REPAIRS: Cells = ("duplicates", "repaired", "missing", "rescued values", "dead letters")
_READ: Cells = ("pages", "requests", "retries", "MB", "seconds", "files", "MB stored")
_SERVER: Cells = ("api", "version", "discovery before", "discovery after")
_WORDS = frozenset({*_PLACE, *_SERVER, "verdict", "reason", "of run", "field", "example", "notice", "SHA-256", "file"})
"""Columns of text; columns of numbers are aligned to the right."""


def runs(given: Invocation) -> None:
    """List the runs of the lake. Raises: after the list, where a manifest or journal cannot be read."""
    lake = given.lake()
    history = all_runs(lake, datetime.now(UTC))
    if given.as_json:
        click.echo(history_json(history))
    else:
        show_history(history, lake, plain_console(sys.stdout))
    if history.errors:
        raise unreadable(history.errors)


def show(given: Invocation, run: str, *, files: bool) -> None:
    """Print one run in full."""
    lake = given.lake()
    found = find_run(lake, run)
    if given.as_json:
        click.echo(run_json(found))
    else:
        show_run(found, lake, plain_console(sys.stdout), files=files)


def report(given: Invocation, run: str | None, into: Path | None, *, every: bool) -> None:
    """Write the page about a run anew, or the one about all runs, and print its path."""
    if every:
        _index(given, run, into)
        return
    page = rewrite_report(given.lake(), run or LATEST, into)
    if given.as_json:
        click.echo(as_json_object({"run_id": page.run_id, "report": page.path}))
    else:
        click.echo(page.path)


def _index(given: Invocation, run: str | None, into: Path | None) -> None:
    if run or into:
        raise UsageError("--all writes a page about all runs into the lake, beside their reports; omit RUN and --into")
    lake = given.lake()
    try:
        path = write_index(lake, datetime.now(UTC))
    except OSError as error:
        raise UsageError(f"the index cannot be written to {lake.name!r}: {error.strerror or error}") from None
    click.echo(as_json_object({"index": path}) if given.as_json else path)


def history_json(history: History) -> str:
    """The list of runs as one JSON document in plain ASCII."""
    return as_json(history.runs)


def run_json(found: FoundRun) -> str:
    """The manifest in plain ASCII, so that nothing in it can control a terminal."""
    return json.dumps(found.document, indent=2)


def show_history(history: History, lake: Lake, console: Console) -> None:
    """Print one line per run."""
    if history.runs:
        titles = ("run", "date", "verdict", "lanes", "rows", "duration", "")
        sides: tuple[Side, ...] = ("left", "left", "left", "right", "right", "right", "left")
        print_table(Table(titles, sides, tuple(map(_run_cells, history.runs))).without_empty(), console)
    elif not history.errors:
        print_line(f"there are no runs in {lake.name} yet", console)


def _run_cells(run: PastRun) -> Cells:
    seconds = "" if run.seconds is None else clock(run.seconds)
    numbers = (number(run.lanes), number(run.rows), seconds)
    return (run.run_id, run.logical_date, run.verdict, *numbers, ", ".join(filter(None, _notes(run))))


def _notes(run: PastRun) -> Iterator[str]:
    """Few runs have any, so that a column of its own would cost the list its width."""
    if run.as_of:
        yield "history" if run.as_of == run.logical_date else f"history of {run.as_of}"
    if run.latest:
        yield "latest"


def show_run(found: FoundRun, lake: Lake, console: Console, *, files: bool = False) -> None:
    """Print everything in the manifest except the columns; single files only on request."""
    snapshot = found.snapshot
    for title, text in _head(found, lake):
        console.print(Text(f"{title:<14}{clean(text, most=2000)}"), soft_wrap=True)
    section = partial(_section, console, several=_several(snapshot))
    own = [lane for lane in snapshot.lanes if not lane.elsewhere]
    read = [lane for lane in own if lane.verdict != "skipped"]
    repaired = [lane for lane in read if any(_repairs_counts(lane))]
    section("Rows, and what the server counted before and after", _of_lanes(_ROWS, own, _rows))
    section("Why not complete", _of_lanes(("reason",), [lane for lane in own if lane.reason], _reason))
    section("Carried over from earlier runs", _of_lanes(("of run", "rows"), _elsewhere(snapshot), _carried_over))
    if snapshot.tables:
        console.print(Text("\nTables, and the versions of this snapshot", style="bold"), soft_wrap=True)
        print_table(_versions(snapshot), console)
    section("How it was read", _of_lanes(_READ, read, _read))
    section("Server and discovery cycle", _table(_PLACE + _SERVER, _servers(read)))
    section("Repairs, and values that did not fit", _of_lanes(_REPAIRS, repaired, _repairs))
    sound = sum(lane.verdict != "failed" and lane not in repaired for lane in read)
    if sound:
        which = f"in {counted(sound, 'other lane' if repaired else 'lane')}: " if sound < len(read) else ""
        print_line(f"\n{which}no duplicates, no repairs, nothing missing, nothing rescued, no dead letters", console)
    section("Drift: values that did not fit their column", _drift(read))
    for line in _dead_letters(snapshot):
        print_line(line, console)
    section("Notices", _notices(own))
    if files:
        section("Files, in the lake", _files(snapshot.lanes))


def _elsewhere(snapshot: Snapshot) -> list[LaneRecord]:
    return [lane for lane in snapshot.lanes if lane.elsewhere]


def _carried_over(lane: LaneRecord) -> Cells:
    return (lane.from_run or "", number(sum(file.rows for file in lane.files)))


def _several(snapshot: Snapshot) -> bool:
    return len({lane.instance for lane in snapshot.lanes}) > 1


def _section(console: Console, title: str, table: Table, *, several: bool) -> None:
    """Print a table with its title, if it has rows; without the instance column if there is only one instance."""
    if table.rows:
        console.print(Text(f"\n{title}", style="bold"), soft_wrap=True)
        print_table(table if several else table.without_first(), console)


def _head(found: FoundRun, lake: Lake) -> list[tuple[str, str]]:
    run = found.snapshot
    lines = [
        ("run", f"{run.run_id} (latest)" if found.latest else run.run_id),
        ("verdict", run.verdict),
        ("instance", run.lanes[0].instance if run.lanes and not _several(run) else ""),
        ("logical date", run.logical_date),
        ("as of", run.as_of or ""),
        ("started", iso(run.started_at)),
        ("finished", f"{iso(run.finished_at)}, after {clock(run.seconds)}"),
        ("read", f"{counted(run.rows, 'row')} in {counted(len(run.lanes) - len(_elsewhere(run)), 'lane')}"),
        ("axsync", run.axsync_version),
        ("manifest", lake.store.name(lake.manifest_name(run.run_id))),
    ]
    return [(title, text) for title, text in lines if text]


def _table(titles: Cells, rows: Sequence[Cells]) -> Table:
    sides = tuple[Side, ...]("left" if title in _WORDS else "right" for title in titles)
    return Table(titles, sides, tuple(rows))


def _of_lanes(titles: Cells, lanes: Sequence[LaneRecord], cells: Callable[[LaneRecord], Cells]) -> Table:
    return _table(_PLACE + titles, [(lane.instance, lane.entity, *cells(lane)) for lane in lanes])


def _rows(lane: LaneRecord) -> Cells:
    counts = (lane.count_before, lane.count_after)
    told = tuple("" if count is None else number(count) for count in counts)
    came = ("", "") if lane.verdict == "skipped" else (number(lane.rows), number(lane.distinct_ids))
    return (*came, *told, lane.verdict)


def _reason(lane: LaneRecord) -> Cells:
    return (lane.reason or "",)


def _repairs_counts(lane: LaneRecord) -> tuple[int, ...]:
    return (lane.duplicates, lane.repaired, lane.missing, lane.rescued_values, lane.dead_letters)


def _repairs(lane: LaneRecord) -> Cells:
    return tuple(map(number, _repairs_counts(lane)))


def _read(lane: LaneRecord) -> Cells:
    asked = tuple(map(number, (lane.pages, lane.requests, lane.retries)))
    stored = megabytes(sum(file.bytes for file in lane.files))
    return (*asked, megabytes(lane.bytes), f"{lane.seconds:,.1f}", number(len(lane.files)), stored)


def _servers(lanes: Sequence[LaneRecord]) -> list[Cells]:
    """One line per instance, or one per lane if the server did not report the same for all of them."""
    told: dict[str, set[Cells]] = {}
    for lane in lanes:
        told.setdefault(lane.instance, set()).add(_server(lane))
    names = [(lane.instance, "all" if len(told[lane.instance]) == 1 else lane.entity) for lane in lanes]
    return list(dict.fromkeys((*name, *_server(lane)) for name, lane in zip(names, lanes, strict=True)))


def _server(lane: LaneRecord) -> Cells:
    discovery = (lane.discovery.get("before"), lane.discovery.get("after"))
    return tuple(text or "unknown" for text in (lane.api, lane.server_version, *discovery))


def _drift(lanes: Sequence[LaneRecord]) -> Table:
    rows = [
        (lane.instance, lane.entity, name, number(drift.rescued), drift.example)
        for lane in lanes
        for name, drift in sorted(lane.drift.items(), key=lambda one: (-one[1].rescued, one[0]))
    ]
    return _table((*_PLACE, "field", "rescued", "example"), rows)


def _files(lanes: Sequence[LaneRecord]) -> Table:
    rows = [
        (lane.instance, lane.entity, number(file.rows), megabytes(file.bytes), file.sha256[:12], file.path)
        for lane in lanes
        for file in lane.files
    ]
    return _table((*_PLACE, "rows", "MB", "SHA-256", "file"), rows)


def _versions(snapshot: Snapshot) -> Table:
    rows = [
        (entity, pin.format, str(pin.snapshot_id if pin.version is None else pin.version), pin.path)
        for entity, pins in sorted(snapshot.tables.items())
        for pin in pins
    ]
    return Table(("entity type", "format", "version", "table"), ("left", "left", "right", "left"), tuple(rows))


def _dead_letters(snapshot: Snapshot) -> list[str]:
    lanes_with_some = [lane for lane in snapshot.lanes if lane.dead_letters]
    lines = [
        f"{counted(lane.dead_letters, 'dead letter')} of {lane.lane}: {layout.dead_letters(snapshot.run_id, lane.lane)}"
        for lane in lanes_with_some
    ]
    return ["\nDead letters, in the lake", *lines] if lines else []


def _notices(lanes: Sequence[LaneRecord]) -> Table:
    rows = [
        (lane.instance, lane.entity, text)
        for lane in lanes
        for text in [*([f"carried over from run {lane.from_run}"] if lane.from_run else []), *lane.notices]
    ]
    return _table((*_PLACE, "notice"), rows)
