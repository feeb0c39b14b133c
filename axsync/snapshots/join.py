"""Two snapshots of one lane, joined by DuckDB: which ids came, went, or may have changed, and their values.

Which columns are compared, and how, is settled first: `pair_up`. Then a join of ids with one hash of all compared
columns: narrow, whatever the rows hold. Then the rows of those ids whose hashes differ are joined whole, with one mark
per column whether it differs. What does not fit the memory limit is spilled to a folder. A change is overlooked where
64-bit hashes are equal by chance: one in 10^19 changed rows.
"""

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from axsync.errors import ConfigError, NoRoomToSpill, SnapshotGone
from axsync.lake.publish import Lake
from axsync.model import ID_FIELD
from axsync.schema.columns import FETCHED_AT, RESCUED, RUN_ID, Column
from axsync.schema.kinds import Atom, Kind, canonical, drop_forms, only_gains_members, widen
from axsync.schema.selection import fields_meant
from axsync.snapshots.labels import label_sql
from axsync.snapshots.opened import LaneFiles
from axsync.sql.dialects import DIALECTS, double_quoted, literal
from axsync.sql.spill import spill_folder, spill_to

MOVING = (
    "fetch_time",
    "last_fetch",
    "last_seen",
    "accurate_for_datetime",
    "from_last_fetch",
    "not_fetched_count",
    "is_fetched_from_adapter",
    "is_latest_last_seen",
)
"""Last words of Axonius names, also with `_preferred`, whose values tell of the fetch and not of the asset."""

OWN = (RUN_ID, FETCHED_AT)
"""Columns of ours that differ in every run."""

