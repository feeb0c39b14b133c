"""The words of SQL that views need and engines say differently: lists, rows of lists, JSON, days.

Arguments and results are SQL texts. What is the same everywhere stands in `sql.views`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from axsync.schema.kinds import Atom, Group, Kind
from axsync.sql.dialects import DIALECTS, Engine, TypeNames, double_quoted, literal


@dataclass(frozen=True, slots=True)
class ListRows:
    """A list as rows: what follows the table in FROM, and the SQL of a row's value or of one of its members."""

    join: str
    value: str
    member: Callable[[str, Kind], str]


@dataclass(frozen=True, slots=True)
class Words:
    """How one engine says it. `x` is a list of single values, of the kind that is given."""

    types: TypeNames
    one: Callable[[str], str]  # a list of this value
    distinct: Callable[[str], str]
    only: Callable[[str, Kind], str]  # the only distinct value, or null
    most: Callable[[str, Kind], str]
    least: Callable[[str, Kind], str]
    any_true: Callable[[str], str]
    has_word: Callable[[str, str], str]  # whether a list of texts has this one, in upper or lower case
    rows: Callable[[str, Kind, str], ListRows]  # list, kind of its items, alias
    items: Callable[[str], tuple[str, str]]  # a list of texts as rows: what follows the table in FROM, and a row's text
    entries: Callable[[str, str], tuple[str, str, str]]  # object in JSON, alias: join, key, value
    day: Callable[[str], str]  # the UTC day of a timestamp or date
    days_between: Callable[[str, str], str]
    dt: Callable[[str], str]  # a literal as the column dt has it
    as_dt: Callable[[str], str]  # a date as the column dt has it

    def quoted(self, name: str) -> str:
        """An identifier as the engine quotes it."""
        return self.types.quoted(name)


def _items(rows: ListRows) -> tuple[str, str]:
    return rows.join, rows.value


# --- DuckDB


def _duckdb_rows(listed: str, _item: Kind, alias: str) -> ListRows:
    value = f'{alias}."item"'
    return ListRows(
        f'CROSS JOIN UNNEST({listed}) AS {alias}("item")', value, lambda name, _: f"{value}.{double_quoted(name)}"
    )


def _duckdb_items(listed: str) -> tuple[str, str]:
    """Without a join, through which a condition on a day would not reach the files."""
    return "", f"unnest({listed})"


def _duckdb_entries(document: str, alias: str) -> tuple[str, str, str]:
    path = f'{alias}."path"'
    join = f'CROSS JOIN UNNEST(json_keys({document})) AS {alias}("path")'
    return join, path, f"CAST({document} -> {path} AS VARCHAR)"


_DUCKDB = Words(
    DIALECTS["duckdb"],
    one=lambda x: f"[{x}]",
    distinct=lambda x: f"list_distinct({x})",
    only=lambda x, _: f"CASE WHEN len(list_distinct({x})) = 1 THEN list_distinct({x})[1] END",
    most=lambda x, _: f"list_max({x})",
    least=lambda x, _: f"list_min({x})",
    any_true=lambda x: f"list_max({x})",
    has_word=lambda x, word: f"list_contains(list_transform({x}, lambda v: upper(v)), {literal(word)})",
    rows=_duckdb_rows,
    items=_duckdb_items,
    entries=_duckdb_entries,
    day=lambda x: f"CAST({x} AT TIME ZONE 'UTC' AS DATE)",
    days_between=lambda first, last: f"date_diff('day', {first}, {last})",
    dt=lambda day: f"DATE {literal(day)}",
    as_dt=lambda day: day,
)

# --- Trino, and Athena, whose views are Trino's


def _trino_rows(listed: str, item: Kind, alias: str) -> ListRows:
    names = [member.name for member in item.members] if isinstance(item, Group) else ["item"]
    columns = ", ".join(map(double_quoted, names))
    return ListRows(
        f"CROSS JOIN UNNEST({listed}) AS {alias}({columns})",
        f'{alias}."item"',
        lambda name, _: f"{alias}.{double_quoted(name)}",
    )


