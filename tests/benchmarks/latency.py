"""Runs against servers that take their time for every request, beside the best that any client could do there.

The best is computed: the fewest requests, each as long as the server takes, as many at once as are allowed. It begins
with one request for the version and one round for the rest of what a run has to know; all else is packed without gaps.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders import ALL_PEERS, Setting, axsync
from tests.benchmarks.fleet import Load, emulator
from tests.benchmarks.process import Measured, folder

IN_FLIGHT, PACE = 4, 10.0
"""The defaults of axsync: requests at once, and per second."""
MOST_ROWS = 2_000
"""Of a page, at any server."""
ROW_SECONDS = 0.2 / 1_000


@dataclass(frozen=True, slots=True)
class Case:
    """Entity types of so many rows each, at so many instances with a server of their own."""

    name: str
    rows: tuple[int, ...]
    instances: int = 1

    @property
    def types(self) -> tuple[str, ...]:
        """Devices where there is but one type, so that peers can read it, too."""
        return ("devices",) if len(self.rows) == 1 else tuple(f"kind_{n:02}" for n in range(len(self.rows)))

    def load(self, seconds: float, log: Path) -> Load:
        """What one server serves; its requests go to `log`."""
        sizes = [
            part for t, n in zip(self.types, self.rows, strict=True) for part in ("--size", f"{t}={n}", "--type", t)
        ]
        slow = ["--request-latency", f"{seconds * 1e3:g}", "--rows-latency", f"{ROW_SECONDS * 1e6:g}"]
        return Load(rows=self.rows[0], entity=self.types[0], profile="p90", others=(*sizes, *slow, "--log", str(log)))

    def requests(self) -> list[int]:
        """The rows of each request that cannot be spared at one instance, but for the first and its round."""
        found: list[int] = []
        for rows in self.rows:
            pages = [min(MOST_ROWS, rows - at) for at in range(0, rows, MOST_ROWS)]
            # Fields; pages; and where there are several, a listing of ids, a count, a look at the discovery cycle.
            found += [0, *pages, *(() if len(pages) == 1 else (*pages, 0, 0))]
        return found

    def ideal(self, seconds: float) -> float:
        """Of wall time, for one instance; all are read beside each other."""
        work = [seconds + rows * ROW_SECONDS for rows in self.requests()]
        return 2 * seconds + max(sum(work) / IN_FLIGHT, len(work) / PACE, 2 * seconds)


def cases(share: float) -> tuple[Case, ...]:
    """One large type, many small ones, several instances."""
    few, many = max(int(20_000 * share), 2_500), max(int(60 * share), 6)
    return (
        Case(f"{few:,} devices", (few,)),
        Case("10 types of 300 rows", (300,) * 10),
        Case(f"{many} types of 100 rows", (100,) * many),
        Case("5 instances, 10 types of 300 rows", (300,) * 10, instances=5),
    )


def measure(latencies: Sequence[float], *, share: float, rounds: int) -> list[dict[str, Any]]:
    """Every case at every latency, in seconds per request; peers read devices in the same regime."""
    found: list[dict[str, Any]] = []
    for seconds in latencies:
        for case in cases(share):
            for _ in range(rounds):
                found += _measured(case, seconds)
    return found


def _measured(case: Case, seconds: float) -> Iterator[dict[str, Any]]:
    with folder() as place, _servers(case, seconds, place) as (urls, load):
        setting = Setting(in_flight=IN_FLIGHT, entities=case.types, instances=case.instances, pace=PACE)
        made = axsync(load, urls, setting)
        logs = [log.read_text("utf-8").splitlines() for log in sorted(place.glob("*.jsonl"))]
        under_way = in_flight(logs[0]) if case.types == ("devices",) else []
        yield _row(case, seconds, made) | {"requests": sum(map(len, logs)), "in_flight": under_way, **made.facts}
    for peer in (peer for peer in ALL_PEERS if peer.installed and case.types == ("devices",)):
        with folder() as place, _servers(case, seconds, place, profile=peer.profile) as (urls, load):
            made = peer.run(load, urls[0])
            (log,) = place.glob("*.jsonl")
            yield _row(case, seconds, made) | {"requests": sum(1 for _ in log.open(encoding="utf-8"))}


@contextmanager
def _servers(case: Case, seconds: float, place: Path, *, profile: str = "p90") -> Iterator[tuple[list[str], Load]]:
    with ExitStack() as stack:
        loads = [case.load(seconds, place / f"{number}.jsonl") for number in range(case.instances)]
        urls = [stack.enter_context(emulator([*one.arguments, "--profile", profile])) for one in loads]
        yield urls, loads[0]


def _row(case: Case, seconds: float, made: Measured) -> dict[str, Any]:
    least = case.instances * (4 + len(case.requests()))
    costs = {"wall": made.wall, "cpu": made.cpu, "peak": made.peak}
    return {
        "case": case.name,
        "latency": seconds,
        "name": made.name,
        **costs,
        "ideal": case.ideal(seconds),
        "least": least,
    }


def in_flight(log: Sequence[str]) -> list[tuple[float, int]]:
    """Seconds since the first request, and how many were under way from then on."""
    seen = [json.loads(line) for line in log]
    steps = sorted(
        [(one["started"], 1) for one in seen]
        + [(one["finished"], -1) for one in seen if math.isfinite(one["finished"])]
    )
    level, points = 0, []
    for moment, step in steps:
        level += step
        points.append((moment - steps[0][0], level))
    return points
