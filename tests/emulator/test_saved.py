"""Saved queries with their columns, and the asset types of newer versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Answer, Client, Start

BASE = {"internal_axon_id", "adapters", "adapter_list_length", "labels"}
NEWER = [
    *("findings", "processes", "applications", "cloud_security_exposures", "repository_vulnerabilities", "rules"),
    *("clusters", "audits", "compliance_findings", "contracts", "iot", "iomt", "ot", "network_inspectors"),
    "latest_devices",
]


async def ask(client: Client, **body: Any) -> Answer:
    whole = {"page": {"offset": 0, "limit": 200}, "include_details": False, **body}
    return await client.send("POST", "/api/v2/assets/devices", whole)


async def queries(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := (await client.get(f"/api/v2/queries?offset={len(found)}&limit=1000")).json["queries"]:
        found += page
    return found


def keys(answer: Answer) -> set[str]:
    return {key for row in answer.json["assets"] for key in row}


@pytest.mark.parametrize("by", ["id", "name"])
async def test_a_saved_query_serves_its_own_columns(start: Start, by: str) -> None:
    """When no fields are sent; by id and by name; with fields, those are served."""
    client = await start(profile="p90")
    linux = next(row for row in await queries(client) if row["name"] == "Linux machines")
    chosen = {f"saved_query_{by}": linux[by]}

    own = await ask(client, **chosen)
    other = await ask(client, **chosen, fields=["specific_data.data.domain"])
    fewer = await ask(client, **chosen, fields_to_exclude=["specific_data.data.hostname"])

    assert keys(own) == {*BASE, *linux["fields"]}
    assert "specific_data.data.network_interfaces.ips_preferred" in linux["fields"]
    assert keys(other) == {*BASE, "specific_data.data.domain"}
    assert keys(fewer) == keys(own) - {"specific_data.data.hostname"}
    assert len(own.json["assets"]) == len(other.json["assets"]) < 200


async def test_without_fields_and_without_a_saved_query_only_ids_come(start: Start) -> None:
    """Also with a query in AQL."""
    assert keys(await ask(await start(), query='("labels" == "tier1")')) == {"internal_axon_id", "adapters"}


@pytest.mark.parametrize("body", [{"saved_query_id": "Linux machines"}, {"saved_query_name": "no such"}])
async def test_a_saved_query_that_does_not_exist_is_a_400(start: Start, body: dict[str, str]) -> None:
    """An id is no name."""
    answer = await ask(await start(), **body)

    assert answer.status == 400
    assert next(iter(body.values())) in answer.refusal


@pytest.mark.parametrize("profile", ["p70", "p90"])
async def test_one_saved_query_is_what_the_list_says(start: Start, profile: str) -> None:
    """GET /queries/{id}; a stranger is a 404."""
    client = await start(profile=profile)
    rows = await queries(client)
    first = rows[0]

    assert (await client.get(f"/api/v2/queries/{first.get('id') or first['uuid']}")).json == first
    assert (await client.get("/api/v2/queries/nobody")).status == 404
    assert len({str(row.get("fields") or row["view"]["fields"]) for row in rows[:10]}) == 10


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_columns_of_saved_queries_are_served(start: Start, profile: str) -> None:
    """Every column of every query with a meaning is filled in some row."""
    client = await start(profile=profile, sizes={"devices": 500, "users": 200, "vulnerabilities": 200})

    for query in client.emulator.instance.queries[:10]:
        dataset = client.emulator.datasets[query.entity]
        served = b"".join(dataset.record(position, query.fields) for position in range(200))
        assert all(f'"{name}"'.encode() in served for name in query.fields), query.name


async def test_types_have_titles_in_p90(start: Start) -> None:
    """Where the slug does not tell what people look for; the others are strings or objects as before."""
    types = (await (await start(profile="p90")).get("/api/v2/assets/asset_types")).json["asset_types"]

    assert {"name": "vulnerability_instances", "title": "Security Findings"} in types
    assert {"name": "vulnerabilities", "title": "Aggregated Security Findings"} in types
    assert {"name": "devices", "title": "Devices"} in types
    assert "users" in types


@pytest.mark.parametrize("profile", ["p90", "v1"])
async def test_the_types_of_newer_versions_can_be_offered(start: Start, profile: str) -> None:
    """By size alone: each has a catalogue, a count and rows."""
    client = await start(profile=profile, types=tuple(NEWER), sizes=dict.fromkeys(NEWER, 12), count_nulls=0)

    for entity in NEWER:
        if profile == "v1":
            rows = (await client.page_v1(entity)).json["data"]
            fields = (await client.get(f"/api/{entity}/fields")).json["meta"]["generic"]
        else:
            rows = (await client.page(entity)).json["assets"]
            fields = (await client.get(f"/api/v2/assets/{entity}/fields")).json["generic"]
        assert len(rows) == 12
        assert len(fields) > 10


@pytest.mark.parametrize(
    ("entity", "name", "form"),
    [("findings", "sla.due_date", "due-date"), ("tickets", "vendor", "ticket-vendor")],
)
async def test_newer_formats_are_in_the_catalogue(start: Start, entity: str, name: str, form: str) -> None:
    """Both are strings with a format, and are served."""
    client = await start(profile="p90", sizes={entity: 100})
    full = f"specific_data.data.{name}"

    fields = (await client.get(f"/api/v2/assets/{entity}/fields")).json["generic"]
    rows = (await client.page(entity, fields=[full])).json["assets"]

    assert [(line["type"], line["format"]) for line in fields if line["name"] == full] == [("string", form)]
    assert any(full in row for row in rows)
