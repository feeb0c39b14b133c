"""axsync against its peers and against itself, as whole processes. Quiet machine, please.

    make bench                       everything; an hour on two cores
    make bench ARGS=--short          small numbers: does it all work?
    make bench ARGS='peers steps'    only these parts: latency peers drift sizes steps targets growth memory

Every round takes the contenders in turn, so that a machine whose speed drifts favours nobody. The emulator is a
process of its own; it runs beside the contender and is not counted. Medians, with the outermost values.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import latency, memory, report, steps, targets
from tests.benchmarks.contenders import ALL_PEERS, Setting, axsync
from tests.benchmarks.fleet import DEVICE_FIELDS, USER_FIELDS, Load, emulator
from tests.benchmarks.memory import Matrix
from tests.benchmarks.process import Measured

SOFTWARE = ("internal_axon_id", "adapters", "labels", "specific_data.data.installed_software")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    rows: tuple[int, ...]  # devices against the peers
    growth: tuple[int, ...]  # devices
    columns: tuple[int, ...]
    lanes: tuple[int, ...]
    instances: tuple[int, ...]
    drifts: tuple[int, ...]
    size: float  # the share of the rows for records of other sizes
    matrix: Matrix  # of odd rows, for memory
    latencies: tuple[float, ...] = (0.05, 0.5, 2, 10)  # seconds per request

    @property
    def most(self) -> int:
        """The devices of single measures."""
        return self.rows[0]


WHOLE = Plan(
    rounds=5,
    rows=(20_000, 100_000),
    growth=(20_000, 100_000, 300_000, 1_000_000),
    columns=(50, 300, 1000, 3000),
    lanes=(1, 10, 60, 200, 600),
    instances=(1, 5, 20),
    drifts=(0, 2, 5, 10, 20),
    size=1,
    matrix=Matrix((8_000, 24_000), (50, 1_900), (0, 10, 50), (0, 50), (2, 8), cases=60_000),
)
FEW_ODD = Matrix((500, 2_000), (30,), (0, 50), (0, 50), (2,), cases=1_000, bomb=80_000_000)
SHORT = Plan(1, (2_000,), (1_000, 4_000), (50, 300), (1, 20), (1, 3), (0, 2, 20), 0.05, FEW_ODD, (0.05, 0.2))


def told(measured: Measured, note: str = "") -> Measured:
    """Say what came, on the way."""
    print(
        f"  {measured.name} {note}: {measured.wall:.2f} s, {measured.cpu:.2f} CPU s, {measured.peak:.0f} MB",
        file=sys.stderr,
    )
    return measured


def peers(plan: Plan) -> list[dict[str, Any]]:
    """All that are installed, and axsync, at each number of devices."""
    found: list[dict[str, Any]] = []
    contenders = [peer for peer in ALL_PEERS if peer.installed]
    for rows in plan.rows:
        load = Load(rows=rows)
        with emulator(load.arguments) as url, emulator(replace(load, profile="v1").arguments) as first:
            for _ in range(plan.rounds):
                found.append(_row(told(axsync(load, url), f"{rows:,}"), rows=rows))
                for peer in contenders:
                    made = peer.run(load, first if peer.profile == "v1" else url)
                    found.append(_row(told(made, f"{rows:,}"), rows=rows))
    return found


def drift(plan: Plan) -> list[dict[str, Any]]:
    """Shares of drifted records, in turn; each with an emulator of its own."""
    found = []
    for _ in range(plan.rounds):
        for percent in plan.drifts:
            load = Load(rows=plan.most, drift=percent)
            with emulator(load.arguments) as url:
                found.append(_row(told(axsync(load, url), f"{percent} % drift"), drift=percent))
    return found


def _kinds(plan: Plan) -> dict[str, Load]:
    """Records of all sizes that occur."""

    def rows(count: int) -> int:
        return max(int(count * plan.size), 100)

    return {
        "narrow users": Load("users", rows(200_000), USER_FIELDS, bulk=1),
        "devices of 3 kB": Load("devices", rows(50_000), DEVICE_FIELDS, bulk=0.2),
        "devices of 8 kB": Load("devices", rows(20_000)),
        "raw tree of 7 kB": Load("devices", rows(20_000), "raw", bulk=1),
        "raw tree of 90 kB": Load("devices", rows(2_000), "raw", bulk=40),
        "3,000 columns": Load("devices", rows(4_000), "full", bulk=1, more_fields=2_900, profile="p90"),
        "lists of 1,000": Load("devices", rows(1_000), SOFTWARE, bulk=500),
    }


def sizes(plan: Plan) -> list[dict[str, Any]]:
    """One row for each kind of record."""
    found = []
    for name, load in _kinds(plan).items():
        with emulator(load.arguments) as url:
            found += [_row(told(axsync(load, url), name), kind=name) for _ in range(min(plan.rounds, 3))]
    return found


def growth(plan: Plan) -> list[dict[str, Any]]:
    """How cost grows with rows, columns, entity types, instances; drift has a part of its own."""
    found = [_grown("rows", rows, Load(rows=rows)) for rows in plan.growth]
    for columns in plan.columns:
        more = max(columns - 81, 0)  # what a device has beside
        load = Load(rows=max(plan.most // 5, 100), fields="full", bulk=1, more_fields=more, profile="p90")
        found.append(_grown("columns", columns, load))
    for lanes in plan.lanes:
        names = tuple(f"kind_{number:03}" for number in range(lanes))
        sizes_of = [part for name in names for part in ("--size", f"{name}=10", "--type", name)]
        load = Load(rows=10, fields="generic", bulk=1, others=tuple(sizes_of))
        found.append(_grown("entity types", lanes, load, Setting(entities=names)))
    for instances in plan.instances:
        load = Load(rows=max(plan.most // 10, 100))
        found.append(_grown("instances", instances, load, Setting(instances=instances)))
    return found


def _grown(what: str, size: int, load: Load, setting: Setting | None = None) -> dict[str, Any]:
    with emulator(load.arguments) as url:
        return _row(told(axsync(load, url, setting), f"{size:,} {what}"), what=what, size=size)


def _row(measured: Measured, **more: object) -> dict[str, Any]:
    return {**more, **{k: v for k, v in measured.record.items() if k != "facts"}, **measured.facts}


PARTS: dict[str, Callable[[Plan], Any]] = {
    "latency": lambda plan: latency.measure(plan.latencies, share=plan.size, rounds=1),
    "peers": peers,
    "drift": drift,
    "sizes": sizes,
    "steps": lambda plan: steps.measure(Load(rows=2_000)),
    "targets": lambda plan: targets.measure(plan.most, plan.rounds),
    "growth": growth,
    "memory": lambda plan: memory.measure(plan.matrix),
}


def machine() -> dict[str, Any]:
    """Where this was measured."""
    names = ("axsync", "aiohttp", "pyarrow", "msgspec", "orjson", "numpy")
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in names},
    }


def main() -> None:
    """Measure the chosen parts and keep what was found beside what other parts found before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them, when none is named")
    parser.add_argument("--short", action="store_true", help="small numbers, one round, into a folder of its own")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--rows", type=int, action="append", help="devices against the peers; repeatable")
    parser.add_argument("--out", type=Path, help="default: docs/benchmarks, or build/bench where it is short")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    plan = SHORT if given.short else WHOLE
    plan = replace(plan, rounds=given.rounds or plan.rounds, rows=tuple(given.rows or plan.rows))
    out = given.out or Path("build/bench" if given.short else "docs/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "results.json"
    found: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for part in given.parts or PARTS:
        print(part, file=sys.stderr)
        found[part] = {"machine": machine(), "plan": asdict(plan), "found": PARTS[part](plan)}
        kept.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    text = report.markdown(found)
    (out / "results.md").write_text(text, "utf-8")
    report.plot(kept, out)
    print(text)


if __name__ == "__main__":
    main()
