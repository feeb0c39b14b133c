"""How rows are rendered: a layout says what a request wants of a record, a renderer fills templates with row numbers.

A layout decides which keys a record has, under which names, merged and dated how, with which details.

A page of 2000 devices is 10 MB of text, of which only a few dozen bytes per row are unique. So each sample is rendered
to JSON once per layout and split at its placeholders; a row is then one bytes formatting operation.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from functools import cached_property

from axsync.emulator.fields import ADAPTERS, AGGREGATED, ID, Json, Stamp
from axsync.emulator.samples import POOL, Sample, distinct, newest, tree
from axsync.emulator.shapes import DEVIANT_GROUPS, GROUPS, Shapes

# Dates of which real servers send only the newest value, however many adapters report one. Others are lists.
_NEWEST = frozenset(
    AGGREGATED + name for name in ("last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change")
)

_PLACEHOLDER = re.compile('"\ue001([a-zA-Z])"|\ue000([a-zA-Z])'.encode())
_IN_VALUE = re.compile("[\ue000\ue001]([a-zA-Z])")
_LAYOUTS_KEPT = 48
_SLOTS = 2 * POOL  # plain and drifted
_SPREAD = 0x9E3779B97F4A7C15

Filler = Callable[[int], bytes]  # row number -> the text for one placeholder


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Everything that decides how a row is rendered."""

    fields: tuple[str, ...] | None  # None: ids and adapters only
    details: bool = False
    short_keys: bool = False
    nulls: bool = False  # v1 null_for_non_exist
    raw_tree: bool = True  # the field `specific_data` exists
    iso_dates: bool = False
    newest: bool = False  # dates in _NEWEST are merged to one value
    distinct: bool = False  # merged lists have no duplicates
    excluded: tuple[str, ...] = ()  # keys to omit, wherever they come from
    shapes: Shapes | None = None  # drawn by seed, instead of those that the catalogue suggests


# --- rows -------------------------------------------------------------------------------------------------------------


