"""The questions and recipes of docs/reading.md over a lake of two instances and five days.

What is right is computed from the records that the emulators serve, never from the lake.
"""

import asyncio
import json
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.dataset as ds
import pytest
from click.testing import CliRunner

import axsync
from axsync.cli import main
from axsync.lake.history import find_run
from axsync.lake.publish import open_lake
from axsync.settings import LakeSettings
from axsync.sql import query_session, tables_of
from tests.contract.five_days import DAYS, NEWEST, Record, Served, five_days

PAGE = (Path(__file__).parents[3] / "docs/reading.md").read_text("utf-8")
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "NONE")
LIMITS = {"CRITICAL": 15, "HIGH": 30, "MEDIUM": 90, "LOW": 180}
Rows: TypeAlias = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return asyncio.run(five_days(tmp_path_factory.mktemp("reading")))


# ---------------------------------------------------------------------------------------------------------------- truth


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def single(record: Record, name: str) -> Any:  # noqa: ANN401  any value of a record
    """The preferred value, else the only distinct one."""
    values = set(listed(record.get(name)))
    preferred = record.get(f"{name}_preferred")
    return preferred if preferred is not None else values.pop() if len(values) == 1 else None


def moments(record: Record, name: str) -> list[datetime]:
    return [parsedate_to_datetime(one).astimezone(UTC) for one in listed(record.get(name))]


def counted(names: Iterable[Any]) -> Rows:
    """Each with its number, as an unordered GROUP BY gives them."""
    return [(*(key if isinstance(key, tuple) else (key,)), number) for key, number in Counter(names).items()]


def by_os(served: Served) -> Rows:
    return counted(single(record, "os.type") for _, record in served.newest("devices"))


def stale(served: Served) -> Rows:
    limit = datetime.combine(date.fromisoformat(NEWEST), datetime.min.time(), UTC) - timedelta(days=30)
    seen = (
        (instance, record.get("last_seen_preferred") and moments(record, "last_seen_preferred")[0])
        for instance, record in served.newest("devices")
    )
    return counted(instance for instance, at in seen if at and at < limit)


def without_control(served: Served) -> Rows:
    return counted(i for i, record in served.newest("devices") if "acme_edr_adapter" not in record["adapters"])


def severity(record: Record) -> str | None:
    return next((one for one in SEVERITIES if one in listed(record.get("cve_severity"))), None)


def severities(served: Served) -> Rows:
    found: dict[str | None, list[int | None]] = defaultdict(list)
    for _, record in served.newest("vulnerability_instances"):
        first = min(moments(record, "first_seen"), default=None)
        found[severity(record)].append((date.fromisoformat(NEWEST) - first.date()).days if first else None)
    return [
        (
            name,
            len(ages),
            sum(age is not None and age > LIMITS.get(name or "", 10**6) for age in ages),
            max(filter(None, ages)),
        )
        for name, ages in found.items()
    ]


def users(served: Served) -> Rows:
    used = {(i, r["internal_axon_id"]): set(listed(r.get("last_used_users"))) for i, r in served.newest("devices")}
    cves: dict[str, set[str]] = defaultdict(set)
    where: dict[str, set[str]] = defaultdict(set)
    for instance, record in served.newest("vulnerability_instances"):
        (device,) = set(record["device_internal_axon_id"])
        if severity(record) == "CRITICAL":
            for name in used.get((instance, device), ()):
                cves[name] |= set(record["cve_id"])
                where[name].add(instance)
    managed = [(i, single(r, "user_manager"), r["internal_axon_id"]) for i, r in served.newest("users")]
    return [(n, len(found), len({u for i, m, u in managed if m == n and i in where[n]})) for n, found in cves.items()]


def software(served: Served) -> Rows:
    devices = served.newest("devices")
    return counted(n for _, r in devices for n in {one["name"] for one in r.get("installed_software", [])})


def cores(served: Served) -> Rows:
    found: Counter[str] = Counter()
    for instance, record in served.newest("devices"):
        found[instance] += single(record, "total_number_of_cores") or 0
    return list(found.items())


def devices_of(served: Served) -> dict[tuple[date, str], list[Record]]:
    return {(date.fromisoformat(d), i): rows for (d, i, one), rows in served.records.items() if one == "devices"}


def trend(served: Served) -> Rows:
    return [(*key, len(rows)) for key, rows in devices_of(served).items()]


def came_and_went(served: Served) -> Rows:
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for (day, instance), rows in devices_of(served).items():
        for record in rows:
            days[instance, record["internal_axon_id"]].append(day)
    return counted((instance, min(found), max(found)) for (instance, _), found in days.items())


def coverage(served: Served) -> Rows:
    return [
        (day, instance, adapter, number, round(100 * number / len(rows), 1))
        for (day, instance), rows in devices_of(served).items()
        for adapter, number in counted(one for record in rows for one in set(record["adapters"]))
    ]


