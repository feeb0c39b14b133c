"""Where output goes: tables to stdout, drawn on a terminal and plain elsewhere; messages to stderr, as text or JSON."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from shutil import get_terminal_size
from typing import Literal, TextIO

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from axsync.console.progress import asking_phrase
from axsync.console.text import clean, json_line, wrapped
from axsync.events import Asking, Event, Notice

Side = Literal["left", "right", "name"]
"""Where a cell stands in its column; a name stands on the left and is never broken over lines, nor is a number."""
WORD, FOLDED = 36, 12  # characters: words up to the length of an id are broken only where no table would fit else
BETWEEN = 2  # characters between two columns
LEFT_OUT = "…"
"""Stands for columns that are left out."""
COLOURS = {
    "complete": "green",
    "readable": "green",
    "ok": "green",
    "whole": "green",
    "unfinished": "yellow",
    "damaged": "red",
    "stray file": "yellow",
    "given up": "dim",
    "drifted": "yellow",
    "partial": "red",
    "failed": "red",
    "forbidden": "red",
    "skipped": "dim",
    "empty": "dim",
    "not offered": "dim",
    "not licensed": "dim",
    "look": "yellow",
}
"""Style of a cell that holds a verdict or a state."""

FEW_INSTANCES = 5
"""Of more instances than this, each has one line for all of its entity types."""

MOST_INSTANCES = 25
"""Lines of instances in one table, the worst first; the others share one."""

MOST_REMARKS = 12
"""Lines of remarks, and paragraphs of errors, where there are many instances."""


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Formats and verbosity of a command."""

    output: Literal["text", "json", "jsonl", "csv", "excel"] = "text"
    log_format: Literal["text", "json"] = "text"
    verbosity: int = 0  # -1 quiet, 0, 1 verbose


def say(line: str, options: OutputOptions, *, level: Literal["warning", "error"] = "warning") -> None:
    """Write one line to stderr; a JSON object with its level if logs are JSON."""
    if options.log_format == "json":
        said = json_line(datetime.now(UTC), "axsync.message", {"level": level, "text": line})
        sys.stderr.write(said + "\n")
    else:
        sys.stderr.write((wrapped(line, get_terminal_size().columns) if sys.stderr.isatty() else line) + "\n")


@dataclass(slots=True)
class StatusLine:
    """An observer for commands that print a table: writes notices, and on a terminal what is being asked.

    That is one line, which is gone before anything else is printed.
    """

    options: OutputOptions
    _columns: int = 0  # of the terminal; 0: there is none
    _shown: bool = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.clear()
            say(clean(event.text), self.options)
        elif isinstance(event, Asking) and self._columns:
            text = clean(asking_phrase(event))
            self.clear()
            room = self._columns - 1
            sys.stderr.write(text if cell_len(text) <= room else set_cell_size(text, room))
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def status_line(options: OutputOptions) -> Iterator[StatusLine]:
    """A status line that is gone at the end of the block."""
    console = plain_console(sys.stderr)
    draws = console.is_terminal and not console.is_dumb_terminal and options.verbosity >= 0
    line = StatusLine(options, console.width if draws and options.log_format == "text" else 0)
    try:
        yield line
    finally:
        line.clear()


