"""Where reports lie: beside the journal of their run, or where a person wants them."""

from dataclasses import dataclass
from pathlib import Path

from axsync.console.report.facts import facts_of_run, facts_of_snapshot
from axsync.console.report.page import render
from axsync.errors import Unpublished, UsageError
from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.local import replace_file
from axsync.lake.publish import Lake
from axsync.runs import Report


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report that was written."""

    run_id: str
    path: Path


def keep(lake: Lake, report: Report) -> ReportFile:
    """Write the report of a run that has just ended. Raises: OSError; UsageError, where its manifest is damaged."""
    published = report.manifest is not None
    facts = facts_of_snapshot(lake, find_run(lake, report.run_id)) if published else facts_of_run(lake, report)
    lake.store.write(layout.report(report.run_id), render(facts).encode())
    return ReportFile(report.run_id, lake.report(report.run_id))


def rewrite(lake: Lake, asked: str, into: Path | None) -> ReportFile:
    """Write the report of a past run anew; one that published nothing has only what was written when it ended.

    Raises: NoLake, UnknownRun, ManifestError; UsageError, where it cannot be written.
    """
    try:
        found = find_run(lake, asked)
    except Unpublished as error:
        end = lake.report(error.asked)
        if lake.store.size(layout.report(error.asked)) is None:
            raise
        page = ReportFile(error.asked, into or end)
        return page if page.path == end else _written(lake.store.read(layout.report(error.asked)), page)
    content = render(facts_of_snapshot(lake, found)).encode()
    run_id = found.snapshot.run_id
    if into is None:
        return _kept(content, ReportFile(run_id, lake.report(run_id)))
    return _written(content, ReportFile(run_id, into))


def _kept(content: bytes, page: ReportFile) -> ReportFile:
    try:
        return _written(content, page)
    except UsageError as error:
        raise UsageError(f"{error}; --into FILE puts it elsewhere") from None


def _written(content: bytes, page: ReportFile) -> ReportFile:
    try:
        replace_file(page.path, content)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {str(page.path)!r}: {error.strerror or error}") from None
    return page
