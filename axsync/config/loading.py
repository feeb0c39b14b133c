"""Loads `Settings` from TOML, the environment and the command line. A mistake is one sentence that says where it is."""

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from axsync.api import KNOWN_ENTITIES
from axsync.config.instances import chosen_by_credential, instance_of_environment, read_instances
from axsync.config.inventory import InstanceTables, files_beside, printed_instances, refuse_twice
from axsync.config.tables import Environ, Table, convert, hints_of, named_tables, place, read_table, refuse_unknown
from axsync.errors import ConfigError, LakeError, NoFile
from axsync.schema.selection import refuse_misnamed
from axsync.settings import (
    DEFAULT_ENTITY,
    FIELD_WORDS,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
    Settings,
    moved,
)

FILE_NAME = "axsync.toml"
"""Read from the working directory if no file is named."""

LAKE_VARIABLE = "AXSYNC_LAKE"
_CREDENTIALS = "credentials"
QUESTION = frozenset({"query", "saved_query", "fields"})
"""Options of the command line that concern the entity types that it names."""
_LONGEST_NAME = 255  # of a file or folder, in bytes, on all common file systems
_LONGEST_LAKE = 3072  # of 4096 (PATH_MAX on Linux); the rest is for paths inside the lake
_SHOWN = 40
_TWICE = re.compile(r"Cannot declare \((.*)\) twice")  # tomllib's message about a duplicate table


