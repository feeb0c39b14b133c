"""From an ask to a sheet: choosing rows and printing them without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from axsync.emulator.asks import Ask, Sheet
from axsync.emulator.instance import Instance

_ROWS_AT_A_TIME = 250  # a few milliseconds, so that arrivals are noticed when they happen


async def sheet(instance: Instance, ask: Ask) -> Sheet:
    """The page that *ask* is entitled to; following is left to the API generation."""
    fleet = instance.fleet(ask.entity)
    rows = instance.rows(ask)
    chosen = rows[ask.offset : ask.offset + ask.limit]
    total = len(rows)
    printed: list[bytes] = []
    for start in range(0, len(chosen), _ROWS_AT_A_TIME):
        printed += fleet.press.rows(chosen[start : start + _ROWS_AT_A_TIME], ask.form)
        await asyncio.sleep(0)
    return Sheet(ask, printed, [fleet.ids_of.text(number) for number in chosen], total, last=not chosen)


def total_pages(total: int, limit: int) -> int:
    """ceil(total / limit), as meta.page.totalPages."""
    return -(-total // max(limit, 1))


def page_meta(made: Sheet) -> dict[str, object]:
    """meta.page: number, size as asked, totalPages, totalResources."""
    page: dict[str, object] = {"number": made.ask.number, "size": made.ask.limit}
    if made.total is not None:
        pages = total_pages(made.total, made.ask.limit) if isinstance(made.total, int) else made.total
        page |= {"totalPages": pages, "totalResources": made.total}
    return page


def listed(rows: Sequence[bytes]) -> bytes:
    """Rows as the inside of a JSON list."""
    return b",".join(rows)


def system_meta(total: int, offset: int, limit: int) -> dict[str, object]:
    """The meta of a listing beside assets, with meta.page in the same form."""
    page = {
        "number": offset // max(limit, 1) + 1,
        "size": limit,
        "totalPages": total_pages(total, limit),
        "totalResources": total,
    }
    return {"page": page}
