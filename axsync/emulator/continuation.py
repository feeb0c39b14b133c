"""Where the next page starts: v2 tokens, which carry their position, and v1 cursors, which the server remembers."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from axsync.emulator.messages import bad_request
from axsync.emulator.pages import PageRequest

_CURSORS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class TokenPosition:
    """The page that a v2 token points at."""

    fingerprint: str  # of the request that the token belongs to
    offset: int
    number: int
    issued: float  # monotonic seconds


def next_page_token(page: PageRequest, served: int) -> str:
    """The token for the page after *page*, of which *served* rows were sent."""
    plain = f"{page.fingerprint} {page.offset + served} {page.number + 1} {monotonic():.3f}"
    return base64.urlsafe_b64encode(plain.encode()).decode()


def read_token(text: str, life_seconds: float | None) -> TokenPosition:
    """Decode a token.

    Raises:
        ApiError: a 400 when the token is invalid or has expired.
    """
    try:
        fingerprint, offset, number, issued = base64.urlsafe_b64decode(text).decode().split()
        found = TokenPosition(fingerprint, int(offset), int(number), float(issued))
    except (ValueError, binascii.Error) as error:
        raise bad_request("Invalid next_page token") from error
    if life_seconds is not None and monotonic() - found.issued > life_seconds:
        raise bad_request("The next_page token has expired")
    return found


class Cursors:
    """The open v1 cursors, each with the fingerprint, offset and number of its next page."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, int, int]] = OrderedDict()
        self._opened = 0

    def open(self, page: PageRequest) -> str:
        """Open a cursor at *page*."""
        self._opened += 1
        cursor = f"cur-{page.fingerprint}-{self._opened:06d}"
        self._open[cursor] = (page.fingerprint, page.offset, 1)
        if len(self._open) > _CURSORS_KEPT:
            self._open.popitem(last=False)
        return cursor

    def find(self, cursor: str) -> tuple[str, int, int]:
        """Fingerprint, offset and number of the next page of *cursor*.

        Raises:
            ApiError: a 400 when the cursor is not open.
        """
        if cursor not in self._open:
            raise bad_request(f"Cursor {cursor} does not exist or has expired")
        return self._open[cursor]

    def close(self, cursor: str) -> None:
        """Forget *cursor*."""
        self._open.pop(cursor, None)

    def advance(self, cursor: str, page: PageRequest, served: int) -> None:
        """Move *cursor* past *page*, of which *served* rows were sent."""
        self._open[cursor] = (page.fingerprint, page.offset + served, page.number + 1)
