"""In which order the rows of a row group stand, and from which page each of them is.

Readers skip a row group whose smallest and largest value say that it cannot hold what they look for. So the rows of
some entity types are sorted by the field that people filter by, and cut into small groups (docs/lake.md, "Row groups").
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from axsync.convert import arrays
from axsync.model import PageSpan
from axsync.schema.kinds import FIELD_KEY

Places = npt.NDArray[np.int64]

SORTED_BY: Mapping[str, str] = {"vulnerability_instances": "specific_data.data.cve_id"}
"""Entity type at Axonius → the field that its rows are sorted by. Not devices: their rows are so wide that a row group
has too few of them to be cut (ADR 0029)."""
GROUP_ROWS = 10_240
"""Rows of a sorted row group at least: five times what DuckDB looks at together."""


def order_column(entity: str, schema: pa.Schema) -> str | None:
    """The column that the rows of this entity type are sorted by; None where they stay as they came."""
    wanted = SORTED_BY.get(entity, "").encode()
    for field in schema:
        item = field.type.value_type if pa.types.is_list(field.type) else field.type
        if (field.metadata or {}).get(FIELD_KEY) == wanted and pa.types.is_string(item):
            return str(field.name)
    return None


def in_row_groups(table: pa.Table, column: str | None) -> Iterator[pa.Table]:
    """The rows as they are to be written: as they are, or sorted and cut where that makes more than one row group.

    The column holds texts or lists of them, of which the first counts; nulls come last. One row group at a time is held
    beside the table.
    """
    count = table.num_rows // GROUP_ROWS
    if column is None or count < 2:
        yield table
        return
    places = _sorted_places(table.column(column))
    borders = [table.num_rows * group // count for group in range(count + 1)]
    for start, end in pairwise(borders):
        yield table.take(places.slice(start, end - start))


def _sorted_places(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where the rows are that come first, second, … by their texts; nulls come last."""
    count = len(column)
    rows = arrays.fixed(np.arange(count), np.ones(count, dtype=np.bool_), pa.int64())
    keys = pa.chunked_array(map(_firsts, column.chunks), pa.string())
    return pa.table([keys, rows], names=["key", "row"]).sort_by("key").column("row")


def _firsts(chunk: pa.Array) -> pa.Array:
    """The texts; of lists the first, null where there is none."""
    if not pa.types.is_list(chunk.type):
        return chunk
    ends = np.frombuffer(chunk.buffers()[1], dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return chunk.values.take(arrays.fixed(ends[:-1], arrays.valid(chunk) & (ends[1:] > ends[:-1]), pa.int32()))


def moments_of(instants: pa.Array) -> Places:
    """Microseconds since 1970 of instants without nulls."""
    micros = np.frombuffer(instants.buffers()[1], dtype=np.int64)
    return micros[instants.offset : instants.offset + len(instants)]


def is_timed(spans: Sequence[PageSpan]) -> bool:
    """Whether `axsync_fetched_at` says from which page a row is; in parts of older versions it does not."""
    return any(span.fetched for span in spans)


def pages_of(rows: Places, moments: Places | None, spans: Sequence[PageSpan]) -> Places:
    """For each of these rows, numbered over all spans, the position of its span.

    By the moment in which its page came, as rows are sorted over pages; where the span knows no moment, by its place.
    """
    found: Places = np.searchsorted(np.cumsum([span.rows for span in spans]), rows, side="right")
    if moments is None:
        return found
    fetched = np.array([span.fetched for span in spans], dtype=np.int64)
    order = np.argsort(fetched, kind="stable")
    timed = fetched[found] != 0
    found[timed] = order[np.searchsorted(fetched[order], moments[timed])]
    return found
