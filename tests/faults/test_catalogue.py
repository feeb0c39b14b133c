"""A field catalogue that cannot be read, or lists nothing: columns are filled all the same, or nothing is published."""

import json
from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Mishap
from axsync.emulator.faults import from_spec
from axsync.settings import EntitySettings
from tests.faults.proof import ID, Tapped, assert_nothing_lost, code, told
from tests.flow.harness import Lab, Ran

Start = Callable[..., Awaitable[Tapped]]

FAILING = ["403:on=fields", "404:on=fields", "500:on=fields", "other-body:on=fields,body={}"]
PROFILES = ["p70", "v1"]


async def night(lab: Lab, emulator: Tapped, day: str, entity: EntitySettings | None = None) -> Ran:
    """A run of one day; few tries, as a catalogue that answers 500 will do so again."""
    emulator.sent.clear()
    settings = lab.settings(
        lab.instance(emulator, tries=2), types={"devices": entity or EntitySettings()}, logical_date=day
    )
    return await lab.run(settings)


def failing(spec: str) -> tuple[Mishap, ...]:
    return (from_spec(spec),)


def filled(lab: Lab) -> set[str]:
    """The columns with a value."""
    lane = lab.lane("devices")
    return set(lane["columns"]) - set(lane["empty_columns"])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("spec", FAILING)
async def test_the_fields_of_the_previous_snapshot_are_asked_for(
    lab: Lab, start: Start, profile: str, spec: str
) -> None:
    """The second night has the columns of the first, filled, and says why."""
    emulator = await start(profile, {"devices": 60})
    await night(lab, emulator, "2026-11-23")
    before, columns = filled(lab), lab.lane("devices")["columns"]

    emulator.mishaps[:] = failing(spec)
    ran = await night(lab, emulator, "2026-11-24")

    assert told(ran) == ("complete", 0)
    assert filled(lab) == before
    assert {n: c["type"] for n, c in lab.lane("devices")["columns"].items()} == {
        n: c["type"] for n, c in columns.items()
    }
    assert any("the fields of the previous snapshot are requested" in text for text in lab.lane("devices")["notices"])
    assert_nothing_lost(lab, emulator, "devices")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("spec", FAILING)
async def test_whole_records_are_copied_where_there_is_no_previous_snapshot(
    lab: Lab, start: Start, profile: str, spec: str
) -> None:
    """The first night has each record's tree as JSON, and says why."""
    emulator = await start(profile, {"devices": 30}, mishaps=failing(spec))

    ran = await night(lab, emulator, "2026-11-23")

    assert told(ran) == ("complete", 0)
    assert all(row["specific_data"] for row in lab.rows("devices"))
    assert any("whole records are copied" in text for text in lab.lane("devices")["notices"])
    assert_nothing_lost(lab, emulator, "devices")


async def test_whole_records_are_copied_night_after_night(lab: Lab, start: Start) -> None:
    """A snapshot of whole records names no fields that could be asked for, whatever else a record holds."""
    emulator = await start("p90", {"devices": 30, "users": 30}, mishaps=failing(FAILING[0]))
    await night(lab, emulator, "2026-11-23")
    ran = await night(lab, emulator, "2026-11-24")

    assert told(ran) == ("complete", 0)
    for entity in ("devices", "users"):
        assert all(row["specific_data"] for row in lab.rows(entity))
        assert "from_run" not in lab.lane(entity)


async def test_named_fields_are_asked_for_as_they_are(lab: Lab, start: Start) -> None:
    """Names without a glob need no catalogue."""
    emulator = await start("p70", {"devices": 30}, mishaps=failing(FAILING[0]))

    ran = await night(lab, emulator, "2026-11-23", EntitySettings(fields=("name", "last_seen", "labels")))

    assert told(ran) == ("complete", 0)
    assert {"name", "last_seen", "labels"} <= filled(lab)


async def test_ids_alone_are_not_published(lab: Lab, start: Start) -> None:
    """A server without whole records and without a catalogue: the type fails, with a word on why."""
    emulator = await start("p6164", {"devices": 30}, mishaps=failing(FAILING[0]))

    ran = await night(lab, emulator, "2026-11-23")

    assert told(ran) == ("failed", 1)
    assert "only ids are served" in str(ran.report.errors[0])
    assert lab.published() == []


async def test_columns_that_turned_empty_hold_a_type_back(lab: Lab, start: Start) -> None:
    """A role that lost its rights on fields: rows come without values, and the files of before stay."""
    emulator = await start("p70", {"devices": 40})
    await night(lab, emulator, "2026-11-23")
    before = lab.published()

    emulator.mishaps[:] = [Mishap("raw", field=name, value="null", share=1.0) for name in values_of(emulator)]
    ran = await night(lab, emulator, "2026-11-24")

    assert code(ran) == 5
    assert lab.published() == before
    assert any(
        "that had values in the previous snapshot and are empty now" in text for text in ran.outcome("devices").notices
    )


async def test_a_few_columns_that_turned_empty_are_told(lab: Lab, start: Start) -> None:
    """Less than half of them: published, with a notice that names them."""
    emulator = await start("p70", {"devices": 40})
    await night(lab, emulator, "2026-11-23")

    emulator.mishaps[:] = [Mishap("raw", field="specific_data.data.name", value="null", share=1.0)]
    ran = await night(lab, emulator, "2026-11-24")

    assert told(ran) == ("complete", 0)
    assert "name" in lab.lane("devices")["empty_columns"]
    assert (
        "columns that had values in the previous snapshot and are empty now (1): name" in lab.lane("devices")["notices"]
    )


def values_of(emulator: Tapped) -> list[str]:
    """The names of all fields that devices were served with, but for the id."""
    names: dict[str, None] = {}
    for raw in emulator.records("devices"):
        names |= dict.fromkeys(name for name in map(str, json.loads(raw)) if name != ID)
    return list(names)
