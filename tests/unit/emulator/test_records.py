"""Catalogue and records agree; record() is what is served; drift is what it should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.emulator.dataset import Dataset, Ids, build_datasets
from axsync.emulator.drift import ROWS, drifted
from axsync.emulator.models import model_of
from axsync.emulator.options import DEFAULT_SIZES, PROFILES, Options
from axsync.emulator.rendering import RowLayout, project
from axsync.emulator.samples import draw_samples

if TYPE_CHECKING:
    from tests.unit.emulator.conftest import Client, Start


ENTITIES = [entity for entity, size in DEFAULT_SIZES.items() if size]
NEWEST = {
    f"specific_data.data.{name}"
    for name in ("last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change")
}
PLAIN = {"string": str, "bool": bool, "integer": int, "number": float}


def fits(value: object, line: dict[str, Any]) -> bool:
    """Whether one value has the catalogue's type."""
    if line["type"] != "array":
        return type(value) is PLAIN[line["type"]]
    if is_table(line):
        return isinstance(value, list) and all(row_fits(row, line["items"]["items"]) for row in value)
    return isinstance(value, list) and all(fits(one, line["items"]) for one in value)


def is_table(line: dict[str, Any] | None) -> bool:
    return line is not None and isinstance(line.get("items", {}).get("items"), list)


def row_fits(row: object, columns: list[dict[str, Any]]) -> bool:
    known = {column["name"]: column for column in columns}
    return isinstance(row, dict) and bool(row) and all(key in known and fits(row[key], known[key]) for key in row)


def served_fits(key: str, value: object, lines: dict[str, dict[str, Any]]) -> bool:
    """Aggregated values and those inside a table are lists of the type, or the joined list; all others are plain."""
    line, (parent, _, last) = lines[key], key.rpartition(".")
    table = lines.get(parent)
    inside = is_table(table)
    member = inside and table is not None and any(item["name"] == last for item in table["items"]["items"])
    own = key.endswith("_preferred") or (inside and not member)
    aggregated = key.startswith("specific_data.data.") and not own and key not in NEWEST
    if (aggregated or member) and line["type"] != "array":
        return isinstance(value, list) and bool(value) and all(fits(one, line) for one in value)
    return fits(value, line)


async def catalogue(client: Client, entity: str) -> dict[str, dict[str, Any]]:
    if client.emulator.options.profile == "v1":
        meta = (await client.get(f"/api/{entity}/fields")).json["meta"]
        lines = [*meta["generic"], *(line for lines in meta["specific"].values() for line in lines)]
    else:
        fields = (await client.get(f"/api/v2/assets/{entity}/fields")).json
        lines = [line for lines in fields.values() for line in lines]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("profile", ["v1", "p90"])
@pytest.mark.parametrize("entity", ENTITIES)
async def test_every_served_key_is_in_the_catalogue_with_its_type(start: Start, profile: str, entity: str) -> None:
    """Sub-fields and adapter-specific fields included; no null and no empty object anywhere."""
    client = await start(profile=profile, sizes={entity: 150})
    lines = await catalogue(client, entity)
    dataset = client.emulator.datasets[entity]

    for position in range(150):
        text = dataset.record(position, list(lines))
        assert b"null" not in text
        assert b"{}" not in text
        for key, value in json.loads(text).items():
            assert served_fits(key, value, lines), (key, value, lines[key])


@pytest.mark.parametrize("entity", ENTITIES)
async def test_each_field_of_the_catalogue_is_served_somewhere(start: Start, entity: str) -> None:
    """Nothing is listed in vain."""
    client = await start(sizes={entity: 600})
    lines = await catalogue(client, entity)

    seen: set[str] = set()
    for position in range(600):
        seen |= set(json.loads(client.emulator.datasets[entity].record(position, list(lines))))

    missing = set(lines) - seen
    assert missing <= {"labels"}


@pytest.mark.parametrize("profile", ["p6167", "p70", "p90"])
async def test_record_is_byte_for_byte_what_a_page_serves(start: Start, profile: str) -> None:
    """So tests can compare record by record."""
    client = await start(profile=profile, drift_percent=30)
    fields = [
        "specific_data.data.hostname",
        "specific_data",
        "adapters_data.corp_ad_adapter.password_last_set",
        "labels",
    ]
    dataset = client.emulator.datasets["devices"]

    body = (await client.page("devices", limit=250, fields=fields)).body

    expected = b",".join(dataset.record(position, fields) for position in range(250))
    assert body.startswith(b'{"assets":[' + expected + b"]")


