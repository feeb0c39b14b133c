"""Instances that stand elsewhere than in the settings file: in the files beside it, and in what a program prints.

Both have the tables of the settings file: `[instances.NAME]` there, `{"instances": {NAME: {…}}}` here. In what a
program prints nothing is expanded, since a text of a database must not reach into the environment.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axsync.config.tables import Environ, Table, place, refuse_unknown
from axsync.credentials import output_of
from axsync.errors import ConfigError

FOLDER = "instances.d"
"""Beside the settings file; its files `*.toml` name more instances."""
INVENTORY_SECONDS = 60.0
INVENTORY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class InstanceTables:
    """Tables of instances, where they are from, and the variables that may be expanded in them; None: nothing is."""

    where: str
    tables: Table
    environ: Environ | None


def files_beside(settings_file: Path | None) -> list[Path]:
    """The files that name more instances, in the order of their names."""
    return sorted((settings_file.parent / FOLDER).glob("*.toml")) if settings_file else []


def printed_instances(command: str, environ: Environ) -> Iterator[InstanceTables]:
    """What the program of `inventory` prints; nothing where none is set.

    Raises: ConfigError, which does not repeat what it printed.
    """
    if not command:
        return
    with place("[run] inventory:"):
        printed = output_of(command, environ, INVENTORY_SECONDS, INVENTORY_BYTES)
        tables = _instances(_document(printed))
        if not tables:
            raise ConfigError("names no instance; a run of none would leave all of them out of the snapshot")
    yield InstanceTables("[run] inventory", {"instances": tables}, None)


def _document(printed: bytes) -> Any:  # noqa: ANN401  JSON
    try:
        return json.loads(printed)
    except (ValueError, RecursionError) as error:
        raise ConfigError("the command does not print JSON") from error


def _instances(document: object) -> Table:
    named = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(named, dict):
        raise ConfigError('the command must print {"instances": {"NAME": {"url": …}, …}}')
    refuse_unknown(document, ["instances"])
    return named


def refuse_twice(groups: list[tuple[str, list[str]]]) -> None:
    """Refuse a name that stands in two places. `groups` are the places and the names there. Raises: ConfigError."""
    places: dict[str, str] = {}
    for where, names in groups:
        for name in names:
            if name in places:
                raise ConfigError(f"instance {name!r} is both in {places[name]} and in {where}; leave one of them")
            places[name] = where
