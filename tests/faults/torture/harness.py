"""`axsync` with a fault at its n-th durable operation, as often as is asked, each time in a process of its own.

Takes `at` and `fault` besides what `forks` does. `power` is a kill after which all that was not fsynced is gone too, as
after a power cut; `SIGTERM` and `SIGINT` are sent before the operation, which then goes on.

A durable operation is a write, fsync, rename, unlink, truncation or folder change, wherever it is made. `fault` is
`kill` (the process is gone at once, before the operation) or the name of an errno, which the operation then raises.
`at` = 0 lets everything pass.
"""

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.faults.torture.forks import serve

OPERATIONS = ("write", "fsync", "rename", "replace", "unlink", "truncate", "ftruncate", "mkdir", "rmdir")


class Count:
    """Counts operations and lets the n-th one fail."""

    def __init__(self, at: int, fault: str, file: Path) -> None:
        self.seen = 0
        self._at, self._fault, self._file = at, fault, file
        # Which bytes of which file are on the disk for sure; what was there before this process is.
        self._safe = {path.stat().st_ino: path.stat().st_size for path in self._files()}

    def _files(self) -> list[Path]:
        return [path for path in (self._file.parent / "lake").rglob("*") if path.is_file()]

    def wrap_fsync(self, real: Callable[..., None]) -> Callable[..., None]:
        """What is fsynced stays."""

        def remembered(handle: int) -> None:
            real(handle)
            self._safe[os.fstat(handle).st_ino] = os.fstat(handle).st_size

        return remembered

    def _cut_power(self) -> None:
        for path in self._files():
            # Another thread may have moved it meanwhile.
            with suppress(FileNotFoundError), path.open("r+b") as file:
                file.truncate(min(self._safe.get(path.stat().st_ino, 0), path.stat().st_size))

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The operation, counted."""

        def counted(*args: Any, **named: Any) -> Any:  # noqa: ANN401  # whatever the operation takes and gives
            self.seen += 1
            if self.seen == self._at:
                self._fail()
            return real(*args, **named)

        return counted

    def _fail(self) -> None:
        if self._fault == "power":
            self._cut_power()
        if self._fault in {"kill", "power"}:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, self._fault))
            return
        number = getattr(errno, self._fault)
        raise OSError(number, os.strerror(number))


def patch(wish: dict[str, Any]) -> Callable[[], int]:
    """As `forks.Patch`."""
    count = Count(wish["at"], wish["fault"], Path(wish["count"]))
    os.fsync = count.wrap_fsync(os.fsync)
    for name in OPERATIONS:
        setattr(os, name, count.wrap(getattr(os, name)))
    pq.ParquetWriter.write_table = count.wrap(pq.ParquetWriter.write_table)
    return lambda: count.seen


if __name__ == "__main__":
    serve(patch)
