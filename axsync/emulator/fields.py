"""Fields, declared once: the catalogue lists them, and samples draw their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

Json = Any  # a JSON value: str, int, float, bool, None, list, dict
Draw = Callable[[Random], Json]

# Placeholders for text that differs from row to row. \ue000 + letter is replaced inside a JSON string; a string that is
# exactly \ue001 + letter becomes a number.
ID, NUMBER, SERIAL, MAC, IP, SEEN = (f"\ue000{letter}" for letter in "inhmad")
CVE, DEVICE = "\ue000c", "\ue000v"
IP_RAW = "\ue001r"

AGGREGATED, ADAPTERS = "specific_data.data.", "adapters_data."  # how full names of fields begin

FIRST_STAMP, LAST_STAMP = 1_600_000_000, 1_795_000_000  # seconds since 1970; drawn dates lie between


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date, written in the form of the instance unless it drifted."""

    seconds: int
    form: str = ""  # empty: that of the instance; or a drifted one: other, weekday, naive, offset, tight


@dataclass(frozen=True, slots=True)
class Kind:
    """Type, format and items of a value, as in the catalogue."""

    type: str
    format: str | None = None
    items: Kind | None = None


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field: its name below the root, its kind, and how the value of one adapter is drawn."""

    name: str
    kind: Kind
    draw: Draw
    share: float = 1.0  # of the adapters that report it
    preferred: bool = False  # the instance also offers <name>_preferred
    columns: tuple[FieldSpec, ...] = ()  # of a table

    @property
    def complex(self) -> bool:
        """Whether its values are lists of objects."""
        return bool(self.columns)

    @property
    def listed(self) -> bool:
        """Whether one adapter's value is already a list."""
        return self.kind.type == "array"


TEXT = Kind("string")
DATE = Kind("string", "date-time")
DUE_DATE = Kind("string", "due-date")
VENDOR = Kind("string", "ticket-vendor")
WHOLE = Kind("integer")
REAL = Kind("number")
FLAG = Kind("bool")
ADDRESS = Kind("string", "ip")
SUBNET = Kind("string", "subnet")
VERSION = Kind("string", "version")
TEXTS = Kind("array", None, TEXT)
CHOSEN_ADDRESSES = Kind("array", "ip_preferred", Kind("string", "ip_preferred"))
TABLE = Kind("array", "table", Kind("array"))


def text(name: str, *choices: str, share: float = 1.0, preferred: bool = False, kind: Kind = TEXT) -> FieldSpec:
    """A text, one of *choices*, which may contain placeholders."""
    return FieldSpec(name, kind, lambda rng: rng.choice(choices), share, preferred)


def stamp(name: str, *, share: float = 1.0, kind: Kind = DATE) -> FieldSpec:
    """A date."""
    return FieldSpec(name, kind, lambda rng: Stamp(rng.randrange(FIRST_STAMP, LAST_STAMP)), share)


def whole(name: str, low: int, high: int, *, share: float = 1.0, preferred: bool = False) -> FieldSpec:
    """An integer from *low* to *high*."""
    return FieldSpec(name, WHOLE, lambda rng: rng.randint(low, high), share, preferred)


def real(name: str, low: float, high: float, *, share: float = 1.0, preferred: bool = False) -> FieldSpec:
    """A number from *low* to *high*, always with a fraction."""
    return FieldSpec(name, REAL, lambda rng: round(rng.uniform(low, high), 2), share, preferred)


def flag(name: str, *, share: float = 1.0) -> FieldSpec:
    """A bool."""
    return FieldSpec(name, FLAG, lambda rng: rng.random() < 0.5, share)


def several(one: FieldSpec, low: int, high: int) -> FieldSpec:
    """The list form of *one*, with *low* to *high* values."""

    def draw(rng: Random) -> list[Json]:
        return [one.draw(rng) for _ in range(rng.randint(low, high))]

    return replace(one, kind=Kind("array", one.kind.format, one.kind), draw=draw)


def table(name: str, columns: Sequence[FieldSpec], low: int, high: int, *, share: float = 1.0) -> FieldSpec:
    """A list of *low* to *high* objects with the given columns."""

    def row(rng: Random) -> dict[str, Json]:
        return {column.name: column.draw(rng) for column in columns if rng.random() < column.share}

    def draw(rng: Random) -> list[Json]:
        drawn = [row(rng) for _ in range(rng.randint(low, high))]
        return [fields for fields in drawn if fields]

    return FieldSpec(name, TABLE, draw, share, columns=tuple(columns))


Reported = Mapping[str, Json]  # what one adapter reports about an asset: values by field name


@dataclass(frozen=True, slots=True)
class ComputedField:
    """A computed field. Its name may look like that of a member of a table, but no row of the table has it.

    It is only served when requested by its full name.
    """

    name: str  # full
    kind: Kind
    compute: Callable[[Sequence[Reported]], Json]  # what the adapters report -> the value; None or []: no value
    listed: bool = True  # by the catalogue


def distinct_texts(reported: Iterable[Reported], column: str, member: str | None = None) -> list[str]:
    """The distinct texts of a field, or of a member of a table, in order of first appearance."""
    rows = [value for one in reported if (value := one.get(column)) is not None]
    if member is not None:
        tables = [row for table in rows if isinstance(table, list) for row in table if isinstance(row, dict)]
        rows = [row[member] for row in tables if member in row]
    flat = [one for value in rows for one in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(one for one in flat if isinstance(one, str)))


@dataclass(frozen=True, slots=True)
class RecordedField:
    """A field in the shape of a real server: served as drawn, never merged."""

    column: FieldSpec  # with the full name
    source: str  # as in the catalogue


@dataclass(frozen=True, slots=True, eq=False)
class EntityModel:
    """Everything that the records of one entity type are made of. Each is equal to itself only."""

    entity: str
    columns: tuple[FieldSpec, ...]  # specific_data.data.*
    adapters: tuple[str, ...]
    special: dict[str, tuple[FieldSpec, ...]]  # adapters_data.<adapter>.*
    most_adapters: int = 3
    counted: bool = True  # has adapter_list_length
    labels: tuple[str, ...] = ()
    echoed: tuple[str, ...] = ()  # fields that are served without being requested
    extra: tuple[FieldSpec, ...] = ()  # additional top-level keys
    own: tuple[ComputedField, ...] = ()
    recorded: tuple[RecordedField, ...] = ()  # if not empty, the only fields
