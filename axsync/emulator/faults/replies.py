"""Faults that replace the whole reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

from axsync.emulator.faults.fault import Fault
from axsync.emulator.messages import ApiReply, ApiRequest, Delivery, error_reply, json_reply, unknown_key
from axsync.emulator.options import Profile

_HTML = "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
_FAR_SECONDS = 10**9
_UNTIL, _TURN = "_until", "_turn"  # kept in the details of the fault: monotonic seconds, and pages served so far
_MAINTENANCE = (
    "<!DOCTYPE html><html><head><title>Axonius</title></head><body><h1>The system is being upgraded</h1>"
    '<form action="/login" method="post"><input name="user_name"><input type="password"></form></body></html>'
)


def status(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
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
    return {} if form is None else {"Retry-After": after_text(form)}


def after_text(form: object) -> str:
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


def redirect(fault: Fault, request: ApiRequest, _profile: Profile) -> ApiReply:
    """A redirect (status=302) to `location`."""
    target = fault.text("location", f"http://127.0.0.2:9{request.path}")
    return ApiReply(fault.integer("status", 302), b"", {"Location": target}, content_type="text/html")


def login_page(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """A login page with status 200."""
    page = '<!DOCTYPE html><html><body><form action="/login"><input name="user"></form></body></html>'
    return ApiReply(200, page.encode(), content_type="text/html")


def error_200(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """An old v1 error: status 200 with `error`, or (shape="status") with status == "error"."""
    if fault.details.get("shape") == "status":
        return json_reply({"status": "error", "message": "Search failed"})
    return json_reply({"error": "Search failed, please try again"})


def empty_body(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """200 with no body."""
    return ApiReply(200, b"")


def null_body(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """200 with `null`."""
    return ApiReply(200, b"null")


def other_body(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """200 with the text of `body`."""
    return ApiReply(200, fault.text("body", "[]").encode())


def no_content(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """204."""
    return ApiReply(204, b"")


def echo_key(fault: Fault, request: ApiRequest, _profile: Profile) -> ApiReply:
    """An error body that repeats the credentials of the request."""
    key, secret = request.headers.get("api-key", ""), request.headers.get("api-secret", "")
    sent = request.headers.get("Authorization") or f"api-key={key} api-secret={secret}"
    return error_reply(fault.integer("status", 500), "Internal Server Error", f"call with {sent} failed")


def reject_key(fault: Fault, request: ApiRequest, profile: Profile) -> ApiReply | None:
    """A 400 that rejects `key` whenever the body contains it."""
    key = fault.text("key", "include_details")
    body = request.body if isinstance(request.body, dict) else {}
    inner = body.get("data", {}).get("attributes", {}) if isinstance(body.get("data"), dict) else {}
    return unknown_key(key, profile.accepted - {key}).reply() if key in body or key in inner else None


def token_expired(fault: Fault, request: ApiRequest, _profile: Profile) -> ApiReply | None:
    """Reject the token or cursor as expired, on requests that send one."""
    if request.page is None or request.page.continuation is None:
        return None
    return error_reply(fault.integer("status", 400), "Bad Request", "The next_page token has expired")


def maintenance(fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
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


def hang(_fault: Fault, _request: ApiRequest, _profile: Profile) -> ApiReply:
    """Never reply."""
    return ApiReply(200, b"", delivery=Delivery(hang=True))


Replace = Callable[[Fault, ApiRequest, Profile], ApiReply | None]
REPLY_FAULTS: dict[str, Replace] = {
    "redirect": redirect,
    "login-page": login_page,
    "error-200": error_200,
    "empty-body": empty_body,
    "null-body": null_body,
    "other-body": other_body,
    "no-content": no_content,
    "echo-key": echo_key,
    "unknown-key": reject_key,
    "token-expired": token_expired,
    "maintenance": maintenance,
    "hang": hang,
}


def replacement(fault: Fault, request: ApiRequest, profile: Profile) -> ApiReply | None:
    """The reply that *fault* sends instead of the correct one; None for faults of other sorts."""
    if fault.kind.isdigit():
        return status(fault, request, profile)
    found = REPLY_FAULTS.get(fault.kind)
    return None if found is None else found(fault, request, profile)
