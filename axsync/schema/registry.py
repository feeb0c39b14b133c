"""The registry of an entity type: one name and one kind for each field, in all instances and for good.

A column never changes its field, and its kind only grows (`schema.kinds.grown`). A field whose values cannot be
reconciled with its column gets a second one, of JSON text, beside it: the first column of a field is the one that lanes
fill as long as their values fit. Kinds in a registry have no forms: how a server writes values is told per lane.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
import orjson

from axsync.model import Json
from axsync.schema.columns import (
    MAX_NAME_BYTES,
    RESERVED,
    Column,
    assign_names,
    column_of,
    describe_column,
    free_name,
    with_dates,
)
from axsync.schema.kinds import Atom, Kind, drop_forms, grown, only_gains_members

FORMAT_VERSION = 1
JSON_TEXT = Atom("json")


@dataclass(frozen=True, slots=True)
class Registered:
    """One column: `since` is the run that brought it."""

    name: str
    field: str
    kind: Kind
    since: str


@dataclass(frozen=True, slots=True)
class Clash:
    """A column that does not go on as it was: values of its field go to the column `instead`."""

    name: str
    field: str
    instead: str


@dataclass(frozen=True, slots=True)
class Registry:
    """The columns of an entity type, oldest first."""

    columns: tuple[Registered, ...] = ()

    @property
    def taken(self) -> frozenset[str]:
        """Names that no other field gets."""
        return frozenset(one.name for one in self.columns)

    @property
    def by_field(self) -> dict[str, Registered]:
        """Field → its first column."""
        return {one.field: one for one in reversed(self.columns)}

    @property
    def json_names(self) -> dict[str, str]:
        """Field → its column for values that do not fit its first one, if it has one."""
        first = self.by_field
        return {
            one.field: one.name
            for one in reversed(self.columns)
            if one.kind == JSON_TEXT and one.name != first[one.field].name
        }


def json_name(column: str, field: str, taken: Collection[str]) -> str:
    """A free name for the JSON beside a column."""
    wished = f"{column}_json"
    free = len(wished) <= MAX_NAME_BYTES and wished not in taken and wished not in RESERVED
    return wished if free else free_name(wished, f"{field}+json", taken)


def extended(known: Registry, columns: Iterable[Column], since: str) -> tuple[Registry, tuple[Clash, ...]]:
    """The registry with columns that a run has brought, and which of them it cannot take as they are.

    What is registered wins: nothing is renamed or narrowed.
    """
    found = {one.name: one for one in known.columns}
    first = {one.field: one.name for one in reversed(known.columns)}
    json_names, clashes = known.json_names, list[Clash]()
    for column in columns:
        instead = _taken_up(column, since, found, first, json_names)
        if instead != column.name:
            clashes.append(Clash(column.name, column.field, instead))
    return Registry(tuple(found.values())), tuple(clashes)


def unfit(known: Registry, columns: Iterable[Column]) -> list[str]:
    """Names of columns that a table with the columns of the registry cannot take beside them.

    They belong to another field there, or their types differ in more than members of objects.
    """
    listed = list(columns)
    after, clashes = extended(known, listed, "")
    kinds, wrong = {one.name: one.kind for one in after.columns}, {clash.name for clash in clashes}
    narrow = [*((c.name, drop_forms(c.kind)) for c in listed), *((one.name, one.kind) for one in known.columns)]
    return sorted(wrong | {name for name, kind in narrow if not only_gains_members(kind, kinds[name])})


def _taken_up(
    column: Column, since: str, found: dict[str, Registered], first: dict[str, str], json_names: dict[str, str]
) -> str:
    """Enter one column; returns where values of its kind go from now on."""
    kind, field = drop_forms(column.kind), column.field
    if column.name not in found:
        found[column.name] = Registered(column.name, field, kind, since)
        if kind != JSON_TEXT or field not in first:
            return first.setdefault(field, column.name)
        json_names.setdefault(field, column.name)
        return column.name
    if found[column.name].field == field:
        name = column.name
    elif field in first:
        name = first[field]
    else:
        name = assign_names([field], reserved={*RESERVED, *found})[field]
        found[name] = Registered(name, field, kind, since)
        first[field] = name
    if found[name].kind == kind:
        return name
    if (wider := grown(found[name].kind, kind)) is not None:
        found[name] = replace(found[name], kind=wider)
        return name
    if field not in json_names:
        json_names[field] = json_name(first[field], field, found)
        found[json_names[field]] = Registered(json_names[field], field, JSON_TEXT, since)
    return json_names[field]


# ------------------------------------------------------------------------------------------------------------ its file


def write_registry(entity: str, registry: Registry) -> bytes:
    """The registry as a small JSON document: column name → field, type, `kind` where that does not tell all, since."""
    columns: Mapping[str, Json] = {one.name: _described(one) for one in registry.columns}
    document = {"format_version": FORMAT_VERSION, "entity": entity, "columns": columns}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _described(one: Registered) -> dict[str, Json]:
    entry = describe_column(with_dates(Column(one.name, one.field, one.field, one.kind), None))
    return {key: value for key, value in entry.items() if key != "dates"} | {"since": one.since}


class _Document(msgspec.Struct):
    format_version: int
    columns: dict[str, dict[str, object]]


def read_registry(raw: bytes) -> Registry:
    """Read what `write_registry` wrote. Raises: ValueError for anything else."""
    try:
        document = msgspec.json.decode(raw, type=_Document)
        if document.format_version != FORMAT_VERSION:
            raise ValueError(f"format version {document.format_version}")
        return Registry(tuple(_read_one(name, entry) for name, entry in document.columns.items()))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _read_one(name: str, entry: Mapping[str, object]) -> Registered:
    since = entry.get("since")
    if not isinstance(since, str):
        raise ValueError(f"column {name!r} does not say since when")  # noqa: TRY004  of a document
    column = column_of(name, {key: value for key, value in entry.items() if key != "since"})
    return Registered(name, column.field, drop_forms(column.kind), since)
