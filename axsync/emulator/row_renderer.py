"""Renders rows from templates with placeholders that are compiled once per layout and filled per row.

A page of 2000 devices is 10 MB of text, of which only a few dozen bytes per row are unique. So each sample is rendered
to JSON once per layout and split at its placeholders; a row is then one bytes formatting operation.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property

from axsync.emulator.fields import Json
from axsync.emulator.layouts import RowLayout, moment, project
from axsync.emulator.samples import POOL, Sample
from axsync.emulator.shapes import DEVIANT_GROUPS, GROUPS, date_in

_PLACEHOLDER = re.compile('"\ue001([a-zA-Z])"|\ue000([a-zA-Z])'.encode())
_IN_VALUE = re.compile("[\ue000\ue001]([a-zA-Z])")
_LAYOUTS_KEPT = 48
_SLOTS = 2 * POOL  # plain and drifted
_FIRST_SEEN, _SEEN_STEP, SEEN_POOL = 1_780_000_000, 3_607, 4096
_SPREAD = 0x9E3779B97F4A7C15

Pools = tuple[Sequence[Sample], Sequence[Sample]]  # plain and drifted
Filler = Callable[[int], bytes]  # row number -> the text for one placeholder


class Template:
    """One sample in one layout, ready to be filled."""

    def __init__(self, text: bytes, fillers: Mapping[str, Filler]) -> None:
        letters = sorted({_letter(match) for match in _PLACEHOLDER.finditer(text)})
        self._format = _PLACEHOLDER.sub(lambda match: b"%%(%b)b" % _letter(match).encode(), text.replace(b"%", b"%%"))
        self._fillers = [(letter.encode(), fillers[letter]) for letter in letters]

    def fill(self, number: int) -> bytes:
        """The JSON text of row *number*."""
        return self._format % {letter: fill(number) for letter, fill in self._fillers}


def _letter(match: re.Match[bytes]) -> str:
    return (match[1] or match[2]).decode()


class RowRenderer:
    """Turns row numbers of one entity type into records."""

    def __init__(
        self, pools: Callable[[], Pools], fillers: Mapping[str, Filler], drift_percent: float, *, varied: bool = False
    ) -> None:
        self.fillers = fillers
        self._slot_of = self._varied_slot if varied else self.slot
        self.touched: dict[int, int] = {}  # number -> how often its content was changed
        self._pools = pools
        self._drift_bound = round(drift_percent * 100)
        self._values: dict[tuple[int, str], tuple[list[Json], bool]] = {}
        self._templates: OrderedDict[RowLayout, dict[int, Template]] = OrderedDict()

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The plain pool, then the drifted one; drawn when the first row is rendered."""
        plain, drifted = self._pools()
        return (*plain, *drifted)

    def slot(self, number: int) -> int:
        """Which sample row *number* is rendered from."""
        mixed = (number + 1) * _SPREAD & 0xFFFFFFFFFFFFFFFF
        slot = ((mixed >> 40) + self.touched.get(number, 0)) % POOL
        return slot + POOL if (mixed >> 16) % 10_000 < self._drift_bound else slot

    def rows(self, numbers: Sequence[int], layout: RowLayout) -> list[bytes]:
        """The JSON texts of several rows."""
        templates, place, compiled = self._templates_for(layout), self._slot_of, self._compiled
        return [(templates.get(at := place(number)) or compiled(layout, at)).fill(number) for number in numbers]

    def _varied_slot(self, number: int) -> int:
        # The slot, and which group of rows this one is in when it comes to drawn shapes.
        group = ((number + 1) * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> 29
        variant = group % GROUPS + 1
        return self.slot(number) + _SLOTS * (variant if variant <= DEVIANT_GROUPS else 0)

    def row(self, number: int, layout: RowLayout) -> bytes:
        """The JSON text of one row."""
        return self.rows((number,), layout)[0]

    def values(self, number: int, name: str, default: RowLayout) -> list[Json]:
        """The values of one field of one row, for filters."""
        slot = self.slot(number)
        key = (slot, name)
        if key not in self._values:
            self._values[key] = _values_of(self.samples[slot], name, default)
        values, has_placeholders = self._values[key]
        return [self._filled(value, number) for value in values] if has_placeholders else values

    def _filled(self, value: Json, number: int) -> Json:
        if not isinstance(value, str):
            return value
        return _IN_VALUE.sub(lambda match: self.fillers[match[1]](number).decode(), value)

    def _templates_for(self, layout: RowLayout) -> dict[int, Template]:
        templates = self._templates.setdefault(layout, {})
        self._templates.move_to_end(layout)
        if len(self._templates) > _LAYOUTS_KEPT:
            self._templates.popitem(last=False)
        return templates

    def _compiled(self, layout: RowLayout, place: int) -> Template:
        variant, slot = divmod(place, _SLOTS)
        record = project(self.samples[slot], layout, variant)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        template = self._templates_for(layout)[place] = Template(text.encode(), self.fillers)
        return template


def _values_of(sample: Sample, name: str, default: RowLayout) -> tuple[list[Json], bool]:
    layout = RowLayout((name,), iso_dates=default.iso_dates)
    value = project(sample, layout).get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return values, any(isinstance(one, str) and _IN_VALUE.search(one) for one in values)


@cache
def seen_in(form: str) -> tuple[bytes, ...]:
    """The dates for last_seen in one of the drawn forms."""
    return tuple(str(date_in(form, _FIRST_SEEN + step * _SEEN_STEP)).encode() for step in range(SEEN_POOL))


@cache
def seen_dates(*, iso: bool) -> tuple[bytes, ...]:
    """The dates that the placeholder for last_seen cycles through."""
    return tuple(moment(_FIRST_SEEN + step * _SEEN_STEP, iso=iso).encode() for step in range(SEEN_POOL))
