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

from axsync.lake.id_index import IdIndex, earlier_duplicates, lacking, read_id_index
from axsync.lake.local import LocalStore
from axsync.lake.parts import use_steady_memory
from axsync.model import PageSpan
from axsync.runs.reconcile import IdListing

PAGE = 2_000  # rows
PART = 1_000_000  # rows
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


def write(folder: Path, rows: int) -> list[Path]:
    """Parts of a million ids; the last page is the first one once more."""
    paths = []
    for first in range(0, rows, PART):
        path = folder / f"part-{first // PART:05}.parquet"
        with pq.ParquetWriter(path, pa.schema([(ID, pa.string())]), compression="zstd") as writer:
            for start in range(first, min(first + PART, rows), PAGE):
                page = ids(0 if start + PAGE >= rows else start, PAGE)
                writer.write_batch(pa.RecordBatch.from_arrays([page], [ID]))
        paths.append(path)
    return paths


@contextmanager
def told(what: str, begin: int, rows: int) -> Iterator[None]:
    """Print what a step cost."""
    started = time.perf_counter()
    yield
    seconds, held = time.perf_counter() - started, peak_bytes() - begin
    print(f"{what:24} {seconds:6.2f} s   peak {held / 1e6:4.0f} MB   {held / rows:5.1f} bytes a row")


def main() -> int:
    """Write, read, find twins, compare; 1 where a bound is passed or something was overlooked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=10_000_000)
    rows = parser.parse_args().ids // PAGE * PAGE
    use_steady_memory()
    spans = [PageSpan(number, number * PAGE, PAGE) for number in range(rows // PAGE)]
    with tempfile.TemporaryDirectory(prefix="axsync-ids-") as folder:
        store, keys = LocalStore(Path(folder)), [path.name for path in write(Path(folder), rows)]
        begin = peak_bytes()
        with told("read the ledger", begin, rows):
            ledger = read_id_index(store, keys, ID)
        with told("count different ids", begin, rows):
            distinct = ledger.distinct
        with told("find the twins", begin, rows):
            twins = earlier_duplicates(store, keys, ID, ledger.repeated, spans)
        with told("compare with a listing", begin, rows):
            missing = compare(ledger, rows)
        # A repair ends with the ledger read once more, while the one before it is still there.
        with told("read it once more", begin, rows):
            again = read_id_index(store, keys, ID).distinct
    held = peak_bytes() - begin
    print(f"{rows:,} rows, {distinct:,} different ids, {len(twins):,} earlier twins, {missing} missing")
    fits = held <= MOST_BYTES * rows and held <= MOST_MEGABYTES * 1e6 * max(1.0, rows / 10_000_000)
    print(f"{'within' if fits else 'BEYOND'} {MOST_BYTES} bytes a row and {MOST_MEGABYTES} MB for ten million")
    return 0 if fits and (len(twins), rows - distinct, missing, again) == (PAGE, PAGE, 1, distinct) else 1


def compare(ledger: IdIndex, rows: int) -> int:
    """Ids of a listing that no part holds: one, page by page as reconciliation does it."""
    listing = IdListing(ledger)
    for first in range(0, rows - PAGE, PAGE):
        listing.add(ids(first, PAGE))
    listing.add(ids(1 << 40, 1))
    known = listing.known()
    return len(listing.missing) + int(lacking(known, ledger.known).sum())


if __name__ == "__main__":
    sys.exit(main())
