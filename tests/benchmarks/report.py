"""What was measured as Markdown; the plots are made by another interpreter, which has matplotlib."""

import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PLOTTER = Path(__file__).parents[2] / ".venv-bench" / "bin" / "python"
Row = dict[str, Any]


def markdown(found: dict[str, Any]) -> str:
    """All parts that were measured, each with the machine and the moment."""
    texts = ["# Benchmarks\n\n`make bench` writes this page; how to read it: [README.md](README.md).\n"]
    for part, title, write in _PARTS:
        if part in found:
            machine = found[part]["machine"]
            where = f"{machine['when']}, {machine['machine']}, Python {machine['python']}, load {machine['load']:.1f}"
            rounds = found[part]["plan"]["rounds"]
            often = f"{rounds} round{'s' * (rounds > 1)}"
            texts.append(f"## {title}\n\n{where}; {often}\n\n{write(found[part]['found'])}\n")
    return "\n".join(texts)


def plot(results: Path, out: Path) -> None:
    """SVG files beside the results, where `make bench-peers` has made an environment for it."""
    if not PLOTTER.exists():
        print("no plots: make bench-peers", file=sys.stderr)
        return
    subprocess.run([PLOTTER, Path(__file__).with_name("plots.py"), results, out], check=True)


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows of the same case, in the order of the cases."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def middle(rows: Sequence[Row], name: str) -> float:
    """The median of one measure."""
    return statistics.median(float(row[name]) for row in rows)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


def _range(rows: Sequence[Row], name: str, digits: int = 2) -> str:
    values = sorted(float(row[name]) for row in rows)
    return f"{statistics.median(values):.{digits}f} ({values[0]:.{digits}f}–{values[-1]:.{digits}f})"


def _peers(rows: list[Row]) -> str:
    groups = grouped(rows, "rows", "name")
    lines = []
    for (count, name), mine in groups.items():
        ours = groups[count, "axsync"]
        ratios = [f"{_paired(mine, ours, measure):.1f}" for measure in ("wall", "cpu")]
        lines.append(
            [f"{count:,}", name, *(_range(mine, m) for m in ("wall", "cpu")), _range(mine, "peak", 0), *ratios]
        )
    return table(["devices", "who", "seconds", "CPU s", "peak MB", "× seconds", "× CPU s"], lines)


def _latency(rows: list[Row]) -> str:
    lines = []
    for (case, seconds, name), mine in grouped(rows, "case", "latency", "name").items():
        wall, asked, one = middle(mine, "wall"), middle(mine, "requests"), mine[0]
        shown = [f"{wall:.1f}", f"{one['ideal']:.1f}", f"{wall / one['ideal']:.2f}"]
        counts = [f"{asked:.0f}", f"{one['least']}", f"{middle(mine, 'peak'):.0f}"]
        lines.append([f"{seconds:g} s", case, name, *shown, *counts])
    head = ["a request", "what", "who", "seconds", "ideal", "× ideal", "requests", "least", "peak MB"]
    return table(head, lines)


def _paired(mine: Sequence[Row], ours: Sequence[Row], name: str) -> float:
    """The median over rounds of how many times as much it took as axsync in the same round."""
    return statistics.median(float(m[name]) / float(o[name]) for m, o in zip(mine, ours, strict=True))


def _drift(rows: list[Row]) -> str:
    groups = grouped(rows, "drift")
    first = next(iter(groups.values()))
    lines = []
    for (percent,), mine in groups.items():
        shares = [
            statistics.median(_speed(m, by) / _speed(f, by) for m, f in zip(mine, first, strict=True))
            for by in ("wall", "cpu")
        ]
        speed = f"{statistics.median(_speed(m, 'wall') for m in mine):.0f}"
        lines.append(
            [f"{percent} %", speed, _range(mine, "cpu"), _range(mine, "peak", 0), *(f"{s:.2f}" for s in shares)]
        )
    return table(["drifted", "MB/s", "CPU s", "peak MB", "of the throughput", "of the MB per CPU s"], lines)


def _speed(row: Row, by: str) -> float:
    return float(row["json"]) / float(row[by])


