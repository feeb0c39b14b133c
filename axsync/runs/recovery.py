"""What a run that was killed while it published has left, put right by the next one that holds the lake.

A kill can come between the pointer and the journal's record of it: what the day held before is then removed, and the
record is made up for, before the pointer moves on and nothing tells any more that readers saw that snapshot. The same
holds for a run of an older date, which no pointer tells of: its journal has a first record, before anything is removed.
And a kill can come before, with parts in their partitions already: they go back to where they were staged, so that a
glob is as it was before, and whoever goes on with the run finds them there.

Some publications are not taken back. With tables a kill can come between two commits, which stand. Where a lease can be
lost, a process may only have been paused, and its last request may still come, such as the one that moves the pointer.
The journal of such a run has the manifest, and whoever holds the lake next carries that out, step by step the same.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from axsync.errors import ManifestError
from axsync.lake import layout
from axsync.lake.history import readable
from axsync.lake.journal import ABANDONED, FINISHED, PUBLISHED
from axsync.lake.lane_files import match_lane_files
from axsync.lake.manifest import read_run
from axsync.lake.publish import Lake
from axsync.lake.replaced import go_on_replacing
from axsync.lake.store import Move, storage_errors
from axsync.runs.state import RunMemory, last_event, memories_of, memory_of, record

_OVER = (FINISHED, ABANDONED)
_SETTLED = (*_OVER, PUBLISHED)
"""A journal that ends so tells of nothing that is to be put right: a run that is resumed has more records behind it."""


def recover(lake: Lake, runs: Collection[str] | None = None) -> list[str]:
    """Make up for the record, and take back what these runs, or all that are not over, have moved in.

    Call it with the lake held. A run whose journal cannot be read is left alone. Returns what is to be said.
    Raises: StorageError, NewestDamaged, ManifestNewer; ConfigError where the library of a table format is missing.
    """
    with storage_errors("repair what a killed run left"):
        ended = _ended(lake, lake.runs() if runs is None else [*runs])
        memories, told = _memories(lake, [run_id for run_id, event in ended.items() if event not in _SETTLED])
        told += _roll_forward(lake, memories)
        latest = lake.newest()
        if latest is not None:
            journal = lake.journal(latest.snapshot.run_id)
            if journal.tells_of(PUBLISHED) is False:
                told += go_on_replacing(lake, latest.snapshot)
                journal.begin().append(record(PUBLISHED))
                if latest.snapshot.run_id in memories:
                    memories[latest.snapshot.run_id] = memory_of(lake, latest.snapshot.run_id)
        staged = {layout.run_of_staged(one.key) for one in lake.store.list(layout.ALL_STAGED)}
        for run_id, memory in memories.items():
            if memory.replacing:
                told += _remove_the_rest(lake, run_id)
            if not memory.over:
                _take_back(lake, run_id, memory)
        over = {run_id for run_id, event in ended.items() if event in _OVER}
        over |= {run_id for run_id, memory in memories.items() if memory.over}
        for run_id in over & staged:  # by a process that was paused, and woke when others had ended its run
            lake.clear_staging(run_id)
        match_lane_files(lake)
    return told


def roll_forward(lake: Lake) -> list[str]:
    """Bring to its end each publication that was begun and cannot be taken back.

    Call it with the lake held. Returns what is to be said. Raises: as `recover`.
    """
    with storage_errors("repair what a killed run left"):
        ended = _ended(lake, lake.runs())
        memories, _ = _memories(lake, [run_id for run_id, event in ended.items() if event not in _SETTLED])
        return _roll_forward(lake, memories)


def _ended(lake: Lake, runs: Sequence[str]) -> dict[str, str]:
    """What the journals of these runs end with. That of the newest snapshot has to be whole, so it is read in full."""
    newest = lake.latest_run()
    events = lake.each(lambda run_id: "" if run_id == newest else last_event(lake, run_id), runs)
    return dict(zip(runs, events, strict=True))


def _memories(lake: Lake, runs: Sequence[str]) -> tuple[dict[str, RunMemory], list[str]]:
    """What the journals of these runs say, and of which it cannot be told."""
    memories, told = dict[str, RunMemory](), list[str]()
    for run_id, memory in memories_of(lake, runs):
        if isinstance(memory, ManifestError):
            told.append(f"{memory}; that run is left alone")
        else:
            memories[run_id] = memory
    return memories, told


def _roll_forward(lake: Lake, memories: dict[str, RunMemory]) -> list[str]:
    """Of these runs, oldest first; those that are published, or given up, are no longer among them."""
    told = list[str]()
    for run_id in sorted(memories):
        memory = memories[run_id]
        if memory.publishing is not None and not memory.over and _carried_out(lake, run_id, memory, told):
            del memories[run_id]
    return told


def _carried_out(lake: Lake, run_id: str, memory: RunMemory, told: list[str]) -> bool:
    """Publish what was about to be, or give it up; whether nothing is left to be taken back."""
    manifest, journal = memory.publishing or {}, lake.journal(run_id)
    gone = _lost(lake, run_id, manifest)
    if gone and not manifest.get("formats"):
        told.append(f"files of run {run_id} are missing, so its unfinished publication is rolled back")
        return False
    if gone:
        journal.begin().append(record(ABANDONED))
        tables = ", ".join(dict.fromkeys(one["entity"] for one in memory.committed)) or "none"
        why = f"since {gone!r} is gone; tables that have its rows: {tables}. The next run of its day replaces them"
        told.append(f"the publication of run {run_id} is given up, {why}")
        return True
    lake.carry_out(manifest, memory.committed)
    journal.begin()
    if lake.latest_run() != run_id:
        journal.append(record(PUBLISHED, replacing=True))
    told.append(f"run {run_id} was stopped while it published; its snapshot is in place now")
    told += go_on_replacing(lake, read_run(lake.store, run_id).snapshot)
    journal.append(record(PUBLISHED))
    return True


def _lost(lake: Lake, run_id: str, manifest: Mapping[str, Any]) -> str | None:
    """A part that is neither staged nor in its place: somebody has removed it."""
    own = (lane for lane in manifest["lanes"] if not lane.get("from_run"))
    paths = [file["path"] for lane in own for file in lane["files"]]

    def is_there(path: str) -> bool:
        return any(lake.store.size(key) is not None for key in (path, layout.staged(run_id, path)))

    there = lake.each(is_there, paths)
    return next((path for path, is_one in zip(paths, there, strict=True) if not is_one), None)


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
    if memory.facts is not None and memory.facts.in_place:
        return  # nothing was moved
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
