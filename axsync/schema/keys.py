"""Maps the keys of a served record to columns."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from axsync.schema.fields import Column

OVERFLOW: Final = "*"
"""The `field` of the column that collects, as one JSON object, all keys without a column of their own."""

_ADAPTER = re.compile(r"adapters_data\.([^.]+?)(?:_adapter)?\.(.+)", re.DOTALL)


def spellings(column: Column) -> tuple[str, str, str]:
    """The keys under which servers serve this field: as requested, in full, short (docs/axonius-api.md, "Records")."""
    short = column.field.removeprefix("specific_data.data.")
    if matched := _ADAPTER.fullmatch(column.field):
        short = f"{matched[1]}.{matched[2]}"
    return column.json_key, column.field, short


def owners(columns: Sequence[Column]) -> dict[str, Column]:
    """Key → column.

    A column's own key wins over a full name, and that over a short one. A short name of two columns maps to none.
    """
    listed = [(column, *spellings(column)) for column in columns if column.field != OVERFLOW]
    claims = Counter(short for _, json_key, field, short in listed if short not in (json_key, field))
    found: dict[str, Column] = {short: column for column, _, _, short in listed if claims[short] == 1}
    found |= {field: column for column, _, field, _ in listed}
    found |= {json_key: column for column, json_key, _, _ in listed}
    return found


def settle(keys: Iterable[str], owner: Mapping[str, Column]) -> dict[str, Column | None]:
    """Key → its column, None for a stray key. Of two keys of one column the full name wins, else the first."""
    settled: dict[str, Column | None] = {}
    taken: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: key in owner and owner[key].field != key):
        column = owner.get(key)
        settled[key] = None if column and column.field in taken else column
        if column:
            taken.setdefault(column.field, key)
    return settled
