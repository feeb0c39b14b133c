"""What a page says about itself, read without making its rows into objects."""

import html
import re
from collections.abc import Mapping

import msgspec
import orjson

from axsync.convert.page_bytes import REFUSALS, CutPage, read_member
from axsync.errors import BadAnswer, BrokenPage
from axsync.model import Reply

SMALL_PAGE = 1 << 16  # bytes; below this, counting rows costs less than not knowing
_UNEXPECTED = re.compile(r"unexpected keyword argument '?\"?([A-Za-z_.]+)")
_TAIL = 1 << 16  # bytes searched for a trailing `meta`
WORDS_BYTES = 1 << 16
"""Bytes of an answer that are searched for words. These are cut shorter once secrets are masked in them."""

_MARKUP = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\x00]*+<")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*+[{\[]")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_NOT_YET = frozenset({202, 204})  # answers that need no body, whatever type it would have

MOST_ROWS = 1 << 53
"""A total beyond it is senseless."""


def _count(told: object) -> int | None:
    """A number of rows; None for anything that is none, or that no server holds."""
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < MOST_ROWS else None


class PageMeta(msgspec.Struct, frozen=True):
    """`meta.page`; `size` is ignored because sources contradict each other (docs/axonius-api.md, "Paging")."""

    totalResources: object = None  # noqa: N815  # the server's name


class Meta(msgspec.Struct, frozen=True):
    """`meta` of both generations: v2 has `next_page`, v1 has `cursor`."""

    page: PageMeta | None = None
    next_page: object = None
    cursor: object = None

    @property
    def total(self) -> int | None:
        """Matches for the query, None where absent or senseless."""
        return _count(self.page.totalResources if self.page else None)

    @property
    def token(self) -> str | None:
        """The token or cursor that continues the listing."""
        for token in (self.next_page, self.cursor):
            if isinstance(token, str) and token:
                return token
        return None


class _Envelope(msgspec.Struct):
    meta: Meta | None = None
    next_page: object = None  # one integration reads it there (docs/axonius-api.md, "Paging")
    assets: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None


class _Outline(msgspec.Struct):
    meta: Meta | None = None
    next_page: object = None
    assets: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


_decode_all = msgspec.json.Decoder(_Envelope).decode
_decode_outline = msgspec.json.Decoder(_Outline).decode
_decode_tail = msgspec.json.Decoder(Meta).decode


def read_envelope(reply: Reply, *, rows_key: str, host: str) -> tuple[Meta, int | None]:
    """Meta and, for small pages, the number of rows.

    Raises: BadAnswer for whatever is not a page: HTML, an error told with status 200, a cut body.
    """
    body = reply.body.removeprefix(b"\xef\xbb\xbf")
    if len(body) > SMALL_PAGE:
        return _large(body, rows_key, host), None
    try:
        envelope = _decode_all(body)
    except REFUSALS:
        return _tolerant(body, rows_key, host), None
    rows = envelope.assets if rows_key == "assets" else envelope.data
    if rows is None:
        raise _not_a_page(body, rows_key, host)
    return _with_token(envelope.meta, envelope.next_page), len(rows)


def _large(body: bytes, rows_key: str, host: str) -> Meta:
    # About 1 µs where `meta` comes last; safe because exactly one JSON object may be left before the closing brace.
    at = body.rfind(b'"meta":', -_TAIL)
    if at >= 0:
        try:
            return _decode_tail(body[at + 7 :].rstrip()[:-1])
        except REFUSALS:
            pass
    try:
        outline = _decode_outline(body)
    except REFUSALS:
        return _tolerant(body, rows_key, host)
    if bytes(memoryview(getattr(outline, rows_key))[:1]) != b"[":
        raise _not_a_page(body, rows_key, host)
    return _with_token(outline.meta, outline.next_page)


def _with_token(meta: Meta | None, at_top: object) -> Meta:
    """The meta of a page, with the token that stands beside it where it has none itself."""
    if meta is None:
        return Meta(next_page=at_top)
    return meta if meta.token else Meta(meta.page, at_top)


