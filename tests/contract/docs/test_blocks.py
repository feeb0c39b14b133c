"""Pages whose marked blocks are run, in order: they do what they say."""

import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.cli.demo import emulator
from axsync.config import load_settings
from axsync.emulator.options import DEMO_KEY, DEMO_SECRET

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / f"{name}.md" for name in ("start", "python", "emulator", "reading", "tables")]

# A block with this comment above it; what it printed stands in a block of text right below it.
RUNS = re.compile(
    r"^<!-- runs -->\n```(python|shell)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
LOADS = re.compile(r"^<!-- loads -->\n```toml\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
CUT = "…"  # stands for lines that are not shown

# What differs from run to run: ids, days, ports, times and sizes, numbers of files, widths of columns.
CHANGING = (
    (re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DAY"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"[\d,]+\.\d\b"), "0.0"),
    (re.compile(r"\d+ files?"), "FILES"),
    (re.compile(r"-{10,}"), "-"),
    (re.compile(r"[ \t]+"), " "),
)

# The instance that the three variables make, at a pace that spares nobody.
QUICK = """\
[instances.default]
url = "${AX_URL}"
api_key = "env:AX_KEY"
api_secret = "env:AX_SECRET"
requests_per_second = 1000
in_flight = 16
"""


# What a page says about the lake before its first block.
LAKES = {"tables": '[lake]\nformat = "delta"\n'}


@dataclass(frozen=True)
class Block:
    """A piece of a document that runs."""

    language: str
    code: str
    shown: str

    def run(self, names: dict[str, Any]) -> str:
        """What it prints; Python blocks share their names, as in one session."""
        return run_commands(self.code) if self.language == "shell" else run_python(self.code, names)


def blocks(page: Path) -> list[Block]:
    found = RUNS.finditer(page.read_text("utf-8"))
    return [Block(match[1], match[2], match[3] or "") for match in found]


def run_commands(code: str) -> str:
    printed = ""
    for line in code.splitlines():
        words = shlex.split(line)
        words, into = (words[:-2], words[-1]) if words[-2] == ">" else (words, None)
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, result.output
        if into:
            Path(into).write_text(result.stdout, "utf-8")
        else:
            printed += result.stdout
    return printed


def run_python(code: str, names: dict[str, Any]) -> str:
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "a document", "exec"), names)  # noqa: S102  our own words
    return printed.getvalue()


def steady(text: str) -> list[str]:
    """The lines without what differs from run to run."""
    for changing, constant in CHANGING:
        text = changing.sub(constant, text)
    return [line.strip() for line in text.splitlines()]


def not_printed(shown: str, printed: str) -> list[str]:
    """Lines that the document shows and the block did not print in that order."""
    lines: Iterator[str] = iter(steady(printed))
    return [line for line in steady(shown) if line != CUT and line not in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_print_what_is_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first to the last, each in the folder and the session of the ones before."""
    names: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "axsync.toml").write_text(QUICK + LAKES.get(page.stem, ""), "utf-8")
    monkeypatch.setenv("AX_KEY", DEMO_KEY)
    monkeypatch.setenv("AX_SECRET", DEMO_SECRET)
    with emulator(["--drift", "2"]) as url:
        monkeypatch.setenv("AX_URL", url)
        for block in blocks(page):
            printed = block.run(names)

            assert not_printed(block.shown, printed) == [], f"{block.code}\nprinted:\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_marker_has_its_block(page: Path) -> None:
    """A marker with a slip of the pen would be passed over in silence."""
    text = page.read_text("utf-8")

    assert len(blocks(page)) == text.count("<!-- runs -->") > 0
    assert text.count("```text\n```") == 0


def test_the_configuration_that_is_shown_loads(tmp_path: Path) -> None:
    """As it stands, without any variable."""
    found = LOADS.findall((ROOT / "docs/start.md").read_text("utf-8"))
    assert found

    for number, document in enumerate(found):
        path = tmp_path / f"{number}.toml"
        path.write_text(document, "utf-8")
        assert load_settings(path, environ={}).instances
