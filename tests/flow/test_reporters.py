"""Reporters on a real run: what they say is what the run came to."""

import json
import re
from pathlib import Path

import pytest

from axsync.console.run_result import Ended, SummaryCollector, summary_of
from axsync.telemetry import watch_over
from tests.flow.conftest import Start
from tests.flow.harness import Lab


async def test_metrics_and_lineage_agree_with_the_manifest(
    lab: Lab, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, verdicts and files of every entity type; nothing holds a key."""
    monkeypatch.delenv("OPENLINEAGE_NAMESPACE", raising=False)
    emulator = await start()
    metrics, lineage, warnings = tmp_path / "m.prom", tmp_path / "l.jsonl", list[str]()
    settings = lab.settings(lab.instance(emulator), metrics_file=str(metrics), lineage_file=str(lineage))
    watch, story = (
        watch_over(settings.run, warnings.append, lake=str(lab.lake), instances=settings.instances),
        SummaryCollector(""),
    )
    ran = await lab.run(settings, story, *watch.observers)
    watch.close(summary_of(Ended(0, ran.report), story, seconds=1.0, dry_run=False))

    text = metrics.read_text()
    manifest = lab.manifest()
    rows = {entity: float(count) for entity, count in re.findall(r'entity_rows{entity="(\w+)".*} (.*)', text)}
    assert rows == {lane["entity"]: lane["rows"] for lane in manifest["lanes"]}
    assert re.search(r'axsync_host_requests{host="127.0.0.1:\d+",status="200"} [1-9]', text)
    begun, ended = (json.loads(line) for line in lineage.read_text().splitlines())
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    written = {one["name"]: one["outputFacets"]["outputStatistics"]["fileCount"] for one in ended["outputs"]}
    assert written == {
        f"{lab.lake}/entity={lane['entity']}/instance=prod": len(lane["files"]) for lane in manifest["lanes"]
    }
    assert warnings == []
    assert emulator.api_secret not in text + lineage.read_text()
