"""What a query came to: a table, JSON or CSV, none of which a terminal or a spreadsheet obeys."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from axsync.console.table import Side, Table, show
from axsync.console.words import number, visible
from axsync.model import iso
from axsync.sql import Answer

MOST_ROWS = 1_000
"""A table for people has no more; JSON and CSV have all."""
MOST_CELL = 120  # characters of a cell, for people
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to spreadsheets."""


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911  whatever a query gives, as JSON has it
    """The value as JSON: moments in ISO form, bytes as hex digits, what JSON has no number for as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case datetime():
            return _moment(value)
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return str(value)


def _moment(value: datetime) -> str:
    return value.isoformat() if value.tzinfo is None else iso(value, "auto")


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once: a second `a` is `a_2`."""
    told: list[str] = []
    for name in names:
        candidate, count = name, 1
        while candidate in told:
            count += 1
            candidate = f"{name}_{count}"
        told.append(candidate)
    return tuple(told)


def write_json(answer: Answer, stream: TextIO) -> None:
    """A list of objects, plain ASCII, a line each, written as rows come."""
    names, first = distinct(answer.names), True
    for row in answer.rows:
        line = json.dumps(dict(zip(names, map(plain, row), strict=True)))
        stream.write(("[\n  " if first else ",\n  ") + line)
        first = False
    stream.write("[]\n" if first else "\n]\n")


def write_csv(answer: Answer, stream: TextIO) -> None:
    """A line each, with the names first; lists and objects as JSON."""
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow([_cell_of_sheet(name) for name in answer.names])
    lines.writerows([_cell_of_sheet(value) for value in row] for row in answer.rows)


def _cell_of_sheet(value: object) -> str:
    shown = _words(value, most=1 << 30)
    return f"'{shown}" if isinstance(value, str) and value.startswith(FORMULA) else shown


def _words(value: object, *, most: int) -> str:
    told = plain(value)
    if told is None:
        return ""
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    return visible(text, most=most)


def show_answer(answer: Answer, console: Console) -> None:
    """A table of the first thousand rows; says so where there are more."""
    rows = list(islice(answer.rows, MOST_ROWS + 1))
    cells = tuple(tuple(_cell(value) for value in row) for row in rows[:MOST_ROWS])
    sides = tuple[Side, ...]("right" if is_number else "left" for is_number in answer.numeric)
    show(Table(tuple(visible(name, most=MOST_CELL) for name in answer.names), sides, cells), console)
    if len(rows) > MOST_ROWS:
        told = f"the first {number(MOST_ROWS)} rows; --output csv or json gives all of them"
        console.print(Text(told), soft_wrap=True)


def _cell(value: object) -> str:
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else _words(value, most=MOST_CELL)


def show_records(answer: Answer, console: Console) -> None:
    """One record below the other, a line per column that holds something: for rows of a hundred columns."""
    count = 0
    for count, row in enumerate(answer.rows, start=1):
        if count > 1:
            console.print()
        table = Table(("column", "value"), ("left", "left"), tuple(_lines(answer.names, row)))
        show(replace(table, titles=(f"row {count}", "")), console)
    if not count:
        console.print(Text("no rows"), soft_wrap=True)


def _lines(names: Sequence[str], row: Sequence[object]) -> Iterator[tuple[str, str]]:
    for name, value in zip(names, row, strict=True):
        if value is not None and value != []:
            yield name, _words(value, most=MOST_CELL)
