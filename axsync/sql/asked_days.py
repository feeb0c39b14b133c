"""Which days a query needs, as DuckDB itself plans it.

The query is planned over empty tables of the same columns. What DuckDB would look for already while it reads a table is
then asked of the lake's days. Nothing is executed, and where the plan does not tell, all days are needed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import duckdb
from duckdb import DuckDBPyConnection

from axsync.schema.kinds import Atom, Kind
from axsync.sql.dialects import DIALECTS, double_quoted
from axsync.sql.views import SqlView

Tables: TypeAlias = Mapping[str, Mapping[str, Kind]]
"""Name → columns and their kinds."""
_PARTITIONS: Mapping[str, Kind] = {"entity": Atom("text"), "instance": Atom("text"), "dt": Atom("date")}
_SCHEMA = "memory.main"
_OPTIONAL = "optional: "
"""Marks what DuckDB tests once more afterwards."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a query may name: tables of all days, other tables, and views over both, each after those that it needs."""

    of_days: Tables
    others: Tables
    views: Sequence[SqlView]


def asked_days(connection: DuckDBPyConnection, sql: str, planned: Planned, days: Sequence[str]) -> frozenset[str]:
    """Of these days those of which the query needs rows; all where that cannot be told.

    The connection is a new one, without tables, that may read nothing.
    """
    try:
        for name, columns in (*planned.of_days.items(), *planned.others.items()):
            connection.execute(f"CREATE TABLE {double_quoted(name)} ({_listed(columns)})")
        for view in planned.views:
            connection.execute(f"CREATE VIEW {double_quoted(view.name)} AS {view.sql}")
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}").fetchone()
    except duckdb.Error:  # the query itself tells it better
        return frozenset(days)
    scans = [scan for scan in _scans(json.loads(row[1]) if row else []) if _table(scan) in planned.of_days]
    found = [_days(connection, _filters(scan), days) for scan in scans]
    return frozenset[str]().union(*found) if found else frozenset(days)


def _listed(columns: Mapping[str, Kind]) -> str:
    words = DIALECTS["duckdb"]
    return ", ".join(f"{double_quoted(name)} {words.of(kind)}" for name, kind in {**columns, **_PARTITIONS}.items())


def _scans(nodes: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What the plan tells of each table that is read."""
    for node in nodes:
        told = node.get("extra_info", {})
        if "Table" in told:
            yield told
        yield from _scans(node.get("children", ()))


def _table(scan: Mapping[str, Any]) -> str:
    return str(scan["Table"]).removeprefix(f"{_SCHEMA}.")


def _filters(scan: Mapping[str, Any]) -> list[str]:
    told = scan.get("Filters", [])
    return [str(one).removeprefix(_OPTIONAL) for one in ([told] if isinstance(told, str) else told)]


def _days(connection: DuckDBPyConnection, filters: Iterable[str], days: Sequence[str]) -> frozenset[str]:
    """The days that pass all filters that are about days alone."""
    found = frozenset(days)
    for one in filters:
        try:
            passed = f"SELECT CAST(dt AS VARCHAR) FROM (SELECT CAST(unnest(?) AS DATE) AS dt) WHERE {one}"  # noqa: S608
            found &= {day for (day,) in connection.execute(passed, [list(days)]).fetchall()}
        except duckdb.Error:  # about another column
            continue
    return found
