"""Which ids a lane's parts hold: eight bytes for each, whatever the number of rows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Hashes = npt.NDArray[np.uint64]
_BATCH = 1 << 16  # rows
_WIDTH = 32  # characters of an id as Axonius makes them (API reference 7.1)
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Hashes of all ids in the order of parts and rows."""

    hashes: Hashes

    @property
    def distinct(self) -> int:
        """Different ids."""
        return len(np.unique(self.hashes))

    @property
    def rows(self) -> int:
        """All rows."""
        return len(self.hashes)


def read_ledger(paths: Sequence[Path], column: str) -> Ledger:
    """Read the id column of these part files."""
    parts = [hash_ids(ids) for path in paths for ids in read_ids(path, column)]
    return Ledger(np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64))


def read_ids(path: Path, column: str) -> Iterator[pa.Array]:
    """The ids of one part in the order of its rows, some ten thousand at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=[column]):
            yield batch.column(0)


def hash_ids(ids: pa.Array) -> Hashes:
    """Sixty-four bits per id. Ids of the usual width are hashed together, others one by one."""
    ids = pa.concat_arrays([ids])
    _, offset_bytes, data = ids.buffers()
    if not len(ids) or data is None:
        return np.empty(0, dtype=np.uint64)
    offsets = np.frombuffer(offset_bytes, dtype=np.int32)[: len(ids) + 1]
    if not (np.diff(offsets) == _WIDTH).all():
        return np.array([_hash_one(i) for i in ids.to_pylist()], dtype=np.uint64)
    raw = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    words = np.frombuffer(raw.tobytes(), dtype=np.uint64).reshape(len(ids), 4)
    mixed = words * _MIX
    mixed ^= mixed >> np.uint64(29)
    total: Hashes = (mixed * _MIX[::-1]).sum(axis=1, dtype=np.uint64)
    return total ^ (total >> np.uint64(32))


def _hash_one(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
