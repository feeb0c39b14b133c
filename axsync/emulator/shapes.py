"""JSON shapes drawn by seed: what a field looks like, whatever type the catalogue declares.

For each field, and each member of an object, it is drawn once whether there is one value or a list (one object or a
list of objects), and which form dates, flags and numbers have. A third of the fields have a second shape in 2% of the
rows; these rows differ from field to field. Texts, and the meaning of values, do not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from random import Random

from axsync.emulator.fields import SEEN, Json, Stamp
from axsync.emulator.samples import newest

FIXED = frozenset({"internal_axon_id", "adapters", "adapter_list_length", "specific_data"})
DEVIANT_GROUPS, GROUPS = 8, 50  # rows are split into GROUPS equal groups; those in the first DEVIANT_GROUPS may deviate
_DEVIANT_SHARE = 1 / 3  # of the fields
_FIELDS_KEPT = 65_536
_BARE, _INSIDE = "\ue001", "\ue000"  # placeholders, see axsync.emulator.fields

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
# The placeholder of last_seen in each form. No other placeholder uses these letters.
SEEN_LETTERS = dict(zip(_DATES, "ABCDEFGH", strict=True))


def date_in(form: str, seconds: int) -> Json:
    """A moment in one of the drawn forms, from seconds since 1970."""
    return _DATES[form](datetime.fromtimestamp(seconds, UTC))


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of one field."""

    many: bool  # a list instead of one value
    date: str
    flag: str
    whole: str
    real: str


@dataclass(frozen=True, slots=True)
class _Drawn:
    usual: Shape
    other: Shape
    group: int  # of the rows with the other shape; 0: none


@dataclass(frozen=True, slots=True)
class Shapes:
    """The drawn shapes of one entity type. A *variant* is the group of a row; 0 for rows that never deviate."""

    seed: int
    entity: str

    def of(self, name: str, variant: int = 0) -> Shape:
        """The shape of a field or of a member, by its full name."""
        drawn = _drawn(self.seed, self.entity, name)
        return drawn.other if variant and drawn.group == variant else drawn.usual

    def shaped(self, name: str, value: Json, variant: int) -> Json:
        """*value* in its drawn shape. Null and empty lists do not change."""
        if value is None or value == [] or name in FIXED:
            return value
        shape = self.of(name, variant)
        values = value if isinstance(value, list) else [value]
        if not shape.many:
            values = [newest(values) if _dates(values) else values[0]]
        served = [self._one(name, one, shape, variant) for one in values]
        return served if shape.many else served[0]

    def detailed(self, name: str, details: list[Json], variant: int) -> list[Json]:
        """The value of each adapter in the drawn forms; a list stays a list."""
        return [self._each(name, one, self.of(name, variant), variant) for one in details]

    def _each(self, name: str, value: Json, shape: Shape, variant: int) -> Json:
        if isinstance(value, list):
            return [self._each(name, one, shape, variant) for one in value]
        return self._one(name, value, shape, variant)

    def _one(self, name: str, value: Json, shape: Shape, variant: int) -> Json:
        if isinstance(value, dict):
            return {key: self.shaped(f"{name}.{key}", member, variant) for key, member in value.items()}
        return _format(value, shape)


def _dates(values: list[Json]) -> bool:
    return all(value == SEEN or isinstance(value, Stamp) for value in values)


def _format(value: Json, shape: Shape) -> Json:
    if isinstance(value, bool):
        return _FLAGS[shape.flag](value)
    if isinstance(value, int | float):
        return _NUMBERS[shape.whole if isinstance(value, int) else shape.real](value)
    if isinstance(value, Stamp) and not value.form:
        return date_in(shape.date, value.seconds)
    return _placeholder(value, shape) if isinstance(value, str) else value


def _placeholder(value: str, shape: Shape) -> str:
    if value == SEEN:
        return (_BARE if shape.date in _BARE_DATES else _INSIDE) + SEEN_LETTERS[shape.date]
    return value.replace(_BARE, _INSIDE) if shape.whole == "text" else value


@lru_cache(_FIELDS_KEPT)
def _drawn(seed: int, entity: str, name: str) -> _Drawn:
    rng = Random(f"{seed}/{entity}/{name}/shape")
    usual = _shape(rng)
    group = rng.randint(1, DEVIANT_GROUPS) if rng.random() < _DEVIANT_SHARE else 0
    # Either a list instead of one value (or the reverse), or the same in other forms.
    other = replace(usual, many=not usual.many) if rng.random() < 0.5 else replace(_shape(rng), many=usual.many)
    return _Drawn(usual, other, group)


def _shape(rng: Random) -> Shape:
    return Shape(
        rng.random() < 0.5,
        rng.choice(tuple(_DATES)),
        rng.choice(tuple(_FLAGS)),
        rng.choice(tuple(_NUMBERS)),
        rng.choice(tuple(_NUMBERS)),
    )
