"""How a run ended: the closing table, the same as JSON, the summary for reporters, the exit code."""

import json
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from axsync.console.explain import FAILED, GUARDED, INTERRUPTED, PARTIAL, TERMINATED, explain, explain_all
from axsync.console.log_lines import dead_letters_of, outcome_fields
from axsync.console.output import (
    FEW_INSTANCES,
    MOST_INSTANCES,
    MOST_REMARKS,
    Side,
    Table,
    print_line,
    print_table,
)
from axsync.console.text import clean, clock, counted, megabytes, number
from axsync.errors import GuardRefused
from axsync.events import Event, LaneClosed, RunStarted, SnapshotPublished
from axsync.lake.manifest import verdict_of
from axsync.model import Outcome
from axsync.runs.run import Report

FEW_SKIPPED = 3
"""More skipped entity types than this share one line."""

MOST_DEAD_LETTER_FILES = 3
"""If more entity types than this have dead letters, only their folder is named."""

_BADNESS = {"skipped": 0, "complete": 1, "drifted": 2, "partial": 3, "failed": 4}

_TITLES = ("instance", "entity type", "rows", "pages", "MB", "seconds", "rescued", "dead letters", "verdict")
_SIDES: tuple[Side, ...] = ("left", "left", *(("right",) * 6), "left")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; without a report if it was stopped by a signal."""

    exit_code: int
    report: Report | None = None
    page: str | None = None  # the HTML report


def exit_code(report: Report, *, dry_run: bool) -> int:
    """The exit code: a guard's refusal comes first, then a reason for which every entity type failed.

    3 is for what is published and not whole, so that nothing published is never 3.
    """
    if any(isinstance(error, GuardRefused) for error in report.errors):
        return GUARDED
    if report.errors and all(outcome.verdict in ("failed", "skipped") for outcome in report.outcomes):
        codes = {explain(error).exit_code for error in report.errors} - {PARTIAL}
        return codes.pop() if len(codes) == 1 else FAILED
    if report.manifest is None and report.shard is None and not dry_run:
        return FAILED
    return 0 if not report.errors and report.verdict in ("complete", "skipped") else PARTIAL


def show_report(report: Report, console: Console, *, dry_run: bool, page: str | None = None) -> None:
    """Print the closing table and what follows it; `page` is the path of the HTML report."""
    print_table(_counts(report.outcomes) if dry_run else closing_table(report.outcomes, report.seconds), console)
    remarks = _fewer(_remark_lines(report.outcomes), report.outcomes, "remark")
    remarks += [] if dry_run else [*_skipped_lines(report.outcomes), *_dead_letter_lines(report)]
    shown = [f"report: {page}"] if page else []
    for line in [*remarks, *_where(report, dry_run=dry_run), *shown]:
        print_line(line, console)


def show_errors(report: Report, console: Console) -> None:
    """Print why entity types failed, one paragraph per kind of failure."""
    paragraphs = ["\n".join(explanation.lines()) for explanation in explain_all(report.errors)]
    for paragraph in _fewer(paragraphs, report.outcomes, "error"):
        console.print(Text(paragraph), soft_wrap=True)


def _fewer(texts: list[str], outcomes: Sequence[Outcome], what: str) -> list[str]:
    """The texts, as many as fit a screen where there are many instances."""
    more = len(texts) - MOST_REMARKS
    if more <= 0 or not _are_many(outcomes):
        return texts
    return [*texts[:MOST_REMARKS], f"{counted(more, what)} more: --output json lists them, and so does the report"]


def closing_table(outcomes: Sequence[Outcome], seconds: float) -> Table:
    """One line per entity type, or per instance where there are many, and a total. Empty columns are left out."""
    if _are_many(outcomes):
        return _by_instance(outcomes, seconds)
    several, listed = _are_several(outcomes), _listed(outcomes)
    total = ("", "total", *_numbers(outcomes, seconds), "")
    table = Table(_TITLES, _SIDES, tuple(_row(o, several=several) for o in listed), total)
    return table.without_empty() if listed else Table(_TITLES[1:6], _SIDES[1:6], (), total[1:6])


def _by_instance(outcomes: Sequence[Outcome], seconds: float) -> Table:
    instances: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        instances.setdefault(outcome.lane.instance, []).append(outcome)
    badly = sorted(instances.items(), key=lambda one: (-_BADNESS[verdict_of(one[1])], one[0]))
    shown, others = badly[:MOST_INSTANCES], badly[MOST_INSTANCES:]
    rows = [_instance_row(name, of_instance) for name, of_instance in shown]
    if others:
        rows.append(_instance_row(f"{number(len(others))} others", [o for _, these in others for o in these]))
    titles = (_TITLES[0], "types", *_TITLES[2:])
    total = (f"total: {number(len(instances))}", number(len(outcomes)), *_numbers(outcomes, seconds), "")
    return Table(titles, ("left", *(("right",) * 7), "left"), tuple(rows), total).without_empty()


def _instance_row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    longest = max(outcome.seconds for outcome in outcomes)
    return (name, number(len(outcomes)), *_numbers(outcomes, longest), _verdicts(outcomes))


def _verdicts(outcomes: Sequence[Outcome]) -> str:
    """The verdict that all have, or how often each occurs, the worst first."""
    found = Counter(outcome.verdict for outcome in outcomes)
    if len(found) == 1:
        return outcomes[0].verdict
    ordered = sorted(found.items(), key=lambda one: -_BADNESS[one[0]])
    return ", ".join(f"{number(count)} {verdict}" for verdict, count in ordered)


def _counts(outcomes: Sequence[Outcome]) -> Table:
    """The counts that a dry run returns."""
    several = _are_several(outcomes)
    rows = tuple((o.lane.instance if several else "", o.lane.entity, _count(o)) for o in outcomes)
    total = ("", "total", number(sum(o.count_before or 0 for o in outcomes)))
    table = Table(("instance", "entity type", "count"), ("left", "left", "right"), rows, total)
    return table.without_empty() if rows else table


def _count(outcome: Outcome) -> str:
    return "" if outcome.count_before is None else number(outcome.count_before)


def _are_many(outcomes: Sequence[Outcome]) -> bool:
    return len({outcome.lane.instance for outcome in outcomes}) > FEW_INSTANCES


def _are_several(outcomes: Sequence[Outcome]) -> bool:
    """Whether instances have to be named."""
    return len({outcome.lane.instance for outcome in outcomes}) > 1


def _listed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those with a line of their own."""
    return [o for o in outcomes if o.verdict != "skipped" or not _many_skipped(outcomes)]


