"""A run as OpenTelemetry traces and metrics: one span for the run, one below it for each entity type.

This module needs an extra; only `telemetry.watch_over` imports it, if it is configured. docs/logs.md lists names and
attributes. The standard OTEL_* variables set the endpoint and headers.
"""

import logging
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from axsync.events import Answered, Event, LaneClosed, LaneOpened, PageRead, Retried, RunStarted, SnapshotPublished
from axsync.model import Lane, Outcome
from axsync.telemetry.reporter import Failed, Reporter, Summary

_OF_OUTCOME = ("verdict", "rows", "pages", "bytes", "requests", "retries", "rescued_values", "dead_letters", "missing")


def to_collector() -> Reporter:
    """The reporter that sends to the collector set by the OTEL_* variables (OTLP over HTTP)."""
    return Otel(BatchSpanProcessor(OTLPSpanExporter()), PeriodicExportingMetricReader(OTLPMetricExporter()))


class Otel:
    """Spans and metrics of one run, with its own providers: nothing global is changed."""

    def __init__(self, spans: SpanProcessor, numbers: MetricReader) -> None:
        self._silencer = _LogSilencer()
        # `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` take precedence over these.
        resource = Resource({SERVICE_NAME: "axsync", "service.version": version("axsync")}).merge(_of_environment())
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(spans)
        self._meters = MeterProvider([numbers], resource=resource, shutdown_on_exit=False)
        self._tracer = self._tracers.get_tracer("axsync", version("axsync"))
        meter = self._meters.get_meter("axsync", version("axsync"))
        self._rows = meter.create_counter("axsync.rows", "{row}", "Rows read.")
        self._bytes = meter.create_counter("axsync.bytes", "By", "Bytes of JSON read.")
        self._pages = meter.create_counter("axsync.pages", "{page}", "Pages read.")
        self._retries = meter.create_counter("axsync.retries", "{request}", "Retried requests.")
        self._seconds = meter.create_histogram("axsync.request.duration", "s", "Time from sending to the response.")
        self._in_flight = meter.create_gauge("axsync.in_flight", "{request}", "Requests in flight.")
        self._lanes: dict[Lane, Span] = {}
        self._run = self._tracer.start_span("axsync run")
        self._inside = set_span_in_context(self._run)

    def __call__(self, event: Event) -> None:
        """Record the event."""
        match event:
            case RunStarted(run_id, logical_date, lanes):
                self._run.set_attributes({"axsync.run_id": run_id, "axsync.logical_date": logical_date})
                self._run.set_attribute("axsync.entities", len(lanes))
            case LaneOpened(lane, total):
                self._span(lane).set_attributes({} if total is None else {"axsync.total": total})
            case PageRead(lane, _, rows, size, _):
                self._page(lane, rows, size)
            case Answered(_, host, status, seconds, in_flight, _, _):
                self._seconds.record(seconds, {"server.address": host, "http.response.status_code": status or 0})
                self._in_flight.set(in_flight, {"server.address": host})
            case Retried(lane, host, attempt, seconds, _):
                self._retries.add(1, {"server.address": host})
                span = self._run if lane is None else self._span(lane)
                span.add_event("retry", {"server.address": host, "axsync.try": attempt, "axsync.wait": seconds})
            case LaneClosed(outcome):
                self._close(outcome)
            case SnapshotPublished(_, _, manifest):
                self._run.add_event("published", {"axsync.manifest": manifest})
            case _:
                pass

    def _page(self, lane: Lane, rows: int, size: int) -> None:
        for counter, count in ((self._rows, rows), (self._bytes, size), (self._pages, 1)):
            counter.add(count, _place(lane))

    def _span(self, lane: Lane) -> Span:
        if lane not in self._lanes:
            name, place = f"axsync entity {lane.entity}", _place(lane)
            self._lanes[lane] = self._tracer.start_span(name, self._inside, attributes=place)
        return self._lanes[lane]

    def _close(self, outcome: Outcome) -> None:
        span = self._span(outcome.lane)
        span.set_attributes({f"axsync.{name}": getattr(outcome, name) for name in _OF_OUTCOME})
        if outcome.verdict in ("partial", "failed"):
            span.set_status(Status(StatusCode.ERROR, outcome.reason or ""))
        span.end()

    def close(self, summary: Summary) -> None:
        """End all spans and flush. Raises: Failed if the collector did not accept everything."""
        for span in (*self._lanes.values(), self._run):
            if span.is_recording():
                self._end(span, summary)
        self._tracers.shutdown()
        self._meters.shutdown()
        self._silencer.leave()
        if self._silencer.heard:
            raise Failed("the collector did not accept everything; check OTEL_EXPORTER_OTLP_ENDPOINT")

    def _end(self, span: Span, summary: Summary) -> None:
        if span is self._run:
            span.set_attributes({f"axsync.{name}": summary[name] for name in ("verdict", "exit_code")})
        if summary["exit_code"]:
            span.set_status(Status(StatusCode.ERROR, f"exit code {summary['exit_code']}"))
        span.end()


def _of_environment() -> Resource:
    """The resource set by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, without the library's default name."""
    found = Resource.create()
    name = str(found.attributes.get(SERVICE_NAME, ""))
    return Resource({k: v for k, v in found.attributes.items() if k != SERVICE_NAME or not _is_default(name)})


def _is_default(name: str) -> bool:
    return name.startswith("unknown_service")


def _place(lane: Lane) -> dict[str, str]:
    return {"axsync.instance": lane.instance, "axsync.entity": lane.entity}


class _LogSilencer(logging.Handler):
    """Keeps OpenTelemetry's log off stderr, where our own lines are, and remembers whether it warned."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = False
        self._logger = logging.getLogger("opentelemetry")
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        del record  # it may contain the collector's address with a key
        self.heard = True

    def leave(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
