"""All documents: their commands, options, links and lists are those of the product."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from axsync.cli import main
from axsync.emulator import KINDS
from axsync.lake.manifest import lane_entry
from axsync.model import Lane, Outcome
from axsync.settings import EntitySettings, InstanceSettings, LakeSettings, RunSettings

ROOT = Path(__file__).parents[3]
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
DECISION_HEADINGS = ("Context", "Decision", "Why", "Rejected")

SHELL = re.compile(r"^ *```shell\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each axsync command in the shell blocks, without variables set for it and without pipes."""
    for block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words and words[0] == "axsync":
                yield words[1 : words.index("|") if "|" in words else None]


def options(command: str, words: list[str]) -> set[str]:
    """Those of the command, or of the one that its first word names where it is a group."""
    found = main.get_command(click.Context(main), command)
    if isinstance(found, click.Group) and words:
        found = found.get_command(click.Context(found), words[0])
    assert found is not None, f"there is no command {command} {shlex.join(words)}"
    return {"--help", *(name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts))}


def anchors(page: Path) -> set[str]:
    """Those that its headings get, from a Git server and from MkDocs."""
    headings = HEADING.findall(FENCED.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(path: Path) -> None:
    """With the options that the document gives them."""
    for command, *words in commands(path.read_text("utf-8")):
        if not command.startswith("-"):
            given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert given <= options(command, words), f"axsync {command} {shlex.join(words)}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """To files of the project, and to headings in its documents; nothing else is asked."""
    for target, heading in LINK.findall(path.read_text("utf-8")):
        found = path.parent / target if target else path

        assert found.exists(), target
        assert not heading or heading in anchors(found), f"{target}#{heading}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lists_hold_what_is_inside_them(path: Path) -> None:
    """Blocks and lists inside a list are indented by four, or MkDocs takes the list to end before them."""
    assert not re.findall(r"^ {1,3}(?:```|[-*] |\d+\. ).*", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("settings", [LakeSettings, InstanceSettings, EntitySettings, RunSettings])
def test_operations_explains_every_option(settings: type) -> None:
    """An option that nobody wrote about is an option that nobody finds."""
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    names = {field.name for field in fields(settings)} - {"name"}  # an instance's name is that of its table

    assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_lake_page_explains_every_key_of_the_manifest() -> None:
    """Key names are a promise, so each has its line."""
    text = (ROOT / "docs/lake.md").read_text("utf-8")
    keys = {*lane_entry(Outcome(Lane("prod", "devices"), "complete"), None), "from_run"}

    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_the_emulator_page_lists_every_fault() -> None:
    """By the name that the flag takes."""
    text = (ROOT / "docs/emulator.md").read_text("utf-8")

    assert {kind for kind in KINDS if f"`{kind}`" not in text} == set()


def test_every_decision_is_in_the_index_and_has_its_headings() -> None:
    """The index is how a decision is found, by the title that it has."""
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text("utf-8")

    for path in sorted(folder.glob("[0-9]*.md")):
        text = path.read_text("utf-8")
        title = text.splitlines()[0].removeprefix(f"# {path.name[:4]} ")
        assert f"| {path.name[:4]} | [{title}]({path.name}) |" in index
        assert [heading for heading in DECISION_HEADINGS if f"\n## {heading}\n" not in text] == []
