"""Faults of replies: another one is sent instead, or the correct one is delivered badly."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

from axsync.emulator.faults import Fault
from axsync.emulator.messages import ApiReply, ApiRequest, Delivery, error_reply, json_reply, unknown_key
from axsync.emulator.options import Profile

_HTML = "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
_FAR_SECONDS = 10**9
_UNTIL, _TURN = "_until", "_turn"  # kept in the details of the fault: monotonic seconds, and pages served so far
_MAINTENANCE = (
    "<!DOCTYPE html><html><head><title>Axonius</title></head><body><h1>The system is being upgraded</h1>"
    '<form action="/login" method="post"><input name="user_name"><input type="password"></form></body></html>'
)
_MEGABYTE = 2**20
_BOM = b"\xef\xbb\xbf"
_GZIP = 16 + zlib.MAX_WBITS

# --- instead of the reply ---------------------------------------------------------------------------------------------


def replacement(fault: Fault, request: ApiRequest, profile: Profile) -> ApiReply | None:
    """The reply that *fault* sends instead of the correct one; None for faults of other sorts."""
    if fault.kind.isdigit():
        return _status(fault, request, profile)
    found = REPLY_FAULTS.get(fault.kind)
    return None if found is None else found(fault, request, profile)


def _status(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """The status that the kind names, as JSON or (html=True) as the page of a proxy."""
    code = int(fault.kind)
    title = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unknown"
    if fault.details.get("html"):
        reply = ApiReply(code, _HTML.format(title=f"{code} {title}").encode(), content_type="text/html")
    else:
        reply = error_reply(code, title, fault.text("description", f"{title} (on demand)"))
    return ApiReply(reply.status, reply.body, _retry_after(fault), reply.content_type)


def _retry_after(fault: Fault) -> Mapping[str, str]:
    form = fault.details.get("retry_after")
    return {} if form is None else {"Retry-After": _after_text(form)}


def _after_text(form: object) -> str:
    """A Retry-After header: date, past, negative, absurd, garbage, or *form* itself."""
    now = datetime.now(UTC).replace(microsecond=0)
    values = {
        "seconds": "1",
        "date": format_datetime(now + timedelta(seconds=2), usegmt=True),
        "past": format_datetime(now - timedelta(hours=1), usegmt=True),
        "negative": "-5",
        "absurd": str(_FAR_SECONDS),
        "garbage": "soon, please",
    }
    return values.get(str(form), str(form))


def _redirect(fault: Fault, request: ApiRequest, _profile: Profile) -> ApiReply:
    """A redirect (status=302) to `location`."""
    target = fault.text("location", f"http://127.0.0.2:9{request.path}")
    return ApiReply(fault.integer("status", 302), b"", {"Location": target}, content_type="text/html")


def _login_page(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """A login page with status 200."""
    page = '<!DOCTYPE html><html><body><form action="/login"><input name="user"></form></body></html>'
    return ApiReply(200, page.encode(), content_type="text/html")


def _error_200(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """An old v1 error: status 200 with `error`, or (shape="status") with status == "error"."""
    if fault.details.get("shape") == "status":
        return json_reply({"status": "error", "message": "Search failed"})
    return json_reply({"error": "Search failed, please try again"})


def _empty_body(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """200 with no body."""
    return ApiReply(200, b"")


def _null_body(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """200 with `null`."""
    return ApiReply(200, b"null")


def _other_body(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """200 with the text of `body`."""
    return ApiReply(200, fault.text("body", "[]").encode())


def _no_content(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """204."""
    return ApiReply(204, b"")


def _echo_key(fault: Fault, request: ApiRequest, _profile: Profile) -> ApiReply:
    """An error body that repeats the credentials of the request."""
    key, secret = request.headers.get("api-key", ""), request.headers.get("api-secret", "")
    sent = request.headers.get("Authorization") or f"api-key={key} api-secret={secret}"
    return error_reply(fault.integer("status", 500), "Internal Server Error", f"call with {sent} failed")


def _reject_key(fault: Fault, request: ApiRequest, profile: Profile) -> ApiReply | None:
    """A 400 that rejects `key` whenever the body contains it."""
    key = fault.text("key", "include_details")
    body = request.body if isinstance(request.body, dict) else {}
    inner = body.get("data", {}).get("attributes", {}) if isinstance(body.get("data"), dict) else {}
    return unknown_key(key, profile.accepted - {key}).reply() if key in body or key in inner else None


def _token_expired(fault: Fault, request: ApiRequest, _profile: Profile) -> ApiReply | None:
    """Reject the token or cursor as expired, on requests that send one."""
    if request.page is None or request.page.continuation is None:
        return None
    return error_reply(fault.integer("status", 400), "Bad Request", "The next_page token has expired")


def _maintenance(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """A maintenance page on every path, from now on for `seconds`."""
    fault.details[_UNTIL] = time.monotonic() + fault.number("seconds", 5.0)
    return _next_page(fault)


def maintenance_page(faults: Iterable[Fault]) -> ApiReply | None:
    """The page that replaces every reply while maintenance lasts; None at other times."""
    for fault in faults:
        if fault.kind == "maintenance" and time.monotonic() < fault.number(_UNTIL, 0.0):
            return _next_page(fault)
    return None


def _next_page(fault: Fault) -> ApiReply:
    # Load balancers and applications take turns: one sends a login page with 200, the other a 503.
    turn = fault.integer(_TURN, 0)
    fault.details[_TURN] = turn + 1
    status = fault.integer("status", (200, 503)[turn % 2])
    return ApiReply(status, _MAINTENANCE.encode(), content_type="text/html")


def _hang(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """Never reply."""
    return ApiReply(200, b"", delivery=Delivery(hang=True))


_Replace = Callable[[Fault, ApiRequest, Profile], ApiReply | None]
REPLY_FAULTS: dict[str, _Replace] = {
    "redirect": _redirect,
    "login-page": _login_page,
    "error-200": _error_200,
    "empty-body": _empty_body,
    "null-body": _null_body,
    "other-body": _other_body,
    "no-content": _no_content,
    "echo-key": _echo_key,
    "unknown-key": _reject_key,
    "token-expired": _token_expired,
    "maintenance": _maintenance,
    "hang": _hang,
}

# --- on its way -------------------------------------------------------------------------------------------------------

PLAIN_BODY = frozenset({"gzip-lie", "gzip-silent", "zip-bomb", "bom"})  # these need an uncompressed body


def delivered(faults: tuple[Fault, ...], reply: ApiReply) -> ApiReply:
    """*reply* with all faults in transit applied."""
    for fault in faults:
        if fault.kind in WIRE_FAULTS:
            reply = WIRE_FAULTS[fault.kind](fault, reply)
    return reply


def _reset(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Reset the connection before the headers."""
    return replace(reply, delivery=replace(reply.delivery, keep=-1, reset=True))


