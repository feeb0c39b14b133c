"""The HTML page: written beside the journal of its run, or where a person wants it."""

from dataclasses import dataclass
from pathlib import Path

from axsync.console.report.facts import Facts, facts_of_run, facts_of_snapshot
from axsync.console.report.run_page import run_page
from axsync.console.report.view import view_of
from axsync.errors import Unpublished, UsageError
from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.local import replace_file
from axsync.lake.publish import Lake
from axsync.runs.run import Report


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report that was written."""

    run_id: str
    path: str


def write_report(lake: Lake, report: Report) -> ReportFile:
    """Write the report of a run that has just ended. Raises: OSError; UsageError, where its manifest is damaged."""
    published = report.manifest is not None
    facts = facts_of_snapshot(lake, find_run(lake, report.run_id)) if published else facts_of_run(lake, report)
    lake.store.write(layout.report(report.run_id), render(facts).encode())
    return ReportFile(report.run_id, lake.store.name(layout.report(report.run_id)))


def rewrite_report(lake: Lake, asked: str, into: Path | None) -> ReportFile:
    """Write the report of a past run anew; one that published nothing has only what was written when it ended.

    Raises: NoLake, UnknownRun, ManifestError; UsageError, where it cannot be written.
    """
    try:
        found = find_run(lake, asked)
    except Unpublished as error:
        return _copied(lake, error.asked, into, error)
    content, run_id = render(facts_of_snapshot(lake, found)).encode(), found.snapshot.run_id
    if into is not None:
        return _written(content, run_id, into)
    key = layout.report(run_id)
    try:
        lake.store.write(key, content)
    except OSError as error:
        raise UsageError(f"{_refused(lake.store.name(key), error)}; --into FILE puts it elsewhere") from None
    return ReportFile(run_id, lake.store.name(key))


def _copied(lake: Lake, run_id: str, into: Path | None, error: Unpublished) -> ReportFile:
    """What was written when the run ended, as it lies there or where a person wants it."""
    key = layout.report(run_id)
    if lake.store.size(key) is None:
        raise error
    kept = ReportFile(run_id, lake.store.name(key))
    return kept if into is None or str(into) == kept.path else _written(lake.store.read(key), run_id, into)


def _written(content: bytes, run_id: str, into: Path) -> ReportFile:
    try:
        replace_file(into, content)
    except OSError as error:
        raise UsageError(_refused(str(into), error)) from None
    return ReportFile(run_id, str(into))


def _refused(path: str, error: OSError) -> str:
    return f"the report cannot be written to {path!r}: {error.strerror or error}"


def render(facts: Facts) -> str:
    """The report as one HTML document."""
    return run_page(view_of(facts), facts.snapshot.axsync_version)
