"""The dialects of SQL that axsync writes: names of types, identifiers and strings in quotes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from axsync.schema.kinds import AtomName, Group, Kind, Many, Member, Wrapped

Engine: TypeAlias = Literal["athena", "trino", "snowflake", "duckdb"]


def double_quoted(name: str) -> str:
    """An identifier as standard SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def back_quoted(name: str) -> str:
    """An identifier as Hive quotes it."""
    return "`" + name.replace("`", "``") + "`"


def literal(value: str) -> str:
    """A string literal; the same in every dialect."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class TypeNames:
    """The types of one dialect: scalar types, and how list and object types are built from others."""

    atoms: Mapping[AtomName, str]
    many: Callable[[str], str]
    group: Callable[[list[tuple[str, str]]], str]  # unquoted names, and types
    quoted: Callable[[str], str]

    def of(self, kind: Kind) -> str:
        """The type of this kind."""
        match kind:
            case Many(item):
                return self.many(self.of(item))
            case Wrapped(item):
                return self.of(item)
            case Group(members):
                return self.group([self._member(member) for member in members])
            case _:
                return self.atoms[kind.name]

    def full(self, schema: str | None, name: str) -> str:
        """The name of a table or view in a schema, which may be in a catalog."""
        return ".".join(self.quoted(part) for part in [*(schema.split(".") if schema else ()), name])

    def _member(self, member: Member) -> tuple[str, str]:
        return member.name, self.of(member.kind)


def _atoms(*names: str) -> Mapping[AtomName, str]:
    """Types of text, timestamp, date, bool, integer and number; JSON and unknown values are text."""
    plain: tuple[AtomName, ...] = ("text", "timestamp", "date", "bool", "integer", "number")
    return dict(zip(plain, names, strict=True)) | {"json": names[0], "unknown": names[0]}


def _struct(opening: str, between: str, quoted: Callable[[str], str]) -> Callable[[list[tuple[str, str]]], str]:
    closing = {"<": ">", "(": ")"}[opening[-1]]
    return lambda members: opening + ", ".join(f"{quoted(n)}{between}{t}" for n, t in members) + closing


DIALECTS: Mapping[Engine, TypeNames] = {
    "athena": TypeNames(
        _atoms("string", "timestamp", "date", "boolean", "bigint", "double"),
        lambda item: f"array<{item}>",
        _struct("struct<", ":", back_quoted),
        back_quoted,
    ),
    # Trino's Hive tables have no time zones; the files hold UTC.
    "trino": TypeNames(
        _atoms("varchar", "timestamp(6)", "date", "boolean", "bigint", "double"),
        lambda item: f"array({item})",
        _struct("row(", " ", double_quoted),
        double_quoted,
    ),
    # External tables of Snowflake have no typed lists and objects.
    "snowflake": TypeNames(
        _atoms("varchar", "timestamp_ntz", "date", "boolean", "number(19, 0)", "double"),
        lambda _: "array",
        lambda _: "object",
        lambda name: double_quoted(name.upper()),  # an unquoted name is upper case there
    ),
    "duckdb": TypeNames(
        _atoms("VARCHAR", "TIMESTAMP WITH TIME ZONE", "DATE", "BOOLEAN", "BIGINT", "DOUBLE"),
        lambda item: f"{item}[]",
        _struct("STRUCT(", " ", double_quoted),
        double_quoted,
    ),
}
