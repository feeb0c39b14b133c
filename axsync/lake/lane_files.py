"""The lanes of each run as a small Parquet file, for SQL: nobody has to read all manifests to learn of verdicts.

`_axsync/lanes/RUN.parquet` says of a run that has published what its manifest says, a row for each lane. It is written
behind the publication and goes before the manifest, so that none tells of a run that no reader has seen. What a kill
keeps from being written, the next one that holds the lake makes up for; so it does for runs of earlier versions.
"""

import io
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.convert.arrays import fixed, flags, same_instant, same_text, texts
from axsync.errors import ManifestError
from axsync.lake import layout
from axsync.lake.history import LaneRecord, Snapshot, is_snapshot
from axsync.lake.manifest import read_run
from axsync.lake.publish import Lake
from axsync.lake.schemas import digest_of_columns
from axsync.settings import BY_MANIFEST

STORED_LANE = pa.schema(
    [
        pa.field("run", pa.string()),
        pa.field("dt", pa.date32()),
        pa.field("instance", pa.string()),
        pa.field("entity", pa.string()),
        pa.field("verdict", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("rescued_values", pa.int64()),
        pa.field("stand_in", pa.string()),  # the run whose files it has instead of its own
        pa.field("finished_at", pa.timestamp("us", tz="UTC")),
        pa.field("files_dt", pa.date32()),  # the partition of its files; null where it has none
        pa.field("schema", pa.string()),  # the SHA-256 of its columns; null where it has none
        pa.field("globbed", pa.bool_()),  # whether globs over the folders of entity types find what the snapshot has
    ]
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def match_lane_files(lake: Lake) -> None:
    """Write the files that are missing, and remove those of runs without a manifest. Call it with the lake held.

    A manifest that cannot be read has no file. Raises: OSError.
    """
    there = set(stored_runs(lake))
    lake.store.delete(*(layout.lanes(run_id) for run_id in sorted(there - _runs(lake))))

    def write(run_id: str) -> None:
        with suppress(ManifestError):
            content = io.BytesIO()
            pq.write_table(lane_rows(read_run(lake.store, run_id).snapshot), content, compression="zstd")
            lake.store.write(layout.lanes(run_id), content.getvalue(), shared=True)

    deque(lake.each(write, untold_runs(lake)), maxlen=0)


def stored_runs(lake: Lake) -> list[str]:
    """The runs that have a file, in their order."""
    found = (layout.run_of_lanes(name) for name in lake.store.names(layout.LANES))
    return sorted(run_id for run_id in found if run_id)


def untold_runs(lake: Lake) -> list[str]:
    """The runs that have a snapshot and no file, in their order."""
    return [run_id for run_id in sorted(_runs(lake) - {*stored_runs(lake)}) if is_snapshot(lake, run_id)]


def _runs(lake: Lake) -> set[str]:
    return {run_id for name in lake.store.names(layout.SNAPSHOTS) if (run_id := layout.run_of_manifest(name))}


def lane_rows(snapshot: Snapshot) -> pa.Table:
    """The lanes of a run as its file has them."""
    digests: dict[int, str | None] = {}  # most lanes share their columns
    for lane in snapshot.lanes:
        if id(lane.columns) not in digests:
            digests[id(lane.columns)] = lane.schema or (digest_of_columns(lane.columns) if lane.columns else None)
    lanes, count = snapshot.lanes, len(snapshot.lanes)
    columns = {
        "run": same_text(snapshot.run_id, count),
        "dt": _days([date.fromisoformat(snapshot.logical_date)] * count),
        "instance": texts([lane.instance for lane in lanes]),
        "entity": texts([lane.entity for lane in lanes]),
        "verdict": texts([lane.verdict for lane in lanes]),
        "rows": _integers([lane.rows for lane in lanes]),
        "rescued_values": _integers([lane.rescued_values for lane in lanes]),
        "stand_in": texts([lane.from_run for lane in lanes]),
        "finished_at": same_instant((snapshot.finished_at - _EPOCH) // timedelta(microseconds=1), count),
        "files_dt": _days([_day_of_files(lane) for lane in lanes]),
        "schema": texts([digests[id(lane.columns)] for lane in lanes]),
        "globbed": flags(np.full(count, snapshot.visible != BY_MANIFEST and not snapshot.tables)),
    }
    return pa.Table.from_arrays([columns[name] for name in STORED_LANE.names], schema=STORED_LANE)


def _integers(values: Sequence[int]) -> pa.Array:
    return fixed(np.array(values, dtype=np.int64), np.ones(len(values), dtype=np.bool_), pa.int64())


def _days(values: Sequence[date | None]) -> pa.Array:
    days = np.array([0 if day is None else (day - _EPOCH.date()).days for day in values], dtype=np.int32)
    return fixed(days, np.array([day is not None for day in values], dtype=np.bool_), pa.date32())


def _day_of_files(lane: LaneRecord) -> date | None:
    found = layout.day_of(lane.files[0].path) if lane.files else None
    return date.fromisoformat(found) if found else None
