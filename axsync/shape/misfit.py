"""Splits one exact value into the JSON text that fits its column and the misfits, each with its place."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from axsync.fields import Atom, Group, Kind, Many
from axsync.shape import dates
from axsync.shape.exact import Number, Value, dump
from axsync.shape.rescue import Step, join_path
from axsync.shape.strict import INT64, exact_float

Steps: TypeAlias = tuple[Step, ...]
Fit: TypeAlias = "Callable[[Value, Steps, Misfits], str | None]"

_SURROGATE = re.compile("[\ud800-\udfff]")


class Misfits:
    """Collects what does not fit `field`, under its paths."""

    __slots__ = ("_field", "_rescued")

    def __init__(self, field: str, rescued: dict[str, str]) -> None:
        self._field, self._rescued = field, rescued

    def add(self, steps: Steps, value: Value) -> None:
        """Rescue the value at this place."""
        self._rescued[join_path(self._field, steps)] = dump(value)


def fit_of(kind: Kind, form: str) -> Fit:
    """The function that fits values of this kind: JSON text, or None where nothing is left of the value."""
    match kind:
        case Many(item):
            return _list_fit(fit_of(item, form))
        case Group(members):
            return _group_fit({member.key: fit_of(member.kind, form) for member in members})
        case Atom("timestamp"):
            return _timestamp_fit(form)
        case Atom(name):
            return _atom_fit(_ATOMS[name])


def _list_fit(fit: Fit) -> Fit:
    def fit_list(value: Value, steps: Steps, misfits: Misfits) -> str | None:
        if not isinstance(value, list):
            misfits.add(steps, value)
            return None
        texts = ("null" if item is None else fit(item, (*steps, place), misfits) for place, item in enumerate(value))
        return f"[{','.join(text or 'null' for text in texts)}]"

    return fit_list


def _group_fit(fits: dict[str, Fit]) -> Fit:
    def fit_group(value: Value, steps: Steps, misfits: Misfits) -> str | None:
        if not isinstance(value, dict):
            misfits.add(steps, value)
            return None
        texts = {key: fits.get(key, _unknown)(member, (*steps, key), misfits) for key, member in value.items()}
        return f"{{{','.join(f'{dump(key)}:{text}' for key, text in texts.items() if text is not None)}}}"

    return fit_group


def _unknown(value: Value, steps: Steps, misfits: Misfits) -> None:
    misfits.add(steps, value)


def _timestamp_fit(form: str) -> Fit:
    def fit_timestamp(value: Value, steps: Steps, misfits: Misfits) -> str | None:
        if isinstance(value, str) and dates.parse(value, form) is not None:
            return dump(value)
        misfits.add(steps, value)
        instant = dates.parse_any(value) if isinstance(value, str) else None
        return dump(dates.write(instant, form)) if instant is not None else None

    return fit_timestamp


def _atom_fit(text_of: Callable[[Value], str | None]) -> Fit:
    def fit_atom(value: Value, steps: Steps, misfits: Misfits) -> str | None:
        text = text_of(value)
        if text is None:
            misfits.add(steps, value)
        return text

    return fit_atom


def _text(value: Value) -> str | None:
    return dump(value) if isinstance(value, str) and not _SURROGATE.search(value) else None


def _bool(value: Value) -> str | None:
    return dump(value) if isinstance(value, bool) else None


def _integer(value: Value) -> str | None:
    if isinstance(value, Number):
        return _whole(value.text)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _whole(text: str) -> str | None:
    """The integer that this number is, where it is one that 64 bits hold."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not INT64[0] <= number <= INT64[1] or number != number.to_integral_value():
        return None
    return None if number.is_zero() and number.is_signed() and text != "-0" else str(int(number))


def _number(value: Value) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, Number)):
        return None
    if isinstance(value, Number) and value.is_token:
        return value.text
    number = exact_float(dump(value))
    return repr(number) if number is not None else None


def _date(value: Value) -> str | None:
    return dump(value) if isinstance(value, str) and dates.parse(value, dates.DAY) is not None else None


def _json(value: Value) -> str | None:
    return dump(dump(value)) if value is not None else None


_ATOMS: dict[str, Callable[[Value], str | None]] = {
    "text": _text,
    "date": _date,
    "bool": _bool,
    "integer": _integer,
    "number": _number,
    "json": _json,
    "unknown": _text,
}
