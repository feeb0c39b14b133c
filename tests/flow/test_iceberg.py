"""Tables of Iceberg: what readers of a table find is what the files have, night for night, whatever is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

import axsync
from axsync.emulator import Emulator
from axsync.errors import LakeError
from axsync.lake import layout
from axsync.lake.publish import open_lake
from axsync.runs.gc import sweep
from axsync.runs.shard_plan import plan_shards
from axsync.runs.shards import publish, work
from axsync.schema.field_ids import FIELD_ID
from axsync.settings import EntitySettings, LakeSettings
from tests.flow.harness import Lab, Ran, at_once

pytest.importorskip("pyiceberg")

Start = Callable[..., Awaitable[Emulator]]
Row = dict[str, Any]
ICEBERG: Mapping[str, Any] = {"format": "iceberg"}
FEW = {"default": EntitySettings(fields=("name", "last_seen"))}


@pytest.fixture(autouse=True)
def planner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars reads metadata by pyiceberg, and does not ask for a package of its own."""
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")


async def run(lab: Lab, *emulators: Emulator, day: int = 22, **more: Any) -> Ran:
    """A run of devices against these as the instances prod and lab."""
    instances = [lab.instance(one, name) for one, name in zip(emulators, ("prod", "lab"), strict=False)]
    usual = {"lake": ICEBERG, "entities": ("devices",), "logical_date": f"2026-11-{day}"}
    return await lab.run(lab.settings(*instances, **{**usual, **more}))


def compared(rows: Iterable[Row]) -> list[Row]:
    """Rows in one order; a column that a file lacks is one that is null. An empty list is no null."""
    found = [_without_nulls(row) for row in rows]
    return sorted(found, key=lambda row: (row["dt"], row["instance"], row["internal_axon_id"]))


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  any value
    match value:
        case dict():
            return {key: _without_nulls(one) for key, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value]
    return value


def filed(lab: Lab, run_id: str = "latest") -> list[Row]:
    """The devices in the files that the manifest of a run names."""
    manifest = axsync.load_manifest(lab.lake, run_id)
    day = date.fromisoformat(manifest["logical_date"])
    files = [(lane["instance"], file["path"]) for lane in manifest["lanes"] for file in lane["files"]]
    rows = ((name, row) for name, path in files for row in pl.read_parquet(lab.lake / path).to_dicts())
    return compared({**row, "instance": name, "dt": day} for name, row in rows)


def scanned(lab: Lab, run_id: str = "latest") -> list[Row]:
    """The devices of all days in the table, in the version that the manifest of a run pins, as Polars reads it."""
    (pin,) = axsync.load_manifest(lab.lake, run_id)["tables"]["devices"]
    assert (pin["format"], pin["path"]) == ("iceberg", "tables/devices")
    frame = pl.scan_iceberg(str(lab.lake / pin["metadata"]), snapshot_id=pin["snapshot_id"]).collect()
    return compared(frame.to_dicts())


async def test_a_table_has_what_the_files_have(lab: Lab, start: Start) -> None:
    """Another night brings columns, drift and another instance; each version is as it was."""
    few = {"devices": 20}
    one = await run(lab, await start("p90", few))
    first = filed(lab)
    await run(lab, await start("p90", few, more_fields=5, drift_percent=20.0), await start("v1", few), day=23)

    assert lab.lane("devices")["rescued_values"] > 0
    assert {lane["verdict"] for lane in lab.manifest()["lanes"]} == {"complete"}
    assert scanned(lab, one.report.run_id) == first
    assert scanned(lab) == first + filed(lab)
    lists = [name for name, told in lab.lane("devices")["columns"].items() if told["type"].startswith("list<struct")]
    assert any(0 < sum(name in row for row in first) < len(first) for name in lists)  # and null in the rows of others
    assert lab.published() == []


