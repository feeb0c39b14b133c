"""The views as a folder of dbt models for DuckDB, with tests: unique ids per day, and only complete days."""

import re
from collections.abc import Iterator, Mapping

from axsync.sql.ddl import duckdb_select, lanes_in_duckdb, names_of, views_over
from axsync.sql.engines import WORDS
from axsync.sql.histories import Histories
from axsync.sql.tables import EntityTable
from axsync.sql.views import KEYS

_REF = re.compile("\ue000([^\ue001]*)\ue001")
_JINJA = re.compile(r"\{[{%#]")
SCHEMA_FILE = "axsync.yml"


def models(now: Mapping[str, EntityTable], days: Histories, where: str) -> Iterator[tuple[str, str]]:
    """File name → content, for a folder below `models`."""
    names = names_of(now, days)
    where = where.rstrip("/")
    for entity, history in days.tables.items():
        yield f"{names.history(entity)}.sql", _model(duckdb_select(history, where))
    lanes = lanes_in_duckdb(where)
    for view in views_over(WORDS["duckdb"], names, lambda name: f"\ue000{name}\ue001", now, days, lanes):
        yield f"{view.name}.sql", _model(view.sql)
    keyed = [
        entity for entity in now if entity in days.tables and "internal_axon_id" in days.tables[entity].table.columns
    ]
    yield SCHEMA_FILE, _tests(names.lanes, [name for one in keyed for name in (one, names.history(one))])


def _model(sql: str) -> str:
    """The SELECT with references that dbt resolves. What else would be a template is text."""
    escaped = _JINJA.sub(lambda found: "{{ '" + found[0] + "' }}", sql)
    referred = _REF.sub(lambda found: "{{ ref('" + found[1].replace("'", "\\'") + "') }}", escaped)
    return "{{ config(materialized='view') }}\n" + referred + "\n"


def _tests(lanes: str, keyed: list[str]) -> str:
    key = " || '/' || ".join(f"CAST({name} AS VARCHAR)" for name in KEYS)
    one = '  - name: {}\n    tests:\n      - unique:\n          column_name: "{}"\n'
    complete = (
        f"version: 2\nmodels:\n  - name: {lanes}\n    columns:\n      - name: verdict\n        tests:\n"
        "          - accepted_values:\n              values: ['complete']\n"
        "              config:\n                where: newest_of_day\n"
    )
    return complete + "".join(one.format(name, key) for name in keyed)
