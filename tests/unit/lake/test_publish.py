import base64
import hashlib
import json
from pathlib import Path

import pytest

from axsync.errors import LakeError, StorageError
from axsync.lake import layout
from axsync.lake.history import find_run, up_to
from axsync.model import DeadLetter, Lane, Outcome
from tests.unit.lake.folders import FolderLake
from tests.unit.lake.runs import (
    DEVICES,
    DISK,
    FINISHED,
    USERS,
    Interrupted,
    check_snapshot,
    facts,
    parts_below,
    publish,
    read_json,
    stage,
    whole,
)


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """An empty lake."""
    return FolderLake(tmp_path / "lake")


def test_a_published_run_is_the_newest_snapshot(lake: FolderLake) -> None:
    """Its files are where the manifest says, whole; `latest.json` names it."""
    run = facts()
    parts = stage(lake, run, DEVICES, 30, 12)

    path = publish(lake, run, whole(DEVICES, parts))

    manifest = check_snapshot(lake)
    assert read_json(lake.root / "_axsync" / "latest.json") == {
        "run_id": run.run_id,
        "manifest": f"snapshots/{run.run_id}.json",
    }
    written = read_json(lake.root / path)
    assert manifest is not None
    (lane,) = manifest["lanes"]
    columns = lane.pop("columns")
    assert manifest == written
    raw = (lake.root / f"_axsync/schemas/by-hash/{lane['schema']}.json").read_bytes()
    assert (json.loads(raw), hashlib.sha256(raw).hexdigest()) == (columns, lane["schema"])
    assert parts_below(lake.root) == [part.path for part in parts]


def test_a_run_tells_its_facts(lake: FolderLake) -> None:
    """The keys that docs/lake.md explains, the verdict of its worst lane."""
    run = facts()
    publish(lake, run, whole(DEVICES, stage(lake, run, DEVICES, 1)), Outcome(USERS, "partial", "down"))

    manifest = check_snapshot(lake)

    assert manifest is not None
    assert [e["entity"] for e in manifest.pop("lanes")] == ["devices", "users"]
    assert manifest == {
        "format_version": 2,
        "run_id": run.run_id,
        "logical_date": "2026-11-23",
        "as_of": None,
        "started_at": "2026-11-23T02:00:00Z",
        "finished_at": FINISHED,
        "axsync_version": "0.1.0",
        "verdict": "partial",
    }


def test_a_run_of_an_older_date_takes_nothing_from_a_newer_one(lake: FolderLake) -> None:
    """The pointer stays, and the files that stand in are of that date or an earlier one."""
    old, new, filled = facts("aaaa", "2026-11-21"), facts("bbbb", "2026-11-24"), facts("cccc", "2026-11-22")
    publish(lake, new, whole(USERS, stage(lake, new, USERS, 1)))
    path = publish(lake, old, whole(DEVICES, stage(lake, old, DEVICES, 2)), Outcome(USERS, "failed", "down"))

    assert lake.latest_run() == new.run_id
    assert [len(entry["files"]) for entry in read_json(lake.root / path)["lanes"]] == [1, 0]
    path = lake.publish(
        filled, [Outcome(DEVICES, "failed", "down")], finished_at=FINISHED, before=up_to(lake, "2026-11-22")
    )
    assert read_json(lake.root / path)["lanes"][0]["from_run"] == old.run_id


def test_nothing_is_seen_before_a_run_is_published(lake: FolderLake) -> None:
    """Staged parts are in no glob and in no manifest."""
    stage(lake, facts(), DEVICES, 5)

    assert parts_below(lake.root) == []
    assert lake.newest() is None


def test_the_pointer_moves_after_the_parts_and_before_anything_is_removed(lake: FolderLake) -> None:
    """Manifest, parts, pointer, removals: in this order."""
    first, second = facts("aaaa"), facts("bbbb")
    old = stage(lake, first, DEVICES, 3)
    publish(lake, first, whole(DEVICES, old))
    new = stage(lake, second, DEVICES, 4, 5)

    with DISK.watched(lake.root) as steps:
        publish(lake, second, whole(DEVICES, new))

    assert steps == [
        f"rename _axsync/snapshots/{second.run_id}.json",
        *(f"rename {part.path}" for part in new),
        "rename _axsync/latest.json",
        *(f"remove {part.path}" for part in old),
    ]


