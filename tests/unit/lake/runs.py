"""Runs that have staged their parts, a disk that fails at a chosen step, and what readers of a lake see."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from axsync.lake import layout
from axsync.lake.parts import PageBatch, PartFolder, WriterPool
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.replaced import remove_replaced
from axsync.model import Lane, Outcome, PageSpan, Part, Verdict
from tests.unit.lake.batches import SCHEMA, batch, lake
from tests.unit.lake.folders import FolderLake

DEVICES, USERS = Lane("prod", "devices"), Lane("prod", "users")
COLUMNS = {"internal_axon_id": {"field": "internal_axon_id", "type": "string", "dates": None}}
FINISHED = "2026-11-23T02:41:10Z"


def facts(name: str = "7f3a", day: str = "2026-11-23") -> RunFacts:
    """A run of that day."""
    return RunFacts(f"{day.replace('-', '')}T020000Z-{name}", day, None, f"{day}T02:00:00Z", "0.1.0")


def stage(where: Lake, run: RunFacts, lane: Lane, *sizes: int) -> tuple[Part, ...]:
    """Parts of so many rows each, sealed in the staging folder."""
    folder = PartFolder(
        where.store,
        layout.staging(run.run_id),
        where.partition(lane, run.logical_date),
        run.run_id,
        SCHEMA,
        WriterPool(lake(), 1 << 40),
        in_place=run.in_place,
    )
    parts: list[Part] = []
    for number, rows in enumerate(sizes):
        folder.add(PageBatch(batch(rows, first=number * 1000), PageSpan(number, 0, rows)))
        parts += [one.part for one in folder.seal()]
    return tuple(parts)


def whole(lane: Lane, parts: Sequence[Part], verdict: Verdict = "complete") -> Outcome:
    """A lane that was read."""
    rows = sum(part.rows for part in parts)
    return Outcome(lane, verdict, rows=rows, distinct_ids=rows, columns=COLUMNS, parts=tuple(parts))


def publish(where: Lake, run: RunFacts, *outcomes: Outcome) -> str:
    """Publish them, and remove what the day held before."""
    name = where.publish(run, outcomes, finished_at=FINISHED)
    assert remove_replaced(where, run, outcomes) == []
    return name


def parts_below(root: Path) -> list[str]:
    """The part files that a glob over the partitions finds, relative to the lake."""
    return sorted(str(path.relative_to(root)) for path in root.glob("entity=*/**/*.parquet"))


def check_snapshot(where: FolderLake) -> dict[str, Any] | None:
    """The newest manifest, once every file that it names was found whole."""
    newest = where.newest()
    manifest = None if newest is None else newest.document
    for entry in (manifest or {"lanes": []})["lanes"]:
        for file in entry["files"]:
            path = where.root / file["path"]
            content = path.read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            assert (len(content), pq.read_metadata(path).num_rows) == (file["bytes"], file["rows"])
    return manifest


def read_json(path: Path) -> Any:  # noqa: ANN401  # JSON
    """What a file says."""
    return json.loads(path.read_bytes())


class Interrupted(BaseException):
    """The power went."""


class Disk:
    """Sees each rename and removal below a folder; at the chosen one it fails instead."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.steps: list[str] = []
        self.fail_at: int | None = None
        # An audit hook cannot be taken away, so there is one for all tests, and it looks at `root` only.
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[object, ...]) -> None:
        if self.root is None or event not in {"os.rename", "os.remove"}:
            return
        target = Path(str(args[1] if event == "os.rename" else args[0]))
        if not target.is_relative_to(self.root):
            return
        if len(self.steps) == self.fail_at:
            raise Interrupted
        self.steps.append(f"{event.removeprefix('os.')} {target.relative_to(self.root)}")

    @contextmanager
    def watched(self, root: Path, fail_at: int | None = None) -> Iterator[list[str]]:
        """The steps that are taken below this folder."""
        self.root, self.steps, self.fail_at = root, [], fail_at
        try:
            yield self.steps
        finally:
            self.root = None


DISK = Disk()