class SamplePool:
    """The samples of one entity type and their templates, for all datasets that have the same ones."""

    def __init__(self, draw: Callable[[], Iterable[Sample]]) -> None:
        """`draw` gives the plain samples, then the drifted ones; called when the first row is rendered."""
        self._draw = draw
        self._templates: OrderedDict[RowLayout, dict[int, _Template]] = OrderedDict()

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The plain samples, then the drifted ones."""
        return tuple(self._draw())

    def templates(self, layout: RowLayout) -> dict[int, _Template]:
        """The templates of *layout* that were compiled so far, by place."""
        templates = self._templates.setdefault(layout, {})
        self._templates.move_to_end(layout)
        if len(self._templates) > _LAYOUTS_KEPT:
            self._templates.popitem(last=False)
        return templates

    def compiled(self, layout: RowLayout, place: int) -> _Template:
        """The template at *place*, a slot or a slot with drawn shapes that deviate."""
        variant, slot = divmod(place, _SLOTS)
        record = project(self.samples[slot], layout, variant)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        template = self.templates(layout)[place] = _Template(text.encode())
        return template


class RowRenderer:
    """Turns row numbers of one entity type into records."""

    def __init__(
        self, pool: SamplePool, fillers: Mapping[str, Filler], drift_percent: float, *, varied: bool = False
    ) -> None:
        self.fillers = fillers
        self._slot_of = self._varied_slot if varied else self.slot
        self.touched: dict[int, int] = {}  # number -> how often its content was changed
        self._pool = pool
        self._drift_bound = round(drift_percent * 100)
        self._values: dict[tuple[int, str], tuple[list[Json], bool]] = {}

    def slot(self, number: int) -> int:
        """Which sample row *number* is rendered from."""
        mixed = (number + 1) * _SPREAD & 0xFFFFFFFFFFFFFFFF
        slot = ((mixed >> 40) + self.touched.get(number, 0)) % POOL
        return slot + POOL if (mixed >> 16) % 10_000 < self._drift_bound else slot

    def rows(self, numbers: Sequence[int], layout: RowLayout) -> list[bytes]:
        """The JSON texts of several rows."""
        templates, place, compiled = self._pool.templates(layout), self._slot_of, self._pool.compiled
        return [
            (templates.get(at := place(number)) or compiled(layout, at)).fill(number, self.fillers)
            for number in numbers
        ]

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
            self._values[key] = _values_of(self._pool.samples[slot], name, default)
        values, has_placeholders = self._values[key]
        return [self._filled(value, number) for value in values] if has_placeholders else values

    def _filled(self, value: Json, number: int) -> Json:
        if not isinstance(value, str):
            return value
        return _IN_VALUE.sub(lambda match: self.fillers[match[1]](number).decode(), value)


def _values_of(sample: Sample, name: str, default: RowLayout) -> tuple[list[Json], bool]:
    layout = RowLayout((name,), iso_dates=default.iso_dates)
    value = project(sample, layout).get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return values, any(isinstance(one, str) and _IN_VALUE.search(one) for one in values)


class _Template:
    """One sample in one layout, ready to be filled."""

    def __init__(self, text: bytes) -> None:
        letters = sorted({_letter(match) for match in _PLACEHOLDER.finditer(text)})
        self._format = _PLACEHOLDER.sub(lambda match: b"%%(%b)b" % _letter(match).encode(), text.replace(b"%", b"%%"))
        self._letters = [(letter.encode(), letter) for letter in letters]

    def fill(self, number: int, fillers: Mapping[str, Filler]) -> bytes:
        """The JSON text of row *number*."""
        return self._format % {key: fillers[letter](number) for key, letter in self._letters}


def _letter(match: re.Match[bytes]) -> str:
    return (match[1] or match[2]).decode()


# --- records ----------------------------------------------------------------------------------------------------------


def project(sample: Sample, layout: RowLayout, variant: int = 0) -> dict[str, Json]:
    """The record that *layout* asks for, with placeholders. *variant* selects the drawn shapes that deviate."""
    record = {
        key: value
        for key, value in _wanted(sample, layout, variant).items()
        if key == "internal_axon_id" or key not in layout.excluded
    }
    if layout.short_keys:
        record = {short_key(key): value for key, value in record.items()}
    return {key: _dated(value, iso=layout.iso_dates) for key, value in record.items()}


def _wanted(sample: Sample, layout: RowLayout, variant: int) -> dict[str, Json]:
    record: dict[str, Json] = {"internal_axon_id": ID, "adapters": sample.adapters}
    if layout.fields is None:
        return record
    if sample.model.counted:
        record["adapter_list_length"] = len(set(sample.adapters))
    labels = sample.flat.get("labels", sample.labels or None)
    if labels is not None:
        record["labels"] = _reshaped("labels", labels, layout, variant)
    for name in dict.fromkeys((*sample.model.echoed, *layout.fields)):
        if name not in record:
            _add(record, name, sample, layout, variant)
    if layout.details:
        record |= _extras(sample)
    return record | sample.stray


def _add(record: dict[str, Json], name: str, sample: Sample, layout: RowLayout, variant: int) -> None:
    value = _reshaped(name, _merged(name, _value_of(sample, name, raw_tree=layout.raw_tree), layout), layout, variant)
    if value is not None or name in sample.flat:
        record[name] = value
        if layout.details and name != "specific_data":
            record[f"{name}_details"] = _detailed(name, value, sample, layout, variant)
    elif layout.nulls:
        record[name] = None


def _reshaped(name: str, value: Json, layout: RowLayout, variant: int) -> Json:
    return value if layout.shapes is None else layout.shapes.shaped(name, value, variant)


def _detailed(name: str, value: Json, sample: Sample, layout: RowLayout, variant: int) -> list[Json]:
    found = _details_of(sample, name, value)
    return found if layout.shapes is None else layout.shapes.detailed(name, found, variant)


def _merged(name: str, value: Json, layout: RowLayout) -> Json:
    """The value as the server merges it. Only aggregated lists are merged."""
    if not name.startswith(AGGREGATED) or not isinstance(value, list):
        return value
    if layout.newest and name in _NEWEST and layout.shapes is None:
        return newest(value)
    return distinct(value) if layout.distinct else value


def _value_of(sample: Sample, name: str, *, raw_tree: bool = True) -> Json:
    """The value of any requested field, including members of tables; None if there is none."""
    if name in sample.flat:
        return sample.flat[name]
    if name == "specific_data":
        return tree(sample) if raw_tree else None
    root = _complex_root(sample, name)
    return None if root is None else (_leaves(sample.flat[root], name[len(root) + 1 :]) or None)


def _complex_root(sample: Sample, name: str) -> str | None:
    roots = (root for root in sample.flat if name.startswith(root + "."))
    return next((root for root in roots if isinstance(sample.flat[root], list)), None)


def _dated(value: Json, *, iso: bool) -> Json:
    if isinstance(value, Stamp):
        return _format_stamp(value, iso=iso)
    if isinstance(value, list):
        return [_dated(member, iso=iso) for member in value]
    if isinstance(value, dict):
        return {key: _dated(member, iso=iso) for key, member in value.items()}
    return value


def _details_of(sample: Sample, name: str, value: Json) -> list[Json]:
    """The content of `<name>_details`: one value per adapter entity, in the order of `adapters`, or null.

    Values that the product derives (`_preferred` names, top-level keys) belong to no adapter, so there is just one.
    """
    own = next((own for own in sample.model.own if own.name == name), None)
    if own is not None and not name.endswith("_preferred"):
        return [own.compute([entity.values]) or None for entity in sample.entities]
    if name.startswith(AGGREGATED) and own is None and not _is_preferred(sample, name):
        return [_reported(entity.values, name.removeprefix(AGGREGATED)) for entity in sample.entities]
    if name.startswith(ADAPTERS):
        adapter, _, rest = name.removeprefix(ADAPTERS).partition(".")
        return [_reported(entity.special, rest) if entity.adapter == adapter else None for entity in sample.entities]
    return [value]


def _is_preferred(sample: Sample, name: str) -> bool:
    return any(name == f"{AGGREGATED}{column.name}_preferred" for column in sample.model.columns if column.preferred)


def _reported(values: Mapping[str, Json], name: str) -> Json:
    if name in values:
        return values[name]
    for root, table in values.items():
        if name.startswith(root + ".") and isinstance(table, list):
            return _leaves(table, name[len(root) + 1 :]) or None
    return None


def _leaves(rows: Iterable[Json], name: str) -> list[Json]:
    """The values of one member over a list of objects. Lists are concatenated."""
    found: list[Json] = []
    for row in rows:
        if isinstance(row, dict) and name in row:
            value = row[name]
            found.extend(value) if isinstance(value, list) else found.append(value)
    return found


def _extras(sample: Sample) -> dict[str, Json]:
    """The keys that are always added along with details."""
    count = len(sample.adapters)
    found: dict[str, Json] = {
        "adapters_details": sample.adapters,
        "internal_axon_id_details": [ID] * count,
        "unique_adapter_names_details": [f"{adapter}_0" for adapter in sample.adapters],
        "meta_data.client_used": [f"66aa{position:020d}" for position in range(count)],
    }
    if sample.model.counted:
        found["adapter_list_length_details"] = [count] * count
    if sample.labels:
        found["labels_details"] = [sample.labels] * count
    return found


def short_key(key: str) -> str:
    """The short key that 6.1.67 sends (docs/axonius-api.md, "Records")."""
    if key.startswith(AGGREGATED):
        return key.removeprefix(AGGREGATED)
    if key.startswith(ADAPTERS):
        adapter, _, name = key.removeprefix(ADAPTERS).partition(".")
        return f"{adapter.removesuffix('_adapter')}.{name}"
    return key


# --- dates ------------------------------------------------------------------------------------------------------------


def moment(seconds: int, *, iso: bool) -> str:
    """A date as the server writes it: RFC 1123, or ISO 8601."""
    then = datetime.fromtimestamp(seconds, UTC)
    return then.isoformat() if iso else format_datetime(then, usegmt=True)


_OTHER_WEEKDAY = {"Mon": "Thu", "Tue": "Fri", "Wed": "Sat", "Thu": "Sun", "Fri": "Mon", "Sat": "Tue", "Sun": "Wed"}


def _format_stamp(stamp: Stamp, *, iso: bool) -> str:
    """A date in its drifted form, or else in the form of the instance."""
    then = datetime.fromtimestamp(stamp.seconds, UTC)
    rfc = format_datetime(then, usegmt=True)
    match stamp.form:
        case "other":
            return moment(stamp.seconds, iso=not iso)
        case "weekday":
            return _OTHER_WEEKDAY[rfc[:3]] + rfc[3:]
        case "naive":
            return then.replace(tzinfo=None).isoformat()
        case "offset":
            return then.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
        case "tight":
            return rfc.replace(", ", ",")
    return moment(stamp.seconds, iso=iso)
