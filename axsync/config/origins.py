"""The settings in force, and where each is from: an option, a variable, a line of the file, the store, the default."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from axsync.config.documented import KeyPath, key_lines
from axsync.config.instances import FROM_STORE, REFERENCES, VARIABLES
from axsync.config.inventory import FOLDER, files_beside
from axsync.config.loading import LAKE_VARIABLE, QUESTION, load_settings, read_file
from axsync.config.tables import Environ, Table
from axsync.settings import (
    DEFAULT_ENTITY,
    CredentialReference,
    EntitySettings,
    InstanceSettings,
    Settings,
    StoredCredential,
)

DEFAULT = "default"
_OPTIONS = {"logical_date": "--date", "entities": "command line", "instances": "--instance", "tags": "--tag"}
_LOOKED_INTO = ("uri", "url")
"""Keys whose ${…} is replaced when they are shown: they are refused where they hold a secret."""


_DEFAULTS = {one.name: one.default for one in fields(InstanceSettings) if one.default is not MISSING}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its table, such as `instances.prod`, its key, its value, and where that is from."""

    table: str
    key: str
    value: Any  # of TOML, or None
    origin: str

    @property
    def is_beside(self) -> bool:
        """Whether it is set in a file of `instances.d`."""
        return self.origin.endswith(".toml") and Path(self.origin).parent.name == FOLDER


def in_force(
    path: Path | str | None = None, *, environ: Environ | None = None, overrides: Mapping[str, object] | None = None
) -> tuple[Setting, ...]:
    """The settings that `load_settings` makes of the same, one by one. Secrets are references, as everywhere.

    A text with ${…} is shown as it is written, but for addresses: what is put in its place may be a secret.
    Raises: as `load_settings`.
    """
    environ = os.environ if environ is None else environ
    given = {k: v for k, v in (overrides or {}).items() if v is not None and v not in ((), [])}
    settings = load_settings(path, environ=environ, overrides=overrides)
    found, text, document = read_file(path)
    further = {str(file): read_file(file)[2].get("instances", {}) for file in files_beside(found)}
    beside = {name: file for file, tables in further.items() for name in tables}
    elsewhere = {"instances": {name: table for tables in further.values() for name, table in tables.items()}}
    sources = _Sources(f"{found}", document, elsewhere, key_lines(text), environ, given, beside)
    return tuple(sources.of(settings))


@dataclass(frozen=True, slots=True)
class _Sources:
    """All that settings are read from."""

    file: str
    document: Table
    elsewhere: Table  # what the files beside it have
    lines: Mapping[KeyPath, int]
    environ: Environ
    given: Mapping[str, object]
    beside: Mapping[str, str]  # instance → its file, where that is another one

    def of(self, settings: Settings) -> Iterator[Setting]:
        kept = settings.lake.retention
        unset = {"keep_days": kept.days, "keep_snapshots": kept.last or None}  # their defaults depend on other rules
        for one in fields(settings.lake):
            value = getattr(settings.lake, one.name)
            value = unset.get(one.name) if value is None else value
            yield self._setting(("lake", one.name), value, self._of_lake(one.name))
        for instance in settings.chosen():
            yield from self._instance(instance, settings)
        yield from self._entities(settings)
        for one in fields(settings.run):
            yield self._setting(("run", one.name), getattr(settings.run, one.name), self._of_run(one.name))

    def _setting(self, path: KeyPath, value: object, origin: str = "") -> Setting:
        """A setting of the file or of the default, unless it has another origin."""
        written = _at(self.elsewhere if path[1] in self.beside else self.document, path)
        in_file = not origin or origin == self.beside.get(path[1])
        if in_file and isinstance(written, str) and "${" in written and path[-1] not in _LOOKED_INTO:
            value = written
        *table, key = path
        return Setting(".".join(table), key, value, origin or self._in_file(path) or DEFAULT)

    def _in_file(self, path: KeyPath) -> str:
        if _at(self.document, path) is None:
            return ""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        return self.file if line is None else f"{self.file}:{line}"

    def _of_lake(self, key: str) -> str:
        if key != "uri":
            return ""
        return "--lake" if "lake" in self.given else LAKE_VARIABLE if LAKE_VARIABLE in self.environ else ""

    def _of_run(self, key: str) -> str:
        option = _OPTIONS.get(key, f"--{key.replace('_', '-')}")
        if key not in self.given:
            return ""
        file = self._in_file(("run", key)) if key == "skip" else ""
        return f"{file}, {option}" if file else option

    def _instance(self, instance: InstanceSettings, settings: Settings) -> Iterator[Setting]:
        table = ("instances", instance.name)
        there = _at(self.document, table) is not None
        stored = instance.credential.name if isinstance(instance.credential, StoredCredential) else ""
        printed = "inventory" if settings.run.inventory and not there else ""
        elsewhere = self.beside.get(instance.name, printed)
        fallback = elsewhere or ("" if there else "--credential" if stored else "variables")
        for key, value in _keys(instance):
            origin = ""
            if elsewhere:
                origin = elsewhere if value != _DEFAULTS.get(key) else ""
            elif key == "url" and not there and not stored:
                origin = VARIABLES[0]
            elif key in REFERENCES:
                origin = fallback
            elif stored and key in FROM_STORE and _at(self.document, (*table, key)) is None:
                origin = f"credential {stored}" if value else ""
            yield self._setting((*table, key), value, origin)

    def _entities(self, settings: Settings) -> Iterator[Setting]:
        """All of the default table; of the others what they set, by themselves or on the command line."""
        default = settings.entities.get(DEFAULT_ENTITY) or EntitySettings()
        star = _at(self.document, ("entities", "*")) is not None
        for one in fields(default):
            if one.name != "type":
                path = ("entities", "*" if star else DEFAULT_ENTITY, one.name)
                yield self._setting(path, getattr(default, one.name))
        named = self.given.get("entities", ()) if QUESTION & self.given.keys() else ()
        for name, entity in settings.entities.items():
            for one in fields(entity) if name != DEFAULT_ENTITY else ():
                path = ("entities", name, one.name)
                asked = isinstance(named, list | tuple) and name in named and one.name in self.given
                origin = f"--{one.name.replace('_', '-')}" if asked and one.name in QUESTION else ""
                if origin or _at(self.document, path) is not None:
                    yield self._setting(path, getattr(entity, one.name), origin)


def _keys(instance: InstanceSettings) -> Iterator[tuple[str, object]]:
    """The keys of an instance as a file has them."""
    for one in fields(instance):
        value = getattr(instance, one.name)
        if isinstance(value, StoredCredential):
            yield "credential", value.name
        elif isinstance(value, CredentialReference):
            yield "api_key", value.api_key
            yield "api_secret", value.api_secret
        elif one.name != "name":
            yield one.name, value


def _at(document: object, path: KeyPath) -> object:
    """What a document has at a path; None if it has nothing there."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document
