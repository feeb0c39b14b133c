"""Describes the shape of values without the values.

A shape is what `axsync emulate --like` reads, one of

    {"type": "list", "length": N, "items": SHAPE}
    {"type": "object", "members": {NAME: SHAPE}}
    {"type": "string", "length": N, "form": "rfc1123"|"iso"|"day"|"number"|null}
    {"type": "integer"|"number"|"bool"|"null"}

A list has one shape for all its elements: the most frequent type, objects with the members of all, strings and lists
with the greatest length. `also` names the other types among the elements. `unnamed` counts keys that are not written
because they may be data: an object can be a map whose keys are hosts or people.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from axsync.convert.exact import Number
from axsync.schema import dates
from axsync.schema.kinds import RFC1123

Shape: TypeAlias = dict[str, Any]

MOST_MEMBERS: Final = 100  # an object with more keys is a map whose keys are data
LONGEST_KEY: Final = 64  # characters
MOST_DIGITS: Final = 4  # in a key; ids, addresses and dates have more
LONGEST_LIST, LONGEST_TEXT, DEEPEST = 10_000, 1_000_000, 32  # larger values are described as if they ended there

# The later one wins if two are equally frequent.
_TELLING = ("null", "bool", "integer", "number", "string", "list", "object")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_ASKED = re.compile(r"[A-Za-z0-9_.\-: ]{1,255}")
_CUSTOM = re.compile(r"(?:adapters_data\.)?gui\..*", re.DOTALL)
_NUMERIC = re.compile(r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?")
_RFC_LENGTH = len("Mon, 02 Nov 2026 10:11:12 GMT")


def describe_record(
    record: Mapping[str, Any], asked: Collection[str], members: Collection[str] | None = None
) -> tuple[dict[str, Shape], int]:
    """The shape of each field, and the number of fields left out because their names may be data.

    `members` are the known keys of objects; any other key may be data, such as the name of a person.

    `asked` are names that were requested from the catalogue; names that the server added must look like identifiers.
    The tenant's own fields (`adapters_data.gui.*`) are numbered.
    """
    fields: dict[str, Shape] = {}
    custom = unnamed = 0
    for name, value in record.items():
        if _CUSTOM.fullmatch(name):
            custom += 1
            fields[f"adapters_data.gui.custom_{custom}"] = describe_value(value, members)
        elif _names_field(name, asked):
            fields[name] = describe_value(value, members)
        else:
            unnamed += 1
    return fields, unnamed


def _names_field(name: str, asked: Collection[str]) -> bool:
    if name in asked:
        return _ASKED.fullmatch(name) is not None
    return len(name) <= 2 * LONGEST_KEY and _DOTTED.fullmatch(name) is not None and _few_digits(name)


def describe_value(value: Any, members: Collection[str] | None = None, depth: int = 0) -> Shape:  # noqa: ANN401  JSON
    """The shape of a JSON value; of the keys of objects only `members`, or all that look like names."""
    inside = depth < DEEPEST
    if isinstance(value, dict):
        known = {key: one for key, one in value.items() if members is None or key in members} if inside else {}
        hidden = len(value) - len(known) if inside else 0
        return _object({key: describe_value(one, members, depth + 1) for key, one in known.items()}, hidden)
    if isinstance(value, list):
        return _list([describe_value(element, members, depth + 1) for element in value] if inside else [])
    if isinstance(value, str):
        return {"type": "string", "length": min(len(value), LONGEST_TEXT), "form": form_of_text(value)}
    return {"type": _plain_type(value)}


def _plain_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case Number(text):
            return "integer" if text.lstrip("-").isdecimal() else "number"
        case _:
            return "integer" if isinstance(value, int) else "number"


def form_of_text(text: str) -> str | None:
    """The form of a string that holds a date or a number."""
    exact = dates.exact_form(text)
    if exact is not None:
        return {RFC1123: "rfc1123", dates.DAY: "day"}.get(exact, "iso")
    if _NUMERIC.fullmatch(text):
        return "number"
    if dates.parse_any(text) is None:
        return None
    if text[4:5] == "-":
        return "iso"
    return "rfc1123" if len(text) == _RFC_LENGTH else None


def _object(members: Mapping[str, Shape], unnamed: int = 0) -> Shape:
    named = {key: shape for key, shape in members.items() if _names_member(key)}
    if len(members) > MOST_MEMBERS:
        named = {}
    hidden = unnamed + len(members) - len(named)
    return {"type": "object", "members": named, **({"unnamed": hidden} if hidden else {})}


def _names_member(key: str) -> bool:
    return len(key) <= LONGEST_KEY and _IDENTIFIER.fullmatch(key) is not None and _few_digits(key)


def _few_digits(name: str) -> bool:
    return sum(character.isdigit() for character in name) <= MOST_DIGITS


def _list(elements: Sequence[Shape]) -> Shape:
    found: Shape = {"type": "list", "length": min(len(elements), LONGEST_LIST)}
    return {**found, "items": merge_shapes(elements)} if elements else found


def merge_shapes(shapes: Sequence[Shape]) -> Shape:
    """Merge shapes into one; at least one is given."""
    counts = Counter(shape["type"] for shape in shapes)
    if counts["integer"] and counts["number"]:
        counts["number"] += counts.pop("integer")
    told = [kind for kind in counts if kind != "null"] or ["null"]
    most = max(told, key=lambda kind: (counts[kind], _TELLING.index(kind)))
    found = _MERGED.get(most, _first)([shape for shape in shapes if shape["type"] == most])
    others = sorted({*counts, *(kind for shape in shapes for kind in shape.get("also", ()))} - {most})
    return {**found, "also": others} if others else found


def _first(shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _merge_texts(shapes: Sequence[Shape]) -> Shape:
    told = [shape for shape in shapes if shape["length"]] or shapes
    ((form, _),) = Counter(shape["form"] for shape in told).most_common(1)
    longest = max(shape["length"] for shape in told if shape["form"] == form)
    return {"type": "string", "length": longest, "form": form}


def _merge_lists(shapes: Sequence[Shape]) -> Shape:
    items = [shape["items"] for shape in shapes if "items" in shape]
    found: Shape = {"type": "list", "length": max(shape["length"] for shape in shapes)}
    return {**found, "items": merge_shapes(items)} if items else found


def _merge_objects(shapes: Sequence[Shape]) -> Shape:
    keys = dict.fromkeys(key for shape in shapes for key in shape["members"])
    members = {key: merge_shapes([s["members"][key] for s in shapes if key in s["members"]]) for key in keys}
    return _object(members, max(shape.get("unnamed", 0) for shape in shapes))


_MERGED: Mapping[str, Callable[[Sequence[Shape]], Shape]] = {
    "string": _merge_texts,
    "list": _merge_lists,
    "object": _merge_objects,
}
