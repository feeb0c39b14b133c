"""What ten million ids cost the ledger: seconds and memory, twins and a comparison with a listing included.

    python tests/benchmarks/ids.py [--ids 10000000]

Bounds: 64 bytes for each row, and 700 MB for ten million, beyond what the libraries take by themselves.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from axsync.ledger import Ledger, earlier_twins, hash_ids, read_ledger
from axsync.model import PageSpan
from axsync.parquet import use_steady_memory

PAGE = 2_000  # rows
PART = 1_000_000  # rows
TWINS = 1_000
MOST_BYTES, MOST_MEGABYTES = 64, 700
ID = "internal_axon_id"


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def ids(first: int, count: int) -> pa.Array:
    """So many ids of 32 hexadecimal characters; the number decides, so that twins can be made."""
    numbers = np.arange(first, first + count, dtype=np.uint64)
    words = [numbers * np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)]
    raw = np.stack(words, axis=1).view(np.uint8).reshape(count, 16)
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = np.stack((digits[raw >> 4], digits[raw & 15]), axis=2).reshape(-1)
    offsets = np.arange(count + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))


def write(folder: Path, total: int) -> list[Path]:
    """Parts of a million ids; the last thousand of all are those of the beginning once more."""
    paths = []
    for first in range(0, total, PART):
        count = min(PART, total - first)
        path = folder / f"part-{first // PART:05}.parquet"
        with pq.ParquetWriter(path, pa.schema([(ID, pa.string())]), compression="zstd") as writer:
            for start in range(first, first + count, PAGE):
                twin = start >= total - TWINS
                writer.write_batch(
                    pa.RecordBatch.from_arrays(
                        [ids(0 if twin else start, min(PAGE, TWINS) if twin else min(PAGE, total - TWINS - start))],
                        [ID],
                    )
                )
        paths.append(path)
    return paths


@contextmanager
def told(what: str, begin: int, rows: int) -> Iterator[None]:
    """Print what a step cost."""
    started = time.perf_counter()
    yield
    held = peak_bytes() - begin
    print(
        f"{what:34} {time.perf_counter() - started:7.2f} s   peak {held / 1e6:6.0f} MB   {held / rows:5.1f} bytes a row"
    )


def main() -> int:
    """Write, read, find twins, compare; 1 where a bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=10_000_000)
    total = parser.parse_args().ids
    use_steady_memory()
    with tempfile.TemporaryDirectory(prefix="axsync-ids-") as folder:
        paths = write(Path(folder), total)
        rows = sum(pq.read_metadata(path).num_rows for path in paths)
        spans = [PageSpan(number, number * PAGE, min(PAGE, rows - number * PAGE)) for number in range(-(-rows // PAGE))]
        begin = peak_bytes()
        with told("read the ledger", begin, rows):
            ledger = read_ledger(paths, ID)
        with told("count different ids", begin, rows):
            distinct = ledger.distinct
        with told(f"find {rows - distinct:,} twins", begin, rows):
            twins = earlier_twins(ledger, spans, paths, ID)
        with told("compare with a listing", begin, rows):
            missing = _missing(ledger, rows)
    held = peak_bytes() - begin
    print(f"{rows:,} rows, {distinct:,} different ids, {len(twins):,} earlier twins, {missing} missing")
    fits = held <= MOST_BYTES * rows and held <= MOST_MEGABYTES * 1e6 * max(1.0, rows / 10_000_000)
    print(f"{'within' if fits else 'BEYOND'} {MOST_BYTES} bytes a row and {MOST_MEGABYTES} MB for ten million")
    return 0 if fits and len(twins) == rows - distinct and missing == 1 else 1


def _missing(ledger: Ledger, rows: int) -> int:
    """A listing of all ids and one more, page by page as reconciliation does it."""
    hashes = [hash_ids(ids(first, min(PAGE, rows - TWINS - first))) for first in range(0, rows - TWINS, PAGE)]
    hashes.append(hash_ids(ids(1 << 40, 1)))
    missing = sum(int(ledger.lacks(page).sum()) for page in hashes)
    known = np.unique(np.concatenate(hashes))
    return missing + int(Ledger(known).lacks(ledger.known).sum())


if __name__ == "__main__":
    sys.exit(main())
