"""A lake of version 0.1.0 opens, is read, and goes on."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner

import axsync
from axsync.cli import main
from axsync.emulator import Emulator
from axsync.settings import EntitySettings
from tests.flow.harness import Lab
from tests.flow.old_lake import DAY, LANES, RECORDS, RUN, write_old_lake

Start = Callable[..., Awaitable[Emulator]]
GENERIC = "specific_data.data."


@pytest.fixture
def old(lab: Lab) -> Lab:
    write_old_lake(lab.lake)
    return lab


def said(lab: Lab, *words: str) -> Any:  # noqa: ANN401  whatever a command prints
    result = CliRunner().invoke(main, [*words, "--lake", str(lab.lake), "--output", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_old_lake_is_read(old: Lab) -> None:
    """Rows, records, verdicts, views and evidence: by Python, in SQL, from the command line."""
    lake = axsync.open(old.lake)
    devices = lake.table("devices")
    (snapshot,) = lake.snapshots()
    query = "SELECT instance, count(hostname) AS named FROM devices_history JOIN lanes USING (entity, instance, dt)"

    assert (snapshot.run_id, snapshot.verdict, snapshot.lanes) == (RUN, "complete", 2)
    assert sorted(map(str, devices.to_arrow()["hostname"].to_pylist())) == ["['h1']", "['h2']", "['h3']"]
    assert sorted(devices.restore(), key=lambda one: str(one["internal_axon_id"])) == RECORDS
    assert said(old, "sql", f"{query} WHERE dt = '{DAY}' GROUP BY ALL ORDER BY ALL") == [
        {"instance": "amer", "named": 1},
        {"instance": "emea", "named": 2},
    ]
    assert said(old, "show", "latest")["lanes"][0]["columns"].keys() == LANES["emea"].keys()
    assert said(old, "verify")  # and ends with 0: every hash is right
    refused = CliRunner().invoke(main, ["schema", "show", "devices", "--lake", str(old.lake)])
    assert (refused.exit_code, "the next run makes it" in refused.output) == (2, True)


async def test_an_old_lake_goes_on(old: Lab, start: Start) -> None:
    """Names and types of the first instance stay, for both; the registry is there, and made anew it is the same."""
    emulators = [await start(sizes={"devices": 3}) for _ in LANES]
    instances = [old.instance(one, name) for one, name in zip(emulators, LANES, strict=True)]
    ran = await old.run(old.settings(*instances, entities=("devices",), logical_date="2026-11-02"))
    fields = {
        instance: {c["field"]: name for name, c in old.lane("devices", instance)["columns"].items()}
        for instance in LANES
    }
    registry = said(old, "schema", "show", "devices")

    assert set(ran.verdicts().values()) == {"complete"}
    assert fields["emea"][f"{GENERIC}id"] == fields["amer"][f"{GENERIC}id"] == "id"
    assert axsync.open(old.lake).table("devices", history=True).to_arrow().num_rows == 3 + 6
    assert said(old, "schema", "rebuild")["columns"] == {"devices": len(registry["devices"])}
    assert said(old, "schema", "show", "devices") == registry


async def test_the_rows_of_an_old_lake_are_taken_for_those_that_are_asked_for(old: Lab, start: Start) -> None:
    """0.1.0 did not write down its query: no notice, `diff` compares, and `history` sees what went."""
    instance = old.instance(await start(sizes={"devices": 3}), "emea")
    wish = EntitySettings(query='("specific_data.data.id" != "none")')
    types = {"devices": wish}
    await old.run(old.settings(instance, types=types, entities=("devices",), logical_date="2026-11-02"))
    compared = said(old, "diff", RUN, "latest", "devices")
    (followed,) = said(old, "history", "devices", "0" * 31 + "1")

    assert not [told for told in old.lane("devices", "emea")["notices"] if "query" in told]
    assert (compared["not_comparable"], [lane["removed"] for lane in compared["lanes"]]) == ([], [0, 2])
    assert [step["change"] for step in followed["changes"]] == ["added", "removed"]
