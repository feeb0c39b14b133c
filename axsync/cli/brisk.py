"""A quick start: the imports of a command that needs all of pyarrow and aiohttp."""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

NUMPY_THREADS = "OPENBLAS_NUM_THREADS"
AUTHORITIES = "SSL_CERT_FILE"


@contextmanager
def brisk_imports() -> Iterator[None]:
    """Import without a look for garbage, of which there is none, and without what libraries prepare for nothing.

    That is numpy's threads, which have no work here, and the certificates that aiohttp reads for contexts of its own:
    `transport` always hands in one. Takes 0.2 s and 0.3 CPU s off each run (docs/benchmarks/profile.md). Nothing that
    runs later sees it.
    """
    wished = {NUMPY_THREADS: os.environ.get(NUMPY_THREADS, "1"), AUTHORITIES: os.devnull}
    before = {name: os.environ.get(name) for name in wished}
    os.environ.update(wished)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is imported stays
        gc.enable()
        _put_back(before)


def _put_back(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
