"""What is asked for is what comes: queries, days of history, numbers of rows, fields."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

import pytest

from axsync.emulator import Emulator, Mishap
from axsync.emulator.catalogue import catalogue_v2
from axsync.errors import ConfigError
from axsync.events import Notice
from axsync.settings import EntitySettings, Fields
from tests.flow.harness import ONE_WALK_EACH, WALKS, Lab, attributes, fields_asked, pages

Start = Callable[..., Awaitable[Emulator]]

ALWAYS = {"adapters", "adapter_list_length", "labels"}
"""What a server sends unasked, so it is asked for."""

TODAY = date(2026, 11, 20)
OS_TYPE = "specific_data.data.os.type"
LINUX = f'("{OS_TYPE}" == "Linux")'


def having(emulator: Emulator, field: str, value: object) -> list[str]:
    """Ids of the devices whose field holds this value."""
    fleet = emulator.fleets["devices"]
    return sorted(fleet.ids_of.text(n) for n in fleet.numbers() if value in fleet.values(n, field))


def on_day(emulator: Emulator, day: date) -> list[str]:
    fleet = emulator.fleets["devices"]
    return sorted(fleet.ids_of.text(n) for n in fleet.on_day(TODAY, day))


def told(emulator: Emulator, key: str) -> set[object]:
    """What the requests for pages of devices said under a key."""
    return {attributes(seen).get(key) for seen in pages(emulator.log, "devices")}


@pytest.mark.parametrize(("profile", "paging"), ONE_WALK_EACH)
async def test_a_query_selects_the_rows(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """The AQL goes with every page and count, and only its rows come."""
    emulator = await start(profile, {"devices": 200})
    types = {"devices": EntitySettings(query=LINUX)}
    ran = await lab.run(lab.settings(lab.instance(emulator, paging=paging), types=types))

    assert 0 < ran.outcome("devices").rows < 200
    assert ran.outcome("devices").verdict == "complete"
    assert lab.ids("devices") == having(emulator, OS_TYPE, "Linux")


@pytest.mark.parametrize(("profile", "paging"), ONE_WALK_EACH)
async def test_a_saved_query_selects_the_rows(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """Its name is enough: its id is looked up, or its AQL where the server takes neither."""
    emulator = await start(profile, {"devices": 200})
    types = {"devices": EntitySettings(saved_query="Linux machines")}
    await lab.run(lab.settings(lab.instance(emulator, paging=paging), types=types))

    query = next(q for q in emulator.instance.queries if q.name == "Linux machines")
    word = {"filter": LINUX} if profile == "v1" else {"saved_query_id": query.id}
    assert all(told(emulator, key) == {value} for key, value in word.items())
    assert lab.ids("devices") == having(emulator, OS_TYPE, "Linux")


async def test_a_saved_query_far_down_the_list_is_found(lab: Lab, start: Start) -> None:
    """v1 serves its saved queries in pages, shorter than asked for."""
    emulator = await start("v1", {"devices": 200})
    types = {"devices": EntitySettings(saved_query="Site report 20")}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types))

    assert ran.outcome("devices").verdict == "complete"
    assert told(emulator, "filter") == {'("specific_data.data.os.major" == 20)'}


@pytest.mark.parametrize("profile", ["p6164", "p70", "p90", "v1"])
async def test_a_saved_query_that_is_not_there_is_refused(lab: Lab, start: Start, profile: str) -> None:
    """Everything, in place of a selection, would be a lie; the nearest of that type is named, nothing is written."""
    emulator = await start(profile)
    types = {"devices": EntitySettings(saved_query="Linux machine")}
    with pytest.raises(ConfigError, match="no saved query 'Linux machine' for devices; did you mean 'Linux machines'"):
        await lab.run(lab.settings(lab.instance(emulator), types=types))

    assert pages(emulator.log) == []
    assert not lab.lake.exists()


@pytest.mark.parametrize("profile", ["p6164", "p70", "p90"])
async def test_a_saved_query_that_cannot_be_looked_up_and_is_not_there_fails_its_lane(
    lab: Lab, start: Start, profile: str
) -> None:
    """The server refuses the name; the other type is published."""
    emulator = await start(profile, mishaps=(Mishap("403", on="queries"),))
    types = {"devices": EntitySettings(saved_query="Nothing of that name")}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types))

    assert ran.verdicts() == {"prod/devices": "failed", "prod/users": "complete"}
    assert "Nothing of that name" in str(ran.outcome("devices").reason)


@pytest.mark.parametrize(("profile", "paging"), ONE_WALK_EACH)
async def test_a_day_of_history_is_copied(lab: Lab, start: Start, profile: str, paging: str) -> None:
    """The rows are those of that day, and each request says so in its generation's words. Days are listed once."""
    emulator = await start(profile, {"devices": 200, "users": 5}, today=TODAY)
    day = TODAY - timedelta(days=3)
    ran = await lab.run(lab.settings(lab.instance(emulator, paging=paging), as_of=day.isoformat()))

    assert ran.outcome("devices").verdict == "complete"
    assert told(emulator, "history") == {f"{day}T00:02:11" if profile == "v1" else str(day)}
    assert lab.ids("devices") == on_day(emulator, day)
    assert len(lab.ids("devices")) < 200
    assert len([seen for seen in emulator.log if seen.path.endswith("/get_allowed_dates")]) == 1


