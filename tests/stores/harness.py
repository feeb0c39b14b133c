"""`axsync` with a lake in an object store, and a fault at its n-th change of it, each time in a process of its own.

Reads one JSON object per line: `at`, `fault`, `bucket`, `prefix`, `ttl`, `count`, `out`, `err`, `arguments`, and
perhaps `drafts`, the folder of a machine of its own. Answers with two lines: the number of the process, and when it has
ended, how. A change is a request that obstore is asked for: put, copy or delete. `fault` is `kill` or `pause`, right
before the request; one that is paused sends it when it wakes. `at` = 0 lets everything pass. How many
changes there were is left in the file `count`.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, cast

import obstore
from obstore.store import S3Store

from axsync.cli import main
from axsync.lake.buckets import options_of
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake
from axsync.runs import setup

MODULES = ("axsync.cli.run", "axsync.cli.reported_run", "rich.table")
SIGNALS = {"kill": signal.SIGKILL, "pause": signal.SIGSTOP}


class Count:
    """Counts changes, and is the end of the process at the n-th one."""

    def __init__(self, at: int, fault: str) -> None:
        self.seen, self._at, self._fault = 0, at, fault
        self._turn = threading.Lock()

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """The change, counted; renewals of the lease come when they like, and do not count."""

        def counted(bucket: object, paths: object, *args: Any, **named: Any) -> Any:  # noqa: ANN401  as obstore
            if threading.current_thread().name != "axsync-lease":
                with self._turn:
                    self.seen += 1
                    if self.seen == self._at:
                        os.kill(os.getpid(), SIGNALS[self._fault])
            return real(bucket, paths, *args, **named)

        return counted


def run(wish: dict[str, Any]) -> NoReturn:
    """Patch, then hand over to axsync; the process ends here."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(wish[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    count = Count(wish["at"], wish["fault"])
    for name in ("put", "copy", "delete"):
        setattr(obstore, name, count.wrap(getattr(obstore, name)))
    store = ObjectStore(S3Store(**wish["bucket"]), wish["prefix"], f"s3://lake/{wish['prefix']}", ttl=wish["ttl"])
    store.drafts = Path(wish["drafts"]) if "drafts" in wish else None
    store.foreign = lambda: options_of(cast("S3Store", store.bucket))
    opened = lambda one: Lake(store, one.formats, one.reaches_back, one.catalog)  # noqa: E731
    setattr(setup, "open_lake", opened)  # noqa: B010  a name that the module imports
    setattr(setup, "_refuse_inside", lambda *_: None)  # noqa: B010  every address is this lake, also that of a folder above
    code = 1
    try:
        main(wish["arguments"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(wish["count"]).write_text(str(count.seen))
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
