"""How the emulated product versions differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Start


V2 = ["p6164", "p6167", "p70", "p90"]
HOSTNAME, AGENT = "specific_data.data.hostname", "adapters_data.acme_edr_adapter.agent_uuid"


@pytest.mark.parametrize("profile", ["p6164", "p70", "p90"])
async def test_keys_echo_the_requested_path(start: Start, profile: str) -> None:
    """Most versions answer with the keys that were asked for."""
    client = await start(profile=profile)

    answer = await client.page("devices", fields=[HOSTNAME, AGENT])

    keys = {key for row in answer.json["assets"] for key in row}
    assert keys == {"internal_axon_id", "adapters", "adapter_list_length", "labels", HOSTNAME, AGENT}


async def test_keys_are_short_in_6167(start: Start) -> None:
    """6.1.67 drops specific_data.data. and the suffix of the adapter."""
    client = await start(profile="p6167")

    answer = await client.page("devices", fields=[HOSTNAME, AGENT])

    keys = {key for row in answer.json["assets"] for key in row}
    assert keys == {"internal_axon_id", "adapters", "adapter_list_length", "labels", "hostname", "acme_edr.agent_uuid"}


async def test_twin_labels_collide_in_6167_only(start: Start) -> None:
    """Labels and specific_data.data.labels share one short key."""
    asked = ["labels", "specific_data.data.labels"]

    short = await (await start(profile="p6167", twin_labels=True)).page("devices", fields=asked)
    full = await (await start(profile="p70", twin_labels=True)).page("devices", fields=asked)

    assert not any("specific_data.data.labels" in row for row in short.json["assets"])
    assert any({"labels", "specific_data.data.labels"} <= set(row) for row in full.json["assets"])


@pytest.mark.parametrize(
    ("profile", "key", "status"),
    [
        ("p6164", "next_page", 400),
        ("p6164", "fields_to_exclude", 400),
        ("p6164", "return_plain_data", 200),
        ("p6167", "next_page", 400),
        ("p70", "return_plain_data", 400),
        ("p70", "fields_to_exclude", 200),
        ("p70", "sort", 400),
        ("p90", "max_rows", 400),
    ],
)
async def test_unknown_keys_are_refused_by_name(start: Start, profile: str, key: str, status: int) -> None:
    """A key that the version does not know is a 400 that names it and the accepted ones."""
    client = await start(profile=profile)
    value: Any = {"fields_to_exclude": [], "return_plain_data": True}.get(key, "x")

    answer = await client.page("devices", **{key: value})

    assert answer.status == status
    if status == 400:
        assert f"got an unexpected keyword argument '{key}'" in answer.refusal
        assert "include_details" in answer.refusal
        assert answer.json["status"] == 400
        assert answer.json["error_id"]


@pytest.mark.parametrize("key", ["number", "size", "cursor"])
async def test_page_takes_offset_and_limit_only(start: Start, key: str) -> None:
    """The names of the answer's meta are not accepted in a request."""
    client = await start()

    answer = await client.page("devices", page={key: 1})

    assert answer.status == 400
    assert f"'{key}'" in answer.refusal


async def test_null_query_passes_in_6164_only(start: Start) -> None:
    """Old versions tolerate null, newer ones do not."""
    old, new = await start(profile="p6164"), await start(profile="p70")

    assert (await old.page("devices", query=None, saved_query_name=None)).status == 200
    assert (await new.page("devices", query=None)).status == 400


async def test_asset_types_exist_in_p90_only(start: Start) -> None:
    """Entries are strings or objects."""
    old, new = await start(profile="p70"), await start(profile="p90")

    types = (await new.get("/api/v2/assets/asset_types")).json["asset_types"]

    assert (await old.get("/api/v2/assets/asset_types")).status == 404
    assert {type(entry) for entry in types} == {str, dict}
    assert [entry if isinstance(entry, str) else entry["name"] for entry in types] == list(new.emulator.datasets)


async def test_default_instance_offers_full_and_empty_types(start: Start) -> None:
    """About sixteen types have rows, a few have none."""
    client = await start(sizes={})

    sizes = {entity: len(dataset) for entity, dataset in client.emulator.datasets.items()}

    assert sum(size > 0 for size in sizes.values()) == 16
    assert sum(size == 0 for size in sizes.values()) == 3


