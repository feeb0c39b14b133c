"""One asset that is not what it was, and when two served values are the same."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Literal, TypeAlias

from axsync.convert.exact import Number
from axsync.convert.restore import Restored
from axsync.model import Lane

Record: TypeAlias = Mapping[str, Restored]


@dataclass(frozen=True, slots=True)
class Change:
    """An asset that came, went, or has other values now.

    `before` and `after` hold what was served for each field that differs; a field that was not served on one side is
    missing there. Of assets that came or went they are empty, or the whole record where that was wished.
    """

    lane: Lane
    id: str
    kind: Literal["added", "removed", "changed"]
    before: Record
    after: Record

    @property
    def fields(self) -> list[str]:
        """The fields that differ, in alphabetical order."""
        return sorted({**self.before, **self.after})


def between(before: Record, after: Record) -> tuple[dict[str, Restored], dict[str, Restored]]:
    """What of two records differs."""
    gone = {f: v for f, v in before.items() if f not in after or not same(v, after[f])}
    come = {f: v for f, v in after.items() if f not in before or not same(v, before[f])}
    return gone, come


def same(one: Restored, other: Restored) -> bool:
    """Equality of JSON values: numbers by mathematical value, objects without key order."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return one == other or (one != one and other != other)  # noqa: PLR0124  NaN is itself here


def json_text(value: Restored, quote: Callable[[str], str] = json.dumps) -> str:
    """The value as JSON, numbers to the last digit; NaN and the infinities, which JSON lacks, as texts.

    Plain ASCII, unless `quote` writes texts otherwise.
    """
    inner = partial(json_text, quote=quote)
    match value:
        case str():
            return quote(value)
        case list():
            return f"[{', '.join(map(inner, value))}]"
        case dict():
            return f"{{{', '.join(f'{quote(key)}: {inner(item)}' for key, item in value.items())}}}"
        case Number() | Decimal() | float():
            return _number(value, quote)
        case _:
            return json.dumps(value)


def _number(value: Number | Decimal | float, quote: Callable[[str], str]) -> str:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else quote(str(value))
    if isinstance(value, Number):
        return quote(value.text) if value.is_token else value.text
    return str(value)
