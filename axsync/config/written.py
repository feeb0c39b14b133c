"""Settings as one JSON document, for a process on another machine, and back again. Secrets are references, as ever.

Its tables are those of the settings file, without what is as by default. Nothing is expanded when it is read: that is
done already. So commands of [run] are left out, in whose words the value of a variable may be.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import msgspec

from axsync.config.instances import instance_hints, take_credential
from axsync.config.tables import Table, convert, hints_of, named_tables, place, refuse_unknown
from axsync.errors import ConfigError
from axsync.settings import (
    CredentialReference,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
    Settings,
)

_COMMANDS = frozenset({"on_finish", "inventory"})
_TABLES = ("lake", "instances", "entities", "run")


def written_settings(settings: Settings) -> Table:
    """The document."""
    return {
        "lake": _written(settings.lake),
        "instances": {one.name: _instance(one) for one in settings.instances},
        "entities": {name: _written(one) for name, one in settings.entities.items()},
        "run": {key: value for key, value in _written(settings.run).items() if key not in _COMMANDS},
    }


def _written(settings: Any) -> Table:  # noqa: ANN401  any class of settings
    """What differs from the defaults, in plain JSON values."""
    told = {one.name: getattr(settings, one.name) for one in fields(settings)}
    usual = {one.name: one.default for one in fields(settings) if one.default is not MISSING}
    return {key: msgspec.to_builtins(value) for key, value in told.items() if key not in usual or value != usual[key]}


def _instance(settings: InstanceSettings) -> Table:
    table = _written(settings)
    del table["name"], table["credential"]
    found = settings.credential
    if isinstance(found, CredentialReference):
        return table | {"api_key": found.api_key, "api_secret": found.api_secret}
    return table | {"credential": found.name}


def settings_written(document: Mapping[str, object]) -> Settings:
    """The settings of a document. Raises: ConfigError."""
    refuse_unknown(document, _TABLES)
    tables = dict(document)
    instances = named_tables(tables, "instances")
    entities = {
        name: EntitySettings(**_typed(table, hints_of(EntitySettings), f"[entities.{name}]"))
        for name, table in named_tables(tables, "entities").items()
    }
    return Settings(
        LakeSettings(**_typed(tables.get("lake", {}), hints_of(LakeSettings), "[lake]")),
        tuple(_read_instance(name, table) for name, table in instances.items()),
        entities,
        RunSettings(**_typed(tables.get("run", {}), hints_of(RunSettings), "[run]")),
    )


def _read_instance(name: str, table: object) -> InstanceSettings:
    values = _typed(table, instance_hints(), f"[instances.{name}]")
    with place(f"[instances.{name}]"):
        credential = take_credential(values)
        if "url" not in values:
            raise ConfigError("has no url")
        return InstanceSettings(name, credential=credential, **values)


def _typed(table: object, hints: Mapping[str, Any], where: str) -> Table:
    with place(where):
        if not isinstance(table, dict):
            raise ConfigError("must be a table")
        refuse_unknown(table, hints)
        return {key: convert(key, value, hints[key]) for key, value in table.items()}
