"""A snapshot that a person named, entity type by entity type, with the columns of its files."""

import glob
from dataclasses import dataclass

import pyarrow.dataset as ds
from duckdb import DuckDBPyConnection

from axsync.errors import SnapshotGone
from axsync.lake.history import FoundRun, LaneRecord, replaced_by
from axsync.lake.manifest import lane_columns
from axsync.lake.publish import Lake
from axsync.model import ID_FIELD
from axsync.schema.columns import Column, arrow_schema
from axsync.sql.dialects import double_quoted, literal


@dataclass(frozen=True, slots=True)
class OpenSnapshot:
    """What a snapshot holds of one lane: its record, and the columns of its files."""

    record: LaneRecord
    columns: tuple[Column, ...]

    @property
    def id_column(self) -> str:
        """The column that holds the ids."""
        return next((column.name for column in self.columns if column.field == ID_FIELD), ID_FIELD)

    def column(self, name: str) -> Column | None:
        """The column of this name in the lake, or at Axonius; None where there is none."""
        by_name = {**{one.field: one for one in self.columns}, **{one.name: one for one in self.columns}}
        return by_name.get(name)

    @property
    def rows(self) -> int:
        """Rows in its files, whichever run brought them."""
        return sum(file.rows for file in self.record.files)


def held_lanes(run: FoundRun) -> tuple[OpenSnapshot, ...]:
    """The lanes of a snapshot in the order of its manifest. Raises: ManifestError."""
    return tuple(OpenSnapshot(record, columns) for record, columns in lane_columns(run.snapshot))


@dataclass(frozen=True, slots=True)
class LaneFiles:
    """The files of a lane for DuckDB: `sql` stands where a table may, once a connection knows what it names."""

    sql: str
    name: str = ""
    dataset: ds.Dataset | None = None  # what has the name; None where DuckDB opens the files by itself

    def introduce(self, connection: DuckDBPyConnection) -> None:
        """Have the connection know what the name means."""
        if self.dataset is not None:
            connection.register(self.name, self.dataset)


NOTHING = LaneFiles("")
"""Of a lane without files."""


def files_of(lake: Lake, run_id: str, held: OpenSnapshot) -> LaneFiles:
    """The files of a lane; those in an object store are read by pyarrow, which has the credentials of the lake.

    Raises: SnapshotGone, where one of them is not there, if that can be told without asking a store for each.
    """
    keys = [file.path for file in held.record.files]
    if not keys:
        return NOTHING
    if lake.is_folder:
        for key in keys:
            if lake.store.size(key) is None:
                why = replaced_by(lake, key)
                raise SnapshotGone(f"the snapshot of run {run_id} is no longer whole: {key} is missing{why}")
        names = ", ".join(literal(glob.escape(lake.store.uri(key))) for key in keys)
        return LaneFiles(f"read_parquet([{names}], hive_partitioning = false)")
    form, files = ds.ParquetFileFormat(), lake.store.file_system()
    fragments = [form.make_fragment(key, files) for key in keys]
    name = f"{run_id} {keys[0]}"
    return LaneFiles(
        double_quoted(name), name, ds.FileSystemDataset(fragments, arrow_schema(held.columns), form, files)
    )