def plain_console(stream: TextIO) -> Console:
    """A console that prints text verbatim: no markup, no highlighting, no emoji codes."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a name that the terminal cannot encode must not be an error
    return Console(file=stream, markup=False, highlight=False, emoji=False)


def print_line(line: str, console: Console, *, most: int = 2000) -> None:
    """Print one line, cleaned, on a terminal wrapped between words; an empty one before it, if it begins with one."""
    if line.startswith("\n"):
        console.print()
    text = clean(line, most=most)
    console.print(Text(wrapped(text, console.width) if console.is_terminal else text), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text. `sides` says how each column is set; `total` is the last line, set apart."""

    titles: tuple[str, ...]
    sides: tuple[Side, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()

    def without_empty(self) -> "Table":
        """The table without columns that are empty in every row."""
        return self.only([i for i in range(len(self.titles)) if any(row[i] for row in self.rows)])

    def without(self, *titles: str) -> "Table":
        """The table without the columns of these titles."""
        return self.only([i for i, title in enumerate(self.titles) if title not in titles])

    def only(self, kept: Sequence[int]) -> "Table":
        """The table with these columns, by number."""

        def pick(row: Sequence[str]) -> tuple[str, ...]:
            return tuple(row[i] for i in kept) if row else ()

        sides = tuple(self.sides[i] for i in kept)
        return Table(pick(self.titles), sides, tuple(pick(row) for row in self.rows), pick(self.total))

    @property
    def widths(self) -> list[int]:
        """Characters that the widest cell of each column takes."""
        rows = [row for row in (self.titles, *self.rows, self.total) if row]
        return [max(cell_len(clean(row[i])) for row in rows) for i in range(len(self.titles))]

    def without_first(self) -> "Table":
        """The table without its first column."""
        return Table(self.titles[1:], self.sides[1:], tuple(row[1:] for row in self.rows), self.total[1:])


def print_table(table: Table, console: Console) -> None:
    """Print the table in the style that suits the console."""
    widths = _fitting(table, console.width) if console.is_terminal and not console.is_dumb_terminal else ()
    if widths:
        console.print(_rich(table, widths))
        return
    for line in plain_lines(table):
        console.print(Text(line), soft_wrap=True)


def plain_lines(table: Table) -> list[str]:
    """The table as aligned text, two spaces between columns, a rule above the total."""
    rows = [tuple(clean(cell) for cell in row) for row in (table.titles, *table.rows, table.total) if row]
    widths = table.widths  # looks at every row
    lines = ["  ".join(map(_padded, row, widths, table.sides)).rstrip() for row in rows]
    if table.total:
        lines.insert(-1, "-" * max(map(cell_len, lines)))
    return lines


def _padded(cell: str, width: int, side: Side) -> str:
    blank = " " * (width - cell_len(cell))
    return blank + cell if side == "right" else cell + blank


def room_for(columns: int, width: int) -> int:
    """Characters that so many columns of a drawn table have for their cells."""
    return width - BETWEEN * (columns - 1)


def _fitting(table: Table, width: int) -> tuple[int, ...]:
    """The widths of the columns of a drawn table; none where it has no room for numbers and names.

    Plain lines are printed then, uncut.
    """
    room = room_for(len(table.titles), width)
    return next(filter(None, (shared(_least(table, word), table.widths, room) for word in (WORD, FOLDED))), ())


def _least(table: Table, word: int) -> list[int]:
    """What each column needs: its names and numbers are whole, and so are words up to this length; titles may wrap."""
    columns = zip(*[row for row in (table.titles, *table.rows, table.total) if row], strict=True)
    return [
        max([_longest_word(title), *(min(_longest_word(c), word) if side == "left" else _length(c) for c in cells)])
        for side, (title, *cells) in zip(table.sides, columns, strict=True)
    ]


def _length(cell: str) -> int:
    return cell_len(clean(cell))


def _longest_word(cell: str) -> int:
    return max(map(cell_len, clean(cell).split()), default=0)


def shared(least: Sequence[int], wanted: Sequence[int], room: int) -> tuple[int, ...]:
    """What each column gets of the room: what it needs at least, and of what is left equal shares up to its wish.

    Empty where there is less room than is needed.
    """
    left = room - sum(least)
    if left < 0:
        return ()
    widths = list(least)
    for rank, i in enumerate(sorted(range(len(least)), key=lambda i: wanted[i] - least[i])):
        more = min(max(wanted[i] - least[i], 0), left // (len(least) - rank))
        widths[i] += more
        left -= more
    return tuple(widths)


def narrowed(table: Table, width: int) -> tuple[Table, int]:
    """The table for this width, and how many of its columns are left: as many as fit, from both ends inwards.

    Where any are left out, a column of `…` stands for them. Titles, numbers and words such as ids are whole; texts,
    lists and objects are cut.
    """
    wanted, columns = table.widths, zip(table.titles, *table.rows, strict=True)
    least = [max(cell_len(title), *(map(_uncut, cells)), 0) for title, *cells in columns]
    kept = _from_both_ends(least, width)
    sides: tuple[Side, ...] = (*table.sides, "name")
    held = Table((*table.titles, LEFT_OUT), sides, tuple((*row, LEFT_OUT) for row in table.rows))
    least, wanted = [*least, 1], [*wanted, 1]
    widths = shared([least[i] for i in kept], [wanted[i] for i in kept], room_for(len(kept), width))
    found = held.only(kept)
    if widths:
        found = Table(found.titles, found.sides, tuple(tuple(map(cut, row, widths)) for row in found.rows))
    return found, sum(i < len(table.titles) for i in kept)


def _uncut(cell: str) -> int:
    """Characters that are shown of a cell in any case."""
    is_word = " " not in cell and not cell.startswith(("[", "{"))
    return min(cell_len(cell), WORD if is_word else FOLDED)


def _from_both_ends(least: Sequence[int], width: int) -> list[int]:
    """Numbers of columns in their order; behind the last of the table is the one that stands for others."""
    count = len(least)
    if count == 1 or sum(least) <= room_for(count, width):
        return list(range(count))
    left, right = [0], list[int]()
    for turn in range(1, count):
        i = turn // 2 if turn % 2 == 0 else count - 1 - turn // 2
        if sum(least[k] for k in (*left, *right, i)) + 1 > room_for(len(left) + len(right) + 2, width):
            break
        (left if turn % 2 == 0 else right).append(i)
    return [*left, count, *reversed(right)]


def cut(cell: str, width: int) -> str:
    """The cell, with `…` in the place of what is beyond this width."""
    return cell if cell_len(cell) <= width else set_cell_size(cell, width - 1).rstrip() + LEFT_OUT


def _rich(table: Table, widths: Sequence[int]) -> RichTable:
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        show_footer=bool(table.total),
        header_style="bold",
    )
    footers = table.total or ("",) * len(table.titles)
    for title, side, footer, width in zip(table.titles, table.sides, footers, widths, strict=True):
        total = Text(clean(footer), style="bold")
        justify: Literal["left", "right"] = "right" if side == "right" else "left"
        drawn.add_column(title, total, justify=justify, width=width, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(clean(cell), style=COLOURS.get(cell, "")) for cell in row))
    return drawn
