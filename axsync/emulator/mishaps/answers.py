"""Mishaps that replace the whole answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

from axsync.emulator.calls import Call, Reply, answered, refused, unknown_key
from axsync.emulator.delivery import Delivery
from axsync.emulator.mishaps.maintenance import begun
from axsync.emulator.mishaps.model import Mishap
from axsync.emulator.profiles import Profile

_HTML = "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
_FAR_SECONDS = 10**9


def status(mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """The status that the kind names, as JSON or (html=True) as a proxy's page."""
    code = int(mishap.kind)
    title = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unknown"
    if mishap.details.get("html"):
        reply = Reply(code, _HTML.format(title=f"{code} {title}").encode(), content_type="text/html")
    else:
        reply = refused(code, title, mishap.text("description", f"{title} (on demand)"))
    return Reply(reply.status, reply.body, _retry_after(mishap), reply.content_type)


def _retry_after(mishap: Mishap) -> Mapping[str, str]:
    form = mishap.details.get("retry_after")
    return {} if form is None else {"Retry-After": after_text(form)}


def after_text(form: object) -> str:
    """A Retry-After in any form: a number, date, past, negative, absurd, garbage, or a text as it is."""
    now = datetime.now(UTC).replace(microsecond=0)
    words = {
        "seconds": "1",
        "date": format_datetime(now + timedelta(seconds=2), usegmt=True),
        "past": format_datetime(now - timedelta(hours=1), usegmt=True),
        "negative": "-5",
        "absurd": str(_FAR_SECONDS),
        "garbage": "soon, please",
    }
    return words.get(str(form), str(form))


def redirect(mishap: Mishap, call: Call, _profile: Profile) -> Reply:
    """A redirect (status=302) to details.location."""
    place = mishap.text("location", f"http://127.0.0.2:9{call.path}")
    return Reply(mishap.whole("status", 302), b"", {"Location": place}, content_type="text/html")


def login_page(_mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """A login page with status 200."""
    page = '<!DOCTYPE html><html><body><form action="/login"><input name="user"></form></body></html>'
    return Reply(200, page.encode(), content_type="text/html")


def error_200(mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """An old v1 error: status 200 with `error`, or (shape="status") with status == "error"."""
    if mishap.details.get("shape") == "status":
        return answered({"status": "error", "message": "Search failed"})
    return answered({"error": "Search failed, please try again"})


def empty_body(_mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """200 and nothing."""
    return Reply(200, b"")


def null_body(_mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """200 and `null`."""
    return Reply(200, b"null")


def other_body(mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """200 and details.body, a text."""
    return Reply(200, mishap.text("body", "[]").encode())


def no_content(_mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """204."""
    return Reply(204, b"")


def echo_key(mishap: Mishap, call: Call, _profile: Profile) -> Reply:
    """An error body that repeats the keys it was sent."""
    key, secret = call.headers.get("api-key", ""), call.headers.get("api-secret", "")
    told = call.headers.get("Authorization") or f"api-key={key} api-secret={secret}"
    return refused(mishap.whole("status", 500), "Internal Server Error", f"call with {told} failed")


def reject_key(mishap: Mishap, call: Call, profile: Profile) -> Reply | None:
    """The 400 that names an unknown keyword: details.key, whenever the body holds it."""
    key = mishap.text("key", "include_details")
    body = call.body if isinstance(call.body, dict) else {}
    inner = body.get("data", {}).get("attributes", {}) if isinstance(body.get("data"), dict) else {}
    return unknown_key(key, profile.accepted - {key}).reply() if key in body or key in inner else None


def token_expired(mishap: Mishap, call: Call, _profile: Profile) -> Reply | None:
    """The end of a token's or cursor's life, for calls that bring one."""
    if call.page is None or call.page.walk is None:
        return None
    return refused(mishap.whole("status", 400), "Bad Request", "The next_page token has expired")


def maintenance(mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """A page for people, here and on every path, for `seconds`."""
    return begun(mishap)


def hang(_mishap: Mishap, _call: Call, _profile: Profile) -> Reply:
    """No answer, ever."""
    return Reply(200, b"", delivery=Delivery(hang=True))


Answer = Callable[[Mishap, Call, Profile], Reply | None]
ANSWERS: dict[str, Answer] = {
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


def answer(mishap: Mishap, call: Call, profile: Profile) -> Reply | None:
    """The answer that *mishap* puts in place of the right one, if it is of that sort."""
    if mishap.kind.isdigit():
        return status(mishap, call, profile)
    found = ANSWERS.get(mishap.kind)
    return None if found is None else found(mishap, call, profile)
