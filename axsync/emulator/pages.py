"""A page as it is requested and as it is drafted, independent of the API generation."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from axsync.emulator.fields import Json
from axsync.emulator.rendering import RowLayout


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that a client asks for."""

    entity: str
    layout: RowLayout
    query: str | None
    day: str | None  # of history, YYYY-MM-DD
    offset: int
    limit: int
    number: int  # of the page, from 1
    metadata: bool = True
    cached: bool = False
    sort: str | None = None
    continuation: str | None = None  # the token or cursor that was sent
    uses_cursor: bool = False  # v1 use_cursor

    @property
    def fingerprint(self) -> str:
        """What a token is bound to: everything except the position."""
        text = repr((self.entity, self.layout, self.query, self.day, self.sort))
        return blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(slots=True)
class PageDraft:
    """A page before it is serialized; faults may still change it."""

    request: PageRequest
    rows: list[bytes]
    ids: list[str | None]  # None: the row has no usable id
    total: Json  # None: omitted
    past_end: bool  # there are no rows at this offset
    meta: bool = True
    next_token: str | None = None  # replaces the correct token


def page_meta(draft: PageDraft) -> dict[str, object]:
    """meta.page: number, requested size, totalPages, totalResources."""
    page: dict[str, object] = {"number": draft.request.number, "size": draft.request.limit}
    if draft.total is not None:
        pages = _total_pages(draft.total, draft.request.limit) if isinstance(draft.total, int) else draft.total
        page |= {"totalPages": pages, "totalResources": draft.total}
    return page


def listing_meta(total: int, offset: int, limit: int) -> dict[str, object]:
    """The meta of a listing other than assets, with meta.page in the same form."""
    page = {
        "number": offset // max(limit, 1) + 1,
        "size": limit,
        "totalPages": _total_pages(total, limit),
        "totalResources": total,
    }
    return {"page": page}


def _total_pages(total: int, limit: int) -> int:
    return -(-total // max(limit, 1))