TRUTHS: tuple[Callable[[Served], Rows], ...] = (
    by_os,
    stale,
    without_control,
    severities,
    users,
    software,
    cores,
    trend,
    came_and_went,
    coverage,
)
SECTION = re.search(r"^## Ten questions\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
QUESTIONS = [shlex.split(one)[2] for one in re.findall(r"^axsync sql .*", SECTION[1] if SECTION else "", re.MULTILINE)]


@pytest.mark.parametrize(("number", "truth"), list(enumerate(TRUTHS)), ids=[truth.__name__ for truth in TRUTHS])
def test_each_question_is_answered_truly(served: Served, number: int, truth: Callable[[Served], Rows]) -> None:
    """As the documented query says it; nothing is asked that has no answer."""
    lake = open_lake(LakeSettings(uri=str(served.lake)))
    assert lake is not None
    with query_session(lake, tables_of(find_run(lake, "latest"))) as session:
        answer = list(session.ask(QUESTIONS[number]).rows)
    expected = truth(served)

    assert len(QUESTIONS) == len(TRUTHS)
    assert sorted(answer, key=repr) == sorted(expected, key=repr)
    assert len(expected) > 1


def test_lanes_tell_which_days_are_whole(served: Served) -> None:
    """Six runs in five days: the replaced one is not the newest of its day, and forbidden users are no rows."""
    lake = open_lake(LakeSettings(uri=str(served.lake)))
    assert lake is not None
    with query_session(lake, tables_of(find_run(lake, "latest"))) as session:
        query = "SELECT dt::VARCHAR, verdict, newest_of_day FROM lanes WHERE (instance, entity) = ('amer', 'users')"
        lanes = sorted(session.ask(query).rows)
        query = "SELECT DISTINCT dt::VARCHAR FROM users_history WHERE instance = 'amer' ORDER BY 1"
        days = list(session.ask(query).rows)

    first, second, *others = DAYS
    skipped = [(second, "skipped", False), (second, "skipped", True)]
    assert lanes == [(first, "complete", True), *skipped, *((day, "complete", True) for day in others)]
    assert days == [(first,), *((day,) for day in others)]


# -------------------------------------------------------------------------------------------------------------- recipes

BLOCKS = re.findall(r"^<!-- runs -->\n```python\n(.*?)^```\n", PAGE, re.DOTALL | re.MULTILINE)


def recipe(begins: str) -> str:
    """The block with this in it, up to where it prints."""
    (block,) = [one for one in BLOCKS if begins in one]
    code: str = block.partition("print(")[0]
    return code


def test_every_recipe_has_every_column_and_row(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the newest snapshot; through the views, of all days."""
    monkeypatch.chdir(served.lake.parent)
    registry = json.loads((served.lake / "_axsync/schemas/devices.json").read_bytes())
    lanes = [lane["columns"] for lane in axsync.load_manifest(served.lake)["lanes"] if lane["entity"] == "devices"]
    own = {"axsync_run_id", "axsync_fetched_at", "axsync_rescued", "entity", "instance", "dt"}
    wanted = own.union(*lanes)
    newest = len(list(served.newest("devices")))
    every = sum(len(rows) for rows in devices_of(served).values())
    Path("views.sql").write_text(CliRunner().invoke(main, ["views", "duckdb"]).stdout, "utf-8")
    names: dict[str, Any] = {}
    found: dict[str, tuple[set[str], int]] = {}
    for begins in ("manifest = json", "views.sql", "def schema"):
        _run(recipe(begins), names)
    files = names["files"]["devices"]
    found["views"] = set(names["history"].columns), names["history"].height
    _run(recipe("duckdb.read_parquet").partition("duckdb.sql")[0], names)
    found["duckdb"] = set(names["devices"].columns), names["devices"].shape[0]
    _run(recipe("import polars"), names)
    found["polars"] = set(names["devices"].collect_schema()), names["devices"].collect().height
    _run(recipe("import pyarrow.dataset"), names)
    found["dataset"] = set(names["devices"].schema.names), names["devices"].count_rows()
    _run(recipe("import pandas"), names)
    frame = names["pandas"].read_parquet(files, schema=names["schema"](files), partitioning="hive")
    found["pandas"] = set(frame.columns), len(frame)

    assert found.pop("views") == ({*registry["columns"], *own}, every)
    assert found == dict.fromkeys(found, (wanted, newest))


def test_a_reader_of_folders_has_every_column_and_row_of_a_day(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the columns of the day's files, whatever types other days have."""
    monkeypatch.chdir(served.lake.parent)
    names: dict[str, Any] = {}
    for begins in ("manifest = json", "def schema"):
        _run(recipe(begins), names)
    columns = names["schema"](names["files"]["devices"])
    table = ds.dataset("lake/entity=devices", schema=columns, partitioning="hive").to_table(
        filter=ds.field("dt") == NEWEST
    )

    assert table.num_rows == len(list(served.newest("devices")))
    assert table["instance"].null_count == 0


def test_the_lake_has_what_is_hard_to_read(served: Served) -> None:
    """Columns that vanished, and that were served as another type in between; or these tests would show nothing."""
    before, between, newest = (_amer(served, day) for day in DAYS[-3:])
    vanished = set(newest["empty_columns"]) - set(before["empty_columns"])
    retyped = [name for name, one in before["columns"].items() if between["columns"][name] != one]

    assert any("extra" in name for name in vanished)
    assert {"from_last_fetch", "last_seen_preferred"} <= set(retyped)  # flags as texts, dates as numbers


def _amer(served: Served, day: str) -> Record:
    lanes: list[Record] = axsync.load_manifest(served.lake, day)["lanes"]
    return next(lane for lane in lanes if (lane["instance"], lane["entity"]) == ("amer", "devices"))


def _run(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "reading.md", "exec"), names)  # noqa: S102  our own words
