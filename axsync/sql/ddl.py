"""Statements that create tables over a lake in another engine."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from axsync.lake import layout
from axsync.lake.manifest import TablePin
from axsync.schema.columns import Column
from axsync.schema.kinds import Atom, Kind, drop_forms
from axsync.sql.days import LaneVerdict
from axsync.sql.dialects import DIALECTS, Engine, TypeNames, double_quoted, literal
from axsync.sql.engines import WORDS, Words
from axsync.sql.histories import EntityHistory, Histories, Partitions, by_columns
from axsync.sql.registered import duckdb_scan, registration, trino_schema
from axsync.sql.tables import OWN, PARTITIONS, EntityTable, Share
from axsync.sql.views import LANE_COLUMNS, STORED_LANE_COLUMNS, Names, SqlView, Writer, lanes_of
from axsync.sql.widening import star

PLACEHOLDER = "s3://YOUR-BUCKET/lake"
FIRST_DAY = "2020-01-01"
OF_TABLES = ("instance", "dt")
"""What the partitions of a table of a format tell."""
_ALL_OF = "\nUNION ALL BY NAME\n"


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """A table over a folder of the lake, as an engine is told of it.

    Folders of an entity type have partitions of these instances and of days.
    """

    name: str
    columns: Mapping[str, Kind]
    folder: str  # relative to the lake
    instances: tuple[str, ...] | None = None  # None: no partitions


def statements(
    dialect: Engine, found: Sequence[EntityHistory], *, location: str | None = None, schema: str | None = None
) -> Iterator[str]:
    """Statements that the engine can run as they are, if the location is right. Tables span all days of the lake.

    Raises: UsageError where the engine does not read tables of the lake's format.
    """
    where = (location or PLACEHOLDER).rstrip("/")
    yield from _opening(dialect, where, schema, found)
    for history in _together(dialect, found):
        yield from _made(dialect, history, where, schema, history.table.entity)


def view_statements(
    engine: Engine, now: Mapping[str, EntityTable], days: Histories, *, location: str | None, schema: str | None
) -> Iterator[str]:
    """Statements for the history of each entity type and for all views over a snapshot (`now`) and the lake's days.

    Raises: UsageError where the engine does not read tables of the lake's format.
    """
    where, every = (location or PLACEHOLDER).rstrip("/"), tuple(days.tables.values())
    days = replace(days, tables={one.table.entity: one for one in _together(engine, every)})
    pin, names, words = _pin(every), names_of(now, days), WORDS[engine]
    full = schema or ((trino_schema(pin) if pin else "hive.default") if engine == "trino" else None)
    if engine == "athena" and pin:  # a date in its tables of Delta Lake and Iceberg
        words = replace(words, dt=WORDS["trino"].dt, as_dt=WORDS["trino"].as_dt)

    ref = partial(words.types.full, full)
    yield from _opening(engine, where, schema, every)
    for entity, history in days.tables.items():
        yield from _made(engine, history, where, schema, names.history(entity))
    source = lanes_in_duckdb(where)
    if engine != "duckdb" and days.lanes is None:
        source = ref(names.stored_lanes)
        yield _MAKERS[engine][1](ExternalTable(names.stored_lanes, STORED_LANE_COLUMNS, layout.LANES), where, schema)
    for view in views_over(words, names, ref, now, days, source):
        yield f"CREATE OR REPLACE VIEW {ref(view.name)} AS\n{view.sql};\n"


def names_of(now: Mapping[str, EntityTable], days: Histories) -> Names:
    """The names of views beside these entity types."""
    return Names(frozenset(now) | frozenset(days.tables))


def lanes_in_duckdb(where: str) -> str:
    """The files of lanes in FROM."""
    return f"read_parquet({literal(f'{_no_glob(where)}/{layout.LANES}/*.parquet')})"


def views_over(
    words: Words,
    names: Names,
    ref: Callable[[str], str],
    now: Mapping[str, EntityTable],
    days: Histories,
    stored_lanes: str,
) -> Iterator[SqlView]:
    """All views but the histories, each after those that it needs. `stored_lanes`: the files of lanes in FROM."""
    lanes = lanes_of(words, stored_lanes) if days.lanes is None else _lanes(days.lanes, words)
    yield SqlView(names.lanes, lanes, ())
    held = {entity: days.tables[entity].table for entity in now if entity in days.tables}
    for entity, table in held.items():
        columns = [*((words.quoted(name), name) for name in table.columns), (literal(entity), "entity")]
        columns += [(words.quoted(name), name) for name in ("instance", "dt")]
        listed = ",\n".join(f"  {sql} AS {words.quoted(name)}" for sql, name in columns)
        source = names.history(entity)
        yield SqlView(entity, f"SELECT\n{listed}\nFROM {ref(source)}\nWHERE {_newest(now[entity], words)}", (source,))
    every = {entity: history.table for entity, history in days.tables.items()}
    yield from Writer(words, names, ref).views(held, every)


def _newest(table: EntityTable, words: Words) -> str:
    """The condition for the days of a snapshot."""
    days: dict[str, dict[str, None]] = {}
    for piece in table.pieces:
        days.setdefault(words.dt(piece.dt.isoformat()), {})[literal(piece.instance)] = None
    dt, instance = words.quoted("dt"), words.quoted("instance")
    told = [f"({dt} = {day} AND {instance} IN ({', '.join(found)}))" for day, found in days.items()]
    return "\n  OR ".join(told) or "1 = 0"


def _lanes(rows: Iterable[LaneVerdict], words: Words) -> str:
    """`lanes` of the moment."""
    kinds = {name: kind for name, kind in LANE_COLUMNS.items() if name != "dt"}
    cast = [
        f"  CAST({words.quoted(name)} AS {words.types.of(kind)}) AS {words.quoted(name)}"
        for name, kind in kinds.items()
    ]
    listed = ",\n".join([*cast, f"  {words.quoted('dt')} AS {words.quoted('dt')}"])
    values = ",\n".join(f"  ({', '.join(_value(row, name, words) for name in LANE_COLUMNS)})" for row in rows)
    named = ", ".join(map(words.quoted, LANE_COLUMNS))
    return f"SELECT\n{listed}\nFROM (VALUES\n{values}\n) AS t({named})"


def _value(row: LaneVerdict, name: str, words: Words) -> str:
    match getattr(row, name):
        case None:
            return "NULL"
        case bool() | int() as value:
            return str(value).upper()
        case str() as text:
            return literal(text)
        case day:
            return words.dt(day.isoformat())


def _pin(found: Iterable[EntityHistory]) -> TablePin | None:
    """One of those that the engine is to read, where the lake has tables."""
    return next((one.table.pin for one in found if one.table.pin), None)


def _together(dialect: Engine, found: Sequence[EntityHistory]) -> Sequence[EntityHistory]:
    """Those that an engine has in one catalog: of a lake with tables only these. DuckDB reads files beside them."""
    return [one for one in found if one.table.pin] if dialect != "duckdb" and _pin(found) else found


def _made(dialect: Engine, history: EntityHistory, where: str, schema: str | None, name: str) -> Iterator[str]:
    """What makes a table or view over all days, and comments on what is missing in it."""
    table = history.table
    if dialect == "duckdb":  # which reads apart what does not match, and what is elsewhere
        view = DIALECTS["duckdb"].full(schema, name)
        yield f"CREATE OR REPLACE VIEW {view} AS\n{duckdb_select(history, where)};\n"
        return
    yield from (f"-- {_one_line(one)}: files of that instance do not match this table" for one in table.clashes)
    if len(table.folders) > 1:
        entity = _one_line(table.entity)
        yield f"-- {entity}: without the days below {layout.table(entity)}, of before the lake had tables"
    if table.pin:
        yield registration(dialect, table.pin, where, schema, name)
    else:
        yield _MAKERS[dialect][1](ExternalTable(name, table.columns, _folder(table), history.instances), where, schema)


def _folder(table: EntityTable) -> str:
    """Where the files of an engine's table are: where a run writes them now, if the lake has two such places."""
    root = layout.table_of_format(table.entity)
    return root if root in table.folders else layout.table(table.entity)


