"""Where output goes: tables to stdout, drawn on a terminal and plain elsewhere; messages to stderr, as text or JSON."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Literal, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from axsync.console.text import clean, json_line
from axsync.events import Event, Notice, Observer

Side = Literal["left", "right"]
GAP, FOLDED = 2, 12  # characters: between columns, and the least width of a text column
COLOURS = {
    "complete": "green",
    "readable": "green",
    "ok": "green",
    "whole": "green",
    "unfinished": "yellow",
    "damaged": "red",
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


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Formats and verbosity of a command."""

    output: Literal["text", "json", "jsonl"] = "text"
    log_format: Literal["text", "json"] = "text"
    verbosity: int = 0  # -1 quiet, 0, 1 verbose


def say(line: str, options: OutputOptions) -> None:
    """Write one line to stderr; a JSON object if logs are JSON."""
    if options.log_format == "json":
        said = json_line(datetime.now(UTC), "axsync.message", {"level": "warning", "text": line})
        sys.stderr.write(said + "\n")
    else:
        sys.stderr.write(line + "\n")


def notices(options: OutputOptions) -> Observer:
    """An observer for commands that print a table: writes notices only, one line each."""

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            say(clean(event.text), options)

    return tell


def plain_console(stream: TextIO) -> Console:
    """A console that prints text verbatim: no markup, no highlighting, no emoji codes."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a name that the terminal cannot encode must not be an error
    return Console(file=stream, markup=False, highlight=False, emoji=False)


def print_line(line: str, console: Console, *, most: int = 2000) -> None:
    """Print one line, cleaned; an empty one before it, if it begins with a line break."""
    if line.startswith("\n"):
        console.print()
    console.print(Text(clean(line, most=most)), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text. `sides` is the alignment per column; `total` is the last line, set apart."""

    titles: tuple[str, ...]
    sides: tuple[Side, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()

    def without_empty(self) -> "Table":
        """The table without columns that are empty in every row."""
        kept = [i for i in range(len(self.titles)) if any(row[i] for row in self.rows)]

        def pick(row: Sequence[str]) -> tuple[str, ...]:
            return tuple(row[i] for i in kept) if row else ()

        sides = tuple(self.sides[i] for i in kept)
        return Table(pick(self.titles), sides, tuple(pick(row) for row in self.rows), pick(self.total))

    def without_first(self) -> "Table":
        """The table without its first column."""
        return Table(self.titles[1:], self.sides[1:], tuple(row[1:] for row in self.rows), self.total[1:])


def print_table(table: Table, console: Console) -> None:
    """Print the table in the style that suits the console."""
    if console.is_terminal and not console.is_dumb_terminal and _fits(table, console.width):
        console.print(_rich(table))
        return
    for line in plain_lines(table):
        console.print(Text(line), soft_wrap=True)


def plain_lines(table: Table) -> list[str]:
    """The table as aligned text, two spaces between columns, a rule above the total."""
    rows = [tuple(clean(cell) for cell in row) for row in (table.titles, *table.rows, table.total) if row]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(table.titles))]
    lines = ["  ".join(map(_padded, row, widths, table.sides)).rstrip() for row in rows]
    if table.total:
        lines.insert(-1, "-" * max(map(cell_len, lines)))
    return lines


def _padded(cell: str, width: int, side: Side) -> str:
    blank = " " * (width - cell_len(cell))
    return blank + cell if side == "right" else cell + blank


def _fits(table: Table, width: int) -> bool:
    """Whether a drawn table has room for every number and name; otherwise plain lines are printed, uncut."""
    rows = [row for row in (table.titles, *table.rows, table.total) if row]
    widths = [max(cell_len(clean(row[i])) for row in rows) for i in range(len(table.titles))]
    # Numbers must not wrap, text may.
    widths = [w if side == "right" else min(w, FOLDED) for w, side in zip(widths, table.sides, strict=True)]
    return sum(widths) + GAP * len(widths) <= width


def _rich(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=bool(table.total), header_style="bold")
    footers = table.total or ("",) * len(table.titles)
    for title, side, footer in zip(table.titles, table.sides, footers, strict=True):
        total = Text(clean(footer), style="bold")
        # Numbers must not wrap; text may.
        drawn.add_column(title, total, justify=side, no_wrap=side == "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(clean(cell), style=COLOURS.get(cell, "")) for cell in row))
    return drawn