@pytest.mark.parametrize("profile", ["p6164", "p70", "p90", "v1"])
async def test_the_latest_day_of_history_is_found(lab: Lab, start: Start, profile: str) -> None:
    """`latest` is the newest day that has a snapshot."""
    emulator = await start(profile, {"devices": 200})
    ran = await lab.run(lab.settings(lab.instance(emulator), as_of="latest"))

    newest = emulator.options.newest_day()
    fleet = emulator.fleets["devices"]
    assert ran.outcome("devices").verdict == "complete"
    assert lab.ids("devices") == sorted(fleet.ids_of.text(n) for n in fleet.on_day(newest, newest))


async def test_a_day_without_a_snapshot_is_skipped(lab: Lab, start: Start) -> None:
    """Where the server lists its days, a missing one is told and nothing is copied in its place."""
    emulator = await start("v1", {"devices": 200}, today=TODAY)
    ran = await lab.run(lab.settings(lab.instance(emulator), as_of=str(TODAY - timedelta(days=2))))

    assert ran.verdicts() == {"prod/devices": "skipped"}
    assert "no history of devices for 2026-11-18" in str(ran.outcome("devices").reason)


@pytest.mark.parametrize("limit", [21, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 19, 20, 50))])
@pytest.mark.parametrize(("profile", "paging"), WALKS)
async def test_a_limit_is_kept_to_the_row(lab: Lab, start: Start, profile: str, paging: str, limit: int) -> None:
    """Exactly so many rows per type, and the verdict says that there is more."""
    emulator = await start(profile, {"devices": 60, "users": 15})
    settings = lab.settings(lab.instance(emulator, paging=paging), limit=limit, entities=("devices", "users"))
    ran = await lab.run(settings)

    assert (len(lab.ids("devices")), len(lab.ids("users"))) == (limit, min(limit, 15))
    assert (ran.outcome("devices").verdict, ran.outcome("devices").reason) == ("partial", f"limited to {limit} rows")


async def test_a_limit_asks_for_no_row_in_vain(lab: Lab, start: Start) -> None:
    """Twenty-five rows are one page of twenty and one of five."""
    emulator = await start(sizes={"devices": 100})
    await lab.run(lab.settings(lab.instance(emulator), limit=25))

    assert sorted(attributes(seen)["page"]["limit"] for seen in pages(emulator.log)) == [5, 20]