def _sizes(rows: list[Row]) -> str:
    lines = []
    for (kind,), mine in grouped(rows, "kind").items():
        one = mine[0]
        size = f"{one['json'] * 1e3 / one['rows']:.1f}"
        speeds = [f"{statistics.median(_speed(m, by) for m in mine):.0f}" for by in ("wall", "cpu")]
        rate = f"{statistics.median(m['rows'] / m['wall'] for m in mine):,.0f}"
        lines.append([kind, size, f"{one['columns']}", f"{one['rows']:,}", rate, *speeds, _range(mine, "peak", 0)])
    head = ["records", "kB each", "columns", "rows", "rows/s", "MB/s", "MB per CPU s", "peak MB"]
    return table(head, lines)


def _steps(found: dict[str, Any]) -> str:
    page, steps = found["page"], found["steps"]
    lines = [
        [name, f"{ms:.1f}", f"{page * 1e3 / ms:,.0f}" if "grants" not in name else ""] for name, ms in steps.items()
    ]
    whole = steps["receive (raw socket)"] + steps["page to batch"] + steps["encode (zstd 1)"]
    part, floor = found["floor"] / whole, found["floor"]
    share = f"Share of the physical limit per core, by these steps: {part:.2f} ({floor:.1f} of {whole:.1f} ms)."
    head = f"A page of {found['rows']} devices, {page:.1f} MB; CPU milliseconds, the least of five.\n\n"
    return head + table(["step", "ms", "MB per CPU s"], lines) + f"\n\n{share}"


def _targets(found: dict[str, float]) -> str:
    bounds = {"axsync --help, s": 0.3, "60 types of 10 rows, s": 3, "loop stall, ms": 100, "pace, % of a core": 5}
    lines = [
        [name, f"{value:.2f}", f"below {bounds[name]:g}" if name in bounds else ""] for name, value in found.items()
    ]
    return table(["measure", "median", "target"], lines)


def _growth(rows: list[Row]) -> str:
    lines = [
        [row["what"], f"{row['size']:,}", f"{row['rows']:,}", f"{row['wall']:.2f}", f"{row['cpu']:.2f}",
         f"{_speed(row, 'wall'):.0f}", f"{row['peak']:.0f}"]
        for row in rows
    ]  # fmt: skip
    return table(["what grows", "to", "rows", "seconds", "CPU s", "MB/s", "peak MB"], lines)


def _memory(rows: list[Row]) -> str:
    clean = {_size(row): row["peak"] for row in rows if row["case"] == "matrix" and not (row["odd"] or row["dead"])}
    lines = [
        [f"{row['rows']:,}", f"{row['columns']:,}", f"{row['odd']} %", f"{row['dead']} %", f"{row['writers']}",
         f"{row['wall']:.1f}", f"{row['peak']:.0f}", f"{row['promised']:.0f}", f"{row['peak'] / clean[_size(row)]:.2f}"]
        for row in rows if row["case"] == "matrix"
    ]  # fmt: skip
    cases = [
        [row["case"], f"{row['rows']:,}", f"{row['wall']:.1f}", f"{row['peak']:.0f}", f"{row['promised']:.0f}"]
        for row in rows
        if row["case"] != "matrix"
    ]
    head = ["rows", "columns", "odd", "dead", "writers", "seconds", "peak MB", "promised MB", "× clean"]
    return table(head, lines) + "\n\n" + table(["case", "rows", "seconds", "peak MB", "promised MB"], cases)


def _size(row: Row) -> tuple[int, int, int]:
    return row["rows"], row["columns"], row["writers"]


_PARTS: tuple[tuple[str, str, Any], ...] = (
    ("latency", "Servers that take their time", _latency),
    ("peers", "Beside the peers", _peers),
    ("drift", "Drifted records", _drift),
    ("sizes", "Records of all sizes", _sizes),
    ("steps", "Steps of a page", _steps),
    ("targets", "Measures with a bound", _targets),
    ("growth", "How cost grows", _growth),
    ("memory", "Memory beside the promise", _memory),
)
