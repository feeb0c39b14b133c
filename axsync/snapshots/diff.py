"""`axsync diff`: which assets came, went or changed between two snapshots, and in which fields."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from axsync.convert.rescue import restore, restore_value
from axsync.errors import NothingCommon
from axsync.lake.history import FoundRun
from axsync.lake.publish import Lake
from axsync.model import ID_FIELD, Lane
from axsync.schema.columns import OVERFLOW, RESCUED, Column, describe_column
from axsync.schema.kinds import type_text
from axsync.settings import nearest
from axsync.snapshots.changes import Change, Record, between
from axsync.snapshots.join import OWN, Ignoring, Join, Side, opened, pair_up
from axsync.snapshots.opened import OpenSnapshot, held_lanes, uris_of

Keep: TypeAlias = Callable[[Change], None]
MEMORY: Final = "1GB"
"""What DuckDB may take; Python and the batches under way come on top."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What of two snapshots is to be compared. Empty `ids` mean all; `records`: whole ones of what came or went."""

    entity: str | None = None
    ids: tuple[str, ...] = ()
    ignoring: Ignoring = field(default_factory=Ignoring)
    records: bool = False
    memory: str = MEMORY
    folder: Path | None = None  # for temporary files


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
class Diff:
    """What two snapshots come to; the lanes that only one of them holds are not compared."""

    before: FoundRun
    after: FoundRun
    lanes: tuple[LaneDiff, ...]
    only_before: tuple[Lane, ...]
    only_after: tuple[Lane, ...]


def diff(lake: Lake, runs: tuple[FoundRun, FoundRun], wish: Wish, keep: Keep) -> Diff:
    """Compare two snapshots, lane by lane; `keep` is handed each asset that differs, in no order.

    Memory depends on `wish.memory` and on the size of some thousand rows, not on their number.

    Raises: NothingCommon, ManifestError, SnapshotGone, ConfigError before anything is handed out; StorageError.
    """
    held = tuple(_comparable(run, wish.entity) for run in runs)
    common = [lane for lane in held[0] if lane in held[1]]
    if not common:
        raise _nothing_common(runs, held, wish.entity)
    joins = {lane: _sides(lake, runs, (held[0][lane], held[1][lane])) for lane in common}
    with opened(wish.memory, wish.folder) as connection:
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
    only = [tuple(lane for lane in one if lane not in common) for one in held]
    return Diff(*runs, tuple(lanes), *only)


def _comparable(run: FoundRun, entity: str | None) -> dict[Lane, OpenSnapshot]:
    """The lanes that hold something, be it no rows: those that were skipped or failed have no columns."""
    held = {one.record.lane: one for one in held_lanes(run) if one.columns}
    return {lane: one for lane, one in sorted(held.items()) if entity in (None, lane.entity)}


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


def _sides(lake: Lake, runs: tuple[FoundRun, FoundRun], held: tuple[OpenSnapshot, OpenSnapshot]) -> tuple[Side, Side]:
    def side(run: FoundRun, one: OpenSnapshot) -> Side:
        run_id = run.snapshot.run_id
        return Side(run_id, uris_of(lake, run_id, one), one.columns, one.id_column)

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
        if self.wish.records:
            yield from self._whole("added")
            yield from self._whole("removed")
        else:
            yield from (Change(self.lane, name, kind, {}, {}) for name, kind in self.join.came_or_went())  # type: ignore[arg-type]  # SQL says so
        for batch in self.join.changed():
            yield from self._changed(batch)

    def _whole(self, kind: str) -> Iterator[Change]:
        side = self.join.after if kind == "added" else self.join.before
        entry = {"columns": {column.name: describe_column(column) for column in side.columns}}
        for batch in self.join.whole(kind):
            for row in batch.to_pylist():
                record = self._compared(restore(row, entry))
                name = row["_id"]
                yield (
                    Change(self.lane, name, "added", {}, record)
                    if kind == "added"
                    else Change(self.lane, name, "removed", record, {})
                )

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
        for name, old, new in zip(batch["id"].to_pylist(), olds, news, strict=True):
            before, after = between(self._compared(old), self._compared(new))
            if before or after:
                yield Change(self.lane, name, "changed", before, after)

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
