"""What reports on a run, seen from the command line."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import Result

from axsync.console.signals import Stopped
from axsync.errors import LakeError, Unreachable

Axsync: TypeAlias = Callable[..., Result]
Fake: TypeAlias = Any  # of conftest.py, which cannot be imported: test folders are no packages

KEEP = "import sys, pathlib; pathlib.Path('got.json').write_text(sys.stdin.read())"


@pytest.fixture
def command() -> str:
    """A command that keeps what it gets."""
    return f'{sys.executable} -c "{KEEP}"'


def got() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("got.json").read_text())
    return found


def test_the_command_at_the_end_gets_the_summary(axsync: Axsync, command: str) -> None:
    """The keys of `--output json`, and one sentence."""
    result = axsync("run", "--on-finish", command)
    printed = json.loads(axsync("run", "--output", "json").stdout)

    assert result.exit_code == 0, result.output
    assert got()["text"].startswith("axsync run r1: complete, exit code 0, 2,000 rows of 1 entity type in 0:00:0")
    assert {name: value for name, value in got().items() if name != "text"} == printed


@pytest.mark.parametrize(
    ("error", "code"), [(Unreachable("the host is down", host="h"), 75), (LakeError("the lake is a file"), 2)]
)
def test_a_run_that_failed_before_it_began_has_a_summary_too(
    axsync: Axsync, fake: Fake, command: str, error: Exception, code: int
) -> None:
    """The error, its exit code, and no numbers."""
    fake.error = error
    result = axsync("run", "--on-finish", command, "--metrics-file", "m.prom")

    assert result.exit_code == code
    assert (got()["verdict"], got()["exit_code"], got()["run_id"], got()["lanes"]) == ("failed", code, None, [])
    assert got()["errors"][0]["message"] == str(error)
    assert f"axsync_run_exit_code {code:.1f}" in Path("m.prom").read_text()


def test_settings_that_cannot_be_read_are_told_by_the_flags(axsync: Axsync, command: str) -> None:
    """A slip of the pen in the file must not silence the night."""
    Path("axsync.toml").write_text("[run]\nlimt = 3\n")
    result = axsync("run", "--on-finish", command, "--metrics-file", "m.prom")

    assert result.exit_code == 2
    assert "unknown key 'limt'" in got()["errors"][0]["message"]
    assert "axsync_run_exit_code 2.0" in Path("m.prom").read_text()


def test_a_bug_is_told_without_what_may_be_a_secret(axsync: Axsync, fake: Fake, command: str) -> None:
    """As on stderr."""
    fake.error = ValueError("cannot send 0123456789abcdef0123456789abcdef")
    axsync("run", "--on-finish", command)

    assert got()["errors"][0]["message"] == "ValueError: cannot send ***"


def test_a_stopped_run_has_a_summary(axsync: Axsync, fake: Fake, command: str) -> None:
    """With the exit code of the signal."""
    fake.error = Stopped(143)
    result = axsync("run", "--on-finish", command)

    assert result.exit_code == 143
    assert (got()["verdict"], got()["exit_code"], got()["manifest"]) == ("terminated", 143, None)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_command_that_fails_is_a_warning(axsync: Axsync, form: str) -> None:
    """The exit code stays that of the run; a JSON log stays JSON."""
    result = axsync("run", "--log-format", form, "--on-finish", f'{sys.executable} -c "raise SystemExit(9)"')

    assert result.exit_code == 0
    last = result.stderr.splitlines()[-1]
    told = json.loads(last)["text"] if form == "json" else last
    assert told.startswith("warning: on_finish: ")
    assert told.endswith("failed with exit code 9")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--on-finish", "mail 'ops"), "on_finish has an unmatched quote"),
        (("--on-finish", "no-such-program"), "on_finish names the program 'no-such-program'"),
        (("--metrics-file", "nowhere/m.prom"), "metrics_file is in the folder"),
    ],
)
def test_what_cannot_work_is_refused_before_the_run(
    axsync: Axsync, fake: Fake, given: tuple[str, str], words: str
) -> None:
    """One sentence, exit code 2, nothing asked."""
    result = axsync("run", *given)

    assert result.exit_code == 2
    assert words in result.stderr
    assert fake.asked == []


def test_a_dry_run_reports_to_nobody(axsync: Axsync, command: str) -> None:
    """What the night has left is not replaced by a look."""
    result = axsync("run", "--dry-run", "--on-finish", command, "--metrics-file", "m.prom")

    assert result.exit_code == 0
    assert not Path("got.json").exists()
    assert not Path("m.prom").exists()


DUE = "2026-11-24"


@pytest.mark.parametrize(
    ("flags", "changed", "times"),
    [
        ((), {}, 2),
        (("--resume",), {}, 1),
        ((), {"still_due": None}, 1),
        ((), {"manifest": None}, 1),
    ],
)
def test_a_run_of_yesterday_is_followed_by_that_of_today(
    axsync: Axsync, fake: Fake, flags: tuple[str, ...], changed: dict[str, Any], times: int
) -> None:
    """Once it has published, and unless no more was asked for. Each has its summary."""
    fake.report = replace(fake.report, **{"still_due": DUE} | changed)
    keep = "import sys; open('got.jsonl', 'a').write(sys.stdin.read().strip() + chr(10))"
    result = axsync("run", *flags, "--on-finish", f'{sys.executable} -c "{keep}"')

    assert (result.exit_code, len(fake.asked)) == (0 if changed.get("manifest", 1) else 1, times)
    assert result.stderr.count(f"that was 2026-11-23; now {DUE} is read") == times - 1
    assert len(Path("got.jsonl").read_text().splitlines()) == times


@pytest.mark.parametrize(("first", "second", "code"), [("drifted", "complete", 3), ("complete", "drifted", 3)])
def test_the_worse_of_two_runs_decides_the_exit_code(
    axsync: Axsync, fake: Fake, first: str, second: str, code: int
) -> None:
    """Also where the later one went well."""
    fake.reports = [replace(fake.report, verdict=verdict, still_due=DUE) for verdict in (first, second)]

    assert axsync("run").exit_code == code
    assert fake.reports == []
