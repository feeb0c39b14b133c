import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from axsync.console.log_lines import NORMAL, QUIET, VERBOSE, Beat, JsonLog, LogLines, stamped
from axsync.console.progress import ProgressTracker
from axsync.events import (
    Answered,
    Asking,
    Drifted,
    Event,
    LaneClosed,
    LaneOpened,
    Notice,
    PageRead,
    PartSealed,
    Retried,
    RunStarted,
    SnapshotPublished,
)
from axsync.model import Lane, Outcome, Part

DEVICES = Lane("prod", "devices")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STORY: tuple[Event, ...] = (
    RunStarted("r1", "2026-11-23", (DEVICES,)),
    Asking("prod", "acme.example"),
    Asking("prod", "acme.example", 1, 2),
    LaneOpened(DEVICES, 2000),
    Answered(DEVICES, "acme.example", 503, 0.5, 4, 4, 10.0),
    Retried(DEVICES, "acme.example", 2, 1.5, "503"),
    PageRead(DEVICES, 0, 2000, 12_000_000, 0.5),
    Drifted(DEVICES, "cvss", 3, "string"),
    PartSealed(DEVICES, Part("entity=devices/x.parquet", 2000, 900_000, "ab")),
    Notice(DEVICES, "a field is \x1b[31mgone\x1b[0m"),
    LaneClosed(Outcome(DEVICES, "complete", rows=2000, pages=1, bytes=12_000_000, seconds=2.0)),
    LaneClosed(Outcome(DEVICES, "partial", "the host went away")),
    SnapshotPublished("r1", "partial", "_axsync/snapshots/r1.json"),
)


@dataclass
class Recorded:
    """What was written, and a clock that a test turns."""

    lines: list[str] = field(default_factory=list)
    time: float = 0.0

    def now(self) -> float:
        return self.time

    def log(self, verbosity: int) -> LogLines:
        return LogLines(self.lines.append, ProgressTracker(self.now), verbosity, Beat(self.now))

    def json_log(self, verbosity: int) -> JsonLog:
        return JsonLog(self.lines.append, ProgressTracker(self.now), verbosity, Beat(self.now), lambda: NOON)

    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def test_a_line_is_written_for_each_thing_worth_telling() -> None:
    """Asking, opening, retry, notice and closing are told; single pages and counts are not."""
    recorded = Recorded()
    log = recorded.log(NORMAL)
    for event in STORY:
        log(event)

    assert recorded.lines == [
        "run r1 for 2026-11-23: 1 entity type",
        "asking prod at acme.example what it offers",
        "devices: 2,000 rows to read",
        "devices: acme.example: 503; try 2 in 1.5 s",
        "devices: a field is gone",
        "devices: complete; 2,000 rows, 1 page, 12.0 MB in 2.0 s",
        "devices: partial: the host went away; 0 rows, 0 pages, 0.0 MB in 0.0 s",
        "snapshot r1 published, partial",
    ]


@pytest.mark.parametrize(("verbosity", "count"), [(QUIET, 2), (NORMAL, 8), (VERBOSE, 11)])
def test_verbosity_decides_how_much_is_told(verbosity: int, count: int) -> None:
    """Quiet leaves warnings only, verbose leaves out single requests only; for people and machines alike."""
    told, logged = Recorded(), Recorded()
    log, json_log = told.log(verbosity), logged.json_log(verbosity)
    for event in STORY:
        log(event)
        json_log(event)

    assert (len(told.lines), len(logged.lines)) == (count, count)


def test_a_progress_line_comes_every_ten_seconds() -> None:
    """Neither events nor ticks make it come more often."""
    recorded = Recorded()
    log = recorded.log(NORMAL)
    log(RunStarted("r1", "2026-11-23", (DEVICES,)))
    log(LaneOpened(DEVICES, 4000))
    for second in range(1, 25):
        recorded.time = float(second)
        log.tick()
    log(PageRead(DEVICES, 0, 2000, 12_000_000, 0.5))
    recorded.time = 30.0
    log.tick()

    progress = [line for line in recorded.lines if line.startswith("progress:")]
    assert len(progress) == 3
    assert progress[-1] == (
        "progress: 0 of 1 entity type, 2,000 rows, 12.0 MB, 0.4 MB/s, 67 rows/s, 1 page, 1 active, 0:00:30 left"
    )