def _tolerant(body: bytes, rows_key: str, host: str) -> Meta:
    """A page that is whole though some record in it is no JSON (NaN, depth): one bad record never costs its page."""
    try:
        meta, rows = read_member(body, "meta"), read_member(body, rows_key)
        if rows is not None and rows.startswith(b"["):
            return _decode_tail(meta) if meta and meta != b"null" else Meta()
    except (CutPage, *REFUSALS) as error:
        raise _not_a_page(body, rows_key, host) from error
    raise _not_a_page(body, rows_key, host)


def _not_a_page(body: bytes, rows_key: str, host: str) -> BadAnswer:
    # Of a page that holds rows no word is told: they are values of assets, not of the server.
    if re.search(rb'"%s"\s*:\s*[\[{]' % rows_key.encode(), body[:WORDS_BYTES]):
        message = f"{host} sent a page that is cut off or malformed ({len(body):,} bytes)"
        return BrokenPage(message, host=host, status=200)
    words = error_words(body)
    return BadAnswer(f"{host} answered 200 with something that is not a page", host=host, status=200, detail=words)


def read_object(reply: Reply, host: str) -> dict[str, object]:
    """The JSON object that an answer is. Raises: BadAnswer."""
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise BadAnswer(f"{host} answered with something that is not JSON", host=host, status=reply.status) from error
    if not isinstance(answer, dict):
        raise BadAnswer(f"{host} answered with a bare value", host=host, status=reply.status)
    return answer


def total_in(answer: Mapping[str, object]) -> int | None:
    """`meta.page.totalResources` of an answer that is an object; None where it is absent or senseless."""
    meta = answer.get("meta")
    page = meta.get("page") if isinstance(meta, Mapping) else None
    return _count(page.get("totalResources")) if isinstance(page, Mapping) else None


def unexpected_key(words: str) -> str | None:
    """The key of a request that the words of a 400 complain about."""
    matched = _UNEXPECTED.search(words)
    return matched[1] if matched else None


def tells_error(answer: Mapping[str, object]) -> bool:
    """Whether an object of JSON is an error, told with whatever status: old v1 servers answered errors with 200."""
    return bool(answer.get("error") or answer.get("errors")) or answer.get("status") == "error"


def refuse_error(answer: Mapping[str, object], reply: Reply, host: str, asked: str) -> None:
    """Raises: BadAnswer for an error that is told where there should be what was `asked` for."""
    if tells_error(answer):
        words = error_words(reply.body)
        raise BadAnswer(f"{host} answered {asked} with an error", host=host, status=reply.status, detail=words)


def is_web_page(reply: Reply) -> bool:
    """Whether a good status carries a page for people: markup, or what is called HTML and does not begin as JSON.

    A login form, or the notice that stands before a product that is being upgraded. JSON is JSON whatever it is called.
    """
    if _MARKUP.match(reply.body):
        return True
    called = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return called == "text/html" and reply.status not in _NOT_YET and not _JSON.match(reply.body)


def page_title(body: bytes) -> str:
    """What a web page is called, or the beginning of it. Not cut and not redacted yet: as `error_words`."""
    text = _beginning(body)
    found = _TITLE.search(text)
    return " ".join(html.unescape(found[1]).split()) if found and found[1].strip() else text


def error_words(body: bytes) -> str:
    """The server's own words for an error, or the beginning of whatever it sent.

    At most `WORDS_BYTES` long: whoever shows them takes secrets out first and cuts afterwards, since of a secret that
    is cut its first half would be left.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _beginning(body)
    if isinstance(answer, dict):
        listed = answer.get("errors")
        if isinstance(listed, list):
            return "; ".join(filter(None, map(_one_error, listed)))[:WORDS_BYTES] or _beginning(body)
        for key in ("error", "message"):
            if words := _text(answer.get(key)):
                return words[:WORDS_BYTES]
    return _beginning(body)


def _beginning(body: bytes) -> str:
    return body[:WORDS_BYTES].decode("utf-8", "replace")


def _one_error(error: object) -> str:
    if isinstance(error, dict):
        words = (_text(error.get(key)) for key in ("error", "title", "description", "detail"))
        return ": ".join(filter(None, words))
    return _text(error)


def _text(told: object) -> str:
    """A text or a number as text; empty for anything else, which may be nested without end."""
    return str(told) if isinstance(told, str | int | float) and told else ""
