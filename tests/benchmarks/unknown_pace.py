"""How near axsync comes to a pace that nobody told it: an emulator admits R requests per second and C at once.

    python tests/benchmarks/unknown_pace.py [--seconds 60] [--latency 0.1] [--beside 4] [--out docs/benchmarks/pace.svg]

Prints a line per pair, from the emulator's log of whole runs, and draws some of them over time. The client is allowed
200 requests per second and 16 at once. "After convergence" begins after the first 20 requests for pages.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product, starmap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from axsync.emulator import Emulator, Options, Seen
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, is_page

RATES, PLACES = (2, 5, 10, 20, 50), (1, 2, 4, 8, 16)
EARLY = 20  # requests for pages
WANTED, BEARABLE = 0.85, 0.03  # share of what is possible; 429s per request
FEW = 3  # 429s that a short run may have anyway
DRAWN = ((20, 2), (50, 16), (5, 4))
ROWS = 5  # per page


@dataclass(frozen=True, slots=True)
class Found:
    """What a run came to, by the server's log."""

    rate: int
    places: int
    latency: float  # seconds
    log: Sequence[Seen]

    @property
    def possible(self) -> float:
        """Requests per second, the latency of a page given."""
        return min(self.rate, self.places / self.latency)

    @property
    def refused(self) -> int:
        """How many 429s there were."""
        return sum(seen.status == 429 for seen in self.log)

    @property
    def achieved(self) -> float:
        """Admitted requests per second after convergence."""
        pages = [seen for seen in self.log if is_page(seen) or seen.status == 429]
        first, last = pages[EARLY].started, pages[-1].started
        return sum(seen.status == 200 and first <= seen.started < last for seen in self.log) / (last - first)

    @property
    def good(self) -> bool:
        """Both promises kept."""
        return self.achieved >= WANTED * self.possible and self.refused <= max(FEW, BEARABLE * len(self.log))


