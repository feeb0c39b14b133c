import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from axsync.console.report.index import IndexView, index_of
from axsync.console.report.index_page import write_index
from axsync.console.text import visible
from axsync.lake import layout
from axsync.lake.publish import RunFacts
from axsync.model import Lane, Outcome, Part
from tests.unit.console.stories import HOSTILE
from tests.unit.console.test_page import ATTRIBUTES, TAGS, Seen
from tests.unit.lake.folders import FolderLake

TELLABLE = [name for name in HOSTILE[:-1] if "\ud800" not in name]
"""What JSON can hold."""
COLUMNS = {"a": {"field": "a", "type": "string", "dates": None}}
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def outcome(entity: str, rows: int, **changed: object) -> Outcome:
    part = Part(f"entity={entity}/instance=prod/dt=2026-11-20/part-r-00000.parquet", rows, 100, "ab")
    plain = Outcome(Lane("prod", entity), "complete", rows=rows, columns=COLUMNS, parts=(part,))
    return replace(plain, **changed)  # type: ignore[arg-type]  # whatever a test says


def publish(lake: FolderLake, day: int, *outcomes: Outcome, hour: int = 2) -> str:
    """A run of that day in November; its files are not there."""
    run_id = f"202611{day}T{hour:02}0000Z-7f3a"
    facts = RunFacts(run_id, f"2026-11-{day}", None, f"2026-11-{day}T{hour:02}:00:00Z", "0.1.0")
    (lake.root / "_axsync/snapshots").mkdir(parents=True, exist_ok=True)
    lake.publish(facts, [replace(one, parts=()) for one in outcomes], finished_at=f"2026-11-{day}T{hour:02}:09:00Z")
    manifest = lake.root / layout.manifest(run_id)
    manifest.write_bytes(_with_files(manifest.read_bytes(), outcomes))
    return run_id


def _with_files(manifest: bytes, outcomes: tuple[Outcome, ...]) -> bytes:
    """Manifests name the files that were moved; here there are none to move."""
    document = orjson.loads(manifest)
    for lane in document["lanes"]:
        found = next(one for one in outcomes if one.lane.entity == lane["entity"])
        lane["files"] = [{"path": p.path, "rows": p.rows, "bytes": p.size, "sha256": p.sha256} for p in found.parts]
    return bytes(orjson.dumps(document))


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


def row(view: IndexView, name: str) -> tuple[str, str, str]:
    return next((one.rows, one.change, one.span) for one in view.types if one.name == name)


def test_rows_over_time_are_those_of_the_newest_run_of_each_day(lake: FolderLake) -> None:
    """A second run of a day has replaced the first; a day without a run is a gap."""
    publish(lake, 20, outcome("devices", 100), outcome("users", 7))
    publish(lake, 21, outcome("devices", 5))
    publish(lake, 21, outcome("devices", 150), outcome("users", 7), hour=3)
    publish(lake, 24, outcome("devices", 130), outcome("users", 7))
    view = index_of(lake, NOW)

    assert row(view, "devices") == ("130", "\N{MINUS SIGN}20 (\N{MINUS SIGN}13.3%)", "100 to 150")
    assert (row(view, "users"), view.types[1].line) == (("7", "±0", ""), "")
    assert re.findall(r"[ML]([\d.]+) ", view.types[0].line) == ["0.0", "250.0", "1000.0"]
    assert (view.headline, view.days) == ("4 runs of 3 days", ("2026-11-20", "2026-11-24"))
    assert [one.day for one in view.runs] == ["2026-11-24", "2026-11-21", "2026-11-21", "2026-11-20"]
    assert [one.note for one in view.runs] == ["latest", "", "", ""]


def test_trouble_is_seen_and_what_cannot_be_read_is_told(lake: FolderLake) -> None:
    """A type that failed comes first and has a mark; a manifest that is damaged hides no other run."""
    damaged = publish(lake, 20, outcome("devices", 100))
    publish(lake, 21, outcome("devices", 100), outcome("users", 7))
    bad = {"verdict": "partial", "reason": "500", "parts": (), "columns": {}}
    publish(lake, 22, outcome("devices", 100), outcome("users", 0, **bad))
    (lake.root / layout.manifest(damaged)).write_text("{")
    view = index_of(lake, NOW)

    assert [(one.name, one.tone, len(one.ticks)) for one in view.types] == [("users", "bad", 1), ("devices", "good", 0)]
    assert (view.verdict, view.tone, len(view.errors), len(view.runs)) == ("partial", "bad", 1, 2)
    assert [bar.kind for bar in view.strip] == ["good", "bad"]


def test_a_lake_without_runs_has_an_index(lake: FolderLake) -> None:
    """It says so."""
    (lake.root / "_axsync").mkdir(parents=True)

    assert "There are no runs yet." in Path(write_index(lake, NOW)).read_text("utf-8")


def test_names_from_a_server_are_nothing_but_text_and_links_lead_to_reports(lake: FolderLake) -> None:
    """Nothing is loaded or run, and no link leads out of the folder."""
    run_id = publish(lake, 22, outcome("devices", 100))
    manifest = lake.root / layout.manifest(run_id)
    document = orjson.loads(manifest.read_bytes())
    document["lanes"] += [document["lanes"][0] | {"entity": name, "instance": name} for name in TELLABLE]
    manifest.write_bytes(orjson.dumps(document))
    report = lake.root / layout.report(run_id)
    report.parent.mkdir(parents=True)
    report.touch()
    page = Path(write_index(lake, NOW)).read_text("utf-8")
    seen = Seen(page)

    assert seen.tags <= TAGS | {"a"}
    assert seen.attributes <= ATTRIBUTES | {"href"}
    assert re.findall('href="([^"]*)"', page) == [f"runs/{run_id}/report.html"]
    assert seen.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert all(visible(name) in "".join(seen.text) for name in TELLABLE)
    assert [c for c in set(page) if not c.isprintable() and c != "\n"] == []
