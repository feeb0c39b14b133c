"""Fields of a catalogue and the columns that they become: names, keys in served records, entries in the manifest."""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson
import pyarrow as pa

from axsync.model import ID_FIELD, Json
from axsync.schema.kinds import (
    FIELD_KEY,
    RFC1123,
    Group,
    Kind,
    Member,
    arrow_type,
    date_forms,
    from_json,
    from_type,
    to_json,
    type_text,
    with_date_form,
)

RESCUED, RUN_ID, FETCHED_AT = "axsync_rescued", "axsync_run_id", "axsync_fetched_at"
RESERVED = frozenset({RESCUED, RUN_ID, FETCHED_AT, "entity", "instance", "dt"})
"""Names of axsync's own columns and the partition columns."""

OVERFLOW: Final = "*"
"""The `field` of the column that collects, as one JSON object, all keys without a column of their own."""

MOST_NAMES: Final = 1 << 14
"""Fields and columns for which answers are remembered: lanes of one entity type have the same in all instances."""

MAX_NAME_BYTES = 255  # Glue's limit for a column name

KeyStyle: TypeAlias = Literal["full", "short"]
"""How a server names the keys of its records: as they were requested, or by `short_key`."""

_ADAPTER = re.compile(r"adapters_data\.([^.]+?)(?:_adapter)?\.(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an instance's catalogue; `adapter` is None for a generic field."""

    name: str
    kind: Kind
    adapter: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the lake: `name` in the lake, `field` at Axonius, `json_key` in this server's records."""

    name: str
    field: str
    json_key: str
    kind: Kind

    @property
    def dates(self) -> str | None:
        """The form of its dates (`schema.dates`), the first one if there are several; None if it has none."""
        return next(date_forms(self.kind), None)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a lane's part files: its columns, then axsync's own, the rescue column last."""
    own = [
        pa.field(RUN_ID, pa.string()),
        pa.field(FETCHED_AT, pa.timestamp("us", tz="UTC")),
        pa.field(RESCUED, pa.string()),
    ]
    served = [pa.field(c.name, arrow_type(c.kind), metadata={FIELD_KEY: c.field}) for c in columns]
    return pa.schema(served + own)


def with_dates(column: Column, form: str | None) -> Column:
    """The column with this form for those of its dates that have none yet."""
    return replace(column, kind=with_date_form(column.kind, form or RFC1123))


# --------------------------------------------------------------------------------------------------- names in the lake


@lru_cache(MOST_NAMES)
def plain_name(field: str) -> str:
    """The preferred column name of a field.

    `specific_data.data.os.type` → `os_type`, `adapters_data.aws_adapter.region` → `aws__region`.
    """
    adapter, rest = "", field
    if field.startswith("specific_data.data."):
        rest = field.removeprefix("specific_data.data.")
    elif matched := re.fullmatch(r"adapters_data\.([^.]+)\.(.+)", field):
        adapter, rest = matched[1].removesuffix("_adapter") + "__", matched[2]
    name = _legalize(adapter) + _legalize(rest) if adapter else _legalize(rest)
    return name.lstrip("_") or "field"


def _legalize(text: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", text.lower())


def free_name(name: str, original: str, taken: Container[str]) -> str:
    """The name with a suffix that the original alone decides, as long as nobody has it."""
    seed = original
    while True:
        digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        suffixed = f"{name[: MAX_NAME_BYTES - 9]}_{digest}"
        if suffixed not in taken:
            return suffixed
        seed += "+"  # another field has exactly this name


def assign_names(
    originals: Iterable[str], *, reserved: Iterable[str] = (), earlier: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Original name → lake name, without collisions and independent of the order given.

    `earlier` is the mapping of a previous snapshot. Its names are kept, so that a column never changes its name when
    another one appears. If two fields want the same name, the id of a record comes first, then generic fields, then
    alphabetical order; the others get a suffix derived from their own name, which is therefore stable.
    """
    wanted, earlier = set(originals), earlier or {}
    # Including fields that are missing today: a name must not change its meaning in their absence.
    taken = {*reserved, *earlier.values()}
    names = {o: earlier[o] for o in wanted if o in earlier}
    for original in sorted(wanted - set(names), key=_precedence):
        wished = plain_name(original)
        legal = wished not in taken and len(wished) <= MAX_NAME_BYTES and not wished.startswith("axsync_")
        names[original] = wished if legal else free_name(wished, original, taken)
        taken.add(names[original])
    return names


def _precedence(original: str) -> tuple[bool, bool, str]:
    # A stray key such as `Internal_Axon_Id` must not take the column by which every reader joins.
    return original != ID_FIELD, original.startswith("adapters_data."), original


def group(pairs: Iterable[tuple[str, Kind]]) -> Group:
    """An object kind with lake names for its keys."""
    listed = dict(pairs)
    names = assign_names(listed)
    return Group(tuple(Member(key, names[key], kind) for key, kind in listed.items()))


def make_columns(
    fields: Sequence[Field],
    *,
    json_keys: Mapping[str, str] | None = None,
    earlier: Mapping[str, str] | None = None,
    taken: Iterable[str] = (),
) -> tuple[Column, ...]:
    """Columns for these fields, in their order; `json_keys` maps field names to the keys of the server's records.

    `earlier` are the names of fields that have one, `taken` those that no other field gets.
    """
    names = assign_names([f.name for f in fields], reserved={*RESERVED, *taken}, earlier=earlier)
    keys = json_keys or {}
    return tuple(Column(names[f.name], f.name, keys.get(f.name, f.name), f.kind) for f in fields)


# ---------------------------------------------------------------------------------------------- keys in served records


@lru_cache(MOST_NAMES)
def short_key(field: str) -> str:
    """The key under which a short-key server (v2 6.1.67) serves a field (docs/axonius-api.md, "Records")."""
    matched = _ADAPTER.fullmatch(field)
    return f"{matched[1]}.{matched[2]}" if matched else field.removeprefix("specific_data.data.")


def key_spellings(column: Column) -> tuple[str, str, str]:
    """The keys under which servers serve this field: as requested, in full, short (docs/axonius-api.md, "Records")."""
    return column.json_key, column.field, short_key(column.field)


def key_owners(columns: Sequence[Column]) -> dict[str, Column]:
    """Key → column.

    A column's own key wins over a full name, and that over a short one. A short name of two columns maps to none.
    """
    listed = [(column, *key_spellings(column)) for column in columns if column.field != OVERFLOW]
    claims = Counter(short for _, json_key, field, short in listed if short not in (json_key, field))
    found: dict[str, Column] = {short: column for column, _, _, short in listed if claims[short] == 1}
    found |= {field: column for column, _, field, _ in listed}
    found |= {json_key: column for column, json_key, _, _ in listed}
    return found


def settle_keys(keys: Iterable[str], owner: Mapping[str, Column]) -> dict[str, Column | None]:
    """Key → its column, None for a stray key. Of two keys of one column the full name wins, else the first."""
    settled: dict[str, Column | None] = {}
    taken: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: key in owner and owner[key].field != key):
        column = owner.get(key)
        settled[key] = None if column and column.field in taken else column
        if column:
            taken.setdefault(column.field, key)
    return settled


