"""Loads `Settings` from TOML and the environment; every mistake is one sentence that says where it is.

The sentences name keys and numbers. Apart from days they repeat no string of the file, which may be a misplaced secret.
"""

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from axsync.config.credentials import REFERENCES, VARIABLES, chosen_by_credential, credential_of, stored_values
from axsync.config.expansion import Environ, expanded, place
from axsync.config.fitting import fitting, shown
from axsync.errors import ConfigError, LakeError, NoFile, NoInstance
from axsync.settings import (
    DEFAULT_ENTITY,
    CredentialReference,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
    Settings,
    nearest,
    normal_url,
)

FILE_NAME = "axsync.toml"
"""Read from the working directory if no file is named."""

LAKE_VARIABLE = "AXSYNC_LAKE"
FILES = ("ca_file", "client_cert", "client_key")
CREDENTIALS = "credentials"
LONGEST_NAME = 255  # of a file or folder, in bytes, on all common file systems
LONGEST_LAKE = 3072  # of 4096 (PATH_MAX on Linux); the rest is for paths inside the lake
SHOWN = 40
_TWICE = re.compile(r"Cannot declare \((.*)\) twice")  # tomllib's message about a duplicate table

Table = dict[str, Any]  # what TOML calls a table
Hints = Mapping[str, Any]  # keys and the types of their values


