"""One table of the file: its keys are checked, ${…} is expanded, values get the types of the settings.

Every mistake is a `ConfigError` that starts with its place. Apart from days no message repeats a string of the file,
which may be a misplaced secret.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from axsync.errors import ConfigError
from axsync.settings import MIB, nearest

Environ = Mapping[str, str]
Table = dict[str, Any]  # what TOML calls a table
Hints = Mapping[str, Any]  # keys and the types of their values

_EXPANSION = re.compile(
    r"\$\$\{|\$\{(?:file:(?P<file>[^}]+)|(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?)\}|\$\{", re.ASCII
)
MOST_OF_A_FILE = MIB
"""Of ${file:PATH}: a larger one is no value of a setting, and a device may have no end."""
_SIZE = re.compile(r"([0-9]{1,15}) ?(?:([KMGT])(I?))?B", re.IGNORECASE)
_WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[str, ...]: "a list of strings",
}


@contextmanager
def place(words: str) -> Iterator[None]:
    """Errors inside start with these words."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{words} {error}") from error


def read_table(container: Table, name: str, hints: Hints, environ: Environ | None) -> Table:
    """The typed values of one table; empty if it is absent. Without variables, ${…} is plain text."""
    table = container.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"must be a table, not {_described(table)}")
    refuse_unknown(table, hints)
    return {key: convert(key, _expand(key, value, environ), hints[key]) for key, value in table.items()}


def named_tables(document: Table, name: str) -> Table:
    """The tables [NAME.*] of the file; empty without any."""
    tables = document.get(name, {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{name} must be written as tables such as [{name}.NAME]")
    return tables


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Refuse a misspelled key, with the known one that was probably meant."""
    for key in given:
        if key not in known:
            raise ConfigError(f"unknown key {key!r}{nearest(key, known)}")


def hints_of(kind: type) -> dict[str, Any]:
    """The fields of a class of settings, and their types with bounds."""
    return get_type_hints(kind, include_extras=True)


def _expand(key: str, value: object, environ: Environ | None) -> object:
    """The value with each ${…} replaced, in a string or in the strings of a list."""
    if environ is None:
        return value
    if isinstance(value, list):
        return [_expand(key, item, environ) if isinstance(item, str) else item for item in value]
    if not isinstance(value, str):
        return value
    with place(key):
        return _EXPANSION.sub(lambda found: _replacement(found, environ), value)


def _replacement(found: re.Match[str], environ: Environ) -> str:
    name, default, file = found["name"], found["default"], found["file"]
    if found[0] == "$${":
        return "${"
    if file:
        return _content(Path(file))
    if not name:
        raise ConfigError(
            "has a '${' that is not ${VAR}, ${VAR:-default} or ${file:PATH}; write '$${' for a literal '${'"
        )
    value = environ.get(name, default) if default is None else environ.get(name) or default
    if value is None:
        raise ConfigError(f"needs the environment variable {name}, which is not set")
    return value


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(MOST_OF_A_FILE + 1)
        if len(found) > MOST_OF_A_FILE:
            raise ConfigError(f"needs the file {str(path)!r}, which is larger than {MOST_OF_A_FILE // MIB} MiB")
        return found.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"needs the file {str(path)!r}, which cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"needs the file {str(path)!r}, which is not UTF-8 text") from error


def convert(key: str, given: object, hint: Any) -> Any:  # noqa: ANN401  typing has no type for hints
    """The value in the type of its setting; a size becomes a number of bytes, a date a text. Raises: ConfigError."""
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if isinstance(given, str) and key.endswith("_bytes"):
        return _size(key, given)
    if type(given) is date:
        given = given.isoformat()
    try:
        return msgspec.convert(given, base)
    except msgspec.ValidationError:  # its text repeats the value
        told = "" if isinstance(given, str) and _has_words(base) else _described(given)
        raise ConfigError(f"{key} must be {_in_words(base)}{told and ', not '}{told}") from None


def _has_words(hint: Any) -> bool:  # noqa: ANN401  typing has no type for hints
    """Whether one of some words is meant, and another one was given."""
    return any(get_origin(one) is Literal for one in (hint, *get_args(hint)))


def _size(key: str, text: str) -> int:
    if not (matched := _SIZE.fullmatch(text.strip())):
        raise ConfigError(f"{key} must be a number of bytes or a size such as 256MiB or 64MB")
    power = " KMGT".index((matched[2] or " ").upper())
    return int(matched[1]) * int((1024 if matched[3] else 1000) ** power)


def _in_words(hint: Any) -> str:  # noqa: ANN401  typing has no type for hints
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    return " or ".join(_in_words(one) for one in get_args(hint) if one is not NoneType)


def _described(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and abs(given) >= 10**15:
        return "a number that large"
    names = {str: "a string", int: "a whole number", float: "a decimal number", dict: "a table", list: "this list"}
    return names.get(type(given), "a date or time")
