"""How the server merges what several adapters say about one field."""

from __future__ import annotations

from collections.abc import Sequence

from axsync.emulator.columns import SEEN, Json, Stamp


def newest(values: Sequence[Json]) -> Json:
    """The newest of several dates, bare; a value that is no date, or a date in another form, goes before all dates.

    So a value that drifted is served, and does not vanish behind the right ones. Nothing comes of nothing: [] stays.
    """
    odd = [value for value in values if value != SEEN and not (isinstance(value, Stamp) and not value.form)]
    if odd or not values:
        return odd[0] if odd else []
    stamps = [value for value in values if isinstance(value, Stamp)]
    return max(stamps, key=lambda stamp: stamp.seconds) if stamps else SEEN


def distinct(values: list[Json]) -> list[Json]:
    """Each value once, in the order of first appearance; the rows of a table all stay, as 1, 1.0 and true do."""
    if values and all(isinstance(value, dict) for value in values):
        return values
    return list({repr(value): value for value in values}.values())
