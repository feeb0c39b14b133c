"""Statements that create tables over a lake in another engine."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from axsync.lake import layout
from axsync.lake.manifest import TablePin
from axsync.schema.kinds import Atom, Kind, drop_forms
from axsync.sql.days import AllDays, LaneVerdict
from axsync.sql.dialects import DIALECTS, TypeNames, double_quoted, literal
from axsync.sql.engines import WORDS, Engine, Words
from axsync.sql.registered import duckdb_scan, registration, trino_schema
from axsync.sql.tables import OWN, PARTITIONS, EntityTable, Share
from axsync.sql.views import LANE_COLUMNS, Names, SqlView, Writer
from axsync.sql.widening import star

PLACEHOLDER = "s3://YOUR-BUCKET/lake"
FIRST_DAY = "2020-01-01"
OF_TABLES = ("instance", "dt")
"""What the partitions of a table of a format tell."""


def statements(
    dialect: Engine, tables: Sequence[EntityTable], *, location: str | None = None, schema: str | None = None
) -> Iterator[str]:
    """Statements that the engine can run as they are, if the location is right. Tables span all days of the lake.

    Raises: UsageError where the engine does not read tables of the lake's format.
    """
    where = (location or PLACEHOLDER).rstrip("/")
    yield from _opening(dialect, where, schema, tables)
    for table in _together(dialect, tables):
        yield from _made(dialect, table, where, schema, table.entity)


def view_statements(
    engine: Engine, now: Mapping[str, EntityTable], days: AllDays, *, location: str | None, schema: str | None
) -> Iterator[str]:
    """Statements for the history of each entity type and for all views over a snapshot (`now`) and the lake's days.

    Raises: UsageError where the engine does not read tables of the lake's format.
    """
    where, every = (location or PLACEHOLDER).rstrip("/"), tuple(days.tables.values())
    days = replace(days, tables={table.entity: table for table in _together(engine, every)})
    pin, names, words = _pin(every), names_of(now, days), WORDS[engine]
    full = schema or ((trino_schema(pin) if pin else "hive.default") if engine == "trino" else None)
    if engine == "athena" and pin:
        words = replace(words, dt=WORDS["trino"].dt)  # a date in its tables of Delta Lake and Iceberg

    def ref(name: str) -> str:
        return ".".join(words.quoted(part) for part in [*(full.split(".") if full else ()), name])

    yield from _opening(engine, where, schema, every)
    for entity, table in days.tables.items():
        yield from _made(engine, table, where, schema, names.history(entity))
    for view in views_over(words, names, ref, now, days):
        yield f"CREATE OR REPLACE VIEW {ref(view.name)} AS\n{view.sql};\n"


def names_of(now: Mapping[str, EntityTable], days: AllDays) -> Names:
    """The names of views beside these entity types."""
    return Names(frozenset(now) | frozenset(days.tables))


def views_over(
    words: Words, names: Names, ref: Callable[[str], str], now: Mapping[str, EntityTable], days: AllDays
) -> Iterator[SqlView]:
    """All views but the histories, each after those that it needs."""
    yield SqlView(names.lanes, _lanes(days.lanes, words), ())
    held = {entity: days.tables[entity] for entity in now if entity in days.tables}
    for entity, table in held.items():
        columns = [*((words.quoted(name), name) for name in table.columns), (literal(entity), "entity")]
        columns += [(words.quoted(name), name) for name in ("instance", "dt")]
        listed = ",\n".join(f"  {sql} AS {words.quoted(name)}" for sql, name in columns)
        source = names.history(entity)
        yield SqlView(entity, f"SELECT\n{listed}\nFROM {ref(source)}\nWHERE {_newest(now[entity], words)}", (source,))
    yield from Writer(words, names, ref).views(held, days.tables)


def _newest(table: EntityTable, words: Words) -> str:
    """The condition for the days of a snapshot."""
    days: dict[str, dict[str, None]] = {}
    for piece in table.pieces:
        days.setdefault(words.dt(piece.dt.isoformat()), {})[literal(piece.instance)] = None
    dt, instance = words.quoted("dt"), words.quoted("instance")
    told = [f"({dt} = {day} AND {instance} IN ({', '.join(found)}))" for day, found in days.items()]
    return "\n  OR ".join(told) or "1 = 0"


def _lanes(rows: Iterable[LaneVerdict], words: Words) -> str:
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


def _pin(tables: Iterable[EntityTable]) -> TablePin | None:
    """One of those that the engine is to read, where the lake has tables."""
    return next((table.pin for table in tables if table.pin), None)


def _together(dialect: Engine, tables: Sequence[EntityTable]) -> Sequence[EntityTable]:
    """Those that an engine has in one catalog: of a lake with tables only these. DuckDB reads files beside them."""
    return [one for one in tables if one.pin] if dialect != "duckdb" and _pin(tables) else tables


def _made(dialect: Engine, table: EntityTable, where: str, schema: str | None, name: str) -> Iterator[str]:
    """What makes a table or view over all days, and comments on what is missing in it."""
    if dialect != "duckdb":  # which reads apart what does not match, and what is elsewhere
        yield from (f"-- {_one_line(one)}: files of that instance do not match this table" for one in table.clashes)
        if len(table.folders) > 1:
            entity = _one_line(table.entity)
            yield f"-- {entity}: without the days below {layout.table(entity)}, of before the lake had tables"
    if table.pin and dialect != "duckdb":
        yield registration(dialect, table.pin, where, schema, name)
    else:
        yield _MAKERS[dialect][1](table, where, schema, name)


def _folder(table: EntityTable) -> str:
    """Where the files of an engine's table are: where a run writes them now, if the lake has two such places."""
    root = layout.table_of_format(table.entity)
    return root if root in table.folders else layout.table(table.entity)


