"""The page about the server: comments cite headings that it has, and it tells every path and entity type."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from axsync.api import KNOWN_ENTITIES
from axsync.api.paths import READS, TOKEN

ROOT = Path(__file__).parents[3]
PAGE = "docs/axonius-api.md"
TEXT = (ROOT / PAGE).read_text("utf-8")
MODULES = sorted((ROOT / "axsync").rglob("*.py"))

CITED = re.compile(re.escape(PAGE) + r'((?:(?:,|,? and) "[^"\n]*")*)')
LINE_END = re.compile(r"\s*\n[ \t]*(?:#+[ \t]*)?")  # with the mark of a comment that goes on
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
CERTAIN = re.compile(r"(vendor's code|vendor's docs|several|once|guess)\b")
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def headings(text: str) -> set[str]:
    return set(re.findall(r"^## (.+)$", text, re.MULTILINE))


def section(heading: str) -> str:
    """What stands below a heading of the page."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def citations(source: str) -> Iterator[tuple[str, ...]]:
    """The headings that each mention of the page names, across the ends of lines."""
    for match in CITED.finditer(LINE_END.sub(" ", source)):
        yield tuple(re.findall(r'"([^"]*)"', match[1]))


def lead_nowhere(source: str) -> list[tuple[str, ...]]:
    """Citations that name no heading, or one that the page does not have."""
    return [cited for cited in citations(source) if not cited or not headings(TEXT).issuperset(cited)]


def tables() -> Iterator[list[list[str]]]:
    """The tables of the page as rows of cells, without the line below their heads."""
    for block in re.findall(r"(?:^\|.+\|\n)+", TEXT, re.MULTILINE):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in ROW.findall(block)]
        yield [rows[0], *rows[2:]]


def test_comments_cite_headings_that_the_page_has() -> None:
    """A reader who follows the citation finds what it stands for."""
    lost = {str(path.relative_to(ROOT)): lead_nowhere(path.read_text("utf-8")) for path in MODULES}

    assert {name: cited for name, cited in lost.items() if cited} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Rows per page (docs/axonius-api.md, "Paging")."""', []),
        ('# See docs/axonius-api.md, "Paging" and "Counts".', []),
        ('    # As assumed in docs/axonius-api.md,\n    # "Shapes of values".', []),
        ('    # As assumed in docs/axonius-api.md, "Shapes\n    # of values".', []),
        ('# docs/axonius-api.md, "Pages"', [("Pages",)]),
        ('# docs/axonius-api.md, "Paging" and "Numbers"', [("Paging", "Numbers")]),
        ("# docs/axonius-api.md, section 6.1", [()]),
    ],
)
def test_a_citation_is_seen_across_lines_and_must_name_a_heading(source: str, found: list[tuple[str, ...]]) -> None:
    assert lead_nowhere(source) == found


def test_the_page_tells_every_path_that_can_be_requested() -> None:
    """With its method; what a placeholder is called does not matter."""
    told = PLACEHOLDER.sub("{}", section("Endpoints"))

    assert [f"{method} {path}" for method, path in (*READS.values(), TOKEN) if not _told(method, path, told)] == []


def _told(method: str, path: str, told: str) -> bool:
    return re.search(rf"{method} (?:`[^`]+`, )*`{re.escape(PLACEHOLDER.sub('{}', path))}`", told) is not None


def test_the_page_tells_every_entity_type_that_is_tried() -> None:
    """Where they are known from is told as well."""
    assert [slug for slug in KNOWN_ENTITIES if f"`{slug}`" not in section("Asset types")] == []


def test_every_fact_says_how_sure_it_is() -> None:
    """In the words that the page explains at its top; where several apply, each of them is one of these."""
    for head, *rows in tables():
        assert [row for row in rows if len(row) != len(head)] == []
        for column in (at for at, name in enumerate(head) if name == "how sure" and at > 0):
            assert [row for row in rows if not all(map(CERTAIN.match, row[column].split(", ")))] == []