@pytest.mark.parametrize("profile", V2)
async def test_fields_have_formats_in_p90_only(start: Start, profile: str) -> None:
    """The v2 model that is known has no format and no items."""
    client = await start(profile=profile)

    fields = (await client.get("/api/v2/assets/devices/fields")).json

    lines = [line for lines in fields.values() for line in lines]
    assert {"generic", "acme_edr_adapter", "corp_ad_adapter", "gui"} <= set(fields)
    assert any("format" in line or "items" in line for line in lines) == (profile == "p90")
    assert all({"name", "title", "type", "is_complex", "is_root"} <= set(line) for line in lines)


async def test_fields_can_be_narrowed(start: Start) -> None:
    """exclude_subfields keeps the roots, search keeps what holds the text."""
    client = await start()

    roots = (await client.get("/api/v2/assets/devices/fields?exclude_subfields=true&search=interfaces")).json
    every = (await client.get("/api/v2/assets/devices/fields?search=interfaces")).json

    assert [line["name"] for line in roots["generic"]] == ["specific_data.data.network_interfaces"]
    assert "specific_data.data.network_interfaces.mac" in [line["name"] for line in every["generic"]]


@pytest.mark.parametrize(("profile", "key"), [("p70", "view"), ("p90", "query")])
async def test_saved_queries_are_nested_then_flat(start: Start, profile: str, key: str) -> None:
    """Rows are nested up to 7.0 and flat later; a short page is not their end."""
    client = await start(profile=profile)

    first = (await client.get("/api/v2/queries?offset=0&limit=1000")).json
    last = (await client.get("/api/v2/queries?offset=20&limit=1000")).json

    assert all(key in row for row in first["queries"])
    assert len(first["queries"]) == 10 < first["meta"]["page"]["totalResources"] == 25
    assert len(last["queries"]) == 5


async def test_dates_are_iso_on_request_in_p90(start: Start) -> None:
    """RFC 1123 by default everywhere."""
    old, new = await start(profile="p90"), await start(profile="p90", iso_dates=True)
    field = "specific_data.data.fetch_time"

    rfc = (await old.page("devices", limit=1, fields=[field])).json
    iso = (await new.page("devices", limit=1, fields=[field])).json

    assert rfc["assets"][0][field].endswith(" GMT")
    assert iso["assets"][0][field][10] == "T"
    assert rfc["meta"]["cache_last_updated"].endswith(" GMT")


@pytest.mark.parametrize(("profile", "known"), [("p6164", False), ("p6167", False), ("p70", True), ("p90", True)])
async def test_raw_tree_exists_from_70_on(start: Start, profile: str, known: bool) -> None:
    """specific_data as a field is not proven on 6.1.x."""
    client = await start(profile=profile)

    row = (await client.page("devices", limit=1, fields=["specific_data"])).json["assets"][0]

    assert ("specific_data" in row) == known


@pytest.mark.parametrize("profile", [*V2, "v1"])
async def test_one_generation_is_served(start: Start, profile: str) -> None:
    """The other generation answers 404, unless it was asked for."""
    client = await start(profile=profile)
    other = "/api/v2/about" if profile == "v1" else "/api/settings/metadata"

    assert (await client.get(other)).status == 404
    assert (
        await client.send("POST", "/api/devices/count" if profile != "v1" else "/api/v2/assets/devices", {})
    ).status == 404
    assert client.emulator.violations == []


async def test_both_generations_on_request(start: Start) -> None:
    """A 7.0 instance may serve v1 beside v2."""
    client = await start(other_generation=True)

    assert (await client.get("/api/dashboard/get_allowed_dates")).status == 200
    assert (await client.get("/api/v2/about")).json["installed_version"] == "7_0_1"


@pytest.mark.parametrize(
    "path", ["about", "discovery", "adapters", "users", "gateways", "queries", "tags", "activity_logs"]
)
async def test_v2_system_paths_answer(start: Start, path: str) -> None:
    """Small reads beside assets."""
    client = await start()

    assert (await client.get(f"/api/v2/{path}")).status == 200


