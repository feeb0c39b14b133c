"""The report of a run as HTML, section by section."""

from collections.abc import Iterable, Sequence

from axsync.console.report.document import document
from axsync.console.report.html import Html, html, joined
from axsync.console.report.shapes import badge, chart, period, share, trend
from axsync.console.report.view import DeadLetters, LaneRow, Measured, View

MOST_DRIFTED = 20
"""So many fields are shown; the others are folded away."""


def run_page(view: View, version: str) -> str:
    """The whole page."""
    sections = (
        _attention(view),
        _dead_letters(view.dead_letters),
        _tiles(view),
        _timeline(view),
        _entities(view),
        _slowest(view.slowest),
        _drift(view),
        _answers(view),
        _files(view),
        _server(view),
    )
    evidence = html(
        "Written by axsync {}. The evidence is in <code>_axsync/snapshots/{}.json</code>; "
        "no value of an asset is in this file.",
        *(version, view.run_id),
    )
    title = html("axsync run {}", view.run_id)
    return document(view, kicker="axsync report", title=title, main=joined(filter(None, sections)), footer=evidence)


def _attention(view: View) -> Html | None:
    if not view.attention:
        return None
    rows = (
        html("\n    <li>{} <b><bdi>{}</bdi></b> <bdi>{}</bdi></li>", badge(row.verdict, row.tone), row.name, row.remark)
        for row in view.attention
    )
    return html(
        """<section class="attention {}" id="attention">
  <h2>What needs attention</h2>
  <ul>{}
  </ul>
</section>
""",
        *(view.tone, joined(rows)),
    )


def _dead_letters(lanes: Sequence[DeadLetters]) -> Html | None:
    if not lanes:
        return None
    return html(
        """<section class="attention bad" id="letters">
  <h2>Dead letters: records that could not be read</h2>
{}</section>
""",
        joined(map(_letters, lanes)),
    )


def _letters(one: DeadLetters) -> Html:
    listed = joined(
        html(
            "<li>page {}, position {}: <bdi>{}</bdi></li>",
            *(letter.page, letter.position, letter.reason),
        )
        for letter in one.letters
    )
    return html(
        """  <h3><bdi>{}</bdi>: {}</h3>
  <p class="path"><bdi>{}</bdi></p>
{}""",
        *(one.name, one.count, one.path),
        html("  <ul>{}</ul>\n", listed) if listed else None,
    )


def _tiles(view: View) -> Html:
    tiles = (
        html(
            '  <div class="tile {}"><h3>{}</h3><p>{}</p><small>{}</small></div>\n',
            *(tile.tone, tile.title, tile.value, tile.note),
        )
        for tile in view.tiles
    )
    return html(
        """<section class="tiles" aria-label="Summary">
{}{}
</section>
""",
        *(joined(tiles), html('<p class="zeroes">{}.</p>', view.zeroes) if view.zeroes else None),
    )


def _timeline(view: View) -> Html:
    return html(
        """<section id="timeline">
  <h2>Over time</h2>
{}</section>
""",
        _charts(view) or html('  <p class="none">There is no record of this run over time.</p>\n'),
    )


def _charts(view: View) -> Html | None:
    charts = view.charts
    if charts is None:
        return None
    resumed = html('<p class="legend"><span><i class="resumed"></i>resumed after an interruption</span></p>')
    return html(
        """  {}  <div class="ticks" aria-hidden="true">{}</div>
  {}
""",
        joined(chart(one, charts) for one in charts.charts),
        joined(html("<span>{}</span>", tick) for tick in charts.ticks),
        resumed if charts.resumed else None,
    )


def _entities(view: View) -> Html:
    heads = (
        ("change", html('<th class="n">Change')),
        ("trend", html("<th>Trend")),
        ("left", html('<th class="when">When it was read')),
        ("seconds", html('<th class="n">Seconds')),
        ("read", html('<th class="n">MB')),
        ("rescued", html('<th class="n">Rescued')),
    )
    return html(
        """<section id="entities">
  <h2>Entity types</h2>
  <p class="none">{}</p>
  <table class="cards lanes">
    <thead><tr><th>Entity type<th>Verdict<th class="n">Rows{}</thead>
    <tbody>{}
    </tbody>
  </table>
</section>
""",
        view.compared,
        _filled(heads, view),
        joined(_lane(row, view) for row in view.lanes),
    )


def _lane(row: LaneRow, view: View) -> Html:
    cells = (
        ("change", html('<td class="n {}" data-title="change">{}', row.change_tone, row.change)),
        ("trend", html('<td class="t" data-title="trend">{}', trend(row))),
        ("left", html('<td class="when" data-title="read when">{}', period(row))),
        ("seconds", html('<td class="n" data-title="seconds">{}', row.seconds)),
        ("read", html('<td class="n" data-title="MB">{}', row.read)),
        ("rescued", html('<td class="n" data-title="rescued">{}', row.rescued)),
    )
    return html(
        '\n    <tr><th scope="row"><bdi>{}</bdi><td class="v">{}<td class="n" data-title="rows">{}{}</tr>',
        *(row.name, badge(row.verdict, row.tone), row.rows, _filled(cells, view)),
    )


