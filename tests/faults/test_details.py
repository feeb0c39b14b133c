"""What each adapter says of a field: a list beside the column, in the order of `adapters`."""

from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Mishap
from axsync.errors import ConfigError
from axsync.settings import EntitySettings
from tests.faults.proof import ID, Tapped, told
from tests.flow.harness import Lab, Ran, attributes, pages

Start = Callable[..., Awaitable[Tapped]]

FIELDS = ("name", "last_seen", "os.type", "description", "adapters_data.gui.*")


async def run(lab: Lab, emulator: Tapped, *details: str, fields: tuple[str, ...] | str = FIELDS) -> Ran:
    """A run of devices with these details."""
    devices = EntitySettings(fields=fields, details=details)  # type: ignore[arg-type]  # one of the words
    return await lab.run(lab.settings(lab.instance(emulator), types={"devices": devices}, entities=("devices",)))


@pytest.mark.parametrize("profile", ["p6164", "p6167", "p70", "p90", "v1"])
async def test_details_are_aligned_with_the_adapters(lab: Lab, start: Start, profile: str) -> None:
    """Whether the server can leave out the others or not, short keys or long: only what was asked for has a column."""
    emulator = await start(profile, {"devices": 40})

    ran = await run(lab, emulator, "name", "specific_data.data.description")

    assert told(ran) == ("complete", 0)
    lane = lab.lane("devices")
    assert {n for n in lane["columns"] if n.endswith("_details")} == {"name__details", "description__details"}
    assert lane["columns"]["name__details"]["field"] == "specific_data.data.name_details"
    assert lane["rescued_values"] == 0
    for row in lab.rows("devices"):
        assert len(row["name__details"]) == len(row["adapters"])
        assert set(row["name__details"]) - {None} <= set(row["name"])
    others = [row["description__details"] for row in lab.rows("devices") if row["description"]]
    assert any(None in said for said in others)


async def test_without_details_none_are_asked_for(lab: Lab, start: Start) -> None:
    """They double the answers."""
    emulator = await start("p70", {"devices": 20})

    await run(lab, emulator)

    assert {attributes(seen)["include_details"] for seen in pages(emulator.log, "devices")} == {False}


async def test_details_that_cannot_be_declined_are_not_kept(lab: Lab, start: Start) -> None:
    """A server that refuses the key sends them all by default; a notice says that none is kept."""
    refused = Mishap("unknown-key", key="include_details")
    calm = await start("p70", {"devices": 30})
    await run(lab, calm, fields="generic")
    columns = set(lab.lane("devices")["columns"])

    emulator = await start("p70", {"devices": 30}, mishaps=(refused,))
    fresh = Lab(lab.folder / "fresh")
    fresh.folder.mkdir()
    ran = await run(fresh, emulator, fields="generic")

    assert told(ran) == ("complete", 0)
    lane = fresh.lane("devices")
    assert set(lane["columns"]) == columns
    assert lane["rescued_values"] == 0
    assert any("none is kept" in text for text in lane["notices"])


@pytest.mark.parametrize("fields", [("os.type", "last_seen"), "generic"])
async def test_details_of_a_field_that_is_not_selected_are_refused(
    lab: Lab, start: Start, fields: tuple[str, ...] | str
) -> None:
    """Before a page is asked for, and with the nearest name."""
    emulator = await start("p70", {"devices": 20})

    with pytest.raises(
        ConfigError, match=r"details: 'os\.typ' is not among the selected fields; did you mean 'os\.type'"
    ):
        await run(lab, emulator, "os.typ", fields=fields)

    assert pages(emulator.log, "devices") == []
    assert not lab.lake.exists()


@pytest.mark.parametrize("name", ["", " name", "na'me", "na\tme"])
def test_a_name_that_no_field_has_is_refused(name: str) -> None:
    """At once, in one sentence."""
    with pytest.raises(ConfigError, match="details has a"):
        EntitySettings(details=(name,))


@pytest.mark.parametrize("fields", ["raw", "saved-query"])
def test_details_need_fields(fields: str) -> None:
    """Whole records have them inside already."""
    with pytest.raises(ConfigError, match="cannot be combined"):
        EntitySettings(fields=fields, saved_query="x", details=("name",))  # type: ignore[arg-type]  # one of the words


async def test_details_come_back_in_a_second_night(lab: Lab, start: Start) -> None:
    """The column keeps its name and its kind."""
    emulator = await start("p70", {"devices": 30})
    await run(lab, emulator, "name")
    first = {row[ID]: row["name__details"] for row in lab.rows("devices")}

    await run(lab, emulator, "name")
    second = {row[ID]: row["name__details"] for row in lab.rows("devices")}

    assert first == second
