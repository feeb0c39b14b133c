"""`axsync history` as it is typed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import Result

from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import Type, content, devices, facts, publish

Axsync: TypeAlias = Callable[..., Result]
HOST = "specific_data.data.hostname"
ONE = f"{1:032x}"


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    """Three days in the folder `lake` of the working directory."""
    made = FolderLake(Path("lake"))
    for day, host in (("20", "host"), ("21", "host"), ("22", "\x1b[31mnew")):
        publish(made, facts(f"2026-11-{day}"), Type(rows=devices(2, host=host)))
    return made


def test_the_days_of_an_asset_are_told(axsync: Axsync, lake: FolderLake) -> None:
    """Day by day, what changed with both values; no terminal obeys one; nothing is written to the lake."""
    before = content(lake.root)

    assert axsync("history", "devices", ONE).stdout.splitlines() == [
        f"devices {ONE} (new-1)",
        "first seen 2026-11-20, last seen 2026-11-22, on 3 of 3 days, 2026-11-20 to 2026-11-22",
        "",
        "2026-11-20 added",
        "",
        "2026-11-22 changed",
        f"field{' ' * (len(HOST) - 5)}  before    after",
        f'{HOST}  "host-1"  "\\u001b[31mnew-1"',
    ]
    assert content(lake.root) == before


def test_the_same_as_json_and_csv(axsync: Axsync, lake: FolderLake) -> None:
    """One object per instance; one row per field."""
    (told,) = json.loads(axsync("history", "devices", ONE, "--output", "json").stdout)
    rows = list(csv.reader(axsync("history", "devices", ONE, "--output", "csv").stdout.splitlines()))

    assert (told["id"], told["seen"], [one["change"] for one in told["changes"]]) == (
        ONE, ["2026-11-20", "2026-11-21", "2026-11-22"], ["added", "changed"]
    )  # fmt: skip
    assert told["changes"][1]["fields"] == {HOST: {"before": "host-1", "after": "\x1b[31mnew-1"}}
    assert rows[0] == ["day", "run", "instance", "entity", "id", "label", "change", "field", "before", "after"]
    assert rows[2] == [
        "2026-11-22", "20261122T020000Z-aaaa", "prod", "devices", ONE, r"\x1b[31mnew-1", "changed", HOST, "host-1",
        r"\x1b[31mnew-1",
    ]  # fmt: skip
    assert axsync("history", "devices", ONE, "--output", "excel").stdout_bytes.startswith(b"\xef\xbb\xbfday,")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("devices", "nope"), "no snapshot has 'nope' among its devices"),
        (("device", ONE), "did you mean 'devices'?"),
        (("devices",), "Missing argument 'ID'"),
        (("devices", ONE, "--lake", "absent"), "there is no lake 'absent'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    axsync: Axsync, lake: FolderLake, arguments: tuple[str, ...], words: str
) -> None:
    """Nothing is on stdout."""
    result = axsync("history", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_manifest_that_cannot_be_read_hides_no_other_day(axsync: Axsync, lake: FolderLake) -> None:
    """It is named after the others were told."""
    (lake.root / lake.manifest_name("20261121T020000Z-aaaa")).write_text("{")
    result = axsync("history", "devices", ONE)

    assert result.exit_code == 2
    assert "on 2 of 2 days" in result.stdout
    assert "is damaged" in result.stderr
