"""Which ids a lane's parts hold: eight bytes for each, whatever the number of rows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.convert import arrays
from axsync.lake.store import Store
from axsync.model import PageSpan

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
_BATCH = 1 << 16  # rows
_SOUGHT = 1 << 20  # hashes looked up at once: places of ten million would take as much as the hashes
_WIDTH = 32  # characters of an id as Axonius makes them (docs/axonius-api.md, "Records")
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)


@dataclass(frozen=True)
class IdIndex:
    """Hashes of all ids in the order of parts and rows."""

    hashes: Hashes

    @cached_property
    def known(self) -> Hashes:
        """The different hashes, sorted."""
        return different(self.hashes.copy())

    @property
    def distinct(self) -> int:
        """Different ids."""
        return len(self.known)

    def lacks(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """For each of these hashes, whether no part holds it."""
        return lacking(self.known, hashes)

    @property
    def rows(self) -> int:
        """All rows."""
        return len(self.hashes)


def different(hashes: Hashes) -> Hashes:
    """The different ones, sorted; what is given is sorted in place.

    A fraction of the time and memory of numpy's own `unique`, which hashes them.
    """
    hashes.sort()
    first = np.ones(len(hashes), dtype=np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=first[1:])
    return hashes[first]


def lacking(known: Hashes, hashes: Hashes) -> npt.NDArray[np.bool_]:
    """For each of these hashes, whether it is not among the known ones, which are sorted."""
    absent = np.ones(len(hashes), dtype=np.bool_)
    for start in range(0, len(hashes) if len(known) else 0, _SOUGHT):
        some = hashes[start : start + _SOUGHT]
        at = np.minimum(np.searchsorted(known, some), len(known) - 1)
        absent[start : start + _SOUGHT] = known[at] != some
    return absent


def read_id_index(store: Store, parts: Sequence[str], column: str) -> IdIndex:
    """Read the id column of the parts with these keys."""
    hashes = [hash_ids(ids) for key in parts for ids in read_ids(store, key, column)]
    return IdIndex(np.concatenate(hashes) if hashes else np.empty(0, dtype=np.uint64))


def earlier_duplicates(
    store: Store, parts: Sequence[str], column: str, index: IdIndex, spans: Sequence[PageSpan]
) -> Places:
    """Rows, numbered over all parts, whose id came again in a later answer.

    Later means: of a page that was asked later, or further down in the same page.
    """
    order = np.argsort(index.hashes, kind="stable")
    same = index.hashes[order][1:] == index.hashes[order][:-1]
    rows = np.sort(order[np.concatenate((same, [False])) | np.concatenate(([False], same))])
    pages = np.repeat([s.number for s in spans], [s.rows for s in spans])[rows]
    newest: dict[str, tuple[int, int]] = {}
    duplicates: list[int] = []
    for place, page, name in zip(rows.tolist(), pages.tolist(), _names(store, parts, column, rows), strict=True):
        other = newest.get(name)
        if other is not None:
            duplicates.append(min(other, (page, place))[1])
        newest[name] = max(other or (page, place), (page, place))
    return np.array(sorted(duplicates), dtype=np.int64)


def _names(store: Store, parts: Sequence[str], column: str, rows: Places) -> Iterator[str]:
    """The ids in these rows: equal hashes alone are no proof."""
    start = 0
    for key in parts:
        for ids in read_ids(store, key, column):
            mine = rows[(rows >= start) & (rows < start + len(ids))] - start
            yield from ids.take(arrays.fixed(mine, np.ones(len(mine), dtype=np.bool_), pa.int64())).to_pylist()
            start += len(ids)


def read_ids(store: Store, key: str, column: str) -> Iterator[pa.Array]:
    """The ids of one part in the order of its rows, some ten thousand at a time."""
    with store.open(key) as content, pq.ParquetFile(content) as file:
        for batch in file.iter_batches(_BATCH, columns=[column]):
            yield batch.column(0)


def hash_ids(ids: pa.Array) -> Hashes:
    """Sixty-four bits per id. Ids of the usual width are hashed together, others one by one.

    An id's hash depends on nothing but the id, whatever else is in the array.
    """
    if not len(ids):
        return np.empty(0, dtype=np.uint64)
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    usual = np.diff(offsets) == _WIDTH
    if usual.all():
        return _hash_usual(ids)
    hashes = np.empty(len(ids), dtype=np.uint64)
    hashes[usual] = _hash_usual(ids.filter(arrays.flags(usual)))
    hashes[~usual] = [_hash_one(text) for text in ids.filter(arrays.flags(~usual)).to_pylist()]
    return hashes


def _hash_usual(ids: pa.Array) -> Hashes:
    if not len(ids):
        return np.empty(0, dtype=np.uint64)
    _, offset_bytes, data = ids.buffers()
    start = int(np.frombuffer(offset_bytes, dtype=np.int32)[ids.offset])
    words = np.frombuffer(data.slice(start, _WIDTH * len(ids)), dtype=np.uint64).reshape(-1, 4)
    mixed = words * _MIX
    mixed ^= mixed >> np.uint64(29)
    total: Hashes = (mixed * _MIX[::-1]).sum(axis=1, dtype=np.uint64)
    return total ^ (total >> np.uint64(32))


def _hash_one(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
