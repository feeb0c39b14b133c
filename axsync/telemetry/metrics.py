"""A run as a Prometheus text file, for node_exporter's textfile collector. One file describes one run."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_fd_to_metric_families

from axsync.events import Answered, Event, LaneClosed, LaneOpened, PageRead, Retried, RunStarted
from axsync.model import Lane
from axsync.telemetry.reporter import Summary

EVERY_SECONDS = 15.0
"""Interval at which the file is rewritten during a run."""

_LANE, _HOST = ("instance", "entity"), ("host",)
METRICS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "axsync_run_info": (("run_id", "logical_date", "version"), "1, with the run in the labels."),
    "axsync_run_running": ((), "1 while the run lasts, 0 when it is over."),
    "axsync_run_start_timestamp_seconds": ((), "When the run started."),
    "axsync_run_end_timestamp_seconds": ((), "When the run ended; absent while it lasts."),
    "axsync_run_duration_seconds": ((), "Duration of the run so far."),
    "axsync_run_exit_code": ((), "Exit code; absent while the run lasts."),
    "axsync_run_verdict": (("verdict",), "1 for the verdict of the run; absent while it lasts."),
    "axsync_last_complete_timestamp_seconds": ((), "End of the last run with exit code 0; kept across runs."),
    "axsync_last_published_timestamp_seconds": ((), "End of the last run that published a snapshot; kept across runs."),
    "axsync_entity_total_rows": (_LANE, "Rows that the server counted before the entity type was read."),
    "axsync_entity_rows": (_LANE, "Rows so far."),
    "axsync_entity_pages": (_LANE, "Pages so far."),
    "axsync_entity_bytes": (_LANE, "Bytes of JSON so far."),
    "axsync_entity_requests": (_LANE, "Requests, once the entity type is done."),
    "axsync_entity_retries": (_LANE, "Retried requests, once the entity type is done."),
    "axsync_entity_rescued_values": (_LANE, "Values that did not fit their column and were rescued."),
    "axsync_entity_dead_letters": (_LANE, "Records that could not be read."),
    "axsync_entity_missing_rows": (_LANE, "Rows that the server counts and the snapshot does not have."),
    "axsync_entity_duration_seconds": (_LANE, "Duration of the entity type."),
    "axsync_entity_verdict": ((*_LANE, "verdict"), "1 for the verdict of the entity type, once it is done."),
    "axsync_host_requests": (("host", "status"), "Requests by HTTP status of the response; none if no response came."),
    "axsync_host_retries": (_HOST, "Retried requests."),
    "axsync_host_in_flight": (_HOST, "Requests in flight at the last response."),
    "axsync_host_in_flight_limit": (_HOST, "Current concurrency limit for the host."),
    "axsync_host_requests_per_second_limit": (_HOST, "Current rate limit for the host, in requests per second."),
}
"""Name → labels and meaning; docs/logs.md lists them. All are gauges, since each run starts from zero."""

KEPT = ("axsync_last_complete_timestamp_seconds", "axsync_last_published_timestamp_seconds")
_OF_LANE = ("rows", "pages", "bytes", "requests", "retries", "rescued_values", "dead_letters")


class MetricsFile:
    """Writes `path` at the start, periodically, and at the end of a run. A reader never sees half a file."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path, self._now = path, now
        self._registry = CollectorRegistry()
        self._gauges = {name: Gauge(name, words, labels, registry=None) for name, (labels, words) in METRICS.items()}
        self._shown: set[str] = set()
        self._began = self._written = now()
        for name, value in _kept(path).items():
            self._set(name, value)
        self._set("axsync_run_running", 1)
        self._set("axsync_run_start_timestamp_seconds", self._began)

    def __call__(self, event: Event) -> None:
        """Update the metrics. Raises: OSError if the file cannot be written."""
        self._take(event)
        if isinstance(event, RunStarted) or self._now() - self._written >= EVERY_SECONDS:
            self._write()

    def _take(self, event: Event) -> None:
        match event:
            case RunStarted(run_id, logical_date, _):
                self._name(run_id, logical_date)
            case LaneOpened(lane, total) if total is not None:
                self._lane("total_rows", lane, total)
            case PageRead(lane, _, rows, size, _):
                for name, count in (("rows", rows), ("pages", 1), ("bytes", size)):
                    self._of(f"axsync_entity_{name}", lane.instance, lane.entity).inc(count)
            case Retried(_, host, _, _, _):
                self._of("axsync_host_retries", host).inc()
            case Answered():
                self._answered(event)
            case LaneClosed(outcome):
                values = {name: getattr(outcome, name) for name in (*_OF_LANE, "missing", "seconds", "verdict")}
                self._closed(outcome.lane, values)
            case _:
                pass

    def _answered(self, event: Answered) -> None:
        status = "none" if event.status is None else str(event.status)
        self._of("axsync_host_requests", event.host, status).inc()
        self._of("axsync_host_in_flight", event.host).set(event.in_flight)
        self._of("axsync_host_in_flight_limit", event.host).set(event.limit)
        self._of("axsync_host_requests_per_second_limit", event.host).set(event.rate)

    def _closed(self, lane: Lane, values: Mapping[str, Any]) -> None:
        for name in _OF_LANE:
            self._lane(name, lane, values[name])
        self._lane("missing_rows", lane, values["missing"])
        self._lane("duration_seconds", lane, values["seconds"])
        self._of("axsync_entity_verdict", lane.instance, lane.entity, values["verdict"]).set(1)

    def close(self, summary: Summary) -> None:
        """Write how the run ended. Raises: OSError."""
        now = self._now()
        if summary["run_id"]:
            self._name(summary["run_id"], summary["logical_date"])
        # The drop guard may have changed a verdict after the entity type was closed.
        self._gauges["axsync_entity_verdict"].clear()
        for lane in summary["lanes"]:
            self._closed(Lane(lane["instance"], lane["entity"]), lane)
        self._set("axsync_run_running", 0)
        self._set("axsync_run_end_timestamp_seconds", now)
        self._set("axsync_run_exit_code", summary["exit_code"])
        self._of("axsync_run_verdict", summary["verdict"]).set(1)
        if summary["exit_code"] == 0:
            self._set("axsync_last_complete_timestamp_seconds", now)
        if summary["manifest"]:
            self._set("axsync_last_published_timestamp_seconds", now)
        self._write()

    def _name(self, run_id: str, logical_date: str) -> None:
        self._of("axsync_run_info", run_id, logical_date or "", version("axsync")).set(1)

    def _lane(self, name: str, lane: Lane, value: float) -> None:
        self._of(f"axsync_entity_{name}", lane.instance, lane.entity).set(value)

    def _set(self, name: str, value: float) -> None:
        self._of(name).set(value)

    def _of(self, name: str, *labels: str) -> Gauge:
        gauge = self._gauges[name]
        # A registered gauge without labels would report 0 before its value is known.
        if name not in self._shown:
            self._shown.add(name)
            self._registry.register(gauge)
        return gauge.labels(*labels) if labels else gauge

    def _write(self) -> None:
        self._written = self._now()
        self._set("axsync_run_duration_seconds", self._written - self._began)
        write_to_textfile(str(self._path), self._registry)


def _kept(path: Path) -> dict[str, float]:
    """The metrics of the previous file that are kept across runs; empty if there is none."""
    try:
        with path.open(encoding="utf-8") as file:
            return {
                sample.name: sample.value
                for family in text_fd_to_metric_families(file)
                for sample in family.samples
                if sample.name in KEPT
            }
    except (OSError, ValueError):
        return {}
