"""`axsync verify` and `axsync gc` as they are typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import Result

from axsync.lake import layout
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import DEVICES, USERS, Type, content, devices, facts, publish

Axsync: TypeAlias = Callable[..., Result]


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    """Two days in the folder `lake` of the working directory, where the settings look for it."""
    made = FolderLake(Path("lake"))
    for day in ("2020-01-01", "2020-01-02"):
        publish(made, facts(day), Type(rows=devices(7), files=2))
    Path("axsync.toml").write_text("[lake]\nkeep_snapshots = 1\nkeep_days = 0\n")
    return made


def test_verify_says_that_all_is_well(axsync: Axsync, lake: FolderLake) -> None:
    """A line per entity type and one at the end; exit code 0; a day names its snapshot."""
    result = axsync("verify", "2020-01-01")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].split() == ["devices", "2", "7", "0.0", "whole"]
    assert result.stdout.endswith("everything matches the manifest: 2 files, 7 rows, run 20200101T020000Z-aaaa\n")


def test_verify_names_the_file_that_is_damaged(axsync: Axsync, lake: FolderLake) -> None:
    """Exit code 1, in both forms."""
    path = min((lake.root / lake.partition(DEVICES, "2020-01-02")).glob("*.parquet"))
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    told, document = axsync("verify", "latest"), axsync("verify", "latest", "--output", "json")

    assert (told.exit_code, document.exit_code) == (1, 1)
    assert f"{path.relative_to(lake.root)}: has other content" in told.stdout
    found = json.loads(document.stdout)
    assert (found["verdict"], found["lanes"][0]["faults"][0]["path"]) == ("damaged", str(path.relative_to(lake.root)))


def test_a_file_that_is_in_no_manifest_damages_none(axsync: Axsync, lake: FolderLake) -> None:
    """It is named, with the command that removes it; the exit code is 1 until then."""
    path = min((lake.root / lake.partition(DEVICES, "2020-01-02")).glob("*.parquet"))
    stray = path.with_name(path.name.replace("20200102", "20190102"))
    stray.write_bytes(path.read_bytes())
    told, document = axsync("verify"), axsync("verify", "--output", "json")

    assert (told.exit_code, "damaged" in told.stdout) == (1, False)
    assert told.stdout.splitlines()[1].split() == ["devices", "2", "7", "0.0", "stray", "file"]
    assert "is not in any manifest\naxsync gc --yes removes stray files; without --yes it shows them\n" in told.stdout
    assert (document.exit_code, json.loads(document.stdout)["verdict"]) == (1, "stray file")
    assert axsync("gc", "--yes").exit_code == 0
    assert (stray.exists(), axsync("verify").exit_code) == (False, 0)


def test_gc_shows_and_with_yes_removes(axsync: Axsync, lake: FolderLake) -> None:
    """What was shown is what goes; afterwards nothing is left over."""
    before = content(lake.root)
    shown = axsync("gc", "-v")
    assert content(lake.root) == before
    done, again = axsync("gc", "--yes", "--output", "json"), axsync("gc")

    assert (shown.exit_code, done.exit_code) == (0, 0)
    assert "_axsync/snapshots/20200101T020000Z-aaaa.json  (beyond the retention)" in shown.stdout
    assert [line.split() for line in shown.stdout.splitlines() if line.startswith("2020")] == [
        ["20200102T020000Z-aaaa", "2020-01-02", "last,", "latest"],
        ["20200101T020000Z-aaaa", "2020-01-01", "goes"],
    ]
    assert json.loads(done.stdout)["snapshots"][1]["reasons"] == []
    assert "would be removed; 1 snapshot kept\nrun the same command with --yes to remove it\n" in shown.stdout
    assert [one["kind"] for one in json.loads(done.stdout)["leftovers"]] == ["snapshot", "part", "part"]
    assert again.stdout.endswith("\nnothing to remove; 1 snapshot kept\n")
    assert axsync("verify", "latest").exit_code == 0


def test_gc_waits_for_nobody(axsync: Axsync, lake: FolderLake) -> None:
    """A run that holds the lake is named, and the exit code says: try later."""
    with lake.store.hold(layout.LOCK, what="the lake", run="20200103T020000Z-bbbb"):
        result = axsync("gc", "--yes")

    assert result.exit_code == 75
    assert "run 20200103T020000Z-bbbb" in result.stderr


def test_looking_is_allowed_while_a_run_holds_the_lake(axsync: Axsync, lake: FolderLake) -> None:
    """Without --yes nothing is removed, so that nobody has to be kept away."""
    shown = axsync("gc")
    with lake.store.hold(layout.LOCK, what="the lake", run="20200103T020000Z-bbbb"):
        meanwhile = axsync("gc")

    assert (meanwhile.exit_code, meanwhile.stdout) == (0, shown.stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verify", "nope"), "has no run 'nope'"),
        (("verify", "latest~2"), "holds snapshots of 2 days, too few for 'latest~2'"),
        (("verify", "2020-13-45"), "'2020-13-45' is not a day"),
        (("verify", "2020-02-01"), "has no snapshot of 2020-02-01"),
        (("verify", "latest", "--lake", "."), "is not a lake"),
        (("gc", "--yes", "--lake", "."), "is not a lake"),
        (("gc", "--lake", "absent"), "there is no lake 'absent' yet\n  advice: Create it with `axsync run`."),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    axsync: Axsync, lake: FolderLake, arguments: tuple[str, ...], words: str
) -> None:
    """Nothing is on stdout, and nothing in the folder has changed."""
    before = content(Path())
    result = axsync(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert content(Path()) == before


@pytest.mark.parametrize("command", [("verify", "20200101"), ("gc", "--yes")])
@pytest.mark.parametrize(("raw", "words"), [("{", "is damaged"), ('{"format_version": 3}', "has format version 3")])
def test_a_manifest_that_cannot_be_read_is_exit_2(
    axsync: Axsync, lake: FolderLake, command: tuple[str, ...], raw: str, words: str
) -> None:
    """And nothing is removed; the file is named, and what can be done about it."""
    (lake.root / lake.manifest_name("20200101T020000Z-aaaa")).write_text(raw)
    before = content(Path())
    result = axsync(*command)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "_axsync/snapshots/20200101T020000Z-aaaa.json" in result.stderr
    assert "\n  advice: " in result.stderr
    assert content(Path()) == before


def test_what_another_run_read_is_not_counted_as_this_ones(axsync: Axsync, lake: FolderLake) -> None:
    """A run of some types leaves the others as they were: `show`, `runs` and the page tell of its own rows."""
    users = Type(USERS, rows=devices(3))
    publish(lake, facts("2020-01-03"), users, restricted=True)
    shown, listed = axsync("show", "latest").stdout, axsync("runs").stdout.splitlines()[1].split()

    assert "3 rows in 1 lane\n" in shown
    assert "Why not complete" not in shown
    there = shown.partition("Carried over from earlier runs\n")[2].splitlines()[1]
    assert there.split() == ["devices", "20200102T020000Z-aaaa", "7"]
    assert (listed[3], listed[4]) == ("1", "3")
    page = Path(axsync("report", "latest").stdout.strip()).read_text("utf-8")
    assert "3 rows of 1 entity type" in page
