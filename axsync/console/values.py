"""Values of a lake as JSON and as text that controls no terminal."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from axsync.console.text import visible
from axsync.model import iso


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911  any value of a query
    """The value as JSON: timestamps in ISO format, bytes as hex digits, numbers that JSON cannot hold as text."""
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
