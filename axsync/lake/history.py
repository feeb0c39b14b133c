"""What past runs left in a lake, and which of them a person means. Nothing is written.

A manifest alone is no snapshot: its run may have been killed before it published. `_is_published` decides, here and for
whoever else looks back.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from axsync.errors import ManifestError, NoLake, UnknownRun, Unpublished, UsageError
from axsync.lake import layout
from axsync.lake.journal import PUBLISHED
from axsync.lake.manifest import (
    DriftRecord,
    FileRecord,
    FoundRun,
    LaneRecord,
    Snapshot,
    newest_damaged,
    read_day,
    read_pointer,
    read_run,
)
from axsync.lake.publish import Lake, open_lake
from axsync.model import Asked, Lane, iso
from axsync.settings import DAY_WORDS, LakeSettings, as_day, is_iso_day

__all__ = [
    "LATEST",
    "DayLane",
    "DriftRecord",
    "FileRecord",
    "FoundRun",
    "History",
    "LaneRecord",
    "PastRun",
    "Snapshot",
    "days_written",
    "each_snapshot",
    "find_run",
    "half_published",
    "is_day",
    "is_snapshot",
    "is_whole",
    "lanes_of_day",
    "latest_if_readable",
    "latest_snapshot",
    "load_manifest",
    "neighbour",
    "newest_first",
    "parts_there",
    "past_runs",
    "published",
    "read_as_meant",
    "readable",
    "replaced_by",
    "run_of_day",
    "snapshots",
    "unreadable",
    "up_to",
]

Result = TypeVar("Result")
LATEST = "latest"
"""What a person calls the run that `latest.json` names; `latest~1` is the snapshot of the logical date before its own.

`latest~0` is `latest`.
"""

_BACK = re.compile(rf"{LATEST}~(0|[1-9][0-9]{{0,5}})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

TRIES = 50
"""A reader begins anew at most so often because its snapshot was replaced; runs follow each other less quickly."""
MOST_NAMED = 5
"""So many runs are named where an abbreviation fits several, and so many files where more cannot be read."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run in the list of runs; times are ISO, UTC, None where it has not published yet."""

    run_id: str
    logical_date: str
    as_of: str | None
    started_at: str
    finished_at: str | None
    verdict: str
    lanes: int
    rows: int
    seconds: float | None
    latest: bool


@dataclass(frozen=True, slots=True)
class History:
    """The runs of a lake, newest first, and why others are not among them."""

    runs: tuple[PastRun, ...]
    errors: tuple[ManifestError, ...] = field(default=())


def is_snapshot(lake: Lake, run_id: str) -> bool:
    """Whether the run has a manifest that some reader of `latest.json` sees, or has seen."""
    return lake.store.has(layout.manifest(run_id)) and _is_published(lake, run_id, latest_if_readable(lake))


def half_published(lake: Lake) -> tuple[str, ...]:
    """The runs whose manifests are none yet: just being published, or killed while they were. Raises: NoLake."""
    ids = _written(lake)
    return tuple(run_id for run_id, is_one in zip(ids, _are_published(lake, ids), strict=True) if not is_one)


def published(lake: Lake) -> list[str]:
    """The runs that have a snapshot, newest first, readable or not. Raises: NoLake."""
    ids = _newest_first(lake)
    return [run_id for run_id, is_one in zip(ids, _are_published(lake, ids), strict=True) if is_one]


def _are_published(lake: Lake, ids: Sequence[str]) -> Iterator[bool]:
    latest = latest_if_readable(lake)
    return lake.each(lambda run_id: _is_published(lake, run_id, latest), ids)


def _is_published(lake: Lake, run_id: str, latest: str | None) -> bool:
    """The pointer is a proof, and the journal's record of it, which whoever holds the lake next makes up for.

    Without a journal, as in lakes of old, or with one that is damaged, the manifest has to do.
    """
    if run_id == latest or run_id in lake.published:
        return True
    told = lake.journal(run_id).tells_of(PUBLISHED)
    if told:
        lake.published.add(run_id)
    return told is not False


