"""Numbers of columns, for tables that know a column by its number (Iceberg). Pure.

Each column, each member of an object and each element of a list has one, by its path: `os_type`, `addresses[]`,
`addresses[].mac`. A number is given away once and for good, whatever becomes of the column. The partition columns have
the first ones: they are in the path of a file and not in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec
import orjson
import pyarrow as pa

FIELD_ID = b"PARQUET:field_id"
"""Arrow field metadata key from which pyarrow takes the number in a Parquet file."""
PARTITION_IDS: Mapping[str, int] = MappingProxyType({"instance": 1, "dt": 2})
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class FieldIds:
    """The numbers of an entity type by path, and the next one that is free."""

    known: Mapping[str, int] = field(default_factory=lambda: dict(PARTITION_IDS))
    free: int = len(PARTITION_IDS) + 1

    def extended(self, schema: pa.Schema) -> "FieldIds":
        """With numbers for all of this schema; itself where it has them."""
        fresh = list(dict.fromkeys(path for path in paths_of(schema) if path not in self.known))
        if not fresh:
            return self
        numbers = dict(zip(fresh, range(self.free, self.free + len(fresh)), strict=True))
        return FieldIds({**self.known, **numbers}, self.free + len(fresh))


def paths_of(schema: pa.Schema) -> Iterator[str]:
    """The paths of everything in a schema that has a number."""
    for column in schema:
        yield from _paths(column, column.name)


def _paths(one: pa.Field, path: str) -> Iterator[str]:
    yield path
    if pa.types.is_list(one.type):
        yield from _paths(one.type.value_field, f"{path}[]")
    elif pa.types.is_struct(one.type):
        for member in one.type:
            yield from _paths(member, f"{path}.{member.name}")


def with_field_ids(schema: pa.Schema, ids: Mapping[str, int]) -> pa.Schema:
    """The schema with its numbers in the metadata of fields. Raises: KeyError where one has none."""
    return pa.schema([_numbered(column, column.name, ids) for column in schema], metadata=schema.metadata)


def _numbered(one: pa.Field, path: str, ids: Mapping[str, int]) -> pa.Field:
    inside = one.type
    if pa.types.is_list(inside):
        inside = pa.list_(_numbered(inside.value_field, f"{path}[]", ids))
    elif pa.types.is_struct(inside):
        inside = pa.struct([_numbered(member, f"{path}.{member.name}", ids) for member in inside])
    return one.with_type(inside).with_metadata({**(one.metadata or {}), FIELD_ID: str(ids[path]).encode()})


# ----------------------------------------------------------------------------------------------------------- their file


def write_field_ids(entity: str, ids: FieldIds) -> bytes:
    """The numbers as a small JSON document."""
    document = {"format_version": FORMAT_VERSION, "entity": entity, "free": ids.free, "field_ids": dict(ids.known)}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


class _Document(msgspec.Struct):
    format_version: int
    free: int
    field_ids: dict[str, int]


def read_field_ids(raw: bytes) -> FieldIds:
    """Read what `write_field_ids` wrote. Raises: ValueError for anything else."""
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    ids = document.field_ids
    whole = len(set(ids.values())) == len(ids) and PARTITION_IDS.items() <= ids.items()
    if document.format_version != FORMAT_VERSION or not whole or document.free <= max(ids.values()):
        raise ValueError("numbers that do not go together")
    return FieldIds(ids, document.free)
