"""Peak memory of whole runs over odd, dead, wide and doubled rows, beside what the settings promise."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmarks.odd import Odd, served
from tests.benchmarks.process import Measured, folder, timed

MIB = (1 << 20) / 1e6  # MB
LIBRARIES, BUFFERS, PAGE, IN_FLIGHT = 95 * MIB, 64 * MIB, 16 * MIB, 4
ROWS_AT_ONCE, BYTES_OF_A_CELL, MOST_COLUMNS = 2_000, 8, 2_100
BYTES_OF_AN_ID = 24
COMPLETE, PARTIAL, FAILED = 0, 3, 1
CONFIG = """
[lake]
uri = "{lake}"
[instances.odd]
url = "{url}"
api_key = "env:AX_KEY"
api_secret = "env:AX_SECRET"
requests_per_second = 5000
[run]
writers = {writers}
[entities.default]
fields = "full"
max_columns = {columns}
"""


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of these with each other, and single cases of so many rows."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    odd: tuple[int, ...]  # percent of the rows
    dead: tuple[int, ...]  # percent of the rows
    writers: tuple[int, ...]
    cases: int
    bomb: int = field(default=200_000_000)  # bytes

    def shapes(self) -> Iterator[tuple[str, Odd, int]]:
        """What it is called, what is served, and the number of writers."""
        for rows, columns, writers, odd, dead in itertools.product(
            self.rows, self.columns, self.writers, self.odd, self.dead
        ):
            yield "matrix", Odd(rows, columns, odd, dead), writers
        few = self.cases
        yield "records of 4 kB without an id, half of all", Odd(few, 4, dead=50, width=4000), 2
        yield "a key of its own in each record", Odd(2 * few, 4, odd=100, strays=True), 2
        yield "one row missed, no query by ids: everything twice", Odd(5 * few, 4, hidden=1), 2
        yield "50,000 generic fields", Odd(300, 50_000, generic=True), 2
        yield f"pages that inflate to {self.bomb // 1_000_000} MB", Odd(200, 4, inflate=self.bomb), 2


def promised(shape: Odd, writers: int) -> float:
    """MB that a run may take by its settings (docs/operations.md, "Memory and disk"): all but the ids are defaults."""
    page = max(PAGE, ROWS_AT_ONCE * min(shape.columns, MOST_COLUMNS) * BYTES_OF_A_CELL / 1e6)
    return LIBRARIES + BUFFERS + IN_FLIGHT * PAGE + writers * 3 * page + shape.rows * BYTES_OF_AN_ID / 1e6


def measure(matrix: Matrix) -> list[dict[str, Any]]:
    """One row for each."""
    found = []
    for name, shape, writers in matrix.shapes():
        made = run(name, shape, writers)
        promise = promised(shape, writers)
        print(
            f"  {name} {shape.rows:,} × {shape.columns:,}, {shape.odd} % odd, {shape.dead} % dead, {writers} writers: "
            f"{made.peak:.0f} of {promise:.0f} MB, {made.wall:.1f} s",
            file=sys.stderr,
        )
        facts = {"case": name, "writers": writers, "promised": promise}
        found.append({**asdict(shape), **facts, "peak": made.peak, "wall": made.wall, "cpu": made.cpu})
    return found


def run(name: str, shape: Odd, writers: int) -> Measured:
    """One `axsync run` into an empty lake; that odd answers cost their type is part of the case."""
    with served(shape) as url, folder() as place:
        config = place / "axsync.toml"
        config.write_text(CONFIG.format(lake=place / "lake", url=url, writers=writers, columns=MOST_COLUMNS), "utf-8")
        command = [sys.executable, "-m", "axsync", "run", "devices", "--config", str(config), "-q"]
        keys = {"AX_KEY": "k" * 20, "AX_SECRET": "s" * 30}
        allowed = (FAILED, PARTIAL) if shape.inflate else (COMPLETE, PARTIAL)
        return timed(name, command, environ=keys, log=place / "log", allowed=allowed)
