"""Prints rows: templates with holes, compiled once per form, filled per row.

A page of 2000 devices is 10 MB of text of which a few dozen bytes per row are the row's own. So each
specimen is rendered to JSON once per form, cut at its holes, and a row is one bytes formatting.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property

from axsync.emulator.columns import Json
from axsync.emulator.forms import Form, moment, project
from axsync.emulator.shapes import DEVIANT_GROUPS, GROUPS, date_in
from axsync.emulator.specimens import POOL, Specimen

_HOLE = re.compile('"\ue001([a-zA-Z])"|\ue000([a-zA-Z])'.encode())
_OPEN = re.compile("[\ue000\ue001]([a-zA-Z])")
_FORMS_KEPT = 48
_SLOTS = 2 * POOL  # plain and drifted
_FIRST_SEEN, _SEEN_STEP, SEEN_POOL = 1_780_000_000, 3_607, 4096
_SPREAD = 0x9E3779B97F4A7C15

Pools = tuple[Sequence[Specimen], Sequence[Specimen]]  # plain and drifted
Part = Callable[[int], bytes]  # a row's own text for one hole, from its number


class Template:
    """One specimen in one form, ready to be filled."""

    def __init__(self, text: bytes, parts: Mapping[str, Part]) -> None:
        letters = sorted({_letter(match) for match in _HOLE.finditer(text)})
        self._format = _HOLE.sub(lambda match: b"%%(%b)b" % _letter(match).encode(), text.replace(b"%", b"%%"))
        self._parts = [(letter.encode(), parts[letter]) for letter in letters]

    def fill(self, number: int) -> bytes:
        """The JSON text of row *number*."""
        return self._format % {letter: part(number) for letter, part in self._parts}


def _letter(match: re.Match[bytes]) -> str:
    return (match[1] or match[2]).decode()


class Press:
    """Turns row numbers of one entity type into records."""

    def __init__(
        self, pools: Callable[[], Pools], parts: Mapping[str, Part], drift_percent: float, *, varied: bool = False
    ) -> None:
        self.parts = parts
        self._place = self._varied if varied else self.slot
        self.touched: dict[int, int] = {}  # number -> how often its content was changed
        self._pools = pools
        self._drift_bound = round(drift_percent * 100)
        self._values: dict[tuple[int, str], tuple[list[Json], bool]] = {}
        self._templates: OrderedDict[Form, dict[int, Template]] = OrderedDict()

    @cached_property
    def specimens(self) -> tuple[Specimen, ...]:
        """The plain pool, then the drifted one; drawn when the first row is printed."""
        plain, drifted = self._pools()
        return (*plain, *drifted)

    def slot(self, number: int) -> int:
        """Which specimen row *number* is printed from."""
        mixed = (number + 1) * _SPREAD & 0xFFFFFFFFFFFFFFFF
        slot = ((mixed >> 40) + self.touched.get(number, 0)) % POOL
        return slot + POOL if (mixed >> 16) % 10_000 < self._drift_bound else slot

    def rows(self, numbers: Sequence[int], form: Form) -> list[bytes]:
        """The JSON texts of several rows."""
        templates, place, compiled = self._of(form), self._place, self._compiled
        return [(templates.get(at := place(number)) or compiled(form, at)).fill(number) for number in numbers]

    def _varied(self, number: int) -> int:
        # The slot, and the group of rows to which the drawn shapes are put.
        group = ((number + 1) * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> 29
        variant = group % GROUPS + 1
        return self.slot(number) + _SLOTS * (variant if variant <= DEVIANT_GROUPS else 0)

    def row(self, number: int, form: Form) -> bytes:
        """The JSON text of one row."""
        return self.rows((number,), form)[0]

    def values(self, number: int, name: str, house: Form) -> list[Json]:
        """The values of one field of one row, for filters."""
        slot = self.slot(number)
        key = (slot, name)
        if key not in self._values:
            self._values[key] = _listed(self.specimens[slot], name, house)
        values, open_ended = self._values[key]
        return [self._closed(value, number) for value in values] if open_ended else values

    def _closed(self, value: Json, number: int) -> Json:
        if not isinstance(value, str):
            return value
        return _OPEN.sub(lambda match: self.parts[match[1]](number).decode(), value)

    def _of(self, form: Form) -> dict[int, Template]:
        templates = self._templates.setdefault(form, {})
        self._templates.move_to_end(form)
        if len(self._templates) > _FORMS_KEPT:
            self._templates.popitem(last=False)
        return templates

    def _compiled(self, form: Form, place: int) -> Template:
        variant, slot = divmod(place, _SLOTS)
        record = project(self.specimens[slot], form, variant)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        template = self._of(form)[place] = Template(text.encode(), self.parts)
        return template


def _listed(specimen: Specimen, name: str, house: Form) -> tuple[list[Json], bool]:
    form = Form((name,), iso_dates=house.iso_dates)
    value = project(specimen, form).get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return values, any(isinstance(one, str) and _OPEN.search(one) for one in values)


@cache
def seen_in(form: str) -> tuple[bytes, ...]:
    """The same dates in one of the drawn forms."""
    return tuple(str(date_in(form, _FIRST_SEEN + step * _SEEN_STEP)).encode() for step in range(SEEN_POOL))


@cache
def seen_dates(*, iso: bool) -> tuple[bytes, ...]:
    """The dates that the hole of last_seen cycles through."""
    return tuple(moment(_FIRST_SEEN + step * _SEEN_STEP, iso=iso).encode() for step in range(SEEN_POOL))
