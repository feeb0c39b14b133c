"""Values of a lake, as DuckDB and Arrow give them to Python, as JSON."""

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

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
