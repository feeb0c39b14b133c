import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import Result

from axsync.lake.publish import RunFacts
from axsync.model import Lane, Outcome
from tests.unit.lake.folders import FolderLake

Axsync: TypeAlias = Callable[..., Result]
Fake: TypeAlias = Any  # of conftest.py, which cannot be imported: test folders are no packages

COLUMNS = {"a": {"field": "a", "type": "string", "dates": None}}


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    """Two runs in the folder `lake` of the working directory, where the settings look for it."""
    made = FolderLake(Path("lake"))
    for day in ("21", "22"):
        facts = RunFacts(f"202611{day}T020000Z-aaaa", f"2026-11-{day}", None, f"2026-11-{day}T02:00:00Z", "0.1.0")
        outcome = Outcome(Lane("prod", "devices"), "partial", "cut", rows=7, dead_letters=1, columns=COLUMNS)
        made.publish(facts, [outcome], finished_at=f"2026-11-{day}T02:00:09Z")
    return made


def manifest(lake: FolderLake, day: str) -> Path:
    return lake.root / "_axsync" / "snapshots" / f"202611{day}T020000Z-aaaa.json"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_lists_the_runs_of_the_configured_lake(axsync: Axsync, lake: FolderLake) -> None:
    """As a table, newest first."""
    lines = axsync("runs").stdout.splitlines()

    assert lines[1].split() == ["20261122T020000Z-aaaa", "2026-11-22", "partial", "1", "7", "0:00:09", "latest"]
    assert lines[2].startswith("20261121T020000Z-aaaa")


def test_runs_as_json_is_a_list(axsync: Axsync, lake: FolderLake) -> None:
    """The same values, by name."""
    document = json.loads(axsync("runs", "--output", "json").stdout)

    assert [(run["run_id"][:8], run["rows"], run["latest"]) for run in document] == [
        ("20261122", 7, True),
        ("20261121", 7, False),
    ]


def test_a_look_at_the_lake_needs_no_account(axsync: Axsync, lake: FolderLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an instance nor a credential is asked for; the lake comes from option, variable or file."""
    Path("a.toml").write_text('[lake]\nuri = "elsewhere"\n[instances.prod]\nurl = "${NOBODY_SET_THIS}"\n')
    lake.root.rename("elsewhere")
    empty = {"AX_URL": None, "AX_KEY": None, "AX_SECRET": None}
    for arguments, environ in (
        (("--lake", "elsewhere"), {}),
        (("--config", "a.toml"), {}),
        ((), {"AXSYNC_LAKE": "elsewhere"}),
    ):
        result = axsync("runs", *arguments, env=empty | environ)
        assert (result.exit_code, result.stdout.count("2026112")) == (0, 2), result.output


def test_show_tells_one_run_in_full(axsync: Axsync, lake: FolderLake) -> None:
    """Where its dead letters lie is part of it."""
    result = axsync("show", "20261121")

    assert result.exit_code == 0
    assert result.stdout.startswith("run           20261121T020000Z-aaaa\n")
    assert "_axsync/runs/20261121T020000Z-aaaa/dead_letters/prod.devices.jsonl" in result.stdout


def test_show_as_json_is_the_manifest(axsync: Axsync, lake: FolderLake) -> None:
    """Nothing left out, and the columns of each lane beside their hash."""
    result = axsync("show", "latest", "--output", "json")

    document = json.loads(result.stdout)
    assert [lane.pop("columns") for lane in document["lanes"]] == [COLUMNS]
    assert document == json.loads(manifest(lake, "22").read_text())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nope"), "has no run 'nope'"),
        (("show", "2026"), "'2026' is the beginning of 2 runs: 20261121T020000Z-aaaa, 20261122T020000Z-aaaa"),
        (("show", "latest", "--lake", "absent"), "there is no lake 'absent'"),
        (("show", "latest", "--lake", "."), "'.' is not a lake, because it has no folder _axsync"),
        (("runs", "--lake", "absent"), "there is no lake 'absent'"),
        (
            ("runs", "--lake", "s3://bucket/lake"),
            "there are no AWS credentials for the lake 's3://bucket/lake'; set AWS",
        ),
        (("runs", "--config", "absent.toml"), "absent.toml"),
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
    assert "Traceback" not in result.stderr
    assert content(Path()) == before


@pytest.mark.parametrize(
    ("raw", "words"), [("{", "is damaged"), ('{"format_version": 3}', "has format version 3, and this axsync reads")]
)
def test_a_manifest_that_cannot_be_read_is_exit_2(axsync: Axsync, lake: FolderLake, raw: str, words: str) -> None:
    """`show` says it; `runs` says it as well, below the runs that can be read."""
    manifest(lake, "21").write_text(raw)
    before = content(Path())
    shown, listed = axsync("show", "20261121"), axsync("runs")

    assert (shown.exit_code, listed.exit_code, shown.stdout) == (2, 2, "")
    for result in (shown, listed):
        assert result.stderr.startswith(f"error: the manifest of run '20261121T020000Z-aaaa' {words}")
        assert ": _axsync/snapshots/20261121T020000Z-aaaa.json\n" in result.stderr
        assert "\n  advice: " in result.stderr
    assert "20261122T020000Z-aaaa" in listed.stdout
    assert "20261121T020000Z-aaaa" not in listed.stdout
    assert content(Path()) == before


def test_a_lake_without_a_snapshot_is_no_mistake(axsync: Axsync) -> None:
    """Before the first run has ended there is nothing to list."""
    Path("lake/_axsync/runs").mkdir(parents=True)

    assert axsync("runs").stdout == "there are no runs in lake yet\n"
    assert json.loads(axsync("runs", "--output", "json").stdout) == []
    assert axsync("show", "latest").exit_code == 2


@pytest.mark.parametrize("command", ["show", "report", "verify"])
def test_the_latest_run_is_meant_where_none_is_named(axsync: Axsync, lake: FolderLake, command: str) -> None:
    """As with `latest`; a word for a day is one, too."""
    assert lake.latest_run()
    unnamed, named = axsync(command, "--output", "json"), axsync(command, "latest", "--output", "json")
    today = axsync(command, "today")

    assert (unnamed.exit_code, unnamed.stdout) == (named.exit_code, named.stdout)
    assert (today.exit_code, "has no snapshot of 20" in today.stderr) == (2, True)
