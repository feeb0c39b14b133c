"""A snapshot that a person named, entity type by entity type, with the columns of its files."""

from dataclasses import dataclass

from axsync.errors import SnapshotGone
from axsync.lake.history import FoundRun, LaneRecord, replaced_by
from axsync.lake.manifest import lane_columns
from axsync.lake.publish import Lake
from axsync.model import ID_FIELD
from axsync.schema.columns import Column


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


def uris_of(lake: Lake, run_id: str, held: OpenSnapshot) -> tuple[str, ...]:
    """Where the files of a lane are, for DuckDB. Raises: SnapshotGone, where one of them is not there."""
    for file in held.record.files:
        if lake.store.size(file.path) is None:
            why = replaced_by(lake, file.path)
            raise SnapshotGone(f"the snapshot of run {run_id} is no longer whole: {file.path} is missing{why}")
    return tuple(lake.store.uri(file.path) for file in held.record.files)
