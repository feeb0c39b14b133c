import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from axsync.console.runs import run_json, show_history, show_run
from axsync.lake.history import DriftRecord, FileRecord, FoundRun, History, LaneRecord, PastRun, Snapshot
from tests.unit.lake.folders import FolderLake

LAKE = FolderLake(Path("lake"))
BEGIN, END = datetime(2026, 11, 23, 2, tzinfo=UTC), datetime(2026, 11, 23, 2, 41, 10, tzinfo=UTC)
DEVICES = LaneRecord(
    instance="prod",
    entity="devices",
    verdict="complete",
    reason=None,
    api="v2",
    server_version="7_0_1",
    discovery={"before": "done", "after": "running"},
    count_before=41_873,
    count_after=41_875,
    rows=41_870,
    distinct_ids=41_869,
    duplicates=0,
    repaired=0,
    rescued_values=0,
    dead_letters=0,
    pages=21,
    requests=24,
    retries=1,
    bytes=335_000_000,
    seconds=61.5,
    drift={},
    files=(FileRecord("entity=devices/x.parquet", 41_870, 21_000_000, "ab"),),
)
USERS = replace(DEVICES, entity="users", rows=9, distinct_ids=9)


def found(*lanes: LaneRecord, latest: bool = True) -> FoundRun:
    return FoundRun(
        Snapshot("r1", "2026-11-23", None, BEGIN, END, "0.1.0", "complete", lanes), b'{"run_id": "r1"}', latest
    )


def shown(run: FoundRun, *, width: int = 200, terminal: bool = False) -> list[str]:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=terminal, color_system=None, markup=False, highlight=False
    )
    show_run(run, LAKE, console)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def after(lines: list[str], title: str) -> list[list[str]]:
    """The cells of the table with this title, up to the next empty line."""
    rest = lines[lines.index(title) + 2 :]
    return [line.split() for line in rest[: rest.index("") if "" in rest else len(rest)]]


def test_the_list_has_one_line_per_run() -> None:
    """Day, verdict, lanes, rows, duration, and which one is the latest."""
    run = PastRun("r2", "2026-11-23", None, "", "", "drifted", 19, 41_870, 2470.0, latest=True)
    stream = io.StringIO()
    show_history(History((run, replace(run, run_id="r1", latest=False))), LAKE, Console(file=stream, width=200))

    assert stream.getvalue().splitlines() == [
        "run  date        verdict  lanes    rows  duration",
        "r2   2026-11-23  drifted     19  41,870   0:41:10  latest",
        "r1   2026-11-23  drifted     19  41,870   0:41:10",
    ]


def test_the_list_fits_a_screen_also_with_days_of_history() -> None:
    """What was read of history is a word where it is of its date."""
    name, day = "20261123T020000Z-aaaa", "2026-11-23"
    run = PastRun(name, day, day, "", "", "unfinished", 19, 1_841_870, 2470.0, latest=True)
    other = replace(run, as_of="2026-11-01", latest=False)
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system=None)
    show_history(History((run, other)), LAKE, console)
    lines = stream.getvalue().splitlines()

    assert max(map(len, lines)) <= 80
    assert " ".join(stream.getvalue().split()).count("history") == 2


def test_no_runs_are_said() -> None:
    """An empty table would look like a mistake."""
    stream = io.StringIO()
    show_history(History(()), LAKE, Console(file=stream, width=200))

    assert stream.getvalue() == "there are no runs in lake yet\n"


def test_a_run_begins_with_what_it_was() -> None:
    """Id, verdict, dates, version; the instance here, where there is only one."""
    assert shown(found(DEVICES))[:9] == [
        "run           r1 (latest)",
        "verdict       complete",
        "instance      prod",
        "logical date  2026-11-23",
        "started       2026-11-23T02:00:00Z",
        "finished      2026-11-23T02:41:10Z, after 0:41:10",
        "read          41,870 rows in 1 lane",
        "axsync        0.1.0",
        "manifest      lake/_axsync/snapshots/r1.json",
    ]


def test_each_lane_has_its_counts_and_what_they_cost() -> None:
    """Rows, ids, counts and verdict in one table, the reading in another, the server in a third."""
    lines = shown(found(DEVICES, USERS))

    came = after(lines, "Rows, and what the server counted before and after")
    assert came[0] == ["devices", "41,870", "41,869", "41,873", "41,875", "complete"]
    assert after(lines, "How it was read")[0] == ["devices", "21", "24", "1", "335.0", "61.5", "1", "21.0"]
    assert after(lines, "Server and discovery cycle") == [["all", "v2", "7_0_1", "done", "running"]]
    assert lines[-1] == "no duplicates, no repairs, nothing missing, nothing rescued, no dead letters"


