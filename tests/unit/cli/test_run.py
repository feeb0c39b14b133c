import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from click.testing import Result

from axsync.errors import AxsyncError, ConfigError, GuardRefused, LakeError, Refused, Unreachable

Axsync: TypeAlias = Callable[..., Result]
Fake: TypeAlias = Any  # of conftest.py, which cannot be imported: test folders are no packages


def test_options_reach_the_settings(axsync: Axsync, fake: Fake) -> None:
    """Each option of a run has its place in the settings."""
    result = axsync(
        *("run", "devices", "users", "--lake", "there", "--instance", "default", "--date", "2026-11-01"),
        *("--as-of", "latest", "--limit", "10", "--dry-run", "--fresh", "--accept-drop", "--wait-stable", "5"),
        *("--deadline", "90"),
    )

    assert result.exit_code == 0, result.output
    run = fake.asked[0].run
    assert (run.entities, run.instances, run.logical_date) == (("devices", "users"), ("default",), "2026-11-01")
    assert (run.as_of, run.limit, run.wait_stable_minutes, run.deadline_minutes) == ("latest", 10, 5.0, 90.0)
    assert (run.dry_run, run.fresh, run.accept_drop) == (True, True, True)
    assert fake.asked[0].lake.uri == "there"


def test_options_not_given_leave_the_settings_alone(axsync: Axsync, fake: Fake) -> None:
    """What the command line does not say, it does not decide."""
    axsync("run")

    run = fake.asked[0].run
    assert (run.entities, run.limit, run.dry_run, run.fresh, run.accept_drop) == ((), None, False, False, False)


def test_results_go_to_stdout_and_progress_to_stderr(axsync: Axsync) -> None:
    """The table can be piped; the log does not disturb it."""
    result = axsync("run")

    assert result.stdout.startswith("entity type   rows")
    assert "complete: lake" in result.stdout
    assert "devices: 2,000 rows to read" in result.stderr
    assert "to read" not in result.stdout


def test_quiet_leaves_the_table_only(axsync: Axsync) -> None:
    """With -q nothing is said on stderr while all goes well."""
    result = axsync("run", "-q")

    assert result.stderr == ""
    assert "devices" in result.stdout


def test_verbose_tells_of_pages(axsync: Axsync) -> None:
    """With -v each page has its line."""
    assert "page 0: 2,000 rows" in axsync("run", "-v").stderr


def test_quiet_and_verbose_do_not_go_together(axsync: Axsync) -> None:
    """One of them at most."""
    assert axsync("run", "-q", "-v").exit_code == 2


def test_json_output_is_one_document(axsync: Axsync) -> None:
    """Stdout is JSON and nothing else."""
    document = json.loads(axsync("run", "--output", "json").stdout)

    assert (document["run_id"], document["exit_code"], document["lanes"][0]["entity"]) == ("r1", 0, "devices")


def test_json_logs_are_one_object_per_line(axsync: Axsync) -> None:
    """Every line of stderr is JSON, with its event's name."""
    names = [json.loads(line)["event"] for line in axsync("run", "--log-format", "json").stderr.splitlines()]

    assert names == [
        "axsync.run_started",
        "axsync.lane_opened",
        "axsync.lane_closed",
        "axsync.snapshot_published",
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("url is empty"), 2),
        (LakeError("the lake is a file"), 2),
        (Refused("refused", host="h", status=401), 4),
        (Unreachable("down", host="h"), 75),
        (GuardRefused("devices fell"), 5),
        (AxsyncError("else"), 1),
    ],
)
def test_an_error_is_words_and_an_exit_code(axsync: Axsync, fake: Fake, error: AxsyncError, code: int) -> None:
    """No traceback, nothing on stdout."""
    fake.error = error
    result = axsync("run")

    assert (result.exit_code, result.stdout) == (code, "")
    assert f"error: {error}" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_is_a_json_line_where_logs_are_json(axsync: Axsync, fake: Fake) -> None:
    """A log that is JSON stays JSON to its end."""
    fake.error = ConfigError("url is empty")
    result = axsync("run", "--log-format", "json")

    told = json.loads(result.stderr)
    assert (told["level"], told["text"]) == ("error", "error: url is empty")


def test_types_that_are_joined_by_a_comma_are_told_apart(axsync: Axsync, fake: Fake) -> None:
    """As they are for other tools; the sentence can be copied."""
    result = axsync("run", "devices,users")

    assert (result.exit_code, fake.asked) == (2, [])
    assert "separate entity types with spaces: devices users" in result.stderr


def test_a_bug_is_one_line_and_a_traceback_only_when_asked_for(axsync: Axsync, fake: Fake) -> None:
    """Neither form shows what looks like a key."""
    fake.error = ValueError("cannot send 0123456789abcdef0123456789abcdef")
    short, long = axsync("run"), axsync("run", "-v")

    assert (short.exit_code, long.exit_code) == (1, 1)
    assert "error: ValueError: cannot send ***\n  advice: This is a bug. Run the command again with -v" in short.stderr
    assert "Fake" not in short.stderr
    assert "raise self.error" in long.stderr
    assert "0123456789abcdef" not in short.stderr + long.stderr


def test_a_partial_run_explains_what_failed(axsync: Axsync, fake: Fake) -> None:
    """The table first, then the reasons on stderr; exit code 3."""
    error = Unreachable("h did not answer in time", host="h")
    error.add_note("default/users")
    fake.report = replace(fake.report, verdict="partial", errors=(error,))
    result = axsync("run", "-q")

    assert result.exit_code == 3
    assert "error: default/users: h did not answer in time" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--limit", "0"), "limit must be between"),
        (("--date", "tomorrow"), "logical_date (--date) must be a day"),
        (("--instance", "prod"), "there is no instance 'prod'"),
        (("--config", "absent.toml"), "absent.toml"),
        (("--limit", "many"), "not a valid integer"),
        (("--lkae", "x"), "--lake"),
    ],
)
def test_a_bad_option_is_one_sentence_and_exit_2(
    axsync: Axsync, fake: Fake, arguments: tuple[str, ...], words: str
) -> None:
    """Nothing is started."""
    result = axsync("run", *arguments)

    assert (result.exit_code, fake.asked) == (2, [])
    assert words in result.stderr
