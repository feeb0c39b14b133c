"""Whether CONTRIBUTING.md and README.md draw the layers that import-linter proves."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
APART = {"emulator"}


def proven() -> list[set[str]]:
    """The layers of `pyproject.toml`, the highest first; the emulator stands apart."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "layers")
    return [set(re.findall(r"[a-z]+", layer)) - APART for layer in layers[1:]]


def drawn(name: str) -> dict[str, set[str]]:
    """Layer → its rooms, as the page draws them."""
    text = (ROOT / name).read_text("utf-8")
    (picture,) = re.findall(r"```text\n(interface .*?)```", text, re.DOTALL)
    lines = (re.split(r"\s{2,}", line, maxsplit=1) for line in picture.splitlines())
    return {layer: set(re.findall(r"[a-z]+", rooms)) for layer, rooms in lines}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_pages_draw_the_layers_that_are_proven(page: str) -> None:
    """The same rooms in the same order; what shares no code stands apart."""
    layers = drawn(page)

    assert list(layers) == ["interface", "use cases", "engine", "adapters", "domain", "values", "apart"]
    assert [*layers.values()] == [*proven(), APART]


def test_every_room_has_its_layer() -> None:
    """And nothing else is in the package."""
    entries = {
        path.stem for path in (ROOT / "axsync").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert entries - {"__init__", "__main__"} == set().union(*proven()) | APART
