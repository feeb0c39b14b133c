"""Bounds of numbers, written in the type, and the one check of them."""

from dataclasses import dataclass
from typing import Annotated, get_args, get_origin, get_type_hints

from axsync.errors import ConfigError

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40


@dataclass(frozen=True, slots=True)
class Between:
    """The smallest and the largest valid number."""

    low: float
    high: float


Bytes = Annotated[int, Between(4 * KIB, TIB)]
Seconds = Annotated[float, Between(0.1, 86_400)]


def _bounds(kind: type) -> dict[str, Between]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Annotated}


def check_bounds(value: object) -> None:
    for name, bounds in _bounds(type(value)).items():
        given = getattr(value, name)
        if given is not None and not bounds.low <= given <= bounds.high:
            low, high, told = (_number(number, name) for number in (bounds.low, bounds.high, given))
            raise ConfigError(f"{name} must be between {low} and {high}, not {told}")


def _number(given: float, name: str) -> str:
    for unit, text in ((TIB, "TiB"), (KIB, "KiB")):
        if name.endswith("_bytes") and given >= unit and given % unit == 0:
            return f"{given // unit}{text}"
    # Python refuses to print integers of thousands of digits.
    return "a number as big as that" if abs(given) >= 10**15 else str(given)
