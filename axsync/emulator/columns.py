"""How a field is declared once and then both listed in the catalogue and drawn into records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

Json = Any  # a JSON value: str, int, float, bool, None, list, dict
Draw = Callable[[Random], Json]

# Holes: a template keeps these marks where a row puts its own text. \ue000 + letter stays inside a
# JSON string; a string that is exactly \ue001 + letter becomes a bare number.
ID, NUMBER, SERIAL, MAC, IP, SEEN = (f"\ue000{letter}" for letter in "inhmad")
CVE, DEVICE = "\ue000c", "\ue000v"
IP_RAW = "\ue001r"

_FIRST_STAMP, _LAST_STAMP = 1_600_000_000, 1_795_000_000  # seconds since 1970; drawn dates lie between


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment that is written in the date form of the instance."""

    seconds: int
    form: str = ""  # house form; or other, weekday, naive, offset, tight (drift)


@dataclass(frozen=True, slots=True)
class Kind:
    """The catalogue's type, format and items of one value."""

    type: str
    format: str | None = None
    items: Kind | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A field: name below its root, kind, and how one adapter's value of it is drawn."""

    name: str
    kind: Kind
    draw: Draw
    share: float = 1.0  # of the adapters that report it
    preferred: bool = False  # the instance also offers <name>_preferred
    columns: tuple[Column, ...] = ()  # of a table

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


def text(name: str, *choices: str, share: float = 1.0, preferred: bool = False, kind: Kind = TEXT) -> Column:
    """A text that is one of *choices* (which may hold marks)."""
    return Column(name, kind, lambda dice: dice.choice(choices), share, preferred)


def stamp(name: str, *, share: float = 1.0, preferred: bool = False, kind: Kind = DATE) -> Column:
    """A date."""
    return Column(name, kind, lambda dice: Stamp(dice.randrange(_FIRST_STAMP, _LAST_STAMP)), share, preferred)


def whole(name: str, low: int, high: int, *, share: float = 1.0, preferred: bool = False) -> Column:
    """An integer from *low* to *high*."""
    return Column(name, WHOLE, lambda dice: dice.randint(low, high), share, preferred)


def real(name: str, low: float, high: float, *, share: float = 1.0, preferred: bool = False) -> Column:
    """A number from *low* to *high*, always written with a fraction."""
    return Column(name, REAL, lambda dice: round(dice.uniform(low, high), 2), share, preferred)


def flag(name: str, *, share: float = 1.0) -> Column:
    """A bool."""
    return Column(name, FLAG, lambda dice: dice.random() < 0.5, share)


def several(one: Column, low: int, high: int) -> Column:
    """The list form of *one*, with *low* to *high* values."""

    def draw(dice: Random) -> list[Json]:
        return [one.draw(dice) for _ in range(dice.randint(low, high))]

    return replace(one, kind=Kind("array", one.kind.format, one.kind), draw=draw)


def table(name: str, columns: Sequence[Column], low: int, high: int, *, share: float = 1.0) -> Column:
    """A list of *low* to *high* objects with the given columns."""

    def row(dice: Random) -> dict[str, Json]:
        return {column.name: column.draw(dice) for column in columns if dice.random() < column.share}

    def draw(dice: Random) -> list[Json]:
        drawn = [row(dice) for _ in range(dice.randint(low, high))]
        return [fields for fields in drawn if fields]

    return Column(name, TABLE, draw, share, columns=tuple(columns))


Say = Mapping[str, Json]  # what one adapter says of an asset: values by column name


@dataclass(frozen=True, slots=True)
class Own:
    """A field of its own that is computed: its name may look like that of a member, but no object has it.

    It is served only when it is asked for by its full name.
    """

    name: str  # full
    kind: Kind
    of: Callable[[Sequence[Say]], Json]  # what several adapters say -> the value; None or []: there is none
    listed: bool = True  # by the catalogue


def told(says: Iterable[Say], column: str, member: str | None = None) -> list[str]:
    """The distinct texts of a column, or of a member of a table, in the order of first appearance."""
    rows = [value for say in says if (value := say.get(column)) is not None]
    if member is not None:
        tables = [row for table in rows if isinstance(table, list) for row in table if isinstance(row, dict)]
        rows = [row[member] for row in tables if member in row]
    flat = [one for value in rows for one in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(one for one in flat if isinstance(one, str)))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A field in the shape of a real server: it is served as it is drawn, and nothing is merged."""

    column: Column  # with the full name
    source: str  # as in the catalogue


@dataclass(frozen=True, slots=True)
class Family:
    """Everything that records of one entity type are made of."""

    entity: str
    columns: tuple[Column, ...]  # specific_data.data.*
    adapters: tuple[str, ...]
    special: dict[str, tuple[Column, ...]]  # adapters_data.<adapter>.*
    most_adapters: int = 3
    counted: bool = True  # has adapter_list_length
    labels: tuple[str, ...] = ()
    echoed: tuple[str, ...] = ()  # fields that come without being asked for
    extra: tuple[Column, ...] = ()  # top-level keys beside the usual ones
    own: tuple[Own, ...] = ()
    recorded: tuple[Recorded, ...] = ()  # the only fields, if there are any
