"""A lake of many instances and days: what looks at all days costs against a lake of one day.

    python tests/benchmarks/many_days.py [--instances 200] [--days 90] [--folder FOLDER]

The lakes, one of all days and one of the newest alone, are made by `Lake.publish`, each part a hard link to the same
five devices of 80 columns; each run has what a run leaves that has finished. Then each command runs three times on
both, in turns; the fewest CPU seconds are printed. `run` adds a day of one instance, an emulator.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pyarrow as pa
import pyarrow.parquet as pq

from axsync.config import load_settings
from axsync.lake import layout
from axsync.lake.journal import PUBLISHED
from axsync.lake.lane_files import match_lane_files
from axsync.lake.publish import RunFacts
from axsync.model import ID_FIELD, Lane, Outcome, Part
from axsync.runs.resume import plan_of
from axsync.runs.state import record
from axsync.schema.columns import FETCHED_AT, RESCUED, RUN_ID, Column, arrow_schema, describe_column
from axsync.schema.kinds import Atom, Kind, Many
from tests.benchmarks.fleet import KEY, SECRET, emulator
from tests.unit.lake.folders import FolderLake

ROWS, COLUMNS, TIMES = 5, 80, 3
FIRST = date(2026, 8, 1)
TEXT = Atom("text")


def column(name: str, kind: Kind) -> Column:
    field = name if name in (ID_FIELD, "adapters") else f"specific_data.data.{name}"
    return Column(name, field, field, kind)


HELD = (column(ID_FIELD, TEXT), column("adapters", Many(TEXT)), *(column(f"text_{n}", TEXT) for n in range(COLUMNS)))
OWN = [
    pa.field(RUN_ID, pa.string()),
    pa.field(FETCHED_AT, pa.timestamp("us", tz="UTC")),
    pa.field(RESCUED, pa.string()),
]


def part(folder: Path) -> Path:
    """The file that all parts are."""
    rows = [{ID_FIELD: f"{n:032x}", "adapters": ["a_adapter"], "text_1": "x"} for n in range(ROWS)]
    path = folder / "part.parquet"
    held = [one for one in arrow_schema(HELD) if one.name not in {own.name for own in OWN}]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([*held, *OWN])), path)
    return path


def publish(lake: FolderLake, day: date, instances: int, one: Path, plan: str) -> None:
    run = RunFacts(f"{day:%Y%m%d}T020000Z-aaaa", f"{day}", None, f"{day}T02:00:00Z", "0.2.0")
    described = {column.name: describe_column(column) for column in HELD}
    outcomes = []
    for number in range(instances):
        lane = Lane(name_of(number), "devices")
        path = f"{lake.partition(lane, run.logical_date)}/{layout.part_name(run.run_id, 0)}"
        staged = lake.root / layout.staging(run.run_id) / path
        staged.parent.mkdir(parents=True)
        os.link(one, staged)
        parts = (Part(path, ROWS, one.stat().st_size, "ab" * 32),)
        outcomes.append(Outcome(lane, "complete", rows=ROWS, columns=described, parts=parts))
    lake.publish(run, outcomes, finished_at=f"{day}T02:10:00Z")
    lake.clear_staging(run.run_id)
    keep_journal(lake, run, outcomes, plan)
    match_lane_files(lake)


def keep_journal(lake: FolderLake, run: RunFacts, outcomes: Sequence[Outcome], plan: str) -> None:
    """What a run that has finished leaves."""
    journal = lake.journal(run.run_id).begin()
    journal.append(record("run_opened", facts=run, plan=plan, dated=False))
    journal.append(record("lanes_chosen", lanes=[one.lane for one in outcomes]))
    journal.append(*(record("lane_pinned", one.lane, pinned={"columns": one.columns}) for one in outcomes))
    journal.append(*(record("lane_closed", one.lane, outcome=one) for one in outcomes))
    journal.append(record(PUBLISHED), record("finished"))


def name_of(number: int) -> str:
    return f"i{number:03}"


def configure(file: Path, url: str, instances: int) -> None:
    """Settings of all instances, each with the same server."""
    keys = f'api_key = "env:MANY_KEY"\napi_secret = "env:MANY_SECRET"\nurl = {json.dumps(url)}\n'
    file.write_text("".join(f"[instances.{name_of(number)}]\n{keys}" for number in range(instances)))


def measure(lake: Path, words: list[str]) -> float:
    """CPU seconds of one command."""
    before = getrusage(RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "axsync", *words, "--lake", str(lake)]
    keys = {"MANY_KEY": KEY, "MANY_SECRET": SECRET}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | keys)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make(lakes: dict[str, Path], days: int, instances: int, plan: str) -> None:
    one = part(lakes["all days"].parent)
    for day in range(days):
        publish(FolderLake(lakes["all days"]), FIRST + timedelta(day), instances, one, plan)
    publish(FolderLake(lakes["one day"]), FIRST + timedelta(days - 1), instances, one, plan)


def commands(settings: Path, newest: date, turn: int) -> dict[str, list[str]]:
    of_day, next_day = f"WHERE dt = '{newest}'", str(newest + timedelta(1 + turn))
    asked = ["--config", str(settings), "--instance", name_of(0), "--date", next_day, "--accept-drop", "-q"]
    return {
        "sql: a snapshot": ["sql", "SELECT count(*) FROM devices"],
        "sql: lanes of a day": ["sql", f"FROM lanes {of_day}"],
        "sql: a day of the history": ["sql", f"FROM devices_history {of_day}"],
        "sql: coverage of a day": ["sql", f"FROM coverage {of_day}"],
        "views duckdb": ["views", "duckdb"],
        "show": ["show", "latest"],
        "show of a day": ["show", str(newest)],
        "run of one instance": ["run", "devices", *asked],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    newest = FIRST + timedelta(given.days - 1)
    lakes = {"all days": folder / "all", "one day": folder / "one"}
    with emulator(["--size", f"devices={ROWS}", "--type", "devices"]) as url:
        configure(folder / "axsync.toml", url, given.instances)
        if not lakes["one day"].exists():
            overrides = {"entities": ("devices",), "instances": (name_of(0),)}
            plan = plan_of(load_settings(folder / "axsync.toml", overrides=overrides))
            make(lakes, given.days, given.instances, plan)
        asked = [commands(folder / "axsync.toml", newest, turn) for turn in range(TIMES)]
        for name in asked[0]:
            turns = [{which: measure(lake, words[name]) for which, lake in lakes.items()} for words in asked]
            seconds = {which: min(turn[which] for turn in turns) for which in lakes}
            ratio = seconds["all days"] / seconds["one day"]
            print(f"{name:<26}", *(f"{which} {found:6.2f} s" for which, found in seconds.items()), f"{ratio:5.2f}")


if __name__ == "__main__":
    main()
