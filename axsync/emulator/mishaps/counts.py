"""Mishaps of counts."""

from __future__ import annotations

from collections.abc import Iterable

from axsync.emulator.columns import Json
from axsync.emulator.mishaps.model import Mishap


def counted(struck: Iterable[Mishap], right: int) -> Json:
    """*right*, or null, or `to`, or something that differs by `by`."""
    for mishap in struck:
        if mishap.kind == "count-null":
            return None
        if mishap.kind == "count":
            return mishap.details.get("to", right + mishap.whole("by", 0))
    return right
