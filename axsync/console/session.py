"""One run before a person's eyes: progress while it lasts, signals, the closing table, the exit code."""

import asyncio
import atexit
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from types import FrameType
from typing import Literal, Protocol, TextIO, TypeVar

from rich.console import Console

from axsync.console.closing import exit_code, report_json, show_errors, show_report
from axsync.console.explain import INTERRUPTED, TERMINATED, explain, explain_all
from axsync.console.lines import Beat, JsonLog, LogLines, json_line, stamped
from axsync.console.progress import Progress, Ticks
from axsync.console.progress_state import ProgressTracker
from axsync.console.report import keep
from axsync.console.words import clean
from axsync.errors import Terminated
from axsync.events import Event, Notice, Observer, RunStarted, SnapshotPublished
from axsync.lake.publish import Lake
from axsync.runs import Report
from axsync.settings import Settings

T = TypeVar("T")
TICK_SECONDS = 1.0  # how often a silent run is asked whether a progress line is due


class Sync(Protocol):
    """What `axsync.runs.sync` is to this module."""

    def __call__(self, settings: Settings, *, observers: Sequence[Observer] = ()) -> Awaitable[Report]:
        """Do the run."""
        ...


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a command speaks."""

    output: Literal["text", "json"] = "text"
    log_format: Literal["text", "json"] = "text"
    verbosity: int = 0  # -1 quiet, 0, 1 verbose


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; no report when it was stopped."""

    exit_code: int
    report: Report | None = None
    page: str | None = None  # the HTML report


class Stopped(Exception):
    """A signal ended the work, after everything was put away; `exit_code` says which."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped")
        self.exit_code = exit_code


@dataclass(slots=True)
class _Seen:
    """An observer that remembers whether anything was done, and whether there is a new snapshot."""

    begun: bool = False
    run_id: str | None = field(default=None)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted | SnapshotPublished):
            self.begun = True
        if isinstance(event, SnapshotPublished):
            self.run_id = event.run_id


def dump(sync: Sync, settings: Settings, options: OutputOptions, observers: Sequence[Observer] = ()) -> Ended:
    """Run, show how it goes and how it ended. An `AxsyncError` that stops everything is left to the caller.

    `observers` are told after those that show what happens.
    """
    seen = _Seen()
    try:
        with watching(sys.stderr, options) as observer:
            report = until_done(lambda: sync(settings, observers=(observer, seen, *observers)))
        page = _page(report, settings, options) if seen.begun and not settings.run.dry_run else None
        _conclude(report, options, dry_run=settings.run.dry_run, page=page)
    except (Stopped, Terminated, KeyboardInterrupt) as ended:
        code = _code_of(ended)
        say(_farewell(code, seen.run_id), options)
        return Ended(code)
    return Ended(exit_code(report, dry_run=settings.run.dry_run), report, page)


def _code_of(ended: Stopped | Terminated | KeyboardInterrupt) -> int:
    if isinstance(ended, Stopped):
        return ended.exit_code
    return TERMINATED if isinstance(ended, Terminated) else INTERRUPTED


def _page(report: Report, settings: Settings, options: OutputOptions) -> str | None:
    """Write the HTML report beside the journal of the run; where it is, None where there is no journal."""
    lake = Lake(settings.lake.path) if settings.lake.path else None
    if lake is None or not lake.journal(report.run_id).exists():
        return None
    try:
        return str(keep(lake, report).path)
    except Exception as error:  # noqa: BLE001  whatever is wrong with a page about it, the run is what it is
        say(f"the report cannot be written: {explain(error, environ=os.environ).headline}", options)
        return None


def _conclude(report: Report, options: OutputOptions, *, dry_run: bool, page: str | None) -> None:
    if options.output == "json":
        sys.stdout.write(report_json(report, dry_run=dry_run, page=page) + "\n")
    else:
        show_report(report, plain_console(sys.stdout), dry_run=dry_run, page=page)
    sys.stdout.flush()
    if options.log_format == "json":
        for explanation in explain_all(report.errors):
            say("; ".join(explanation.lines()), options)
    else:
        show_errors(report, plain_console(sys.stderr))


def _farewell(code: int, run_id: str | None) -> str:
    what = "terminated" if code == TERMINATED else "interrupted"
    return f"{what} after run {run_id} was published" if run_id else f"{what}: nothing was published"


def say(line: str, options: OutputOptions) -> None:
    """One line for a person on stderr, a JSON object where logs are that."""
    if options.log_format == "json":
        say_json(line)
    else:
        sys.stderr.write(line + "\n")


def notices(options: OutputOptions) -> Observer:
    """An observer for commands that print a table: only what a person should know, one line each."""

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            say(clean(event.text), options)

    return tell


def say_json(text: str) -> None:
    """A sentence among the log lines, for logs that are JSON."""
    sys.stderr.write(json_line(datetime.now(UTC), "axsync.message", {"level": "warning", "text": text}) + "\n")


def plain_console(stream: TextIO) -> Console:
    """A console that prints texts as they are: no markup, no guessed colours, no emoji codes."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    return Console(file=stream, markup=False, highlight=False, emoji=False)


@contextmanager
def watching(stream: TextIO, options: OutputOptions) -> Iterator[Observer]:
    """The observer that suits the stream: a picture on a terminal, lines elsewhere."""
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
    # An observer never raises: a log that nobody reads any more must not end the run.
    with suppress(OSError):
        print(line, file=stream, flush=True)


def until_done(work: Callable[[], Awaitable[T]]) -> T:
    """`asyncio.run`, where SIGTERM cancels the work just as SIGINT does.

    Raises: Stopped, when the work has put everything away; a second signal does not wait for that. After a first one
    this stays so until the process ends: whoever sends two must not see it killed while it takes its leave.
    """
    end = _Terminator()
    # Not loop.add_signal_handler: that would leave the default behaviour behind, and not what was there before.
    before = signal.signal(signal.SIGTERM, end)
    try:
        return asyncio.run(_cancellable(work, end))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stopped(TERMINATED if end.called else INTERRUPTED) from None
    finally:
        if end.called:
            # Python takes its handlers away before it is gone; what is ignored stays ignored.
            atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, before)


@dataclass(slots=True)
class _Terminator:
    """A handler of SIGTERM: the first one cancels the work, the second one ends the process."""

    called: bool = False
    cancel: Callable[[], object] | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.called:
            os._exit(TERMINATED)  # at once: what is journaled is durable, the rest is asked again
        self.called = True
        if self.cancel is not None:
            with suppress(RuntimeError):  # the loop is closed, the work done
                self.cancel()


async def _cancellable(work: Callable[[], Awaitable[T]], end: _Terminator) -> T:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is not None:
        end.cancel = partial(loop.call_soon_threadsafe, task.cancel)
    if end.called:  # before there was anything to cancel
        raise asyncio.CancelledError
    return await work()
