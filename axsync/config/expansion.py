"""Expands `${VAR}`, `${VAR:-default}` and `${file:PATH}` in strings; prefixes errors with their place."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from axsync.errors import ConfigError

Environ = Mapping[str, str]

_EXPANSION = re.compile(
    r"\$\$\{|\$\{(?:file:(?P<file>[^}]+)|(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?)\}|\$\{", re.ASCII
)


@contextmanager
def place(words: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{words} {error}") from error


def expanded(key: str, value: object, environ: Environ) -> object:
    """The value with each ${…} replaced, in a string or in the strings of a list."""
    if isinstance(value, list):
        return [expanded(key, item, environ) if isinstance(item, str) else item for item in value]
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
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"needs the file {str(path)!r}, which cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"needs the file {str(path)!r}, which is not UTF-8 text") from error