def past_runs(lake: Lake) -> History:
    """The runs that have a snapshot. What cannot be read is in `errors` and hides no other run. Raises: NoLake."""
    looks, latest = each_snapshot(lake), None
    errors, found = list[ManifestError](), list[PastRun]()
    try:
        latest = latest_snapshot(lake)
    except ManifestError as error:
        errors.append(error)
    for one in looks:
        if isinstance(one, ManifestError):
            errors.append(one)
        else:
            found.append(_listed(one, latest))
    return History(tuple(found), tuple(errors))


def is_day(asked: str) -> bool:
    """Whether a person who says this means a logical date."""
    return asked in DAY_WORDS or _DAY.fullmatch(asked) is not None


def find_run(lake: Lake, asked: str) -> FoundRun:
    """The run that a person means: an id, the beginning of one, a day, `latest`, or `latest~N`.

    A day, also `today` and `yesterday`, is a logical date and means its newest run. `latest~N` counts logical dates
    that have a snapshot, since a second run of a date replaces the first. Raises: NoLake, UnknownRun, ManifestError.
    """
    run_id = _meant(lake, _written(lake), asked)
    return replace(read_run(lake.store, run_id), latest=asked == LATEST or run_id == latest_if_readable(lake))


def load_manifest(lake: str | Path | LakeSettings, run: str = LATEST) -> dict[str, Any]:
    """The manifest of a run, as a document whose lanes have their `columns` (docs/lake.md).

    `lake` is a folder, the address of an object store, or settings of one that needs more than that; `run` what
    `axsync show` takes: an id, the beginning of one, a day, `latest`, `latest~N`.
    Raises: ConfigError, NoLake, UnknownRun, ManifestError.
    """
    settings = lake if isinstance(lake, LakeSettings) else LakeSettings(uri=str(lake))
    return find_run(open_lake(settings), run).document


def read_as_meant(
    lake: Lake,
    asked: Sequence[str],
    work: Callable[[tuple[FoundRun, ...]], Result],
    *,
    is_whole: Callable[[Result], bool] = lambda _result: True,
) -> Result:
    """Do work with the runs that a person means, anew where others are meant by now and it failed or came out broken.

    A run that publishes beside it removes files of the day that it replaces, after it has moved the pointer.
    Raises: as `find_run` and `work`.
    """
    for left in reversed(range(TRIES)):
        found = tuple(find_run(lake, one) for one in asked)
        try:
            result = work(found)
        except UsageError:
            if not left or _still_meant(lake, asked, found):
                raise
            continue
        if is_whole(result) or not left or _still_meant(lake, asked, found):
            return result
    raise AssertionError("the last try returns or raises")


def _still_meant(lake: Lake, asked: Sequence[str], found: Sequence[FoundRun]) -> bool:
    try:
        return [find_run(lake, one).raw for one in asked] == [one.raw for one in found]
    except UsageError:
        return True  # then nothing better is there


def newest_first(lake: Lake) -> Iterator[Snapshot]:
    """All snapshots. Raises: NoLake; ManifestError for the first one that cannot be read."""
    return map(_readable, each_snapshot(lake))


def readable(lake: Lake, days: Collection[str] | None = None) -> Iterator[Snapshot]:
    """All snapshots that can be read, or those of some logical dates, newest first. Raises: NoLake."""
    ids = _newest_first(lake)
    chosen = ids if days is None else [run_id for run_id in ids if _day_or_error(lake, run_id)[0] in days]
    return (one for one in _each(lake, chosen) if isinstance(one, Snapshot))


def days_written(lake: Lake) -> list[str]:
    """The logical dates that have a manifest, published or not, in their order. Raises: NoLake."""
    return sorted({_day_or_error(lake, run_id)[0] for run_id in _written(lake)})


@dataclass(frozen=True, slots=True)
class DayLane:
    """What a logical date has of a lane: the run that read it, and its entry in that run's manifest."""

    run_id: str
    record: LaneRecord
    asked: Asked
    began: datetime  # when its run did

    @property
    def rows(self) -> int:
        """Rows in its files."""
        return sum(file.rows for file in self.record.files)