def _one_line(words: str) -> str:
    """A name may contain a line break, which must not end a comment."""
    return " ".join(words.split())


def _nothing(_where: str, _schema: str | None) -> Iterator[str]:
    yield from ()


def _opening(dialect: Engine, where: str, schema: str | None, found: Iterable[EntityHistory]) -> Iterator[str]:
    """What comes before all tables."""
    if schema and not (dialect == "athena" and "." in schema):  # Athena makes none in a named catalogue
        yield f"CREATE SCHEMA IF NOT EXISTS {'.'.join(map(DIALECTS[dialect].quoted, schema.split('.')))};\n"
    if dialect == "duckdb":
        return
    if _pin(found) is None:
        yield from _MAKERS[dialect][0](where, schema)
    else:
        left = (_one_line(one.table.entity) for one in found if not one.table.pin)
        yield from (f"-- {entity}: left out, since it has no table yet" for entity in left)


def _columns(columns: Mapping[str, Kind], words: TypeNames) -> str:
    return ",\n".join(f"  {words.quoted(name)} {words.of(kind)}" for name, kind in columns.items())


def _athena(stored: ExternalTable, where: str, schema: str | None) -> str:
    """Partition projection: needs no crawler and no MSCK; a new day is visible as soon as its files exist."""
    words = DIALECTS["athena"]
    folder = f"{where}/{stored.folder}"
    properties = {
        "projection.enabled": "true",
        "projection.instance.type": "enum",
        "projection.instance.values": ",".join(stored.instances or ()) or "default",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": f"{FIRST_DAY},NOW",
        "storage.location.template": f"{folder}/instance=${{instance}}/dt=${{dt}}/",
    }
    by, projected = "", ""
    if stored.instances is not None:
        listed = ",\n".join(f"  {literal(key)} = {literal(value)}" for key, value in properties.items())
        by, projected = "PARTITIONED BY (`instance` string, `dt` string)\n", f"\nTBLPROPERTIES (\n{listed}\n)"
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {words.full(schema, stored.name)} (\n"
        f"{_columns(stored.columns, words)}\n"
        f")\n{by}STORED AS PARQUET\nLOCATION {literal(folder + '/')}{projected};\n"
    )