def test_lanes_for_which_the_server_was_another_are_told_apart() -> None:
    """A discovery that began in between is seen where it was seen."""
    lines = shown(found(DEVICES, replace(USERS, discovery={})))

    assert after(lines, "Server and discovery cycle") == [
        ["devices", "v2", "7_0_1", "done", "running"],
        ["users", "v2", "7_0_1", "unknown", "unknown"],
    ]


def test_nothing_is_praised_of_a_lane_that_failed() -> None:
    """Nobody knows what it misses."""
    failed = replace(USERS, verdict="failed", reason="503")

    praised = [line for line in shown(found(DEVICES, failed)) if "nothing missing" in line]
    assert praised == ["in 1 lane: no duplicates, no repairs, nothing missing, nothing rescued, no dead letters"]
    assert not [line for line in shown(found(failed)) if "nothing missing" in line]


def test_what_was_mended_and_what_did_not_fit_is_shown_lane_by_lane() -> None:
    """Five numbers, the drift by field with the biggest first, and the file of the dead letters."""
    drift = {"cvss": DriftRecord(2, "string"), "os type": DriftRecord(12, "array")}
    bad = replace(DEVICES, duplicates=1, repaired=2, missing=3, rescued_values=14, dead_letters=5, drift=drift)
    lines = shown(found(bad, USERS))

    assert after(lines, "Repairs, and values that did not fit") == [["devices", "1", "2", "3", "14", "5"]]
    assert "in 1 other lane: no duplicates, no repairs, nothing missing, nothing rescued, no dead letters" in lines
    assert after(lines, "Drift: values that did not fit their column") == [
        ["devices", "os", "type", "12", "array"],
        ["devices", "cvss", "2", "string"],
    ]
    assert "5 dead letters of prod/devices: _axsync/runs/r1/dead_letters/prod.devices.jsonl" in lines


def test_reasons_notices_and_older_files_are_shown() -> None:
    """A lane that failed says why, and from which run it is carried over; a skipped one has no numbers."""
    failed = replace(DEVICES, verdict="partial", reason="the host went away", from_run="r0", notices=("slow",))
    skipped = replace(USERS, verdict="skipped", reason="forbidden")
    lines = shown(found(failed, skipped))

    assert after(lines, "Why not complete") == [["devices", "the", "host", "went", "away"], ["users", "forbidden"]]
    assert after(lines, "Notices") == [["devices", "carried", "over", "from", "run", "r0"], ["devices", "slow"]]
    came = after(lines, "Rows, and what the server counted before and after")
    assert came[1] == ["users", "41,873", "41,875", "skipped"]
    assert [cells[0] for cells in after(lines, "How it was read")] == ["devices"]


def test_several_instances_have_a_column() -> None:
    """With two of them each table says which."""
    lines = shown(found(DEVICES, replace(DEVICES, instance="test")))

    assert [cells[:2] for cells in after(lines, "How it was read")] == [["prod", "devices"], ["test", "devices"]]
    assert not any(line.startswith("instance  prod") for line in lines)


def test_a_run_without_lanes_is_shown() -> None:
    """A manifest that lists none is no reason to fail."""
    assert "read          0 rows in 0 lanes" in shown(found())


def test_a_narrow_terminal_shows_every_number_whole() -> None:
    """Words may fold at 80 columns; no digit and no verdict is lost."""
    lane = replace(DEVICES, entity="vulnerability_instances", rows=10_000_000, distinct_ids=10_000_000)
    lines = shown(found(lane), width=80, terminal=True)

    assert sum(line.count("10,000,000") for line in lines) == 3
    assert all(len(line) <= 80 for line in lines)
    assert any(line.endswith(" complete") for line in lines if line.startswith("vulnerability"))


def test_nothing_from_the_server_reaches_the_terminal_as_a_command() -> None:
    """Names, reasons, notices, versions and field names lose their control characters."""
    evil = "a\x1b[2Jb\x9b31m\x07\r\n\u202ec"
    lane = replace(
        DEVICES,
        instance=evil,
        entity=evil,
        verdict=evil,
        reason=evil,
        server_version=evil,
        api=evil,
        discovery={"before": evil, "after": evil},
        drift={evil: DriftRecord(1, evil)},
        notices=(evil,),
        from_run=evil,
        dead_letters=1,
    )
    run = found(lane, replace(lane, instance="test"))
    run = replace(run, snapshot=replace(run.snapshot, verdict=evil, axsync_version=evil, logical_date=evil, as_of=evil))

    for terminal in (False, True):
        for line in shown(run, terminal=terminal):
            # Rich's own bold and plain are no more than that.
            assert line.replace("\x1b[1m", "").replace("\x1b[0m", "").isprintable()


def test_json_is_the_manifest_in_ascii() -> None:
    """A terminal obeys nothing in it, and nothing of it is lost."""
    document = {"run_id": "r1", "lanes": [{"entity": "\x1b[2J\x9b Ü", "columns": {"a": {"type": "string"}}}]}
    text = run_json(replace(found(), raw=json.dumps(document).encode()))

    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == document
