"""`axsync diff` over two snapshots of a million rows each: seconds and peak memory.

    python tests/benchmarks/two_snapshots.py [--rows 1000000] [--memory 1GB] [--changed 0.05] [--folder FOLDER]

The lake is made first, which takes a while, and is kept where --folder names one. Twenty-nine columns: texts, numbers,
dates, lists, and two lists of objects, about 600 bytes of JSON a row. One row in a hundred came, one went, `--changed`
of them differ in two fields, one in a hundred has a rescued value, and `fetch_time` is another in every row.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from axsync.lake import layout
from axsync.lake.parts import PageBatch, PartFolder, WriterPool
from axsync.lake.publish import RunFacts
from axsync.model import ID_FIELD, Lane, Outcome, PageSpan, Part
from axsync.schema.columns import FETCHED_AT, RESCUED, RUN_ID, Column, arrow_schema, describe_column
from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from axsync.settings import LakeSettings
from tests.unit.lake.folders import FolderLake

LANE = Lane("prod", "devices")
BATCH = 50_000
TEXT, NUMBER, INTEGER, DATE = Atom("text"), Atom("number"), Atom("integer"), Atom("timestamp", "rfc1123")
SOFTWARE = Many(Group((Member("name", "name", TEXT), Member("version", "version", TEXT))))
INTERFACES = Many(Group((Member("mac", "mac", TEXT), Member("ips", "ips", Many(TEXT)))))


def column(name: str, kind: Kind) -> Column:
    field = name if name == ID_FIELD else f"specific_data.data.{name}"
    return Column(name, field, field, kind)


COLUMNS = (
    column(ID_FIELD, TEXT),
    *(column(f"text_{n}", TEXT) for n in range(10)),
    *(column(f"count_{n}", INTEGER) for n in range(6)),
    *(column(f"score_{n}", NUMBER) for n in range(4)),
    *(column(f"date_{n}", DATE) for n in range(3)),
    column("fetch_time", DATE),
    column("hostname", Many(TEXT)),
    column("software", SOFTWARE),
    column("network_interfaces", INTERFACES),
    column("state", TEXT),
)


def texts(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pa.array([f"{prefix}-{number}" for number in numbers.tolist()])


def rows(first: int, count: int, day: int, changed: float) -> pa.RecordBatch:
    """Rows whose ids count up; `day` decides what of them moved."""
    ids = np.arange(first, first + count)
    moved = (ids * 2_654_435_761 % 1_000_003) / 1_000_003 < changed if day else np.zeros(count, dtype=bool)
    made: dict[str, Any] = {ID_FIELD: pa.array([f"{n * 2_654_435_761 % (1 << 61):032x}" for n in ids.tolist()])}
    for n in range(10):
        made[f"text_{n}"] = texts(
            "value", ids % 10 ** (n + 1) if n < 5 else ids * (2 * n + 1) * 2_654_435_761 % (1 << 59)
        )
    for n in range(6):
        made[f"count_{n}"] = pa.array(ids * (n + 3) % 1009)
    for n in range(4):
        made[f"score_{n}"] = pa.array(ids * (n + 7) % 997 / 10)
    for n in range(3):
        made[f"date_{n}"] = dates(ids * (n + 1) % 5_000_000)
    made["fetch_time"] = dates(ids % 86_400 + day * 86_400)
    made["hostname"] = listed(texts("host", ids), 1)
    made["software"] = listed(pairs("name", "product", "version", np.repeat(ids, 4) * 31 % 5003), 4)
    addresses = listed(texts("10.0", np.repeat(ids, 2)), 1)
    made["network_interfaces"] = listed(
        pa.StructArray.from_arrays([texts("mac", np.repeat(ids, 2)), addresses], ["mac", "ips"]), 2
    )
    made["state"] = pa.array(np.where(moved, "late", "early").tolist())
    made["count_0"] = pa.array(np.where(moved, 1, ids % 1009))
    made[RUN_ID] = pa.array([f"r{day}"] * count)
    made[FETCHED_AT] = dates(np.full(count, day * 86_400))
    made[RESCUED] = pa.array(
        [f'{{"specific_data.data.score_0":"n/a {n}"}}' if n % 100 == 0 else None for n in ids.tolist()]
    )
    return pa.RecordBatch.from_pydict(
        {f.name: made[f.name].cast(f.type) for f in arrow_schema(COLUMNS)}, schema=arrow_schema(COLUMNS)
    )


def dates(seconds: np.ndarray) -> pa.Array:
    return (
        pa.array((seconds + 1_790_000_000) * 1_000_000, pa.int64())
        .cast(pa.timestamp("us"))
        .cast(pa.timestamp("us", tz="UTC"))
    )


def listed(items: pa.Array, each: int) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(np.arange(0, len(items) + 1, each), pa.int32()), items)


def pairs(one: str, prefix: str, other: str, numbers: np.ndarray) -> pa.StructArray:
    return pa.StructArray.from_arrays([texts(prefix, numbers), texts("v", numbers % 17)], [one, other])


def publish(lake: FolderLake, day: int, first: int, count: int, changed: float) -> None:
    """A snapshot of so many rows."""
    date = f"2026-11-{21 + day}"
    run = RunFacts(f"{date.replace('-', '')}T020000Z-aaaa", date, None, f"{date}T02:00:00Z", "0.1.0")
    shelf = WriterPool(LakeSettings(), 128 << 20)
    folder = PartFolder(
        lake.store, layout.staging(run.run_id), lake.partition(LANE, date), run.run_id, arrow_schema(COLUMNS), shelf
    )
    parts: list[Part] = []
    for start in range(first, first + count, BATCH):
        size = min(BATCH, first + count - start)
        sealed = folder.add(PageBatch(rows(start, size, day, changed), PageSpan(start, start, size)))
        parts += [one.part for one in sealed]
    parts += [one.part for one in folder.seal()]
    columns = {c.name: describe_column(c) for c in COLUMNS}
    lake.publish(
        run,
        [Outcome(LANE, "complete", rows=count, distinct_ids=count, columns=columns, parts=tuple(parts))],
        finished_at=f"{date}T02:30:00Z",
    )
    lake.clear_staging(run.run_id)


def measure(*arguments: str) -> None:
    """Run a command of axsync; print what it took, and the lines with its counts."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([sys.executable, "-m", "axsync", *arguments], stdout=told)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        cpu = usage.ru_utime + usage.ru_stime
        print(f"axsync {arguments[0]}: {seconds:.1f} s, {cpu:.1f} s of CPU, peak {peak / 1e6:,.0f} MB")
        told.seek(0)
        print("\n".join(f"  {line.rstrip()}" for line in told.readlines()[:4]))
    if process.returncode:
        raise SystemExit(f"axsync {arguments[0]} ended with {process.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changed", type=float, default=0.05)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        lake = FolderLake(asked.folder or Path(temporary) / "lake")
        if not (lake.root / "_axsync").exists():
            publish(lake, 0, 0, asked.rows, asked.changed)
            publish(lake, 1, asked.rows // 100, asked.rows, asked.changed)
        stored = sum(path.stat().st_size for path in lake.root.rglob("*.parquet"))
        size = f"{asked.rows:,} against {asked.rows:,} rows, {asked.changed:.0%} changed"
        print(f"{datetime.now(UTC):%Y-%m-%d}: {size}, {stored / 1e6:,.0f} MB stored, --memory {asked.memory}")
        into = Path(temporary) / "changes.parquet"
        measure("verify", "latest", "--lake", str(lake.root))
        limits = ("--memory", asked.memory, "--into", str(into), "--lake", str(lake.root))
        measure("diff", "latest~1", "latest", *limits)
        print(f"changes.parquet: {into.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
