"""Imports what a command needs when it is used, so that help, usage errors and completion are quick.

Everything that is imported late goes through `load`. All other modules import at their top.
"""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

NUMPY_THREADS = "OPENBLAS_NUM_THREADS"
AUTHORITIES = "SSL_CERT_FILE"


def load(place: str) -> Any:  # noqa: ANN401  whatever is there
    """The attribute of a module, both named as in `axsync.console.gc:verify`."""
    module, _, attribute = place.partition(":")
    if module not in sys.modules:
        with fast_imports():
            import_module(module)
    return getattr(sys.modules[module], attribute)


@contextmanager
def fast_imports() -> Iterator[None]:
    """Import with GC disabled and without NumPy's thread pool or aiohttp's default TLS contexts, which are never used.

    `client` always passes its own TLS context, and nothing here calls into OpenBLAS. This takes 0.2 s and 0.3 CPU s off
    each run (docs/benchmarks/profile.md). The previous settings are restored afterwards.
    """
    wanted = {NUMPY_THREADS: os.environ.get(NUMPY_THREADS, "1"), AUTHORITIES: os.devnull}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # imported modules stay for the life of the process
        gc.enable()
        _restore(before)


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
