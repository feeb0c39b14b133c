"""The HTML page: templates with every value escaped, and a policy that lets nothing be loaded."""

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from axsync.console.report.facts import Facts
from axsync.console.report.view import view_of
from axsync.console.words import visible

STYLE = "report.css"


def render(facts: Facts) -> str:
    """The report as one HTML document."""
    style = _style()
    page = _templates().get_template("report.html")
    return page.render(view=view_of(facts), version=facts.snapshot.axsync_version, style=style, policy=_policy(style))


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
