"""A live display of a run on a terminal: a few lines for the whole run, one for each active entity type."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from axsync.console.log_lines import NORMAL, QUIET, LogLines
from axsync.console.progress import (
    ClosedLane,
    LaneProgress,
    ProgressState,
    ProgressTracker,
    left_phrase,
    progress_phrases,
    retried,
)
from axsync.console.text import clean, clock, counted, number, volume
from axsync.events import Event

HZ = 8  # redraws per second, at most
SLOWEST_SECONDS = 1.0  # between two redraws, however small the budget
SHARE = 0.01  # of the CPU time of the run may go into redraws
MOST_LANES = 10
MOST_SUMS = 5  # lines of totals, on a narrow terminal
MOST_COLUMNS = 120  # wider lines are harder to read
BAR_COLUMNS = 12

_DONE, _REST, _DIM, _BOLD = Style(color="green"), Style(color="bright_black"), Style(dim=True), Style(bold=True)
_MARKS = {"complete": ("✓", "+", _DONE), "drifted": ("!", "!", Style(color="yellow")), "skipped": ("–", "-", _DIM)}
"""How a verdict is drawn, the same in ASCII, and its style."""
_LOST = ("✗", "x", Style(color="red"))
Piece = tuple[str, Style | None]


class Progress:
    """An observer that draws. Inside its `with` block it owns the lower lines of the terminal."""

    def __init__(self, console: Console, *, verbosity: int, seconds: Callable[[], float]) -> None:
        self._console, self._tracker = console, ProgressTracker(seconds)
        # The bars replace the log lines, so only warnings are written above them.
        level = QUIET if verbosity == NORMAL else verbosity
        self._lines = LogLines(self._above, self._tracker, level, beat=None)
        self._live = Live(
            get_renderable=self._picture,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

        self._budget = RedrawBudget(share=SHARE, slowest_seconds=SLOWEST_SECONDS)
        self._ticks = Ticks(self._draw, 1 / HZ, name="axsync-progress")

    def __enter__(self) -> Self:
        self._live.start()
        self._ticks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticks.stop()
        self._live.stop()

    def _draw(self) -> None:
        if self._budget.may(time.monotonic(), time.process_time()):
            began = time.thread_time()
            self._live.refresh()
            self._budget.spend(time.thread_time() - began)

    def __call__(self, event: Event) -> None:
        self._lines(event)

    def _above(self, line: str) -> None:
        self._console.print(Text(line))

    def _picture(self) -> "Picture":
        return Picture(self._tracker.state())


@dataclass(slots=True)
class RedrawBudget:
    """Limits redraws to a small share of the CPU time of the process. Times are in seconds."""

    share: float
    slowest_seconds: float
    _spent: float = 0.0
    _last: float = -1.0

    def may(self, now: float, cpu: float) -> bool:
        """Whether a redraw is allowed now; `cpu` is the CPU time of the process so far."""
        if self._spent > self.share * cpu and now - self._last < self.slowest_seconds:
            return False
        self._last = now
        return True

    def spend(self, seconds: float) -> None:
        """Account for a redraw."""
        self._spent += seconds


@dataclass(frozen=True, slots=True)
class Picture:
    """A state, drawn. Lines are made of segments at once: rich's tables would cost ten times as much."""

    state: ProgressState

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Room for the ^C that a terminal echoes: if it wrapped, a line of the display would stay behind.
        width = min(max(options.max_width - 3, 1), MOST_COLUMNS)
        rows = max(1, min(MOST_LANES, (options.max_height or 24) - 3 - MOST_SUMS))
        for line in picture(self.state, width=width, most_lanes=rows, ascii_only=options.ascii_only):
            yield from (Segment(text, style) for text, style in line)
            yield Segment.line()


