"""How a run ended, as JSON values for reporters; also for runs without a report."""

import os
from dataclasses import dataclass, field
from typing import Any

from axsync.console.closing import error_fields, report_fields
from axsync.console.explain import INTERRUPTED, TERMINATED, explain
from axsync.console.lines import outcome_fields
from axsync.console.session import Ended
from axsync.console.words import clean, clock, counted
from axsync.events import Event, LaneClosed, RunStarted, SnapshotPublished
from axsync.model import Outcome


@dataclass(slots=True)
class SummaryCollector:
    """An observer that collects what the summary of a run without a report needs."""

    lake: str
    run_id: str | None = None
    logical_date: str | None = None
    manifest: str | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted(run_id, logical_date, _):
                self.run_id, self.logical_date = run_id, logical_date
            case LaneClosed(outcome):
                self.outcomes.append(outcome)
            case SnapshotPublished(_, _, manifest):
                self.manifest = manifest
            case _:
                pass


def summary_of(ended: Ended, collector: SummaryCollector, *, seconds: float, dry_run: bool) -> dict[str, Any]:
    """The summary of a run that finished or was stopped by a signal."""
    if ended.report is not None:
        return _with_text(report_fields(ended.report, dry_run=dry_run, page=ended.page))
    stopped = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}.get(ended.exit_code, "stopped")
    return _with_text(_without_report(collector, verdict=stopped, exit_code=ended.exit_code, seconds=seconds))


def summary_of_failure(error: Exception, collector: SummaryCollector, *, seconds: float) -> dict[str, Any]:
    """The summary of a run that ended with an error, perhaps before the first request."""
    explanation = explain(error, environ=os.environ)
    fields = _without_report(collector, verdict="failed", exit_code=explanation.exit_code, seconds=seconds)
    told = error_fields(error) | {"message": explanation.headline}
    return _with_text(fields | {"errors": [told]})


def _without_report(collector: SummaryCollector, *, verdict: str, exit_code: int, seconds: float) -> dict[str, Any]:
    lanes = [
        {"instance": o.lane.instance, "entity": o.lane.entity} | outcome_fields(o, collector.run_id)
        for o in collector.outcomes
    ]
    return {
        "run_id": collector.run_id,
        "logical_date": collector.logical_date,
        "verdict": verdict,
        "exit_code": exit_code,
        "lake": collector.lake,
        "manifest": collector.manifest,
        "report": None,
        "seconds": round(seconds, 3),
        "lanes": lanes,
        "errors": [],
    }


def _with_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Add one sentence in front, ready to be sent."""
    run = f"run {fields['run_id']}" if fields["run_id"] else "run"
    rows = sum(lane["rows"] for lane in fields["lanes"])
    came = f"{counted(rows, 'row')} of {counted(len(fields['lanes']), 'entity type')} in {clock(fields['seconds'])}"
    why = "; ".join(dict.fromkeys(str(error["message"]) for error in fields["errors"]))
    told = f"axsync {run}: {fields['verdict']}, exit code {fields['exit_code']}, {came}"
    return {"text": clean(f"{told}: {why}" if why else told)} | fields
