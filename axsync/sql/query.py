"""DuckDB over one snapshot, locked down: it reads the files of the snapshot and nothing else, and writes nothing.

The files are passed as Arrow datasets, not as paths. DuckDB may also write to a path that it may read
(`allowed_paths`), and its parser takes `WITH x AS (COPY … TO …) SELECT …` for a SELECT; so it gets no path at all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from duckdb import DuckDBPyConnection

from axsync.errors import NoRoomToSpill, UsageError
from axsync.lake import layout
from axsync.lake.history import days_written
from axsync.lake.publish import Lake
from axsync.lake.schemas import registries
from axsync.lake.store import NativeFile, storage_errors
from axsync.lake.tables import PARTITION_COLUMNS
from axsync.schema.columns import arrow_schema
from axsync.schema.kinds import arrow_type
from axsync.settings import all_close, did_you_mean
from axsync.sql.asked_days import Planned, asked_days
from axsync.sql.days import AllDays, all_days, partitions, registered_tables, some_days
from axsync.sql.dialects import DIALECTS, double_quoted
from axsync.sql.engines import WORDS
from axsync.sql.spill import spill_folder, spill_to
from axsync.sql.tables import PARTITIONS, EntityTable, Piece, Share, refuse_gone
from axsync.sql.views import HISTORY_WORDS, LANE_COLUMNS, VIEW_WORDS, Names, SqlView, Writer, named
from axsync.sql.widening import star

BATCH = 2_000  # rows fetched at a time
SHARE_OF_HANDLES = 4
"""A quarter of the files that the process may have open: if a snapshot has more, they are opened as they are needed."""
MOST_NEAR = 3  # suggestions for a mistyped name
_FAULT = "the query failed"
_NO_TABLE = re.compile(r"Catalog Error: Table with name \"?([^\s\"]+)\"? does not exist")
_PART = re.compile(r"(?:entity=|tables/)[^/'\"]+/instance=[^/'\"]+/dt=[^/'\"]+/part-[^/'\"]+\.parquet")
_CATALOGUE = re.compile(r"\b(show|information_schema|duckdb_\w+|sqlite_\w+|pg_\w+)\b")
"""Words of queries that list tables: all views are made for them."""
_LOCKS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",  # or names of our own variables would be tables
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_PLANNING = ("SET disabled_optimizers = 'statistics_propagation'",)
"""Of empty tables it would know that no row passes."""
_PARTITION_FIELDS = [pa.field("entity", pa.string()), *PARTITION_COLUMNS]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query: column names, whether each is numeric, and rows as they are fetched."""

    names: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: Iterator[tuple[Any, ...]]


class _Text:
    """What a query may name: more than it does, where a name occurs as another word, and never less."""

    def __init__(self, sql: str) -> None:
        self._text = sql.casefold()
        self._words = frozenset(re.findall(r"\w+", self._text))
        self._lists_tables = _CATALOGUE.search(self._text) is not None

    def has_any(self, parts: Iterable[str]) -> bool:
        """Whether any of these is in it, or all tables are asked for."""
        return self._lists_tables or any(part in self._text for part in parts)

    def names(self, name: str) -> bool:
        """Whether this table is asked for."""
        known = name.casefold()
        return self._lists_tables or (known in self._words if known.isidentifier() else known in self._text)