def _row(outcome: Outcome, *, several: bool) -> tuple[str, ...]:
    place = (outcome.lane.instance if several else "", outcome.lane.entity)
    numbers = ("",) * 6 if outcome.verdict == "skipped" else _numbers([outcome], outcome.seconds)
    return (*place, *numbers, outcome.verdict)


def _numbers(outcomes: Sequence[Outcome], seconds: float) -> tuple[str, ...]:
    rescued, dead = sum(o.rescued_values for o in outcomes), sum(o.dead_letters for o in outcomes)
    return (
        number(sum(o.rows for o in outcomes)),
        number(sum(o.pages for o in outcomes)),
        megabytes(sum(o.bytes for o in outcomes)),
        f"{seconds:,.1f}",
        number(rescued) if rescued else "",
        number(dead) if dead else "",
    )


def _remark_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Below the table: a server's words in it would make each of its lines as long as theirs."""
    told = [(_named(o, outcomes), "; ".join(_remarks(o))) for o in _listed(outcomes)]
    return [f"{name}: {remarks}" for name, remarks in told if remarks]


def _named(outcome: Outcome, outcomes: Sequence[Outcome]) -> str:
    return str(outcome.lane) if _are_several(outcomes) else outcome.lane.entity


def _remarks(outcome: Outcome) -> list[str]:
    if outcome.verdict == "skipped":
        return [outcome.reason] if outcome.reason not in (None, "dry run") else []
    remarks = [outcome.reason] if outcome.reason else []
    if outcome.missing:
        remarks.append(f"{number(outcome.missing)} missing")
    if outcome.from_run:
        remarks.append(f"files of run {outcome.from_run}")
    return list(dict.fromkeys([*remarks, *outcome.notices]))


