"""Whether CONTRIBUTING.md and README.md still tell of the floors that import-linter proves."""

import re
import tomllib
from pathlib import Path

PROSE = 46
"""The column where README.md begins to say what a floor holds."""

ROOT = Path(__file__).parents[2]


def proven() -> list[set[str]]:
    """The floors of `pyproject.toml`, the highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "floors")
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def block(name: str, first: str) -> list[str]:
    """The lines of the fenced block that begins with this word."""
    text = (ROOT / name).read_text()
    found = re.search(rf"^```(?:text)?\n({first}\b.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found, f"{name} shows no floors"
    return found[1].splitlines()


def test_contributing_shows_the_floors_that_are_proven() -> None:
    """Line by line; a module that is new is on its floor there too."""
    assert [set(line.split(" | ")) for line in block("CONTRIBUTING.md", "__main__")] == proven()


def test_the_readme_shows_the_same_floors_with_what_they_hold() -> None:
    """It may have several floors on a line (·), and one on several lines (a bar at the end); on the right is prose."""
    shown = "\n".join(line[:PROSE].strip() for line in block("README.md", "cli"))
    floors = re.split(r"·|(?<!\|)\n", shown)

    assert [set(re.findall(r"\w+", floor)) for floor in floors] == proven()[1:]
