"""`axsync` with a fault at its n-th durable operation, as often as is asked, each time in a process of its own.

Reads one JSON object per line: `at`, `fault`, `count`, `out`, `err`, `arguments`. Answers with two lines: the number of
the process, and when it has ended, how. The modules are imported once and the processes forked, since importing would
be half of the time.

`power` is a kill after which all that was not fsynced is gone, too, as after a power cut; `SIGTERM` and `SIGINT` are
sent before the operation, which then goes on.

A durable operation is a write, fsync, rename, unlink, truncation or folder change, wherever it is made. `fault` is
`kill` (the process is gone at once, before the operation) or the name of an errno, which the operation then raises.
`at` = 0 lets everything pass. How many operations there were is left in the file `count`.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pyarrow.parquet as pq

from axsync.cli import main

MODULES = ("axsync.cli.run", "axsync.cli.reported_run", "rich.table")
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

    def keep(self) -> None:
        """Leave the number where the test finds it."""
        self._file.write_text(str(self.seen))


def run(wish: dict[str, Any]) -> NoReturn:
    """Patch, then hand over to axsync; the process ends here."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(wish[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    count = Count(wish["at"], wish["fault"], Path(wish["count"]))
    os.fsync = count.wrap_fsync(os.fsync)
    for name in OPERATIONS:
        setattr(os, name, count.wrap(getattr(os, name)))
    pq.ParquetWriter.write_table = count.wrap(pq.ParquetWriter.write_table)
    code = 1
    try:
        main(wish["arguments"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        count.keep()
        os._exit(code)


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve() -> None:
    """Until nobody asks any more."""
    for module in MODULES:
        import_module(module)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            run(json.loads(line))
        _answer(process)
        _answer(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    serve()
