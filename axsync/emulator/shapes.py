"""Wire shapes drawn by seed: what a field looks like, whatever the catalogue says of its type.

Each field, and each member of an object, is drawn once: one value or a list (an object or a list of objects), and the
form of its dates, flags and numbers. A third of the fields have a second shape, in which a fiftieth of the rows serve
them; which rows these are differs between the fields. Texts, and the meaning of all values, stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from random import Random

from axsync.emulator.columns import SEEN, Json, Stamp
from axsync.emulator.merging import newest

FIXED = frozenset({"internal_axon_id", "adapters", "adapter_list_length", "specific_data"})
DEVIANT_GROUPS, GROUPS = 8, 50  # rows fall into GROUPS equal groups; those of the first DEVIANT_GROUPS may deviate
_DEVIANT_SHARE = 1 / 3  # of the fields
_FIELDS_KEPT = 65_536
_BARE, _INSIDE = "\ue001", "\ue000"  # holes: see axsync.emulator.columns

_DATES: dict[str, Callable[[datetime], Json]] = {
    "rfc1123": lambda then: format_datetime(then, usegmt=True),
    "zulu": lambda then: then.replace(tzinfo=None).isoformat() + "Z",
    "offset": lambda then: then.isoformat(),
    "naive": lambda then: then.replace(tzinfo=None).isoformat(),
    "micro": lambda then: then.strftime("%Y-%m-%d %H:%M:%S.%f"),
    "day": lambda then: then.strftime("%Y-%m-%d"),
    "seconds": lambda then: int(then.timestamp()),
    "millis": lambda then: int(then.timestamp() * 1000),
}
_FLAGS: dict[str, Callable[[bool], Json]] = {"bool": bool, "digit": int, "text": lambda value: str(value).lower()}
_NUMBERS: dict[str, Callable[[float], Json]] = {"number": lambda value: value, "text": str}
_BARE_DATES = ("seconds", "millis")
# The hole of a date that each row fills by itself, per form; the letters are those of no other hole.
SEEN_LETTERS = dict(zip(_DATES, "ABCDEFGH", strict=True))


def date_in(form: str, seconds: int) -> Json:
    """A moment in one of the drawn forms, from seconds since 1970."""
    return _DATES[form](datetime.fromtimestamp(seconds, UTC))


@dataclass(frozen=True, slots=True)
class Shape:
    """The look of one field."""

    many: bool  # a list, or else one value
    date: str
    flag: str
    whole: str
    real: str


@dataclass(frozen=True, slots=True)
class _Drawn:
    usual: Shape
    other: Shape
    group: int  # of the rows in which the other one is served; 0: in none


@dataclass(frozen=True, slots=True)
class Shapes:
    """The drawn shapes of one entity type. A *variant* is the group of a row: 0 for those that never deviate."""

    seed: int
    entity: str

    def of(self, name: str, variant: int = 0) -> Shape:
        """The shape of a field or of a member, by its full name."""
        drawn = _drawn(self.seed, self.entity, name)
        return drawn.other if variant and drawn.group == variant else drawn.usual

    def shaped(self, name: str, value: Json, variant: int) -> Json:
        """*value* as it is served. Null, and a list without elements, stay."""
        if value is None or value == [] or name in FIXED:
            return value
        shape = self.of(name, variant)
        values = value if isinstance(value, list) else [value]
        if not shape.many:
            values = [newest(values) if _dates(values) else values[0]]
        served = [self._one(name, one, shape, variant) for one in values]
        return served if shape.many else served[0]

    def detailed(self, name: str, details: list[Json], variant: int) -> list[Json]:
        """What each adapter says in the forms of the field; one value or several, as the adapter has it."""
        return [self._each(name, one, self.of(name, variant), variant) for one in details]

    def _each(self, name: str, value: Json, shape: Shape, variant: int) -> Json:
        if isinstance(value, list):
            return [self._each(name, one, shape, variant) for one in value]
        return self._one(name, value, shape, variant)

    def _one(self, name: str, value: Json, shape: Shape, variant: int) -> Json:
        if isinstance(value, dict):
            return {key: self.shaped(f"{name}.{key}", member, variant) for key, member in value.items()}
        return _formed(value, shape)


def _dates(values: list[Json]) -> bool:
    return all(value == SEEN or isinstance(value, Stamp) for value in values)


def _formed(value: Json, shape: Shape) -> Json:
    if isinstance(value, bool):
        return _FLAGS[shape.flag](value)
    if isinstance(value, int | float):
        return _NUMBERS[shape.whole if isinstance(value, int) else shape.real](value)
    if isinstance(value, Stamp) and not value.form:
        return date_in(shape.date, value.seconds)
    return _hole(value, shape) if isinstance(value, str) else value


def _hole(value: str, shape: Shape) -> str:
    if value == SEEN:
        return (_BARE if shape.date in _BARE_DATES else _INSIDE) + SEEN_LETTERS[shape.date]
    return value.replace(_BARE, _INSIDE) if shape.whole == "text" else value


@lru_cache(_FIELDS_KEPT)
def _drawn(seed: int, entity: str, name: str) -> _Drawn:
    dice = Random(f"{seed}/{entity}/{name}/shape")
    usual = _shape(dice)
    group = dice.randint(1, DEVIANT_GROUPS) if dice.random() < _DEVIANT_SHARE else 0
    # A list where there is one value or the reverse, or the same in other forms.
    other = replace(usual, many=not usual.many) if dice.random() < 0.5 else replace(_shape(dice), many=usual.many)
    return _Drawn(usual, other, group)


def _shape(dice: Random) -> Shape:
    return Shape(
        dice.random() < 0.5,
        dice.choice(tuple(_DATES)),
        dice.choice(tuple(_FLAGS)),
        dice.choice(tuple(_NUMBERS)),
        dice.choice(tuple(_NUMBERS)),
    )