async def test_fields_left_out_give_ids_and_adapters(start: Start) -> None:
    """Without `fields` nothing else comes."""
    client = await start()

    answer = await client.send(
        "POST", "/api/v2/assets/devices", {"page": {"offset": 0, "limit": 3}, "include_details": False}
    )

    assert [set(row) for row in answer.json["assets"]] == [{"internal_axon_id", "adapters"}] * 3


async def test_unknown_fields_are_ignored(start: Start) -> None:
    """A name that does not exist changes nothing."""
    client = await start()

    answer = await client.page(
        "devices", fields=[HOSTNAME, "specific_data.data.no_such", "adapters_data.acme_edr_adapter"]
    )

    assert answer.status == 200
    assert all("no_such" not in key for row in answer.json["assets"] for key in row)


async def test_details_come_by_default_in_v2(start: Start) -> None:
    """include_details is true unless the client says false; details are aligned with adapters."""
    client = await start()

    answer = await client.send(
        "POST", "/api/v2/assets/devices", {"page": {"offset": 0, "limit": 50}, "fields": [HOSTNAME]}
    )

    rows = [row for row in answer.json["assets"] if HOSTNAME in row]
    assert all(len(row[f"{HOSTNAME}_details"]) == len(row["adapters"]) for row in rows)
    assert all("adapters_details" in row for row in rows)


async def test_meta_is_left_out_on_request(start: Start) -> None:
    """include_metadata false removes meta."""
    client = await start()

    assert set((await client.page("devices", include_metadata=False)).json) == {"assets"}


async def test_meta_is_minimal_on_6x_when_nothing_matches(start: Start) -> None:
    """An empty set has an empty meta there."""
    old, new = await start(profile="p6164"), await start(profile="p70")

    assert (await old.page("secrets")).json == {"assets": [], "meta": {}}
    assert (await new.page("secrets")).json["meta"]["page"]["totalResources"] == 0


@pytest.mark.parametrize("reject", [False, True])
async def test_limit_above_2000_is_clamped_or_refused(start: Start, reject: bool) -> None:
    """Which of the two is not known, so both can be had."""
    client = await start(sizes={"devices": 2100}, reject_big_limit=reject)

    answer = await client.page("devices", limit=2001)

    assert answer.status == (400 if reject else 200)
    if not reject:
        assert len(answer.json["assets"]) == 2000


@pytest.mark.parametrize("status", [404, 403])
async def test_unlicensed_types_are_refused(start: Start, status: int) -> None:
    """Types that the instance does not offer."""
    client = await start(types=("devices",), unlicensed_status=status)

    assert (await client.page("users")).status == status
    assert (await client.count("users")).status == status
    assert (await client.get("/api/v2/assets/users/fields")).status == status


async def test_vulnerabilities_have_no_adapter_count_and_echo_cve_id(start: Start) -> None:
    """As seen in public samples."""
    client = await start()

    rows = (await client.page("vulnerabilities", fields=["specific_data.data.cvss"])).json["assets"]

    assert all("adapter_list_length" not in row for row in rows)
    assert all(isinstance(row["specific_data.data.cve_id"], list) for row in rows)


async def test_instances_name_their_device(start: Start) -> None:
    """data.id of an instance is CVE!device id, and no pair comes twice."""
    client = await start(sizes={"devices": 20, "vulnerability_instances": 100})
    devices = set(client.emulator.datasets["devices"].ids())

    asked = ["specific_data.data.id", "specific_data.data.device_internal_axon_id", "specific_data.data.cve_id"]
    rows = (await client.page("vulnerability_instances", fields=asked)).json["assets"]

    names = [row["specific_data.data.id"][0] for row in rows]
    assert len(set(names)) == len(names) == 100
    assert {name.partition("!")[2] for name in names} == devices
    assert all(row["specific_data.data.device_internal_axon_id"][0] in devices for row in rows)


