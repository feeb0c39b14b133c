"""`axsync diff`: which assets came, went or changed between two snapshots, and in which fields."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from axsync.convert import exact
from axsync.convert.rescue import read_rescued, restore, restore_value, split_path, write_rescued
from axsync.errors import NothingCommon, UsageError
from axsync.lake.history import FoundRun
from axsync.lake.publish import Lake
from axsync.model import ID_FIELD, Lane
from axsync.schema.columns import OVERFLOW, RESCUED, Column, describe_column
from axsync.schema.kinds import type_text
from axsync.settings import closest, did_you_mean, nearest
from axsync.snapshots.changes import Change, Record, between, json_text
from axsync.snapshots.join import OWN, Ignoring, Join, Side, opened, pair_up
from axsync.snapshots.opened import OpenSnapshot, files_of, held_lanes
from axsync.sql.values import plain

Keep: TypeAlias = Callable[[Change], None]
MEMORY: Final = "1GB"
"""What DuckDB may take; Python and the batches under way come on top."""
KINDS: Final = ("added", "removed", "changed")


@dataclass(frozen=True, slots=True)
class Wish:
    """What of two snapshots is to be compared. Empty `ids` mean all; `records`: whole ones of what came or went.

    `kinds` are those that are looked at and counted. `columns` are shown beside each asset, by their names in the lake
    or at Axonius.
    """

    entity: str | None = None
    ids: tuple[str, ...] = ()
    ignoring: Ignoring = field(default_factory=Ignoring)
    records: bool = False
    memory: str = MEMORY
    folder: Path | None = None  # for temporary files
    kinds: Sequence[str] = KINDS
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class LaneDiff:
    """What became of one lane; `fields` counts the assets in which a field differs."""

    instance: str
    entity: str
    rows_before: int
    rows_after: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    ignored: tuple[str, ...] = ()  # fields that both have and that were not compared
    appeared: tuple[str, ...] = ()  # fields with a column in the later one only
    gone: tuple[str, ...] = ()  # the other way round
    retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A lane of which a snapshot has the rows of a query, or of a limit, that the other has not; empty: all rows."""

    lane: Lane
    rows_before: str
    rows_after: str

    def __str__(self) -> str:
        """Which rows each of the two snapshots has."""
        return f"{self.lane} has {self.rows_before or 'all rows'}, then {self.rows_after or 'all rows'}"


@dataclass(frozen=True, slots=True)
class Diff:
    """What two snapshots come to. Not compared are lanes that only one of them holds, and those of different rows."""

    before: FoundRun
    after: FoundRun
    lanes: tuple[LaneDiff, ...]
    only_before: tuple[Lane, ...]
    only_after: tuple[Lane, ...]
    incomparable: tuple[Incomparable, ...] = ()


def diff(lake: Lake, runs: tuple[FoundRun, FoundRun], wish: Wish, keep: Keep) -> Diff:
    """Compare two snapshots, lane by lane; `keep` is handed each asset that differs, in no order.

    Memory depends on `wish.memory` and on the size of some thousand rows, not on their number.

    Raises: NothingCommon, ManifestError, SnapshotGone, ConfigError before anything is handed out; StorageError.
    """
    held = tuple(_comparable(run, wish.entity) for run in runs)
    both = [lane for lane in held[0] if lane in held[1]]
    odd = _incomparable(both, *held)
    common = [lane for lane in both if lane not in {one.lane for one in odd}]
    if not common:
        raise _of_other_rows(odd) if odd else _nothing_common(runs, held, wish.entity)
    _refuse_unknown(wish, [one for lane in common for one in (held[0][lane], held[1][lane])])
    joins = {lane: _sides(lake, runs, (held[0][lane], held[1][lane]), wish.columns) for lane in common}
    with opened(lake, wish.memory, wish.folder, chain.from_iterable(joins.values())) as connection:
        lanes = []
        for lane in common:
            old, new = held[0][lane], held[1][lane]
            names = {column.field: column.name for column in (*old.columns, *new.columns)}
            own = replace(wish, ignoring=wish.ignoring.named(names))
            found = _begun(old, new, own)
            if _files(old) != _files(new):
                pairs = pair_up(old.columns, new.columns)
                chosen = tuple(pair for pair in pairs if not own.ignoring(pair.field))
                others = tuple(pair for pair in pairs if own.ignoring(pair.field))
                _tell(_Walk(lane, Join(connection, *joins[lane], chosen, others, wish.ids), own), found, keep)
            lanes.append(found)
    only_before, only_after = (tuple(lane for lane in one if lane not in both) for one in held)
    return Diff(*runs, tuple(lanes), only_before, only_after, odd)