async def test_a_day_that_is_read_again_is_replaced(lab: Lab, start: Start) -> None:
    """In one commit; the version before has what it had. A lost catalog changes nothing."""
    emulator = await start(sizes={"devices": 30})
    one = await run(lab, emulator, types=FEW)
    before = scanned(lab)
    (lab.lake / layout.ICEBERG_CATALOG).unlink()
    other = await run(lab, emulator, types=FEW, fresh=True)

    assert scanned(lab, one.report.run_id) == before
    assert scanned(lab) == filed(lab)
    assert {row["axsync_run_id"] for row in scanned(lab)} == {other.report.run_id}


async def test_old_days_go_by_commits(lab: Lab, start: Start) -> None:
    """What a kept snapshot pins can be read whole after `axsync gc`, days of before included; what nobody pins goes."""
    emulator = await start(sizes={"devices": 30})
    for day in (22, 23):
        await run(lab, emulator, types=FEW, day=day)
    settings = LakeSettings(uri=str(lab.lake), format="iceberg", keep_last=1)
    lake = open_lake(settings)
    assert lake is not None
    sweep(lake, settings, datetime.now(UTC))
    await run(lab, emulator, types=FEW, day=24)
    sweep(lake, settings, datetime.now(UTC))

    assert [row for row in scanned(lab) if row["dt"].day == 24] == filed(lab)
    assert {row["dt"].day for row in scanned(lab)} == {23, 24}
    (table,) = lake.tables
    newest = table.newest(lake.store, "devices")
    assert newest is not None
    assert [place.day for place in table.files(lake.store, newest)] == ["2026-11-24"]
    parts = lab.lake.glob("tables/devices/**/*.parquet")
    assert {path.parent.name for path in parts} == {"dt=2026-11-23", "dt=2026-11-24"}
    assert len(list(lab.lake.glob("tables/devices/metadata/snap-*.avro"))) == 2


async def test_both_formats_at_once(lab: Lab, start: Start) -> None:
    """One set of files, registered twice."""
    pytest.importorskip("deltalake")
    await run(lab, await start(sizes={"devices": 30}), types=FEW, lake={"format": ("delta", "iceberg")})

    manifest = axsync.load_manifest(lab.lake)
    assert [pin["format"] for pin in manifest["tables"]["devices"]] == ["delta", "iceberg"]
    delta = compared(pl.read_delta(str(lab.lake / "tables/devices")).to_dicts())
    (pin,) = manifest["tables"]["devices"][1:]
    assert compared(pl.scan_iceberg(str(lab.lake / pin["metadata"])).collect().to_dicts()) == delta == filed(lab)


async def test_shards_write_parts_and_their_publication_commits(lab: Lab, start: Start) -> None:
    """What each of them met first has a number that nobody else gave away; the table has what the files have."""
    few = {"devices": 20}
    emulators = [await start("p90", few, more_fields=5), await start("v1", few)]
    instances = [lab.instance(one, name) for one, name in zip(emulators, ("prod", "lab"), strict=True)]
    plan = await plan_shards(lab.settings(*instances, lake=ICEBERG, entities=("devices",)), 2)
    await asyncio.gather(*(work(plan, number, jitter=at_once) for number in (0, 1)))
    assert [*lab.lake.glob("tables/**/metadata/*")] == []
    report = await publish(plan)

    assert (report.verdict, report.errors) == ("complete", ())
    assert scanned(lab) == filed(lab)
    columns = {
        (column.name, column.metadata[FIELD_ID])
        for path in lab.lake.glob("tables/devices/instance=*/**/*.parquet")
        for column in pq.read_schema(path)
    }
    assert len({name for name, _ in columns}) == len({number for _, number in columns}) == len(columns)
    assert len(list(lab.lake.glob("tables/devices/metadata/snap-*.avro"))) == 1


async def test_another_catalog_is_refused(lab: Lab, start: Start) -> None:
    """The readers of the first one would not be told."""
    emulator = await start(sizes={"devices": 30})
    await run(lab, emulator, types=FEW)
    seen = len(emulator.log)
    with pytest.raises(LakeError, match=r"are in the catalog '_axsync/iceberg.db'; set \[lake\] catalog = '' again"):
        await run(lab, emulator, types=FEW, day=23, lake={**ICEBERG, "catalog": "glue"})
    assert len(emulator.log) == seen
