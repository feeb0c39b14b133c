"""Whole processes, measured by the operating system's accounting of each."""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_KILO = 1024 if sys.platform != "darwin" else 1


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: what it was, what it cost, and facts of the run itself."""

    name: str
    wall: float  # seconds
    cpu: float  # seconds, user and system, children included
    peak: float  # MB (1e6 bytes), the largest process
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="axsync-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def timed(
    name: str, command: Sequence[str], *, environ: Mapping[str, str], log: Path, allowed: Collection[int] = (0,)
) -> Measured:
    """Run a command to its end. Raises: SystemExit for another exit code, with the end of what it said."""
    started = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=os.environ | dict(environ))
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise SystemExit(f"{name} ended with {process.returncode}:\n{log.read_text('utf-8', 'replace')[-2000:]}")
    return Measured(name, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _KILO / 1e6)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and what lies outermost."""
    return statistics.median(values), min(values), max(values)


def own_cpu(work: Callable[[], object], times: int = 5) -> float:
    """CPU seconds of this process for one call: the least of several, as nothing can make it quicker than it is."""
    work()
    return min(_cpu_of(work) for _ in range(times))


def _cpu_of(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
