"""A spell of maintenance: for some seconds every path answers with a page for people."""

from __future__ import annotations

import time
from collections.abc import Iterable

from axsync.emulator.calls import Reply
from axsync.emulator.mishaps.model import Mishap

_UNTIL, _TURN = "_until", "_turn"  # among the details of the mishap: monotonic seconds, pages served so far
_PAGE = (
    "<!DOCTYPE html><html><head><title>Axonius</title></head><body><h1>The system is being upgraded</h1>"
    '<form action="/login" method="post"><input name="user_name"><input type="password"></form></body></html>'
)


def begun(mishap: Mishap) -> Reply:
    """The first page of the spell, which starts now and lasts `seconds`."""
    mishap.details[_UNTIL] = time.monotonic() + mishap.real("seconds", 5.0)
    return _page(mishap)


def under_way(mishaps: Iterable[Mishap]) -> Reply | None:
    """The page to answer with while a spell lasts, whatever was asked."""
    for mishap in mishaps:
        if mishap.kind == "maintenance" and time.monotonic() < mishap.real(_UNTIL, 0.0):
            return _page(mishap)
    return None


def _page(mishap: Mishap) -> Reply:
    # Proxies and applications take turns: one says 200 with a login page, the next 503.
    turn = mishap.whole(_TURN, 0)
    mishap.details[_TURN] = turn + 1
    status = mishap.whole("status", (200, 503)[turn % 2])
    return Reply(status, _PAGE.encode(), content_type="text/html")
