"""The subset of AQL that the emulator understands: ==, !=, in, regex, exists, size, and/or/not, QueryID.

Anything else is a 400 that says where parsing stopped. A condition matches if any element of a list matches;
`not` also matches rows without the field (docs/axonius-api.md, "Saved queries").
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axsync.emulator.fields import Json
from axsync.emulator.messages import bad_request

ID_FIELD = "internal_axon_id"
Values = Callable[[int, str], Sequence[Json]]  # of one field of one row
Test = Callable[[Values, int], bool]
FindQuery = Callable[[str], str]  # saved query id -> its AQL

_TOKEN = re.compile(
    r"\s*(?:(?P<saved>\{\{.*?\}\})|(?P<exists>\(?\{\s*\"\$exists\".*?\}\)?)|(?P<text>\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<mark>==|!=|\(|\)|\[|\]|,)|(?P<word>[A-Za-z_][\w.:]*))"
)
_SAVED = re.compile(r"\{\{QueryID=(?P<id>[^}]+)\}\}")


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed query: a test, and the ids if the query is nothing but a list of ids."""

    test: Test
    ids: tuple[str, ...] | None = None


def parse(query: str, find_query: FindQuery) -> Filter:
    """Parse *query*.

    Raises:
        ApiError: a 400 if it is not understood.
    """
    return _Parser(query, find_query).filter()


class _Parser:
    """A recursive descent parser over the tokens of one query."""

    def __init__(self, query: str, find_query: FindQuery) -> None:
        self._query, self._find_query = query, find_query
        self._tokens = _split(query)
        self._at = 0

    def filter(self) -> Filter:
        found = self._any()
        if self._at < len(self._tokens):
            raise self._stop()
        return found

    def _stop(self) -> Exception:
        place = self._tokens[self._at][1] if self._at < len(self._tokens) else "the end"
        return bad_request(f"AQL error: cannot understand {place} in {self._query[:200]!r}")

    def _peek(self, *texts: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1] in texts

    def _take(self, kind: str | None = None, *texts: str) -> str:
        if self._at >= len(self._tokens):
            raise self._stop()
        found, text = self._tokens[self._at]
        if (kind and found != kind) or (texts and text not in texts):
            raise self._stop()
        self._at += 1
        return text

    def _any(self) -> Filter:
        found = self._all()
        while self._peek("or"):
            self._take()
            found = _either(found, self._all())
        return found

    def _all(self) -> Filter:
        found = self._one()
        while self._peek("and"):
            self._take()
            found = _both(found, self._one())
        return found

    def _one(self) -> Filter:
        if self._peek("not"):
            self._take()
            return _negated(self._one())
        if self._peek("("):
            self._take()
            found = self._any()
            self._take(None, ")")
            return found
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "saved":
            return self._saved()
        return self._condition()

    def _saved(self) -> Filter:
        match = _SAVED.fullmatch(self._tokens[self._at][1])
        if match is None:
            raise self._stop()
        self._at += 1
        return parse(self._find_query(match["id"]), self._find_query)

    def _condition(self) -> Filter:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] not in ("text", "word"):
            raise self._stop()
        token = self._take()
        name = str(json.loads(token)) if token.startswith('"') else token
        if self._peek("in"):
            self._take()
            return _among(name, self._list())
        operator = self._take("mark", "==", "!=")
        found = self._operand(name)
        return found if operator == "==" else _negated(found)

    def _operand(self, name: str) -> Filter:
        kind = self._tokens[self._at][0] if self._at < len(self._tokens) else ""
        if kind == "exists":
            self._take()
            return Filter(lambda values, row: any(value not in ("", None, []) for value in values(row, name)))
        if self._peek("regex", "size"):
            return self._function(name, self._take())
        if self._peek("["):
            wanted = self._list()
            return Filter(lambda values, row: list(values(row, name)) == wanted)
        return _among(name, [self._scalar()])

    def _function(self, name: str, function: str) -> Filter:
        self._take(None, "(")
        first = self._scalar()
        flags = ""
        if self._peek(","):
            self._take()
            flags = str(self._scalar())
        self._take(None, ")")
        if function == "size":
            return Filter(lambda values, row: len(values(row, name)) == first)
        return _matching(name, str(first), flags)

    def _list(self) -> list[Json]:
        self._take(None, "[")
        found: list[Json] = []
        while not self._peek("]"):
            found.append(self._scalar())
            if self._peek(","):
                self._take()
        self._take()
        return found

    def _scalar(self) -> Json:
        kind = self._tokens[self._at][0] if self._at < len(self._tokens) else ""
        if kind in ("text", "number") or self._peek("true", "false", "null"):
            return json.loads(self._take())
        raise self._stop()


def _split(query: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while query[at:].strip():
        match = _TOKEN.match(query, at)
        if match is None or match.lastgroup is None:
            raise bad_request(f"AQL error: cannot read {query[at : at + 40]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _both(one: Filter, other: Filter) -> Filter:
    return Filter(lambda values, row: one.test(values, row) and other.test(values, row))


def _either(one: Filter, other: Filter) -> Filter:
    return Filter(lambda values, row: one.test(values, row) or other.test(values, row))


def _negated(one: Filter) -> Filter:
    return Filter(lambda values, row: not one.test(values, row))


def _among(name: str, wanted: list[Json]) -> Filter:
    def test(values: Values, row: int) -> bool:
        return any(_same(value, one) for value in values(row, name) for one in wanted)

    ids = tuple(str(one) for one in wanted) if name == ID_FIELD else None
    return Filter(test, ids)


def _same(value: Json, wanted: Json) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _matching(name: str, pattern: str, flags: str) -> Filter:
    try:
        compiled = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    except re.error as error:
        raise bad_request(f"AQL error: bad regular expression {pattern!r}: {error}") from error
    return Filter(lambda values, row: any(compiled.search(str(value)) for value in values(row, name)))
