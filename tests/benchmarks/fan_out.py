"""How near to the ideal a hundred pages come, with a server that takes 200 ms per page and admits eight at once.

Run: python tests/benchmarks/fan_out.py [TRIES]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from axsync.emulator import Emulator, Options, Seen
from tests.flow.harness import Lab, pages

LATENCY, AT_ONCE, PAGES, ALLOWED = 0.2, 8, 100, 1.25
IDEAL = PAGES * LATENCY / AT_ONCE
TYPES = (
    "devices", "users", "groups", "networks", "software", "accounts", "incidents", "tickets", "disks", "databases",
)  # fmt: skip
SHAPES = {"one type of 100 pages": {"devices": 995}, "ten types of 10 pages": dict.fromkeys(TYPES, 95)}


async def measure(sizes: dict[str, int], paging: str) -> tuple[float, float]:
    """Seconds from the first page to the last, and of the whole run."""
    options = Options(sizes=sizes, types=tuple(sizes), profile="p90", latency_ms=LATENCY * 1000, at_once=AT_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        async with Emulator(options) as emulator:
            settings = lab.settings(lab.instance(emulator, page_size=10, in_flight=AT_ONCE, paging=paging))
            report = (await lab.run(settings)).report
            if report.verdict != "complete" or any(seen.status == 429 for seen in emulator.log):
                raise SystemExit(f"the run was {report.verdict}, or the server was asked too hard")
            return span(pages(emulator.log)), report.seconds


def span(asked: list[Seen]) -> float:
    """From the first arrival to the last answer."""
    return max(seen.finished for seen in asked) - min(seen.started for seen in asked)


def main() -> None:
    """Print a line per shape; fail above the allowed ratio."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    slow = False
    print(f"ideal: {PAGES} pages x {LATENCY} s / {AT_ONCE} at once = {IDEAL:.2f} s; allowed: {ALLOWED} x ideal\n")
    print(f"{'':24}{'pages':>8}{'run':>8}{'ratio':>8}")
    for name, sizes in SHAPES.items():
        for _ in range(tries):
            walked, whole = asyncio.run(measure(sizes, "offset"))
            slow |= walked > ALLOWED * IDEAL
            print(f"{name:24}{walked:7.2f}s{whole:7.2f}s{walked / IDEAL:8.3f}")
    sys.exit(int(slow))


if __name__ == "__main__":
    main()
