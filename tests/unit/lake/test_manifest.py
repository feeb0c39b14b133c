import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import ManifestError, NewestDamaged
from axsync.lake.history import find_run
from axsync.lake.manifest import lane_entry, worst
from axsync.lake.publish import RunTargets
from axsync.model import Lane, Outcome, Part
from axsync.snapshots.opened import held_lanes
from axsync.sql.tables import tables_of
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import Type, devices, facts, publish

PROMISED = {
    "instance", "entity", "verdict", "reason", "api", "server_version", "discovery", "count_before", "count_after",
    "rows", "distinct_ids", "duplicates", "repaired", "rescued_values", "dead_letters", "pages", "requests", "retries",
    "bytes", "columns", "drift", "files",
}  # fmt: skip
OUTCOME = Outcome(
    Lane("prod", "devices"),
    "drifted",
    "3 rows came twice",
    "v2",
    "7_0_1",
    {"before": "done", "after": "done"},
    count_before=41873,
    count_after=41873,
    rows=41876,
    distinct_ids=41873,
    duplicates=3,
    repaired=1,
    rescued_values=12,
    dead_letters=2,
    pages=21,
    requests=24,
    retries=1,
    bytes=335_000_000,
    seconds=1.23456,
    columns={"os_type": {"field": "specific_data.data.os.type", "type": "list<string>", "dates": None}},
    drift={"cvss": {"rescued": 12, "example": "string"}},
    notices=("something",),
    parts=(Part("entity=devices/instance=prod/dt=2026-11-23/part-x-00000.parquet", 41876, 21_000_000, "ab" * 32),),
)


def test_an_entry_has_the_promised_keys() -> None:
    """Those that docs/lake.md explains, with the outcome's values."""
    entry = lane_entry(OUTCOME, None)

    assert entry.keys() >= PROMISED
    assert "from_run" not in entry
    assert (entry["instance"], entry["entity"]) == ("prod", "devices")
    same = PROMISED - {"instance", "entity", "files"}
    assert {key: entry[key] for key in same} == {key: getattr(OUTCOME, key) for key in same}


def test_a_file_is_listed_with_its_proof() -> None:
    """Path relative to the lake, rows, bytes, SHA-256."""
    (file,) = lane_entry(OUTCOME, None)["files"]

    assert file == {
        "path": "entity=devices/instance=prod/dt=2026-11-23/part-x-00000.parquet",
        "rows": 41876,
        "bytes": 21_000_000,
        "sha256": "ab" * 32,
    }


def test_a_stand_in_lends_files_and_columns_only() -> None:
    """What the run itself saw stays in the entry."""
    failed = Outcome(Lane("prod", "devices"), "partial", "down", requests=6)
    older = lane_entry(OUTCOME, None) | {"from_run": "20261122T020000Z-aaaa"}

    entry = lane_entry(failed, older)

    assert (entry["verdict"], entry["reason"], entry["requests"], entry["rows"]) == ("partial", "down", 6, 0)
    assert (entry["files"], entry["columns"]) == (older["files"], older["columns"])
    assert entry["from_run"] == "20261122T020000Z-aaaa"


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([], "complete"),
        (["complete", "complete"], "complete"),
        (["complete", "drifted"], "drifted"),
        (["partial", "drifted", "complete"], "partial"),
        (["skipped", "skipped"], "skipped"),
        (["complete", "skipped"], "partial"),
        (["drifted", "skipped"], "partial"),
    ],
)
def test_a_run_is_as_good_as_its_worst_lane(verdicts: list[str], verdict: str) -> None:
    """A run that left a type out is not complete; one that left out all of them is skipped."""
    assert worst(verdicts) == verdict


@given(st.lists(st.sampled_from(["complete", "drifted", "partial", "skipped"]), min_size=1, max_size=6))
def test_only_complete_lanes_make_a_complete_run(verdicts: list[str]) -> None:
    """In any order."""
    assert (worst(verdicts) == "complete") == (set(verdicts) == {"complete"})
    assert worst(verdicts) == worst(sorted(verdicts))


def deep(levels: int) -> object:
    found: object = "text"
    for _ in range(levels):
        found = [found]
    return found


ODD_COLUMNS: tuple[dict[str, Any], ...] = (
    {},
    {"field": "a"},
    {"type": "string"},
    {"field": None, "type": "string"},
    {"field": 7, "type": "string"},
    {"field": "a", "type": "quaternion"},
    {"field": "a", "type": None},
    {"field": "a", "type": ["string"]},
    {"field": "a", "type": "list<" * 2_000 + "string"},
    {"field": "a", "type": "struct<" * 400},
    {"field": "a", "type": "timestamp[us, UTC]", "dates": 7},
    {"field": "a", "type": "timestamp[us, UTC]", "dates": {}},
    {"field": "a", "type": "string", "kind": None},
    {"field": "a", "type": "string", "kind": {"x": 7}},
    {"field": "a", "type": "string", "kind": ["bare"]},
    {"field": "a", "type": "string", "kind": deep(900)},
)


@pytest.mark.fault(55)
@pytest.mark.parametrize("odd", ODD_COLUMNS, ids=range(len(ODD_COLUMNS)))
def test_a_broken_column_is_the_error_of_its_manifest(tmp_path: Path, odd: dict[str, Any]) -> None:
    """Before a run asks anything, and wherever the snapshot is read; one sentence names the file."""
    lake = FolderLake(tmp_path / "lake")
    run_id = publish(lake, facts("2026-11-23"), Type(rows=devices(3)))
    manifest = lake.root / lake.manifest_name(run_id)
    document = lake.as_version_1(run_id)
    document["lanes"][0]["columns"]["hostname"] = odd
    manifest.write_text(json.dumps(document))
    run = RunTargets((), ("prod",), "2026-11-24")

    with pytest.raises(NewestDamaged, match=f"cannot be read: _axsync/snapshots/{run_id}.json$"):
        lake.preflight(run)
    for read in (held_lanes, tables_of):
        with pytest.raises(ManifestError, match=f"_axsync/snapshots/{run_id}.json$"):
            read(find_run(lake, run_id))
