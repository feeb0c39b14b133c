"""Values of a lake as text that controls no terminal."""

import json
from collections.abc import Sequence

from axsync.console.text import visible
from axsync.sql.values import plain


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
