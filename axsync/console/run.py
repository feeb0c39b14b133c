"""One run as a person sees it: progress, signals, the closing table, the exit code."""

import os
import sys
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TextIO

from axsync.console.explain import BROKEN_PIPE, INTERRUPTED, TERMINATED, explain, explain_all
from axsync.console.live_display import Progress, Ticks
from axsync.console.log_lines import Beat, JsonLog, LogLines, stamped
from axsync.console.output import OutputOptions, plain_console, say
from axsync.console.progress import ProgressTracker
from axsync.console.report import write_index, write_report
from axsync.console.run_result import Ended, exit_code, report_json, show_errors, show_report
from axsync.console.signals import Stopped, until_done
from axsync.console.text import counted
from axsync.errors import AxsyncError, Busy, OutputLost, Terminated
from axsync.events import Event, Observer, RunStarted, SnapshotPublished
from axsync.lake import layout
from axsync.lake.publish import Lake, open_lake
from axsync.runs.run import Report
from axsync.runs.state import memory_of
from axsync.settings import Settings

TICK_SECONDS = 1.0  # how often to check whether a progress line is due


class Sync(Protocol):
    """The signature of `axsync.runs.run.sync`."""

    def __call__(self, settings: Settings, *, observers: Sequence[Observer] = ()) -> Awaitable[Report]:
        """Run to the end."""
        ...


@dataclass(slots=True)
class _Seen:
    """An observer that remembers whether the run started, and whether it published."""

    run_id: str | None = None
    published: bool = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted | SnapshotPublished):
            self.run_id = event.run_id
        if isinstance(event, SnapshotPublished):
            self.published = True


def dump(sync: Sync, settings: Settings, options: OutputOptions, observers: Sequence[Observer] = ()) -> Ended:
    """Run, show progress and the result. An `AxsyncError` that stops the run is left to the caller.

    `observers` are called after the ones that display.
    """
    seen = _Seen()
    try:
        with watching(sys.stderr, options) as observer:
            report = until_done(lambda: sync(settings, observers=(observer, seen, *observers)))
        page = _page(report, settings, options) if seen.run_id and not settings.run.dry_run else None
        is_read = _conclude(report, options, dry_run=settings.run.dry_run, page=page)
    except (Stopped, Terminated, KeyboardInterrupt) as ended:
        code = code_of(ended)
        say(_farewell(code, seen, settings), options)
        return Ended(code)
    return Ended(exit_code(report, dry_run=settings.run.dry_run) if is_read else BROKEN_PIPE, report, page)


def code_of(ended: Stopped | Terminated | KeyboardInterrupt) -> int:
    """The exit code of what a signal ended."""
    if isinstance(ended, Stopped):
        return ended.exit_code
    return TERMINATED if isinstance(ended, Terminated) else INTERRUPTED


def _page(report: Report, settings: Settings, options: OutputOptions) -> str | None:
    """Write the HTML report beside the journal of the run, alone with the lake; its path.

    None without a journal, and for a part of a run: what that came to is told with the whole.

    `axsync gc` takes a draft for one that was cut short, unless the lake is held.
    """
    if report.shard is not None:
        return None
    try:
        lake = open_lake(settings.lake)
        if lake.store.size(layout.journal(report.run_id)) is None:
            return None
        with lake.store.hold(layout.LOCK, what=f"the lake {lake.name}", run=report.run_id):
            page = write_report(lake, report).path
            if settings.lake.index:
                _write_index(lake, options)
            return page
    except Busy as error:
        say(f"the report is not written: {error}; axsync report {report.run_id} does it later", options)
        return None
    except Exception as error:  # noqa: BLE001  a failed report must not fail the run
        say(f"the report cannot be written: {explain(error, environ=os.environ).headline}", options)
        return None


def write_index_of(settings: Settings, options: OutputOptions) -> None:
    """The page about all runs, where the settings want it and nobody else has the lake."""
    lake = open_lake(settings.lake)
    if settings.lake.index:
        try:
            with lake.store.hold(layout.LOCK, what=f"the lake {lake.name}", run="index"):
                _write_index(lake, options)
        except Busy as error:
            say(f"the index of all runs is not written: {error}", options)


def _write_index(lake: Lake, options: OutputOptions) -> None:
    try:
        write_index(lake, datetime.now(UTC))
    except Exception as error:  # noqa: BLE001  nor must an index
        say(f"the index of all runs cannot be written: {explain(error, environ=os.environ).headline}", options)


def _conclude(report: Report, options: OutputOptions, *, dry_run: bool, page: str | None) -> bool:
    """Say what the run came to; returns False where the reader of the result has gone."""
    is_read = True
    try:
        _show_result(report, options, dry_run=dry_run, page=page)
    except OutputLost as lost:  # a full disk changes nothing about the run, nor its exit code
        is_read = bool(lost.reason)
        if is_read:
            say(f"warning: {lost}", options)
    if options.log_format == "json":
        for explanation in explain_all(report.errors):
            say("; ".join(explanation.lines()), options, level="error")
    else:
        show_errors(report, plain_console(sys.stderr))
    return is_read


def _show_result(report: Report, options: OutputOptions, *, dry_run: bool, page: str | None) -> None:
    if options.output == "json":
        sys.stdout.write(report_json(report, dry_run=dry_run, page=page) + "\n")
    else:
        show_report(report, plain_console(sys.stdout), dry_run=dry_run, page=page)
    sys.stdout.flush()


def _farewell(code: int, seen: _Seen, settings: Settings) -> str:
    what = "terminated" if code == TERMINATED else "interrupted"
    if seen.published:
        return f"{what} after run {seen.run_id} was published"
    rows = _kept(seen.run_id, settings)
    command = "the same command without --fresh" if settings.run.fresh else "the same command"
    told = f"; {counted(rows, 'row')} kept, and {command} resumes the run" if rows else ""
    return f"{what}: nothing was published{told}"


def _kept(run_id: str | None, settings: Settings) -> int:
    """The rows of an interrupted run that the same command does not read again."""
    if run_id is None:
        return 0
    try:
        return memory_of(open_lake(settings.lake), run_id).kept
    except (AxsyncError, OSError):
        return 0


@contextmanager
def watching(stream: TextIO, options: OutputOptions) -> Iterator[Observer]:
    """The observer that suits the stream: a live display on a terminal, lines elsewhere."""
    write = partial(_written, stream)
    console, tracker = plain_console(stream), ProgressTracker(time.monotonic)
    log: LogLines | JsonLog
    if options.log_format == "json":
        log = JsonLog(write, tracker, options.verbosity, Beat(time.monotonic), lambda: datetime.now(UTC))
    elif console.is_terminal and not console.is_dumb_terminal and options.verbosity >= 0:
        with Progress(console, verbosity=options.verbosity, seconds=time.monotonic) as progress:
            yield progress
        return
    else:
        lines = stamped(write, lambda: datetime.now(UTC))
        log = LogLines(lines, tracker, options.verbosity, Beat(time.monotonic))
    ticks = Ticks(log.tick, TICK_SECONDS, name="axsync-ticks")
    ticks.start()
    try:
        yield log
    finally:
        ticks.stop()


def _written(stream: TextIO, line: str) -> None:
    # An observer never raises: a closed log stream must not end the run.
    with suppress(OSError):
        print(line, file=stream, flush=True)
