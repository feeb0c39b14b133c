"""CSV that a spreadsheet opens without computing any of it, on request with what Excel needs to read UTF-8."""

import csv
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import TextIO, TypeAlias

from axsync.console.values import words

AddRow: TypeAlias = Callable[[Sequence[object]], None]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets take a cell that begins with one of these for a formula."""
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads a file in the character set of the machine, and `Büro` becomes `BÃ¼ro`."""
_WHOLE = 1 << 30  # characters of a cell


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