def load_settings(
    path: Path | str | None = None,
    *,
    environ: Environ | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of a run from a file, the environment and the command line; the later take precedence.

    Without `path`, `axsync.toml` in the working directory is read if it exists. If the file names no instance, AX_URL,
    AX_KEY and AX_SECRET make one called `default`. Keys of `overrides` are `lake`, the fields of `RunSettings`,
    `credentials`: stored names that choose the instances which use them, and `query`, `saved_query` and `fields`, which
    apply to the named entity types. None and empty lists count as not given. Nothing is written, no secret is read.

    Raises: ConfigError; UnknownCredential and StoreError if a URL has to come from the credential store.
    """
    environ = os.environ if environ is None else environ
    found, document = _found(path)
    given = dict(overrides or {})
    lake = _lake(found, document, environ, given.pop("lake", None))
    with place(f"{found}:"):
        with place("[run]"):
            run = RunSettings(**read_table(document, "run", hints_of(RunSettings), environ))
        entities = _entities(document, environ)
    instances = _instances(found, document, run.inventory_command, environ)
    if names := given.pop(_CREDENTIALS, None):
        run, instances = _by_credential(run, instances, names, environ, given)
    if not instances:
        where = f"{found} names no instance" if found else f"there is no {FILE_NAME} here"
        instances = (instance_of_environment(environ, where),)
    question = {key: value for key, value in given.items() if key in QUESTION and value is not None}
    run = _overridden(run, {k: v for k, v in given.items() if k not in QUESTION})
    if question:
        entities = _asking(entities, tuple(run.wanted if given.get("entities") else ()), question)
    return Settings(lake, instances, entities, run)


def _instances(path: Path | None, document: Table, command: str, environ: Environ) -> tuple[InstanceSettings, ...]:
    """Those of the file, of the files beside it, and of the program that it names."""
    beside = [(file, _parsed(file)[1]) for file in files_beside(path)]
    for file, further in beside:
        with place(f"{file}:"):
            refuse_unknown(further, ["instances"])
    given = [InstanceTables(str(path), document, environ)]
    given += [InstanceTables(str(file), further, environ) for file, further in beside]
    given += printed_instances(command, environ)
    found = [(one.where, read_instances(one, environ)) for one in given]
    refuse_twice([(where, [instance.name for instance in instances]) for where, instances in found])
    return tuple(instance for _, instances in found for instance in instances)


def _by_credential(
    run: RunSettings, instances: tuple[InstanceSettings, ...], names: object, environ: Environ, given: Table
) -> tuple[RunSettings, tuple[InstanceSettings, ...]]:
    """Only the instances of these credentials, whatever instances the file selects."""
    if given.get("instances") or given.get("tags"):
        raise ConfigError("instances and credentials cannot both be selected")
    wanted = convert(_CREDENTIALS, names, tuple[str, ...])
    return replace(run, instances=(), tags=()), chosen_by_credential(instances, wanted, environ)


def load_lake(
    path: Path | str | None = None, *, environ: Environ | None = None, uri: str | None = None
) -> LakeSettings:
    """The settings of the lake, from the same sources as `load_settings`. `uri` takes precedence.

    Raises: ConfigError.
    """
    environ = os.environ if environ is None else environ
    found, document = _found(path)
    return _lake(found, document, environ, uri)


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
    if longest > _LONGEST_NAME or len(os.fsencode(lake)) > _LONGEST_LAKE:
        bounds = f"{_LONGEST_LAKE} bytes, or a name in it longer than {_LONGEST_NAME}"
        raise LakeError(f"the lake {str(lake)[:_SHOWN]!r}… cannot be created: its path is longer than {bounds}")


def _found(path: Path | str | None) -> tuple[Path | None, Table]:
    found, _, document = read_file(path)
    return found, document


def read_file(path: Path | str | None) -> tuple[Path | None, str, Table]:
    """The settings file, its text, and what is in it; without `path` that of the working directory, or none.

    Raises: ConfigError.
    """
    found = Path(path) if path else Path(FILE_NAME) if Path(FILE_NAME).exists() else None
    return (found, *_parsed(found)) if found else (None, "", {})


def _lake(found: Path | None, document: Table, environ: Environ, given: object) -> LakeSettings:
    """The lake of the file, or one elsewhere, which takes from the file the settings that it can have."""
    with place(f"{found}:"):
        refuse_unknown(document, ["lake", "instances", "entities", "run"])
        with place("[lake]"):
            values = read_table(document, "lake", hints_of(LakeSettings), environ)
    origin, uri = ("lake", given) if given is not None else (LAKE_VARIABLE, environ.get(LAKE_VARIABLE))
    if uri is not None:
        with place(f"{origin}:"):
            values = moved(values, LakeSettings(uri=convert("lake", uri, str)).uri)
    with place(f"{found}:"), place("[lake]"):
        return LakeSettings(**values)


def _parsed(path: Path) -> tuple[str, Table]:
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # reading a pipe would wait for its writer
            raise ConfigError(f"{path}: is not a regular file")
        text = path.read_bytes().decode("utf-8-sig")
        return text, tomllib.loads(text)
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


def _entities(document: Table, environ: Environ) -> dict[str, EntitySettings]:
    tables = named_tables(document, "entities")
    if "*" in tables and DEFAULT_ENTITY in tables:
        raise ConfigError(f'[entities.{DEFAULT_ENTITY}] and [entities."*"] mean the same; write one of them')
    tables = {DEFAULT_ENTITY if name == "*" else name: table for name, table in tables.items()}
    default: Table = {}
    settings = {}
    for name in sorted(tables, key=lambda name: name != DEFAULT_ENTITY):
        with place(f"[entities.{name}]"):
            own = read_table(tables, name, hints_of(EntitySettings), environ)
            settings[name] = EntitySettings(**_inherited(default, own))
            if name == DEFAULT_ENTITY and "type" in own:
                raise ConfigError("type can only be set in a table with a name of its own")
        default = own if name == DEFAULT_ENTITY else default
    if named := {name: one.type for name, one in settings.items() if one.type not in ("", name)}:
        refuse_misnamed(named, KNOWN_ENTITIES)  # before anything is sent; what only the server knows comes later
    return settings


def _asking(
    entities: Mapping[str, EntitySettings], named: Sequence[str], question: Mapping[str, object]
) -> dict[str, EntitySettings]:
    """The settings of entity types with what the command line says of those that it names."""
    options = " and ".join(f"--{key.replace('_', '-')}" for key in question)
    if not named:
        raise ConfigError(f"{options}: name the entity type, as in `axsync run devices {options} …`")
    if len(named) > 1 and question.keys() & {"query", "saved_query"}:
        raise ConfigError(
            f"{options}: a query is about one entity type, not about {', '.join(named)}; name one of them"
        )
    hints = hints_of(EntitySettings)
    own = {
        key: convert(key, _fields(value) if key == "fields" else value, hints[key]) for key, value in question.items()
    }
    asked = dict(entities)
    for name in named:
        before = entities.get(name) or entities.get(DEFAULT_ENTITY) or EntitySettings()
        said = {one.name: getattr(before, one.name) for one in fields(EntitySettings)}
        said = {key: value for key, value in said.items() if value != _NEUTRAL[key]}
        with place(f"{options}:"):
            asked[name] = EntitySettings(**_inherited(said, own))
    return asked


_NEUTRAL = {one.name: getattr(EntitySettings(), one.name) for one in fields(EntitySettings)}


def _fields(given: object) -> object:
    """A word such as `generic`, or names separated by commas."""
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    return names[0] if names in [[word] for word in FIELD_WORDS] else names


def _inherited(default: Table, own: Table) -> Table:
    # query and saved_query exclude each other: setting one drops the inherited other, and its columns.
    asks = {"query", "saved_query"}
    left = {key: value for key, value in default.items() if not (key in asks and asks & own.keys())}
    if left.get("fields") == "saved-query" and "saved_query" not in left | own:
        del left["fields"]
    return left | own


def _overridden(run: RunSettings, overrides: Mapping[str, object]) -> RunSettings:
    hints = hints_of(RunSettings)
    refuse_unknown(overrides, {**hints, "lake": str})
    given = {k: convert(k, v, hints[k]) for k, v in overrides.items() if v is not None and v not in ((), [])}
    return replace(run, **given | {"skip": _skipped(run, given)})


def _skipped(run: RunSettings, given: Mapping[str, Any]) -> tuple[str, ...]:
    """What is to be skipped: what the file says, unless it is named on the command line, and what is said there."""
    kept = (name for name in run.skip if name not in given.get("entities", ()))
    return tuple(dict.fromkeys((*kept, *given.get("skip", ()))))
