"""The page about logs and metrics against the code: every field, key, name and label, and no other."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from axsync.console.backfill import backfill_summary
from axsync.console.log_lines import VERBOSE, Beat, JsonLog
from axsync.console.progress import ProgressTracker, progress_fields
from axsync.console.run_result import Ended, SummaryCollector, report_fields, summary_of
from axsync.errors import Unreachable
from axsync.events import (
    Answered,
    Asking,
    Crashed,
    DayBegun,
    Drifted,
    Event,
    LaneClosed,
    LaneOpened,
    LanesAdded,
    Notice,
    PageRead,
    PartSealed,
    Retried,
    RunStarted,
    SnapshotPublished,
)
from axsync.lake.manifest import lane_entry
from axsync.model import Lane, Outcome, Part
from axsync.runs.backfill import Backfill, BackfillDay
from axsync.runs.run import Report
from axsync.telemetry import metrics

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/logs.md").read_text("utf-8")
LANE = Lane("prod", "devices")
DONE = Outcome(LANE, "complete", rows=1)
ONE_OF_EACH: tuple[Event, ...] = (
    Asking("prod", "acme.example"),
    DayBegun("2026-11-23", 1, 30),
    RunStarted("r1", "2026-11-23", (LANE,)),
    LanesAdded((LANE,)),
    LaneOpened(LANE, 10),
    PageRead(LANE, 0, 10, 100, 0.1),
    Retried(LANE, "h", 1, 1.0, "503"),
    Drifted(LANE, "cvss", 1, "string"),
    PartSealed(LANE, Part("p", 10, 100, "ab")),
    Notice(LANE, "text"),
    Crashed(LANE, "Traceback …"),
    LaneClosed(DONE),
    SnapshotPublished("r1", "complete", "m.json"),
)
COMMON = {"ts", "event", "level", "run_id", "instance", "entity"}


def section(title: str) -> str:
    """What stands below a heading, up to the next one of any rank."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title}"
    return found[1]


def named(text: str) -> set[str]:
    """The names in the first cells of tables."""
    cells = re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def logged(*events: Event) -> list[dict[str, Any]]:
    lines: list[str] = []
    log = JsonLog(
        lines.append,
        ProgressTracker(lambda: 0.0),
        VERBOSE,
        Beat(lambda: 0.0),
        lambda: datetime(2026, 11, 23, tzinfo=UTC),
    )
    for event in events:
        log(event)
    return [json.loads(line) for line in lines]


def test_every_kind_of_event_is_looked_at() -> None:
    """Single requests are not logged; everything else has its section."""
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(Event)) - {Answered}


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_the_fields_of_each_event_are_explained(event: Event) -> None:
    """Those of the line, apart from the ones that every line has, and no others."""
    (line,) = logged(event)
    told = named(section(f"`{line['event']}`"))
    if isinstance(event, LaneClosed):
        told |= {*lane_entry(DONE, None), "from_run"} - {"columns", "bytes"} | {"bytes"}

    assert set(line) - COMMON == told - COMMON


def test_the_fields_that_every_line_has_are_explained() -> None:
    """In one table above all."""
    assert named(section("JSON lines")) == COMMON


def test_the_fields_of_progress_are_explained() -> None:
    """As the lines have them."""
    assert set(progress_fields(ProgressTracker(lambda: 0.0).state())) == named(section("`axsync.progress`"))


def test_the_keys_of_the_summary_are_explained() -> None:
    """With those of an error."""
    error = Unreachable("down", host="h")
    report = Report("r1", "2026-11-23", "partial", (replace(DONE, verdict="partial"),), None, "lake", 1.0, (error,))
    summary = summary_of(Ended(1, report), SummaryCollector("lake"), seconds=1.0, dry_run=False)
    text = section("The summary, and `--on-finish`")

    assert set(summary) == named(text)
    assert set(summary) - {"text"} == set(report_fields(report, dry_run=False, page=None))
    assert {key for key in summary["errors"][0] if f"`{key}`" not in text} == set()


def test_the_keys_of_the_summary_of_a_backfill_are_explained() -> None:
    """Those that the summary of a run has not, and those of a day."""
    summary = backfill_summary(Backfill("lake", (BackfillDay("2026-11-23", "published"),), 1.0))
    text = section("The summary of a backfill")

    keys = {*summary, *summary["days"][0]} - named(section("The summary, and `--on-finish`"))
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_every_metric_is_explained_with_its_labels() -> None:
    """In the words of its help, and no other is."""
    rows = re.findall(r"^\| `(axsync_\w+)` \| (.*?) ?\| (.*?) \|$", section("Prometheus"), re.MULTILINE)

    assert {name: (tuple(re.findall(r"`(\w+)`", labels)), f"{words}.") for name, labels, words in rows} == dict(
        metrics.METRICS
    )


@pytest.mark.parametrize(("code", "posted"), [(0, ""), (3, '{"text": "it is partial"}')])
def test_the_script_for_the_end_posts_only_what_is_wrong(tmp_path: Path, code: int, posted: str) -> None:
    """As it stands on the page; curl is replaced by something that keeps what it gets."""
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    found = re.search(r"<!-- script: tell-the-team -->\n```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\ncat > posted; echo "$@" > arguments\n')
    curl.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CHAT_URL": "https://chat.invalid/x"}
    summary = json.dumps({"text": "it is partial", "exit_code": code, "lanes": []})
    subprocess.run(["sh", "-c", found[1]], input=summary, text=True, check=True, cwd=tmp_path, env=environ)

    got = (tmp_path / "posted").read_text() if (tmp_path / "posted").exists() else ""
    assert (json.loads(got) if got else "") == (json.loads(posted) if posted else "")


def test_every_name_of_opentelemetry_is_explained() -> None:
    """Spans, attributes and metrics that the module mentions."""
    source = (ROOT / "axsync/telemetry/otel.py").read_text("utf-8")
    names = set(re.findall(r'"((?:axsync|server|http)\.[a-z_.]+)"', source))

    assert names
    assert {name for name in names if f"`{name}`" not in section("OpenTelemetry")} == set()
