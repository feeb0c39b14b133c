"""Small lakes with real files, as a run leaves them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from axsync.lake import layout
from axsync.lake.publish import RunFacts
from axsync.model import Lane, Outcome, Part
from axsync.schema.columns import Column, arrow_schema, describe_column, group
from axsync.schema.kinds import Atom, AtomName, Kind, Many
from tests.unit.lake.folders import FolderLake

TEXT, WHOLE, NUMBER = Atom("text"), Atom("integer"), Atom("number")
KINDS: Mapping[str, Kind] = {
    "internal_axon_id": TEXT,
    "hostname": Many(TEXT),
    "memory": NUMBER,
    "cores": WHOLE,
    "seen": Atom("timestamp"),
    "born": Atom("date"),
    "managed": Atom("bool"),
    "extra": Atom("json"),
    "disks": Many(group([("device", TEXT), ("size", WHOLE), ("checked", Many(Atom("timestamp")))])),
}

ATOMS: tuple[AtomName, ...] = ("text", "timestamp", "date", "bool", "integer", "number", "json")
ANY_KIND: st.SearchStrategy[Kind] = st.recursive(
    st.sampled_from([Atom(name) for name in ATOMS]),
    lambda inner: st.one_of(
        inner.map(Many), st.lists(st.tuples(st.text(min_size=1), inner), min_size=1, max_size=4).map(group)
    ),
    max_leaves=8,
)


def columns(kinds: Mapping[str, Kind]) -> tuple[Column, ...]:
    return tuple(Column(name, name, name, kind) for name, kind in kinds.items())


def outcome(
    lake: FolderLake, facts: RunFacts, lane: Lane, kinds: Mapping[str, Kind], rows: Sequence[Mapping[str, Any]]
) -> Outcome:
    """A lane with its rows in one staged file; without rows it has columns only."""
    named = columns(kinds)
    parts: tuple[Part, ...] = ()
    if rows:
        path = f"{lake.partition(lane, facts.logical_date)}/part-{facts.run_id}-00000.parquet"
        staged = lake.root / layout.staging(facts.run_id) / path
        staged.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(list(rows), schema=arrow_schema(named)), staged)
        parts = (Part(path, len(rows), staged.stat().st_size, "ab"),)
    described = {column.name: describe_column(column) for column in named}
    return Outcome(lane, "complete", rows=len(rows), columns=described, parts=parts)


def facts(day: int) -> RunFacts:
    return RunFacts(f"202611{day}T020000Z-aaaa", f"2026-11-{day}", None, f"2026-11-{day}T02:00:00Z", "0.1.0")


def publish(
    root: Path,
    lanes: Mapping[Lane, tuple[Mapping[str, Kind], Sequence[Mapping[str, Any]]]],
    *formats: str,
    day: int = 23,
) -> FolderLake:
    """A lake with one more snapshot."""
    lake, run = FolderLake(root, *formats), facts(day)
    outcomes = [outcome(lake, run, lane, kinds, rows) for lane, (kinds, rows) in lanes.items()]
    lake.publish(run, outcomes, finished_at=f"2026-11-{day}T02:10:00Z")
    return lake


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
