import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from axsync.events import Event
from axsync.telemetry.lineage import Lineage
from tests.unit.telemetry.story import DONE, EVENTS, FAILED, lane_fields, summary

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def events(
    folder: Path, end: dict[str, Any], story: tuple[Event, ...] = EVENTS, lake: str = "/srv/lake"
) -> list[dict[str, Any]]:
    path = folder / "lineage.jsonl"
    urls = {"prod": "https://acme.example"}
    lineage = Lineage(path, lake=lake, urls=urls, namespace="lakes", now=lambda: NOON)
    for event in story:
        lineage(event)
    lineage.close(end)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_run_that_published_starts_and_completes(tmp_path: Path) -> None:
    """Inputs are the instance's entity types, outputs the folders of the lake, with schema and size."""
    start, end = events(tmp_path, summary())

    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert (start["job"]["namespace"], start["job"]["name"]) == ("lakes", "axsync.lake")
    assert [(one["namespace"], one["name"]) for one in start["inputs"]] == [
        ("https://acme.example", "devices"),
        ("https://acme.example", "users"),
    ]
    (output,) = end["outputs"]
    assert (output["namespace"], output["name"]) == ("file", "/srv/lake/entity=devices/instance=prod")
    assert output["facets"]["schema"]["fields"][0]["name"] == "os_type"
    assert output["facets"]["schema"]["fields"][0]["type"] == "list<string>"
    assert end["inputs"][0]["facets"]["schema"]["fields"][0]["name"] == "specific_data.data.os.type"
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (3000, 900_000, 1)


def test_a_folder_of_a_bucket_is_named_as_openlineage_does(tmp_path: Path) -> None:
    """The bucket is the namespace."""
    *_, end = events(tmp_path, summary(), lake="s3://bucket/axonius")
    (output,) = end["outputs"]

    assert (output["namespace"], output["name"]) == ("s3://bucket", "axonius/entity=devices/instance=prod")


def test_a_run_that_failed_says_why(tmp_path: Path) -> None:
    """Also one that failed before anything was asked."""
    (end,) = events(tmp_path, FAILED, story=())

    assert end["eventType"] == "FAIL"
    assert end["run"]["facets"]["errorMessage"]["message"] == "acme.example does not answer"
    assert end["outputs"] == []


def test_a_run_that_was_stopped_aborts(tmp_path: Path) -> None:
    """A signal is no failure."""
    _, end = events(tmp_path, summary(exit_code=143, manifest=None), story=EVENTS[:5])

    assert end["eventType"] == "ABORT"


def test_what_an_earlier_snapshot_stands_in_for_is_no_output(tmp_path: Path) -> None:
    """It was not written by this run."""
    _, end = events(tmp_path, summary(lanes=[lane_fields(DONE, from_run="r0")]))

    assert end["outputs"] == []


def test_a_run_with_nothing_to_do_tells_nothing(tmp_path: Path) -> None:
    """The run that did the work has told."""
    assert events(tmp_path, summary(exit_code=0), story=()) == []


def test_events_are_appended(tmp_path: Path) -> None:
    """One file for all nights."""
    events(tmp_path, summary())

    assert [event["eventType"] for event in events(tmp_path, FAILED, story=())] == ["START", "COMPLETE", "FAIL"]
