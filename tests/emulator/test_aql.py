"""The understood part of AQL, and the refusal of the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, Start


OS = "specific_data.data.os.type"


async def matching(client: Client, query: str) -> list[dict[str, Any]]:
    answer = await client.page(
        "devices", limit=2000, query=query, fields=[OS, "labels", "specific_data.data.description"]
    )
    assert answer.status == 200, answer.body
    return list(answer.json["assets"])


@pytest.mark.parametrize(
    "query",
    [
        f'("{OS}" == "Linux")',
        f'(("{OS}" == "Linux"))',
        f'{OS} == "Linux"',
        f'("{OS}" in ["Linux", "Plan 9"])',
        f'("{OS}" == regex("^lin", "i"))',
        f'not (not ("{OS}" == "Linux"))',
        f'("{OS}" == "Linux") and not ("{OS}" == "BeOS")',
    ],
)
async def test_forms_of_one_condition_agree(start: Start, query: str) -> None:
    """Any element of the list may match."""
    client = await start()

    rows = await matching(client, query)

    assert 0 < len(rows) < 250
    assert all("Linux" in row[OS] for row in rows)


async def test_condition_and_its_negation_share_out_the_rows(start: Start) -> None:
    """`not` also takes rows without the field."""
    client = await start()
    some = f'("{OS}" == "Linux")'

    assert len(await matching(client, some)) + len(await matching(client, f"not {some}")) == 250
    assert len(await matching(client, f"{some} or not {some}")) == 250


async def test_ids_can_be_asked_for(start: Start) -> None:
    """Those that exist come back, strangers do not."""
    client = await start()
    ids = client.emulator.datasets["devices"].ids()[10:13]

    rows = await matching(client, f'("internal_axon_id" in {json.dumps([*ids, "0" * 32, "x"])})')

    assert [row["internal_axon_id"] for row in rows] == ids


async def test_id_prefixes_shard_the_rows(start: Start) -> None:
    """Sixteen prefixes and a rest, also with ids beyond hex."""
    client = await start(odd_ids=True)
    shards = [f'("internal_axon_id" == regex("^{digit:x}"))' for digit in range(16)]
    rest = 'not ("internal_axon_id" == regex("^[0-9a-f]"))'

    counts = [(await client.count("devices", query=query)).json["value"] for query in [*shards, rest]]

    assert sum(counts) == 250
    assert counts[-1] > 0


async def test_existence_of_a_field(start: Start) -> None:
    """The form that the official client sends."""
    client = await start()

    rows = await matching(client, '("specific_data.data.description" == ({"$exists":true,"$ne":""}))')

    assert 0 < len(rows) < 250
    assert all("specific_data.data.description" in row for row in rows)


async def test_saved_queries_by_name_id_and_reference(start: Start) -> None:
    """All three mean the same."""
    client = await start()
    saved = (await client.get("/api/v2/queries")).json["queries"][1]

    counts = [
        (await client.count("devices", saved_query_name=saved["name"])).json["value"],
        (await client.count("devices", saved_query_id=saved["uuid"])).json["value"],
        (await client.count("devices", query=f"({{{{QueryID={saved['uuid']}}}}})")).json["value"],
        (await client.count("devices", query=saved["view"]["query"]["filter"])).json["value"],
    ]

    assert len(set(counts)) == 1
    assert (await client.count("devices", saved_query_name="no such")).status == 400
    assert (await client.count("devices", saved_query_name="All devices", query="")).status == 400


@pytest.mark.parametrize("query", ["", None])
async def test_no_query_means_all(start: Start, query: str | None) -> None:
    """Also an empty one."""
    client = await start()
    body = {} if query is None else {"query": query}

    assert (await client.count("devices", **body)).json == {"value": 250}


@pytest.mark.parametrize(
    "query",
    [
        "(",
        "nonsense",
        '("a" == )',
        '("a" >= date("NOW - 3d"))',
        '("a" == "b") xor ("c" == "d")',
        '"a" in "b"',
        '("a" == regex("("))',
        "select * from devices",
        '("a" == "b"))',
        "{{AssetScopeID=1}}",
    ],
)
async def test_anything_else_is_a_400(start: Start, query: str) -> None:
    """The body says where reading stopped."""
    client = await start()

    answer = await client.count("devices", query=query)

    assert answer.status == 400
    assert answer.refusal.startswith("AQL error")
