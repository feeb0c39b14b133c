"""Measures with a bound of their own: how soon it starts, many small types, the loop, the pace."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders import Setting, axsync, config_text
from tests.benchmarks.fleet import KEY, SECRET, Load, emulator
from tests.benchmarks.process import folder, timed

TYPES = 60


def measure(rows: int, rounds: int) -> dict[str, float]:
    """Seconds, milliseconds and percent by name; medians of the rounds."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, value in _once(rows).items():
            found.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def _once(rows: int) -> dict[str, float]:
    with folder() as place:
        started = timed("help", [sys.executable, "-m", "axsync", "--help"], environ={}, log=place / "help")
        pace = _probe("pace", place=place)
    many = _many()
    return {
        "axsync --help, s": started.wall,
        f"{TYPES} types of 10 rows, s": many["wall"],
        f"{TYPES} types of 10 rows, CPU s": many["cpu"],
        "loop stall, ms": _stall(rows),
        "pace, % of a core": pace["share"],
        "pace, requests per second": pace["per_second"],
        "pace, CPU microseconds per request": pace["grant"],
    }


def _many() -> dict[str, float]:
    names = tuple(f"kind_{number:02}" for number in range(TYPES))
    served = [part for name in names for part in ("--size", f"{name}=10", "--type", name)]
    load = Load(fields="generic", bulk=1, others=tuple(served))
    with emulator(load.arguments) as url:
        made = axsync(load, url, Setting(entities=names))
        return {"wall": made.wall, "cpu": made.cpu}


def _stall(rows: int) -> float:
    load = Load(rows=rows)
    with emulator(load.arguments) as url, folder() as place:
        config = place / "axsync.toml"
        config.write_text(config_text(load, [url], Setting(), place / "lake"), "utf-8")
        return float(_probe("stall", str(config), place=place)["stall"])


def _probe(*arguments: str, place: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.probes", *arguments]
    timed(arguments[0], command, environ={"AX_KEY": KEY, "AX_SECRET": SECRET}, log=place / "probe")
    found: dict[str, Any] = json.loads((place / "probe").read_text("utf-8").splitlines()[-1])
    return found
