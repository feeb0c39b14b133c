"""`axsync forget` as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import Type, content, devices, facts, publish


def test_forget_shows_and_with_yes_removes(axsync: Callable[..., Result]) -> None:
    """It says what `latest` is then; a second time there is no such run."""
    lake = FolderLake(Path("lake"))
    for day in ("2020-01-01", "2031-01-01"):
        publish(lake, facts(day), Type(rows=devices(7), files=2))
    before = content(lake.root)
    shown = axsync("forget", "2031-01-01")
    assert content(lake.root) == before
    document = axsync("forget", "latest", "--output", "json")
    done, again = axsync("forget", "2031-01-01", "--yes"), axsync("forget", "2031-01-01", "--yes")

    told = [
        "run 20310101T020000Z-aaaa of 2031-01-01",
        "2 files, 7 rows, 0.0 MB {}",
        "latest: run 20200101T020000Z-aaaa of 2020-01-01",
    ]
    assert shown.stdout.splitlines() == [
        *(line.format("would be removed") for line in told),
        "run the same command with --yes to remove it",
    ]
    assert done.stdout.splitlines() == [line.format("removed") for line in told]
    assert (json.loads(document.stdout)["rows"], again.exit_code) == (7, 2)
    assert axsync("verify").exit_code == 0
