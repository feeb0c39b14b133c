"""Splits one exact value into the JSON text that fits its column, and the mismatches with their paths.

The text is in the column's canonical form (`fields.canonical`), whatever form the server uses. A value written in
another shape than most is stored twice if possible: typed as closely as possible, and whole in the rescue column,
exactly as served.
"""

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from axsync.convert.exact import Number, Value, dump
from axsync.convert.rescue import Step, join_path
from axsync.convert.strict import exact_float
from axsync.schema import dates, forms
from axsync.schema.fields import EPOCHS, RFC1123, Atom, Group, Kind, Many, Wrapped, canonical
from axsync.schema.forms import INT64

Steps: TypeAlias = tuple[Step, ...]
Fit: TypeAlias = "Callable[[Value, Steps, Mismatches], str | None]"

_NUMERIC = re.compile(r"[ ]*[+-]?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,25})?[ ]*")
_TRUTHS = {"true": "true", "false": "false", "1": "true", "0": "false"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Mismatches:
    """Collects what does not fit `field`, under its paths."""

    __slots__ = ("_field", "_rescued")

    def __init__(self, field: str, rescued: dict[str, str]) -> None:
        self._field, self._rescued = field, rescued

    def add(self, steps: Steps, value: Value) -> None:
        """Rescue the value at this path."""
        self._rescued[join_path(self._field, steps)] = dump(value)

    def apart(self) -> "Mismatches":
        """A separate collection, for when the value around them may be rescued as a whole."""
        return Mismatches(self._field, {})

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rescued)


def fit_of(kind: Kind) -> Fit:
    """The function that fits values of this kind. It returns JSON text, or None if nothing of the value fits."""
    match kind:
        case Many(item, bare=True):
            return _bare_fit(fit_of(item), _list_fit(fit_of(item)))
        case Many(item):
            return _list_fit(fit_of(item))
        case Wrapped(item):
            return _wrapped_fit(fit_of(item))
        case Group(members):
            return _group_fit({member.key: fit_of(member.kind) for member in members})
        case Atom():
            return _atom_fit_of(kind)


def _atom_fit_of(atom: Atom) -> Fit:
    if atom.name == "json":
        return _fit_json
    if atom.name == "timestamp":
        return _atom_fit(*_timestamp_fits(atom.form or RFC1123, canonical(atom)))
    return _atom_fit(_from_form(atom) if atom.form else _ATOMS[atom.name], _COERCED[atom.name])


def _list_fit(fit: Fit) -> Fit:
    def fit_list(value: Value, steps: Steps, misfits: Mismatches) -> str | None:
        if not isinstance(value, list):
            misfits.add(steps, value)
            return _listed(fit(value, steps, misfits.apart()) if value is not None else None)
        texts = ("null" if item is None else fit(item, (*steps, place), misfits) for place, item in enumerate(value))
        return f"[{','.join(text or 'null' for text in texts)}]"

    return fit_list


def _bare_fit(fit: Fit, fit_list: Fit) -> Fit:
    def fit_bare(value: Value, steps: Steps, misfits: Mismatches) -> str | None:
        inner = misfits.apart()
        if isinstance(value, list):
            misfits.add(steps, value)
            return fit_list(value, steps, inner)
        text = fit(value, steps, inner) if value is not None else None
        if inner or text is None:
            misfits.add(steps, value)
        return _listed(text)

    return fit_bare


def _listed(text: str | None) -> str | None:
    return None if text is None else f"[{text}]"


def _wrapped_fit(fit: Fit) -> Fit:
    def fit_wrapped(value: Value, steps: Steps, misfits: Mismatches) -> str | None:
        inner = misfits.apart()
        text = _fit_first(fit, value if isinstance(value, list) else [value], steps, inner)
        if inner or text is None or not isinstance(value, list) or len(value) != 1:
            misfits.add(steps, value)
        return text

    return fit_wrapped


def _fit_first(fit: Fit, values: list[Value], steps: Steps, misfits: Mismatches) -> str | None:
    """Fit the first value that can be typed at least in part. Nested lists are skipped."""
    texts = (fit(value, steps, misfits) for value in values if value is not None and not isinstance(value, list))
    return next((text for text in texts if text is not None), None)


def _group_fit(fits: dict[str, Fit]) -> Fit:
    def fit_group(value: Value, steps: Steps, misfits: Mismatches) -> str | None:
        if not isinstance(value, dict):
            misfits.add(steps, value)
            return _fit_first(fit_group, value, steps, misfits.apart()) if isinstance(value, list) else None
        texts = {key: fits.get(key, _unknown)(member, (*steps, key), misfits) for key, member in value.items()}
        return f"{{{','.join(f'{dump(key)}:{text}' for key, text in texts.items() if text is not None)}}}"

    return fit_group


