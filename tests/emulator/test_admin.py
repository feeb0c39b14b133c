"""What administrators see beside assets: adapters, connections, fetches, activities, operators, saved queries."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from axsync.emulator import Fault
from axsync.emulator.admin_rows import ACTIVITIES, FETCHES, SECRETS

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, Start

SECRET_KEYS = ("connection_config", "connection_adapter_config", "connection_advanced_config")


async def fetched(client: Client, **body: Any) -> list[dict[str, Any]]:
    answer = await client.send("POST", "/api/v2/adapters/fetch_history", body)
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.json["history"]
    return rows


async def test_adapters_count_their_connections(start: Start) -> None:
    """A few dozen adapters; the idle ones have an empty status and no connection."""
    client = await start()

    full = (await client.get("/api/v2/adapters")).json["adapters"]
    bare = (await client.get("/api/v2/adapters?include_connection_details=false")).json["adapters"]

    assert 24 < len(full) < 60
    assert {row["status"] for row in full} == {"", "success", "warning"}
    for row in full:
        assert row["connections_count"]["total_count"] == len(row["connections"])
        assert (row["status"] == "") == (not row["connections"])
    assert not any("connections" in row for row in bare)


async def test_connections_of_an_adapter_are_those_that_the_list_shows(start: Start) -> None:
    """Each by id as well; strangers are a 404."""
    client = await start()
    adapter = next(row for row in (await client.get("/api/v2/adapters")).json["adapters"] if row["connections"])
    base = f"/api/v2/adapters/{adapter['id']}/connections"

    rows = (await client.get(base)).json["connections"]

    assert rows == adapter["connections"]
    assert (await client.get(f"{base}/{rows[0]['connection_id']}")).json == rows[0]
    assert (await client.get(f"{base}/nobody")).status == 404
    assert (await client.get("/api/v2/adapters/nobody_adapter/connections")).status == 404


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_every_connection_carries_secrets_in_its_configuration(start: Start, profile: str) -> None:
    """And nowhere else, so that a client which leaves these keys out stores none of them."""
    client = await start(profile=profile)
    if profile == "v1":
        nodes = (await client.get("/api/adapters?get_clients=true")).json["data"]
        rows = [row for node in nodes for row in node["attributes"]["adapters_data"][0]["clients"]]
        keys: tuple[str, ...] = (*SECRET_KEYS, "client_config")
    else:
        adapters = (await client.get("/api/v2/adapters")).json["adapters"]
        rows, keys = [row for adapter in adapters for row in adapter["connections"]], SECRET_KEYS

    assert len(rows) > 20
    for row in rows:
        told = json.dumps({key: row[key] for key in keys}, ensure_ascii=False)
        rest = json.dumps({key: value for key, value in row.items() if key not in keys}, ensure_ascii=False)
        assert all(secret in told for secret in SECRETS)
        assert not any(secret in rest for secret in SECRETS)


async def test_fetch_history_is_paged_and_newest_first(start: Start) -> None:
    """Some hundreds of rows, each once; the other order on request."""
    client = await start()
    pages = [await fetched(client, page={"offset": offset, "limit": 150}) for offset in (0, 150, 300, 450)]
    rows = [row for page in pages for row in page]
    oldest = await fetched(client, sort="last_fetch_time", page={"limit": 1})

    times = [parsedate_to_datetime(row["last_fetch_time"]) for row in rows]
    assert [len(page) for page in pages] == [150, 150, FETCHES - 300, 0]
    assert len({row["id"] for row in rows}) == FETCHES
    assert times == sorted(times, reverse=True)
    assert oldest == [rows[-1]]
    assert len(await fetched(client)) == 100


async def test_fetch_history_can_be_narrowed(start: Start) -> None:
    """To adapters, to statuses, and without real-time fetches; unknown keys are refused."""
    client = await start()
    everything = {"page": {"limit": 2000}}

    narrow = await fetched(client, adapters=["corp_ad_adapter"], statuses=["error"], **everything)
    calm = await fetched(client, exclude_realtime=True, **everything)

    assert narrow
    assert {(row["adapter"]["icon"], row["status"]) for row in narrow} == {("corp_ad_adapter", "error")}
    assert 0 < len(calm) < FETCHES
    assert not any(row["realtime"] for row in calm)
    assert (await client.send("POST", "/api/v2/adapters/fetch_history", {"fields": []})).status == 400


async def test_activities_are_paged_by_number(start: Start) -> None:
    """At most 200 a page, none beyond the end; some rows lack the role."""
    client = await start()
    pages = [(await client.get(f"/api/v2/activity_logs?page={page}&limit=500")).json["logs"] for page in (1, 2, 3, 4)]
    found = (await client.get("/api/v2/activity_logs?search=logged+in")).json

    assert [len(page) for page in pages] == [200, 200, ACTIVITIES - 400, 0]
    assert 0 < found["meta"]["page"]["totalResources"] < ACTIVITIES
    assert {"role" in row for page in pages for row in page} == {True, False}
    assert any(row["user"] == "" for row in pages[0])
    assert (await client.get("/api/v2/activity_logs?page=0")).status == 400


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_operators_who_never_logged_in_have_no_date(start: Start, profile: str) -> None:
    """A few dozen; null in v2, and in v1 left out like everything that is null."""
    client = await start(profile=profile)
    if profile == "v1":
        rows = [row["attributes"] for row in (await client.get("/api/settings/users")).json["data"]]
    else:
        rows = (await client.get("/api/v2/users")).json["users"]

    assert 24 < len(rows) == len({row["uuid"] for row in rows})
    assert {row.get("last_login") is None for row in rows} == {True, False}
    assert any(None in row.values() for row in rows) == (profile != "v1")


async def test_saved_queries_say_in_a_text_who_changed_them(start: Start) -> None:
    """JSON inside a text, or an empty one; predefined may be null."""
    for profile in ("p70", "p90"):
        client = await start(profile=profile)
        rows = [row for at in (0, 10, 20) for row in (await client.get(f"/api/v2/queries?offset={at}")).json["queries"]]
        assert len(rows) == 25
        assert any(row["predefined"] is None for row in rows)
        assert all(json.loads(row["updated_by"] or "{}") is not None for row in rows)
        assert any(row["updated_by"] for row in rows)


async def test_v1_has_the_same_rows_in_envelopes(start: Start) -> None:
    """Fetches by page object, activities and operators by flattened arguments."""
    client = await start(profile="v1", count_nulls=0)
    body = {"data": {"attributes": {"page": {"offset": 300, "limit": 100}, "sort": "-last_fetch_time"}}}

    fetches = (await client.send("POST", "/api/adapters/history", body)).json
    filters = (await client.get("/api/adapters/history/filters")).json["data"]["attributes"]
    audit = (await client.get("/api/settings/audit?page[offset]=400&page[limit]=100")).json
    beyond = (await client.get("/api/settings/audit?page[offset]=500&page[limit]=100")).json
    users = (await client.get("/api/settings/users?page[offset]=30&page[limit]=10")).json
    names = (await client.get("/api/adapters/list")).json["meta"]["adapter_list"]
    nodes = (await client.get("/api/adapters")).json["data"]

    assert len(fetches["data"]) == FETCHES - 300
    assert set(fetches["data"][0]["attributes"]["fetch_events_count"]) == {"info", "warning", "error"}
    assert fetches["data"][0]["attributes"]["status"] in filters["statuses_filter"]
    assert fetches["meta"]["page"]["totalResources"] == FETCHES
    assert len(audit["data"]) == ACTIVITIES - 400
    assert beyond["data"] == []
    assert len(users["data"]) == users["meta"]["page"]["totalResources"] - 30
    assert [row["name"] for row in names] == [row["id"] for row in nodes]
    assert not any(node["attributes"]["adapters_data"][0]["clients"] for node in nodes)


async def test_v1_connections_hang_on_their_adapter(start: Start) -> None:
    """With an envelope each; a stranger is a 404."""
    client = await start(profile="v1")

    answer = (await client.get("/api/adapters/corp_ad_adapter/connections")).json
    labels = (await client.get("/api/adapters/labels")).json["meta"]["labels"]
    rows = answer["data"]
    told = {row["client_id"]: row["label"] for row in labels}

    assert rows
    assert answer["meta"] == {}
    assert all(type(row["attributes"]["failed_connections_limit_exceeded"]) is int for row in rows)
    assert all(row["attributes"]["connection_label"] == told[row["id"]] for row in rows)
    assert all(row["attributes"]["adapter_name"] == "corp_ad_adapter" for row in rows)
    assert all(row["attributes"]["client_id"] == row["id"] for row in rows)
    assert (await client.get("/api/adapters/nobody_adapter/connections")).status == 404


@pytest.mark.parametrize(
    ("profile", "on", "method", "path"),
    [
        ("p70", "adapters", "GET", "/api/v2/adapters"),
        ("p70", "connections", "GET", "/api/v2/adapters/corp_ad_adapter/connections"),
        ("p70", "fetches", "POST", "/api/v2/adapters/fetch_history"),
        ("p70", "activity", "GET", "/api/v2/activity_logs"),
        ("p70", "users", "GET", "/api/v2/users"),
        ("p70", "queries", "GET", "/api/v2/queries"),
        ("v1", "adapters", "GET", "/api/adapters"),
        ("v1", "connections", "GET", "/api/adapters/corp_ad_adapter/connections"),
        ("v1", "fetches", "POST", "/api/adapters/history"),
        ("v1", "activity", "GET", "/api/settings/audit"),
        ("v1", "users", "GET", "/api/settings/users"),
        ("v1", "queries", "GET", "/api/queries/saved"),
    ],
)
async def test_each_can_be_forbidden_by_name(start: Start, profile: str, on: str, method: str, path: str) -> None:
    """A 403 on this path alone; assets are still served."""
    client = await start(profile=profile, faults=(Fault("403", on=on),))
    page = client.page_v1 if profile == "v1" else client.page

    assert (await client.send(method, path, {} if method == "POST" else None)).status == 403
    assert (await page("devices")).status == 200
