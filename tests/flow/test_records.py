"""What comes back out of the lake is the very record that the server sent."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator
from axsync.emulator.options import DEFAULT_SIZES
from axsync.settings import EntitySettings
from tests.flow.harness import Lab, Ran, fields_asked, restored, served

Start = Callable[..., Awaitable[Emulator]]

TYPES = (
    "devices",
    "users",
    "vulnerabilities",
    "vulnerability_instances",
    "software",
    "networks",
    "incidents",
    "certificates",
    "groups",
    "tickets",
)
PROFILES = ("p6164", "p6167", "p70", "p90", "v1")


async def copied(lab: Lab, emulator: Emulator, entity: EntitySettings) -> Ran:
    return await lab.run(lab.settings(lab.instance(emulator, page_size=100), types={"default": entity}))


def differing(lab: Lab, emulator: Emulator) -> list[tuple[str, str]]:
    """Type and id of records that do not come back as they were served."""
    found = []
    for entity in emulator.fleets:
        here, there = restored(lab, entity), served(emulator, entity, fields_asked(emulator.log, entity))
        found += [(entity, name) for name in here.keys() | there.keys() if here.get(name) != there.get(name)]
    return found


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_row_gives_back_its_record(lab: Lab, start: Start, profile: str) -> None:
    """Exact JSON equality, whether or not the values fit the types that were announced."""
    emulator = await start(profile, dict.fromkeys(TYPES, 70) | {"devices": 200}, drift_percent=10.0)
    ran = await copied(lab, emulator, EntitySettings(fields="full"))

    assert ran.report.verdict == "complete"
    assert differing(lab, emulator) == []


@pytest.mark.slow
@pytest.mark.parametrize("drift", [0.0, 10.0, 100.0])
@pytest.mark.parametrize("profile", PROFILES)
async def test_hundreds_of_rows_of_every_type_give_back_their_records(
    lab: Lab, start: Start, profile: str, drift: float
) -> None:
    """The same for all types and more rows than there are sample records."""
    emulator = await start(profile, dict.fromkeys(DEFAULT_SIZES, 400), drift_percent=drift)
    await copied(lab, emulator, EntitySettings(fields="full"))

    assert differing(lab, emulator) == []


@pytest.mark.parametrize("profile", ["p6167", "v1"])
async def test_drifting_values_are_counted(lab: Lab, start: Start, profile: str) -> None:
    """With drift some values are in the rescue column, and the manifest says how many."""
    emulator = await start(profile, {"devices": 250}, drift_percent=10.0)
    await copied(lab, emulator, EntitySettings(fields="full"))

    assert lab.lane("devices")["rescued_values"] > 0
    assert any(row["axsync_rescued"] for row in lab.rows("devices"))


@pytest.mark.parametrize("profile", PROFILES)
async def test_calm_values_are_all_typed(lab: Lab, start: Start, profile: str) -> None:
    """Without drift nothing is rescued, and all records come back as well."""
    emulator = await start(profile, dict.fromkeys(TYPES, 70) | {"devices": 120})
    ran = await copied(lab, emulator, EntitySettings(fields="full"))

    assert ran.report.verdict == "complete"
    assert differing(lab, emulator) == []
    assert {entity: lab.lane(entity)["rescued_values"] for entity in TYPES} == dict.fromkeys(TYPES, 0)


@pytest.mark.parametrize("drift", [pytest.param(0.0, marks=pytest.mark.slow), 10.0])
@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_the_raw_tree_comes_back(lab: Lab, start: Start, profile: str, drift: float) -> None:
    """The per-adapter tree is kept as it is."""
    emulator = await start(profile, {"devices": 80, "users": 40}, drift_percent=drift)
    await copied(lab, emulator, EntitySettings(fields="raw"))

    assert differing(lab, emulator) == []


async def test_iso_dates_come_back_as_written(lab: Lab, start: Start) -> None:
    """A server that writes ISO dates gets them back in its own form."""
    emulator = await start("p90", {"devices": 250}, iso_dates=True, drift_percent=10.0)
    await copied(lab, emulator, EntitySettings(fields="full"))

    assert differing(lab, emulator) == []


async def test_a_short_key_that_two_fields_share_is_told(lab: Lab, start: Start) -> None:
    """Where one key stands for two fields, one of them is left out and a notice names it."""
    emulator = await start("p6167", {"devices": 60}, twin_labels=True)
    await copied(lab, emulator, EntitySettings(fields="full"))

    assert any("labels has the same short name" in text for text in lab.lane("devices")["notices"])