def lanes_of_day(lake: Lake, day: str) -> dict[Lane, DayLane]:
    """What a logical date has, whichever of its runs read it, as far as its manifests can be read."""
    found: dict[Lane, tuple[datetime, DayLane]] = {}
    for snapshot in _of(lake, _written_if_any(lake), day):
        if isinstance(snapshot, ManifestError):
            continue
        for one in snapshot.lanes:
            # A run that publishes later replaces, also where it began earlier and was resumed.
            is_newer = one.lane not in found or found[one.lane][0] < snapshot.finished_at
            if one.columns and one.from_run is None and is_newer and _are_there(lake, one.files):
                asked = one.asked or Asked(as_of=snapshot.as_of)
                found[one.lane] = (snapshot.finished_at, DayLane(snapshot.run_id, one, asked, snapshot.started_at))
    return {lane: held for lane, (_, held) in found.items()}


def up_to(lake: Lake, day: str) -> FoundRun | None:
    """The snapshot of the nearest logical date that is not later than this one."""
    ids = _written_if_any(lake)
    for nearest in _days_of(lake, ids):
        if nearest <= day:
            with suppress(ManifestError, UnknownRun):
                return read_run(lake.store, _of_day(lake, ids, nearest))
    return None


def neighbour(lake: Lake, day: str) -> FoundRun | None:
    """The snapshot of the logical date that is nearest to this one; of two as near, the later."""
    ids, own = _written_if_any(lake), date.fromisoformat(day)

    def distance(other: str) -> tuple[timedelta, bool]:
        return abs(date.fromisoformat(other) - own), other < day

    # What cannot be read has the day in its name, or none.
    for nearest in sorted((other for other in _days_of(lake, ids) if other != day and is_iso_day(other)), key=distance):
        with suppress(ManifestError, UnknownRun):
            return read_run(lake.store, _of_day(lake, ids, nearest))
    return None


def run_of_day(lake: Lake, day: str) -> str | None:
    """The run whose snapshot is that of a logical date; None where none is, or where it cannot be read."""
    try:
        return _of_day(lake, _written_if_any(lake), day)
    except (UnknownRun, ManifestError):
        return None


def replaced_by(lake: Lake, path: str) -> str:
    """Words about the run whose files took the place of this one, which is missing; empty where none did.

    A second run of a day does that. Manifests are read for it. Raises: NoLake.
    """
    folder = layout.folder_of(path)
    for snapshot in readable(lake):
        # A run that lets older files stand in for its own has written nothing there.
        files = {file.path for lane in snapshot.lanes if lane.from_run is None for file in lane.files}
        if path in files:
            return ""
        if any(layout.folder_of(file) == folder for file in files):
            return f"; run {snapshot.run_id}, of the same day, replaced it"
    return ""


def unreadable(errors: Sequence[ManifestError]) -> ManifestError:
    """One error for all that could not be read, which names the first files. At least one is given."""
    kinds = {type(error) for error in errors}
    if len(errors) == 1:
        return errors[0]
    more = f" and {len(errors) - MOST_NAMED} more" if len(errors) > MOST_NAMED else ""
    files = ", ".join(error.file for error in errors[:MOST_NAMED])
    return (kinds.pop() if len(kinds) == 1 else ManifestError)(f"{len(errors)} files cannot be read: {files}{more}")


def snapshots(lake: Lake) -> tuple[tuple[Snapshot, ...], tuple[ManifestError, ...]]:
    """All snapshots that can be read, newest first, and why others cannot. Raises: NoLake."""
    found = list(each_snapshot(lake))
    errors = tuple(one for one in found if isinstance(one, ManifestError))
    return tuple(one for one in found if isinstance(one, Snapshot)), errors


def each_snapshot(lake: Lake) -> Iterator[Snapshot | ManifestError]:
    """The same one by one, since a long history does not fit into memory. Raises: NoLake."""
    return _each(lake, _newest_first(lake))


