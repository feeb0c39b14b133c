"""The end of a publication: what the same day held before goes.

By then readers of `latest.json` see the new snapshot. So nothing in here is a reason for a run to fail: what cannot be
removed is told, and left to `axsync gc`. So is what the snapshot of another day names: older files stand in there for
a type that failed on that day.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from axsync.errors import UsageError
from axsync.lake import layout
from axsync.lake.history import Snapshot, readable
from axsync.lake.publish import Lake, RunFacts
from axsync.model import Lane, Outcome
from axsync.settings import PARQUET


def remove_replaced(lake: Lake, run: RunFacts, outcomes: Sequence[Outcome]) -> list[str]:
    """Remove the parts whose place those of this run took; returns what is to be said.

    Where no glob reads them they stay until `axsync gc`: older manifests name them, and versions of tables have them.
    """
    if run.in_place or PARQUET not in lake.formats:
        return []
    read = {outcome.lane: {part.path for part in outcome.parts} for outcome in outcomes if outcome.columns}
    return _remove(lake, run.logical_date, read)


def go_on_replacing(lake: Lake, snapshot: Snapshot) -> list[str]:
    """The same for a run that was killed behind the pointer; its manifest says what it has read."""
    if not snapshot.is_for_globs:
        return []
    own = [lane for lane in snapshot.lanes if lane.columns and lane.from_run is None]
    return _remove(lake, snapshot.logical_date, {lane.lane: {file.path for file in lane.files} for lane in own})


def _remove(lake: Lake, day: str, read: Mapping[Lane, Collection[str]]) -> list[str]:
    try:
        looked = lake.each(lambda lane: _beside(lake, lane, day, read[lane]), list(read))
        old = [key for keys in looked for key in keys]
        needed = _named_elsewhere(lake, day, old) if old else {}
        return _removed(lake, [key for key in old if key not in needed]) + _told_of(needed)
    except (OSError, UsageError) as error:
        return [_left(str(error))]


def _beside(lake: Lake, lane: Lane, day: str, paths: Collection[str]) -> list[str]:
    patterns = [layout.parts_in(partition) for partition in layout.partitions(lane, day)]
    return [one.key for pattern in patterns for one in lake.store.list(pattern) if one.key not in paths]


def _named_elsewhere(lake: Lake, day: str, keys: Iterable[str]) -> dict[str, str]:
    """Which of these the snapshot of another day names, and that day. Of a day, the newest run's counts."""
    sought, found, seen = set(keys), dict[str, str](), {day}
    for snapshot in readable(lake):
        if snapshot.logical_date not in seen:
            seen.add(snapshot.logical_date)
            named = sought.intersection(file.path for lane in snapshot.lanes for file in lane.files)
            found |= dict.fromkeys(named, snapshot.logical_date)
    return found


def _removed(lake: Lake, keys: Sequence[str]) -> list[str]:
    try:
        lake.store.delete(*keys)
    except OSError as error:
        left = [key for key in keys if lake.store.has(key)]
        return [_left(f"{len(left)} of them, such as {left[0]}: {error.strerror or error}")] if left else []
    return []


def _left(why: str) -> str:
    told = "the snapshot is published, but files of the day's earlier one cannot be removed"
    return f"{told} ({why}); a glob sees both until axsync gc --yes has removed them"


def _told_of(needed: dict[str, str]) -> list[str]:
    """One sentence per partition and day."""
    places = dict.fromkeys((layout.folder_of(key), day) for key, day in needed.items())
    return [
        f"the snapshot of {day} names files in {place}, which stay beside the new ones; a glob sees both until"
        " axsync gc has removed that snapshot"
        for place, day in places
    ]
