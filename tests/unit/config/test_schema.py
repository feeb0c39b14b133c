"""The JSON Schema for editors says what the loader says: it is regenerated and tried on files."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from axsync.config import schema_text
from axsync.config.starter import Answers, starter

CONFIG = Path(__file__).parents[3] / "config"
SCHEMA = json.loads(schema_text())
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
INSTANCE = '[instances.prod]\nurl = "https://a.example"\napi_key = "env:K"\napi_secret = "env:S"\n'
CHECKED = {"type", "enum", "const", "pattern", "minimum", "maximum", "items", "properties", "propertyNames"}
CHECKED |= {"additionalProperties", "required", "anyOf", "not"}
SAID = {"$schema", "title", "description", "default"}


def valid(value: Any, schema: dict[str, Any]) -> bool:  # noqa: ANN401  JSON
    """Whether a value is valid: the part of JSON Schema that ours uses, and no other."""
    assert schema.keys() <= CHECKED | SAID, schema.keys()
    return all(KEYWORDS[word](value, schema) for word in schema.keys() & CHECKED)


def of_type(value: Any, schema: dict[str, Any]) -> bool:  # noqa: ANN401  JSON
    wanted = schema["type"]
    return (
        isinstance(value, bool)
        if wanted == "boolean"
        else (isinstance(value, TYPES[wanted]) and not isinstance(value, bool))
    )


def of_keys(value: Any, schema: dict[str, Any]) -> bool:  # noqa: ANN401  JSON
    own, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    if not isinstance(value, dict):
        return True
    return all(
        valid(one, own[key]) if key in own else rest is not False and valid(one, rest) for key, one in value.items()
    )


KEYWORDS: dict[str, Any] = {
    "type": of_type,
    "enum": lambda value, schema: value in schema["enum"],
    "const": lambda value, schema: value == schema["const"],
    "pattern": lambda value, schema: not isinstance(value, str) or re.search(schema["pattern"], value),
    "minimum": lambda value, schema: not isinstance(value, int | float) or value >= schema["minimum"],
    "maximum": lambda value, schema: not isinstance(value, int | float) or value <= schema["maximum"],
    "items": lambda value, schema: not isinstance(value, list) or all(valid(one, schema["items"]) for one in value),
    "properties": of_keys,
    "additionalProperties": of_keys,
    "propertyNames": lambda value, schema: all(valid(key, schema["propertyNames"]) for key in value),
    "required": lambda value, schema: value.keys() >= set(schema["required"]),
    "anyOf": lambda value, schema: any(valid(value, one) for one in schema["anyOf"]),
    "not": lambda value, schema: not valid(value, schema["not"]),
}


def fits(text: str) -> bool:
    # A date is a text for editors, too.
    return valid(json.loads(json.dumps(tomllib.loads(text), default=str)), SCHEMA)


def test_the_shipped_schema_is_that_of_the_settings() -> None:
    """`make config-files` writes it."""
    assert (CONFIG / "axsync.schema.json").read_text("utf-8") == schema_text()


@pytest.mark.parametrize(
    "path", [CONFIG / "axsync.toml", CONFIG / "demo.toml", CONFIG.parent / "docs/recipes/axsync.toml"]
)
def test_our_files_are_valid(path: Path) -> None:
    """Also with every option that stands in a comment."""
    text = path.read_text("utf-8")
    assert fits(text)
    assert fits(re.sub(r"^# (?=(limit|keep_\w+|page_bytes|as_of|logical_date) = )", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("credential", ["prod", "env:AX_KEY file:/run/secrets/s"])
def test_what_init_writes_is_valid(credential: str) -> None:
    """With stored credentials and with references."""
    assert fits(starter(Answers("https://acme.example", credential, "lake", ("devices",), "acme.eu")))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (INSTANCE, True),
        ('[instances.prod]\ncredential = "prod"\n', True),
        ('[lake]\nmax_part_bytes = "64MB"\ncompression = "${C}"\n[entities."*"]\nfields = ["a"]\n', True),
        ('[entities.servers]\ntype = "devices"\n[run]\nlogical_date = 2026-11-23\nskip = ["x"]\n', True),
        ("[lak]\n", False),
        ('[lake]\nurl = "x"\n', False),
        ('[lake]\ncompression = "zip"\n', False),
        ('[lake]\nmax_part_bytes = "64 apples"\n', False),
        ("[lake]\ngc = 1\nkeep_daily = true\n", False),
        ("[lake]\nkeep_daily = -1\n", False),
        ('[instances.prod]\nurl = "https://a"\n', False),
        ('[instances."a b"]\ncredential = "prod"\n', False),
        (f'{INSTANCE}credential = "prod"\n', False),
        ('[instances.prod]\nurl = "https://a"\napi_key = "4f2a"\napi_secret = "env:S"\n', False),
        ('[entities.default]\ntype = "devices"\n', False),
        ('[entities.devices]\nfields = "everything"\n', False),
        ('[run]\nskips = ["x"]\n', False),
    ],
)
def test_right_and_wrong_are_told_apart(text: str, good: bool) -> None:
    """Unknown keys, wrong types, numbers out of range, secrets in place of references."""
    assert fits(text) is good