def _trino_entries(document: str, alias: str) -> tuple[str, str, str]:
    join = f'CROSS JOIN UNNEST(CAST(json_parse({document}) AS map(varchar, json))) AS {alias}("path", "served")'
    return join, f'{alias}."path"', f'json_format({alias}."served")'


def _trino_known(x: str) -> str:
    return f"filter({x}, v -> v IS NOT NULL)"


def _trino(dt: Callable[[str], str], as_dt: Callable[[str], str]) -> Words:
    return Words(
        DIALECTS["trino"],
        one=lambda x: f"ARRAY[{x}]",
        distinct=lambda x: f"array_distinct({x})",
        only=lambda x, _: (
            f"CASE WHEN cardinality(array_distinct({_trino_known(x)})) = 1 THEN element_at({_trino_known(x)}, 1) END"
        ),
        most=lambda x, _: f"array_max({_trino_known(x)})",
        least=lambda x, _: f"array_min({_trino_known(x)})",
        any_true=lambda x: f"array_max({_trino_known(x)})",
        has_word=lambda x, word: f"any_match({x}, v -> upper(v) = {literal(word)})",
        rows=_trino_rows,
        items=lambda x: _items(_trino_rows(x, Atom("text"), "u")),
        entries=_trino_entries,
        day=lambda x: f"CAST({x} AS date)",
        days_between=lambda first, last: f"date_diff('day', {first}, {last})",
        dt=dt,
        as_dt=as_dt,
    )


# --- Snowflake: lists and objects have no inner types, and column names are in upper case


def _snowflake_rows(listed: str, item: Kind, alias: str) -> ListRows:
    types = DIALECTS["snowflake"]
    return ListRows(
        f"CROSS JOIN LATERAL FLATTEN(INPUT => {listed}) AS {alias}",
        f"CAST({alias}.VALUE AS {types.of(item)})",
        lambda name, kind: f"CAST(GET({alias}.VALUE, {literal(name)}) AS {types.of(kind)})",
    )


def _snowflake_entries(document: str, alias: str) -> tuple[str, str, str]:
    join = f"CROSS JOIN LATERAL FLATTEN(INPUT => PARSE_JSON({document})) AS {alias}"
    return join, f"{alias}.KEY", f"TO_JSON({alias}.VALUE)"


def _snowflake_cast(value: str, kind: Kind) -> str:
    return f"CAST({value} AS {DIALECTS['snowflake'].of(kind)})"


def _snowflake_known(x: str) -> str:
    return f"ARRAY_DISTINCT(ARRAY_COMPACT({x}))"


_SNOWFLAKE = Words(
    DIALECTS["snowflake"],
    one=lambda x: f"ARRAY_CONSTRUCT({x})",
    distinct=lambda x: f"ARRAY_DISTINCT({x})",
    only=lambda x, kind: (
        f"CASE WHEN ARRAY_SIZE({_snowflake_known(x)}) = 1 THEN "
        f"{_snowflake_cast(f'GET({_snowflake_known(x)}, 0)', kind)} END"
    ),
    most=lambda x, kind: _snowflake_cast(f"ARRAY_MAX({x})", kind),
    least=lambda x, kind: _snowflake_cast(f"ARRAY_MIN({x})", kind),
    any_true=lambda x: _snowflake_cast(f"ARRAY_MAX({x})", Atom("bool")),
    has_word=lambda x, word: f"ARRAY_SIZE(FILTER({x}, v -> UPPER(CAST(v AS varchar)) = {literal(word)})) > 0",
    rows=_snowflake_rows,
    items=lambda x: _items(_snowflake_rows(x, Atom("text"), "u")),
    entries=_snowflake_entries,
    day=lambda x: f"CAST({x} AS date)",
    days_between=lambda first, last: f"DATEDIFF('day', {first}, {last})",
    dt=lambda day: f"DATE {literal(day)}",
    as_dt=lambda day: day,
)

WORDS: Mapping[Engine, Words] = {
    "duckdb": _DUCKDB,
    "trino": _trino(lambda day: f"DATE {literal(day)}", lambda day: day),
    "athena": _trino(literal, lambda day: f"CAST({day} AS varchar)"),  # its partition column dt is text
    "snowflake": _SNOWFLAKE,
}
