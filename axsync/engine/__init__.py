"""Reads a lane: which pages to request, how many requests in flight, how much memory their pages may take."""

from axsync.engine.lane_walk import (
    Budget,
    Deadline,
    LaneWalk,
    Reservation,
    Stored,
    Workers,
    alongside,
    gather_all,
    stream_items,
)
from axsync.engine.paginators import SPARE_PAGES, OffsetPaginator, Paginator, Returned, TokenPaginator

__all__ = [
    "SPARE_PAGES",
    "Budget",
    "Deadline",
    "LaneWalk",
    "OffsetPaginator",
    "Paginator",
    "Reservation",
    "Returned",
    "Stored",
    "TokenPaginator",
    "Workers",
    "alongside",
    "gather_all",
    "stream_items",
]
