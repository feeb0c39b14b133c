"""The entity types of a snapshot as tables: columns over all instances, and the files that hold their rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from axsync.errors import SnapshotGone, UsageError
from axsync.lake import layout
from axsync.lake.history import FoundRun, LaneRecord, replaced_by
from axsync.lake.manifest import TablePin, damaged, lane_columns
from axsync.lake.publish import Lake
from axsync.lake.tables import is_in_table
from axsync.schema.columns import FETCHED_AT, OVERFLOW, RESCUED, RUN_ID, Column
from axsync.schema.kinds import Atom, Group, Kind, Many, drop_forms, grown, type_text
from axsync.schema.selection import fields_meant
from axsync.settings import closest, did_you_mean
from axsync.sql.dialects import double_quoted

PARTITIONS = ("entity", "instance", "dt")
OWN: Mapping[str, Kind] = {RUN_ID: Atom("text"), FETCHED_AT: Atom("timestamp"), RESCUED: Atom("text")}


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a table, and its partition."""

    path: str  # relative to the lake
    instance: str
    dt: date


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a table from one instance. `renamed`: which columns of its files are others of the table."""

    columns: tuple[Column, ...]
    pieces: tuple[Piece, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntityTable:
    """An entity type over all instances.

    `clashes` describes columns whose type in an instance is not that of the table, in ways that engines cannot bridge.
    `pin` is the table of Delta Lake or Iceberg that other engines read it in, where they are not to read its files.
    `exact`: there may be other files in its folders, which are no rows of it.
    """

    entity: str
    columns: Mapping[str, Kind]
    shares: tuple[Share, ...]
    clashes: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)  # column → Axonius field
    pin: TablePin | None = None
    exact: bool = False

    @property
    def folders(self) -> Mapping[str, Sequence[Share]]:
        """Its parts with files by the folder that has them: a lake that got a table format has older days elsewhere."""
        found: dict[str, list[Share]] = {}
        for share in self.shares:
            if share.pieces:
                is_plain = not is_in_table(share.pieces[0].path)
                find = layout.table if is_plain else layout.table_of_format
                found.setdefault(find(self.entity), []).append(share)
        return found

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All its files."""
        return tuple(piece for share in self.shares for piece in share.pieces)


def tables_of(found: FoundRun) -> dict[str, EntityTable]:
    """Entity type → table, of those that have columns; in the order of their names. Raises: ManifestError."""
    lanes: dict[str, list[tuple[LaneRecord, tuple[Column, ...]]]] = {}
    for lane, columns in lane_columns(found.snapshot):
        if columns:
            lanes.setdefault(lane.entity, []).append((lane, columns))
    try:
        return {entity: _table(entity, lanes[entity]) for entity in sorted(lanes)}
    except ValueError as error:  # a file is in no partition of a day
        raise damaged(found.snapshot.run_id) from error


def _table(entity: str, lanes: Sequence[tuple[LaneRecord, tuple[Column, ...]]]) -> EntityTable:
    kinds: dict[str, Kind] = {}
    distinct = {id(columns): columns for _, columns in lanes}  # most lanes share theirs
    for columns in distinct.values():
        for column in columns:
            kind = drop_forms(column.kind)
            known = kinds.get(column.name, kind)
            kinds[column.name] = grown(known, kind) or grown(kind, known) or known
    clashes = clashes_of(((lane.instance, columns) for lane, columns in lanes), kinds)
    shares = [
        Share(columns, tuple(piece_of(file.path, lane.instance) for file in lane.files)) for lane, columns in lanes
    ]
    fields = {c.name: c.field for columns in distinct.values() for c in columns if c.field != OVERFLOW}
    return EntityTable(entity, {**kinds, **OWN}, tuple(shares), clashes, fields)


def clashes_of(shares: Iterable[tuple[str, tuple[Column, ...]]], kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """What engines cannot bridge between the columns of instances and those of their table, each told once."""
    odd: dict[int, list[str]] = {}  # most instances share their columns
    found: dict[str, None] = {}
    for instance, columns in shares:
        if id(columns) not in odd:
            held = ((column.name, drop_forms(column.kind)) for column in columns)
            odd[id(columns)] = [
                f"{name} is {type_text(kind)}"
                for name, kind in held
                if name not in kinds or not _reads(kind, kinds[name])
            ]
        found |= {f"{told} in {instance}": None for told in odd[id(columns)]}
    return tuple(found)


def _reads(written: Kind, wide: Kind) -> bool:
    """Whether an engine reads values of one kind as the other: integers as numbers, objects with more keys."""
    match written, wide:
        case Many(one), Many(other):
            return _reads(one, other)
        case Group(members), Group(others):
            known = {other.name: other.kind for other in others}
            return all(member.name in known and _reads(member.kind, known[member.name]) for member in members)
        case _:
            return written == wide or (written, wide) == (Atom("integer"), Atom("number"))


def piece_of(path: str, instance: str) -> Piece:
    """The file with its partition. Raises: ValueError for a path outside of those of a day."""
    # An earlier run's files may stand in, and then have an earlier day.
    day = layout.day_of(path)
    if day is None:
        raise ValueError(f"{path!r} is in no partition of a day")
    return Piece(path, instance, date.fromisoformat(day))


def refuse_gone(lake: Lake, path: str) -> None:
    """Raises: SnapshotGone if the file is gone, or a link leads out of the lake."""
    if not lake.store.is_inside(path):
        raise SnapshotGone(f"{path!r} leads out of the lake")
    if lake.store.size(path) is None:
        why = replaced_by(lake, path)
        raise SnapshotGone(f"the lake no longer has the file {path!r} that the manifest names{why}")


def chosen(tables: Mapping[str, EntityTable], entities: Sequence[str]) -> list[EntityTable]:
    """The tables of these entity types, or all. Raises: UsageError."""
    return [tables[_known(tables, entity, "entity type")] for entity in entities or tables]


def first_rows(tables: Mapping[str, EntityTable], entity: str, *, rows: int, columns: Sequence[str] | None) -> str:
    """The query for the first rows of an entity type. Raises: UsageError."""
    _known(tables, entity, "entity type")
    names = [*tables[entity].columns, *PARTITIONS]
    wished = [name for word in columns or () for name in _meant(tables[entity], names, word.strip())]
    what = ", ".join(map(double_quoted, wished)) or "*"
    return f"SELECT {what} FROM {double_quoted(entity)} LIMIT {rows}"  # noqa: S608  quoted


def _meant(table: EntityTable, names: Sequence[str], word: str) -> Sequence[str]:
    """The columns that a person means by a column's name, or by an Axonius name or glob. Raises: UsageError."""
    columns = {c.field: c.name for share in table.shares for c in share.columns if c.field != OVERFLOW}
    found = [word] if word in names else [columns[one] for one in fields_meant(word, columns)]
    if not found:
        near = did_you_mean(closest(word, [*names, *columns]))
        raise UsageError(f"{table.entity} has no column {word!r}{near}")
    return found


def _known(names: Iterable[str], name: str, what: str) -> str:
    listed = list(names)
    if name in listed:
        return name
    raise UsageError(f"the snapshot has no {what} {name!r}{did_you_mean(closest(name, listed))}")
