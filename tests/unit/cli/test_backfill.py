"""`axsync backfill` as it is typed; the library behind it says what a test makes it say."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axsync.cli import main
from axsync.console.backfill import backfill_exit_code
from axsync.errors import AxsyncError, ConfigError, GuardRefused, OutOfTime, Refused, Unreachable
from axsync.events import DayBegun, Observer, SnapshotPublished
from axsync.model import Lane
from axsync.runs.backfill import Backfill, BackfillDay
from axsync.settings import Settings

USERS, SOFTWARE, GROUPS = (Lane("prod", name) for name in ("users", "software", "groups"))
DONE = Backfill(
    "lake",
    (
        BackfillDay("2026-11-09", "published", 3100, 2, run_id="r9"),
        BackfillDay("2026-11-08", "published", 2500, 1, (USERS,), "r8"),
        BackfillDay("2026-11-07", "none", lacking=(USERS,)),
        BackfillDay("2026-11-06", "there", 2900, 2),
        BackfillDay("2026-11-05", "there", 2890, 2),
        BackfillDay("2026-11-04", "kept"),
    ),
    61.0,
    never=(SOFTWARE,),
    closed=(GROUPS,),
)
WHOLE = Backfill("lake", DONE.days[:1], 1.0)

Filled = Callable[..., Result]


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Runs `axsync backfill --from …` in an empty folder, with the three variables set, where this comes of it."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"AX_URL": "https://acme.example", "AX_KEY": "k", "AX_SECRET": "s"})

    def invoke(*arguments: str, done: Backfill | BaseException = DONE, asked: list[Any] | None = None) -> Result:
        async def answer(
            settings: Settings, first: str, last: str, *, share: int, observers: Sequence[Observer]
        ) -> Backfill:
            if asked is not None:
                asked.append((settings, first, last, share))
            for observe in observers:
                observe(DayBegun("2026-11-09", 1, 6))
                observe(SnapshotPublished("r9", "complete", "m"))
            if isinstance(done, BaseException):
                raise done
            return done

        return runner.invoke(main, ["backfill", "--from", "2026-11-04", *arguments], obj={"backfill": answer})

    return invoke


def test_options_reach_the_settings(filled: Filled) -> None:
    """Each of them has its place; the newest day is yesterday."""
    asked = list[Any]()
    filled("devices", "--share", "100", "--deadline", "5", "--accept-drop", "--dry-run", "--lake", "there", asked=asked)
    filled("--to", "2026-11-09", asked=asked)

    (settings, first, last, share), other = asked
    assert (first, last, share, settings.lake.uri) == ("2026-11-04", "yesterday", 100, "there")
    run = settings.run
    assert (run.entities, run.deadline_minutes, run.accept_drop, run.dry_run) == (("devices",), 5.0, True, True)
    assert other[1:] == ("2026-11-04", "2026-11-09", 50)


def test_the_table_has_a_line_for_each_day_that_was_read(filled: Filled) -> None:
    """Others share one with their neighbours; what is missing is named."""
    result = filled()

    assert (result.exit_code, result.stdout.splitlines()) == (
        3,
        [
            "day                                       days  entity types    rows",
            "2026-11-09                published          1             2   3,100",
            "2026-11-08                published          1             1   2,500",
            "2026-11-07                no history         1",
            "2026-11-05 to 2026-11-06  already there      2             2   5,790",
            "2026-11-04                live data kept     1",
            "--------------------------------------------------------------------",
            "total                                        6                11,390",
            "no history of users on 1 day: 2026-11-08",
            "no history on any of these days: software",
            "forbidden: groups",
            "partial: lake, 6 days: 2 published, 2 already there, 1 live data kept, 1 no history, in 0:01:01",
        ],
    )


def test_the_pace_is_said_at_the_beginning(filled: Filled) -> None:
    """Once, and not with -q."""
    said = filled("--share", "30").stderr

    assert said.count("instance default: at most 3 requests per second, 1 in flight") == 1
    assert "2026-11-09: day 1 of 6" in said
    assert filled("-q").stderr == ""


def test_json_is_one_document(filled: Filled) -> None:
    """With a state for each day."""
    document = json.loads(filled("--output", "json").stdout)

    assert (document["verdict"], document["exit_code"], document["never"]) == ("partial", 3, ["prod/software"])
    assert document["days"][1] == {
        "day": "2026-11-08",
        "state": "published",
        "run_id": "r8",
        "rows": 2500,
        "entity_types": 1,
        "without_history": ["prod/users"],
    }


def test_the_command_at_the_end_gets_the_summary(filled: Filled) -> None:
    """One sentence, the days, and the keys that the summary of a run has."""
    keep = f"{sys.executable} -c \"import sys, pathlib; pathlib.Path('got.json').write_text(sys.stdin.read())\""
    filled("--on-finish", keep)
    got = json.loads(Path("got.json").read_text())
    filled("--on-finish", keep, done=Unreachable("the host is down", host="h"))
    failed = json.loads(Path("got.json").read_text())

    assert got["text"].startswith("axsync backfill: partial, exit code 3, 6 days: 2 published, ")
    assert (len(got["days"]), got["run_id"], got["lanes"]) == (6, None, [])
    assert failed["text"].startswith("axsync backfill: failed, exit code 75, ")
    assert failed.keys() <= got.keys()


def test_a_signal_says_how_far_it_came(filled: Filled) -> None:
    """And that the same command goes on."""
    result = filled("-q", done=asyncio.CancelledError())

    assert result.exit_code == 130
    assert result.stderr == "interrupted: 1 day of 6 published; the same command continues\n"


def left(error: AxsyncError, *days: BackfillDay) -> Backfill:
    return Backfill("lake", (*days, BackfillDay("2026-11-01", "left")), 1.0, stopped=error)


DOWN = Unreachable("down", host="h")


@pytest.mark.parametrize(
    ("done", "code"),
    [
        (WHOLE, 0),
        (DONE, 3),
        (replace(WHOLE, never=(SOFTWARE,)), 0),
        (replace(WHOLE, missed=(SOFTWARE,)), 3),
        (Backfill("lake", (BackfillDay("2026-11-01", "none"),), 1.0), 1),
        (Backfill("lake", (BackfillDay("2026-11-01", "failed", errors=(DOWN,)),), 1.0), 75),
        (Backfill("lake", (BackfillDay("2026-11-01", "due"),), 1.0, dry_run=True), 0),
        (left(DOWN, *DONE.days), 75),
        (left(Refused("refused", host="h", status=401), *DONE.days), 4),
        (left(OutOfTime("over"), *DONE.days), 3),
        (left(DOWN, BackfillDay("2026-11-02", "partial", errors=(GuardRefused("fell"),))), 5),
    ],
)
def test_exit_codes(done: Backfill, code: int) -> None:
    """As of a run; 75 wherever the rest is worth another try."""
    assert backfill_exit_code(done) == code


def test_an_error_is_words_and_an_exit_code(filled: Filled) -> None:
    """Nothing on stdout."""
    result = filled(done=ConfigError("--from is a day"))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: --from is a day" in result.stderr
