"""Reads a lane: which pages to request, how many requests in flight, how much memory their pages may take."""

from axsync.engine.lane_walk import Budget, LaneWalk, Stored, Workers, gather_all, stream_items
from axsync.engine.offset_paginator import SPARE_PAGES, OffsetPaginator
from axsync.engine.paginator import Paginator, Returned
from axsync.engine.token_paginator import TokenPaginator

__all__ = [
    "SPARE_PAGES",
    "Budget",
    "LaneWalk",
    "OffsetPaginator",
    "Paginator",
    "Returned",
    "Stored",
    "TokenPaginator",
    "Workers",
    "gather_all",
    "stream_items",
]
