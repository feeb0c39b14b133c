"""One HTML document around what a page is about. It brings its style along and loads nothing."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Protocol

from axsync.console.report.html import Html, html, joined
from axsync.console.report.shapes import badge, command
from axsync.console.report.view import Command


class Head(Protocol):
    """What stands above every page."""

    @property
    def verdict(self) -> str: ...
    @property
    def tone(self) -> str: ...
    @property
    def headline(self) -> str: ...
    @property
    def meaning(self) -> str: ...
    @property
    def facts(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def commands(self) -> tuple[Command, ...]: ...


def document(head: Head, *, kicker: str, title: Html, main: Html, footer: Html) -> str:
    """The page whole."""
    style = _style()
    return html(
        """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{}">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{}: {}</title>
<style>{}</style>
</head>
<body>
{}<main>
{}</main>
<footer>{}</footer>
</body>
</html>""",
        *(_policy(style), head.verdict, title, style, _header(head, kicker), main, footer),
    )


def _header(head: Head, kicker: str) -> Html:
    facts = (html("<div><dt>{}</dt><dd><bdi>{}</bdi></dd></div>", title, text) for title, text in head.facts)
    return html(
        """<header class="{}">
  <div class="inner">
    <p class="kicker">{}</p>
    <h1>{} <span>{}</span></h1>
    <p class="meaning">{}</p>
    <dl>{}</dl>
{}  </div>
</header>
""",
        *(head.tone, kicker, badge(head.verdict, head.tone), head.headline, head.meaning, joined(facts)),
        _commands(head.commands),
    )


def _commands(commands: tuple[Command, ...]) -> Html | None:
    if not commands:
        return None
    listed = joined(map(command, commands))
    return html('    <ul class="commands" aria-label="What to type next">{}</ul>\n', listed)


@cache
def _style() -> Html:
    return Html(Path(__file__).with_name("report.css").read_text("utf-8"))


def _policy(style: Html) -> str:
    """Nothing may be loaded, run, sent or framed, except this one style sheet, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