async def test_record_is_the_attributes_of_a_v1_row(start: Start) -> None:
    """Without the envelope."""
    client = await start(profile="v1")
    fields = ["specific_data.data.hostname", "specific_data.data.network_interfaces"]
    dataset = client.emulator.datasets["devices"]

    body = (await client.page_v1("devices", fields)).body

    assert b'"attributes":' + dataset.record(99, fields) + b"}" in body


def test_devices_weigh_four_to_eight_kilobytes() -> None:
    """With all generic fields; users and vulnerabilities about one."""
    world = build_datasets(Options(), PROFILES["p70"])

    weights = {entity: generic_weight(world[entity]) for entity in ("devices", "users", "vulnerabilities")}

    assert 4000 < weights["devices"] < 8000
    assert 600 < weights["users"] < 2000
    assert 600 < weights["vulnerabilities"] < 2000


def generic_weight(dataset: Dataset) -> float:
    fields = [f"specific_data.data.{column.name}" for column in model_of(dataset.entity).columns]
    return sum(len(dataset.record(position, fields)) for position in range(200)) / 200


def test_a_million_devices_are_cheap() -> None:
    """Rows are numbers; only their order is stored."""
    dataset = build_datasets(Options(sizes={"devices": 1_000_000}), PROFILES["p70"])["devices"]

    assert len(dataset) == 1_000_000
    assert json.loads(dataset.record(999_999, ["labels"]))["internal_axon_id"] == dataset.ids_of.text(999_999)


