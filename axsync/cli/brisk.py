"""A quick start: the imports of a command that needs all of pyarrow and aiohttp."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

NUMPY_THREADS = "OPENBLAS_NUM_THREADS"


@contextmanager
def brisk_imports() -> Iterator[None]:
    """Import without a look for garbage, of which there is none, and without numpy's threads, which have no work here.

    Takes 0.2 s and 0.3 CPU s off each run (docs/benchmarks/profile.md). Programs that are started later do not see it.
    """
    ours = NUMPY_THREADS not in os.environ
    if ours:
        os.environ[NUMPY_THREADS] = "1"
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is imported stays
        gc.enable()
        if ours:
            del os.environ[NUMPY_THREADS]
