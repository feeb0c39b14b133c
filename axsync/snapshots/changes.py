"""One asset that is not what it was, when two served values are the same, and changes as a Parquet file for queries."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from axsync.convert.exact import Number
from axsync.convert.rescue import Restored
from axsync.errors import ConfigError
from axsync.lake.store import storage_errors
from axsync.model import Lane

Record: TypeAlias = Mapping[str, Restored]


@dataclass(frozen=True, slots=True)
class Change:
    """An asset that came, went, or has other values now.

    `before` and `after` hold what was served for each field that differs; a field that was not served on one side is
    missing there. Of assets that came or went they are empty, or the whole record where that was wished. Label and
    shown values are those of the later snapshot, or of the earlier one where the asset went.
    """

    lane: Lane
    id: str
    kind: Literal["added", "removed", "changed"]
    before: Record
    after: Record
    label: str | None = None  # what people call it (`axsync.snapshots.labels`)
    shown: Mapping[str, Any] = field(default_factory=dict)  # by the names of columns that were asked for

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


_NAMES = ("instance", "entity", "id", "change", "field", "before", "after", "label", "columns")
SCHEMA = pa.schema([(name, pa.string()) for name in _NAMES])
"""`before` and `after` are JSON, null where nothing was served; `field` is null in the one row of a bare id.

`columns` is a JSON object of the columns that were asked for, null where none were.
"""

_ROWS, _CHARACTERS = 20_000, 16 << 20  # held before they are written


class ChangesFile:
    """An open file of changes; a callable, as `diff` wants it."""

    def __init__(self, writer: Any) -> None:  # noqa: ANN401  pyarrow has no types
        self._writer = writer
        self._rows: list[tuple[str | None, ...]] = []
        self._characters = 0

    def __call__(self, change: Change) -> None:
        """Add an asset. Raises: StorageError."""
        head = (change.lane.instance, change.lane.entity, change.id, change.kind)
        tail = (change.label, json_text(dict(change.shown)) if change.shown else None)
        for name in change.fields or [""]:
            values = tuple(json_text(side[name]) if name in side else None for side in (change.before, change.after))
            self._rows.append((*head, name or None, *values, *tail))
            self._characters += sum(len(value or "") for value in (*values, *tail))
        if len(self._rows) >= _ROWS or self._characters >= _CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what is held. Raises: StorageError."""
        columns = [pa.array(column, pa.string()) for column in zip(*self._rows, strict=True)]
        if columns:
            with storage_errors("write the changes"):
                self._writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))
        self._rows, self._characters = [], 0


@contextmanager
def changes_file(path: Path) -> Iterator[ChangesFile]:
    """A file that is in place, under its name, when the block has ended well. Raises: ConfigError, StorageError."""
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"there is no folder {str(path.parent)!r}"
        raise ConfigError(f"the changes cannot be written to {str(path)!r}, because {what}")
    draft = path.with_name(f".{path.name}.draft")
    try:
        with storage_errors("write the changes"), pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
            file = ChangesFile(writer)
            yield file
            file.flush()
        with storage_errors("write the changes"):
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
