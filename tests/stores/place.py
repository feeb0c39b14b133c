"""A lake in S3, and processes of axsync that fill it and are killed or paused on the way."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast
from uuid import uuid4

import pyarrow.parquet as pq
from obstore.store import S3Store

from axsync.lake import layout
from axsync.lake.buckets import options_of
from axsync.lake.history import find_run, readable
from axsync.lake.manifest import FoundRun
from axsync.lake.objects import ObjectStore
from axsync.lake.publish import Lake
from axsync.lake.tables import by_partition, format_of
from tests.faults.torture.place import CONFIG, RUN, Ended, Harness
from tests.stores.servers import Server, s3_config

Rows = dict[str, list[str]]
PATIENCE = 60.0  # seconds
PROGRAM = "tests.stores.harness"


@dataclass(frozen=True, slots=True)
class Place:
    """A prefix of its own, and the command that fills it."""

    server: Server
    folder: Path
    prefix: str
    form: str = 'format = "parquet"'  # lines of the settings of the lake
    ttl: float = 2.0  # seconds of a lease; the store tells its time in whole ones

    @classmethod
    def fresh(cls, server: Server, folder: Path, form: str = 'format = "parquet"') -> "Place":
        """An empty one; what is `NAME` in the settings is its own."""
        folder.mkdir(exist_ok=True)
        name = uuid4().hex
        return cls(server, folder, f"lakes/{name}", form.replace("NAME", name))

    def lake(self) -> Lake:
        """As somebody else sees it."""
        bucket = cast("S3Store", self.server.bucket())
        store = ObjectStore(bucket, self.prefix, f"s3://lake/{self.prefix}", drafts=self.folder)
        store.foreign = lambda: options_of(bucket)
        return Lake(store)

    def start(
        self, harness: Harness, url: str, *, at: int = 0, fault: str = "kill", command: Sequence[str] = RUN
    ) -> int:
        """The number of a process that does this."""
        config = self.folder / "axsync.toml"
        config.write_text(CONFIG.format(lake=f"s3://lake/{self.prefix}", format=self.form, url=url))
        told = {"bucket": s3_config(self.server.endpoint), "prefix": self.prefix, "ttl": self.ttl}
        files = {name: str(self.folder / f"{id(harness)}-{name}") for name in ("count", "out", "err")}
        return harness.start(
            {"at": at, "fault": fault, "arguments": [*command, "--config", str(config)], **told, **files}
        )

    def ended(self, harness: Harness) -> Ended:
        """Wait for it."""
        return Ended(harness.ended(), (self.folder / f"{id(harness)}-err").read_text())

    def run(
        self, harness: Harness, url: str, *, at: int = 0, fault: str = "kill", command: Sequence[str] = RUN
    ) -> Ended:
        """Both."""
        self.start(harness, url, at=at, fault=fault, command=command)
        return self.ended(harness)

    def changes(self, harness: Harness) -> int:
        """How many the last process made that was not killed."""
        return int((self.folder / f"{id(harness)}-count").read_text())

    def seen(self) -> FoundRun | None:
        """What a reader of the pointer finds, each file of it whole, and tables that have just these files."""
        lake = self.lake()
        if lake.latest_run() is None:
            return None
        found = find_run(lake, "latest")
        for file in (file for lane in found.snapshot.lanes for file in lane.files):
            assert hashlib.sha256(lake.store.read(file.path)).hexdigest() == file.sha256, file.path
        for entity, pins in found.snapshot.tables.items():
            named = by_partition(f.path for lane in found.snapshot.lanes if lane.entity == entity for f in lane.files)
            for pin in pins:
                there = format_of(pin).files(lake.store, pin)
                assert {partition: there[partition] for partition in named} == named, pin
        return found

    def rows(self) -> Rows:
        """All rows of the newest snapshot, without what differs from run to run."""
        found, lake = self.seen(), self.lake()
        assert found is not None
        return {one.lane.entity: _rows(lake, [file.path for file in one.files]) for one in found.snapshot.lanes}

    def strays(self) -> set[str]:
        """Parts that the newest snapshot does not name, nor one that stays readable beside it; whatever is staged."""
        lake, found = self.lake(), self.seen()
        snapshots = readable(lake) if found is None or not found.snapshot.is_for_globs else [found.snapshot]
        named = {file.path for one in snapshots for lane in one.lanes for file in lane.files}
        parts = {one.key for pattern in layout.EVERY_PART for one in lake.store.list(pattern)}
        return (parts - named) | {one.key for one in lake.store.list(f"{layout.RUNS}/*/staging/**/*")}


def rows_of(lake: Lake) -> Rows:
    """The same of any lake, by instance and entity type."""
    lanes = find_run(lake, "latest").snapshot.lanes
    return {str(one.lane): _rows(lake, [file.path for file in one.files]) for one in lanes}


def _rows(lake: Lake, paths: Sequence[str]) -> list[str]:
    rows = list[str]()
    for path in paths:
        table = pq.read_table(BytesIO(lake.store.read(path)), partitioning=None)
        table = table.drop_columns(["axsync_run_id", "axsync_fetched_at"])
        rows += [json.dumps(row, default=str, sort_keys=True) for row in table.to_pylist()]
    return sorted(rows)


def wait_for_pause(process: int) -> bool:
    """Whether it was paused; False where it ended instead."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state in "TZ":
            return state == "T"
        time.sleep(0.01)
    raise TimeoutError(process)
