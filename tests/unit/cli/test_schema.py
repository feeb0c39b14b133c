"""`axsync schema` as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import Result

from axsync.lake import layout
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import Type, facts, publish

Axsync: TypeAlias = Callable[..., Result]


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    made = FolderLake(Path("lake"))
    publish(made, facts("2026-11-23"), Type())
    return made


def test_the_columns_of_a_type_are_listed(axsync: Axsync, lake: FolderLake) -> None:
    """With field, type and since when; without a type, the types."""
    result, types = axsync("schema", "show", "devices"), axsync("schema", "show")
    document = json.loads(axsync("schema", "show", "--output", "json").stdout)

    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines()[1:2]] == [
        ["internal_axon_id", "string", "internal_axon_id", facts("2026-11-23").run_id]
    ]
    assert types.stdout.splitlines()[1].split() == ["devices", "3"]
    assert document["devices"]["cores"]["field"] == "specific_data.data.cores"
    assert document["devices"]["cores"]["type"] == "int64"


def test_a_damaged_registry_says_how_to_make_it_anew(axsync: Axsync, lake: FolderLake) -> None:
    """And the command that it names does."""
    place = lake.root / layout.registry("devices")
    whole = place.read_bytes()
    place.write_text("[]")

    refused, done = axsync("schema", "show"), axsync("schema", "rebuild")

    assert refused.exit_code == 2
    assert "run `axsync schema rebuild`" in refused.stderr
    assert (done.exit_code, done.stdout) == (0, "3 columns of 1 entity type\n")
    assert place.read_bytes() == whole


@pytest.mark.parametrize("words", [("show", "users"), ("show", "--lake", "absent"), ("rebuild", "--lake", "absent")])
def test_what_is_not_there_is_refused(axsync: Axsync, lake: FolderLake, words: tuple[str, ...]) -> None:
    """With one sentence, and nothing is made."""
    result = axsync("schema", *words)

    assert result.exit_code == 2
    assert not Path("absent").exists()
