"""Lakes made of rows that a test writes down: published for real, with the schema and manifest of a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from axsync.lake import layout
from axsync.lake.manifest import lane_entry
from axsync.lake.parts import PageBatch, PartFolder, WriterPool
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.replaced import remove_replaced
from axsync.model import ID_FIELD, Lane, Outcome, PageSpan, Part
from axsync.schema.columns import FETCHED_AT, RUN_ID, Column, arrow_schema, describe_column, with_dates
from axsync.schema.kinds import Atom, AtomName, Kind
from axsync.settings import LakeSettings
from tests.unit.lake.folders import FolderLake

Row: TypeAlias = Mapping[str, Any]
DEVICES, USERS = Lane("prod", "devices"), Lane("prod", "users")


def column(name: str, kind: Kind | AtomName = "text", dates: str | None = None, served: str = "") -> Column:
    """A column whose Axonius name is that of a generic field."""
    served = served or (ID_FIELD if name == ID_FIELD else f"specific_data.data.{name}")
    return with_dates(Column(name, served, served, Atom(kind) if isinstance(kind, str) else kind), dates)


KEY = column(ID_FIELD)
PLAIN = (KEY, column("hostname"), column("cores", "integer"))


@dataclass(frozen=True)
class Type:
    """What a snapshot holds of one lane."""

    lane: Lane = DEVICES
    columns: tuple[Column, ...] = PLAIN
    rows: Sequence[Row] = ()
    files: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)  # of the outcome


def devices(count: int, *, first: int = 0, host: str = "host", cores: int = 4) -> list[Row]:
    """So many rows of `PLAIN`."""
    return [{ID_FIELD: f"{n:032x}", "hostname": f"{host}-{n}", "cores": cores} for n in range(first, first + count)]


def facts(day: str, name: str = "aaaa") -> RunFacts:
    """The run of a day; names of a later one sort behind."""
    return RunFacts(f"{day.replace('-', '')}T020000Z-{name}", day, None, f"{day}T02:00:00Z", "0.1.0")


def publish(lake: Lake, run: RunFacts, *types: Type | Outcome, restricted: bool = False) -> str:
    """Make this run the newest snapshot; returns its id."""
    outcomes = [one if isinstance(one, Outcome) else outcome(lake, run, one) for one in types]
    lake.publish(run, outcomes, finished_at=f"{run.logical_date}T02:10:00Z", restricted=restricted)
    remove_replaced(lake, run, outcomes)
    lake.clear_staging(run.run_id)
    return run.run_id


def write(lake: FolderLake, run: RunFacts, what: Type) -> None:
    """The same lake as `publish` makes, without its care for a power cut: for tests that make many."""
    lane, names = what.lane, list[str]()
    step = -(-len(what.rows) // what.files) or 1
    for number, start in enumerate(range(0, len(what.rows), step)):
        names.append(f"{lake.partition(lane, run.logical_date)}/part-{run.run_id}-{number:05}.parquet")
        rows = batch(arrow_schema(what.columns), what.rows[start : start + step], run)
        (lake.root / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_batches([rows]), lake.root / names[-1])
    entry = lane_entry(Outcome(lane, "complete", columns={c.name: describe_column(c) for c in what.columns}), None)
    files = [{"path": name, "rows": 0, "bytes": 0, "sha256": name} for name in names]
    times = {"started_at": run.started_at, "finished_at": run.started_at, "axsync_version": "0.1.0"}
    head = {"format_version": 1, "run_id": run.run_id, "logical_date": run.logical_date, "as_of": None, **times}
    place = lake.root / lake.manifest_name(run.run_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({**head, "verdict": "complete", "lanes": [{**entry, "files": files}]}))
    pointer = {"run_id": run.run_id, "manifest": f"snapshots/{run.run_id}.json"}
    (lake.root / "_axsync/latest.json").write_text(json.dumps(pointer))


def outcome(lake: Lake, run: RunFacts, what: Type) -> Outcome:
    """A lane that was read, its parts staged."""
    parts = stage(lake, run, what)
    rows, columns = len(what.rows), {c.name: describe_column(c) for c in what.columns}
    usual: dict[str, Any] = {"rows": rows, "distinct_ids": rows, "columns": columns, "parts": parts, "pages": 1}
    return Outcome(what.lane, "complete", **{**usual, **what.facts})


def stage(lake: Lake, run: RunFacts, what: Type) -> tuple[Part, ...]:
    """The rows as so many part files in the staging folder."""
    partition = lake.partition(what.lane, run.logical_date)
    schema = arrow_schema(what.columns)
    shelf = WriterPool(LakeSettings(), 1 << 40)
    staging = layout.staging(run.run_id)
    folder = PartFolder(lake.store, staging, partition, run.run_id, schema, shelf, in_place=run.in_place)
    if numbers := lake.numbers():
        folder.numbered = partial(numbers.numbered, what.lane.entity)
    step = -(-len(what.rows) // what.files) or 1
    parts: list[Part] = []
    for number, start in enumerate(range(0, len(what.rows), step)):
        rows = what.rows[start : start + step]
        folder.add(PageBatch(batch(schema, rows, run), PageSpan(number, start, len(rows))))
        parts += [sealed.part for sealed in folder.seal()]
    return tuple(parts)


def batch(schema: pa.Schema, rows: Sequence[Row], run: RunFacts) -> pa.RecordBatch:
    """These rows with what a run adds to each."""
    own = {RUN_ID: run.run_id, FETCHED_AT: datetime.fromisoformat(run.started_at).astimezone(UTC)}
    return pa.RecordBatch.from_pylist([{**own, **row} for row in rows], schema=schema)


def content(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
