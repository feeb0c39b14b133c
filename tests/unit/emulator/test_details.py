"""Details: what each adapter says, aligned with `adapters`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from axsync.emulator.fields import AGGREGATED

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Client, Start

HOSTNAME, NICS, SEEN = f"{AGGREGATED}hostname", f"{AGGREGATED}network_interfaces", f"{AGGREGATED}fetch_time"
SITE, AGENT = "adapters_data.gui.custom_site", "adapters_data.acme_edr_adapter.agent_uuid"
CHOSEN, MACS = f"{AGGREGATED}hostname_preferred", f"{NICS}.mac_preferred"
FIELDS = [HOSTNAME, NICS, f"{NICS}.mac", SEEN, SITE, AGENT, CHOSEN, MACS, "specific_data"]


async def served(client: Client, fields: list[str], **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.page("devices", fields=fields, include_details=True, **more)).json[
        "assets"
    ]
    return found


def said(row: dict[str, Any], name: str) -> list[Any]:
    """What the entities of specific_data say of a field, in their order; None where they say nothing."""
    return [entity["data"].get(name) for entity in row["specific_data"]]


async def test_details_are_what_each_entity_says_itself(start: Start) -> None:
    """Aligned with adapters, null where one says nothing; texts, dates, tables and their members."""
    rows = await served(await start(), FIELDS)

    assert any(None in row[f"{HOSTNAME}_details"] for row in rows if HOSTNAME in row)
    for row in rows:
        assert [entity["plugin_name"] for entity in row["specific_data"]] == row["adapters"]
        for name in (HOSTNAME, NICS, SEEN):
            if name in row:
                assert row[f"{name}_details"] == said(row, name.removeprefix(AGGREGATED))
        if f"{NICS}.mac" in row:
            tables = said(row, "network_interfaces")
            macs = [[nic["mac"] for nic in nics or () if "mac" in nic] or None for nics in tables]
            assert row[f"{NICS}.mac_details"] == macs


async def test_an_adapters_own_field_has_details_at_its_place(start: Start) -> None:
    """Also the tenant's own ones: null for all other adapters."""
    rows = await served(await start(), FIELDS)

    for name, adapter in ((SITE, "gui"), (AGENT, "acme_edr_adapter")):
        assert any(name in row for row in rows)
        for row in rows:
            if name in row:
                details = row[f"{name}_details"]
                assert len(details) == len(row["adapters"])
                assert row[name] in details
                places = [at for at, value in enumerate(details) if value is not None]
                assert {row["adapters"][at] for at in places} == {adapter}


async def test_details_of_what_was_picked_are_not_aligned(start: Start) -> None:
    """They hold the one value."""
    rows = await served(await start(), FIELDS)

    for name in (CHOSEN, MACS):
        assert any(len(row["adapters"]) > 1 for row in rows if name in row)
        assert all(row[f"{name}_details"] == [row[name]] for row in rows if name in row)


async def test_details_can_be_excluded_one_by_one(start: Start) -> None:
    """So can the fixed keys; an excluded field takes its details along; the id stays."""
    client = await start()
    fixed = ["adapters", "meta_data.client_used", "unique_adapter_names_details"]
    excluded = [f"{HOSTNAME}_details", AGENT, *fixed, "internal_axon_id"]

    rows = await served(client, [HOSTNAME, AGENT, SITE], fields_to_exclude=excluded)
    whole = await served(client, [HOSTNAME, AGENT, SITE])

    keys, before = {key for row in rows for key in row}, {key for row in whole for key in row}
    assert {HOSTNAME, SITE, f"{SITE}_details", "internal_axon_id", "adapters_details"} <= keys
    assert before - keys == {f"{HOSTNAME}_details", AGENT, f"{AGENT}_details", *fixed}


@pytest.mark.parametrize("profile", ["p6167", "p90"])
async def test_details_are_left_out_when_the_request_says_so(start: Start, profile: str) -> None:
    """include_details false."""
    rows = (await (await start(profile=profile)).page("devices", fields=FIELDS)).json["assets"]

    assert not any(key.endswith("_details") or key.startswith("meta_data") for row in rows for key in row)
