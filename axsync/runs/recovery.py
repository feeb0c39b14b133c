"""What a run that was killed while it published has left, put right by the next one that holds the lake.

A kill can come between the pointer and the journal's record of it: what the day held before is then removed, and the
record is made up for, before the pointer moves on and nothing tells any more that readers saw that snapshot. The same
holds for a run of an older date, which no pointer tells of: its journal has a first record, before anything is removed.
And a kill can come before, with parts in their partitions already: they go back to where they were staged, so that a
glob is as it was before, and whoever goes on with the run finds them there. With tables a kill can come between two
commits, which cannot be taken back: such a publication is brought to its end.
"""

from collections.abc import Collection
from contextlib import suppress

from axsync.errors import ManifestError
from axsync.lake import layout
from axsync.lake.history import readable
from axsync.lake.journal import PUBLISHED, Record
from axsync.lake.manifest import read_run
from axsync.lake.publish import Lake
from axsync.lake.replaced import go_on_replacing
from axsync.lake.store import Move, storage_errors
from axsync.runs.state import RunMemory, memory_of, record


def recover(lake: Lake, runs: Collection[str] | None = None) -> list[str]:
    """Make up for the record, and take back what these runs, or all that are not over, have moved in.

    Call it with the lake held. A run whose journal cannot be read is left alone. Returns what is to be said.
    Raises: StorageError, NewestDamaged, ManifestNewer.
    """
    with storage_errors("put right what a killed run left"):
        told, latest = roll_forward(lake), lake.newest()
        if latest is not None:
            journal = lake.journal(latest.snapshot.run_id)
            if journal.tells_of(PUBLISHED) is False:
                told += go_on_replacing(lake, latest.snapshot)
                journal.begin().append(record(PUBLISHED))
        for run_id in lake.runs() if runs is None else runs:
            try:
                memory = memory_of(lake, run_id)
            except ManifestError as error:
                told.append(f"{error}; that run is left alone")
                continue
            if memory.replacing:
                told += _remove_the_rest(lake, run_id)
            if not memory.over:
                _take_back(lake, run_id, memory)
    return told


def roll_forward(lake: Lake) -> list[str]:
    """Bring to its end each publication of tables that was begun: commits cannot be taken back.

    Call it with the lake held. Returns what is to be said. Raises: StorageError, ConfigError.
    """
    told = list[str]()
    for run_id in reversed(lake.runs()):
        with suppress(ManifestError):  # told by whoever needs this journal
            memory = memory_of(lake, run_id)
            if memory.publishing is not None and not memory.over:
                told += _brought_to_its_end(lake, run_id, memory, memory.publishing["manifest"])
    return told


def _brought_to_its_end(lake: Lake, run_id: str, memory: RunMemory, manifest: Record) -> list[str]:
    journal = lake.journal(run_id).begin()
    if gone := _lost(lake, run_id, manifest):
        journal.append(record("abandoned"))
        tables = ", ".join(dict.fromkeys(one["entity"] for one in memory.committed)) or "none"
        why = f"since {gone!r} is gone; tables that have its rows: {tables}. The next run of its day replaces them"
        return [f"the publication of run {run_id} is given up, {why}"]
    lake.roll_forward(manifest, memory.committed)
    told = go_on_replacing(lake, read_run(lake.store, run_id).snapshot)
    journal.append(record(PUBLISHED))
    return [*told, f"the publication of run {run_id}, which was cut short, is brought to its end"]


def _lost(lake: Lake, run_id: str, manifest: Record) -> str | None:
    """A part that is neither staged nor in its place: somebody has removed it."""
    own = (lane for lane in manifest["lanes"] if not lane.get("from_run"))
    paths = (file["path"] for lane in own for file in lane["files"])
    return next((p for p in paths if not any(map(lake.store.has, (p, layout.staged(run_id, p))))), None)


def _remove_the_rest(lake: Lake, run_id: str) -> list[str]:
    try:
        told = go_on_replacing(lake, read_run(lake.store, run_id).snapshot)
    except ManifestError as error:
        return [str(error)]
    lake.journal(run_id).begin().append(record(PUBLISHED))
    return told


def _take_back(lake: Lake, run_id: str, memory: RunMemory) -> None:
    if not memory.published:
        lake.store.delete(layout.manifest(run_id))
    placed = {part.path for lane in memory.lanes.values() for part in lane.parts if lake.store.has(part.path)}
    if placed and memory.published:  # earlier, and resumed since: what that snapshot names stays
        placed -= {file.path for snapshot in readable(lake) for lane in snapshot.lanes for file in lane.files}
    partitions = {layout.folder_of(path) for path in placed}
    lake.store.commit([_back(run_id, partition, placed) for partition in sorted(partitions)])
    for partition in partitions:
        if not lake.store.names(partition):
            lake.store.delete_all(partition)


def _back(run_id: str, partition: str, placed: Collection[str]) -> Move:
    names = frozenset(layout.name_of(path) for path in placed if layout.folder_of(path) == partition)
    return Move(partition, layout.staged(run_id, partition), names)