def _many_skipped(outcomes: Sequence[Outcome]) -> bool:
    return sum(o.verdict == "skipped" for o in outcomes) > FEW_SKIPPED


def _skipped_lines(outcomes: Sequence[Outcome]) -> list[str]:
    if not _many_skipped(outcomes):
        return []
    reasons: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.verdict == "skipped":
            name = _named(outcome, outcomes)
            # The rest of the reason, from the server, differs from type to type.
            reasons.setdefault((outcome.reason or "").partition(":")[0], []).append(name)
    return [f"skipped{f' ({reason})' if reason else ''}: {', '.join(names)}" for reason, names in reasons.items()]


def _dead_letter_lines(report: Report) -> list[str]:
    lanes = [(o, path) for o in report.outcomes if (path := dead_letters_of(o, report.run_id))]
    lake = report.lake.rstrip("/")
    if len(lanes) > MOST_DEAD_LETTER_FILES:
        letters = counted(sum(outcome.dead_letters for outcome, _ in lanes), "dead letter")
        return [f"{letters} of {len(lanes)} entity types: {lake}/{lanes[0][1].rpartition('/')[0]}/"]
    return [f"{counted(o.dead_letters, 'dead letter')} of {o.lane}: {lake}/{path}" for o, path in lanes]


def _where(report: Report, *, dry_run: bool) -> list[str]:
    if dry_run:
        return ["dry run: nothing was written"]
    if report.shard is not None:
        return [f"shard {report.shard} of run {report.run_id} is read: {report.verdict}; `axsync publish` publishes it"]
    if report.manifest is None:
        return [f"nothing was published; {report.lake} is unchanged"]
    lines = [f"{report.verdict}: {report.lake}, {counted(_files(report.outcomes), 'file')}, run {report.run_id}"]
    return [*lines, f"try: {look}"] if (look := first_look(report)) else lines


def _files(outcomes: Sequence[Outcome]) -> int:
    return sum(len(outcome.parts) for outcome in outcomes)


def first_look(report: Report) -> str | None:
    """A command that shows rows of the largest entity type of this run; None if there are no rows."""
    filled = [outcome for outcome in report.outcomes if outcome.rows and outcome.parts]
    if not filled:
        return None
    lane = max(filled, key=lambda outcome: outcome.rows).lane
    run = "" if report.latest else f" --run {report.run_id}"
    return f"axsync head {lane.entity}{run} --lake {shlex.quote(report.lake)}"


def report_json(report: Report, *, dry_run: bool, page: str | None = None) -> str:
    """The report as one JSON document in plain ASCII, so that nothing in it can control a terminal."""
    return json.dumps(report_fields(report, dry_run=dry_run, page=page), indent=2, default=str)


def report_fields(report: Report, *, dry_run: bool, page: str | None) -> dict[str, Any]:
    """The content of that document."""
    shard = {} if report.shard is None else {"shard": report.shard}
    return {
        "run_id": report.run_id,
        **shard,
        "logical_date": report.logical_date,
        "verdict": report.verdict,
        "exit_code": exit_code(report, dry_run=dry_run),
        "lake": report.lake,
        "manifest": report.manifest,
        "report": page,
        "seconds": round(report.seconds, 3),
        "lanes": [_lane_json(outcome, report.run_id) for outcome in report.outcomes],
        "errors": [error_fields(error) for error in report.errors],
    }


def _lane_json(outcome: Outcome, run_id: str) -> dict[str, Any]:
    return {"instance": outcome.lane.instance, "entity": outcome.lane.entity} | outcome_fields(outcome, run_id)


def error_fields(error: BaseException) -> dict[str, Any]:
    """An error as JSON values: type, place, message, cause and advice."""
    explanation = explain(error)
    return {
        "type": type(error).__name__,
        "where": list(explanation.places),
        "message": explanation.headline,
        "cause": explanation.cause,
        "advice": explanation.advice,
    }


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
