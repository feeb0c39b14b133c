"""How a request wants its records: which keys, under which names, merged and dated how, with which details."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from axsync.emulator.fields import ID, Json, Stamp
from axsync.emulator.samples import AGGREGATED, Sample, distinct, newest, tree
from axsync.emulator.shapes import Shapes

_ADAPTER = "adapters_data."
# Dates of which real servers send only the newest value, however many adapters report one. Others are lists.
NEWEST = frozenset(
    AGGREGATED + name for name in ("last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change")
)


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Everything that decides how a row is rendered."""

    fields: tuple[str, ...] | None  # None: ids and adapters only
    details: bool = False
    short_keys: bool = False
    nulls: bool = False  # v1 null_for_non_exist
    raw_tree: bool = True  # the field `specific_data` exists
    iso_dates: bool = False
    newest: bool = False  # dates in NEWEST are merged to one value
    distinct: bool = False  # merged lists have no duplicates
    excluded: tuple[str, ...] = ()  # keys to omit, wherever they come from
    shapes: Shapes | None = None  # drawn by seed, instead of those that the catalogue suggests


def moment(seconds: int, *, iso: bool) -> str:
    """A date as the server writes it: RFC 1123, or ISO 8601."""
    then = datetime.fromtimestamp(seconds, UTC)
    return then.isoformat() if iso else format_datetime(then, usegmt=True)


_OTHER_WEEKDAY = {"Mon": "Thu", "Tue": "Fri", "Wed": "Sat", "Thu": "Sun", "Fri": "Mon", "Sat": "Tue", "Sun": "Wed"}


def format_stamp(stamp: Stamp, *, iso: bool) -> str:
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


def project(sample: Sample, layout: RowLayout, variant: int = 0) -> dict[str, Json]:
    """The record that *layout* asks for, with placeholders. *variant* selects the drawn shapes that deviate."""
    record = {
        key: value
        for key, value in _wanted(sample, layout, variant).items()
        if key == "internal_axon_id" or key not in layout.excluded
    }
    if layout.short_keys:
        record = {short(key): value for key, value in record.items()}
    return {key: _dated(value, iso=layout.iso_dates) for key, value in record.items()}


def short(key: str) -> str:
    """The short key that 6.1.67 sends (docs/axonius-api.md, "Records")."""
    if key.startswith(AGGREGATED):
        return key.removeprefix(AGGREGATED)
    if key.startswith(_ADAPTER):
        adapter, _, name = key.removeprefix(_ADAPTER).partition(".")
        return f"{adapter.removesuffix('_adapter')}.{name}"
    return key


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
        record |= extras(sample)
    return record | sample.stray


def _add(record: dict[str, Json], name: str, sample: Sample, layout: RowLayout, variant: int) -> None:
    value = _reshaped(name, merged(name, value_of(sample, name, raw_tree=layout.raw_tree), layout), layout, variant)
    if value is not None or name in sample.flat:
        record[name] = value
        if layout.details and name != "specific_data":
            record[f"{name}_details"] = _detailed(name, value, sample, layout, variant)
    elif layout.nulls:
        record[name] = None


def _reshaped(name: str, value: Json, layout: RowLayout, variant: int) -> Json:
    return value if layout.shapes is None else layout.shapes.shaped(name, value, variant)


def _detailed(name: str, value: Json, sample: Sample, layout: RowLayout, variant: int) -> list[Json]:
    found = details(sample, name, value)
    return found if layout.shapes is None else layout.shapes.detailed(name, found, variant)


def merged(name: str, value: Json, layout: RowLayout) -> Json:
    """The value as the server merges it. Only aggregated lists are merged."""
    if not name.startswith(AGGREGATED) or not isinstance(value, list):
        return value
    if layout.newest and name in NEWEST and layout.shapes is None:
        return newest(value)
    return distinct(value) if layout.distinct else value


def value_of(sample: Sample, name: str, *, raw_tree: bool = True) -> Json:
    """The value of any requested field, including members of tables; None if there is none."""
    if name in sample.flat:
        return sample.flat[name]
    if name == "specific_data":
        return tree(sample) if raw_tree else None
    root = _complex_root(sample, name)
    return None if root is None else (leaves(sample.flat[root], name[len(root) + 1 :]) or None)


def _complex_root(sample: Sample, name: str) -> str | None:
    roots = (root for root in sample.flat if name.startswith(root + "."))
    return next((root for root in roots if isinstance(sample.flat[root], list)), None)


def _dated(value: Json, *, iso: bool) -> Json:
    if isinstance(value, Stamp):
        return format_stamp(value, iso=iso)
    if isinstance(value, list):
        return [_dated(member, iso=iso) for member in value]
    if isinstance(value, dict):
        return {key: _dated(member, iso=iso) for key, member in value.items()}
    return value


def details(sample: Sample, name: str, value: Json) -> list[Json]:
    """The content of `<name>_details`: one value per adapter entity, in the order of `adapters`, or null.

    Values that the product derives (`_preferred` names, top-level keys) belong to no adapter, so there is just one.
    """
    own = next((own for own in sample.model.own if own.name == name), None)
    if own is not None and not name.endswith("_preferred"):
        return [own.compute([entity.values]) or None for entity in sample.entities]
    if name.startswith(AGGREGATED) and own is None and not _is_preferred(sample, name):
        return [_reported(entity.values, name.removeprefix(AGGREGATED)) for entity in sample.entities]
    if name.startswith(_ADAPTER):
        adapter, _, rest = name.removeprefix(_ADAPTER).partition(".")
        return [_reported(entity.special, rest) if entity.adapter == adapter else None for entity in sample.entities]
    return [value]


def _is_preferred(sample: Sample, name: str) -> bool:
    return any(name == f"{AGGREGATED}{column.name}_preferred" for column in sample.model.columns if column.preferred)


def _reported(values: Mapping[str, Json], name: str) -> Json:
    if name in values:
        return values[name]
    for root, table in values.items():
        if name.startswith(root + ".") and isinstance(table, list):
            return leaves(table, name[len(root) + 1 :]) or None
    return None


def leaves(rows: Iterable[Json], name: str) -> list[Json]:
    """The values of one member over a list of objects. Lists are concatenated."""
    found: list[Json] = []
    for row in rows:
        if isinstance(row, dict) and name in row:
            value = row[name]
            found.extend(value) if isinstance(value, list) else found.append(value)
    return found


def extras(sample: Sample) -> dict[str, Json]:
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
