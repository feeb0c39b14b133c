"""Whole runs into tables of Delta Lake, which people read with other programs than ours."""

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from axsync.cli import main
from axsync.emulator import Emulator
from axsync.events import Notice
from axsync.settings import InstanceSettings
from tests.flow.harness import Lab
from tests.flow.tiny import Tiny, serving

Start = Callable[..., Awaitable[Emulator]]
Rows = list[dict[str, Any]]
DAY, NEXT = "2026-11-20", "2026-11-21"
OF_RUN = ("axsync_run_id", "axsync_fetched_at")
DELTA = {"format": "delta"}
N, NEW = "specific_data.data.n", "specific_data.data.new"


def by_delta_rs(root: Path, version: int) -> Rows:
    return rows_of(DeltaTable(str(root), version=version).to_pyarrow_table())


def by_polars(root: Path, version: int) -> Rows:
    return rows_of(pl.scan_delta(str(root), version=version).collect().to_arrow())


READERS = [by_delta_rs, by_polars]


def rows_of(table: pa.Table) -> Rows:
    """All rows in one order, without what differs from run to run and what only the path tells."""
    kept = [name for name in table.column_names if name not in (*OF_RUN, "instance", "dt")]
    rows: Rows = table.select(sorted(kept)).to_pylist()
    return sorted(rows, key=lambda row: row["internal_axon_id"])


def plain_rows(lab: Lab, entity: str) -> Rows:
    files = [lab.lake / file["path"] for file in lab.lane(entity)["files"]]
    return rows_of(pa.concat_tables([pq.ParquetFile(path).read() for path in files]))


@pytest.mark.parametrize("read", READERS)
async def test_a_table_is_equal_cell_by_cell_to_the_plain_lake(
    lab: Lab, start: Start, tmp_path: Path, read: Callable[[Path, int], Rows]
) -> None:
    """Null lists, empty ones and lists of objects among it."""
    emulator, other = await start(), Lab(tmp_path / "plain")
    other.folder.mkdir()
    await other.run(other.settings(other.instance(emulator), logical_date=DAY))
    ran = await lab.run(lab.settings(lab.instance(emulator), lake=DELTA, logical_date=DAY))
    assert ran.verdicts() == {"prod/devices": "complete", "prod/users": "complete"}

    for entity in ("devices", "users"):
        (pin,) = lab.manifest()["tables"][entity]
        came, wanted = read(lab.lake / pin["path"], pin["version"]), plain_rows(other, entity)
        assert came == wanted
        lists = [value for row in wanted for value in row.values() if value is None or isinstance(value, list)]
        assert None in lists
        assert any(lists)


def served(number: object, **more: object) -> Tiny:
    """Three rows with this number, and a catalogue that calls it one."""
    rows = [{"internal_axon_id": f"{at:032x}", N: number, **more} for at in range(3)]
    listed = [{"name": N, "type": "integer"}, *({"name": name, "type": "array"} for name in more)]
    return Tiny(rows, {"generic": listed})


async def test_a_second_night_and_a_second_instance_bring_columns_and_no_other_types(lab: Lab) -> None:
    """What does not fit is rescued; each night's version stays what it was, and each instance is a partition."""
    keys = lab.keys("tiny", "KEY-OF-THE-TEST", "SECRET-OF-THE-TEST")
    async with serving(served(7)) as whole, serving(served(7.5, **{NEW: ["x"]})) as half:
        first = InstanceSettings("prod", whole.url, keys, requests_per_second=5000.0)
        await lab.run(lab.settings(first, lake=DELTA, logical_date=DAY, entities=("devices",)))
        both = [InstanceSettings(name, half.url, keys, requests_per_second=5000.0) for name in ("prod", "lab")]
        ran = await lab.run(lab.settings(*both, lake=DELTA, logical_date=NEXT, entities=("devices",)))

    root = str(lab.lake / "tables/devices")
    table = DeltaTable(root).to_pyarrow_table(columns=["dt", "instance", "n", "new", "axsync_rescued"])
    rows = {(row["dt"].isoformat(), row["instance"], *list(row.values())[2:4]) for row in map(flat, table.to_pylist())}
    assert rows == {(DAY, "prod", 7, None), (NEXT, "lab", None, "x"), (NEXT, "prod", None, "x")}
    assert table.column("axsync_rescued").to_pylist().count(f'{{"{N}":7.5}}') == 6
    assert len([one for one in ran.of(Notice) if "keep their types" in one.text]) == 2
    assert DeltaTable(root, version=0).to_pyarrow_table().num_rows == 3


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose lists are their elements' texts."""
    return {name: "".join(value) if isinstance(value, list) else value for name, value in row.items()}


async def test_show_verify_and_sql_work_on_a_lake_of_tables(
    lab: Lab, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on any other; with plain files beside tables, other engines get statements over these."""
    emulator = await start(sizes={"users": 20})
    await lab.run(lab.settings(lab.instance(emulator), lake={"format": ["parquet", "delta"]}, logical_date=DAY))

    told = dict(answers(lab, capsys))

    assert "delta" in told["show"][1]
    assert "tables/users" in told["show"][1]
    assert told["verify"][0] == 0
    assert json.loads(told["sql"][1]) == [{"n": 20}]
    assert "'storage.location.template' = 's3://b/p/tables/users/instance=${instance}/dt=${dt}/'" in told["ddl"][1]


def answers(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[str, tuple[int, str, str]]]:
    """What commands answer: exit code, output, errors."""
    asked = {
        "show": ["show"],
        "verify": ["verify"],
        "sql": ["sql", "SELECT count(*) AS n FROM users", "--output", "json"],
        "ddl": ["ddl", "athena", "--location", "s3://b/p"],
    }
    for name, words in asked.items():
        with pytest.raises(SystemExit) as ended:
            main([*words, "--lake", str(lab.lake)])
        out, err = capsys.readouterr()
        yield name, (int(ended.value.code or 0), out, err)
