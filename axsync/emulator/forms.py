"""How a request wants its records: which keys, under which names, with which dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from axsync.emulator.columns import ID, Json, Stamp
from axsync.emulator.details import details, extras, leaves
from axsync.emulator.merging import distinct, newest
from axsync.emulator.shapes import Shapes
from axsync.emulator.specimens import AGGREGATED, Specimen, tree

_ADAPTER = "adapters_data."
# Dates of which real servers serve the newest value alone, whatever the number of adapters. Others stay lists.
NEWEST = frozenset(
    AGGREGATED + name for name in ("last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change")
)


@dataclass(frozen=True, slots=True)
class Form:
    """The shape in which rows are printed."""

    fields: tuple[str, ...] | None  # None: ids and adapters only
    details: bool = False
    short_keys: bool = False
    nulls: bool = False  # v1 null_for_non_exist
    raw_tree: bool = True  # the field `specific_data` exists
    iso_dates: bool = False
    newest: bool = False  # the merged dates of NEWEST come as one bare value
    distinct: bool = False  # merged lists hold no value twice
    excluded: tuple[str, ...] = ()  # keys that are left out, whoever adds them
    shapes: Shapes | None = None  # drawn ones, in place of those that the field's kind suggests


def moment(seconds: int, *, iso: bool) -> str:
    """A date as the server writes it: RFC 1123, or ISO 8601."""
    then = datetime.fromtimestamp(seconds, UTC)
    return then.isoformat() if iso else format_datetime(then, usegmt=True)


_OTHER_WEEKDAY = {"Mon": "Thu", "Tue": "Fri", "Wed": "Sat", "Thu": "Sun", "Fri": "Mon", "Sat": "Tue", "Sun": "Wed"}


def written(stamp: Stamp, *, iso: bool) -> str:
    """A date in the form that it drifted to, or in the form of the house."""
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


def project(specimen: Specimen, form: Form, variant: int = 0) -> dict[str, Json]:
    """The record that *form* asks for, holes left open. *variant*: which of the drawn shapes deviate."""
    record = {
        key: value
        for key, value in _wanted(specimen, form, variant).items()
        if key == "internal_axon_id" or key not in form.excluded
    }
    if form.short_keys:
        record = {short(key): value for key, value in record.items()}
    return {key: _dated(value, iso=form.iso_dates) for key, value in record.items()}


def short(key: str) -> str:
    """The short key with which 6.1.67 answers (docs/axonius-api.md, "Records")."""
    if key.startswith(AGGREGATED):
        return key.removeprefix(AGGREGATED)
    if key.startswith(_ADAPTER):
        adapter, _, name = key.removeprefix(_ADAPTER).partition(".")
        return f"{adapter.removesuffix('_adapter')}.{name}"
    return key


def _wanted(specimen: Specimen, form: Form, variant: int) -> dict[str, Json]:
    record: dict[str, Json] = {"internal_axon_id": ID, "adapters": specimen.adapters}
    if form.fields is None:
        return record
    if specimen.family.counted:
        record["adapter_list_length"] = len(set(specimen.adapters))
    labels = specimen.flat.get("labels", specimen.labels or None)
    if labels is not None:
        record["labels"] = _shaped("labels", labels, form, variant)
    for name in dict.fromkeys((*specimen.family.echoed, *form.fields)):
        if name not in record:
            _add(record, name, specimen, form, variant)
    if form.details:
        record |= extras(specimen)
    return record | specimen.stray


def _add(record: dict[str, Json], name: str, specimen: Specimen, form: Form, variant: int) -> None:
    value = _shaped(name, merged(name, value_of(specimen, name, raw_tree=form.raw_tree), form), form, variant)
    if value is not None or name in specimen.flat:
        record[name] = value
        if form.details and name != "specific_data":
            record[f"{name}_details"] = _detailed(name, value, specimen, form, variant)
    elif form.nulls:
        record[name] = None


def _shaped(name: str, value: Json, form: Form, variant: int) -> Json:
    return value if form.shapes is None else form.shapes.shaped(name, value, variant)


def _detailed(name: str, value: Json, specimen: Specimen, form: Form, variant: int) -> list[Json]:
    found = details(specimen, name, value)
    return found if form.shapes is None else form.shapes.detailed(name, found, variant)


def merged(name: str, value: Json, form: Form) -> Json:
    """What several adapters say as the server merges it; values that are no list of the aggregated kind stay."""
    if not name.startswith(AGGREGATED) or not isinstance(value, list):
        return value
    if form.newest and name in NEWEST and form.shapes is None:
        return newest(value)
    return distinct(value) if form.distinct else value


def value_of(specimen: Specimen, name: str, *, raw_tree: bool = True) -> Json:
    """The value of any requested field, sub-fields of complex ones included; None when missing."""
    if name in specimen.flat:
        return specimen.flat[name]
    if name == "specific_data":
        return tree(specimen) if raw_tree else None
    root = _complex_root(specimen, name)
    return None if root is None else (leaves(specimen.flat[root], name[len(root) + 1 :]) or None)


def _complex_root(specimen: Specimen, name: str) -> str | None:
    roots = (root for root in specimen.flat if name.startswith(root + "."))
    return next((root for root in roots if isinstance(specimen.flat[root], list)), None)


def _dated(value: Json, *, iso: bool) -> Json:
    if isinstance(value, Stamp):
        return written(value, iso=iso)
    if isinstance(value, list):
        return [_dated(member, iso=iso) for member in value]
    if isinstance(value, dict):
        return {key: _dated(member, iso=iso) for key, member in value.items()}
    return value
