"""Walks a lane: which requests are due, how many are in flight, how much memory their pages may take."""

from axsync.engine.lane_walk import Budget, LaneWalk, Stored, Workers, items_of, together
from axsync.engine.offset_paginator import SPARE_PAGES, OffsetWalk
from axsync.engine.paginator import Returned, Walk
from axsync.engine.token_paginator import MarkWalk

__all__ = [
    "SPARE_PAGES",
    "Budget",
    "LaneWalk",
    "MarkWalk",
    "OffsetWalk",
    "Returned",
    "Stored",
    "Walk",
    "Workers",
    "items_of",
    "together",
]