def _trino_first(_where: str, schema: str | None) -> Iterator[str]:
    catalog = schema.split(".")[0] if schema and "." in schema else "hive"
    precision = f"{double_quoted(catalog)}.timestamp_precision"
    yield f"-- Timestamps have microseconds.\nSET SESSION {precision} = 'MICROSECONDS';\n"


def _trino(stored: ExternalTable, where: str, schema: str | None) -> str:
    words = DIALECTS["trino"]
    full = schema or "hive.default"
    catalog, _, inner = full.rpartition(".")
    call = f"{double_quoted(catalog)}.system" if catalog else "system"
    is_split = stored.instances is not None
    partitions: dict[str, Kind] = {"instance": Atom("text"), "dt": Atom("date")} if is_split else {}
    made = (
        f"CREATE TABLE IF NOT EXISTS {words.full(full, stored.name)} (\n"
        f"{_columns({**stored.columns, **partitions}, words)}\n)\nWITH (\n"
        f"  external_location = {literal(f'{where}/{stored.folder}')},\n  format = 'PARQUET'"
    )
    if not is_split:
        return f"{made}\n);\n"
    return (
        f"{made},\n  partitioned_by = ARRAY['instance', 'dt']\n);\n"
        f"-- Run this again for each new day.\n"
        f"CALL {call}.sync_partition_metadata({literal(inner)}, {literal(stored.name)}, 'FULL');\n"
    )


def _snowflake_first(where: str, schema: str | None) -> Iterator[str]:
    stage = DIALECTS["snowflake"].full(schema, "axsync_lake")
    url = where.replace("gs://", "gcs://", 1) if where.startswith("gs://") else where
    yield (
        "-- The integration lets Snowflake read the bucket; an administrator creates it once.\n"
        f"CREATE STAGE IF NOT EXISTS {stage}\n  URL = {literal(url + '/')}\n  STORAGE_INTEGRATION = YOUR_INTEGRATION;\n"
    )


def _snowflake(stored: ExternalTable, _where: str, schema: str | None) -> str:
    words = DIALECTS["snowflake"]
    listed = [
        f"  {words.quoted(column)} {words.of(kind)} AS (value:{double_quoted(column)}::{words.of(kind)})"
        for column, kind in stored.columns.items()
    ]
    by = ""
    if stored.instances is not None:
        listed += [f'  "INSTANCE" varchar AS ({_in_name("instance")})', f'  "DT" date AS (to_date({_in_name("dt")}))']
        by = 'PARTITION BY ("INSTANCE", "DT")\n'
    name = words.full(schema, stored.name)
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n{f',{chr(10)}'.join(listed)}\n)\n{by}"
        f"LOCATION = @{words.full(schema, 'axsync_lake')}/{stored.folder}/\n"
        "AUTO_REFRESH = FALSE\nFILE_FORMAT = (TYPE = PARQUET);\n"
        f"-- Run this again for each new day.\nALTER EXTERNAL TABLE {name} REFRESH;\n"
    )


def _in_name(key: str) -> str:
    """The value of a partition, in the name of a file."""
    return f"split_part(split_part(metadata$filename, '{key}=', 2), '/', 1)"


