"""Statements that create tables over a lake in another engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from axsync.lake import layout
from axsync.schema.kinds import Kind
from axsync.sql.dialects import DIALECTS, TypeNames, double_quoted, literal
from axsync.sql.tables import EntityTable

PLACEHOLDER = "s3://YOUR-BUCKET/lake"
FIRST_DAY = "2020-01-01"


def statements(
    dialect: str, tables: Sequence[EntityTable], *, location: str | None = None, schema: str | None = None
) -> Iterator[str]:
    """Statements that the engine can run as they are, if the location is right. Tables span all days of the lake."""
    where = (location or PLACEHOLDER).rstrip("/")
    first, make = _MAKERS[dialect]
    yield from first(where, schema)
    for table in tables:
        for clash in table.clashes:
            yield f"-- {_one_line(clash)}: files of that instance do not match this table"
        yield make(table, where, schema)


def _one_line(words: str) -> str:
    """A name may contain a line break, which must not end a comment."""
    return " ".join(words.split())


def _nothing(_where: str, _schema: str | None) -> Iterator[str]:
    yield from ()


def _name(schema: str | None, entity: str, words: TypeNames) -> str:
    return ".".join(words.quoted(part) for part in [*(schema.split(".") if schema else ()), entity])


def _columns(columns: Mapping[str, Kind], words: TypeNames) -> str:
    return ",\n".join(f"  {words.quoted(name)} {words.of(kind)}" for name, kind in columns.items())


def _athena(table: EntityTable, where: str, schema: str | None) -> str:
    """Partition projection: needs no crawler and no MSCK; a new day is visible as soon as its files exist."""
    words = DIALECTS["athena"]
    folder = f"{where}/{layout.table(table.entity)}"
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
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_name(schema, table.entity, words)} (\n"
        f"{_columns(table.columns, words)}\n"
        ")\nPARTITIONED BY (`instance` string, `dt` string)\nSTORED AS PARQUET\n"
        f"LOCATION {literal(folder + '/')}\nTBLPROPERTIES (\n{listed}\n);\n"
    )


def _trino_first(_where: str, schema: str | None) -> Iterator[str]:
    catalog = schema.split(".")[0] if schema and "." in schema else "hive"
    precision = f"{double_quoted(catalog)}.timestamp_precision"
    yield f"-- Timestamps have microseconds.\nSET SESSION {precision} = 'MICROSECONDS';\n"


def _trino(table: EntityTable, where: str, schema: str | None) -> str:
    words = DIALECTS["trino"]
    full = schema or "hive.default"
    partitions = '  "instance" varchar,\n  "dt" date'
    catalog, _, inner = full.rpartition(".")
    call = f"{double_quoted(catalog)}.system" if catalog else "system"
    return (
        f"CREATE TABLE IF NOT EXISTS {_name(full, table.entity, words)} (\n"
        f"{_columns(table.columns, words)},\n{partitions}\n)\nWITH (\n"
        f"  external_location = {literal(f'{where}/{layout.table(table.entity)}')},\n"
        "  format = 'PARQUET',\n  partitioned_by = ARRAY['instance', 'dt']\n);\n"
        f"-- Run this again for each new day.\n"
        f"CALL {call}.sync_partition_metadata({literal(inner)}, {literal(table.entity)}, 'FULL');\n"
    )


def _snowflake_first(where: str, schema: str | None) -> Iterator[str]:
    stage = _name(schema, "axsync_lake", DIALECTS["snowflake"])
    url = where.replace("gs://", "gcs://", 1) if where.startswith("gs://") else where
    yield (
        "-- The integration lets Snowflake read the bucket; an administrator creates it once.\n"
        f"CREATE STAGE IF NOT EXISTS {stage}\n  URL = {literal(url + '/')}\n  STORAGE_INTEGRATION = YOUR_INTEGRATION;\n"
    )


def _snowflake(table: EntityTable, _where: str, schema: str | None) -> str:
    words = DIALECTS["snowflake"]
    stage = _name(schema, "axsync_lake", words)
    columns = ",\n".join(
        f"  {words.quoted(name)} {words.of(kind)} AS (value:{double_quoted(name)}::{words.of(kind)})"
        for name, kind in table.columns.items()
    )

    def part(key: str) -> str:
        return f"split_part(split_part(metadata$filename, '{key}=', 2), '/', 1)"

    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_name(schema, table.entity, words)} (\n{columns},\n"
        f'  "INSTANCE" varchar AS ({part("instance")}),\n'
        f'  "DT" date AS (to_date({part("dt")}))\n'
        ')\nPARTITION BY ("INSTANCE", "DT")\n'
        f"LOCATION = @{stage}/{layout.table(table.entity)}/\nAUTO_REFRESH = FALSE\nFILE_FORMAT = (TYPE = PARQUET);\n"
        "-- Run this again for each new day.\n"
        f"ALTER EXTERNAL TABLE {_name(schema, table.entity, words)} REFRESH;\n"
    )


def _duckdb(table: EntityTable, where: str, schema: str | None) -> str:
    """A view over all days, each column in the type of the newest day."""
    words, view = DIALECTS["duckdb"], _name(schema, table.entity, DIALECTS["duckdb"])
    if not table.pieces:
        # A glob without matches is an error in DuckDB, so this view has no rows.
        partitions = "CAST(NULL AS VARCHAR) AS entity, CAST(NULL AS VARCHAR) AS instance, CAST(NULL AS DATE) AS dt"
        columns = _casts(table, words, lambda _: "NULL")
        return f"CREATE OR REPLACE VIEW {view} AS SELECT\n{columns},\n  {partitions}\nWHERE false;\n"
    columns = _casts(table, words, words.quoted)
    files = f"{_no_glob(where)}/{layout.table(_no_glob(table.entity))}/*/*/*.parquet"
    return (
        f"CREATE OR REPLACE VIEW {view} AS SELECT\n{columns},\n"
        f"  entity, instance, dt\nFROM read_parquet({literal(files)}, union_by_name = true, hive_partitioning = true,\n"
        "  hive_types = {'entity': VARCHAR, 'instance': VARCHAR, 'dt': DATE});\n"
    )


def _casts(table: EntityTable, words: TypeNames, value: Callable[[str], str]) -> str:
    listed = table.columns.items()
    return ",\n".join(f"  CAST({value(name)} AS {words.of(kind)}) AS {words.quoted(name)}" for name, kind in listed)


def _no_glob(path: str) -> str:
    """Escape glob characters, each as a set of one character."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


_MAKERS = {
    "athena": (_nothing, _athena),
    "trino": (_trino_first, _trino),
    "snowflake": (_snowflake_first, _snowflake),
    "duckdb": (_nothing, _duckdb),
}
