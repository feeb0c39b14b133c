"""Processes of axsync with something patched in them, forked one after the other; `place.Harness` asks for them.

Reads one JSON object per line: the `arguments` of axsync, the files `out`, `err` and `count`, and what a patch needs.
Answers with two lines: the number of the process, and when it has ended, how. The modules are imported once, since
importing them would be half of the time.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from axsync.cli import main

MODULES = (
    "axsync.cli.run",
    "axsync.cli.reported_run",
    "axsync.lake.delta",
    "axsync.lake.iceberg",
    "rich.table",
)

Patch: TypeAlias = Callable[[dict[str, Any]], Callable[[], int]]
"""Patches axsync for one wish; what it gives tells how many operations there were, which goes to the file `count`."""


def serve(patch: Patch) -> None:
    """Until nobody asks any more."""
    for module in MODULES:
        import_module(module)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            _run(json.loads(line), patch)
        _answer(process)
        _answer(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


def _run(wish: dict[str, Any], patch: Patch) -> NoReturn:
    """Hand over to axsync; the process ends here."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(wish[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    seen, code = patch(wish), 1
    try:
        main(wish["arguments"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(wish["count"]).write_text(str(seen()))
        os._exit(code)


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
