"""The HTML page: written beside the journal of its run, or where a person wants it.

Its templates escape every value, and its policy lets nothing be loaded.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from axsync.console.report.facts import Facts, facts_of_run, facts_of_snapshot
from axsync.console.report.view import view_of
from axsync.console.text import visible
from axsync.errors import Unpublished, UsageError
from axsync.lake import layout
from axsync.lake.history import find_run
from axsync.lake.local import replace_file
from axsync.lake.publish import Lake
from axsync.runs.run import Report

STYLE = "report.css"


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
    return rendered("report.html", view=view_of(facts), version=facts.snapshot.axsync_version)


def rendered(template: str, **names: object) -> str:
    """A page as one HTML document that brings its style along and loads nothing."""
    style = _style()
    return _templates().get_template(template).render(style=style, policy=_policy(style), **names)


@cache
def _templates() -> Environment:
    # `finalize` sees each value before it is escaped, so that no template can forget it.
    made = Environment(
        loader=PackageLoader("axsync.console.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shape"] = Markup  # our own chart lines, of any length
    return made


def _shown(value: object) -> object:
    """Text with invisible characters escaped; numbers and our own markup as they are."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> Markup:
    source, _, _ = PackageLoader("axsync.console.report").get_source(_templates(), STYLE)
    return Markup(source)  # noqa: S704  our own file


def _policy(style: Markup) -> str:
    """Nothing may be loaded, run, sent or framed, except this one style sheet, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
