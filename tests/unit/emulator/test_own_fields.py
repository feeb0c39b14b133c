"""Fields below a complex one that are no members of it, the tenant's own fields, and names that no catalogue has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Answer, Client, Start

NICS, WEAK = "specific_data.data.network_interfaces", "specific_data.data.software_cves"
IPS, MACS, COUNT = f"{NICS}.ips_preferred", f"{NICS}.mac_preferred", "specific_data.data.open_ports.protocol_count"
UNLISTED, LABELS = f"{WEAK}.cve_id_count", "specific_data.connection_label"
CUSTOM = [f"adapters_data.gui.custom_{name}" for name in ("site", "business_unit", "owner")]


async def rows(client: Client, entity: str, fields: list[str]) -> list[dict[str, Any]]:
    if client.emulator.options.profile == "v1":
        return [row["attributes"] for row in (await client.page_v1(entity, fields)).json["data"]]
    found: list[dict[str, Any]] = (await client.page(entity, fields=fields)).json["assets"]
    return found


async def listed(client: Client, entity: str = "devices", search: str = "") -> dict[str, dict[str, Any]]:
    if client.emulator.options.profile == "v1":
        meta = (await client.get(f"/api/{entity}/fields")).json["meta"]
        groups = [meta["generic"], *meta["specific"].values()]
    else:
        groups = list((await client.get(f"/api/v2/assets/{entity}/fields?{search}")).json.values())
    return {line["name"]: line for lines in groups for line in lines}


@pytest.mark.parametrize("profile", ["p6164", "p70", "p90", "v1"])
async def test_preferred_and_count_come_only_when_asked_for_by_name(start: Start, profile: str) -> None:
    """Lists for preferred ones, a whole number for a count; the objects do not have them."""
    client = await start(profile=profile)

    asked = await rows(client, "devices", [NICS, IPS, MACS, COUNT])
    unasked = await rows(client, "devices", [NICS, "specific_data.data.open_ports"])

    assert sum(IPS in row and MACS in row for row in asked) > 80
    for row in asked:
        assert all(isinstance(one, str) for name in (IPS, MACS) for one in row.get(name, []))
        assert isinstance(row.get(IPS, []), list)
        assert type(row.get(COUNT, 0)) is int
        assert set(row.get(IPS, [])) <= {ip for nic in row.get(NICS, []) for ip in nic.get("ips", [])}
        assert not any(key.endswith(("_preferred", "_count")) for nic in row.get(NICS, []) for key in nic)
    assert not any(name in row for row in unasked for name in (IPS, MACS, COUNT, UNLISTED))


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_the_catalogue_lists_them_beside_the_items_of_their_parent(start: Start, profile: str) -> None:
    """As entries, and not among the items; exclude_subfields leaves them out."""
    client = await start(profile=profile)
    lines = await listed(client)

    assert {IPS, MACS, COUNT, f"{NICS}.mac"} <= set(lines)
    assert (lines[IPS]["type"], lines[MACS]["type"], lines[COUNT]["type"]) == ("array", "array", "integer")
    if profile != "p70":
        names = {item["name"] for item in lines[NICS]["items"]["items"]}
        assert "mac" in names
        assert not names & {"ips_preferred", "mac_preferred"}
    if profile != "v1":
        assert not {IPS, MACS, COUNT} & set(await listed(client, search="exclude_subfields=true"))


async def test_true_members_are_marked_as_part_of_their_table_in_p90(start: Start) -> None:
    """Also the one whose name looks alike; fields of their own are not."""
    lines = await listed(await start(profile="p90"))
    member = "specific_data.data.installed_software.preferred_name"

    assert lines[member]["part_of_table"] is True
    assert lines[member]["base_table_name"] == "specific_data.data.installed_software"
    assert not any("part_of_table" in lines[name] for name in (IPS, MACS, COUNT, NICS))
    assert not any("part_of_table" in line for line in (await listed(await start(profile="p70"))).values())


async def test_preferred_name_is_a_member_of_the_objects(start: Start) -> None:
    """Served inside them."""
    table = "specific_data.data.installed_software"

    served = [one for row in await rows(await start(), "devices", [table]) for one in row.get(table, [])]

    assert any("preferred_name" in one for one in served)


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_some_names_are_listed_by_no_catalogue_and_yet_served(start: Start, profile: str) -> None:
    """The computed count of weaknesses, and the labels of connections."""
    client = await start(profile=profile)

    asked = await rows(client, "devices", [WEAK, UNLISTED, LABELS])

    assert not {UNLISTED, LABELS} & set(await listed(client))
    assert any(UNLISTED in row for row in asked)
    for row in asked:
        assert row.get(UNLISTED, 0) == len({one["cve_id"] for one in row.get(WEAK, [])})
    assert all(isinstance(label, str) for row in asked for label in row.get(LABELS, []))
    assert any(LABELS in row for row in await rows(client, "users", [LABELS]))


@pytest.mark.parametrize("entity", ["devices", "users"])
@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_the_tenants_own_fields_are_scalars_under_gui(start: Start, profile: str, entity: str) -> None:
    """Category gui in v2, specific.gui in v1; newer versions call them generic and dynamic."""
    client = await start(profile=profile)
    path = f"/api/{entity}/fields" if profile == "v1" else f"/api/v2/assets/{entity}/fields"
    answer = (await client.get(path)).json
    lines = (answer["meta"]["specific"] if profile == "v1" else answer)["gui"]

    served = await rows(client, entity, CUSTOM)

    assert [line["name"] for line in lines] == CUSTOM
    assert all(line.get("dynamic") is (True if profile == "p90" else None) for line in lines)
    for name in CUSTOM:
        assert any(name in row for row in served)
        assert all(isinstance(row[name], str) for row in served if name in row)


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_unknown_names_are_refused_on_request(start: Start, profile: str) -> None:
    """The 400 names the field; all that is listed, and what is served without being listed, passes."""
    client = await start(profile=profile, unknown_fields="refuse")
    good = [*(await listed(client)), UNLISTED, LABELS, "specific_data"]
    path = "/api/devices" if profile == "v1" else "/api/v2/assets/devices"

    async def ask(names: list[str]) -> Answer:
        inner = {"fields": {"devices": names} if profile == "v1" else names}
        return await client.send("POST", path, {"data": {"attributes": inner}} if profile == "v1" else inner)

    refused = await ask([*good, "specific_data.data.no_such"])

    assert (await ask(good)).status == 200
    assert refused.status == 400
    assert "'specific_data.data.no_such'" in refused.refusal