def load_settings(
    path: Path | None = None,
    *,
    environ: Environ | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of a run from a file, the environment and the command line; the later take precedence.

    Without `path`, `axsync.toml` in the working directory is read if it exists. If the file names no instance, AX_URL,
    AX_KEY and AX_SECRET make one called `default`. Keys of `overrides` are `lake`, the fields of `RunSettings`, and
    `credentials`: stored names that choose the instances which use them. None and empty lists count as not given.
    Nothing is written, no secret is read.

    Raises: ConfigError; UnknownCredential and StoreError if a URL has to come from the credential store.
    """
    environ = os.environ if environ is None else environ
    found, document = _found(path)
    with place(f"{found}:"):
        lake = _lake(document, environ)
        with place("[run]"):
            run = RunSettings(**_values(document, "run", _hints(RunSettings), environ))
        instances, entities = _instances(document, environ), _entities(document, environ)
    given = dict(overrides or {})
    if names := given.pop(CREDENTIALS, None):
        run, instances = _by_credential(run, instances, names, environ, given)
    if not instances:
        where = f"{found} names no instance" if found else f"there is no {FILE_NAME} here"
        instances = (_instance_of_environment(environ, where),)
    lake, run = _overridden(lake, run, environ, given)
    return Settings(lake, instances, entities, run)


def _by_credential(
    run: RunSettings, instances: tuple[InstanceSettings, ...], names: object, environ: Environ, given: Table
) -> tuple[RunSettings, tuple[InstanceSettings, ...]]:
    """Only the instances of these credentials, whatever instances the file selects."""
    if given.get("instances"):
        raise ConfigError("instances and credentials cannot both be selected")
    wanted = fitting(CREDENTIALS, names, tuple[str, ...])
    return replace(run, instances=()), chosen_by_credential(instances, wanted, environ)


def load_lake(path: Path | None = None, *, environ: Environ | None = None, uri: str | None = None) -> LakeSettings:
    """The settings of the lake, from the same sources as `load_settings`. `uri` takes precedence.

    Raises: ConfigError.
    """
    environ = os.environ if environ is None else environ
    found, document = _found(path)
    with place(f"{found}:"):
        lake = _lake(document, environ)
    return _overridden(lake, RunSettings(), environ, {"lake": uri})[0]


def check_lake(uri: str) -> None:
    """Check that a lake can be created or written here, without creating anything. Object stores are not contacted.

    Raises: LakeError, and ConfigError for an invalid address.
    """
    lake = LakeSettings(uri=uri).path
    if lake is None:
        return
    _refuse_long(lake.absolute())
    existing = next(place for place in (lake.absolute(), *lake.absolute().parents) if os.path.lexists(place))
    if not existing.is_dir():
        raise LakeError(f"the lake {str(lake)!r} cannot be created, because {str(existing)!r} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise LakeError(f"the lake {str(lake)!r} cannot be written: no permission to write in {str(existing)!r}")
    try:
        # Permissions are not enough: /proc and /sys accept no files from anybody. This file has no name and vanishes.
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        told = f"no file can be created in {str(existing)!r} ({error.strerror})"
        raise LakeError(f"the lake {str(lake)!r} cannot be written: {told}") from error


def _refuse_long(lake: Path) -> None:
    longest = max(len(os.fsencode(part)) for part in lake.parts)
    if longest > LONGEST_NAME or len(os.fsencode(lake)) > LONGEST_LAKE:
        bounds = f"{LONGEST_LAKE} bytes, or a name in it longer than {LONGEST_NAME}"
        raise LakeError(f"the lake {str(lake)[:SHOWN]!r}… cannot be created: its path is longer than {bounds}")


def _found(path: Path | None) -> tuple[Path | None, Table]:
    found = path or (Path(FILE_NAME) if Path(FILE_NAME).exists() else None)
    return found, _parsed(found) if found else {}


def _lake(document: Table, environ: Environ) -> LakeSettings:
    _refuse_unknown(document, ["lake", "instances", "entities", "run"])
    with place("[lake]"):
        return LakeSettings(**_values(document, "lake", _hints(LakeSettings), environ))


def _parsed(path: Path) -> Table:
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # reading a pipe would wait for its writer
            raise ConfigError(f"{path}: is not a regular file")
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise NoFile(f"there is no configuration file {str(path)!r}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        at = re.search(r"(.*) \(at (.*)\)$", str(error), re.DOTALL)
        twice = at and _TWICE.fullmatch(at[1])
        told = f", {at[2]}: {at[1]}" if at else ""
        if at and twice:
            name = ".".join(re.findall(r"'([^']*)'", twice[1]))
            raise ConfigError(f"{path}: table [{name}] is defined twice, the second time at {at[2]}") from error
        raise ConfigError(f"{path}: is not valid TOML{told}") from error


def _values(container: Table, name: str, hints: Hints, environ: Environ) -> Table:
    """The typed values of one table; empty if it is absent."""
    table = container.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"must be a table, not {shown(table)}")
    _refuse_unknown(table, hints)
    return {key: fitting(key, expanded(key, value, environ), hints[key]) for key, value in table.items()}


def _instances(document: Table, environ: Environ) -> tuple[InstanceSettings, ...]:
    return tuple(_instance(tables, name, environ) for tables in [_tables(document, "instances")] for name in tables)


def _instance(tables: Table, name: str, environ: Environ) -> InstanceSettings:
    hints = _hints(InstanceSettings) | dict.fromkeys(REFERENCES, str)
    del hints["name"]  # it is the name of the table
    with place(f"[instances.{name}]"):
        values = _values(tables, name, hints, environ)
        references: dict[str, str] = {key: values.pop(key) for key in REFERENCES if key in values}
        credential = credential_of(references)
        if "url" not in values:
            values |= {"url": ""} | stored_values(credential, environ, values)
        instance = InstanceSettings(name, credential=credential, **values)
        for key in FILES:
            if (named := getattr(instance, key)) and not Path(named).is_file():
                raise ConfigError(f"{key} names a file that does not exist")
    return instance


def _instance_of_environment(environ: Environ, where: str) -> InstanceSettings:
    if missing := [name for name in VARIABLES if name not in environ]:
        raise NoInstance(f"{where}; set AX_URL, AX_KEY and AX_SECRET (not set: {', '.join(missing)})")
    for name in VARIABLES:
        if not environ[name].strip():
            raise ConfigError(f"{name} is empty")
    url = normal_url(environ["AX_URL"], called="AX_URL")
    return InstanceSettings("default", url, CredentialReference("env:AX_KEY", "env:AX_SECRET"))


def _entities(document: Table, environ: Environ) -> dict[str, EntitySettings]:
    tables = _tables(document, "entities")
    if "*" in tables and DEFAULT_ENTITY in tables:
        raise ConfigError(f'[entities.{DEFAULT_ENTITY}] and [entities."*"] mean the same; write one of them')
    tables = {DEFAULT_ENTITY if name == "*" else name: table for name, table in tables.items()}
    default: Table = {}
    settings = {}
    for name in sorted(tables, key=lambda name: name != DEFAULT_ENTITY):
        with place(f"[entities.{name}]"):
            own = _values(tables, name, _hints(EntitySettings), environ)
            settings[name] = EntitySettings(**_inherited(default, own))
            if name == DEFAULT_ENTITY and "type" in own:
                raise ConfigError("type can only be set in a table with a name of its own")
        default = own if name == DEFAULT_ENTITY else default
    if named := {name: one.type for name, one in settings.items() if one.type not in ("", name)}:
        _refuse_misnamed(named)
    return settings


def _refuse_misnamed(tables: Mapping[str, str]) -> None:
    """Check against the known types before anything is sent; types that only the server knows are checked later."""
    # Only if a table has a type, since these modules are slow to import.
    from axsync.api import KNOWN_ENTITIES  # noqa: PLC0415
    from axsync.schema.selection import refuse_misnamed  # noqa: PLC0415

    refuse_misnamed(tables, KNOWN_ENTITIES)


def _inherited(default: Table, own: Table) -> Table:
    # query and saved_query exclude each other: setting one drops the inherited other, and its columns.
    asks = {"query", "saved_query"}
    left = {key: value for key, value in default.items() if not (key in asks and asks & own.keys())}
    if left.get("fields") == "saved-query" and "saved_query" not in left | own:
        del left["fields"]
    return left | own


def _overridden(
    lake: LakeSettings, run: RunSettings, environ: Environ, overrides: Mapping[str, object]
) -> tuple[LakeSettings, RunSettings]:
    hints = _hints(RunSettings) | {"lake": str}
    _refuse_unknown(overrides, hints)
    given = {k: fitting(k, v, hints[k]) for k, v in overrides.items() if v is not None and v not in ((), [])}
    if LAKE_VARIABLE in environ and "lake" not in given:
        with place(f"{LAKE_VARIABLE}:"):
            lake = replace(lake, uri=environ[LAKE_VARIABLE])
    if "lake" in given:
        with place("lake:"):
            lake = replace(lake, uri=given.pop("lake"))
    return lake, replace(run, **given)


def _tables(document: Table, name: str) -> Table:
    tables = document.get(name, {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{name} must be written as tables such as [{name}.NAME]")
    return tables


def _refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"unknown key {key!r}{nearest(key, known)}")


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
