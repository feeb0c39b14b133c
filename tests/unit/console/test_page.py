import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from axsync.console.report.facts import Facts
from axsync.console.report.page import render
from axsync.console.text import visible
from tests.unit.console.stories import HOSTILE, hostile, lane, snapshot, timeline

TEXT = {"p", "h1", "h2", "h3", "span", "dl", "dt", "dd", "bdi", "ul", "li", "b", "i", "small", "code"}
WHOLE = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "div"}
TABLE = {"table", "thead", "tbody", "tr", "th", "td", "details", "summary", "figure", "figcaption"}
TAGS = TEXT | WHOLE | TABLE | {"svg", "path", "rect", "g"}
SVG = frozenset({"d", "x", "y", "width", "height", "viewbox", "preserveaspectratio", "role"})
PLAIN = frozenset({"class", "id", "lang", "charset", "http-equiv", "content", "name", "scope", "data-title"})
ATTRIBUTES = SVG | PLAIN | {"aria-label", "aria-hidden"}


class Seen(HTMLParser):
    """Which elements and attributes there are, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.style: list[str] = []
        self.policy = ""
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._in_style = tag == "style"
        named = dict(attrs)
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        (self.style if self._in_style else self.text).append(data)


def test_names_from_a_server_are_nothing_but_text() -> None:
    """No element, attribute or template of theirs comes to life, and the page is whole."""
    page = render(hostile())
    seen = Seen(page)

    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES
    assert "".join(seen.text).count("<script>alert(1)</script>") > 10
    assert "".join(seen.text).count("{{ 7 * 7 }}") > 10
    assert page.rstrip().endswith("</html>")


def test_what_cannot_be_seen_is_written_out() -> None:
    """Control characters, bidi overrides and lone surrogates stand there as escapes, and nothing else is lost."""
    page = render(hostile())

    assert [c for c in set(page) if not c.isprintable() and c != "\n"] == []
    for shown in (r"\x1b[31mred", r"\u202eevil\u2066\u200b\u2028", r"\ud800 lone"):
        assert shown in page


def test_long_names_are_cut() -> None:
    """A name of thousands of characters does not push the rest away."""
    page = render(hostile())

    assert "W" * 400 + "…" in page
    assert "W" * 401 not in page


def test_the_policy_lets_in_this_style_sheet_only() -> None:
    """Known by its hash; nothing else is loaded, run or sent, and no element carries a style of its own."""
    seen = Seen(render(Facts(snapshot(lane()))))
    digest = base64.b64encode(hashlib.sha256("".join(seen.style).encode()).digest()).decode()

    assert seen.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert {"script", "img", "link", "a", "iframe", "form"} & seen.tags == set()
    assert {"style", "src", "href"} & seen.attributes == set()
    assert re.findall(r"url\(|@import|https?://", "".join(seen.style)) == []


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_visible_text_can_be_told_back(name: str) -> None:
    """Printable characters stay; the others are Python's escapes."""
    shown = visible(name)

    assert shown.isprintable()
    assert [c for c in name if c.isprintable()] == [c for c in name if c in shown and c.isprintable()]


def test_a_run_without_anything_beside_its_manifest_has_a_page() -> None:
    """No timeline, no earlier snapshot, nothing that drifted: there is no section without content."""
    text = "".join(Seen(render(Facts(snapshot(lane())))).text)

    assert "There is no record of this run over time." in text
    assert "There is no earlier snapshot to compare with." in text
    assert "No retries, nothing rescued" in text
    assert not any(title in text for title in ("What needs attention", "Drift", "Dead letters:", "Change", "Trend"))


READ_ON = [
    *[(text, "card") for text in ("ink", "soft", "blue", "warn", "bad")],
    *[(text, "page") for text in ("ink", "soft")],
    *[(tone, f"{tone}-wash") for tone in ("good", "warn", "bad", "quiet")],
    ("ink", "track"),
]
"""Which colours text has, and what is behind it."""


def luminance(colour: str) -> float:
    """As WCAG 2 has it."""
    digits = "".join(2 * one for one in colour) if len(colour) == 3 else colour
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_can_be_read_by_day_and_by_night() -> None:
    """Contrast of at least 4.5 to 1; and nothing is as wide as to stick out of a phone."""
    style = "".join(Seen(render(Facts(snapshot(lane())))).style)
    schemes = re.findall(r":root \{([^}]*--page[^}]*--ink[^}]*)\}", style)
    assert len(schemes) == 2
    for scheme in schemes:
        colour = {name: luminance(shade) for name, shade in re.findall(r"--([a-z-]+): #(\w{6}|\w{3});", scheme)}
        ratios = {
            (text, behind): (max(colour[text], colour[behind]) + 0.05) / (min(colour[text], colour[behind]) + 0.05)
            for text, behind in READ_ON
        }
        assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5} == {}
    assert [int(px) for px in re.findall(r"[^x-]width: (\d+)px", style) if int(px) > 350] == []


def test_a_run_of_no_lanes_has_a_page() -> None:
    """Nothing divides by nothing."""
    assert "0 rows of 0 entity types" in render(Facts(snapshot()))


def test_a_run_that_published_nothing_says_so() -> None:
    """Whatever its verdict is called."""
    page = render(replace(Facts(snapshot(lane()), published=False), timeline=timeline()))

    assert "Nothing was published; the lake is unchanged." in page