def _each(lake: Lake, ids: Sequence[str]) -> Iterator[Snapshot | ManifestError]:
    latest = latest_if_readable(lake)

    def look(run_id: str) -> Snapshot | ManifestError | None:
        try:
            return read_run(lake.store, run_id).snapshot if _is_published(lake, run_id, latest) else None
        except ManifestError as error:
            return error

    return (one for one in lake.each(look, ids) if one is not None)


def _readable(found: Snapshot | ManifestError) -> Snapshot:
    if isinstance(found, ManifestError):
        raise found
    return found


def _written(lake: Lake) -> tuple[str, ...]:
    """The ids that have a manifest, in order. Only they are ever looked up, so that no name leads out of the folder."""
    try:
        lake.store.refuse_no_lake()
        names = lake.store.names(layout.SNAPSHOTS)
    except OSError as error:
        raise NoLake(f"the lake {lake.name!r} cannot be read") from error
    return tuple(sorted(run_id for name in names if (run_id := layout.run_of_manifest(name))))


def _newest_first(lake: Lake) -> tuple[str, ...]:
    """The same: a later run has a later id, whatever the clock says (`runs.setup.name_run`)."""
    return _written(lake)[::-1]


def _written_if_any(lake: Lake) -> tuple[str, ...]:
    """The same for a run, which may be the first one of its lake."""
    try:
        return _written(lake)
    except NoLake:
        return ()


def latest_snapshot(lake: Lake) -> str | None:
    """The run that `latest.json` names, None where there is no such file. Raises: ManifestError."""
    named = read_pointer(lake.store)
    # Looked up afterwards: a list of manifests made before may be older than the pointer.
    if named is not None and not lake.store.has(layout.manifest(named)):
        raise newest_damaged(lake.store, layout.POINTER)
    return named


def latest_if_readable(lake: Lake) -> str | None:
    """The same; a pointer that is damaged hides no run that was asked for otherwise."""
    try:
        return latest_snapshot(lake)
    except ManifestError:
        return None


def _latest_of(lake: Lake) -> str:
    if run_id := latest_snapshot(lake):
        return run_id
    raise UnknownRun(f"no run has published a snapshot in the lake {lake.name!r}", asked=LATEST)


def _meant(lake: Lake, ids: Sequence[str], asked: str) -> str:
    if asked == LATEST:
        return _latest_of(lake)
    if matched := _BACK.fullmatch(asked):
        return _days_back(lake, ids, int(matched[1]), asked)
    return _of_day(lake, ids, _day_meant(asked)) if is_day(asked) else _named(lake, ids, asked)


def _day_meant(asked: str) -> str:
    day = as_day(asked, datetime.now(UTC))
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise UnknownRun(f"{asked!r} is not a day", asked=asked) from None


def _days_back(lake: Lake, ids: Sequence[str], back: int, asked: str) -> str:
    latest = _latest_of(lake)
    if back == 0:
        return latest
    newest = read_day(lake.store, latest)
    days = [day for day in _days_of(lake, ids) if day <= newest]
    if len(days) > back:
        return _of_day(lake, ids, days[back])
    raise UnknownRun(f"the lake {lake.name!r} holds {_days(len(days))}, too few for {asked!r}", asked=asked)


def _days_of(lake: Lake, ids: Sequence[str]) -> list[str]:
    """The logical dates that have a snapshot, newest first; of one that cannot be read, the day on which it began."""
    latest, days = latest_if_readable(lake), set[str]()

    def look(run_id: str) -> str | None:
        day = _day_or_error(lake, run_id)[0]
        return day if day in days or _is_published(lake, run_id, latest) else None

    for day in lake.each(look, ids):
        days |= {day} if day else set()
    return sorted(days, reverse=True)


def _day_or_error(lake: Lake, run_id: str) -> tuple[str, ManifestError | None]:
    try:
        if run_id not in lake.days:
            lake.days[run_id] = read_day(lake.store, run_id)
        return lake.days[run_id], None
    except ManifestError as error:
        return "-".join((run_id[:4], run_id[4:6], run_id[6:8])), error


