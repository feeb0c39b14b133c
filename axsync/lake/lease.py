"""One run at a time: a lock that dies with its process, and says who holds it."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from axsync.errors import Busy
from axsync.lake.durable import make_folder, storage_errors


@contextmanager
def hold(path: Path, *, what: str, run: str) -> Iterator[None]:
    """Hold the lock while the block runs.

    The system lets go of the lock when its process ends, however it ends, so a lock is never stale; the text in
    the file only tells who it is. Raises: Busy, StorageError.
    """
    with storage_errors(f"lock {what}"):
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(path)
            raise Busy(f"another run is using {what}: {holder}", holder=holder) from None
        with storage_errors(f"lock {what}"):
            os.ftruncate(handle, 0)
            os.write(handle, orjson.dumps({"pid": os.getpid(), "host": socket.gethostname(), "run": run}))
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        told = orjson.loads(path.read_bytes())
        return f"process {told['pid']} on {told['host']}, run {told['run']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not say who it is"
