"""The index of a lake: one HTML page about all of its runs, beside them, with links to their reports.

It is written whole each time from what is in the lake. Its links are relative, so that a folder or a bucket can serve
it.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

from axsync.console.report.document import document
from axsync.console.report.html import Html, html, joined
from axsync.console.report.index import IndexView, RunRow, TypeRow, index_of
from axsync.console.report.shapes import badge, line, rect
from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.model import iso


def write_index(lake: Lake, now: datetime) -> str:
    """Write the page about all runs; returns where it is. Raises: OSError, NoLake."""
    page = index_page(index_of(lake, now), version("axsync"), now)
    lake.store.write(layout.INDEX, page.encode())
    return lake.store.name(layout.INDEX)


def index_page(view: IndexView, made_by: str, now: datetime) -> str:
    """The whole page; `made_by` is the version of axsync."""
    written = iso(now).replace("T", " ").replace("Z", " UTC")
    sections = (_errors(view.errors), _verdicts(view), _types(view), _runs(view))
    title = html("axsync lake {}", view.lake)
    footer = html("Written by axsync {} on {}. No value of an asset is in this file.", made_by, written)
    return document(view, kicker="axsync lake", title=title, main=joined(filter(None, sections)), footer=footer)


def _errors(errors: Sequence[str]) -> Html | None:
    if not errors:
        return None
    return html(
        """<section class="attention bad" id="errors">
  <h2>Runs that cannot be read</h2>
  <ul>{}</ul>
</section>
""",
        joined(html("<li><bdi>{}</bdi></li>", text) for text in errors),
    )


def _verdicts(view: IndexView) -> Html | None:
    if not view.strip:
        return None
    return html(
        """<section id="verdicts">
  <h2>Verdicts, oldest first</h2>
  <svg class="verdicts" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" \
aria-label="Verdicts of the runs, oldest first">{}</svg>
  <p class="legend"><span><i class="good"></i>complete</span> \
<span><i class="warn"></i>drifted, skipped or unfinished</span> \
<span><i class="bad"></i>rows are missing</span> <span><i class="quiet"></i>given up</span></p>
</section>
""",
        joined(map(rect, view.strip)),
    )


def _types(view: IndexView) -> Html | None:
    if not view.types:
        return None
    first, last = view.days
    several = html(
        "From {} to {}; the newest run of each day counts. "
        "A mark below the line is a day on which the type was not read whole.",
        *(first, last),
    )
    return html(
        """<section id="entities">
  <h2>Rows per entity type</h2>
  <p class="none">{}</p>
  <table class="cards types">
    <thead><tr><th>Entity type<th class="n">Rows<th class="n">Change<th class="b">Over time\
<th class="n">Fewest to most</thead>
    <tbody>{}
    </tbody>
  </table>
</section>
""",
        html("On {}.", first) if first == last else several,
        joined(map(_type, view.types)),
    )


def _type(row: TypeRow) -> Html:
    return html(
        '\n    <tr><th scope="row" class="{}"><bdi>{}</bdi><td class="n" data-title="rows">{}'
        '<td class="n {}" data-title="change">{}<td class="b">{}<td class="n" data-title="fewest to most">{}</tr>',
        *(row.tone, row.name, row.rows, row.change_tone, row.change, _over_time(row), row.span),
    )


def _over_time(row: TypeRow) -> Html | None:
    if not row.line:
        return None
    return html(
        '<svg class="over" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<title>{}</title><path class="area" d="{}"/><path class="top" d="{}"/>{}</svg>',
        *(row.title, row.title, line(row.area), line(row.line), joined(map(rect, row.ticks))),
    )


def _runs(view: IndexView) -> Html:
    return html(
        """<section id="runs">
  <h2>Runs</h2>
{}</section>
""",
        _listed(view) if view.runs else html('  <p class="none">There are no runs yet.</p>\n'),
    )


def _listed(view: IndexView) -> Html:
    more = html('<p class="none">{} older ones are listed by <code>axsync runs</code>.</p>', view.more_runs)
    return html(
        """  <table class="cards runs">
    <thead><tr><th>Day<th>Run<th>Verdict<th class="n">Rows<th class="n">Lanes<th class="n">Took<th></thead>
    <tbody>{}
    </tbody>
  </table>
  {}
""",
        *(joined(map(_run, view.runs)), more if view.more_runs else None),
    )


def _run(row: RunRow) -> Html:
    linked, named = html('<a href="{}">{}</a>', row.href, row.run_id), html("<bdi>{}</bdi>", row.run_id)
    return html(
        '\n    <tr><th scope="row">{}<td class="run">{}<td class="v">{}<td class="n" data-title="rows">{}'
        '<td class="n" data-title="lanes">{}<td class="n" data-title="took">{}<td>{}</tr>',
        *(row.day, linked if row.href else named, badge(row.verdict, row.tone)),
        *(row.rows, row.lanes, row.took, row.note),
    )
