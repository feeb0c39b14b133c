import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import Result

from axsync.lake import layout
from axsync.lake.publish import RunFacts
from axsync.model import Lane, Outcome
from tests.unit.lake.folders import FolderLake

Axsync: TypeAlias = Callable[..., Result]
RUN = "20261122T020000Z-aaaa"

COLUMNS = {"a": {"field": "a", "type": "string", "dates": None}}


@pytest.fixture
def lake(axsync: Axsync) -> FolderLake:
    """One published run and one that published nothing, in the folder `lake` of the working directory."""
    made = FolderLake(Path("lake"))
    facts = RunFacts(RUN, "2026-11-22", None, "2026-11-22T02:00:00Z", "0.1.0")
    made.publish(
        facts,
        [Outcome(Lane("prod", "devices"), "complete", rows=7, columns=COLUMNS)],
        finished_at="2026-11-22T02:00:09Z",
    )
    failed = made.root / layout.report("20261123T020000Z-bbbb")
    failed.parent.mkdir(parents=True)
    failed.write_text("what was written when it ended")
    (failed.parent / "journal").touch()
    return made


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("asked", ["latest", RUN, "20261122"])
def test_report_writes_the_page_and_says_where(axsync: Axsync, lake: FolderLake, asked: str) -> None:
    """Beside the journal of the run, whichever way it is asked for."""
    result = axsync("report", asked)

    assert (result.exit_code, result.stdout) == (0, f"lake/_axsync/runs/{RUN}/report.html\n")
    assert "7 rows of 1 entity type" in Path(result.stdout.strip()).read_text("utf-8")


def test_report_without_a_run_is_about_the_latest(axsync: Axsync, lake: FolderLake) -> None:
    """That is what people mean."""
    assert axsync("report").stdout == f"lake/_axsync/runs/{RUN}/report.html\n"


def test_the_index_links_to_the_reports_that_there_are(axsync: Axsync, lake: FolderLake) -> None:
    """By names that lead there from where it is, wherever the lake is moved."""
    axsync("report", "latest")
    result = axsync("report", "--all")

    assert (result.exit_code, result.stdout) == (0, "lake/_axsync/index.html\n")
    page = Path("lake/_axsync/index.html").read_text("utf-8")
    assert re.findall('href="([^"]*)"', page) == [f"runs/{RUN}/report.html"]
    assert json.loads(axsync("report", "--all", "--output", "json").stdout) == {"index": "lake/_axsync/index.html"}


def test_report_into_another_file(axsync: Axsync, lake: FolderLake) -> None:
    """The lake stays as it is."""
    before = content(lake.root)
    result = axsync("report", "latest", "--into", "pages/today.html", "--output", "json")

    assert json.loads(result.stdout) == {"run_id": RUN, "report": "pages/today.html"}
    assert Path("pages/today.html").read_text("utf-8").startswith("<!doctype html>")
    assert content(lake.root) == before


def test_a_run_that_published_nothing_has_the_page_of_its_end(axsync: Axsync, lake: FolderLake) -> None:
    """It is shown as it lies there, and copied where that is wished."""
    plain, copied = axsync("report", "20261123T020000Z-bbbb"), axsync("report", "20261123T020000Z-bbbb", "--into", "a")

    assert plain.stdout == "lake/_axsync/runs/20261123T020000Z-bbbb/report.html\n"
    assert (copied.stdout, Path("a").read_text()) == ("a\n", "what was written when it ended")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", "nope"), "has no run 'nope'"),
        (("report", "../../etc"), "has no run '../../etc'"),
        (("report", "latest", "--lake", "absent"), "there is no lake 'absent'"),
        (("report", "latest", "--into", "lake"), "is a directory"),
        (("report", "latest", "--into", "file/x.html"), "the report cannot be written to 'file/x.html'"),
        (("report", "--all", "latest"), "omit RUN and --into"),
        (("report", "--all", "--into", "x.html"), "omit RUN and --into"),
        (("report", "--all", "--lake", "absent"), "there is no lake 'absent'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    axsync: Axsync, lake: FolderLake, arguments: tuple[str, ...], words: str
) -> None:
    """Nothing has changed."""
    Path("file").touch()
    before = content(Path())
    result = axsync(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert content(Path()) == before


def test_the_end_of_a_run_is_found_by_the_beginning_of_its_id(axsync: Axsync, lake: FolderLake) -> None:
    """As every run is."""
    assert axsync("report", "20261123").stdout == "lake/_axsync/runs/20261123T020000Z-bbbb/report.html\n"


def test_a_run_that_was_killed_has_no_page_and_that_is_said(axsync: Axsync, lake: FolderLake) -> None:
    """With what to do about the run."""
    (lake.root / layout.report("20261123T020000Z-bbbb")).unlink()

    for command in ("report", "show", "verify"):
        result = axsync(command, "20261123")
        assert (result.exit_code, result.stderr.splitlines()) == (
            2,
            [
                "error: run '20261123T020000Z-bbbb' has not published a snapshot",
                (
                    "  advice: Check its state with `axsync runs`. "
                    "If the run is unfinished, resume it with the same `axsync run` command."
                ),
            ],
        )


def test_a_page_that_cannot_be_kept_can_go_elsewhere(axsync: Axsync, lake: FolderLake) -> None:
    """A lake that is mounted read-only has reports all the same."""
    # The superuser may write anywhere, but in the place of a folder.
    (lake.root / layout.report(RUN)).mkdir(parents=True)
    result = axsync("report", "latest")

    assert result.exit_code == 2
    assert result.stderr.endswith("; --into FILE puts it elsewhere\n")
    assert axsync("report", "latest", "--into", "a").exit_code == 0