def duckdb_select(history: EntityHistory, where: str) -> str:
    """All days, in the columns of the table.

    With a schema that is given DuckDB opens no file to learn of its columns, and none of a day that a query leaves out.
    Files whose columns widened since, or have another name by now, are read by themselves. An `exact` table names each.
    """
    table = history.table
    if not history.instances:
        # A glob without matches is an error in DuckDB, so this view has no rows.
        words = DIALECTS["duckdb"]
        kinds = [*table.columns.items(), ("entity", Atom("text")), ("instance", Atom("text")), ("dt", Atom("date"))]
        nothing = ",\n".join(f"  CAST(NULL AS {words.of(kind)}) AS {words.quoted(name)}" for name, kind in kinds)
        return f"SELECT\n{nothing}\nWHERE false"
    folders, plain, selected = table.folders, layout.table(table.entity), list[str]()
    if plain in folders and table.exact:
        selected += _of_named_files(table, folders[plain], where)
    elif plain in folders or not folders:
        selected += _of_folder(history, where)
    if layout.table_of_format(table.entity) in folders:
        selected.append(_of_table(table, where))
    return _ALL_OF.join(selected)


def _listed(names: Iterable[str]) -> str:
    return ",\n".join(f"  {double_quoted(name)}" for name in names)


def _of_table(table: EntityTable, where: str) -> str:
    """What a table of a format has, or the files of one that are plain ones as well. No path tells the entity type."""
    names = f"{_listed(table.columns)},\n  {literal(table.entity)} AS entity,\n{_listed(OF_TABLES)}"
    if table.pin:
        source = duckdb_scan(table.pin, where)
    else:
        root = layout.table_of_format(table.entity)
        files = [f"{_no_glob(where)}/{_no_glob(root)}/*/*/*.parquet"]
        source = _read(_named(table.folders[root], where) if table.exact else files, table.columns, OF_TABLES)
    return f"SELECT\n{names}\nFROM {source}"


def _of_folder(history: EntityHistory, where: str) -> Iterator[str]:
    """What a glob finds, and by itself what has other columns."""
    table = history.table
    files = [f"{_no_glob(where)}/{layout.table(_no_glob(table.entity))}/*/*/*.parquet"]
    plain = f"SELECT\n{_listed([*table.columns, *PARTITIONS])}\nFROM {_read(files, table.columns)}"
    apart = [_are_in(one.partitions) for one in history.apart]
    yield plain + (f"\nWHERE NOT ({' OR '.join(apart)})" if apart else "")
    for one, those in zip(history.apart, apart, strict=True):
        yield f"{_widened(table, one.columns, one.renamed, files)}\nWHERE {those}"


def _of_named_files(table: EntityTable, shares: Sequence[Share], where: str) -> Iterator[str]:
    """What these files have, whatever else is in their folders."""
    whole, odd = by_columns(table, shares)
    if whole:
        files = _named(whole, where)
        yield f"SELECT\n{_listed([*table.columns, *PARTITIONS])}\nFROM {_read(files, table.columns)}"
    for one in odd:
        yield _widened(table, one[0].columns, one[0].renamed, _named(one, where))


def _named(shares: Iterable[Share], where: str) -> list[str]:
    return [f"{_no_glob(where)}/{_no_glob(piece.path)}" for share in shares for piece in share.pieces]


def _widened(table: EntityTable, columns: Sequence[Column], renamed: Mapping[str, str], files: Sequence[str]) -> str:
    """Files that have other columns, read with these and taken as those of the table."""
    held: dict[str, Kind] = {column.name: drop_forms(column.kind) for column in columns}
    return f"SELECT {star(columns, table.columns, renamed)}\nFROM {_read(files, {**held, **OWN})}"


def _read(files: Sequence[str], columns: Mapping[str, Kind], partitions: Sequence[str] = PARTITIONS) -> str:
    types = DIALECTS["duckdb"]
    schema = ",\n".join(
        f"    {literal(name)}: {{name: {literal(name)}, type: {literal(types.of(kind))}, default_value: NULL}}"
        for name, kind in columns.items()
    )
    typed = ", ".join(f"'{name}': {'DATE' if name == 'dt' else 'VARCHAR'}" for name in partitions)
    return (
        f"read_parquet([{', '.join(map(literal, files))}],\n  schema = MAP {{\n{schema}\n  }},\n"
        f"  hive_partitioning = true, hive_types = {{{typed}}})"
    )


def _are_in(partitions: Sequence[Partitions]) -> str:
    """The condition that a row is in one of these."""
    told = (
        (", ".join(map(literal, one.instances)), ", ".join(f"DATE {literal(day.isoformat())}" for day in one.days))
        for one in partitions
    )
    return " OR ".join(f"(instance IN ({instances}) AND dt IN ({days}))" for instances, days in told)


def _no_glob(path: str) -> str:
    """Escape glob characters, each as a set of one character."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


_MAKERS = {"athena": (_nothing, _athena), "trino": (_trino_first, _trino), "snowflake": (_snowflake_first, _snowflake)}
