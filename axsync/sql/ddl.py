"""Statements that create tables over a lake in another engine."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from axsync.lake import layout
from axsync.schema.kinds import Atom, Kind, drop_forms
from axsync.sql.days import LaneVerdict
from axsync.sql.dialects import DIALECTS, TypeNames, double_quoted, literal
from axsync.sql.engines import WORDS, Engine, Words
from axsync.sql.histories import Apart, EntityHistory, Histories, Partitions
from axsync.sql.tables import OWN, PARTITIONS, EntityTable
from axsync.sql.views import LANE_COLUMNS, STORED_LANE_COLUMNS, Names, SqlView, Writer, lanes_of
from axsync.sql.widening import star

PLACEHOLDER = "s3://YOUR-BUCKET/lake"
FIRST_DAY = "2020-01-01"


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
    dialect: str, found: Sequence[EntityHistory], *, location: str | None = None, schema: str | None = None
) -> Iterator[str]:
    """Statements that the engine can run as they are, if the location is right. Tables span all days of the lake."""
    where = (location or PLACEHOLDER).rstrip("/")
    yield from _opening(dialect, where, schema)
    for history in found:
        yield from _tables(dialect, history, where, schema, history.table.entity)


def view_statements(
    engine: Engine, now: Mapping[str, EntityTable], days: Histories, *, location: str | None, schema: str | None
) -> Iterator[str]:
    """Statements for the history of each entity type and for all views over a snapshot (`now`) and the lake's days."""
    where = (location or PLACEHOLDER).rstrip("/")
    full = schema or ("hive.default" if engine == "trino" else None)
    names, words = names_of(now, days), WORDS[engine]

    def ref(name: str) -> str:
        return ".".join(words.quoted(part) for part in [*(full.split(".") if full else ()), name])

    yield from _opening(engine, where, schema)
    for entity, history in days.tables.items():
        yield from _tables(engine, history, where, schema, names.history(entity))
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
    """`lanes` of the moment, of a lake where not all runs have a file of their lanes yet."""
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


def _tables(dialect: str, history: EntityHistory, where: str, schema: str | None, name: str) -> Iterator[str]:
    """The statements for all days of an entity type; other engines do not read what DuckDB reads apart."""
    if dialect == "duckdb":
        view = _name(schema, name, DIALECTS["duckdb"])
        yield f"CREATE OR REPLACE VIEW {view} AS\n{duckdb_select(history, where)};\n"
        return
    table = history.table
    for clash in table.clashes:
        yield f"-- {_one_line(clash)}: files of that instance do not match this table"
    yield _MAKERS[dialect][1](
        ExternalTable(name, table.columns, layout.table(table.entity), history.instances), where, schema
    )


def _one_line(words: str) -> str:
    """A name may contain a line break, which must not end a comment."""
    return " ".join(words.split())


def _nothing(_where: str, _schema: str | None) -> Iterator[str]:
    yield from ()


def _opening(dialect: str, where: str, schema: str | None) -> Iterator[str]:
    """What comes before all tables."""
    if schema and not (dialect == "athena" and "." in schema):  # Athena makes none in a named catalogue
        quoted = {str(name): words.quoted for name, words in DIALECTS.items()}[dialect]
        yield f"CREATE SCHEMA IF NOT EXISTS {'.'.join(map(quoted, schema.split('.')))};\n"
    if dialect != "duckdb":
        yield from _MAKERS[dialect][0](where, schema)


def _name(schema: str | None, entity: str, words: TypeNames) -> str:
    return ".".join(words.quoted(part) for part in [*(schema.split(".") if schema else ()), entity])


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
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_name(schema, stored.name, words)} (\n"
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
        f"CREATE TABLE IF NOT EXISTS {_name(full, stored.name, words)} (\n"
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
    stage = _name(schema, "axsync_lake", DIALECTS["snowflake"])
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
    name = _name(schema, stored.name, words)
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n{f',{chr(10)}'.join(listed)}\n)\n{by}"
        f"LOCATION = @{_name(schema, 'axsync_lake', words)}/{stored.folder}/\n"
        "AUTO_REFRESH = FALSE\nFILE_FORMAT = (TYPE = PARQUET);\n"
        f"-- Run this again for each new day.\nALTER EXTERNAL TABLE {name} REFRESH;\n"
    )


def _in_name(key: str) -> str:
    """The value of a partition, in the name of a file."""
    return f"split_part(split_part(metadata$filename, '{key}=', 2), '/', 1)"


def duckdb_select(history: EntityHistory, where: str) -> str:
    """All days, in the columns of the table.

    With a schema that is given DuckDB opens no file to learn of its columns, and none of a day that a query leaves out.
    Files whose columns widened since, or have another name by now, are read by themselves.
    """
    words, table = DIALECTS["duckdb"], history.table
    listed = ",\n".join(f"  {words.quoted(name)}" for name in [*table.columns, *PARTITIONS])
    if not history.instances:
        # A glob without matches is an error in DuckDB, so this view has no rows.
        kinds = [*table.columns.items(), ("entity", Atom("text")), ("instance", Atom("text")), ("dt", Atom("date"))]
        nothing = ",\n".join(f"  CAST(NULL AS {words.of(kind)}) AS {words.quoted(name)}" for name, kind in kinds)
        return f"SELECT\n{nothing}\nWHERE false"
    files = f"{_no_glob(where)}/{layout.table(_no_glob(table.entity))}/*/*/*.parquet"
    plain = f"SELECT\n{listed}\nFROM {_read(files, table.columns)}"
    apart = [_are_in(one.partitions) for one in history.apart]
    if apart:
        plain += f"\nWHERE NOT ({' OR '.join(apart)})"
    widened = (_widened(table, one, files) for one in history.apart)
    read_apart = (f"{sql}\nWHERE {those}" for sql, those in zip(widened, apart, strict=True))
    return "\nUNION ALL BY NAME\n".join([plain, *read_apart])


def _widened(table: EntityTable, apart: Apart, files: str) -> str:
    """Files that have other columns, read with these and taken as those of the table."""
    held: dict[str, Kind] = {column.name: drop_forms(column.kind) for column in apart.columns}
    return f"SELECT {star(apart.columns, table.columns, apart.renamed)}\nFROM {_read(files, {**held, **OWN})}"


def _read(files: str, columns: Mapping[str, Kind]) -> str:
    types = DIALECTS["duckdb"]
    schema = ",\n".join(
        f"    {literal(name)}: {{name: {literal(name)}, type: {literal(types.of(kind))}, default_value: NULL}}"
        for name, kind in columns.items()
    )
    return (
        f"read_parquet({literal(files)},\n  schema = MAP {{\n{schema}\n  }},\n"
        "  hive_partitioning = true, hive_types = {'entity': VARCHAR, 'instance': VARCHAR, 'dt': DATE})"
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