@pytest.mark.parametrize("step", range(8))
def test_readers_see_the_old_snapshot_or_the_new_one(lake: FolderLake, step: int) -> None:
    """Wherever the power goes, `latest.json` names a snapshot that is whole; publishing again completes the new one."""
    first, second = facts("aaaa"), facts("bbbb")
    publish(lake, first, *(whole(lane, stage(lake, first, lane, 3)) for lane in (DEVICES, USERS)))
    outcomes = [whole(lane, stage(lake, second, lane, 4, 5)) for lane in (DEVICES, USERS)]

    with pytest.raises(Interrupted), DISK.watched(lake.root, step):
        publish(lake, second, *outcomes)

    manifest = check_snapshot(lake)
    assert manifest is not None
    assert manifest["run_id"] == (first if step <= 5 else second).run_id
    publish(lake, second, *outcomes)
    assert (check_snapshot(lake) or {})["run_id"] == second.run_id
    assert parts_below(lake.root) == sorted(part.path for outcome in outcomes for part in outcome.parts)


def test_a_second_run_of_the_day_replaces_the_first(lake: FolderLake) -> None:
    """Same partition, no duplicates; other days stay."""
    days = [facts("aaaa", "2026-11-22"), facts("bbbb"), facts("cccc")]
    for run in days:
        publish(lake, run, whole(DEVICES, stage(lake, run, DEVICES, 3)))

    assert [Path(path).name for path in parts_below(lake.root)] == [
        f"part-{run.run_id}-00000.parquet" for run in (days[0], days[2])
    ]


def test_the_day_means_what_was_published_last(lake: FolderLake) -> None:
    """Also where that run had begun first, and was resumed: an older id has replaced the files of a newer one."""
    first, second, later = facts("aaaa"), facts("bbbb"), facts("cccc", "2026-11-24")
    outcomes = whole(DEVICES, stage(lake, first, DEVICES, 3))
    for run in (second, first, later):
        mine = outcomes if run == first else whole(DEVICES, stage(lake, run, DEVICES, 3))
        lake.journal(run.run_id).begin().append({"event": "published"})
        publish(lake, run, mine)
        assert find_run(lake, "latest").snapshot.run_id == run.run_id
        assert find_run(lake, run.logical_date).snapshot.run_id == run.run_id

    assert find_run(lake, "2026-11-23").snapshot.run_id == first.run_id
    assert find_run(lake, "latest~1").snapshot.run_id == first.run_id


def test_a_lane_that_has_no_rows_replaces_its_rows(lake: FolderLake) -> None:
    """A type that is empty today is read whole, so yesterday's rows of the same day go."""
    first, second = facts("aaaa"), facts("bbbb")
    publish(lake, first, whole(DEVICES, stage(lake, first, DEVICES, 3)))

    publish(lake, second, whole(DEVICES, ()))

    assert parts_below(lake.root) == []
    assert (check_snapshot(lake) or {})["lanes"][0]["files"] == []


@pytest.mark.parametrize("failed", [Outcome(USERS, "partial", "down"), Outcome(USERS, "skipped", "forbidden")])
def test_older_files_stand_in_for_a_lane_that_failed(lake: FolderLake, failed: Outcome) -> None:
    """They stay in place, and the entry names the run that made them; its own verdict and numbers stay."""
    first, second = facts("aaaa"), facts("bbbb")
    old = stage(lake, first, USERS, 3)
    publish(lake, first, whole(USERS, old), whole(DEVICES, stage(lake, first, DEVICES, 1)))

    publish(lake, second, whole(DEVICES, stage(lake, second, DEVICES, 2)), failed)

    manifest = check_snapshot(lake)
    assert manifest is not None
    entry = manifest["lanes"][1]
    assert (entry["verdict"], entry["reason"], entry["rows"]) == (failed.verdict, failed.reason, 0)
    assert entry["from_run"] == first.run_id
    assert [f["path"] for f in entry["files"]] == [part.path for part in old]
    assert entry["columns"] == {"internal_axon_id": {"field": "internal_axon_id", "type": "string", "dates": None}}


