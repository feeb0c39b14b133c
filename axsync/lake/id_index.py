"""Which ids a lane's parts hold: eight bytes for each."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.convert import arrays
from axsync.lake import layout
from axsync.lake.row_order import Places, is_timed, moments_of, pages_of
from axsync.lake.store import Store
from axsync.model import Lane, PageSpan
from axsync.schema.columns import FETCHED_AT

Hashes = npt.NDArray[np.uint64]
_BATCH = 1 << 16  # rows
_SOUGHT = 1 << 20  # hashes looked up at once: places of ten million would take as much as the hashes
_REPEATED = 1 << 19  # ids that came more than once and are compared at once
_WIDTH = 32  # characters of an id as Axonius makes them (docs/axonius-api.md, "Records")
_TWIN = b"twin"  # sets the second hash of an id apart from the first
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class IdIndex:
    """The different hashes of all ids, sorted; those that more than one row has; the number of rows."""

    known: Hashes
    repeated: Hashes
    rows: int

    @property
    def distinct(self) -> int:
        """Different ids."""
        return len(self.known)

    def lacks(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """For each of these hashes, whether no part holds it."""
        return lacking(self.known, hashes)


NO_IDS = IdIndex(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), 0)
"""Of a lane without rows."""


def index_of(hashes: Hashes) -> IdIndex:
    """The index of these hashes, which are sorted in place: nothing is held twice."""
    rows = len(hashes)
    return IdIndex(*_divided(hashes), rows)


class Collected:
    """Hashes that come array by array, in one buffer that grows in place: it is never there twice."""

    def __init__(self) -> None:
        self._buffer, self._count = np.empty(0, dtype=np.uint64), 0

    def add(self, hashes: Hashes) -> None:
        """Put these behind the others."""
        end = self._count + len(hashes)
        if end > len(self._buffer):
            self._buffer.resize(max(end, self._count + self._count // 8), refcheck=False)  # nobody else sees it
        self._buffer[self._count : end] = hashes
        self._count = end

    def take(self) -> Hashes:
        """All of them, in their order; they are forgotten here."""
        taken = self._buffer
        taken.resize(self._count, refcheck=False)
        self._buffer, self._count = np.empty(0, dtype=np.uint64), 0
        return taken


def different(hashes: Hashes) -> Hashes:
    """The different ones, sorted, in the place of what is given.

    A fraction of the time and memory of numpy's own `unique`, which hashes them.
    """
    return _divided(hashes)[0]


def _divided(hashes: Hashes) -> tuple[Hashes, Hashes]:
    """The different ones, in the place of what is given, and those that are there more than once; both sorted."""
    hashes.sort()
    again, kept, last, last_is_first = Collected(), 0, None, False
    for start in range(0, len(hashes), _SOUGHT):
        some = hashes[start : start + _SOUGHT]
        first = np.ones(len(some), dtype=np.bool_)
        np.not_equal(some[1:], some[:-1], out=first[1:])
        first[0] = last is None or some[0] != last
        second = ~first
        second[1:] &= first[:-1]
        second[0] &= last_is_first
        again.add(some[second])
        last, last_is_first, found = some[-1], first[-1], some[first]
        hashes[kept : kept + len(found)] = found
        kept += len(found)
    return hashes[:kept], again.take()


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
    collected = Collected()
    for key in parts:
        for ids in read_ids(store, key, column):
            collected.add(hash_ids(ids))
    return index_of(collected.take())


def earlier_duplicates(
    store: Store, parts: Sequence[str], column: str, repeated: Hashes, spans: Sequence[PageSpan]
) -> Places:
    """Rows, numbered over all parts, whose id came again in a later answer; `repeated` are the hashes of all such ids.

    Later means: of a page that was asked later, or further down in the same page. Equal hashes alone are no proof that
    two ids are equal. A second hash of another kind is: no two ids that differ have both in common.
    """
    pages = np.array([span.number for span in spans], dtype=np.int64)
    columns = (column, FETCHED_AT) if is_timed(spans) else (column,)
    found = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(repeated), _REPEATED):  # the parts are read once for each so many ids
        rows = _rows_with(store, parts, columns, repeated[start : start + _REPEATED])
        asked = pages[pages_of(rows.places, rows.moments, spans)]
        found.append(rows.places[_earlier(rows.hashes, rows.others, asked)])
    return np.sort(np.concatenate(found))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Places over all parts; both hashes of the ids there; when their pages came, where the parts tell."""

    places: Places
    hashes: Hashes
    others: Hashes
    moments: Places | None


def _rows_with(store: Store, parts: Sequence[str], columns: Sequence[str], sought: Hashes) -> _Rows:
    """The rows whose ids, in the first of these columns, have one of these hashes."""
    rows, hashes, others, moments, start = Collected(), Collected(), Collected(), Collected(), 0
    for key in parts:
        for ids, *instants in _read(store, key, columns):
            found = hash_ids(ids)
            mine = np.flatnonzero(~lacking(sought, found))
            texts = ids.take(arrays.fixed(mine, np.ones(len(mine), dtype=np.bool_), pa.int64())).to_pylist()
            rows.add((mine + start).astype(np.uint64))
            hashes.add(found[mine])
            others.add(np.array([_hash_one(text, _TWIN) for text in texts], dtype=np.uint64))
            for each in instants:
                moments.add(moments_of(each)[mine].view(np.uint64))
            start += len(ids)
    told = moments.take().view(np.int64) if len(columns) > 1 else None
    return _Rows(rows.take().view(np.int64), hashes.take(), others.take(), told)


def _earlier(hashes: Hashes, others: Hashes, asked: Places) -> Places:
    """Positions of those that are followed by an equal one; of the same page, the order decides."""
    order = np.lexsort((asked, others, hashes))
    same = (hashes[order][1:] == hashes[order][:-1]) & (others[order][1:] == others[order][:-1])
    earlier: Places = order[:-1][same]
    return earlier


def read_ids(store: Store, key: str, column: str) -> Iterator[pa.Array]:
    """The ids of one part in the order of its rows, some ten thousand at a time."""
    for (ids,) in _read(store, key, (column,)):
        yield ids


def _read(store: Store, key: str, columns: Sequence[str]) -> Iterator[Sequence[pa.Array]]:
    with store.open(key) as content, pq.ParquetFile(content) as file:
        for batch in file.iter_batches(_BATCH, columns=list(columns)):
            yield [batch.column(name) for name in columns]


def repeats(ids: pa.Array) -> bool:
    """Whether an id is there more than once."""
    return len(different(hash_ids(ids))) < len(ids)


def ever_held(store: Store, lane: Lane) -> bool:
    """Whether the lake has rows of this lane, of whatever day. What cannot be read counts as rows."""
    return any(_has_rows(store, one.key) for pattern in layout.all_parts_of(lane) for one in store.list(pattern))


def _has_rows(store: Store, key: str) -> bool:
    try:
        with store.open(key) as content, pq.ParquetFile(content) as file:
            return bool(file.metadata.num_rows)
    except (OSError, pa.ArrowException):
        return True


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


def _hash_one(text: str, kind: bytes = b"") -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=kind).digest(), "little")