def _comparable(run: FoundRun, entity: str | None) -> dict[Lane, OpenSnapshot]:
    """The lanes that hold something, be it no rows: those that were skipped or failed have no columns."""
    held = {one.record.lane: one for one in held_lanes(run) if one.columns}
    return {lane: one for lane, one in sorted(held.items()) if entity in (None, lane.entity)}


def _incomparable(
    lanes: Sequence[Lane], before: Mapping[Lane, OpenSnapshot], after: Mapping[Lane, OpenSnapshot]
) -> tuple[Incomparable, ...]:
    """The lanes of which the two are known to have different rows: what seems gone may only not have been asked for."""
    found = ((lane, before[lane].record.rows_chosen, after[lane].record.rows_chosen) for lane in lanes)
    return tuple(
        Incomparable(lane, old, new) for lane, old, new in found if old is not None and new is not None and old != new
    )


def _of_other_rows(odd: Sequence[Incomparable]) -> NothingCommon:
    return NothingCommon(f"the snapshots cannot be compared: {'; '.join(map(str, odd))}")


def _nothing_common(
    runs: tuple[FoundRun, FoundRun], held: Sequence[Mapping[Lane, OpenSnapshot]], entity: str | None
) -> NothingCommon:
    names = tuple(run.snapshot.run_id for run in runs)
    if entity is None:
        return NothingCommon(f"the snapshots of runs {names[0]} and {names[1]} have no entity type in common")
    holding = [name for name, lanes in zip(names, held, strict=True) if lanes]
    if holding and holding != list(names):
        return NothingCommon(f"only the snapshot of run {holding[0]} holds {entity!r}")
    known = sorted({lane.entity for run in runs for lane in _comparable(run, None)})
    return NothingCommon(f"neither snapshot holds {entity!r}{nearest(entity, known)}")


def _refuse_unknown(wish: Wish, held: Sequence[OpenSnapshot]) -> None:
    """Raises: UsageError for a column that is asked for and that none of the compared types has."""
    known = {name for one in held for column in one.columns for name in (column.name, column.field)}
    for name in wish.columns:
        if name not in known:
            near = did_you_mean(closest(name, sorted(known)))
            raise UsageError(f"{wish.entity or 'none of the compared types'} has no column {name!r}{near}")


def _sides(
    lake: Lake, runs: tuple[FoundRun, FoundRun], held: tuple[OpenSnapshot, OpenSnapshot], columns: Sequence[str]
) -> tuple[Side, Side]:
    def side(run: FoundRun, one: OpenSnapshot) -> Side:
        run_id = run.snapshot.run_id
        shown = tuple(one.column(name) for name in columns)
        return Side(run_id, files_of(lake, run_id, one), one.columns, one.id_column, shown)

    return side(runs[0], held[0]), side(runs[1], held[1])


def _files(held: OpenSnapshot) -> list[str]:
    return [file.sha256 for file in held.record.files]


def _begun(old: OpenSnapshot, new: OpenSnapshot, wish: Wish) -> LaneDiff:
    pairs = [pair for pair in pair_up(old.columns, new.columns) if pair.field != OVERFLOW]
    both = [pair for pair in pairs if pair.before and pair.after]
    chosen = [pair for pair in pairs if not wish.ignoring(pair.field)]
    return LaneDiff(
        new.record.instance,
        new.record.entity,
        old.rows,
        new.rows,
        ignored=(*OWN, *(pair.field for pair in both if wish.ignoring(pair.field))),
        appeared=tuple(pair.field for pair in chosen if pair.before is None),
        gone=tuple(pair.field for pair in chosen if pair.after is None),
        retyped={
            p.field: _types(p.before, p.after)
            for p in both
            if p in chosen and p.before and p.after
            if p.before.kind != p.after.kind
        },
    )


def _types(before: Column, after: Column) -> tuple[str, str]:
    return type_text(before.kind), type_text(after.kind)