# --------------------------------------------------------------------------------------------- entries in the manifest


def describe_column(column: Column) -> dict[str, Json]:
    """The column's entry in the manifest; `kind` only if the type text does not say everything."""
    return dict(_described(column))


@lru_cache(MOST_NAMES)
def _described(column: Column) -> Mapping[str, Json]:
    text = type_text(column.kind)
    entry: dict[str, Json] = {"field": column.field, "type": text, "dates": column.dates}
    told = from_type(text)
    if told is None or with_dates(replace(column, kind=told), column.dates).kind != column.kind:
        entry["kind"] = to_json(column.kind)
    if column.field == OVERFLOW:
        entry["overflow"] = True
    return entry


def columns_of(lane: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns that a lane's manifest entry describes, with their full names as keys.

    Raises: ValueError, whatever is wrong with one of them.
    """
    return tuple(column_of(name, entry) for name, entry in lane["columns"].items())


def column_of(name: str, entry: Mapping[str, Any]) -> Column:
    """The column that its manifest entry describes; the inverse of `describe_column`.

    Raises: ValueError where it describes none.
    """
    try:
        return _read_column(name, orjson.dumps(entry))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"column {name!r} is not described as a column: {error}") from error


@lru_cache(MOST_NAMES)
def _read_column(name: str, written: bytes) -> Column:
    entry = orjson.loads(written)
    kind = from_json(entry["kind"]) if "kind" in entry else from_type(entry["type"])
    if kind is None:
        raise ValueError(f"column {name!r} has an unknown type: {entry['type']!r}")
    field, dates = OVERFLOW if entry.get("overflow") else entry["field"], entry.get("dates")
    if not isinstance(field, str) or not isinstance(dates, str | None):
        raise TypeError("its field and the form of its dates are texts")
    return with_dates(Column(name, field, field, kind), dates)
