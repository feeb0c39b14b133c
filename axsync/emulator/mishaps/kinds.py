"""Every kind of mishap: where it can happen, and what it wants to know."""

from __future__ import annotations

ANYWHERE, PAGES, TOKENS, COUNTS = "any call", "pages", "pages asked for with a token", "counts"

KINDS: dict[str, tuple[str, str]] = {
    # the whole answer
    "redirect": (ANYWHERE, "redirect; status=302, location=URL"),
    "login-page": (ANYWHERE, "200 with an HTML login page"),
    "error-200": (ANYWHERE, "200 with an `error` key; shape=status: with status == error"),
    "empty-body": (ANYWHERE, "200 with no body"),
    "null-body": (ANYWHERE, "200 with null"),
    "other-body": (ANYWHERE, "200 with body=TEXT"),
    "no-content": (ANYWHERE, "204"),
    "echo-key": (ANYWHERE, "an error body that repeats key and secret; status=500"),
    "unknown-key": (ANYWHERE, "400 naming key=NAME, whenever the body holds it"),
    "token-expired": (TOKENS, "the token or cursor is refused; status=400"),
    "maintenance": (ANYWHERE, "HTML on every path for seconds=5, once; 200 and 503 in turn, or status=200|503"),
    "hang": (ANYWHERE, "no answer until the client gives up"),
    # on the wire
    "reset": (ANYWHERE, "connection reset before the headers"),
    "reset-body": (ANYWHERE, "connection reset within the body; share=0.5"),
    "truncate": (ANYWHERE, "body cut; share=0.5, length=right|wrong|chunked|none"),
    "stall": (ANYWHERE, "silence within the body, after share=0.5 of it"),
    "slow-start": (ANYWHERE, "first byte late; seconds=1"),
    "drip": (ANYWHERE, "body in pieces; bytes=1024, seconds=0.05 between them"),
    "content-type": (ANYWHERE, "wrong Content-Type; type=text/html"),
    "gzip-lie": (ANYWHERE, "Content-Encoding: gzip over a plain body"),
    "gzip-silent": (ANYWHERE, "a gzip body without Content-Encoding"),
    "zip-bomb": (ANYWHERE, "gzip that inflates by size=100000000 bytes"),
    "bom": (ANYWHERE, "byte order mark before the body"),
    "close-after": (ANYWHERE, "connection closed after the answer, unannounced"),
    "big-header": (ANYWHERE, "a header of size=65536 bytes"),
    # which rows a page holds
    "clamp": (PAGES, "at most limit=100 rows"),
    "oversize": (PAGES, "extra=5 rows beyond the limit"),
    "repeat-page": (PAGES, "the offset is ignored"),
    "never-ending": (PAGES, "beyond the end the rows start again"),
    "shift": (PAGES, "before the page, insert=1 and delete=0 rows at position=N (default: somewhere before it)"),
    "reorder": (PAGES, "before the page, moves=10 rows change their place"),
    "shuffle": (PAGES, "the rows of the page come in another order"),
    "churn": (PAGES, "percent=5 of the set comes and goes over a full walk"),
    "discovery-starts": (PAGES, "from now on discovery has status=running"),
    "short-page": (PAGES, "rows=N, or share=0.5 of them"),
    "empty-page": (PAGES, "no rows"),
    "duplicate-row": (PAGES, "the last row of the page before comes again"),
    "same-id": (PAGES, "one id twice, with different content"),
    "total": (PAGES, "totalResources is to=N|absent, or differs by=1"),
    "token-loop": (TOKENS, "the next token is the one that was sent"),
    "token-vanishes": (PAGES, "no next token although there is more"),
    "empty-meta": (PAGES, "meta is {}"),
    "no-specific-data": (PAGES, "share=0.2 of the rows lack specific_data"),
    "other-keys": (PAGES, "share=0.2 of the rows use the other key style"),
    # single records; share=0 means one per page; field=NAME where a value is put
    "duplicate-keys": (PAGES, "one key twice in a record"),
    "nan": (PAGES, "NaN"),
    "infinity": (PAGES, "Infinity and -Infinity"),
    "huge-float": (PAGES, "1e400"),
    "big-integer": (PAGES, "2^64 + 5"),
    "lone-surrogate": (PAGES, "an escaped lone surrogate"),
    "bad-utf8": (PAGES, "bytes that are not UTF-8"),
    "nul": (PAGES, "an escaped NUL"),
    "raw-control": (PAGES, "an unescaped control character"),
    "inner-bom": (PAGES, "a byte order mark inside a text"),
    "deep": (PAGES, "depth=1025 nested lists"),
    "many-keys": (PAGES, "count=100000 keys"),
    "huge-text": (PAGES, "a text of size=10000000 bytes"),
    "long-list": (PAGES, "a list of count=1000000 numbers"),
    "raw": (PAGES, "value=TEXT as raw JSON"),
    "twin-keys": (PAGES, "keys that differ in case only"),
    "own-names": (PAGES, "keys equal to the lake's own column names"),
    "odd-names": (PAGES, "empty, long, dotted and path-like keys"),
    "no-id": (PAGES, "no internal_axon_id"),
    "number-id": (PAGES, "internal_axon_id is a number"),
    "null-id": (PAGES, "internal_axon_id is null"),
    "empty-id": (PAGES, "internal_axon_id is an empty text"),
    "list-id": (PAGES, "internal_axon_id is a list"),
    "not-object": (PAGES, "value=JSON in place of a record"),
    # counts
    "count-null": (COUNTS, "the count never becomes ready"),
    "count": (COUNTS, "the count is to=N, or differs by=N"),
}


def known(kind: str) -> bool:
    """Whether *kind* is one of KINDS, or a status of three digits."""
    return kind in KINDS or (kind.isdigit() and len(kind) == 3)


def home(kind: str) -> str:
    """Where *kind* can happen."""
    return KINDS[kind][0] if kind in KINDS else ANYWHERE