def _tell(walk: "_Walk", found: LaneDiff, keep: Keep) -> None:
    for change in walk.changes():
        match change.kind:
            case "added":
                found.added += 1
            case "removed":
                found.removed += 1
            case "changed":
                found.changed += 1
                found.fields.update(change.fields)
        keep(change)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Over what differs in one lane."""

    lane: Lane
    join: Join
    wish: Wish

    def changes(self) -> Iterator[Change]:
        self.join.look()
        for kind in ("added", "removed"):
            if kind in self.wish.kinds:
                yield from self._came_or_went(kind)
        for batch in self.join.changed() if "changed" in self.wish.kinds else ():
            yield from self._changed(batch)

    def _came_or_went(self, kind: Literal["added", "removed"]) -> Iterator[Change]:
        side = self.join.after if kind == "added" else self.join.before
        entry = {"columns": {column.name: describe_column(column) for column in side.columns}}
        for batch in self.join.whole(kind) if self.wish.records else self.join.came_or_went(kind):
            for row in batch.to_pylist():
                record = self._compared(restore(row, entry)) if self.wish.records else {}
                before, after = ({}, record) if kind == "added" else (record, {})
                yield Change(self.lane, row["_id"], kind, before, after, row["_label"], self._shown(row, side))

    def _shown(self, row: Mapping[str, Any], side: Side) -> dict[str, Any]:
        """The values of the columns that were asked for, as JSON; as served where some of it had to be rescued."""
        shown = enumerate(zip(self.wish.columns, side.shown, strict=True))
        return {name: _shown_value(row[f"_s{number}"], column, row["_rescued"]) for number, (name, column) in shown}

    def _compared(self, record: Record) -> Record:
        return {f: v for f, v in record.items() if f != ID_FIELD and not self.wish.ignoring(f)}

    def _changed(self, batch: pa.RecordBatch) -> Iterator[Change]:
        olds: list[dict[str, Any]] = [{} for _ in range(batch.num_rows)]
        news: list[dict[str, Any]] = [{} for _ in range(batch.num_rows)]
        odd = pc.or_(batch["rescued_before"].is_valid(), batch["rescued_after"].is_valid())
        for number, pair in enumerate(self.join.pairs):
            mark = pc.and_not(batch[f"m{number}"], odd)
            places = pc.indices_nonzero(mark)
            for values, column, into in (
                (batch[f"a{number}"], pair.before, olds),
                (batch[f"b{number}"], pair.after, news),
            ):
                if column and len(places):
                    _lay(values.take(places).to_pylist(), places.to_pylist(), column, into)
        for place in pc.indices_nonzero(odd).to_pylist():
            row = batch.slice(place, 1)
            olds[place] = self._restored(row, "before")
            news[place] = self._restored(row, "after")
        beside = batch.select(["id", "_label", "_rescued", *(f"_s{n}" for n in range(len(self.wish.columns)))])
        for row, old, new in zip(beside.to_pylist(), olds, news, strict=True):
            before, after = between(self._compared(old), self._compared(new))
            if before or after:
                shown = self._shown(row, self.join.after)
                yield Change(self.lane, row["id"], "changed", before, after, row["_label"], shown)

    def _restored(self, batch: pa.RecordBatch, which: str) -> dict[str, Any]:
        """The record of one row that has rescued values: they may lie anywhere in it."""
        letters = ("a", "x") if which == "before" else ("b", "y")
        sources = [(letters[0], self.join.pairs), (letters[1], self.join.others)]
        row: dict[str, Any] = {RESCUED: batch[f"rescued_{which}"][0].as_py()}
        columns: list[Column] = []
        for letter, pairs in sources:
            for number, pair in enumerate(pairs):
                column = pair.before if which == "before" else pair.after
                if column:
                    columns.append(column)
                    row[column.name] = batch[f"{letter}{number}"][0].as_py()
        return dict(restore(row, {"columns": {column.name: describe_column(column) for column in columns}}))


def _lay(values: Sequence[object], places: Sequence[int], column: Column, into: list[dict[str, Any]]) -> None:
    for value, place in zip(values, places, strict=True):
        if value is not None:
            back = restore_value(value, column)
            into[place] |= back if column.field == OVERFLOW and isinstance(back, dict) else {column.field: back}


def _shown_value(value: object, column: Column | None, rescued: str | None) -> object:
    paths = read_rescued(rescued) if column and rescued else {}
    own = {path: exact.dump(part) for path, part in paths.items() if column and split_path(path)[0] == column.field}
    if not column or not own:
        return plain(value)
    entry = {"columns": {column.name: describe_column(column)}}
    served = restore({column.name: value, RESCUED: write_rescued(own)}, entry)[column.field]
    return json.loads(json_text(served))
