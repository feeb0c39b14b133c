"""`axsync` with a fault at its n-th durable operation.

    python harness.py N FAULT COUNT_FILE ARGUMENTS…

A durable operation is a write, fsync, rename, unlink, truncation or folder change, wherever it is made. FAULT is
`kill` (the process is gone at once, before the operation) or the name of an errno, which the operation then raises.
N = 0 lets everything pass. How many operations there were is left in COUNT_FILE.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from axsync.cli import main

OPERATIONS = ("write", "fsync", "rename", "replace", "unlink", "truncate", "ftruncate", "mkdir", "rmdir")


class Count:
    """Counts operations and lets the n-th one fail."""

    def __init__(self, at: int, fault: str, file: Path) -> None:
        self.seen = 0
        self._at, self._fault, self._file = at, fault, file

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The operation, counted."""

        def counted(*args: Any, **named: Any) -> Any:  # noqa: ANN401  # whatever the operation takes and gives
            self.seen += 1
            if self.seen == self._at:
                self._fail()
            return real(*args, **named)

        return counted

    def _fail(self) -> None:
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self._fault)
        raise OSError(number, os.strerror(number))

    def keep(self) -> None:
        """Leave the number where the test finds it."""
        self._file.write_text(str(self.seen))


def run() -> None:
    """Patch, then hand over to axsync."""
    at, fault, file = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    count = Count(at, fault, file)
    for name in OPERATIONS:
        setattr(os, name, count.wrap(getattr(os, name)))
    pq.ParquetWriter.write_table = count.wrap(pq.ParquetWriter.write_table)
    try:
        sys.argv = ["axsync", *sys.argv[4:]]
        main()
    finally:
        count.keep()


if __name__ == "__main__":
    run()
