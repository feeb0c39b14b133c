"""Tables of Delta Lake and Iceberg in other engines: the statements by which these find them, and DuckDB's scans.

An engine learns the columns of such a table by itself; what it needs is a name for it. Iceberg tables in a catalog that
pyiceberg is configured for have one already, wherever the engine has the same catalog.
"""

from collections.abc import Callable, Mapping

from axsync.errors import UsageError
from axsync.lake import layout
from axsync.lake.manifest import TablePin
from axsync.lake.tables import LIBRARIES, NAMESPACE
from axsync.sql.dialects import DIALECTS, Engine, double_quoted, literal

_VOLUME = "-- An administrator creates once the volume, whose address is the lake's, and the integration"


def duckdb_scan(pin: TablePin, where: str) -> str:
    """What DuckDB selects from: of Delta Lake the newest version whenever it is asked, of Iceberg the pinned one.

    Raises: UsageError for a format that is not known.
    """
    _refuse_unknown(pin)
    if pin.format == "delta":
        return f"delta_scan({literal(f'{where}/{pin.path}')})"
    return f"iceberg_scan({literal(f'{where}/{pin.metadata}')})"


def trino_schema(pin: TablePin) -> str:
    """Where tables and views are in Trino, if nobody says otherwise."""
    return f"{_place(pin)[0] or pin.format}.default"


def registration(engine: Engine, pin: TablePin, where: str, schema: str | None, name: str) -> str:
    """The statement after which the engine knows the table by this name. Raises: UsageError if there can be none."""
    _refuse_unknown(pin)
    if pin.format == "iceberg" and not pin.catalog:
        told = f"{engine} cannot find the Iceberg tables of this lake, whose catalog is a file in it"
        raise UsageError(f"{told}; use axsync ddl duckdb or axsync views duckdb, or begin a lake with [lake] catalog")
    return _MAKERS[engine, pin.format](pin, where, schema, name)


def _refuse_unknown(pin: TablePin) -> None:
    if pin.format not in LIBRARIES:  # a manifest may name anything
        raise UsageError(f"tables in the format {pin.format!r} are not known to this version of axsync")


def _place(pin: TablePin) -> tuple[str, str, str]:
    """Catalog, namespace and name of an Iceberg table."""
    catalog, _, namespace = (pin.catalog or "").partition(".")
    return catalog, namespace or NAMESPACE, layout.entity_of_table(pin.path)


def _athena_delta(pin: TablePin, where: str, schema: str | None, name: str) -> str:
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {DIALECTS['athena'].full(schema, name)}\n"
        f"LOCATION {literal(f'{where}/{pin.path}/')}\nTBLPROPERTIES ('table_type' = 'DELTA');\n"
    )


def _athena_iceberg(pin: TablePin, _where: str, schema: str | None, name: str) -> str:
    """The catalog is Glue's, the only one that Athena has without further ado."""
    _, namespace, entity = _place(pin)
    quote = DIALECTS["trino"].full  # its views are Trino's
    return f"CREATE OR REPLACE VIEW {quote(schema, name)} AS\nSELECT * FROM {quote(namespace, entity)};\n"


def _trino_delta(pin: TablePin, where: str, schema: str | None, name: str) -> str:
    catalog, _, inner = (schema or trino_schema(pin)).rpartition(".")
    system = f"{double_quoted(catalog)}.system" if catalog else "system"
    told = ", ".join(map(literal, (inner, name, f"{where}/{pin.path}")))
    return f"-- Once: the table follows its log.\nCALL {system}.register_table({told});\n"


def _trino_iceberg(pin: TablePin, _where: str, schema: str | None, name: str) -> str:
    catalog, namespace, entity = _place(pin)
    quote = DIALECTS["trino"].full
    there = quote(f"{catalog}.{namespace}", entity)
    return f"CREATE OR REPLACE VIEW {quote(schema or trino_schema(pin), name)} AS\nSELECT * FROM {there};\n"


def _snowflake_delta(pin: TablePin, _where: str, schema: str | None, name: str) -> str:
    return (
        f"{_VOLUME} (CATALOG_SOURCE = OBJECT_STORE, TABLE_FORMAT = DELTA).\n"
        f"CREATE ICEBERG TABLE IF NOT EXISTS {DIALECTS['snowflake'].full(schema, name)}\n"
        f"  EXTERNAL_VOLUME = 'YOUR_VOLUME'\n  CATALOG = 'YOUR_INTEGRATION'\n  BASE_LOCATION = {literal(pin.path)};\n"
        f"-- Run this again after each run.\nALTER ICEBERG TABLE {DIALECTS['snowflake'].full(schema, name)} REFRESH;\n"
    )


def _snowflake_iceberg(pin: TablePin, _where: str, schema: str | None, name: str) -> str:
    _, namespace, entity = _place(pin)
    return (
        f"{_VOLUME} of the catalog.\n"
        f"CREATE ICEBERG TABLE IF NOT EXISTS {DIALECTS['snowflake'].full(schema, name)}\n"
        f"  EXTERNAL_VOLUME = 'YOUR_VOLUME'\n  CATALOG = 'YOUR_INTEGRATION'\n"
        f"  CATALOG_NAMESPACE = {literal(namespace)}\n  CATALOG_TABLE_NAME = {literal(entity)};\n"
        f"-- Run this again after each run.\nALTER ICEBERG TABLE {DIALECTS['snowflake'].full(schema, name)} REFRESH;\n"
    )


_MAKERS: Mapping[tuple[Engine, str], Callable[[TablePin, str, str | None, str], str]] = {
    ("athena", "delta"): _athena_delta,
    ("athena", "iceberg"): _athena_iceberg,
    ("trino", "delta"): _trino_delta,
    ("trino", "iceberg"): _trino_iceberg,
    ("snowflake", "delta"): _snowflake_delta,
    ("snowflake", "iceberg"): _snowflake_iceberg,
}