async def test_a_limit_beyond_the_rows_is_no_cut(lab: Lab, start: Start) -> None:
    """All there is, and complete."""
    emulator = await start()
    ran = await lab.run(lab.settings(lab.instance(emulator), limit=1000))

    assert ran.report.verdict == "complete"


async def listed(lab: Lab, emulator: Emulator, fields: Fields) -> list[str]:
    types = {"devices": EntitySettings(fields=fields)}
    await lab.run(lab.settings(lab.instance(emulator), types=types, entities=("devices",)))
    return fields_asked(emulator.log, "devices")


def catalogue(emulator: Emulator) -> Sequence[str]:
    family = emulator.instance.models["devices"]
    lines = catalogue_v2(family, roots_only=True, search="", formats=True)
    return [line["name"] for listed in lines.values() for line in listed]


@pytest.mark.parametrize("profile", ["p6164", "p6167", "p90", "v1"])
async def test_generic_means_no_adapter(lab: Lab, start: Start, profile: str) -> None:
    """Aggregated fields and the tenant's own ones."""
    asked = await listed(lab, await start(profile), "generic")

    assert OS_TYPE in asked
    assert "adapters_data.gui.custom_business_unit" in asked
    assert not any(name.startswith("adapters_data.") and not name.startswith("adapters_data.gui.") for name in asked)


@pytest.mark.parametrize("profile", ["p6164", "p6167", "p90", "v1"])
async def test_full_means_all_that_is_listed(lab: Lab, start: Start, profile: str) -> None:
    """Fields of adapters, too; the raw tree only on its own wish."""
    emulator = await start(profile)
    asked = await listed(lab, emulator, "full")

    assert set(catalogue(emulator)) - {"specific_data"} <= set(asked)
    assert "specific_data" not in asked


async def test_raw_means_the_tree(lab: Lab, start: Start) -> None:
    """One JSON column for all adapters."""
    asked = await listed(lab, await start(), "raw")

    assert "specific_data" in asked
    assert lab.lane("devices")["columns"]["specific_data"]["field"] == "specific_data"


@pytest.mark.parametrize("profile", ["p6164", "p6167", "p90", "v1"])
async def test_fields_by_name_and_glob(lab: Lab, start: Start, profile: str) -> None:
    """Full names, names without the generic prefix and globs; what is served anyway; each in a column."""
    wish = ("hostname", "specific_data.data.os.*", "adapters_data.*.region")
    asked = await listed(lab, await start(profile), wish)

    assert asked[0] == "internal_axon_id"
    assert {"specific_data.data.hostname", OS_TYPE} <= set(asked)
    others = set(asked) - {"specific_data.data.hostname", "internal_axon_id"} - ALWAYS
    assert all(name.startswith("specific_data.data.os.") or name.endswith(".region") for name in others)
    columns = {column["field"] for column in lab.lane("devices")["columns"].values()}
    assert set(asked) <= columns


async def test_a_glob_that_matches_nothing_is_told(lab: Lab, start: Start) -> None:
    """A notice names it; the rest is copied."""
    emulator = await start(sizes={"devices": 30})
    types = {"devices": EntitySettings(fields=("hostname", "hostnaem*"))}
    ran = await lab.run(lab.settings(lab.instance(emulator), types=types))

    assert any("'hostnaem*'" in notice.text for notice in ran.of(Notice))
    assert ran.report.verdict == "complete"


async def test_a_type_has_its_own_page_size(lab: Lab, start: Start) -> None:
    """What is said about a type goes before what is said about its instance."""
    emulator = await start()
    await lab.run(lab.settings(lab.instance(emulator, page_size=45), types={"devices": EntitySettings(page_size=30)}))

    assert {attributes(seen)["page"]["limit"] for seen in pages(emulator.log, "devices")} == {30}
    assert {attributes(seen)["page"]["limit"] for seen in pages(emulator.log, "users")} == {45}
