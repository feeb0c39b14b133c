import logging
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from axsync.telemetry.otel import Otel
from axsync.telemetry.reporter import Failed
from tests.telemetry.story import EVENTS, FAILED, RUN, summary


class Recorded:
    """A reporter whose spans and numbers stay here."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.otel = Otel(SimpleSpanProcessor(self._spans), self._reader)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._spans.get_finished_spans()}

    def numbers(self) -> dict[str, list[Any]]:
        found = self._reader.get_metrics_data()
        assert found is not None
        metrics = [m for r in found.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return {metric.name: list(metric.data.data_points) for metric in metrics}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    return Recorded()


def test_a_run_is_a_span_with_one_span_for_each_entity_type(recorded: Recorded) -> None:
    """With run id, verdicts and numbers as attributes; what failed is an error."""
    for event in EVENTS:
        recorded.otel(event)
    recorded.otel.close(summary())

    spans = recorded.spans()
    run, devices, users = (spans[f"axsync {name}"] for name in ("run", "entity devices", "entity users"))
    assert run.attributes is not None
    assert devices.attributes is not None
    assert (run.attributes["axsync.run_id"], run.attributes["axsync.exit_code"]) == (RUN, 3)
    assert devices.parent is not None
    assert run.context is not None
    assert devices.parent.span_id == run.context.span_id
    assert (devices.attributes["axsync.rows"], devices.attributes["axsync.verdict"]) == (3000, "complete")
    assert [event.name for event in devices.events] == ["retry"]
    assert (devices.status.is_ok, users.status.is_ok, run.status.is_ok) == (True, False, False)


def test_numbers_are_summed_per_entity_type_and_host(recorded: Recorded) -> None:
    """Rows, bytes and pages by entity type, requests by status."""
    for event in EVENTS:
        recorded.otel(event)
    numbers = recorded.numbers()
    recorded.otel.close(summary())

    assert [point.value for point in numbers["axsync.rows"]] == [3000]
    assert dict(numbers["axsync.bytes"][0].attributes) == {"axsync.instance": "prod", "axsync.entity": "devices"}
    requests = {
        point.attributes["http.response.status_code"]: point.count for point in numbers["axsync.request.duration"]
    }
    assert requests == {200: 1, 429: 1, 0: 1}
    assert [point.value for point in numbers["axsync.retries"]] == [1]


def test_a_run_that_failed_early_has_its_span_too(recorded: Recorded) -> None:
    """With the exit code, as an error."""
    recorded.otel.close(FAILED)

    run = recorded.spans()["axsync run"]
    assert run.attributes is not None
    assert run.attributes["axsync.exit_code"] == 75
    assert not run.status.is_ok


def test_a_run_that_is_stopped_ends_the_spans_of_its_entity_types(recorded: Recorded) -> None:
    """A span that is never ended is never sent."""
    for event in EVENTS[:5]:
        recorded.otel(event)
    recorded.otel.close(summary(exit_code=143, verdict="terminated", manifest=None))

    assert set(recorded.spans()) == {"axsync run", "axsync entity devices", "axsync entity users"}


def test_the_resource_names_the_service_and_takes_the_standard_variables(recorded: Recorded) -> None:
    """`axsync`, unless OTEL_SERVICE_NAME says otherwise."""
    recorded.otel.close(FAILED)

    resource = recorded.spans()["axsync run"].resource.attributes
    assert resource["service.name"] == "axsync"
    assert resource["deployment.environment"] == "test"


def test_the_service_name_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the standard variable."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    recorded = Recorded()
    recorded.otel.close(FAILED)

    assert recorded.spans()["axsync run"].resource.attributes["service.name"] == "nightly"


class Broken(SpanExporter):
    """A collector that takes nothing and complains in the log, as the real exporter does."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        logging.getLogger("opentelemetry.exporter").error("no way to https://user:hunter2@collector")
        return SpanExportResult.FAILURE


def test_a_collector_that_takes_nothing_is_one_quiet_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Told without what the library said, which may hold a key; nothing reaches stderr by itself."""
    otel = Otel(SimpleSpanProcessor(Broken()), InMemoryMetricReader())
    with pytest.raises(Failed, match=r"^the collector did not accept everything"):
        otel.close(FAILED)

    assert capsys.readouterr().err == ""
    assert logging.getLogger("opentelemetry").propagate
