"""Plots of a benchmark's results. Run: python plots.py RESULTS.json FOLDER, with matplotlib (`make bench-peers`)."""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

plt.rcParams["svg.hashsalt"] = "axsync"  # the same results make the same file
Row = dict[str, Any]


def save(figure: Any, path: Path) -> None:  # noqa: ANN401
    """Write an SVG without the moment in it."""
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def grows(what: str, points: dict[float, list[Row]], path: Path, *, log: bool) -> None:
    """CPU seconds, throughput and peak memory against what grows."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3))
    sizes = sorted(points)
    measures = (
        ("CPU seconds", lambda row: row["cpu"]),
        ("MB of JSON per second", lambda row: row["json"] / row["wall"]),
        ("peak MB", lambda row: row["peak"]),
    )
    for axis, (label, value) in zip(axes, measures, strict=True):
        axis.plot(sizes, [statistics.median(value(row) for row in points[size]) for size in sizes], marker="o")
        axis.set(xlabel=what, ylabel=label)
        axis.set_ylim(bottom=0)
        if log:
            axis.set_xscale("log")
        axis.grid(visible=True, alpha=0.3)
    save(figure, path)


def peers(rows: list[Row], path: Path) -> None:
    """Seconds, CPU seconds and memory of all contenders."""
    most = max(row["rows"] for row in rows)
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["rows"] == most:
            by_name[row["name"]].append(row)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3))
    for axis, (key, label) in zip(
        axes, (("wall", "seconds"), ("cpu", "CPU seconds"), ("peak", "peak MB")), strict=True
    ):
        axis.barh(list(by_name), [statistics.median(row[key] for row in mine) for mine in by_name.values()])
        axis.set(xlabel=f"{label}, {most:,} devices")
        axis.invert_yaxis()
    save(figure, path)


def under_way(rows: list[Row], path: Path) -> None:
    """Requests in flight over time, for the large type at each latency."""
    shown = {row["latency"]: row for row in rows if row.get("in_flight")}
    figure, axes = plt.subplots(1, len(shown), figsize=(3 * len(shown) + 2, 3), squeeze=False)
    for axis, (latency, row) in zip(axes[0], shown.items(), strict=True):
        axis.step(*zip(*row["in_flight"], strict=True), where="post")
        axis.set(xlabel=f"seconds, {latency:g} s per request", ylabel="requests in flight")
    save(figure, path)


def main() -> None:
    """All plots that these results allow."""
    found, out = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    if "latency" in found:
        under_way(found["latency"]["found"], out / "in-flight.svg")
    if "peers" in found:
        peers(found["peers"]["found"], out / "peers.svg")
    points: dict[str, dict[float, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in found.get("growth", {"found": []})["found"]:
        points[row["what"]][row["size"]].append(row)
    for row in found.get("drift", {"found": []})["found"]:
        points["percent of drifted records"][row["drift"]].append(row)
    for what, mine in points.items():
        name = what.replace(" ", "-").replace("percent-of-drifted-records", "drift")
        grows(what, mine, out / f"growth-{name}.svg", log="percent" not in what)


main()