def test_files_stand_in_again_and_again(lake: FolderLake) -> None:
    """The run that is named is the one that made them, however many failed since."""
    runs = [facts(name, f"2026-11-{20 + n}") for n, name in enumerate(("aaaa", "bbbb", "cccc"))]
    publish(lake, runs[0], whole(USERS, stage(lake, runs[0], USERS, 3)))
    for run in runs[1:]:
        publish(lake, run, Outcome(USERS, "partial", "down"), whole(DEVICES, stage(lake, run, DEVICES, 1)))

    manifest = check_snapshot(lake)

    assert manifest is not None
    assert manifest["lanes"][0]["from_run"] == runs[0].run_id
    assert len(parts_below(lake.root)) == 3


def test_nothing_stands_in_for_a_lane_that_never_was(lake: FolderLake) -> None:
    """Its entry has no files, and names no run."""
    run = facts()
    publish(lake, run, Outcome(USERS, "skipped", "forbidden"))

    entry = (check_snapshot(lake) or {})["lanes"][0]

    assert entry["files"] == []
    assert "from_run" not in entry


def test_a_missing_staged_part_publishes_nothing(lake: FolderLake) -> None:
    """The pointer stays where it was."""
    run = facts()
    parts = stage(lake, run, DEVICES, 2)
    (lake.root / layout.staging(run.run_id) / parts[0].path).unlink()

    with pytest.raises(StorageError, match="cannot publish the snapshot: No such file"):
        publish(lake, run, whole(DEVICES, parts))

    assert lake.newest() is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"run_id": "x"}', '{"manifest": "snapshots/none.json"}', '{"manifest": 7}']
)
def test_a_pointer_that_cannot_be_read_is_an_error(lake: FolderLake, content: str) -> None:
    """It is not taken for an empty lake."""
    pointer = lake.root / "_axsync" / "latest.json"
    pointer.parent.mkdir(parents=True)
    pointer.write_text(content)

    with pytest.raises(LakeError, match="the newest snapshot of the lake"):
        lake.newest()


def test_a_cleared_run_leaves_no_staging(lake: FolderLake) -> None:
    """Its folder goes where nothing else is in it; other runs' parts stay."""
    one, other = facts("aaaa"), facts("bbbb")
    for run in (one, other):
        stage(lake, run, DEVICES, 1)

    lake.clear_staging(one.run_id)

    assert [path.name for path in (lake.root / "_axsync" / "runs").iterdir()] == [other.run_id]


def test_dead_letters_are_kept_with_their_bytes(lake: FolderLake) -> None:
    """One line each, raw bytes and place, appended page by page; clearing the staging leaves them."""
    run = facts()
    letters = [DeadLetter(3, 1, "no usable id", b'{"a":"\xff"}'), DeadLetter(3, 4, "not an object", b"7")]

    lake.write_dead_letters(run.run_id, DEVICES, letters)
    lake.write_dead_letters(run.run_id, DEVICES, [DeadLetter(4, 0, "not JSON", b"")])
    lake.clear_staging(run.run_id)

    (path,) = (lake.root / "_axsync" / "runs" / run.run_id).rglob("*.jsonl")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [(line["page"], line["position"], line["reason"]) for line in lines] == [
        (3, 1, "no usable id"),
        (3, 4, "not an object"),
        (4, 0, "not JSON"),
    ]
    assert [base64.b64decode(line["raw_base64"]) for line in lines] == [b'{"a":"\xff"}', b"7", b""]
    assert (lines[0]["instance"], lines[0]["entity"]) == ("prod", "devices")


def test_partitions_are_hive_paths(lake: FolderLake) -> None:
    """Entity type, instance, logical date."""
    assert lake.partition(Lane("prod", "devices"), "2026-11-23") == "entity=devices/instance=prod/dt=2026-11-23"
