"""Values of a lake as cells: text that controls no terminal, CSV that a spreadsheet opens without computing it."""

import csv
import json
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import TextIO, TypeAlias

from axsync.console.text import visible
from axsync.sql.values import plain

AddRow: TypeAlias = Callable[[Sequence[object]], None]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets take a cell that begins with one of these for a formula."""
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads a file in the character set of the machine, and `Büro` becomes `BÃ¼ro`."""
_WHOLE = 1 << 30  # characters of a cell


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names made unique: a second `a` becomes `a_2`."""
    told: list[str] = []
    for name in names:
        candidate, count = name, 1
        while candidate in told:
            count += 1
            candidate = f"{name}_{count}"
        told.append(candidate)
    return tuple(told)


def words(value: object, *, most: int) -> str:
    """The value as text on one line: empty for null, JSON for lists and objects."""
    told = plain(value)
    if told is None:
        return ""
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    return visible(text, most=most)


def sheet(stream: TextIO, titles: Sequence[str], *, excel: bool = False) -> AddRow:
    """Write the line of titles; returns what writes a row. Lists and objects become JSON, null an empty cell."""
    if excel and isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    stream.write(BYTE_ORDER_MARK if excel else "")
    lines = csv.writer(stream, lineterminator="\r\n" if excel else "\n")
    lines.writerow(map(_cell, titles))
    return lambda row: lines.writerow(map(_cell, row))


def _cell(value: object) -> str:
    shown = words(value, most=_WHOLE)
    return f"'{shown}" if isinstance(value, str) and value.startswith(FORMULA) else shown
