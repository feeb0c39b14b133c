"""A request for a page and the page itself, in the words of neither API generation."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from axsync.emulator.columns import Json
from axsync.emulator.forms import Form


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a page."""

    entity: str
    form: Form
    query: str | None
    day: str | None  # of history, YYYY-MM-DD
    offset: int
    limit: int
    number: int  # of the page, from 1
    metadata: bool = True
    cached: bool = False
    sort: str | None = None
    walk: str | None = None  # token or cursor it came with
    cursored: bool = False  # v1 use_cursor

    @property
    def print(self) -> str:
        """What a token is bound to: everything but the place."""
        text = repr((self.entity, self.form, self.query, self.day, self.sort))
        return blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(slots=True)
class Sheet:
    """A page before it is written down."""

    ask: Ask
    rows: list[bytes]
    ids: list[str | None]  # None: the row has none
    total: Json  # None: left out
    last: bool  # the page after the last one
    meta: bool = True
    following: str | None = None  # a token that overrides the right one