@dataclass(frozen=True, slots=True)
class QuerySession:
    """A locked DuckDB connection with the tables of a snapshot. Views are made once a query names them."""

    connection: DuckDBPyConnection
    lake: Lake
    tables: Mapping[str, EntityTable]

    def ask(self, sql: str) -> Answer:
        """The answer to one SELECT. Raises: UsageError and NoRoomToSpill, also while its rows are fetched."""
        with self._plain_errors():
            statements = self.connection.extract_statements(sql)
            if len(statements) != 1:
                told = "there is none" if not statements else f"there are {len(statements)}"
                raise UsageError(f"exactly one query is expected, and {told}")
            if statements[0].type.name != "SELECT":
                raise UsageError(f"only SELECT is allowed, not {statements[0].type.name}")
            self._make_views(statements[0].query)
            cursor = self.connection.execute(statements[0])
        described = cursor.description or []
        kinds = [str(column[1]).upper() for column in described]
        return Answer(tuple(str(column[0]) for column in described), tuple(map(_is_number, kinds)), self._rows(cursor))

    def _make_views(self, sql: str) -> None:
        """Make the views that the text names, and what they need. Other days are looked up only for those."""
        text = _Text(sql)
        if not text.has_any(VIEW_WORDS):
            return
        writer = Writer(WORDS["duckdb"], Names(frozenset(self.tables)), double_quoted)
        days = self._days(sql, text, writer) if text.has_any(HISTORY_WORDS) else AllDays((), {})
        made = _views_named(text, writer, self.tables, days.tables)
        if text.names(writer.names.lanes):
            self.connection.register(writer.names.lanes, _lanes(days))
        for name, table in _histories_named(text, writer, days.tables, made).items():
            _lay_out(self.connection, self.lake, table, name, hold=False)
        for view in made:
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {double_quoted(view.name)} AS {view.sql}")

    def _days(self, sql: str, text: _Text, writer: Writer) -> AllDays:
        """The days of which the query needs rows: of others, no manifest is read and no file looked up."""
        known = registries(self.lake.store)
        if not self.tables.keys() <= known.keys():
            return all_days(self.lake)
        held = registered_tables(known)
        made = _views_named(text, writer, self.tables, held)
        histories = _histories_named(text, writer, held, made)
        folders = partitions(self.lake, [table.entity for table in histories.values()])
        every = sorted({*days_written(self.lake), *filter(None, map(layout.day_of, folders))})
        of_days = {writer.names.lanes: LANE_COLUMNS, **{name: table.columns for name, table in histories.items()}}
        planned = Planned(of_days, {entity: table.columns for entity, table in self.tables.items()}, made)
        with duckdb.connect() as connection:
            for setting in (*_PLANNING, *_LOCKS):
                connection.execute(setting)
            days = asked_days(connection, sql, planned, every)
        some = some_days(self.lake, days, known, folders) if len(days) < len(every) else None
        return some or all_days(self.lake)

    def _refuse_gone(self, words: str) -> None:
        """Raises: SnapshotGone, where DuckDB's words name a file that is no longer there; StorageError."""
        for path in _PART.findall(words):
            with storage_errors("read the lake"):
                refuse_gone(self.lake, path)

    def _views(self) -> list[str]:
        """The names of views over the snapshot."""
        return [
            view.name for view in Writer(WORDS["duckdb"], Names(frozenset(self.tables)), str).views(self.tables, {})
        ]

    def _rows(self, cursor: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
        while True:
            with self._plain_errors():
                rows = cursor.fetchmany(BATCH)
            if not rows:
                return
            yield from rows

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Raises: UsageError with the first sentence of DuckDB's message; NoRoomToSpill."""
        try:
            yield
        except duckdb.OutOfMemoryException:
            raise NoRoomToSpill("the query needs more memory than there is, or room for temporary files") from None
        except duckdb.Error as error:
            self._refuse_gone(str(error))
            told = _unknown(str(error), tuple(self.tables), self._views())
            raise UsageError(told or f"{_FAULT}: {_sentence(str(error))}") from None


def _views_named(
    text: _Text, writer: Writer, now: Mapping[str, EntityTable], history: Mapping[str, EntityTable]
) -> list[SqlView]:
    """The views over these tables that the text names, and those that they need."""
    views = list(writer.views(now, history))
    return named(views, [view.name for view in views if text.names(view.name)])


def _histories_named(
    text: _Text, writer: Writer, history: Mapping[str, EntityTable], made: Iterable[SqlView]
) -> dict[str, EntityTable]:
    """The tables of all days that the text or one of these views names."""
    needed = {name for view in made for name in view.needs}
    found = {writer.names.history(entity): table for entity, table in history.items()}
    return {name: table for name, table in found.items() if text.names(name) or name in needed}


@contextmanager
def query_session(lake: Lake, tables: Mapping[str, EntityTable]) -> Iterator[QuerySession]:
    """Open a session with a view per entity type. Raises: SnapshotGone."""
    with spill_folder(lake) as folder, duckdb.connect() as connection:
        connection.execute(spill_to(folder))
        hold = lake.is_folder and may_hold(sum(len(table.pieces) for table in tables.values()))
        for table in tables.values():
            _lay_out(connection, lake, table, table.entity, hold=hold)
        for lock in _LOCKS:
            connection.execute(lock)
        yield QuerySession(connection, lake, tables)


def may_hold(files: int) -> bool:
    """Whether so many files may be held open, so that no run that replaces them can take them away."""
    return files <= getrlimit(RLIMIT_NOFILE)[0] // SHARE_OF_HANDLES


def _lay_out(connection: DuckDBPyConnection, lake: Lake, table: EntityTable, name: str, *, hold: bool) -> None:
    """Create one view. Files with different columns are combined by column name, and have all columns of the table."""
    datasets = _datasets(lake, table, hold=hold)
    if len(datasets) == 1 and len(table.columns) == len(datasets[0][0].schema.names) - len(PARTITIONS):
        connection.register(name, datasets[0][0])
        return
    parts = []
    for number, (dataset, share) in enumerate(datasets):
        source = f"{name}:{number}"
        connection.register(source, dataset)
        taken = star(share.columns, table.columns, share.renamed)
        parts.append(f"SELECT {taken} FROM {double_quoted(source)}")  # noqa: S608  quoted
    every = " UNION ALL BY NAME ".join([nothing(table), *parts])
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {double_quoted(name)} AS {every}")


def _lanes(days: AllDays) -> pa.Table:
    schema = pa.schema([pa.field(name, arrow_type(kind)) for name, kind in LANE_COLUMNS.items()])
    return pa.Table.from_pylist([asdict(row) for row in days.lanes], schema=schema)


def nothing(table: EntityTable) -> str:
    """A query without rows, but with the right columns."""
    words = DIALECTS["duckdb"]
    columns = [f"CAST(NULL AS {words.of(kind)}) AS {double_quoted(name)}" for name, kind in table.columns.items()]
    partitions = ["CAST(NULL AS VARCHAR) AS entity", "CAST(NULL AS VARCHAR) AS instance", "CAST(NULL AS DATE) AS dt"]
    return f"SELECT {', '.join([*columns, *partitions])} WHERE false"


def _datasets(lake: Lake, table: EntityTable, *, hold: bool) -> list[tuple[ds.Dataset, Share]]:
    """The files by their columns. Where they are held open, no run that replaces them can take them away."""
    form, files = ds.ParquetFileFormat(), lake.store.file_system()
    found: dict[tuple[str, str], tuple[pa.Schema, list[ds.Fragment], Share]] = {}
    texts: dict[int, tuple[pa.Schema, str]] = {}  # most shares have the columns of another one
    for share in table.shares:
        if id(share.columns) not in texts:
            schema = pa.schema([*arrow_schema(share.columns), *_PARTITION_FIELDS])
            texts[id(share.columns)] = schema, schema.to_string(show_field_metadata=False)
        schema, text = texts[id(share.columns)]
        _, fragments, _ = found.setdefault((text, repr(share.renamed)), (schema, [], share))
        for piece in share.pieces:
            if lake.is_folder:  # a store would be asked for each; it tells when the rows are read
                refuse_gone(lake, piece.path)
            partition = _partition(table.entity, piece)
            place = (opened(lake, piece),) if hold else (piece.path, files)
            fragments.append(form.make_fragment(*place, partition_expression=partition))
    return [
        (ds.FileSystemDataset(fragments, schema, form, files), share)
        for schema, fragments, share in found.values()
        if fragments
    ]


def opened(lake: Lake, piece: Piece) -> NativeFile:
    """The file, for reading. Raises: SnapshotGone."""
    try:
        return lake.store.open(piece.path)
    except FileNotFoundError:  # in this very moment
        refuse_gone(lake, piece.path)
        raise


def _partition(entity: str, piece: Piece) -> ds.Expression:
    return (ds.field("entity") == entity) & (ds.field("instance") == piece.instance) & (ds.field("dt") == piece.dt)


def _unknown(words: str, known: Sequence[str], views: Sequence[str]) -> str:
    """The message for an unknown table, with the closest known ones or views; empty for any other error.

    DuckDB's own suggestion may be one of its internal tables, or missing.
    """
    matched = _NO_TABLE.match(words)
    if matched is None:
        return ""
    asked = matched[1].lower()
    near = _near(asked, known) or _near(asked, views)
    hint = did_you_mean(*near) or f"; there are {', '.join(known) or 'none'}"
    return f"{_FAULT}: there is no table {matched[1]!r}{hint}"


def _near(asked: str, known: Sequence[str]) -> list[str]:
    return [name for name in known if asked in name][:MOST_NEAR] or list(all_close(asked, known, most=MOST_NEAR))


def _sentence(words: str) -> str:
    """The message without the excerpt of the query that follows it."""
    told = re.split(r"\n\s*\n?LINE \d+:", words, maxsplit=1)[0]
    return " ".join(told.split())


def _is_number(kind: str) -> bool:
    return re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)", kind) is not None
