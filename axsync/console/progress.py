"""A live picture of a run on a terminal: two lines for all of it, one for each active entity type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from axsync.console.lines import NORMAL, QUIET, LogLines, summary
from axsync.console.tally import LaneStanding, Standing, Tally
from axsync.console.words import clean, clock, counted, number, volume
from axsync.events import Event

HZ = 8  # pictures per second
MOST_LANES = 10
MOST_COLUMNS = 120  # wider lines are harder to read
BAR_COLUMNS = 24

_DONE, _REST, _DIM, _BOLD = Style(color="green"), Style(color="bright_black"), Style(dim=True), Style(bold=True)
Piece = tuple[str, Style | None]


class Progress:
    """An observer with a face. Between `with` and its end it owns the lower lines of the terminal."""

    def __init__(self, console: Console, *, verbosity: int, seconds: Callable[[], float]) -> None:
        self._console, self._tally = console, Tally(seconds)
        # The bars tell what the lines of a log would, so only warnings are written above them.
        level = QUIET if verbosity == NORMAL else verbosity
        self._lines = LogLines(self._above, self._tally, level, beat=None)
        self._live = Live(
            get_renderable=self._picture,
            console=console,
            refresh_per_second=HZ,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        self._lines(event)

    def _above(self, line: str) -> None:
        self._console.print(Text(line))

    def _picture(self) -> "Picture":
        return Picture(self._tally.standing())


@dataclass(frozen=True, slots=True)
class Picture:
    """A standing, drawn. Lines are made of segments at once: rich's tables would cost ten times as much."""

    standing: Standing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Room for the ^C that a terminal echoes: if it wrapped, a line of the picture would stay behind.
        width = min(max(options.max_width - 3, 1), MOST_COLUMNS)
        rows = max(1, min(MOST_LANES, (options.max_height or 24) - 4))
        for line in picture(self.standing, width=width, most_lanes=rows, ascii_only=options.ascii_only):
            yield from (Segment(text, style) for text, style in line)
            yield Segment.line()


def picture(standing: Standing, *, width: int, most_lanes: int, ascii_only: bool) -> list[list[Piece]]:
    """The lines of a picture, none wider than `width`."""
    shown, rest = standing.active[:most_lanes], standing.active[most_lanes:]
    label_columns = min(max((cell_len(clean(lane.label)) for lane in shown), default=0), max(width // 3, 8))
    lines = [_head(standing, width, ascii_only=ascii_only), _sums(standing, width, ascii_only=ascii_only)]
    lines += [_lane(lane, label_columns, width, ascii_only=ascii_only) for lane in shown]
    if others := _others(len(rest), standing.waiting):
        lines.append([(_cut("  " + others, width), _DIM)])
    return lines


def _head(standing: Standing, width: int, *, ascii_only: bool) -> list[Piece]:
    left, share = standing.seconds_left, standing.share
    percent = "    " if share is None else f"{int(share * 100):3d}%"
    told = [f"{clock(standing.seconds)}"] if left is None else [f"{clock(left)} left", clock(standing.seconds)]
    right = _joined(told, width - 16, ascii_only=ascii_only)
    bar = width - len(percent) - cell_len(right) - 3
    if bar < 4:
        return [(_cut(f"{percent} {right}", width), _BOLD)]
    return [(f"{percent} ", _BOLD), *_bar(share, bar, ascii_only=ascii_only), (f"  {right}", None)]


def _sums(standing: Standing, width: int, *, ascii_only: bool) -> list[Piece]:
    phrases = [phrase for phrase in summary(standing) if not phrase.endswith(" left")]
    return [(_cut("  " + _joined(phrases, width - 2, ascii_only=ascii_only), width), None)]


def _lane(lane: LaneStanding, label_columns: int, width: int, *, ascii_only: bool) -> list[Piece]:
    share = None if lane.total is None else min(lane.rows / lane.total, 1.0) if lane.total else 1.0
    rows = number(lane.rows) if lane.total is None else f"{number(lane.rows)} of {number(lane.total)}"
    room = width - label_columns - 4
    bar = min(BAR_COLUMNS, room - 24)
    told = [f"{rows} rows", counted(lane.pages, "page"), volume(lane.size)]
    label: Piece = (f"  {set_cell_size(clean(lane.label), label_columns)}  ", None)
    if room < 8:
        return [(_cut(label[0], width), None)]
    if bar < 4:
        return [label, (_cut(_joined(told, room, ascii_only=ascii_only), room), _DIM)]
    numbers = _cut(_joined(told, room - bar - 2, ascii_only=ascii_only), room - bar - 2)
    return [label, *_bar(share, bar, ascii_only=ascii_only), (f"  {numbers}", _DIM)]


def _others(active: int, waiting: int) -> str:
    phrases = [f"{number(active)} more active"] if active else []
    return ", ".join([*phrases, f"{number(waiting)} waiting"] if waiting else phrases)


def _bar(share: float | None, columns: int, *, ascii_only: bool) -> list[Piece]:
    full, empty = ("#", "-") if ascii_only else ("━", "─")
    done = int((share or 0.0) * columns)
    return [(full * done, _DONE), (empty * (columns - done), _REST)]


def _joined(phrases: Sequence[str], columns: int, *, ascii_only: bool) -> str:
    """As many of the phrases as fit, the first ones first."""
    dot = ", " if ascii_only else " · "
    line = ""
    for phrase in phrases:
        longer = f"{line}{dot}{phrase}" if line else phrase
        if line and cell_len(longer) > columns:
            break
        line = longer
    return line


def _cut(text: str, columns: int) -> str:
    return text if cell_len(text) <= columns else set_cell_size(text, max(columns, 0))
