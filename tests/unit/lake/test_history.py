"""Past runs, read from lakes that were published for real and then, here and there, damaged."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from axsync.errors import ManifestError, NoLake, UnknownRun
from axsync.lake import layout
from axsync.lake.history import LATEST, find_run, lanes_of_day, neighbour, past_runs, run_of_day, unreadable, up_to
from axsync.lake.manifest import damaged
from axsync.lake.publish import RunFacts
from axsync.model import Asked, DeadLetter, Lane, Outcome
from tests.unit.lake.folders import FolderLake

DEVICES = Lane("prod", "devices")
FIRST, SECOND, THIRD = "20261121T020000Z-aaaa", "20261122T020000Z-bbbb", "20261122T030000Z-cccc"


def publish(lake: FolderLake, run_id: str, day: str = "") -> None:
    started = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T{run_id[9:11]}:00:00Z"
    facts = RunFacts(run_id, day or started[:10], None, started, "0.1.0")
    lane = Outcome(DEVICES, "complete", rows=7, columns={"a": {"field": "a", "type": "string", "dates": None}})
    lake.publish(
        facts, [lane, Outcome(Lane("prod", "users"), "skipped", "forbidden")], finished_at=started[:14] + "41:10Z"
    )


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """Three runs on two days, published in this order."""
    made = FolderLake(tmp_path / "lake")
    for run_id in (FIRST, SECOND, THIRD):
        publish(made, run_id)
    return made


def manifest(lake: FolderLake, run_id: str) -> Path:
    return lake.root / "_axsync" / "snapshots" / f"{run_id}.json"


def changed(lake: FolderLake, which: str, **values: object) -> None:
    path = manifest(lake, which)
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def content(lake: FolderLake) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in lake.root.rglob("*") if path.is_file()}


def test_runs_come_newest_first_and_one_is_the_latest(lake: FolderLake) -> None:
    """Each has its rows, its lanes and how long it took."""
    history = past_runs(lake)

    assert [run.run_id for run in history.runs] == [THIRD, SECOND, FIRST]
    assert [run.latest for run in history.runs] == [True, False, False]
    newest = history.runs[0]
    assert (newest.verdict, newest.lanes, newest.rows, newest.seconds) == ("partial", 2, 7, 2470.0)
    assert (newest.logical_date, newest.started_at) == ("2026-11-22", "2026-11-22T03:00:00Z")


def test_a_lake_without_a_snapshot_has_no_runs(tmp_path: Path) -> None:
    """A first run that was stopped leaves only its folder."""
    (tmp_path / "_axsync" / "runs" / FIRST).mkdir(parents=True)

    assert past_runs(FolderLake(tmp_path)).runs == ()
    with pytest.raises(UnknownRun, match="no run has published"):
        find_run(FolderLake(tmp_path), LATEST)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (FIRST, FIRST),
        ("20261121", FIRST),
        ("20261122T03", THIRD),
        (LATEST, THIRD),
        ("2026-11-22", THIRD),
        ("2026-11-21", FIRST),
        ("latest~1", FIRST),
    ],
)
def test_a_run_is_found_by_its_id_the_beginning_of_it_or_as_the_latest(
    lake: FolderLake, asked: str, found: str
) -> None:
    """What is found is the whole manifest with the columns of its lanes, and whether it is the latest."""
    run = find_run(lake, asked)

    assert (run.snapshot.run_id, run.document["run_id"], run.latest) == (found, found, found == THIRD)
    assert [len(lane.pop("columns")) for lane in run.document["lanes"]] == [1, 0]
    assert run.document == json.loads(manifest(lake, found).read_text())


def test_a_day_counts_once_however_many_runs_it_had(lake: FolderLake) -> None:
    """What a second run of the day replaced can no longer be read, so that `latest~1` is of another day."""
    for asked, words in (
        ("latest~2", "holds snapshots of 2 days, too few for 'latest~2'"),
        ("2026-11-23", "has no sna"),
    ):
        with pytest.raises(UnknownRun, match=words):
            find_run(lake, asked)


def test_a_day_that_was_filled_in_later_is_counted_where_it_belongs(lake: FolderLake) -> None:
    """`latest` stays on the newest date, and `latest~N` counts dates and not publications."""
    publish(lake, "20261123T010000Z-dddd", day="2026-11-20")
    lake.journal("20261123T010000Z-dddd").begin().append({"event": "published"})

    found = {asked: find_run(lake, asked).snapshot.logical_date for asked in (LATEST, "latest~1", "latest~2")}
    assert found == {LATEST: "2026-11-22", "latest~1": "2026-11-21", "latest~2": "2026-11-20"}
    assert [near and near.snapshot.run_id for near in (up_to(lake, "2026-11-21"), up_to(lake, "2026-11-19"))] == [
        FIRST,
        None,
    ]
    assert run_of_day(lake, "2026-11-20") == "20261123T010000Z-dddd"


def test_the_neighbour_of_a_day_is_the_nearest_other_one(tmp_path: Path) -> None:
    """Before or behind it; the later of two that are as near; never the day itself. What has no day is far away."""
    lake = FolderLake(tmp_path / "lake")
    for run_id, day in ((FIRST, "2026-11-10"), (SECOND, "2026-11-14"), (THIRD, "2026-11-15")):
        publish(lake, run_id, day)
    manifest(lake, "copy").write_bytes(b"")

    asked = ("2026-11-01", "2026-11-11", "2026-11-12", "2026-11-14", "2026-11-15", "2026-12-01")
    found = [neighbour(lake, day) for day in asked]
    assert [near and near.snapshot.logical_date[-2:] for near in found] == ["10", "10", "14", "15", "14", "15"]
    assert neighbour(FolderLake(tmp_path / "none"), "2026-11-01") is None


def test_a_word_is_a_day(lake: FolderLake) -> None:
    """Of UTC; what it means is in the sentence."""
    today = datetime.now(UTC).date()
    publish(lake, f"{today:%Y%m%d}T000000Z-eeee")

    assert find_run(lake, "today").snapshot.logical_date == str(today)
    with pytest.raises(UnknownRun, match=f"has no snapshot of {today - timedelta(days=1)}"):
        find_run(lake, "yesterday")


def test_of_a_lane_the_run_counts_that_published_last(lake: FolderLake) -> None:
    """Also where it began earlier and was resumed; entries of other runs that stand in do not count."""
    assert {lane: held.run_id for lane, held in lanes_of_day(lake, "2026-11-22").items()} == {DEVICES: THIRD}
    changed(lake, SECOND, finished_at="2026-11-22T09:00:00Z")
    held = lanes_of_day(lake, "2026-11-22")[DEVICES]
    assert (held.run_id, held.asked) == (SECOND, Asked())
    changed(lake, SECOND, as_of="latest")
    assert lanes_of_day(lake, "2026-11-22")[DEVICES].asked == Asked(as_of="latest")


def test_only_the_manifests_on_the_way_back_are_read(lake: FolderLake) -> None:
    """A damaged one that is older hides nothing; one that may be what is meant is told of."""
    manifest(lake, FIRST).write_text("{")

    assert find_run(lake, "2026-11-22").snapshot.run_id == THIRD
    with pytest.raises(ManifestError, match="is damaged"):
        find_run(lake, "latest~1")


def test_a_run_that_was_killed_while_it_published_is_not_the_one_of_its_day(lake: FolderLake) -> None:
    """Its manifest is there, and `latest.json` does not name it yet."""
    pointer = {"run_id": SECOND, "manifest": f"snapshots/{SECOND}.json"}
    (lake.root / "_axsync/latest.json").write_text(json.dumps(pointer))
    assert find_run(lake, "2026-11-22").snapshot.run_id == SECOND

    (lake.root / "_axsync/latest.json").write_text("{")
    assert find_run(lake, "2026-11-22").snapshot.run_id == THIRD


@pytest.mark.parametrize("rows", [-5, 1 << 63, 4.5])
def test_a_manifest_with_a_number_of_rows_that_cannot_be_is_damaged(lake: FolderLake, rows: float) -> None:
    """The next run would take it for what is left to read: below zero, its walk had no end."""
    document = json.loads(manifest(lake, FIRST).read_text())
    document["lanes"][0]["rows"] = rows
    manifest(lake, FIRST).write_text(json.dumps(document))

    with pytest.raises(ManifestError, match="is damaged"):
        find_run(lake, FIRST)


@pytest.mark.parametrize("path", ["/etc/passwd", "../elsewhere.parquet", "entity=a/../../b.parquet", ""])
def test_a_manifest_that_names_a_file_outside_the_lake_is_damaged(lake: FolderLake, path: str) -> None:
    """Files are read, and removed, by what manifests name."""
    document = json.loads(manifest(lake, FIRST).read_text())
    document["lanes"][0]["files"] = [{"path": path, "rows": 1, "bytes": 1, "sha256": ""}]
    manifest(lake, FIRST).write_text(json.dumps(document))

    with pytest.raises(ManifestError, match="is damaged"):
        find_run(lake, FIRST)


def test_a_whole_id_is_meant_even_where_another_one_begins_with_it(lake: FolderLake) -> None:
    """It could not be asked for otherwise."""
    publish(lake, FIRST + "0")

    assert find_run(lake, FIRST).snapshot.run_id == FIRST


@pytest.mark.parametrize(
    "asked", ["nope", "", "../latest", "../snapshots/" + FIRST, "latest~-1", "latest~", "\x00", "*"]
)
def test_an_unknown_run_is_refused(lake: FolderLake, asked: str) -> None:
    """Only ids that are in the folder are looked up, so that no name leads out of it."""
    with pytest.raises(UnknownRun, match="has no run") as caught:
        find_run(lake, asked)

    assert caught.value.asked == asked


def test_a_run_without_a_snapshot_is_told_apart_from_one_that_never_was(lake: FolderLake) -> None:
    """It has a journal: it was interrupted, or nothing of it came."""
    lake.journal("20261125T020000Z-dddd").begin()

    with pytest.raises(UnknownRun, match="run '20261125T020000Z-dddd' has not published a snapshot"):
        find_run(lake, "20261125")


def test_an_ambiguous_beginning_names_the_runs(lake: FolderLake) -> None:
    """One of them can be copied; where they are many, some are named."""
    for minute in range(10, 20):
        publish(lake, f"20261122T0{minute}000Z-dddd")

    with pytest.raises(UnknownRun) as caught:
        find_run(lake, "20261122")
    assert "is the beginning of 12 runs: 20261122T010000Z-dddd" in str(caught.value)
    assert str(caught.value).endswith(" and 7 more")


def test_what_is_no_lake_is_said(tmp_path: Path) -> None:
    """A folder without control files, a file, and nothing at all each have their sentence; nothing is made."""
    (tmp_path / "file").touch()
    for name, words in ((".", "has no folder _axsync"), ("file", "is not a folder"), ("absent", "there is no lake")):
        with pytest.raises(NoLake, match=words):
            past_runs(FolderLake(tmp_path / name))

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


DAMAGES = {
    "empty": b"",
    "cut off": b'{"format_version": 1, "run_id": "20261',
    "no object": b"[1, 2]",
    "null": b"null",
    "not UTF-8": b'{"format_version": 1, "run_id": "\xff"}',
    "binary": bytes(range(256)),
    "too deep": b'{"format_version": 1, "a": ' + b"[" * 100_000,
    "version is no number": b'{"format_version": "1"}',
    "version of nobody": b'{"format_version": 0}',
    "no lanes": b'{"format_version": 1, "run_id": "20261121T020000Z-aaaa"}',
}


@pytest.mark.parametrize("raw", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_manifest_is_said_and_hides_no_other_run(lake: FolderLake, raw: bytes) -> None:
    """The others are listed and found; the lake stays as it is."""
    manifest(lake, FIRST).write_bytes(raw)
    before = content(lake)
    history = past_runs(lake)

    assert [run.run_id for run in history.runs] == [THIRD, SECOND]
    told = f"the manifest of run '{FIRST}' is damaged: _axsync/snapshots/{FIRST}.json"
    assert [str(error) for error in history.errors] == [told]
    with pytest.raises(ManifestError, match="is damaged"):
        find_run(lake, FIRST)
    assert find_run(lake, LATEST).snapshot.run_id == THIRD
    assert content(lake) == before


@pytest.mark.parametrize(
    "values",
    [
        {"run_id": SECOND},
        {"lanes": [{"instance": "prod"}]},
        {"lanes": {}},
        {"started_at": "yesterday"},
        {"started_at": "2026-11-21T02:00:00"},
        {"verdict": None},
        {"logical_date": "2026-13-45"},
        {"logical_date": "20261121"},
    ],
)
def test_a_manifest_of_another_form_is_damaged(lake: FolderLake, values: dict[str, object]) -> None:
    """What does not have the promised keys and types is refused before anything of it is shown."""
    changed(lake, FIRST, **values)

    with pytest.raises(ManifestError, match="is damaged"):
        find_run(lake, FIRST)
    neighbour(lake, "2026-11-22")  # which looks at the days of all


def test_more_keys_do_not_disturb(lake: FolderLake) -> None:
    """A later axsync of the same format version may write them."""
    changed(lake, FIRST, weather="fine")

    assert find_run(lake, FIRST).document["weather"] == "fine"


def test_a_newer_format_version_is_said_whatever_else_has_changed(lake: FolderLake) -> None:
    """Of a manifest of tomorrow only the version is read."""
    manifest(lake, FIRST).write_text('{"format_version": 3, "tables": []}')

    with pytest.raises(ManifestError, match="has format version 3, and this axsync reads no newer one than 2"):
        find_run(lake, FIRST)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"run_id": 7}', b'{"run_id": "gone"}', b'{"run_id": "../../x"}'])
def test_a_damaged_pointer_hides_no_run(lake: FolderLake, raw: bytes) -> None:
    """Runs are listed and found by their ids, none of them as the latest; asking for the latest is refused."""
    (lake.root / "_axsync" / "latest.json").write_bytes(raw)
    history = past_runs(lake)

    assert [run.latest for run in history.runs] == [False, False, False]
    assert str(history.errors[0]).startswith("the newest snapshot of the lake")
    assert str(history.errors[0]).endswith("cannot be read: _axsync/latest.json")
    assert not find_run(lake, THIRD).latest
    with pytest.raises(ManifestError, match=r"the newest snapshot of the lake .*latest\.json$"):
        find_run(lake, LATEST)


def test_drafts_and_other_files_are_no_runs(lake: FolderLake) -> None:
    """What a killed run or a person left beside the manifests is passed over."""
    for name in (".x.json", f".{FIRST}.json.draft", "notes.txt"):
        (lake.root / "_axsync" / "snapshots" / name).write_text("{}")

    assert len(past_runs(lake).runs) == 3
    assert past_runs(lake).errors == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_manifest_that_may_not_be_read_is_said(lake: FolderLake) -> None:
    """It is not called damaged."""
    manifest(lake, FIRST).chmod(0)

    with pytest.raises(ManifestError, match="cannot be read"):
        find_run(lake, FIRST)


def test_a_manifest_that_is_a_folder_cannot_be_read(lake: FolderLake) -> None:
    """It is not called damaged."""
    manifest(lake, FIRST).unlink()
    manifest(lake, FIRST).mkdir()

    with pytest.raises(ManifestError, match="cannot be read"):
        find_run(lake, FIRST)


def test_dead_letters_are_where_their_path_says(lake: FolderLake) -> None:
    """The path that people are told is the one that is written."""
    lake.write_dead_letters(THIRD, DEVICES, [DeadLetter(0, 3, "no id", b"{}")])

    assert (lake.root / layout.dead_letters(THIRD, DEVICES)).read_text().count("\n") == 1


def test_a_clock_that_was_set_back_makes_no_negative_duration(lake: FolderLake) -> None:
    """A run takes at least no time."""
    changed(lake, FIRST, finished_at="2026-11-20T00:00:00Z")

    assert find_run(lake, FIRST).snapshot.seconds == 0.0


def test_one_sentence_names_the_files_that_could_not_be_read() -> None:
    """A lake with a hundred damaged manifests does not fill the screen."""
    errors = [damaged(f"r{number}") for number in range(7)]

    assert unreadable(errors[:1]) is errors[0]
    assert str(errors[0]) == "the manifest of run 'r0' is damaged: _axsync/snapshots/r0.json"
    named = ", ".join(f"_axsync/snapshots/r{number}.json" for number in range(5))
    assert str(unreadable(errors)) == f"7 files cannot be read: {named} and 2 more"


def test_no_day_back_is_the_latest(lake: FolderLake) -> None:
    """Whoever counts from nought is understood."""
    assert find_run(lake, "latest~0") == find_run(lake, "latest")
    with pytest.raises(UnknownRun, match="has no run 'latest~01'"):
        find_run(lake, "latest~01")


def test_the_list_follows_the_ids_and_not_a_clock_that_was_wrong(lake: FolderLake) -> None:
    """The latest run stands on top, also where one before it believed to be in another year."""
    document = json.loads(manifest(lake, FIRST).read_text())
    document |= {"started_at": "2030-01-01T02:00:00Z", "finished_at": "2030-01-01T02:10:00Z"}
    manifest(lake, FIRST).write_text(json.dumps(document))

    assert [(run.run_id, run.latest) for run in past_runs(lake).runs] == [
        (THIRD, True),
        (SECOND, False),
        (FIRST, False),
    ]
