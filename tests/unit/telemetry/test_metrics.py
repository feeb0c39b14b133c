from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from axsync.telemetry.metrics import METRICS, MetricsFile
from tests.unit.telemetry.story import DONE, EVENTS, FAILED, LOST, lane_fields, summary


@dataclass
class Clock:
    """A clock that a test turns."""

    time: float = 1000.0

    def __call__(self) -> float:
        return self.time


def samples(path: Path) -> dict[tuple[str, ...], float]:
    """Name and values of the labels → value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def told(path: Path, clock: Clock) -> MetricsFile:
    metrics = MetricsFile(path, clock)
    for event in EVENTS:
        metrics(event)
    return metrics


def test_the_file_of_a_run_that_is_over_has_every_number(tmp_path: Path) -> None:
    """Each documented name, with the labels that are documented, and what the events and the summary say."""
    path, clock = tmp_path / "axsync.prom", Clock()
    metrics = told(path, clock)
    clock.time = 1060.0
    metrics.close(summary(exit_code=0))

    found = samples(path)
    assert {name for name, *_ in found} == set(METRICS)
    assert found["axsync_run_exit_code",] == 0
    assert found["axsync_run_duration_seconds",] == 60
    assert found["axsync_run_running",] == 0
    assert found["axsync_run_verdict", "partial"] == 1
    assert found["axsync_entity_rows", "devices", "prod"] == 3000
    assert found["axsync_entity_missing_rows", "users", "prod"] == 7
    assert found["axsync_host_requests", "acme.example", "429"] == 1
    assert found["axsync_host_requests", "acme.example", "none"] == 1
    assert found["axsync_last_complete_timestamp_seconds",] == 1060


def test_a_run_under_way_can_be_followed(tmp_path: Path) -> None:
    """The file is there when the run starts, and is written anew now and then."""
    path, clock = tmp_path / "axsync.prom", Clock()
    metrics = MetricsFile(path, clock)
    metrics(EVENTS[0])
    at_start = samples(path)
    for event in EVENTS[1:5]:
        metrics(event)
    early = samples(path)
    clock.time += 16
    metrics(EVENTS[5])

    assert at_start["axsync_run_running",] == 1
    assert ("axsync_run_exit_code",) not in at_start
    assert early == at_start
    assert samples(path)["axsync_entity_rows", "devices", "prod"] == 2000


def test_a_run_that_asked_nobody_still_says_so(tmp_path: Path) -> None:
    """Exit code and verdict are there, numbers of entity types are not."""
    path = tmp_path / "axsync.prom"
    MetricsFile(path, Clock()).close(FAILED)

    found = samples(path)
    assert found["axsync_run_exit_code",] == 75
    assert found["axsync_run_verdict", "failed"] == 1
    assert not any(name.startswith("axsync_entity") for name, *_ in found)


def test_the_last_good_run_is_kept_over_failures(tmp_path: Path) -> None:
    """An alarm for `no good run since yesterday` needs no memory of its own."""
    path, clock = tmp_path / "axsync.prom", Clock()
    told(path, clock).close(summary(exit_code=0))
    clock.time = 90_000.0
    MetricsFile(path, clock).close(FAILED)

    found = samples(path)
    assert found["axsync_run_exit_code",] == 75
    assert found["axsync_last_complete_timestamp_seconds",] == 1000
    assert found["axsync_last_published_timestamp_seconds",] == 1000


@pytest.mark.parametrize("before", [b"", b"no metrics at all {", b"\xff\xfe\x00"])
def test_a_file_that_is_something_else_is_replaced(tmp_path: Path, before: bytes) -> None:
    """A damaged file is no reason to have no metrics tonight."""
    path = tmp_path / "axsync.prom"
    path.write_bytes(before)
    MetricsFile(path, Clock()).close(FAILED)

    assert samples(path)["axsync_run_exit_code",] == 75


def test_the_summary_has_the_last_word_on_verdicts(tmp_path: Path) -> None:
    """A type that the drop guard held back was complete when it was closed."""
    path = tmp_path / "axsync.prom"
    held = lane_fields(DONE, verdict="partial", rows=0)
    told(path, Clock()).close(summary(lanes=[held, lane_fields(LOST)]))

    found = samples(path)
    assert found["axsync_entity_verdict", "devices", "prod", "partial"] == 1
    assert ("axsync_entity_verdict", "devices", "prod", "complete") not in found
    assert found["axsync_entity_rows", "devices", "prod"] == 0


def test_no_half_file_is_left_beside_it(tmp_path: Path) -> None:
    """It is written aside and renamed; a reader sees the old one or the new one."""
    path = tmp_path / "axsync.prom"
    told(path, Clock()).close(summary())

    assert [found.name for found in tmp_path.iterdir()] == ["axsync.prom"]
