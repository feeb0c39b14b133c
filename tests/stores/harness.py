"""`axsync` with a lake in an object store, and a fault at its n-th change of it, each time in a process of its own.

Takes `at`, `fault`, `bucket`, `prefix` and `ttl` besides what `forks` does, and perhaps `drafts`, the folder of another
machine. A change is a request that obstore is asked for (put, copy or delete), or a commit to a table, which its own
library makes. `fault` is `kill` or `pause`, right before it; one that is paused is made when the process wakes.
`at` = 0 lets everything pass.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import obstore
from deltalake import DeltaTable
from obstore.store import S3Store
from pyiceberg.catalog.sql import SqlCatalog

from axsync.lake import buckets, delta
from axsync.lake.buckets import options_of
from axsync.lake.objects import ObjectStore
from tests.faults.torture.forks import serve

CHANGES: tuple[tuple[object, tuple[str, ...]], ...] = (
    (obstore, ("put", "copy", "delete")),
    (delta, ("create_table_with_add_actions",)),
    (DeltaTable, ("create_write_transaction", "create_checkpoint")),
    (SqlCatalog, ("create_table", "commit_table")),
)
SIGNALS = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP}


class Count:
    """Counts changes, and is the end of the process at the n-th one."""

    def __init__(self, at: int, fault: str) -> None:
        self.seen, self._at, self._fault = 0, at, fault
        self._turn = threading.Lock()

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The change, counted; renewals of the lease come when they like, and do not count."""

        def counted(*args: Any, **named: Any) -> Any:  # noqa: ANN401  whatever the change takes and gives
            if threading.current_thread().name != "axsync-lease":
                with self._turn:
                    self.seen += 1
                    if self.seen == self._at:
                        os.kill(os.getpid(), SIGNALS[self._fault])
            return real(*args, **named)

        return counted


def patch(wish: dict[str, Any]) -> Callable[[], int]:
    """As `forks.Patch`."""
    count = Count(wish["at"], wish["fault"])
    for owner, names in CHANGES:
        for name in names:
            setattr(owner, name, count.wrap(getattr(owner, name)))
    store = ObjectStore(S3Store(**wish["bucket"]), wish["prefix"], f"s3://lake/{wish['prefix']}", ttl=wish["ttl"])
    store.drafts = Path(wish["drafts"]) if "drafts" in wish else None
    store.foreign = lambda: options_of(cast("S3Store", store.bucket))
    setattr(buckets, "open_objects", lambda _settings: store)  # noqa: B010  whatever the address
    return lambda: count.seen


if __name__ == "__main__":
    serve(patch)