def _unknown(value: Value, steps: Steps, misfits: Mismatches) -> None:
    misfits.add(steps, value)


def _atom_fit(text_of: Callable[[Value], str | None], coerced: Callable[[Value], str | None]) -> Fit:
    def fit_atom(value: Value, steps: Steps, misfits: Mismatches) -> str | None:
        text = text_of(value)
        if text is not None:
            return text
        misfits.add(steps, value)
        if isinstance(value, list):
            return _fit_first(fit_atom, value, steps, misfits.apart())
        return coerced(value)

    return fit_atom


def _timestamp_fits(form: str, target: Kind) -> tuple[Callable[[Value], str | None], Callable[[Value], str | None]]:
    """Two functions for values in the form and in any other form; both return text in the target's form."""
    written = target.form if isinstance(target, Atom) else RFC1123

    def exactly(value: Value) -> str | None:
        if form in EPOCHS:
            whole = isinstance(value, int) and not isinstance(value, bool)
            instant = dates.of_epoch(value, form) if whole else None  # type: ignore[arg-type]  # an int
            return dump(dates.write(instant, written)) if instant is not None else None
        return dump(value) if isinstance(value, str) and dates.parse(value, form) is not None else None

    def nearly(value: Value) -> str | None:
        instant = _instant(value)
        return dump(dates.write(instant, written)) if instant is not None else None

    return exactly, nearly


def _instant(value: Value) -> int | None:
    if isinstance(value, str):
        return dates.parse_any(value)
    form = dates.epoch_form(value)
    return dates.of_epoch(value, form) if form and isinstance(value, int) else None


def _from_form(atom: Atom) -> Callable[[Value], str | None]:
    """For values served as strings, or bools served as 0 and 1."""
    if not forms.is_text(atom):
        return lambda value: _TRUTHS[str(value)] if type(value) is int and value in (0, 1) else None
    name = atom.name

    def text_of(value: Value) -> str | None:
        found = forms.parse(value, atom) if isinstance(value, str) else None
        return None if found is None else dump(found) if name == "bool" else repr(found)  # type: ignore[arg-type]

    return text_of


def _text(value: Value) -> str | None:
    return dump(value) if isinstance(value, str) and not _SURROGATE.search(value) else None


def _as_text(value: Value) -> str | None:
    """A number, a bool or an object as its JSON text."""
    if value is None or isinstance(value, str) or (isinstance(value, Number) and value.is_token):
        return None
    return _text(dump(value))


def _bool(value: Value) -> str | None:
    return dump(value) if isinstance(value, bool) else None


def _as_bool(value: Value) -> str | None:
    return _TRUTHS.get(str(value).lower()) if isinstance(value, int | str) else None


def _integer(value: Value) -> str | None:
    if isinstance(value, Number):
        return _whole(value.text)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _as_integer(value: Value) -> str | None:
    if isinstance(value, str):
        return _whole(value.strip()) if _NUMERIC.fullmatch(value) else None
    return _integer(value)


def _whole(text: str) -> str | None:
    """The integer that this number is, if it is whole and fits 64 bits."""
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


def _as_number(value: Value) -> str | None:
    """The nearest double of a numeric string, or of a number that no double equals."""
    text = value if isinstance(value, str) else dump(value) if isinstance(value, int | Number) else ""
    if isinstance(value, bool) or not _NUMERIC.fullmatch(text):
        return None
    number = float(text)
    return repr(number) if math.isfinite(number) else None


def _date(value: Value) -> str | None:
    return dump(value) if isinstance(value, str) and dates.parse(value, dates.DAY) is not None else None


def _as_date(value: Value) -> str | None:
    instant = _instant(value)
    return dump(dates.write(instant, dates.DAY)) if instant is not None else None


def _fit_json(value: Value, steps: Steps, misfits: Mismatches) -> str | None:
    if value is None:
        misfits.add(steps, value)
        return None
    return dump(dump(value))


_ATOMS: dict[str, Callable[[Value], str | None]] = {
    "text": _text,
    "date": _date,
    "bool": _bool,
    "integer": _integer,
    "number": _number,
    "unknown": _text,
}

_COERCED: dict[str, Callable[[Value], str | None]] = {
    "text": _as_text,
    "date": _as_date,
    "bool": _as_bool,
    "integer": _as_integer,
    "number": _as_number,
    "unknown": _as_text,
}
"""Typed values of what is served in another form, which is rescued as well."""
