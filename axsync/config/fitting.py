"""Converts TOML values to the types of the settings."""

import re
from datetime import date
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from axsync.errors import ConfigError

_SIZE = re.compile(r"([0-9]{1,15}) ?(?:([KMGT])(I?))?B", re.IGNORECASE)


def fitting(key: str, given: object, hint: Any) -> Any:  # noqa: ANN401  typing has no type for hints
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(given, str) and key.endswith("_bytes"):
        return _size(key, given)
    if type(given) is date:
        given = given.isoformat()
    try:
        return msgspec.convert(given, base)
    except msgspec.ValidationError:  # its text repeats the value
        told = "" if isinstance(given, str) and base is not str and get_origin(base) is Literal else shown(given)
        raise ConfigError(f"{key} must be {_words(base)}{told and ', not '}{told}") from None


def _size(key: str, text: str) -> int:
    if not (matched := _SIZE.fullmatch(text.strip())):
        raise ConfigError(f"{key} must be a number of bytes or a size such as 256MiB or 64MB")
    power = " KMGT".index((matched[2] or " ").upper())
    return int(matched[1]) * int((1024 if matched[3] else 1000) ** power)


_WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[str, ...]: "a list of strings",
}


def _words(hint: Any) -> str:  # noqa: ANN401  typing has no type for hints
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    return " or ".join(_words(one) for one in get_args(hint) if one is not NoneType)


def shown(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and abs(given) >= 10**15:
        return "a number that large"
    names = {str: "a string", int: "a whole number", float: "a decimal number", dict: "a table", list: "this list"}
    return names.get(type(given), "a date or time")
