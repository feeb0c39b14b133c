"""Bars, charts and badges as HTML.

Shapes are stretched to the width there is; texts stand beside them in HTML and keep their size.
"""

from axsync.console.report.charts import Bar, Chart, Charts
from axsync.console.report.html import Html, html, joined
from axsync.console.report.view import Command, LaneRow


def rect(bar: Bar) -> Html:
    """A rectangle with its tooltip."""
    return html(
        '<rect x="{}" y="{}" width="{}" height="{}"{}><title>{}</title></rect>',
        *(bar.left, bar.top, bar.width, bar.height),
        html(' class="{}"', bar.kind) if bar.kind else None,
        bar.title,
    )


def chart(one: Chart, everything: Charts) -> Html:
    """A chart with its title, its labels and its legend."""
    legend = (html('<span><i class="{}"></i>{}</span>', kind, text) for kind, text in one.legend)
    again = html("<title>the run was taken up again here</title>")
    return html(
        """
<figure class="chart{}">
  <figcaption><b>{}</b>{}<span>{}</span></figcaption>
  <div class="plot">
    <div class="scale" aria-hidden="true">{}</div>
    <svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="{}: {}">
      <path class="grid" d="{}M0 100H1000"/>
      {}{}{}{}
      <g class="spots">{}</g>
    </svg>
  </div>
</figure>
""",
        None if one.labels else " strip",
        *(one.title, joined(legend), one.note),
        joined(html("<span>{}</span>", label) for label in one.labels),
        *(one.title, one.note),
        "M0 0H1000M0 50H1000" if one.labels else None,
        _path("area", one.area),
        _path("line", one.line),
        joined(map(rect, one.bars)),
        joined(html('<path class="resumed" d="M{} 0V100">{}</path>', left, again) for left in everything.resumed),
        joined(map(rect, one.spots)),
    )


def _path(kind: str, shape: str) -> Html | None:
    return html('<path class="{}" d="{}"/>', kind, line(shape)) if shape else None


def line(shape: str) -> Html:
    """What a path draws: our own numbers, of any length."""
    return Html(shape)


_BAR = (
    '<svg class="bar {}" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
    '<rect class="track" width="1000" height="10"/>{}</svg>'
)


def share(thousandth: float) -> Html:
    """A bar that is filled so far, of 1000."""
    return html(_BAR, "", html('<rect class="fill" width="{}" height="10"/>', round(float(thousandth), 1)))


def period(row: LaneRow) -> Html:
    """A bar that is filled where a lane was read."""
    filled = html('<rect class="fill" x="{}" width="{}" height="10"/>', row.left, row.span)
    return html(_BAR, "period", None if row.left is None else filled)


def trend(row: LaneRow) -> Html | None:
    """The rows of past runs as a small line; None where there is none."""
    if not row.trend:
        return None
    return html(
        '<svg class="trend" viewBox="0 0 100 24" role="img" aria-label="rows: {}"><title>{}</title>'
        '<path d="{}"/></svg>',
        *(row.trend_title, row.trend_title, line(row.trend)),
    )


def command(one: Command) -> Html:
    """A line to type."""
    return html('<li><span>{}</span> <code class="copy">{}</code></li>', one.purpose, one.line)


def badge(verdict: str, tone: str) -> Html:
    """A verdict in its colour."""
    return html('<span class="badge {}">{}</span>', tone, verdict)