async def copied(rate: int, places: int, latency: float, count: int) -> Found:
    """A run of about so many pages, of three types."""
    sizes = {"devices": ROWS * count * 3 // 5, "users": ROWS * count // 5, "groups": ROWS * count // 5}
    options = Options(
        profile="p90",
        sizes=sizes,
        types=tuple(sizes),
        count_nulls=0,
        latency_ms=latency * 1000,
        requests_per_second=float(rate),
        at_once=places,
    )
    with tempfile.TemporaryDirectory() as folder:
        async with Emulator(options) as emulator:
            lab = Lab(Path(folder))
            prod = lab.instance(emulator, page_size=ROWS, requests_per_second=200.0, in_flight=16)
            report = (await lab.run(lab.settings(prod, types={"default": EntitySettings(fields=("name",))}))).report
            if report.verdict != "complete":
                raise SystemExit(f"R={rate} C={places}: the run was {report.verdict}")
            return Found(rate, places, latency, tuple(emulator.log))


def measured(rate: int, places: int, latency: float, seconds: float) -> Found:
    """In a process of its own; the listing that ends a run is the last few requests."""
    return asyncio.run(copied(rate, places, latency, int(seconds * min(rate, places / latency))))


def line(found: Found) -> str:
    """One row of the table."""
    share, refusals = found.achieved / found.possible, found.refused / len(found.log)
    return (
        f"{found.rate:4} {found.places:4} {len(found.log):9} {found.possible:9.1f} {found.achieved:9.1f} {share:7.0%}"
        f" {found.refused:6} {refusals:7.1%}  {'' if found.good else 'MISSED'}"
    )


WIDTH, HEIGHT, LEFT, GAP = 900, 130, 60, 46
LEGEND = "{:.0f} s; blue: admitted per second, orange: at once, red: 429; dashed: what the server allows"


def drawing(founds: Sequence[Found]) -> str:
    """Per run: requests at once, admitted requests per second, and a tick for every 429, over time."""
    height = len(founds) * (HEIGHT + GAP) + 40
    parts = [panel(found, 34 + place * (HEIGHT + GAP)) for place, found in enumerate(founds)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" '
        'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def panel(found: Found, top: float) -> str:
    """One run."""
    start = found.log[0].started
    end = found.log[-1].started - start
    high = 1.2 * max(found.rate, found.places)

    def x(moment: float) -> float:
        return LEFT + WIDTH * moment / end

    def y(value: float) -> float:
        return top + HEIGHT * (1 - min(value / high, 1))

    def path(points: Iterable[tuple[float, float]], style: str) -> str:
        return f'<polyline fill="none" {style} points="{" ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in points)}"/>'

    blue, orange = 'stroke="#1f77b4" stroke-width="1.5"', 'stroke="#ff7f0e" stroke-width="1.2"'
    title = (
        f"R = {found.rate} per second, C = {found.places} at once, {found.latency * 1000:.0f} ms per page: "
        f"{found.achieved:.1f} of {found.possible:.1f} per second, {found.refused} of {len(found.log)} refused"
    )
    ticks = [
        f'<line x1="{x(seen.started - start):.1f}" x2="{x(seen.started - start):.1f}" y1="{top + HEIGHT}" '
        f'y2="{top + HEIGHT - 14}" stroke="#d62728" stroke-width="1.5"/>'
        for seen in found.log
        if seen.status == 429
    ]
    return "\n".join(
        [
            words(LEFT, top - 6, title),
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
            path([(0, found.possible), (end, found.possible)], 'stroke="#1f77b4" stroke-dasharray="4 4"'),
            path([(0, found.places), (end, found.places)], 'stroke="#ff7f0e" stroke-dasharray="4 4"'),
            path(over_time(found.log, end, at_once), orange),
            path(over_time(found.log, end, per_second), blue),
            *ticks,
            words(LEFT - 6, y(found.possible) + 4, f"{found.possible:.3g}/s", 'text-anchor="end" fill="#1f77b4"'),
            words(LEFT - 6, y(found.places) + 16, str(found.places), 'text-anchor="end" fill="#ff7f0e"'),
            words(LEFT + WIDTH, top + HEIGHT + 15, LEGEND.format(end), 'text-anchor="end"'),
        ]
    )


def words(x: float, y: float, text: str, style: str = "") -> str:
    """A text."""
    return f'<text x="{x}" y="{y:.1f}" {style}>{text}</text>'


def over_time(
    log: Sequence[Seen], end: float, what: Callable[[Sequence[Seen], float], float]
) -> list[tuple[float, float]]:
    """Two looks per second."""
    start = log[0].started
    return [(step / 2, what(log, start + step / 2)) for step in range(2, int(end * 2))]


def per_second(log: Sequence[Seen], moment: float) -> float:
    """Admitted within the second before."""
    return sum(seen.status == 200 and moment - 1 < seen.started <= moment for seen in log)


def at_once(log: Sequence[Seen], moment: float) -> float:
    """The most that were worked on within half a second before."""
    return max((s.active for s in log if moment - 0.5 < s.started <= moment), default=0)


def main() -> None:
    """Print the table, draw, and fail where a promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--beside", type=int, default=4)
    parser.add_argument("--rates", default=",".join(map(str, RATES)))
    parser.add_argument("--places", default=",".join(map(str, PLACES)))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pairs = list(product(map(int, args.rates.split(",")), map(int, args.places.split(","))))
    print(f"{os.cpu_count()} cores, {args.beside} runs beside each other, {args.latency * 1000:.0f} ms per page\n")
    print(f"{'R':>4} {'C':>4} {'requests':>9} {'possible':>9} {'achieved':>9} {'share':>7} {'429s':>6} {'':>7}")
    with ProcessPoolExecutor(args.beside) as pool:
        jobs = list(starmap(lambda r, c: pool.submit(measured, r, c, args.latency, args.seconds), pairs))
        founds = [job.result() for job in jobs]
    print("\n".join(map(line, founds)))
    if args.out:
        args.out.write_text(drawing([found for found in founds if (found.rate, found.places) in DRAWN]), "utf-8")
    sys.exit(int(not all(found.good for found in founds)))


if __name__ == "__main__":
    main()
