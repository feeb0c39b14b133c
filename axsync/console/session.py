"""One run as a person sees it: progress, signals, the closing table, the exit code."""

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
from axsync.lake import layout
from axsync.lake.publish import open_lake
from axsync.runs import Report
from axsync.settings import Settings

T = TypeVar("T")
TICK_SECONDS = 1.0  # how often to check whether a progress line is due


class Sync(Protocol):
    """The signature of `axsync.runs.sync`."""

    def __call__(self, settings: Settings, *, observers: Sequence[Observer] = ()) -> Awaitable[Report]:
        """Run to the end."""
        ...


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Formats and verbosity of a command."""

    output: Literal["text", "json"] = "text"
    log_format: Literal["text", "json"] = "text"
    verbosity: int = 0  # -1 quiet, 0, 1 verbose


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; without a report if it was stopped by a signal."""

    exit_code: int
    report: Report | None = None
    page: str | None = None  # the HTML report


class Stopped(Exception):
    """A signal ended the work after a clean shutdown; `exit_code` says which."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped")
        self.exit_code = exit_code


@dataclass(slots=True)
class _Seen:
    """An observer that remembers whether the run started, and whether it published."""

    begun: bool = False
    run_id: str | None = field(default=None)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted | SnapshotPublished):
            self.begun = True
        if isinstance(event, SnapshotPublished):
            self.run_id = event.run_id


def dump(sync: Sync, settings: Settings, options: OutputOptions, observers: Sequence[Observer] = ()) -> Ended:
    """Run, show progress and the result. An `AxsyncError` that stops the run is left to the caller.

    `observers` are called after the ones that display.
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
    """Write the HTML report beside the journal of the run; its path, or None without a journal."""
    lake = open_lake(settings.lake)
    if lake is None or lake.store.size(layout.journal(report.run_id)) is None:
        return None
    try:
        return keep(lake, report).path
    except Exception as error:  # noqa: BLE001  a failed report must not fail the run
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
    """Write one line to stderr; a JSON object if logs are JSON."""
    if options.log_format == "json":
        say_json(line)
    else:
        sys.stderr.write(line + "\n")


def notices(options: OutputOptions) -> Observer:
    """An observer for commands that print a table: writes notices only, one line each."""

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            say(clean(event.text), options)

    return tell


def say_json(text: str) -> None:
    """Write a message as a JSON log line."""
    sys.stderr.write(json_line(datetime.now(UTC), "axsync.message", {"level": "warning", "text": text}) + "\n")


def plain_console(stream: TextIO) -> Console:
    """A console that prints text verbatim: no markup, no highlighting, no emoji codes."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a name that the terminal cannot encode must not be an error
    return Console(file=stream, markup=False, highlight=False, emoji=False)


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


def until_done(work: Callable[[], Awaitable[T]]) -> T:
    """`asyncio.run`, with SIGTERM cancelling the work as SIGINT does.

    Raises: Stopped, after a clean shutdown; a second signal does not wait for it. After the first signal the handler
    stays until the process ends, so that a second one cannot kill it while it exits.
    """
    end = _Terminator()
    # Not loop.add_signal_handler: it would restore the default handler instead of the previous one.
    before = signal.signal(signal.SIGTERM, end)
    try:
        return asyncio.run(_cancellable(work, end))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stopped(TERMINATED if end.called else INTERRUPTED) from None
    finally:
        if end.called:
            # Python removes its handlers before it exits; an ignored signal stays ignored.
            atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, before)


@dataclass(slots=True)
class _Terminator:
    """SIGTERM handler: the first signal cancels the work, the second ends the process."""

    called: bool = False
    cancel: Callable[[], object] | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.called:
            os._exit(TERMINATED)  # at once: what is journaled is durable, the rest is read again
        self.called = True
        if self.cancel is not None:
            with suppress(RuntimeError):  # the loop is closed, the work done
                self.cancel()


async def _cancellable(work: Callable[[], Awaitable[T]], end: _Terminator) -> T:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is not None:
        end.cancel = partial(loop.call_soon_threadsafe, task.cancel)
    if end.called:  # before the task existed
        raise asyncio.CancelledError
    return await work()
