"""The page about a run, written when it ends."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axsync.cli.demo import demo_settings, emulator
from axsync.console.output import OutputOptions
from axsync.console.run import dump
from axsync.events import Observer
from axsync.lake import layout
from axsync.lake.local import hold
from axsync.runs.run import Report, sync
from axsync.settings import RunSettings, Settings

QUIETLY = OutputOptions(output="json", verbosity=-1)
SMALL = ("--type", "devices", "--type", "users", "--size", "devices=30", "--size", "users=10")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator(SMALL) as found:
        yield found


def settings(url: str, folder: Path) -> Settings:
    made = demo_settings(url, str(folder / "lake"))
    instance = replace(made.instances[0], requests_per_second=1000, tries=1)
    return replace(made, instances=(instance,), run=RunSettings())


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_run_ends_with_its_page(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows and timeline are on it, and the result says where it is; a run with nothing to do writes none."""
    asked = settings(url, tmp_path)
    first = dump(sync, asked, QUIETLY).exit_code
    ended = told(capsys)
    page = Path(ended["report"])

    assert (first, page.parent.name, page.name) == (0, ended["run_id"], "report.html")
    assert "Requests in flight" in page.read_text("utf-8")
    assert "40 rows of 2 entity types" in page.read_text("utf-8")

    page.unlink()
    again = dump(sync, asked, QUIETLY).exit_code

    assert (again, told(capsys)["report"], page.exists()) == (0, None, False)


def test_each_run_renews_the_index_where_that_is_wished(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run and its report are on it; without the setting there is none, and one that fails costs a sentence."""
    index = tmp_path / "lake/_axsync/index.html"
    asked = settings(url, tmp_path)
    dump(sync, asked, QUIETLY)
    before = index.exists()
    wished = replace(asked, lake=replace(asked.lake, index=True), run=RunSettings(fresh=True))
    dump(sync, wished, QUIETLY)
    page = index.read_text("utf-8")
    runs = [path.parent.name for path in (tmp_path / "lake/_axsync/runs").glob("*/report.html")]
    index.unlink()
    index.mkdir()
    capsys.readouterr()
    code = dump(sync, wished, QUIETLY).exit_code

    assert (before, len(runs), code) == (False, 2, 0)
    assert all(f'href="runs/{run}/report.html"' in page for run in runs)
    assert capsys.readouterr().err.startswith("the index of all runs cannot be written: IsADirectoryError")


def test_a_page_that_cannot_be_written_fails_no_run(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence on stderr; verdict and exit code are those of the run."""

    async def leaving_a_folder(settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
        report = await sync(settings, observers=observers)
        (tmp_path / "lake/_axsync/runs" / report.run_id / "report.html").mkdir()
        return report

    code = dump(leaving_a_folder, settings(url, tmp_path), QUIETLY).exit_code
    printed = capsys.readouterr()

    assert (code, json.loads(printed.out)["report"]) == (0, None)
    assert printed.err.startswith("the report cannot be written: IsADirectoryError")
    assert printed.err.count("\n") == 1


@pytest.mark.fault(6)
def test_a_page_is_not_written_beside_another_run(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor beside gc, which takes drafts away: the lake is held meanwhile, and one sentence says what to do."""
    with ExitStack() as others:

        async def followed_at_once(settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
            report = await sync(settings, observers=observers)
            others.enter_context(hold(tmp_path / "lake" / layout.LOCK, what="the lake", run="r2"))
            return report

        code = dump(followed_at_once, settings(url, tmp_path), QUIETLY).exit_code
    printed = capsys.readouterr()
    ended = json.loads(printed.out)

    assert (code, ended["report"]) == (0, None)
    assert f"run r2; axsync report {ended['run_id']} does it later" in printed.err
    assert not list((tmp_path / "lake/_axsync/runs").rglob("*.draft"))


def test_a_run_that_publishes_nothing_has_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is when people want to know most."""
    with emulator([*SMALL, "--mishap", "500:on=page"]) as url:
        dump(sync, settings(url, tmp_path), QUIETLY)
    ended = told(capsys)

    assert ended["manifest"] is None
    assert "Nothing was published; the lake is unchanged." in Path(ended["report"]).read_text("utf-8")