def _reset_body(fault: Fault, reply: ApiReply) -> ApiReply:
    """Reset the connection after `share` of the body."""
    return replace(reply, delivery=replace(reply.delivery, keep=_kept(fault, reply), reset=True))


def _truncate(fault: Fault, reply: ApiReply) -> ApiReply:
    """End the body after `share` of it.

    length="right": Content-Length is what is sent; "wrong": it is that of the whole body; "chunked": the last chunk
    is missing; "none": the body ends with the connection.
    """
    framing = {"right": "sent", "wrong": "whole", "chunked": "chunked", "none": "close"}[fault.text("length", "right")]
    return replace(reply, delivery=replace(reply.delivery, keep=_kept(fault, reply), framing=framing))


def _stall(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send nothing more after `share` of the body, until the client disconnects."""
    return replace(reply, delivery=replace(reply.delivery, keep=_kept(fault, reply), stall=True))


def _kept(fault: Fault, reply: ApiReply) -> int:
    return int(len(reply.body) * fault.number("share", 0.5))


def _slow_start(fault: Fault, reply: ApiReply) -> ApiReply:
    """Delay the first byte by `seconds`."""
    return replace(reply, delivery=replace(reply.delivery, wait_seconds=fault.number("seconds", 1.0)))


def _drip(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send the body in pieces of `bytes`, one every `seconds`."""
    slow = replace(reply.delivery, drip_bytes=fault.integer("bytes", 1024), drip_seconds=fault.number("seconds", 0.05))
    return replace(reply, delivery=slow)


def _content_type(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send the wrong Content-Type."""
    return replace(reply, content_type=fault.text("type", "text/html"))


def _gzip_lie(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Announce gzip but send a plain body."""
    return replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})


def _gzip_silent(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Send a gzip body without announcing it."""
    return replace(reply, body=gzip.compress(reply.body, 1))


def _zip_bomb(fault: Fault, reply: ApiReply) -> ApiReply:
    """Send a small gzip body that expands by `size` bytes of valid JSON."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    bomb = b"".join(
        [*map(compressor.compress, _padded(reply.body, fault.integer("size", 100_000_000))), compressor.flush()]
    )
    return replace(reply, body=bomb, headers={**reply.headers, "Content-Encoding": "gzip"})


def _padded(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, size, _MEGABYTE):
        yield b" " * min(_MEGABYTE, size - start)
    yield body


def _bom(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Send a byte order mark before the body."""
    return replace(reply, body=_BOM + reply.body)


def _close_after(_fault: Fault, reply: ApiReply) -> ApiReply:
    """Close the connection after the reply without announcing it."""
    return replace(reply, delivery=replace(reply.delivery, close=True))


def _big_header(fault: Fault, reply: ApiReply) -> ApiReply:
    """Add a header of `size` bytes."""
    return replace(reply, headers={**reply.headers, "X-Filler": "x" * fault.integer("size", 65_536)})


_Change = Callable[[Fault, ApiReply], ApiReply]
WIRE_FAULTS: dict[str, _Change] = {
    "reset": _reset,
    "reset-body": _reset_body,
    "truncate": _truncate,
    "stall": _stall,
    "gzip-silent": _gzip_silent,
    "slow-start": _slow_start,
    "drip": _drip,
    "content-type": _content_type,
    "gzip-lie": _gzip_lie,
    "zip-bomb": _zip_bomb,
    "bom": _bom,
    "close-after": _close_after,
    "big-header": _big_header,
}
