"""Numbers and bools that are served as strings: which string denotes which value, and back.

    integer  "text"        "5", "-17"
    number   "text"        "7.0", "9.8": the shortest text of the double
    number   "short text"  "7", "9.8": the same, without a fraction of zero
    bool     "true/false"  and "True/False", "TRUE/FALSE"

A string counts only if writing its value again reproduces it exactly.
"""

import re
from typing import Final

from axsync.schema.fields import Atom

INT64: Final = (-(2**63), 2**63 - 1)
BOOL_TEXTS: Final = ("true/false", "True/False", "TRUE/FALSE")
NUMBER_TEXTS: Final = ("text", "short text")

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?")


def is_text(atom: Atom) -> bool:
    """Whether values of this kind are served as strings but have another type."""
    return bool(atom.form) and atom.name in {"integer", "number", "bool"} and atom.form != "0/1"


def parse(text: str, atom: Atom) -> int | float | bool | None:
    """The value, iff `write` reproduces this string."""
    if atom.name == "integer":
        number = int(text) if _INTEGER.fullmatch(text) else None
        return number if number is not None and INT64[0] <= number <= INT64[1] else None
    if atom.name == "number":
        value = float(text) if _NUMBER.fullmatch(text) else None
        return value if value is not None and write(value, atom) == text else None
    yes, _, no = atom.form.partition("/")
    return {yes: True, no: False}.get(text)


def write(value: float, atom: Atom) -> str:
    """The string served for this value."""
    if atom.name == "bool":
        yes, _, no = atom.form.partition("/")
        return yes if value else no
    return repr(value).removesuffix(".0") if atom.form == "short text" else repr(value)
