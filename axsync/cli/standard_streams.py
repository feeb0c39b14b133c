"""Standard streams that a command can rely on, whatever it was started with: closed, full, or without a reader.

What is said on stderr may get lost; no command fails for that. What is written to stdout is the result of a command, so
that losing it is an error, told once. A run decides for itself: what it came to is in the lake and in its exit code.
"""

import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from axsync.errors import OutputLost

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def hold_streams() -> None:
    """Open on nothing what was closed, and have lost output told once. Streams of another kind are left as they are."""
    for number in range(3):
        _fill(number)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115  until the process ends
    if sys.stdout is sys.__stdout__:
        sys.stdout = _held(sys.stdout, 1, tells=True)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _held(sys.stderr, 2, tells=False)


def _fill(number: int) -> None:
    """A file of the run must never get the number of a standard stream: a program would write into it."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003  gets the lowest free number


def _held(stream: TextIO | None, number: int, *, tells: bool) -> TextIO:
    raw = io.BufferedWriter(_Stream(number, tells=tells))
    if stream is None:
        return io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)
    return io.TextIOWrapper(raw, stream.encoding, stream.errors, line_buffering=not tells or stream.isatty())


class _Stream(io.FileIO):
    """Writes until that fails. It is told once or not at all, and from then on nothing is written."""

    def __init__(self, number: int, *, tells: bool) -> None:
        super().__init__(number, "wb", closefd=False)
        self._tells, self._lost = tells, False

    def write(self, piece: "ReadableBuffer", /) -> int:
        try:
            return len(memoryview(piece)) if self._lost else super().write(piece)
        except OSError as error:
            self._lost = True
            if self._tells:
                reason = "" if error.errno == errno.EPIPE else error.strerror or "no reason given"
                raise OutputLost(reason) from None
            return len(memoryview(piece))
