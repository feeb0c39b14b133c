"""The commented file with every option, which the package ships, and where each key of a TOML text is written."""

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files

KeyPath = tuple[str, ...]

_TRIPLE = re.compile(r"\"\"\"|'''")
_COMMENT = re.compile(r"^[^#]*#\s*(.*)$")


def documented() -> str:
    """Every option with its default and a comment, as a settings file."""
    return files("axsync.config").joinpath("axsync.toml").read_text("utf-8")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Path of each table and key → the line where it is written, from 1. Keys of inline tables are not found."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    inside = False  # of a string over several lines
    for number, line in enumerate(text.splitlines(), start=1):
        was_inside, inside = inside, inside != bool(len(_TRIPLE.findall(line)) % 2)
        if was_inside:
            continue
        if line.lstrip().startswith("["):
            table = _path(line) or table
            found.setdefault(table, number)
        elif "=" in line and (key := _path(f"{line.partition('=')[0]}= 0")):
            found.setdefault((*table, *key), number)
    return found


def _path(line: str) -> KeyPath:
    """The path that a line of TOML makes; empty where it is none."""
    try:
        document: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(document, dict) and len(document) == 1:
        [(key, document)] = document.items()
        path.append(key)
    return tuple(path)


def descriptions() -> dict[KeyPath, str]:
    """Path of each key of the commented file → its comment: behind it, or else above it."""
    lines = documented().splitlines()
    plain = "\n".join(re.sub(r"^# (?=\w+ = )", "", line) for line in lines)
    return {path: _comment(lines, number) for path, number in key_lines(plain).items()}


def _comment(lines: list[str], number: int) -> str:
    line = lines[number - 1].removeprefix("# ")
    if matched := _COMMENT.match(line):
        return matched[1]
    return " ".join(reversed(list(_above(lines[: number - 1]))))


def _above(lines: list[str]) -> Iterator[str]:
    for line in reversed(lines):
        if not line.startswith("# ") or re.match(r"# \w+ = ", line):
            return
        yield line.removeprefix("# ")