def _one_line(words: str) -> str:
    """A name may contain a line break, which must not end a comment."""
    return " ".join(words.split())


def _nothing(_where: str, _schema: str | None) -> Iterator[str]:
    yield from ()


def _opening(dialect: Engine, where: str, schema: str | None, tables: Iterable[EntityTable]) -> Iterator[str]:
    """What comes before all tables."""
    if schema and not (dialect == "athena" and "." in schema):  # Athena makes none in a named catalogue
        quoted = {str(name): words.quoted for name, words in DIALECTS.items()}[dialect]
        yield f"CREATE SCHEMA IF NOT EXISTS {'.'.join(map(quoted, schema.split('.')))};\n"
    if _pin(tables) is None:
        yield from _MAKERS[dialect][0](where, schema)
    elif dialect != "duckdb":
        yield from (f"-- {_one_line(one.entity)}: left out, since it has no table yet" for one in tables if not one.pin)


def _columns(columns: Mapping[str, Kind], words: TypeNames) -> str:
    return ",\n".join(f"  {words.quoted(name)} {words.of(kind)}" for name, kind in columns.items())


def _athena(table: EntityTable, where: str, schema: str | None, name: str) -> str:
    """Partition projection: needs no crawler and no MSCK; a new day is visible as soon as its files exist."""
    words = DIALECTS["athena"]
    folder = f"{where}/{_folder(table)}"
    instances = ",".join(sorted({piece.instance for piece in table.pieces})) or "default"
    properties = {
        "projection.enabled": "true",
        "projection.instance.type": "enum",
        "projection.instance.values": instances,
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": f"{FIRST_DAY},NOW",
        "storage.location.template": f"{folder}/instance=${{instance}}/dt=${{dt}}/",
    }
    listed = ",\n".join(f"  {literal(key)} = {literal(value)}" for key, value in properties.items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {words.full(schema, name)} (\n"
        f"{_columns(table.columns, words)}\n"
        ")\nPARTITIONED BY (`instance` string, `dt` string)\nSTORED AS PARQUET\n"
        f"LOCATION {literal(folder + '/')}\nTBLPROPERTIES (\n{listed}\n);\n"
    )


def _trino_first(_where: str, schema: str | None) -> Iterator[str]:
    catalog = schema.split(".")[0] if schema and "." in schema else "hive"
    precision = f"{double_quoted(catalog)}.timestamp_precision"
    yield f"-- Timestamps have microseconds.\nSET SESSION {precision} = 'MICROSECONDS';\n"


def _trino(table: EntityTable, where: str, schema: str | None, name: str) -> str:
    words = DIALECTS["trino"]
    full = schema or "hive.default"
    partitions = '  "instance" varchar,\n  "dt" date'
    catalog, _, inner = full.rpartition(".")
    call = f"{double_quoted(catalog)}.system" if catalog else "system"
    return (
        f"CREATE TABLE IF NOT EXISTS {words.full(full, name)} (\n"
        f"{_columns(table.columns, words)},\n{partitions}\n)\nWITH (\n"
        f"  external_location = {literal(f'{where}/{_folder(table)}')},\n"
        "  format = 'PARQUET',\n  partitioned_by = ARRAY['instance', 'dt']\n);\n"
        f"-- Run this again for each new day.\n"
        f"CALL {call}.sync_partition_metadata({literal(inner)}, {literal(name)}, 'FULL');\n"
    )


def _snowflake_first(where: str, schema: str | None) -> Iterator[str]:
    stage = DIALECTS["snowflake"].full(schema, "axsync_lake")
    url = where.replace("gs://", "gcs://", 1) if where.startswith("gs://") else where
    yield (
        "-- The integration lets Snowflake read the bucket; an administrator creates it once.\n"
        f"CREATE STAGE IF NOT EXISTS {stage}\n  URL = {literal(url + '/')}\n  STORAGE_INTEGRATION = YOUR_INTEGRATION;\n"
    )


def _snowflake(table: EntityTable, _where: str, schema: str | None, name: str) -> str:
    words = DIALECTS["snowflake"]
    stage = words.full(schema, "axsync_lake")
    columns = ",\n".join(
        f"  {words.quoted(column)} {words.of(kind)} AS (value:{double_quoted(column)}::{words.of(kind)})"
        for column, kind in table.columns.items()
    )

    def part(key: str) -> str:
        return f"split_part(split_part(metadata$filename, '{key}=', 2), '/', 1)"

    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {words.full(schema, name)} (\n{columns},\n"
        f'  "INSTANCE" varchar AS ({part("instance")}),\n'
        f'  "DT" date AS (to_date({part("dt")}))\n'
        ')\nPARTITION BY ("INSTANCE", "DT")\n'
        f"LOCATION = @{stage}/{_folder(table)}/\nAUTO_REFRESH = FALSE\nFILE_FORMAT = (TYPE = PARQUET);\n"
        "-- Run this again for each new day.\n"
        f"ALTER EXTERNAL TABLE {words.full(schema, name)} REFRESH;\n"
    )


def _duckdb(table: EntityTable, where: str, schema: str | None, name: str) -> str:
    return f"CREATE OR REPLACE VIEW {DIALECTS['duckdb'].full(schema, name)} AS\n{duckdb_select(table, where)};\n"


def duckdb_select(table: EntityTable, where: str) -> str:
    """All days, in the columns of the table.

    With a schema that is given DuckDB opens no file to learn of its columns, and none of a day that a query leaves out.
    Files whose columns widened since, or have another name by now, are read by themselves. An `exact` table names each.
    """
    if not table.pieces:
        # A glob without matches is an error in DuckDB, so this view has no rows.
        words = DIALECTS["duckdb"]
        kinds = [*table.columns.items(), ("entity", Atom("text")), ("instance", Atom("text")), ("dt", Atom("date"))]
        nothing = ",\n".join(f"  CAST(NULL AS {words.of(kind)}) AS {words.quoted(name)}" for name, kind in kinds)
        return f"SELECT\n{nothing}\nWHERE false"
    folders, selected = table.folders, list[str]()
    if shares := folders.get(layout.table(table.entity)):
        selected += _of_files(table, shares, where)
    if layout.table_of_format(table.entity) in folders:
        selected.append(_of_table(table, where))
    return "\nUNION ALL BY NAME\n".join(selected)


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


def _of_files(table: EntityTable, shares: Sequence[Share], where: str) -> Iterator[str]:
    alike: dict[tuple[int, str], list[Share]] = {}  # most shares have the columns of another one
    for share in shares:
        alike.setdefault((id(share.columns), repr(share.renamed)), []).append(share)
    odd = {
        key: shares for key, shares in alike.items() if star(shares[0].columns, table.columns, shares[0].renamed) != "*"
    }
    apart = [share for shares in odd.values() for share in shares]
    if table.exact:
        files = _named([share for key, shares in alike.items() if key not in odd for share in shares], where)
    else:
        files = [f"{_no_glob(where)}/{layout.table(_no_glob(table.entity))}/*/*/*.parquet"]
    plain = f"SELECT\n{_listed([*table.columns, *PARTITIONS])}\nFROM {_read(files, table.columns)}"
    if apart and not table.exact:
        plain += f"\nWHERE NOT ({_partitions(apart)})"
    if files:
        yield plain
    yield from (_widened(table, shares, where) for shares in odd.values())


def _named(shares: Iterable[Share], where: str) -> list[str]:
    return [f"{_no_glob(where)}/{_no_glob(piece.path)}" for share in shares for piece in share.pieces]


def _widened(table: EntityTable, shares: Sequence[Share], where: str) -> str:
    """Files that have other columns, read with these and taken as those of the table."""
    one = shares[0]
    held: dict[str, Kind] = {column.name: drop_forms(column.kind) for column in one.columns}
    files = _named(shares, where)
    if not table.exact:
        files = [f"{folder}/*.parquet" for folder in dict.fromkeys(map(layout.folder_of, files))]
    return f"SELECT {star(one.columns, table.columns, one.renamed)}\nFROM {_read(files, {**held, **OWN})}"


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


def _partitions(shares: Sequence[Share]) -> str:
    """The condition that a row is in a partition of these."""
    days: dict[str, dict[str, None]] = {}
    for piece in (piece for share in shares for piece in share.pieces):
        days.setdefault(piece.instance, {})[f"DATE {literal(piece.dt.isoformat())}"] = None
    return " OR ".join(f"(instance = {literal(one)} AND dt IN ({', '.join(found)}))" for one, found in days.items())


def _no_glob(path: str) -> str:
    """Escape glob characters, each as a set of one character."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


_MAKERS = {
    "athena": (_nothing, _athena),
    "trino": (_trino_first, _trino),
    "snowflake": (_snowflake_first, _snowflake),
    "duckdb": (_nothing, _duckdb),
}