def test_a_touched_row_keeps_its_id_only() -> None:
    """Its neighbours stay as they are."""
    dataset = build_datasets(Options(), PROFILES["p70"])["devices"]
    before = [dataset.record(position, every_field("devices")) for position in range(3)]

    dataset.touch(1)

    after = [dataset.record(position, every_field("devices")) for position in range(3)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert json.loads(after[1])["internal_axon_id"] == json.loads(before[1])["internal_axon_id"]


def test_same_seed_same_bytes() -> None:
    """And another seed gives others."""
    one, same, other = (build_datasets(Options(seed=seed), PROFILES["p70"])["users"] for seed in (3, 3, 4))
    fields = ["specific_data.data.user_city", "specific_data"]

    assert one.record(5, fields) == same.record(5, fields) != other.record(5, fields)


def test_rows_that_share_samples_change_alone() -> None:
    """Samples are drawn once for a seed; what one emulator changes, and how many rows it has, is its own."""
    fields = ["specific_data"]
    options = Options(seed=3), Options(seed=3, sizes={"users": 7}), Options(seed=3, drift_percent=100.0)
    one, same, odd = (build_datasets(each, PROFILES["p70"])["users"] for each in options)
    before = same.record(5, fields)
    assert one.record(5, fields) == before != odd.record(5, fields)

    one.touch(5)

    assert one.record(5, fields) != before == same.record(5, fields)
    assert len(one) != len(same) == 7


@given(st.integers(0, 2**40), st.integers(0, 99), st.booleans())
def test_ids_can_be_read_back(number: int, seed: int, odd: bool) -> None:
    """32 characters of [0-9a-z], one number each."""
    ids = Ids(seed, "devices", odd=odd)
    text = ids.text(number)

    assert len(text) == 32
    assert ids.number(text) == number
    assert ids.number(text.upper()[:31] + "!") is None


def test_some_ids_leave_hex_on_request() -> None:
    """Others stay."""
    ids = build_datasets(Options(odd_ids=True), PROFILES["p70"])["users"].ids()

    beyond = [text for text in ids if not set(text) <= set("0123456789abcdef")]
    assert 0 < len(beyond) < len(ids) / 10
    assert all(text.isalnum() and text == text.lower() for text in ids)


def test_adapters_repeat_and_are_counted_once() -> None:
    """adapter_list_length is the number of distinct ones."""
    rows = [json.loads(row) for row in records("devices", ["labels"])]

    assert any(len(row["adapters"]) > row["adapter_list_length"] for row in rows)
    assert all(len(set(row["adapters"])) == row["adapter_list_length"] for row in rows)
    assert any("labels" not in row for row in rows)


def records(entity: str, fields: list[str]) -> Iterator[bytes]:
    dataset = build_datasets(Options(), PROFILES["p70"])[entity]
    return (dataset.record(position, fields) for position in range(200))


def test_raw_tree_is_nested_per_adapter() -> None:
    """One element per entity, with real structure in data."""
    rows = [json.loads(row) for row in records("devices", ["specific_data"])]

    elements = [element for row in rows for element in row["specific_data"]]
    assert [len(row["specific_data"]) for row in rows] == [len(row["adapters"]) for row in rows]
    assert {element["type"] for element in elements} == {"entitydata", "adapterdata"}
    assert all(element["quick_id"].startswith(element["plugin_unique_name"] + "!") for element in elements)
    assert any(isinstance(element["data"].get("os"), dict) for element in elements)


@pytest.mark.parametrize("entity", ["devices", "users", "vulnerabilities"])
def test_drift_covers_every_row_of_the_table(entity: str) -> None:
    """Each drifted sample differs from its plain twin."""
    model, form = model_of(entity), RowLayout((*every_field(entity), "specific_data"))

    plain, odd = draw_samples(model, 7), drifted(model, 7)

    differing = sum(project(one, form) != project(other, form) for one, other in zip(plain, odd, strict=True))
    assert len(ROWS) <= len(odd)
    assert differing >= 0.95 * len(odd)


def every_field(entity: str) -> list[str]:
    model = model_of(entity)
    generic = [f"specific_data.data.{column.name}" for column in model.columns]
    special = [f"adapters_data.{name}.{column.name}" for name, columns in model.special.items() for column in columns]
    return [*generic, *special]


def test_drift_touches_the_asked_share() -> None:
    """About so many records, and valid JSON all of them."""
    calm = build_datasets(Options(), PROFILES["p70"])["devices"]
    wild = build_datasets(Options(drift_percent=20), PROFILES["p70"])["devices"]
    fields = every_field("devices")

    changed = sum(calm.record(at, fields) != wild.record(at, fields) for at in range(2000))

    assert 0.15 < changed / 2000 < 0.25
    assert all(json.loads(wild.record(at, fields)) for at in range(500))


def test_drift_shows_its_famous_examples() -> None:
    """Numeric strings beside numbers, integers past 64 bits, keys that nobody declared."""
    wild = build_datasets(Options(drift_percent=100, sizes={"devices": 3000}), PROFILES["p70"])["devices"]
    text = b"\n".join(wild.record(at, every_field("devices")) for at in range(3000)).decode()

    assert '"cvss":"' in text
    assert "18446744073709551621" in text
    assert "rack: no. «7»" in text
    assert ":null" in text
    assert ":[null]" in text
    assert "Medium-High" in text


def test_drift_leaves_keys_of_entities_out() -> None:
    """Elements of specific_data without type, without quick_id, or with empty data, as samples have them."""
    wild = build_datasets(Options(drift_percent=100, sizes={"devices": 600}), PROFILES["p70"])["devices"]
    rows = [json.loads(wild.record(at, ["specific_data"])) for at in range(600)]
    elements = [element for row in rows for element in row["specific_data"]]

    assert any("type" not in one and "quick_id" in one for one in elements)
    assert any("quick_id" not in one and "type" in one for one in elements)
    assert any(one["data"] == {} for one in elements)
    assert all("plugin_name" in one for one in elements)


def test_tables_can_be_as_long_as_is_asked() -> None:
    """A third more of everything, and lists of hundreds of objects."""
    usual, longer = (build_datasets(Options(bulk=bulk), PROFILES["p70"])["devices"] for bulk in (1.0, 60.0))
    name = "specific_data.data.installed_software"

    most = max(len(json.loads(longer.record(at, [name])).get(name, ())) for at in range(64))

    assert generic_weight(build_datasets(Options(bulk=2.3), PROFILES["p70"])["devices"]) > 1.3 * generic_weight(usual)
    assert most > 150


async def test_more_fields_are_listed_and_served(start: Start) -> None:
    """A hundred more, dealt out to the adapters."""
    client = await start(more_fields=100, sizes={"devices": 200})
    listed = [name for name in await catalogue(client, "devices") if ".extra_" in name]
    dataset = client.emulator.datasets["devices"]
    served = {
        key for position in range(200) for key in json.loads(dataset.record(position, listed)) if ".extra_" in key
    }

    assert len(listed) == len(served) == 100