async def test_history_is_frozen_and_a_little_smaller(start: Start) -> None:
    """A listed day does not change with the live data; other days are empty."""
    client = await start()
    dataset, days = client.emulator.datasets["devices"], client.emulator.instance.days()
    before = (await client.page("devices", limit=2000, history=days[-1])).json["assets"]
    count = (await client.count("devices", history=days[-1])).json["value"]

    dataset.delete(0)
    dataset.insert(5)

    assert (await client.page("devices", limit=2000, history=days[-1])).json["assets"] == before
    assert 200 < count < 250
    assert (await client.count("devices", history="1999-01-01")).json["value"] == 0
    assert (await client.page("devices", history="yesterday")).status == 400


async def test_v1_history_wants_the_listed_timestamp(start: Start) -> None:
    """The values of get_allowed_dates are what must be sent."""
    client = await start(profile="v1", count_nulls=0)
    value = (await client.get("/api/dashboard/get_allowed_dates")).json["data"]["attributes"]["value"]
    day, stamp = list(value["devices"].items())[-1]

    async def count(history: str) -> int:
        return int((await client.count_v1("devices", history=history)).json["data"]["attributes"]["value"])

    assert await count(stamp) > 200
    assert await count(day) == 0


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"search": None}, 422),
        ({"file_name": None}, 422),
        ({"sort": None}, 400),
        ({"use_heavy_fields_collection": True}, 400),
        ({"history": None, "cursor_id": None, "filter": ""}, 200),
    ],
)
async def test_v1_has_rules_for_null(start: Start, attributes: dict[str, Any], status: int) -> None:
    """422 or 400, by attribute."""
    client = await start(profile="v1")

    assert (await client.page_v1("devices", **attributes)).status == status


async def test_v1_empty_sort_finds_nothing(start: Start) -> None:
    """A named one orders, with a minus downwards."""
    client = await start(profile="v1")

    none = (await client.page_v1("devices", sort="")).json["data"]
    up = [row["id"] for row in (await client.page_v1("devices", sort="internal_axon_id")).json["data"]]

    assert none == []
    assert up == sorted(client.emulator.datasets["devices"].ids())[:100]


async def test_v1_count_is_null_at_first(start: Start) -> None:
    """The same query_id gets its value later."""
    client = await start(profile="v1", count_nulls=2)

    async def count(query: str) -> object:
        return (await client.count_v1("devices", query_id=query)).json["data"]["attributes"]["value"]

    assert [await count("a"), await count("a"), await count("b"), await count("a")] == [None, None, None, 250]


async def test_v1_fields_may_be_keyed_by_devices(start: Start) -> None:
    """The literal `devices` works for every type; nulls come on request."""
    client = await start(profile="v1")
    asked = {"devices": ["specific_data.data.username", "specific_data.data.user_city"]}

    plain = (await client.page_v1("users", fields=asked)).json["data"]
    nulls = (await client.page_v1("users", fields=asked, null_for_non_exist=True)).json["data"]

    assert all("specific_data.data.username" in row["attributes"] for row in plain)
    assert any("specific_data.data.user_city" not in row["attributes"] for row in plain)
    assert any(row["attributes"]["specific_data.data.user_city"] is None for row in nulls)


async def test_v1_fields_are_in_meta(start: Start) -> None:
    """generic, specific and schema, with formats and nested items."""
    client = await start(profile="v1")

    answer = (await client.get("/api/devices/fields")).json

    generic = {line["name"]: line for line in answer["meta"]["generic"]}
    interfaces = generic["specific_data.data.network_interfaces"]
    assert answer["data"] is None
    assert set(answer["meta"]) == {"generic", "specific", "schema"}
    assert interfaces["items"]["type"] == "array"
    assert {"name": "mac", "title": "Mac", "type": "string"} in interfaces["items"]["items"]
    assert generic["specific_data.data.fetch_time"]["format"] == "date-time"


@pytest.mark.parametrize("profile", ["p70", "v1"])
async def test_one_asset_by_id(start: Start, profile: str) -> None:
    """By id, and 404 for a stranger."""
    client = await start(profile=profile)
    base = "/api/devices" if profile == "v1" else "/api/v2/assets/devices"
    identity = client.emulator.datasets["devices"].ids()[7]

    assert identity in (await client.get(f"{base}/{identity}")).body.decode()
    assert (await client.get(f"{base}/{'0' * 32}")).status == 404
