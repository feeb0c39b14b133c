"""A page in which some records need care: which ones, and how the two sorts of rows become one batch again."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from axsync.convert.page_bytes import long_numbers

_OPENING = len('{"assets":[')


def page_of(records: Sequence[bytes]) -> bytes:
    """Records as a page that has nothing else."""
    return b'{"assets":[' + b",".join(records) + b"]}"


def with_long_numbers(text: bytes, records: Sequence[bytes]) -> list[int]:
    """Which of these records, whose page is `text`, have a number of more digits than a double surely gives back."""
    places = long_numbers(text)
    if not len(places):
        return []
    ends = np.cumsum([len(record) + 1 for record in records]) + _OPENING
    found: list[int] = np.unique(np.searchsorted(ends, places, side="right")).tolist()
    return found


def interleaved(
    plain: Sequence[pa.Array], cleaned: Sequence[pa.Array], order: Iterable[tuple[bool, int]]
) -> list[pa.Array]:
    """The rows of both in this order, each named by whether it is a cleaned one, and by its number among its sort."""
    names = [str(number) for number in range(len(plain))]
    sorts = {False: pa.RecordBatch.from_arrays(plain, names), True: pa.RecordBatch.from_arrays(cleaned, names)}
    runs: list[pa.RecordBatch] = []
    # Rows that follow each other in both orders are one slice.
    for (sort, _), rows in groupby(enumerate(order), key=lambda entry: (entry[1][0], entry[1][1] - entry[0])):
        run = [number for _, (_, number) in rows]
        runs.append(sorts[sort].slice(run[0], len(run)))
    return [column.chunk(0) for column in pa.Table.from_batches(runs).combine_chunks().columns]
