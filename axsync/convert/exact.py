"""Reads JSON without rounding any number, and writes it back; proves of faster readers that they lost nothing."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Final, TypeAlias

import msgspec
import orjson

from axsync.errors import AxsyncError

Value: TypeAlias = "bool | int | str | Number | list[Value] | dict[str, Value] | None"

DEPTH: Final = 256
"""Nesting levels allowed in a value; its record, or the rescue column, adds one.

Interpreters and other readers of the lake give up near 1,000.
"""

SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which UTF-8 cannot encode."""

_INT_DIGITS = 18  # certain to fit 64 bits
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_NOT_JSON = frozenset({"NaN", "Infinity", "-Infinity"})
_GAPS = (b'" ', b'"\t', b'"\n', b'"\r')  # where a key may be separated from its colon
_APART = re.compile(rb'"[ \t\n\r]+:')  # a key that is, or a string that looks like it

_encode = msgspec.json.Encoder().encode


class Unreadable(AxsyncError):
    """A record that cannot be stored; `reason` is a short phrase for the dead letters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Number:
    """A number by its text as served: floats, integers of more than 18 digits, and the tokens NaN and ±Infinity."""

    text: str

    @property
    def is_token(self) -> bool:
        """Whether this is NaN or an infinity, which JSON cannot express."""
        return self.text in _NOT_JSON


def decode(raw: bytes) -> dict[str, Value]:
    """Read one record exactly.

    Raises: Unreadable if it is not an object, not JSON or not UTF-8, repeats a key, or nests too deeply.
    """
    value = read(text_of(raw), levels=DEPTH + 1)
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    return value


def text_of(raw: bytes) -> str:
    """Decode UTF-8.

    Raises: Unreadable for other bytes.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 at byte {error.start}") from error


def read(text: str, *, levels: int = DEPTH) -> Value:
    """Read any JSON value of at most `levels` levels exactly. NaN and the infinities pass as numbers.

    Raises: Unreadable as `decode`, but for a value of any type.
    """
    if depth(text) > levels:
        raise Unreadable(f"nested deeper than {levels} levels")
    try:
        value: Value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos}") from error
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    return value


def depth(text: str) -> int:
    """Nesting levels, or an upper bound if that is low enough."""
    bound = text.count("[") + text.count("{")
    if bound <= DEPTH:
        return bound
    level = deepest = 0
    for match in _TOKEN.finditer(text):
        level += _LEVEL.get(text[match.start()], 0)
        deepest = max(deepest, level)
    return deepest


def dump(value: Value) -> str:
    """JSON text: numbers by their texts, strings as UTF-8, lone surrogates as escapes.

    Raises: Unreadable for NaN or an infinity, which JSON cannot express.
    """
    match value:
        case str():
            return _string(value)
        case Number(text):
            return _number(text)
        case list():
            return f"[{','.join(map(dump, value))}]"
        case dict():
            return f"{{{','.join(map(_member, value.items()))}}}"
        case True | False | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int():
            return str(value)


_LEVEL = {"{": 1, "[": 1, "}": -1, "]": -1}


def _member(item: tuple[str, Value]) -> str:
    return f"{_string(item[0])}:{dump(item[1])}"


def _number(text: str) -> str:
    if text in _NOT_JSON:
        raise Unreadable(f"{text} outside a number column")
    return text


def _string(text: str) -> str:
    try:
        return orjson.dumps(text).decode()  # twice as fast as json's encoder
    except orjson.JSONEncodeError:  # a lone surrogate
        return SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", encode_basestring(text))


def _integer(text: str) -> int | Number:
    return int(text) if len(text) <= _INT_DIGITS and text != "-0" else Number(text)


def _object(pairs: Sequence[tuple[str, Value]]) -> dict[str, Value]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add is None
        raise Unreadable(f"key {_string(twice)[:80]} twice in one object")
    return made


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=_integer, parse_constant=Number, object_pairs_hook=_object)


# ------------------------------------------------------------------------------------------ what a faster reader keeps


def keeps_all(raw: bytes, value: object) -> bool:
    """Whether decoding lost nothing, that is, whether no object in the value repeats a key.

    Encoding the value again makes no part longer: numbers are kept as they were, and msgspec's escapes are the
    shortest. So equal length is proof. If escapes or spaces made it shorter, the keys are counted.
    """
    written = _encode(value)
    return len(written) == len(raw) or _as_many_keys(raw, written)


def says_each_key_once(raw: bytes) -> bool:
    """Whether the value is certain to be valid JSON without repeated keys and not nested too deeply."""
    try:
        # orjson writes at most 254 levels, so it also checks the depth.
        written = orjson.dumps(orjson.loads(raw))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False
    # Equal length would prove nothing here: orjson writes some numbers longer than they were.
    return written == raw or _as_many_keys(raw, written)


def _as_many_keys(raw: bytes, written: bytes) -> bool:
    if b'\\":' in raw or b'\\":' in written or (any(gap in raw for gap in _GAPS) and _APART.search(raw)):
        return False
    return raw.count(b'":') == written.count(b'":')


def exact_float(text: str) -> float | None:
    """The float64 that this JSON number equals exactly, by its shortest text. None if there is none."""
    value = float(text)
    try:
        return value if repr(value) == text or Decimal(repr(value)) == Decimal(text) else None
    except InvalidOperation:
        return None
