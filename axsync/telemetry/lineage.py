"""A run as OpenLineage events in a file, one JSON object per line: start, then complete, fail or abort.

This module needs an extra; only `telemetry.watch_over` imports it, if it is configured.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    schema_dataset,
)
from openlineage.client.transport.file import FileConfig, FileTransport

from axsync.events import Event, LaneClosed, RunStarted
from axsync.lake import layout
from axsync.model import Lane, Outcome
from axsync.telemetry.reporter import Summary

PRODUCER = f"urn:axsync:{version('axsync')}"
_STOPPED = frozenset({130, 143})


def _now() -> datetime:
    return datetime.now(UTC)


class Lineage:
    """Reports entity types of instances as inputs, and their folders in the lake as outputs."""

    def __init__(
        self,
        path: Path,
        *,
        lake: str,
        urls: Mapping[str, str],
        namespace: str,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._transport = FileTransport(FileConfig(log_file_path=str(path), append=True))
        self._lake, self._urls, self._now = lake.rstrip("/"), urls, now
        kind = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AXSYNC", jobType="JOB")
        self._job = Job(namespace, f"axsync.{Path(self._lake).name or 'lake'}", facets={"jobType": kind})
        self._run = Run(str(uuid.uuid4()))
        self._outcomes: dict[Lane, Outcome] = {}
        self._started = False

    def __call__(self, event: Event) -> None:
        """Emit the start event, and collect outcomes. Raises: OSError."""
        match event:
            case RunStarted(run_id, _, lanes):
                self._started = True
                # Derived from the run id, so that a resumed run keeps its id for readers as well.
                self._run = Run(str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:axsync:run:{run_id}")))
                self._outcomes = {lane: Outcome(lane, "skipped") for lane in lanes}
                self._emit(RunState.START, self._inputs(), [])
            case LaneClosed(outcome):
                self._outcomes[outcome.lane] = outcome
            case _:
                pass

    def close(self, summary: Summary) -> None:
        """Emit the final event, unless there was nothing to do. Raises: OSError."""
        published = bool(summary["manifest"])
        if not self._started and published:
            return  # reported when the run was published
        if not published and summary["errors"]:
            text = "; ".join(str(error["message"]) for error in summary["errors"])
            facet = error_message_run.ErrorMessageRunFacet(message=text, programmingLanguage="python")
            self._run = Run(self._run.runId, facets={"errorMessage": facet})
        state = RunState.COMPLETE if published or not summary["exit_code"] else RunState.FAIL
        if summary["exit_code"] in _STOPPED and not published:
            state = RunState.ABORT
        self._emit(state, self._inputs(), self._outputs(summary) if published else [])

    def _emit(self, state: RunState, inputs: list[InputDataset], outputs: list[OutputDataset]) -> None:
        event = RunEvent(
            eventType=state,
            eventTime=self._now().isoformat(timespec="milliseconds"),
            run=self._run,
            job=self._job,
            producer=PRODUCER,
            inputs=inputs,
            outputs=outputs,
        )
        self._transport.emit(event)

    def _inputs(self) -> list[InputDataset]:
        return [
            InputDataset(self._urls.get(lane.instance, lane.instance), lane.entity, facets=_schema(outcome, "field"))
            for lane, outcome in sorted(self._outcomes.items())
        ]

    def _outputs(self, summary: Summary) -> list[OutputDataset]:
        # The summary decides: a type that the drop guard held back was read but not published.
        told = {Lane(one["instance"], one["entity"]): one for one in summary["lanes"]}
        return [
            self._output(outcome)
            for lane, outcome in sorted(self._outcomes.items())
            if outcome.parts and not told.get(lane, {}).get("from_run")
        ]

    def _output(self, outcome: Outcome) -> OutputDataset:
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=outcome.rows,
            size=sum(part.size for part in outcome.parts),
            fileCount=len(outcome.parts),
        )
        place = _place(self._lake, layout.folder_of(layout.folder_of(outcome.parts[0].path)))
        return OutputDataset(*place, outputFacets={"outputStatistics": statistics}, facets=_schema(outcome, "column"))


def _place(lake: str, key: str) -> tuple[str, str]:
    """Namespace and name of a folder of the lake, as OpenLineage names them; of a store the bucket and a prefix."""
    scheme, has_scheme, rest = lake.partition("://")
    if not has_scheme:
        return "file", f"{Path(lake).absolute()}/{key}"
    bucket, _, prefix = rest.partition("/")
    return f"{scheme}://{bucket}", f"{prefix}/{key}" if prefix else key


def _schema(outcome: Outcome, named: str) -> dict[str, Any]:
    """The columns of the lake, or the Axonius fields that they come from."""
    if not outcome.columns:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=column if named == "column" else str(told.get("field") or column), type=str(told.get("type") or "")
        )
        for column, told in outcome.columns.items()
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)}
