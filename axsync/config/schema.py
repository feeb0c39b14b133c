"""The JSON Schema of a settings file, made from the classes of the settings: for editors that complete and check."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from axsync.config.documented import KeyPath, descriptions
from axsync.config.tables import hints_of
from axsync.settings import (
    DEFAULT_ENTITY,
    NAME_PATTERN,
    REFERENCE_KINDS,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
)

Schema: TypeAlias = dict[str, Any]

_EXPANDED: Schema = {"type": "string", "pattern": r"\$\{"}  # what is put in its place is checked when it is known
_REFERENCE: Schema = {"anyOf": [{"type": "string", "pattern": f"^({'|'.join(REFERENCE_KINDS)}):"}, _EXPANDED]}
_SIZE: Schema = {"type": "string", "pattern": r"^[0-9]{1,15} ?([KkMmGgTt][Ii]?)?[Bb]$"}
_PLAIN: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema_text() -> str:
    """The schema as a JSON document."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The schema of axsync.toml, draft 7. Days and the rules between keys are not part of it."""
    told = descriptions()
    entity = _table(EntitySettings, ("entities", "default"), told)
    default = {**entity, "properties": {key: one for key, one in entity["properties"].items() if key != "type"}}
    tables = {
        "lake": _table(LakeSettings, ("lake",), told),
        "instances": _named(_instance(told), NAME_PATTERN),
        "entities": {**_named(entity, rf"^\*$|{NAME_PATTERN}"), "properties": {DEFAULT_ENTITY: default, "*": default}},
        "run": _table(RunSettings, ("run",), told),
    }
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "axsync.toml"}
    return {**head, "type": "object", "properties": tables, "additionalProperties": False}


def _named(table: Schema, names: str) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": names}, "additionalProperties": table}


def _instance(told: Mapping[KeyPath, str]) -> Schema:
    made = _table(InstanceSettings, ("instances", "prod"), told)
    made["properties"].pop("name")
    made["properties"]["credential"] = {"type": "string", "description": "A name of the credential store."}
    for key in ("api_key", "api_secret", "client_key_password", "proxy_password"):
        known = made["properties"].get(key, {"description": told[("instances", "prod", key)]})
        made["properties"][key] = {k: v for k, v in known.items() if k != "type"} | _reference(key)
    own = {"required": ["url", "api_key", "api_secret"]}
    return {**made, "anyOf": [own, {"required": ["credential"]}], "not": {"required": ["credential", "api_key"]}}


def _reference(key: str) -> Schema:
    return _REFERENCE if key.startswith("api_") else {"anyOf": [*_REFERENCE["anyOf"], {"const": ""}]}


def _table(kind: type, path: KeyPath, told: Mapping[KeyPath, str]) -> Schema:
    hints, properties = hints_of(kind), dict[str, Schema]()
    for one in fields(kind):
        if one.name == "credential":  # three keys of the file
            continue
        made = _of_hint(hints[one.name], one.name)
        if text := told.get((*path, one.name)):
            made["description"] = text
        if one.default not in (MISSING, None):
            made["default"] = list(one.default) if isinstance(one.default, tuple) else one.default
        properties[one.name] = made
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_hint(hint: Any, key: str) -> Schema:  # noqa: ANN401  typing has no type for hints
    if get_origin(hint) is Annotated:
        base, bounds = get_args(hint)[:2]
        made = _of_hint(base, key) | {"minimum": bounds.low, "maximum": bounds.high}
        return {"anyOf": [made, _SIZE, _EXPANDED]} if key.endswith("_bytes") else made
    if hint == tuple[str, ...]:
        return {"type": "array", "items": {"type": "string"}}
    if get_origin(hint) is Literal:
        return {"anyOf": [{"enum": list(get_args(hint))}, _EXPANDED]}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    several = [_of_hint(one, key) for one in get_args(hint) if one is not NoneType]
    return several[0] if len(several) == 1 else {"anyOf": several}