def _filled(cells: Iterable[tuple[str, Html]], view: View) -> Html:
    """The cells of those columns that are not empty."""
    return joined(cell for column, cell in cells if column in view.filled)


def _slowest(pages: Sequence[Measured]) -> Html | None:
    if not pages:
        return None
    return html(
        """<section id="slowest">
  <h2>Slowest pages</h2>
  <p class="none">From request to response, including waits and retries.</p>
{}</section>
""",
        _measures(("Page", "Rows", "MB", "Seconds"), pages),
    )


def _measures(titles: Sequence[str], listed: Sequence[Measured]) -> Html:
    """A table of entity types with these numbers, and a bar each."""
    return html(
        """  <table class="cards">
    <thead><tr><th>Entity type{}<th class="b"></thead>
    <tbody>{}
    </tbody>
  </table>
""",
        joined(html('<th class="n">{}', title) for title in titles),
        joined(_measured(one, titles) for one in listed),
    )


def _measured(one: Measured, titles: Sequence[str]) -> Html:
    in_cells = (title if title.startswith("MB") else title.lower() for title in titles)
    cells = zip(in_cells, one.cells, strict=True)
    return html(
        '\n    <tr><th scope="row"><bdi>{}</bdi>{}<td class="b">{}</tr>',
        one.name,
        joined(html('<td class="n" data-title="{}">{}', title, cell) for title, cell in cells),
        share(one.share),
    )


def _drift(view: View) -> Html | None:
    if not view.drift:
        return None
    return html(
        """<section id="drift">
  <h2>Drift: values that did not fit their column</h2>
  <p class="none">They are in <code>axsync_rescued</code> of the same row, exactly as served.</p>
  {}
{}</section>
""",
        *(_fields(view.drift[:MOST_DRIFTED]), _other_drift(view)),
    )


def _other_drift(view: View) -> Html | None:
    others = view.drift[MOST_DRIFTED:]
    if not others:
        return None
    more = html('<p class="none">{} more are in the manifest.</p>', view.more_drift)
    return html(
        """  <details><summary>The other fields ({})</summary>
  {}
  {}
  </details>
""",
        *(len(others) + view.more_drift, _fields(others), more if view.more_drift else None),
    )


def _fields(listed: Sequence[Measured]) -> Html:
    rows = (
        html(
            '\n    <tr><th scope="row"><bdi>{}</bdi><td><bdi>{}</bdi><td data-title="such as"><bdi>{}</bdi>'
            '<td class="n" data-title="values">{}<td class="b">{}</tr>',
            *(one.name, one.cells[0], one.cells[1], one.cells[2], share(one.share)),
        )
        for one in listed
    )
    return html(
        """  <table class="cards">
    <thead><tr><th>Field<th>Entity type<th>Example<th class="n">Values<th class="b"></thead>
    <tbody>{}
    </tbody>
  </table>
""",
        joined(rows),
    )


def _answers(view: View) -> Html | None:
    if not view.answers:
        return None
    return html(
        """<section id="answers">
  <h2>What the server answered</h2>
  <div class="pair">
{}{}  </div>
</section>
""",
        _counted(html('<th>Status<th class="n">Answers'), view.answers),
        _counted(html('<th>Reason for retry<th class="n">Times'), view.retries) if view.retries else None,
    )


def _counted(head: Html, listed: Sequence[Measured]) -> Html:
    rows = (
        html(
            '<tr><th scope="row"><bdi>{}</bdi><td class="n">{}<td class="b">{}</tr>',
            *(one.name, one.cells[0], share(one.share)),
        )
        for one in listed
    )
    return html(
        """  <table class="plain">
    <thead><tr>{}<th class="b"></thead>
    <tbody>{}</tbody>
  </table>
""",
        *(head, joined(rows)),
    )


def _files(view: View) -> Html:
    return html(
        """<section id="files">
  <h2>Files and sizes</h2>
{}</section>
""",
        _stored(view) if view.stores else html('  <p class="none">This run left no files.</p>\n'),
    )


def _stored(view: View) -> Html:
    files = (
        html(
            "<li><bdi>{}</bdi><small>{} rows, {} MB, <code>{}</code></small></li>",
            *(one.name, one.cells[0], one.cells[1], one.note),
        )
        for one in view.files
    )
    more = html('<p class="none">{} more are in the manifest.</p>', view.more_files)
    return html(
        """{}  <details><summary>Each file with its SHA-256</summary>
  <ul class="files">{}</ul>
  {}
  </details>
""",
        _measures(("Files", "Rows", "MB read", "MB stored"), view.stores),
        joined(files),
        more if view.more_files else None,
    )


def _server(view: View) -> Html:
    said = [*view.servers, *view.notices]
    return html(
        """<section id="server">
  <h2>Server and notices</h2>
  <ul>{}</ul>
</section>
""",
        joined(
            html("<li>{}<bdi>{}</bdi></li>", html("<b><bdi>{}</bdi></b> ", name) if name else None, text)
            for name, text in said
        ),
    )