Mode = Literal["same", "cast", "loose"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A field as each of two snapshots has it; None where one has no column for it.

    same: equal values are equal bytes; a side that has no column counts as null
    cast: objects got members; equal once both have the members of both
    loose: the types differ otherwise; only the served values can tell
    """

    field: str
    before: Column | None
    after: Column | None
    mode: Mode
    kind: Kind  # to which both are brought

    @property
    def sql_type(self) -> str:
        """The type to which both are brought."""
        return DIALECTS["duckdb"].of(self.kind)


@dataclass(frozen=True, slots=True)
class Ignoring:
    """Which fields are not compared: those that always move, more of them by glob, some of them after all."""

    more: tuple[str, ...] = ()
    after_all: tuple[str, ...] = ()

    def __call__(self, field: str) -> bool:
        """Whether this field is not compared."""
        if any(fnmatchcase(field, one) for one in self.after_all):
            return False
        last = field.rpartition(".")[2].removesuffix("_preferred")
        return last in MOVING or any(fnmatchcase(field, one) for one in self.more)

    def named(self, columns: Mapping[str, str]) -> "Ignoring":
        """The same with names of columns replaced by those of their fields; `columns` is Axonius name → column."""

        def meant(words: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(glob.escape(name) for word in words for name in fields_meant(word, columns))

        return Ignoring(meant(self.more), meant(self.after_all))


def pair_up(before: Sequence[Column], after: Sequence[Column]) -> tuple[Pair, ...]:
    """Each field of either snapshot but the id, in the order of the later one."""
    old, new = ({column.field: _compared(column) for column in columns} for columns in (before, after))
    return tuple(_pair(field, old.get(field), new.get(field)) for field in new | old if field != ID_FIELD)


def _compared(column: Column) -> Column:
    """The column without the shape in which a server wrote its values: an asset does not change with its server."""
    return replace(column, kind=canonical(column.kind))


def _pair(field: str, before: Column | None, after: Column | None) -> Pair:
    if before is None or after is None:
        there = after or before
        return Pair(field, before, after, "same", there.kind if there else Atom("text"))
    if drop_forms(before.kind) == drop_forms(after.kind):
        # The same instant may be served in another form: then the texts differ, and they are what counts.
        return Pair(field, before, after, "same" if before.kind == after.kind else "loose", after.kind)
    both = widen(before.kind, after.kind)
    grown = (
        only_gains_members(before.kind, both) and only_gains_members(after.kind, both) and before.dates == after.dates
    )
    return Pair(field, before, after, "cast" if grown else "loose", both)


BATCH_ROWS = 1024
"""So many changed rows are looked at together; a row may hold megabytes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two snapshots: its files, its columns, the one with the ids."""

    run_id: str
    files: LaneFiles
    columns: tuple[Column, ...]
    id_column: str
    shown: tuple[Column | None, ...] = ()  # whose values stand beside each asset; None where this side has none

    def beside(self, alias: str) -> str:
        """SQL for what stands beside an id: `_label`, `_rescued`, and `_s0…` the values of the columns that are shown.

        No column of a lake begins with an underscore, so that these and `_id` of `rows` are free.
        """
        values = [f"{self.value(column, alias)} AS _s{number}" for number, column in enumerate(self.shown)]
        rescued = self.rescued(alias) if self.shown else "NULL::VARCHAR"
        return ", ".join([f"{self.label(alias)} AS _label", f"{rescued} AS _rescued", *values])

    def label(self, alias: str = "") -> str:
        """SQL for what people call an asset; null where there is no such column."""
        return label_sql(self.columns, alias) if self.files.sql else "NULL::VARCHAR"

    def rows(self, ids: Sequence[str] = ()) -> str:
        """SQL for the rows of its files, those of these ids only, where some are named."""
        if not self.files.sql:
            return "(SELECT NULL::VARCHAR AS _id WHERE false)"
        key = double_quoted(self.id_column)
        only = f" AND {key} IN ({', '.join(map(literal, ids))})" if ids else ""
        return f"(SELECT *, {key} AS _id FROM {self.files.sql} WHERE {key} IS NOT NULL{only})"  # noqa: S608  names and paths

    def value(self, column: Column | None, alias: str = "") -> str:
        """SQL for the value of one of its columns."""
        return f"{alias}{double_quoted(column.name)}" if column and self.files.sql else "NULL"

    def rescued(self, alias: str = "") -> str:
        """SQL for the rescue column."""
        return f"{alias}{double_quoted(RESCUED)}" if self.files.sql else "NULL::VARCHAR"


@contextmanager
def opened(lake: Lake, memory: str, folder: Path | None, sides: Iterable[Side]) -> Iterator[DuckDBPyConnection]:
    """A database in memory that keeps to a limit such as `1GB`, spills to a folder of its own, and knows these sides.

    Raises: ConfigError where DuckDB does not understand the limit, or where the named folder cannot be written.
    """
    with spill_folder(lake, folder) as spill, duckdb.connect() as connection:
        connection.execute(spill_to(spill))
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET TimeZone = 'UTC'")
        try:
            connection.execute(f"SET memory_limit = {literal(memory)}")
        except duckdb.Error as error:
            raise ConfigError(f"{memory!r} is no amount of memory; write it as 1GB or 512MB") from error
        for side in sides:
            side.files.introduce(connection)
        yield connection


@contextmanager
def reading(sides: Sequence[Side]) -> Iterator[None]:
    """Translate what DuckDB raises. Raises: SnapshotGone, StorageError."""
    runs = " or ".join(side.run_id for side in sides)
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise NoRoomToSpill("the comparison needs more memory than it may have, or room for temporary files") from None
    except duckdb.Error as error:
        raise SnapshotGone(f"the files of run {runs} cannot be compared: {str(error).splitlines()[0]}") from error


@dataclass(frozen=True, slots=True)
class Join:
    """Two sides of a lane and the fields that are compared."""

    connection: DuckDBPyConnection
    before: Side
    after: Side
    pairs: tuple[Pair, ...]  # compared
    others: tuple[Pair, ...] = ()  # not compared, but a rescued value may lie in them
    ids: tuple[str, ...] = ()

    def look(self) -> None:
        """Find out which ids came, went, or may have changed. Raises: SnapshotGone, StorageError."""
        digest = "SELECT _id, {} AS digest, {} AS loose FROM {}"
        with reading((self.before, self.after)):
            self.connection.execute(
                "CREATE OR REPLACE TABLE delta AS SELECT coalesce(a._id, b._id) AS id,"  # noqa: S608  names of columns
                " CASE WHEN a._id IS NULL THEN 'added' WHEN b._id IS NULL THEN 'removed' ELSE 'changed' END AS kind"
                f" FROM ({digest.format(*self._digest(self.before, 'before'))}) a"
                f" FULL JOIN ({digest.format(*self._digest(self.after, 'after'))}) b ON a._id = b._id"
                " WHERE a._id IS NULL OR b._id IS NULL OR a.digest <> b.digest OR a.loose OR b.loose"
            )

    def _digest(self, side: Side, which: str) -> tuple[str, str, str]:
        columns = [(pair, pair.before if which == "before" else pair.after) for pair in self.pairs]
        hashed = [f"CAST({side.value(c)} AS {p.sql_type})" for p, c in columns if p.mode != "loose"]
        loose = [f"{side.value(c)} IS NOT NULL" for p, c in columns if p.mode == "loose"]
        return f"hash({', '.join([*hashed, side.rescued()])})", " OR ".join(loose) or "false", side.rows(self.ids)

    def came_or_went(self, kind: str) -> Iterator[pa.RecordBatch]:
        """`_id` and what stands beside it, of the assets that came, or went. Raises: SnapshotGone, StorageError."""
        yield from self._of_kind(kind, "s._id")

    def whole(self, kind: str) -> Iterator[pa.RecordBatch]:
        """All rows that came, or went, and what stands beside their ids. Raises: SnapshotGone, StorageError."""
        yield from self._of_kind(kind, "s.*")

    def _of_kind(self, kind: str, what: str) -> Iterator[pa.RecordBatch]:
        side = self.after if kind == "added" else self.before
        yield from self._batches(
            f"SELECT {what}, {side.beside('s.')} FROM {side.rows(self.ids)} s SEMI JOIN delta d"  # noqa: S608  as above
            f" ON s._id = d.id AND d.kind = {literal(kind)}"
        )

    def changed(self) -> Iterator[pa.RecordBatch]:
        """Rows whose id both sides have and that may differ.

        Columns: `id`; what stands beside it, of the later snapshot; `rescued_before`, `rescued_after`; for each pair
        `m0…` whether it may differ, and `a0…`, `b0…` the values where it may, or where the row has rescued ones; for
        each other pair `x0…`, `y0…` the values where the row has rescued ones. Raises: SnapshotGone, StorageError.
        """
        old, new = (side.rescued(alias) for side, alias in ((self.before, "a."), (self.after, "b.")))
        odd = f"({old} IS NOT NULL OR {new} IS NOT NULL)"
        selected = ["d.id AS id", self.after.beside("b."), f"{old} AS rescued_before", f"{new} AS rescued_after"]
        for number, pair in enumerate(self.pairs):
            one, other = self.before.value(pair.before, "a."), self.after.value(pair.after, "b.")
            mark = f"({_differ(pair, one, other)})"
            selected.append(f"{mark} AS m{number}")
            selected += [
                f"CASE WHEN {mark} OR {odd} THEN {v} END AS {n}{number}" for v, n in ((one, "a"), (other, "b"))
            ]
        for number, pair in enumerate(self.others):
            one, other = self.before.value(pair.before, "a."), self.after.value(pair.after, "b.")
            selected += [
                f"CASE WHEN {odd} THEN {one} END AS x{number}",
                f"CASE WHEN {odd} THEN {other} END AS y{number}",
            ]
        yield from self._batches(
            f"SELECT {', '.join(selected)} FROM (FROM delta WHERE kind = 'changed') d"  # noqa: S608  as above
            f" JOIN {self.before.rows(self.ids)} a ON a._id = d.id JOIN {self.after.rows(self.ids)} b ON b._id = d.id"
        )

    def _batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        with reading((self.before, self.after)):
            yield from self.connection.sql(sql).to_arrow_reader(BATCH_ROWS)


def _differ(pair: Pair, one: str, other: str) -> str:
    if pair.mode == "loose":
        return f"{one} IS NOT NULL OR {other} IS NOT NULL"
    if pair.mode == "cast":
        return f"CAST({one} AS {pair.sql_type}) IS DISTINCT FROM CAST({other} AS {pair.sql_type})"
    return f"{one} IS DISTINCT FROM {other}"
