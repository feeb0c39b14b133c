"""Whole runs of `axsync run` against an emulator of its own: wall clock, CPU, peak memory, and ratios.

    python tests/benchmarks/bench.py [--rows 100000] [--rounds 3] [--out docs/benchmarks]

Every round takes the cases in turn, so that a machine whose speed drifts cannot favour one of them. Figures of a
process come from the operating system's accounting of that process; the emulator runs beside it and is not counted.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

DRIFTS = (0, 2, 20)  # percent of the records
CONFIG = """
[lake]
uri = "{lake}"
[instances.bench]
url = "{url}"
api_key = "env:BENCH_KEY"
api_secret = "env:BENCH_SECRET"
requests_per_second = 5000
in_flight = 8
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one case."""

    drift: int
    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: float  # MB
    rows: int
    megabytes: float  # of JSON
    lake: float  # MB of Parquet
    rescued: int


@contextmanager
def emulator(rows: int, drift: int) -> Iterator[str]:
    """An emulator with so many devices; yields its URL."""
    command = [sys.executable, "-m", "axsync.emulator", "--profile", "p70", "--port", "0", "--output", "json"]
    command += ["--size", f"devices={rows}", "--drift", str(drift), "--type", "devices"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait()


def measure(url: str, drift: int) -> Measured:
    """One `axsync run` into an empty lake."""
    folder = Path(tempfile.mkdtemp(prefix="axsync-bench-"))
    try:
        config = folder / "axsync.toml"
        config.write_text(CONFIG.format(lake=folder / "lake", url=url))
        keys = {"BENCH_KEY": "demo-key-of-the-emulator", "BENCH_SECRET": "demo-secret-of-the-emulator"}
        command = [sys.executable, "-m", "axsync", "run", "devices", "--config", str(config), "-q", "--output", "json"]
        started = time.perf_counter()
        with (folder / "out").open("wb") as out:
            process = subprocess.Popen(command, stdout=out, env=os.environ | keys)
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        if status:
            raise SystemExit(f"axsync ended with {os.waitstatus_to_exitcode(status)}")
        return _read(folder / "lake", drift, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    finally:
        shutil.rmtree(folder)


def _read(lake: Path, drift: int, wall: float, cpu: float, peak: float) -> Measured:
    named = json.loads((lake / "_axsync" / "latest.json").read_text())["manifest"]
    (lane,) = json.loads((lake / "_axsync" / named).read_text())["lanes"]
    size = sum(file["bytes"] for file in lane["files"]) / 1e6
    return Measured(drift, wall, cpu, peak, lane["rows"], lane["bytes"] / 1e6, size, lane["rescued_values"])


def table(measured: list[Measured]) -> str:
    """Medians as Markdown, each case with its throughput against the first one."""
    lines = [
        "| drifted | rows | JSON MB | seconds | MB/s | CPU s | MB/s per core | peak MB | Parquet MB | against none |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    first = 0.0
    for drift in dict.fromkeys(m.drift for m in measured):
        mine = [m for m in measured if m.drift == drift]
        wall, cpu = statistics.median(m.wall for m in mine), statistics.median(m.cpu for m in mine)
        peak, one = max(m.peak for m in mine), mine[0]
        first = first or one.megabytes / wall
        cells = (f"{drift} %", f"{one.rows:,}", f"{one.megabytes:.0f}", f"{wall:.2f}", f"{one.megabytes / wall:.0f}")
        more = (f"{cpu:.2f}", f"{one.megabytes / cpu:.0f}", f"{peak:.0f}", f"{one.lake:.1f}")
        lines.append("| " + " | ".join((*cells, *more, f"{one.megabytes / wall / first:.2f}")) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the rounds, print the table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    given = parser.parse_args()
    measured: list[Measured] = []
    for number in range(given.rounds):
        for drift in DRIFTS:
            with emulator(given.rows, drift) as url:
                measured.append(measure(url, drift))
            last = measured[-1]
            print(f"round {number + 1}, {drift} % drift: {last.wall:.2f} s, {last.peak:.0f} MB", file=sys.stderr)
    measured.sort(key=lambda m: m.drift)
    print(table(measured))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.json").write_text(json.dumps([asdict(m) for m in measured], indent=1) + "\n")
    (given.out / "results.md").write_text(f"# {given.rows:,} devices, {given.rounds} rounds\n\n{table(measured)}\n")


if __name__ == "__main__":
    main()
