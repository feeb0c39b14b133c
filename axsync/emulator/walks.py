"""Places in a walk: v2 tokens, which carry their place, and v1 cursors, which the server remembers."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

from axsync.emulator.asks import Ask
from axsync.emulator.calls import bad_request

_CURSORS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next page starts."""

    print: str  # of the request the token belongs to
    offset: int
    number: int
    born: float  # monotonic seconds


def token(ask: Ask, served: int) -> str:
    """The next_page of the page that answered *ask* with *served* rows."""
    plain = f"{ask.print} {ask.offset + served} {ask.number + 1} {monotonic():.3f}"
    return base64.urlsafe_b64encode(plain.encode()).decode()


def place(text: str, life_seconds: float | None) -> Place:
    """Read a token back.

    Raises:
        Refusal: a 400 when it is none of ours, or too old.
    """
    try:
        mark, offset, number, born = base64.urlsafe_b64decode(text).decode().split()
        found = Place(mark, int(offset), int(number), float(born))
    except (ValueError, binascii.Error) as error:
        raise bad_request("Invalid next_page token") from error
    if life_seconds is not None and monotonic() - found.born > life_seconds:
        raise bad_request("The next_page token has expired")
    return found


class Cursors:
    """The open v1 walks: cursor -> rows served so far and page number."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, int, int]] = OrderedDict()
        self._made = 0

    def start(self, ask: Ask) -> str:
        """A new cursor for the walk that *ask* begins."""
        self._made += 1
        cursor = f"cur-{ask.print}-{self._made:06d}"
        self._open[cursor] = (ask.print, ask.offset, 1)
        if len(self._open) > _CURSORS_KEPT:
            self._open.popitem(last=False)
        return cursor

    def find(self, cursor: str) -> tuple[str, int, int]:
        """Print, offset and number of the page that *cursor* is due to serve.

        Raises:
            Refusal: a 400 when the cursor is not open.
        """
        if cursor not in self._open:
            raise bad_request(f"Cursor {cursor} does not exist or has expired")
        return self._open[cursor]

    def close(self, cursor: str) -> None:
        """Forget *cursor*."""
        self._open.pop(cursor, None)

    def advance(self, cursor: str, ask: Ask, served: int) -> None:
        """Note that a page was served."""
        self._open[cursor] = (ask.print, ask.offset + served, ask.number + 1)
