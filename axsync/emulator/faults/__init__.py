"""Faults on demand: their kinds, where and how often each is injected, and how a flag spells it.

What a fault does stands beside this module: `pages` has those of pages, counts and single records, `replies` those of
whole replies and of their way to the client.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection
from random import Random

from axsync.emulator.fields import Json
from axsync.emulator.pages import PageRequest

ANYWHERE, PAGES, TOKENS, COUNTS = "any request", "pages", "pages requested with a token", "counts"

KINDS: dict[str, tuple[str, str]] = {
    # the whole reply
    "redirect": (ANYWHERE, "a redirect; status=302, location=URL"),
    "login-page": (ANYWHERE, "200 with an HTML login page"),
    "error-200": (ANYWHERE, "200 with an `error` key; shape=status: with status == error"),
    "empty-body": (ANYWHERE, "200 with no body"),
    "null-body": (ANYWHERE, "200 with null"),
    "other-body": (ANYWHERE, "200 with body=TEXT"),
    "no-content": (ANYWHERE, "204"),
    "echo-key": (ANYWHERE, "an error body that repeats the API key and secret, or the bearer token; status=500"),
    "unknown-key": (ANYWHERE, "400 that rejects key=NAME whenever the body contains it"),
    "token-expired": (TOKENS, "the token or cursor is refused; status=400"),
    "maintenance": (ANYWHERE, "an HTML page on every path for seconds=5, once; 200 and 503 in turn, or status=200|503"),
    "hang": (ANYWHERE, "no reply until the client disconnects"),
    # on the wire
    "reset": (ANYWHERE, "connection reset before the headers"),
    "reset-body": (ANYWHERE, "connection reset after share=0.5 of the body"),
    "truncate": (ANYWHERE, "body cut after share=0.5; length=right|wrong|chunked|none"),
    "stall": (ANYWHERE, "nothing more after share=0.5 of the body"),
    "slow-start": (ANYWHERE, "first byte delayed by seconds=1"),
    "drip": (ANYWHERE, "body in pieces of bytes=1024, seconds=0.05 apart"),
    "content-type": (ANYWHERE, "wrong Content-Type; type=text/html"),
    "gzip-lie": (ANYWHERE, "Content-Encoding: gzip with a plain body"),
    "gzip-silent": (ANYWHERE, "a gzip body without Content-Encoding"),
    "zip-bomb": (ANYWHERE, "gzip that expands by size=100000000 bytes"),
    "bom": (ANYWHERE, "a byte order mark before the body"),
    "close-after": (ANYWHERE, "connection closed after the reply, unannounced"),
    "big-header": (ANYWHERE, "a header of size=65536 bytes"),
    # which rows a page holds
    "clamp": (PAGES, "at most limit=100 rows"),
    "oversize": (PAGES, "extra=5 rows beyond the limit"),
    "repeat-page": (PAGES, "the offset is ignored"),
    "never-ending": (PAGES, "past the end the rows start over"),
    "shift": (PAGES, "insert=1 and delete=0 rows first, at position=N (default: somewhere before the page)"),
    "reorder": (PAGES, "moves=10 rows change position first"),
    "shuffle": (PAGES, "the rows of the page in random order"),
    "churn": (PAGES, "percent=5 of the rows come and go while all pages are read"),
    "discovery-starts": (PAGES, "from now on the discovery status is status=running"),
    "short-page": (PAGES, "only rows=N rows, or share=0.5 of them"),
    "empty-page": (PAGES, "no rows"),
    "duplicate-row": (PAGES, "repeats the last row of the previous page"),
    "same-id": (PAGES, "one id twice with different content"),
    "total": (PAGES, "totalResources is to=N|absent, or off by=1"),
    "token-loop": (TOKENS, "the next token equals the one that was sent"),
    "token-vanishes": (PAGES, "no next token although rows remain"),
    "empty-meta": (PAGES, "meta is {}"),
    "no-specific-data": (PAGES, "share=0.2 of the rows lack specific_data"),
    "other-keys": (PAGES, "share=0.2 of the rows use the other key style"),
    # single records; share=0 means one per page; field=NAME where a value is set
    "duplicate-keys": (PAGES, "one key twice in a record"),
    "nan": (PAGES, "NaN"),
    "infinity": (PAGES, "Infinity and -Infinity"),
    "huge-float": (PAGES, "1e400"),
    "big-integer": (PAGES, "2^64 + 5"),
    "lone-surrogate": (PAGES, "an escaped lone surrogate"),
    "bad-utf8": (PAGES, "bytes that are not UTF-8"),
    "nul": (PAGES, "an escaped NUL"),
    "raw-control": (PAGES, "an unescaped control character"),
    "inner-bom": (PAGES, "a byte order mark inside a string"),
    "deep": (PAGES, "depth=1025 nested lists"),
    "many-keys": (PAGES, "count=100000 keys"),
    "huge-text": (PAGES, "a string of size=10000000 bytes"),
    "long-list": (PAGES, "a list of count=1000000 numbers"),
    "raw": (PAGES, "value=TEXT as raw JSON"),
    "twin-keys": (PAGES, "keys that differ in case only"),
    "own-names": (PAGES, "keys equal to column names that axsync adds"),
    "odd-names": (PAGES, "empty, long, dotted and path-like keys"),
    "no-id": (PAGES, "no internal_axon_id"),
    "number-id": (PAGES, "internal_axon_id is a number"),
    "null-id": (PAGES, "internal_axon_id is null"),
    "empty-id": (PAGES, "internal_axon_id is an empty string"),
    "list-id": (PAGES, "internal_axon_id is a list"),
    "not-object": (PAGES, "value=JSON instead of a record"),
    # counts
    "count-null": (COUNTS, "the count never becomes ready"),
    "count": (COUNTS, "the count is to=N, or off by=N"),
}

_ALIASES = {"forbid": "403", "unlicensed": "404"}
_SCOPES = ("entity", "on")

PageScope = int | Collection[int] | Callable[[PageRequest], bool]


class Fault:
    """An error that is injected on demand.

    Args:
        kind: one of `axsync.emulator.KINDS`, or a status such as "503" (html=True, retry_after=FORM).
        probability: of injection, for each request in scope.
        entity: only requests for this entity type.
        on: only this path, by its short name (page, count, fields, types, asset, about, discovery, adapters, …).
        page: only these page numbers (from 1), or pages for which a predicate holds.
        above: only pages with a larger limit.
        times: at most this many times.
        after: let this many requests in scope pass first.
        details: the arguments of the kind.
    """

    def __init__(  # noqa: PLR0913  all but the kind are keywords with a default
        self,
        kind: str,
        *,
        probability: float = 1.0,
        entity: str | None = None,
        on: str | None = None,
        page: PageScope | None = None,
        above: int | None = None,
        times: int | None = None,
        after: int = 0,
        **details: Json,
    ) -> None:
        if not known(kind):
            near = difflib.get_close_matches(kind, KINDS, n=1)
            known_ones = f"known are any status and {', '.join(sorted(KINDS))}"
            raise ValueError(f"unknown fault {kind!r}; " + (f"did you mean {near[0]!r}?" if near else known_ones))
        self.kind, self.details = kind, details
        self.probability, self.after = probability, after
        self.times = 1 if times is None and kind == "maintenance" else times  # one period, not for ever
        self.entity, self.on, self.page, self.above = entity, on, page, above
        self.fired = 0  # how often it was injected
        self.ids: list[str] = []  # of the rows that it changed
        self._seen = 0

    def __repr__(self) -> str:
        return f"Fault({self.kind!r}, fired={self.fired})"

    def fires(self, path: str, entity: str, request: PageRequest | None, rng: Random) -> bool:
        """Whether to inject the fault into this request. Counts requests in scope."""
        if not self._in_scope(path, entity, request) or (self.times is not None and self.fired >= self.times):
            return False
        self._seen += 1
        if self._seen <= self.after or rng.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def _in_scope(self, path: str, entity: str, request: PageRequest | None) -> bool:
        if not _applies(place_of(self.kind), path, request):
            return False
        if (self.on is not None and self.on != path) or (self.entity is not None and self.entity != entity):
            return False
        if self.above is not None and (request is None or request.limit <= self.above):
            return False
        if self.page is None:
            return True
        return request is not None and self._on_page(request, self.page)

    @staticmethod
    def _on_page(request: PageRequest, page: PageScope) -> bool:
        if callable(page):
            return page(request)
        return request.number == page if isinstance(page, int) else request.number in page

    def integer(self, name: str, default: int) -> int:
        """An integer detail."""
        return int(self.details.get(name, default))

    def number(self, name: str, default: float) -> float:
        """A numeric detail."""
        return float(self.details.get(name, default))

    def text(self, name: str, default: str) -> str:
        """A text detail; any other JSON value as its JSON text."""
        detail = self.details.get(name, default)
        return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)


def _applies(place: str, path: str, request: PageRequest | None) -> bool:
    if place == COUNTS:
        return path == "count"
    if place == TOKENS:
        return request is not None and request.continuation is not None
    return place != PAGES or request is not None


def known(kind: str) -> bool:
    """Whether *kind* is one of KINDS, or a three-digit status."""
    return kind in KINDS or (kind.isdigit() and len(kind) == 3)


def place_of(kind: str) -> str:
    """Where *kind* can be injected."""
    return KINDS[kind][0] if kind in KINDS else ANYWHERE


def from_spec(spec: str) -> Fault:
    """Parse KIND[:ITEM[,ITEM…]]: a number is the probability, a word the entity type, NAME=VALUE a scope or detail.

    Raises:
        ValueError: the kind is unknown.
    """
    kind, _, rest = spec.partition(":")
    arguments: dict[str, Json] = {}
    for item in filter(None, _items(rest)):
        name, equals, value = item.partition("=")
        if equals:
            arguments[name] = value if name in _SCOPES else _value(value)
        else:
            arguments["probability" if isinstance(_value(item), int | float) else "entity"] = _value(item)
    return Fault(_ALIASES.get(kind, kind), **arguments)


def _items(text: str) -> list[str]:
    """Split at commas, except inside a JSON list, object or string."""
    items: list[str] = []
    for piece in text.split(","):
        if items and _unfinished(items[-1].partition("=")[2]):
            items[-1] += f",{piece}"
        else:
            items.append(piece)
    return items


def _unfinished(value: str) -> bool:
    if not value.startswith(("{", "[", '"')):
        return False
    try:
        json.loads(value)
    except ValueError:
        return True
    return False


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text
