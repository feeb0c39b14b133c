"""A whole dump with drifted records, restored record by record from real files."""

from collections.abc import Awaitable, Callable
from typing import Any

import duckdb
import pytest

from axsync.settings import EntitySettings
from tests.faults.proof import ID, Tapped, assert_nothing_lost, told
from tests.flow.harness import Lab, Record

Start = Callable[..., Awaitable[Tapped]]

FULL = {"default": EntitySettings(fields="full")}


async def dump(lab: Lab, emulator: Tapped, **settings: Any) -> None:
    """All devices, with every field of the catalogue, in pages of the usual size."""
    instance = lab.instance(emulator, page_size=settings.pop("page_size", 2000))
    ran = await lab.run(lab.settings(instance, types=FULL, entities=("devices",), **settings))
    assert told(ran) == ("complete", 0)


def duck_rows(lab: Lab) -> list[Record]:
    """All rows of the newest snapshot's devices as DuckDB reads them."""
    files = [str(lab.lake / file["path"]) for file in lab.lane("devices")["files"]]
    with duckdb.connect() as connection:
        found = connection.read_parquet(files)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.mark.slow
async def test_twenty_thousand_devices_with_drift_are_restored(lab: Lab, start: Start) -> None:
    """Two in a hundred records drift; every single one of 20,000 equals what was served."""
    emulator = await start("p70", {"devices": 20_000}, drift_percent=2.0)
    await dump(lab, emulator)

    assert lab.lane("devices")["rows"] == 20_000
    assert lab.lane("devices")["rescued_values"] > 400
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_a_smaller_dump_is_restored_from_both_readers(lab: Lab, start: Start, profile: str) -> None:
    """250 devices, a fifth of them drifted: pyarrow and DuckDB give back the same records, those that were served."""
    emulator = await start(profile, {"devices": 250}, drift_percent=20.0)
    await dump(lab, emulator, page_size=100)

    assert lab.lane("devices")["rescued_values"] > 50
    assert_nothing_lost(lab, emulator, "devices")
    assert_nothing_lost(lab, emulator, "devices", duck_rows(lab))


async def test_a_dump_in_many_files_is_restored(lab: Lab, start: Start) -> None:
    """Small parts and small row groups: their borders lose nothing."""
    emulator = await start("p90", {"devices": 200}, drift_percent=20.0)
    small = {"max_part_bytes": 16 << 10, "row_group_rows": 30}
    await dump(lab, emulator, page_size=25, lake=small)

    assert len(lab.lane("devices")["files"]) > 3
    assert_nothing_lost(lab, emulator, "devices")
    assert sorted(row[ID] for row in duck_rows(lab)) == sorted(emulator.fleets["devices"].ids())
