"""`axsync plan` as it is typed; the library behind it says what a test makes it say."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from axsync.cli import main
from axsync.events import Observer
from axsync.model import Lane
from axsync.runs.plan import Bounds, Experience, LaneForecast, Plan, PlanInstance, Speed, forecast
from axsync.settings import Settings

LEARNED = Experience({Lane("prod", "devices"): 5750.0}, {}, {"prod": Speed("r1", 4.5, 1_000_000.0)})
BOUNDS = Bounds(10, 4)
ROWS = tuple(
    forecast(question, LEARNED, BOUNDS)
    for question in (
        LaneForecast(Lane("prod", "devices"), "readable", 41_873, 2000, state="goes on", durable=20_000),
        LaneForecast(Lane("prod", "groups"), "readable", 7, 2000, state="done", durable=7),
        LaneForecast(Lane("prod", "users"), "forbidden", None, 2000),
        LaneForecast(Lane("prod", "disks"), "readable", 10, 500),
    )
)
PROD = PlanInstance("prod", "https://acme", 10, 4, LEARNED.speeds["prod"], 17, 125_000_000, 126.0)
PLAN = Plan("lake", "2026-11-25", None, "r2", finished=False, rows=ROWS, instances=(PROD,), seconds=126.0)

Planned = Callable[..., Result]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Runs `axsync plan` in an empty folder, with the three variables set, where this plan is the answer."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"AX_URL": "https://acme.example", "AX_KEY": "k", "AX_SECRET": "s"})

    def invoke(*arguments: str, plan: Plan = PLAN, asked: list[Settings] | None = None) -> Result:
        async def answer(settings: Settings, *, observers: Sequence[Observer]) -> Plan:
            if asked is not None:
                asked.append(settings)
            return plan

        return runner.invoke(main, ["plan", *arguments], obj={"plan": answer})

    return invoke


def test_the_table_tells_what_and_how_much(planned: Planned) -> None:
    """Counts, requests, MB, minutes; what is there already, what may not be read, what was guessed."""
    result = planned()

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "run: resumes r2 of 2026-11-25: 1 of 4 lanes done",
        "data: live, into lake",
        "entity type  right       count  page size  requests     MB  minutes",
        "devices      readable   41,873      2,000        37  125.8      2.1  resumes after 20,000 rows",
        "groups       readable        7                                       done",
        "users        forbidden",
        "disks        readable       10        500         2    0.0     0.01",
        "----------------------------------------------------------------------------------------------",
        "total                   41,890                   39  125.8      2.1",
        "prod: at most 10 requests per second, 4 in flight; 4.5 requests and 1.0 MB per second in run r1",
        "assuming 4,000 bytes per row: disks",
        "each line assumes that the type is read alone; the total assumes that all types share the request limit",
    ]


def test_a_finished_run_is_said_first(planned: Planned) -> None:
    """So is a new one, and the day of history that it would read."""
    done = planned(plan=replace(PLAN, finished=True)).stdout.splitlines()
    new = planned(plan=replace(PLAN, run_id=None, as_of="2026-11-01")).stdout.splitlines()

    assert done[0] == "run: r2 of 2026-11-25 is finished; nothing to do (use --fresh to read it again)"
    assert done[-1].startswith("total ")  # nothing is asked, so no pace
    assert new[:2] == ["run: new, for 2026-11-25", "data: as of 2026-11-01, into lake"]


def test_json_has_every_number(planned: Planned) -> None:
    """Not rounded, by name."""
    document = json.loads(planned("--output", "json").stdout)

    assert (document["rows"][0]["bytes"], document["rows"][0]["seconds"]) == (ROWS[0].bytes, ROWS[0].seconds)
    assert document["instances"][0]["speed"]["run_id"] == "r1"


def test_what_is_named_reaches_the_library(planned: Planned) -> None:
    """Entity types, lake, day, day of history, limit."""
    asked: list[Settings] = []
    result = planned(
        "devices", "users", "--lake", "l", "--date", "2026-11-20", "--as-of", "latest", "--limit", "5", "--fresh",
        asked=asked,
    )  # fmt: skip

    (settings,) = asked
    run = settings.run
    assert (result.exit_code, settings.lake.uri) == (0, "l")
    assert (run.entities, run.logical_date, run.as_of, run.limit, run.fresh) == (
        ("devices", "users"), "2026-11-20", "latest", 5, True
    )  # fmt: skip


def test_an_instance_that_could_not_be_asked_is_exit_3(planned: Planned) -> None:
    """And is named with its reason."""
    away = replace(PROD, name="lab", error="lab.example did not answer in time")
    result = planned(plan=replace(PLAN, instances=(PROD, away)))

    assert result.exit_code == 3
    assert "lab: lab.example did not answer in time" in result.stdout


def test_bad_input_is_one_sentence_and_exit_2(planned: Planned) -> None:
    """Before anything is asked."""
    asked: list[Settings] = []
    for arguments, words in ((("--date", "soon"), "must be a day"), (("--limit", "0"), "must be between")):
        result = planned(*arguments, asked=asked)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
    assert asked == []


def test_many_instances_fit_a_screen(planned: Planned) -> None:
    """Those that cannot be asked come first, then those that take longest."""
    names = [f"tenant-{number:03}" for number in range(200)]
    rows = tuple(replace(row, instance=name) for name in names for row in ROWS)
    instances = [replace(PROD, name=name, seconds=126.0 + number) for number, name in enumerate(names)]
    instances[7] = replace(instances[7], error="timed out")
    result = planned(plan=replace(PLAN, rows=rows, instances=tuple(instances)))

    shown = result.stdout.splitlines()
    assert result.exit_code == 3
    assert len(shown) < 40
    assert shown[3].split() == ["tenant-007", "4", "41,890", "39", "125.8", "2.2", "cannot", "be", "queried"]
    assert shown[4].split() == ["tenant-199", "4", "41,890", "39", "125.8", "5.4", "1", "forbidden"]
    assert shown[28].split()[:4] == ["175", "others", "700", "7,330,750"]
    assert "tenant-007: timed out" in shown
    assert not any("in flight" in line for line in shown)


def test_a_plan_of_shards_that_is_not_there_is_asked_of_plan() -> None:
    """It is no settings file, which `axsync init` would write."""
    result = CliRunner().invoke(main, ["work", "absent.json", "0"])

    assert result.exit_code == 2
    assert result.stderr == "error: there is no plan 'absent.json'; make one with `axsync plan --shards`\n"