def _of(lake: Lake, ids: Iterable[str], day: str) -> Iterator[Snapshot | ManifestError]:
    """The snapshots of a logical date, that of the newest run first, or why one that may be of it cannot be read."""
    latest = latest_if_readable(lake)
    ordered = sorted(ids, reverse=True)
    looks = lake.each(lambda run_id: _day_or_error(lake, run_id), ordered)
    for run_id, (of_day, error) in zip(ordered, looks, strict=True):
        if of_day == day and _is_published(lake, run_id, latest):
            try:
                yield error or read_run(lake.store, run_id).snapshot
            except ManifestError as damage:
                yield damage


def is_whole(lake: Lake, snapshot: Snapshot) -> bool:
    """Whether its files are all there: a later run of the day has not replaced them."""
    return _are_there(lake, [file for lane in snapshot.lanes for file in lane.files])


def parts_there(lake: Lake, entity: str) -> frozenset[str]:
    """The parts of an entity type that are there, of whatever instance and day."""
    patterns = layout.all_parts_of_type(entity)
    return frozenset(one.key for pattern in patterns for one in lake.store.list(pattern))


def _are_there(lake: Lake, files: Sequence[FileRecord]) -> bool:
    return all(lake.each(lambda file: lake.store.size(file.path) is not None, files))


def _up_to_latest(lake: Lake, ids: Sequence[str]) -> Sequence[str]:
    """Without what a run in a lake of old, which has no journals, may have been killed over."""
    latest = latest_if_readable(lake)
    later = [i for i in ids if latest is not None and i > latest]
    told = dict(zip(later, lake.each(lambda i: lake.journal(i).tells_of(PUBLISHED), later), strict=True))
    return [i for i in ids if told.get(i, True)]


def _days(count: int) -> str:
    return "the snapshot of one day" if count == 1 else f"snapshots of {count} days"


def _of_day(lake: Lake, ids: Sequence[str], day: str) -> str:
    """The run of the day that published last: one with an older id may have been resumed.

    Where what it replaced goes, that is the newest one that is whole.
    """
    replaced, latest = "", latest_if_readable(lake)
    whole = list[Snapshot]()
    for snapshot in _of(lake, _up_to_latest(lake, ids), day):
        if isinstance(snapshot, ManifestError):
            if not replaced and not whole:
                raise snapshot
            break
        if snapshot.run_id == latest:
            return snapshot.run_id
        if is_whole(lake, snapshot):
            whole.append(snapshot)
            if snapshot.is_for_globs:
                break
        replaced = replaced or snapshot.run_id
    if whole:
        return max(whole, key=lambda one: one.finished_at).run_id
    if replaced:
        return replaced
    raise UnknownRun(f"the lake {lake.name!r} has no snapshot of {day}", asked=day)


def _named(lake: Lake, ids: Sequence[str], asked: str) -> str:
    latest = latest_if_readable(lake)
    found = [i for i in ids if asked and i.startswith(asked) and _is_published(lake, i, latest)]
    if asked in found or len(found) == 1:
        return asked if asked in found else found[0]
    if not found:
        raise _nothing_named(lake, asked)
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    names = ", ".join(found[:MOST_NAMED])
    raise UnknownRun(f"{asked!r} is the beginning of {len(found)} runs: {names}{more}", asked=asked)


def _nothing_named(lake: Lake, asked: str) -> UnknownRun:
    begun = [run_id for run_id in lake.runs() if asked and run_id.startswith(asked)]
    if begun:
        return Unpublished(f"run {begun[0]!r} has not published a snapshot", asked=begun[0])
    return UnknownRun(f"the lake {lake.name!r} has no run {asked!r}", asked=asked)


def _listed(snapshot: Snapshot, latest: str | None) -> PastRun:
    return PastRun(
        run_id=snapshot.run_id,
        logical_date=snapshot.logical_date,
        as_of=snapshot.as_of,
        started_at=iso(snapshot.started_at),
        finished_at=iso(snapshot.finished_at),
        verdict=snapshot.verdict,
        lanes=sum(not lane.elsewhere for lane in snapshot.lanes),
        rows=snapshot.rows,
        seconds=snapshot.seconds,
        latest=snapshot.run_id == latest,
    )