def test_quiet_logs_have_no_progress_lines() -> None:
    """Quiet means warnings only."""
    recorded = Recorded()
    log = recorded.log(QUIET)
    recorded.time = 60.0
    log.tick()

    assert recorded.lines == []


def test_json_lines_have_time_name_run_and_fields() -> None:
    """A lane is told as instance and entity; an outcome without its columns."""
    recorded = Recorded()
    log = recorded.json_log(NORMAL)
    log(RunStarted("r1", "2026-11-23", (DEVICES,)))
    log(LaneOpened(DEVICES, 2000))
    log(LaneClosed(Outcome(DEVICES, "complete", rows=2000, columns={"a": {"type": "string"}})))

    _, opened, closed = recorded.parsed()
    assert opened == {
        "ts": "2026-11-23T12:00:00.000Z",
        "event": "axsync.lane_opened",
        "level": "info",
        "run_id": "r1",
        "instance": "prod",
        "entity": "devices",
        "total": 2000,
    }
    assert (closed["event"], closed["verdict"], closed["rows"]) == ("axsync.lane_closed", "complete", 2000)
    assert "columns" not in closed


def test_a_closing_line_says_where_dead_letters_lie() -> None:
    """However long the reason is, the path stays on the line; in a JSON line it is a field."""
    told, logged = Recorded(), Recorded()
    closed = LaneClosed(Outcome(DEVICES, "partial", "so it goes " * 100, dead_letters=2))
    for log in (told.log(NORMAL), logged.json_log(NORMAL)):
        log(STORY[0])
        log(closed)

    path = "_axsync/runs/r1/dead_letters/prod.devices.jsonl"
    assert told.lines[-1].endswith(f"0.0 MB in 0.0 s; 2 dead letters in {path}")
    assert logged.parsed()[-1]["dead_letters_path"] == path


def test_json_lines_are_plain_ascii() -> None:
    """No byte that a terminal would obey is written, and nothing of the text is lost."""
    recorded = Recorded()
    recorded.json_log(NORMAL)(Notice(None, "\x1b[2J\x9b2J Ü \ud800"))

    assert recorded.lines[0].isascii()
    assert recorded.lines[0].isprintable()
    assert recorded.parsed()[0]["text"] == "\x1b[2J\x9b2J Ü \ud800"


def test_json_progress_comes_every_ten_seconds() -> None:
    """Machines get the state as numbers."""
    recorded = Recorded()
    log = recorded.json_log(NORMAL)
    recorded.time = 10.0
    log.tick()
    log.tick()

    assert [line["event"] for line in recorded.parsed()] == ["axsync.progress"]
    assert recorded.parsed()[0]["seconds"] == 10.0


def test_stamped_lines_begin_with_utc() -> None:
    """The time stands first, in UTC."""
    lines: list[str] = []
    stamped(lines.append, lambda: NOON)("hello")

    assert lines == ["2026-11-23T12:00:00.000Z hello"]


def test_a_skipped_type_is_one_line() -> None:
    """The notice says it with its reason; in JSON its end is an event all the same."""
    reason = "forbidden: acme.example answered 403"
    told, plain, parsed = f"skipped, {reason}", Recorded(), Recorded()
    for log in (plain.log(NORMAL), parsed.json_log(NORMAL)):
        log(Notice(DEVICES, told))
        log(LaneClosed(Outcome(DEVICES, "skipped", reason, notices=(told,))))

    assert plain.lines == [f"devices: {told}"]
    assert [line["event"] for line in parsed.parsed()] == ["axsync.notice", "axsync.lane_closed"]


def test_a_host_is_named_once() -> None:
    """Most reasons begin with it."""
    recorded = Recorded()
    recorded.log(NORMAL)(Retried(DEVICES, "acme.example", 2, 1.5, "acme.example answered 503"))

    assert recorded.lines == ["devices: acme.example answered 503; try 2 in 1.5 s"]
