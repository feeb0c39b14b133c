"""`axsync forget`: one snapshot, or all of a logical date, and its removal, with the files that no other one names.

`latest.json` goes back to the newest snapshot that is whole, of this date or the nearest earlier one, or to the newest
that is left. The pointer moves first, then manifests go, then files: whoever reads meanwhile finds a whole snapshot,
and what a kill leaves is no snapshot's, so that `axsync gc` removes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from axsync.errors import Unsure
from axsync.lake import layout
from axsync.lake.history import find_run, is_day, is_whole, latest_snapshot, snapshots, unreadable
from axsync.lake.manifest import Snapshot
from axsync.lake.publish import Lake
from axsync.lake.store import storage_errors
from axsync.lake.table_days import TableDays
from axsync.model import Lane
from axsync.runs.recovery import recover


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What goes, or has gone; `kept` are files that other snapshots name. Runs are newest first."""

    runs: tuple[str, ...]
    days: tuple[str, ...]  # their logical dates
    files: tuple[str, ...]
    rows: int  # in these files
    bytes: int
    kept: int
    latest: str | None  # the run that `latest` is then
    latest_day: str | None
    moves: bool  # whether it is another one before
    lost: tuple[str, ...] = ()  # lanes of which that date then has no files: what goes had replaced them
    removed: bool = False


def look(lake: Lake, asked: str) -> Forgotten:
    """What would go; nothing is written, no lock is needed. Raises: NoLake, UnknownRun, ManifestError, Unsure."""
    before = latest_snapshot(lake)  # first, or a run that publishes meanwhile is not among what is found
    found, errors = snapshots(lake)
    if errors:
        why = unreadable(errors)
        raise Unsure(f"nothing is removed, because it is unclear what is still needed: {why}") from why
    meant = find_run(lake, asked).snapshot
    gone = [s for s in found if s.run_id == meant.run_id or (is_day(asked) and s.logical_date == meant.logical_date)]
    left = [s for s in found if s not in gone]
    left_of_day = [s for s in left if s.logical_date == meant.logical_date]
    needed = {file.path for s in left for lane in s.lanes for file in lane.files}
    named = {f.path: f for s in gone for lane in s.lanes for f in lane.files if layout.is_part(f.path)}
    files = [file for path, file in named.items() if path not in needed and lake.store.size(path) is not None]
    moves = before is None or before in {s.run_id for s in gone}
    latest = _latest_among(lake, left, meant.logical_date) if moves else next(s for s in left if s.run_id == before)
    return Forgotten(
        runs=tuple(s.run_id for s in gone),
        days=tuple(dict.fromkeys(s.logical_date for s in gone)),
        files=tuple(file.path for file in files),
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
        kept=len(named.keys() & needed),
        latest=latest.run_id if latest else None,
        latest_day=latest.logical_date if latest else None,
        moves=moves,
        lost=tuple(str(lane) for lane in _lost(lake, next(iter(left_of_day), None))),
    )


def _lost(lake: Lake, newest: Snapshot | None) -> list[Lane]:
    lanes = newest.lanes if newest else ()
    return [one.lane for one in lanes if any(lake.store.size(file.path) is None for file in one.files)]


def _latest_among(lake: Lake, left: Sequence[Snapshot], day: str) -> Snapshot | None:
    """The newest whole one of the newest date up to this one; where there is none, of the newest date at all."""
    whole = [s for s in left if is_whole(lake, s)] or left
    return max(whole, key=lambda s: (s.logical_date <= day, s.logical_date, s.run_id), default=None)


def forget(lake: Lake, asked: str) -> Forgotten:
    """Remove it, alone with the lake. Raises: as `look`; Busy, StorageError."""
    look(lake, asked)  # so that what is no lake stays none
    lake.store.preflight()
    with lake.store.hold(layout.LOCK, what=f"the lake {lake.name}", run="forget"):
        recover(lake)
        found = look(lake, asked)
        with storage_errors("forget a snapshot"):
            _point_back(lake, found)
            taken, left = _apart(snapshots(lake)[0], found.runs)
            TableDays(lake.store, taken, left).put_back(why="forget")
            lake.store.delete(*(key for run in found.runs for key in (layout.lanes(run), layout.manifest(run))))
            lake.store.delete(*found.files)
            for partition in {layout.folder_of(path) for path in found.files}:
                if not lake.store.names(partition):
                    lake.store.delete_all(partition)
            for run_id in found.runs:
                lake.store.delete_all(layout.run(run_id))
    return replace(found, removed=True)


def _apart(found: Sequence[Snapshot], runs: Sequence[str]) -> tuple[list[Snapshot], list[Snapshot]]:
    """Those of these runs, and the others."""
    return [s for s in found if s.run_id in runs], [s for s in found if s.run_id not in runs]


def _point_back(lake: Lake, found: Forgotten) -> None:
    if not found.moves:
        return
    if found.latest is None:
        lake.store.delete(layout.POINTER)
    else:
        lake.point_to(found.latest)
