"""The rescue column: JSON text of an object from paths to values exactly as served.

A path is a field name, followed by steps if only a part of the field's value had to be rescued:

    specific_data.data.cvss[2]                        third element
    specific_data.data.network_interfaces[0].mac      its key `mac`
    os["type"]                                        a first step always has brackets: field names have dots
    tags[0]["a b"]                                    a key that is no identifier is a JSON string in brackets
    ["strange[name]"][1]                              so is a field name that is empty, has a `[` or opens with `"`
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from axsync.convert import exact

Step: TypeAlias = int | str

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP = re.compile(r'\[(\d+)\]|\.([A-Za-z_][A-Za-z0-9_]*)|\[("(?:[^"\\]|\\.)*")\]', re.DOTALL)
_QUOTED = re.compile(r'\[("(?:[^"\\]|\\.)*")\]', re.DOTALL)


def join_path(field: str, steps: Sequence[Step] = ()) -> str:
    """The path of a field, or of a part of its value."""
    head = f"[{exact.dump(field)}]" if not field or "[" in field or field[0] == '"' else field
    return head + "".join(_step(step, first=not place) for place, step in enumerate(steps))


def split_path(path: str) -> tuple[str, tuple[Step, ...]]:
    """Field and steps of a path; the inverse of `join_path`.

    Raises: ValueError if the text is not a path.
    """
    quoted = _QUOTED.match(path)
    end = quoted.end() if quoted else path.find("[")
    field = _unquote(quoted[1]) if quoted else path[: end if end >= 0 else len(path)]
    steps: list[Step] = []
    while 0 <= end < len(path):
        match = _STEP.match(path, end)
        if match is None:
            raise ValueError(f"{path!r} is not a path of the rescue column")
        steps.append(_read_step(match))
        end = match.end()
    return field, tuple(steps)


def text(rescued: Mapping[str, str]) -> str:
    """The JSON object of these paths; the values are JSON texts already and stay unchanged."""
    return "{" + ",".join(f"{exact.dump(path)}:{value}" for path, value in rescued.items()) + "}"


def parse(rescued: str) -> dict[str, exact.Value]:
    """Path → exact value; the inverse of `text`."""
    read = exact.read(rescued, levels=exact.DEPTH + 1)
    if not isinstance(read, dict):
        raise TypeError("the rescue column holds JSON objects")
    return read


def _step(step: Step, *, first: bool) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if not first and _PLAIN_KEY.fullmatch(step) else f"[{exact.dump(step)}]"


def _read_step(match: re.Match[str]) -> Step:
    number, key, quoted = match.groups()
    if number is not None:
        return int(number)
    return key if key is not None else _unquote(quoted)


def _unquote(quoted: str) -> str:
    return str(exact.read(quoted))
