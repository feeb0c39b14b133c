"""`axsync history`: one asset through all snapshots of a lake, day by day: when it came, what changed, when it went.

A day of an entity type is what its newest snapshot says of it; a type that a run carried over belongs to the day when
it was read. An asset that is missing from a day that is not whole, such as one of `--limit`, has not gone; nor one
that is missing from the rows of a query, unless all days have those of the same query.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from duckdb import DuckDBPyConnection

from axsync.convert.rescue import restore
from axsync.errors import ManifestError, UsageError
from axsync.lake import layout
from axsync.lake.history import Snapshot, parts_there, snapshots
from axsync.lake.manifest import LaneRecord, columns_in
from axsync.lake.publish import Lake
from axsync.model import ID_FIELD, Lane
from axsync.schema.columns import Column, describe_column
from axsync.schema.kinds import canonical
from axsync.settings import nearest
from axsync.snapshots.changes import Change, Record, between
from axsync.snapshots.diff import MEMORY
from axsync.snapshots.join import Ignoring, Side, opened, reading
from axsync.snapshots.opened import OpenSnapshot, files_of
from axsync.sql.dialects import literal

MOST_NAMED = 5
"""Assets that are named where a label fits several."""


@dataclass(frozen=True, slots=True)
class AssetStep:
    """What became of an asset on a day; on the first day it is `added`, whether or not it is new."""

    day: str
    run_id: str
    change: Change


@dataclass(frozen=True, slots=True)
class AssetHistory:
    """One asset through all days that the lake has of its entity type and instance, oldest first."""

    lane: Lane
    id: str
    label: str | None  # the last one
    days: tuple[str, ...]
    seen: tuple[str, ...]  # those on which it is there
    steps: tuple[AssetStep, ...]


@dataclass(frozen=True, slots=True)
class _Day:
    """What the lake has of a lane on a day."""

    day: str
    side: Side
    is_whole: bool
    queries: tuple[str, str] | None  # what its rows were chosen by; None: 0.1.0 did not tell


def asset_history(
    lake: Lake, entity: str, wanted: str, ignoring: Ignoring
) -> tuple[tuple[AssetHistory, ...], tuple[ManifestError, ...]]:
    """The history of the asset with this id, or this label, in each instance that has it; what could not be read.

    Raises: UsageError where there is no such type or asset, or several assets have the label; ConfigError; NoLake;
    SnapshotGone, where a day is replaced meanwhile; StorageError.
    """
    found, errors = snapshots(lake)
    days = _days(lake, found, entity)
    if not days:
        known = sorted({lane.entity for snapshot in found for lane in snapshot.lanes if lane.columns})
        raise UsageError(f"the lake {lake.name!r} holds no {entity!r}{nearest(entity, known)}")
    sides = [one.side for of_lane in days.values() for one in of_lane]
    with opened(lake, MEMORY, None, sides) as connection:
        places = _places(connection, days, wanted)
        if not places:
            raise UsageError(f"no snapshot has {wanted!r} among its {entity}; give an id or a label of `axsync diff`")
        return tuple(_history(connection, lane, name, days[lane], ignoring) for lane, name in places.items()), errors


def _days(lake: Lake, found: Sequence[Snapshot], entity: str) -> dict[Lane, list[_Day]]:
    """The days of each lane, oldest first. Snapshots are given newest first."""
    days: dict[tuple[Lane, str], tuple[Snapshot, LaneRecord]] = {}
    own_first = sorted(_held(lake, found, entity), key=lambda one: one[1].from_run is not None)
    for snapshot, record in own_first:
        day = layout.day_of(record.files[0].path) if record.files else snapshot.logical_date
        days.setdefault((record.lane, day or snapshot.logical_date), (snapshot, record))
    lanes: dict[Lane, list[_Day]] = {}
    for (lane, day), (snapshot, record) in sorted(days.items(), key=lambda item: item[0][1]):
        lanes.setdefault(lane, []).append(_day(lake, day, snapshot, record))
    return {lane: _with_queries_apart(found) for lane, found in lanes.items()}


def _with_queries_apart(days: list[_Day]) -> list[_Day]:
    """The days, of which none is whole that has the rows of a query, where another has other rows.

    A day that does not tell is taken to have what the others have, where these agree.
    """
    if len({one.queries for one in days} - {None}) <= 1:
        return days
    return [replace(one, is_whole=one.is_whole and one.queries == ("", "")) for one in days]


def _held(lake: Lake, found: Sequence[Snapshot], entity: str) -> Iterator[tuple[Snapshot, LaneRecord]]:
    """What each snapshot has of the type, where it is all there. Without files an older run proves nothing."""
    there = parts_there(lake, entity)
    for snapshot in found:
        for record in snapshot.lanes:
            whole = there.issuperset(file.path for file in record.files)
            if record.entity == entity and record.columns and whole and (record.files or record.from_run is None):
                yield snapshot, record


def _day(lake: Lake, day: str, snapshot: Snapshot, record: LaneRecord) -> _Day:
    columns = tuple(replace(one, kind=canonical(one.kind)) for one in columns_in(snapshot, record))
    held = OpenSnapshot(record, columns)
    # Of a lane that another run stands in for, the verdict is about the attempt that failed.
    is_whole = record.verdict in ("complete", "drifted") or record.from_run is not None
    run_id = record.from_run or snapshot.run_id
    side = Side(run_id, files_of(lake, run_id, held), columns, held.id_column)
    return _Day(day, side, is_whole, record.asked.queries if record.asked else None)


def _places(connection: DuckDBPyConnection, days: dict[Lane, list[_Day]], wanted: str) -> dict[Lane, str]:
    """The id of the asset in each lane that has it. Raises: UsageError where a label is that of several."""
    found = {(lane, row): None for lane, of_lane in days.items() for row in _newest(connection, of_lane, wanted)}
    exact = [(lane, name) for lane, (name, _) in found if name == wanted]
    if not exact and len({name for _, (name, _) in found}) > 1:
        named = ", ".join(f"{name} of {lane.instance}" for lane, (name, _) in list(found)[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise UsageError(f"{wanted!r} is the label of {len(found)} assets; name one by its id: {named}{more}")
    return dict(exact) or {lane: name for lane, (name, _) in found}


def _newest(connection: DuckDBPyConnection, days: Sequence[_Day], wanted: str) -> list[tuple[str, str | None]]:
    """Id and label of what goes by this id or label on the newest day that has it."""
    for one in reversed(days):
        rows = f"SELECT _id, {one.side.label()} AS label FROM {one.side.rows()}"  # noqa: S608  names of columns
        fits = f"_id = {literal(wanted)} OR lower(label) = lower({literal(wanted)})"
        with reading([one.side]):
            found = connection.execute(f"FROM ({rows}) WHERE {fits} ORDER BY _id").fetchall()
        if found:
            return [(str(name), label) for name, label in found]
    return []


def _history(
    connection: DuckDBPyConnection, lane: Lane, name: str, days: Sequence[_Day], ignoring: Ignoring
) -> AssetHistory:
    own = ignoring.named({column.field: column.name for one in days for column in one.side.columns})
    steps: list[AssetStep] = []
    seen: list[str] = []
    label, before = None, None
    for one in days:
        row = _row(connection, one.side, name)
        if row is None and (before is None or not one.is_whole):
            continue
        label = row["_label"] if row else label
        after = _record(row, one.side.columns, own) if row else None
        seen += [one.day] if row else []
        if change := _change(lane, name, label, before, after):
            steps.append(AssetStep(one.day, one.side.run_id, change))
        before = after
    return AssetHistory(lane, name, label, tuple(one.day for one in days), tuple(seen), tuple(steps))


def _row(connection: DuckDBPyConnection, side: Side, name: str) -> dict[str, Any] | None:
    with reading([side]):
        sql = f"SELECT *, {side.label()} AS _label FROM {side.rows((name,))}"  # noqa: S608  names of columns
        rows: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
    return rows[0] if rows else None


def _record(row: dict[str, Any], columns: Iterable[Column], ignoring: Ignoring) -> Record:
    restored = restore(row, {"columns": {column.name: describe_column(column) for column in columns}})
    return {field: value for field, value in restored.items() if field != ID_FIELD and not ignoring(field)}


def _change(lane: Lane, name: str, label: str | None, before: Record | None, after: Record | None) -> Change | None:
    """What became of the asset from one day to the next; None where nothing did."""
    if before is None or after is None:
        return Change(lane, name, "added" if before is None else "removed", {}, {}, label)
    old, new = between(before, after)
    return Change(lane, name, "changed", old, new, label) if old or new else None