def picture(state: ProgressState, *, width: int, most_lanes: int, ascii_only: bool) -> list[list[Piece]]:
    """The lines of the display, none wider than `width`."""
    if not state.lanes:
        return _asking(state, width, most_lanes, ascii_only=ascii_only)
    # Lanes with all their rows only wait to be checked against the server's counts, so they come last.
    active = sorted(state.active, key=LaneProgress.is_whole)
    shown, rest = active[:most_lanes], active[most_lanes:]
    done = state.done[: most_lanes - len(shown)]
    labels = [*(lane.label for lane in shown), *(lane.label for lane in done)]
    longest = max((cell_len(clean(label)) for label in labels), default=0)
    label_columns = min(longest, max(width // 3, min(width - 22, 20), 8))
    lines = [_head(state, width, ascii_only=ascii_only), *_sums(state, width, ascii_only=ascii_only)]
    lines += [_lane(lane, label_columns, width, ascii_only=ascii_only) for lane in shown]
    lines += [_closed(lane, label_columns, width, ascii_only=ascii_only) for lane in done]
    if others := _others(state, len(rest)):
        lines.append([(_cut("  " + others, width), _DIM)])
    return lines


def _asking(state: ProgressState, width: int, most: int, *, ascii_only: bool) -> list[list[Piece]]:
    """What is asked before there are lanes, and for how long already."""
    asking = state.asking[:most] or ("starting",)
    lines: list[list[Piece]] = [[(_cut(clean(text), width), _BOLD)] for text in asking]
    told = [clock(state.seconds), *progress_phrases(state)[len(state.asking) :]]
    return [*lines, [(_cut("  " + _joined(told, width - 2, ascii_only=ascii_only), width), None)]]


def _head(state: ProgressState, width: int, *, ascii_only: bool) -> list[Piece]:
    left, share = left_phrase(state), state.share
    # All rows are not all of it: before the last lane is closed, ids are compared.
    percent = "    " if share is None else f"{min(int(share * 100), 100 if state.closed == state.lanes else 99):3d}%"
    told = [clock(state.seconds)] if left is None else [left, clock(state.seconds)]
    right = _joined(told, width - 16, ascii_only=ascii_only)
    bar = width - len(percent) - cell_len(right) - 3
    if bar < 4:
        return [(_cut(f"{percent} {right}", width), _BOLD)]
    return [(f"{percent} ", _BOLD), *_bar(share, bar, ascii_only=ascii_only), (f"  {right}", None)]


def _sums(state: ProgressState, width: int, *, ascii_only: bool) -> list[list[Piece]]:
    phrases = [phrase for phrase in progress_phrases(state) if phrase != left_phrase(state)]
    lines: list[list[Piece]] = []
    while phrases and len(lines) < MOST_SUMS:
        fitting = _fitting(phrases, width - 2, ascii_only=ascii_only)
        line = _joined(phrases[:fitting], width - 2, ascii_only=ascii_only)
        lines.append([(_cut("  " + line, width), None)])
        phrases = phrases[fitting:]
    return lines


def _lane(lane: LaneProgress, label_columns: int, width: int, *, ascii_only: bool) -> list[Piece]:
    share = None if lane.total is None else min(lane.rows / lane.total, 1.0) if lane.total else 1.0
    rows = number(lane.rows) if lane.total is None else f"{number(lane.rows)} of {number(lane.total)}"
    room = width - label_columns - 4
    bar = min(BAR_COLUMNS, room - 24)
    told = [f"{rows} rows", counted(lane.pages, "page"), volume(lane.size), *_pace(lane)]
    label: Piece = (f"  {_name(clean(lane.label), label_columns, ascii_only=ascii_only)}  ", None)
    if room < 8:
        return [(_cut(label[0], width), None)]
    if bar < 4:
        told = [f"{number(lane.rows)} rows", *([] if share is None else [f"{int(share * 100)}%"]), *told[1:]]
        return [label, (_cut(_joined(told, room, ascii_only=ascii_only), room), _DIM)]
    numbers = _cut(_joined(told, room - bar - 2, ascii_only=ascii_only), room - bar - 2)
    return [label, *_bar(share, bar, ascii_only=ascii_only), (f"  {numbers}", _DIM)]


def _pace(lane: LaneProgress) -> list[str]:
    if lane.is_whole():
        return ["checking ids", *([retried(lane.retries)] if lane.retries else [])]
    told = [f"{lane.rows_per_second:,.0f} rows/s"] if lane.rows_per_second else []
    told += [f"{clock(lane.seconds_left)} left"] if lane.seconds_left is not None else []
    return [*told, retried(lane.retries)] if lane.retries else told


def _closed(lane: ClosedLane, label_columns: int, width: int, *, ascii_only: bool) -> list[Piece]:
    drawn, plain, style = _MARKS.get(lane.verdict, _LOST)
    label = f"{plain if ascii_only else drawn} {_name(clean(lane.label), label_columns, ascii_only=ascii_only)}  "
    came = [counted(lane.rows, "row"), counted(lane.pages, "page"), volume(lane.size), f"{lane.seconds:,.1f} s"]
    told = [lane.verdict] if lane.verdict == "skipped" else came
    if lane.verdict not in ("complete", "skipped"):
        told = [lane.verdict, *told]
    room = width - cell_len(label)
    if room < 8:
        return [(_cut(label, width), style)]
    return [
        (label[:1], style),
        (label[1:], None),
        (_cut(_joined(told, room, ascii_only=ascii_only), room), _DIM),
    ]


def _others(state: ProgressState, active: int) -> str:
    """What no line is about."""
    if not (state.active or state.done):
        return f"reading field catalogues: {number(state.asked)} of {counted(state.lanes, 'entity type')}"
    phrases = [f"{number(active)} more active"] if active else []
    return ", ".join([*phrases, f"{number(state.waiting)} waiting"] if state.waiting else phrases)


def _bar(share: float | None, columns: int, *, ascii_only: bool) -> list[Piece]:
    full, empty = ("#", "-") if ascii_only else ("━", "─")
    done = int((share or 0.0) * columns)
    return [(full * done, _DONE), (empty * (columns - done), _REST)]


def _joined(phrases: Sequence[str], columns: int, *, ascii_only: bool) -> str:
    """As many of the phrases as fit, in order."""
    return _dot(ascii_only=ascii_only).join(phrases[: _fitting(phrases, columns, ascii_only=ascii_only)])


def _fitting(phrases: Sequence[str], columns: int, *, ascii_only: bool) -> int:
    """How many of the phrases fit into one line; at least one."""
    taken, dot = 0, len(_dot(ascii_only=ascii_only))
    for count, phrase in enumerate(phrases):
        taken += cell_len(phrase) + (dot if count else 0)
        if count and taken > columns:
            return count
    return len(phrases)


def _dot(*, ascii_only: bool) -> str:
    return ", " if ascii_only else " · "


def _name(name: str, columns: int, *, ascii_only: bool) -> str:
    """The name padded or cut to the width; a cut is marked, or two names would look the same."""
    mark = "~" if ascii_only else "…"
    return set_cell_size(name, columns) if cell_len(name) <= columns else set_cell_size(name, columns - 1) + mark


def _cut(text: str, columns: int) -> str:
    return text if cell_len(text) <= columns else set_cell_size(text, max(columns, 0))


class Ticks:
    """Calls `tick` periodically in a thread of its own between `start` and `stop`; never after `stop`."""

    def __init__(self, tick: Callable[[], None], seconds: float, *, name: str) -> None:
        self._tick, self._seconds, self._over = tick, seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start; the first tick comes after one period."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a tick in progress."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._tick()
