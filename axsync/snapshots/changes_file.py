"""Changes as one Parquet file for people to query: a row per field that differs. It is no part of a lake."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from axsync.errors import ConfigError
from axsync.lake.store import storage_errors
from axsync.snapshots.changes import Change, json_text

SCHEMA = pa.schema([(name, pa.string()) for name in ("instance", "entity", "id", "change", "field", "before", "after")])
"""`before` and `after` are JSON, null where nothing was served; `field` is null in the one row of a bare id."""

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
        for name in change.fields or [""]:
            values = tuple(json_text(side[name]) if name in side else None for side in (change.before, change.after))
            self._rows.append((*head, name or None, *values))
            self._characters += sum(len(value or "") for value in values)
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
