"""Records of shapes: the emulator serves invented values in exactly the shapes of a file."""

from __future__ import annotations

import json
import re
import string
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.emulator.command import emulate
from axsync.emulator.dataset import build_datasets
from axsync.emulator.options import PROFILES, Options
from axsync.emulator.recorded_shapes import read_recorded_shapes
from tests.examples import scaled
from tests.unit.emulator.test_command import line, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.emulator.conftest import Start

A = "specific_data.data."
TEXT: dict[str, Any] = {"type": "string", "length": 12, "form": None}
RFC: dict[str, Any] = {"type": "string", "length": 29, "form": "rfc1123"}
NIC: dict[str, Any] = {
    "type": "object",
    "members": {"mac": {"type": "string", "length": 17}, "ips": {"type": "list", "length": 2, "items": TEXT}},
}
FIELDS: dict[str, Any] = {
    "internal_axon_id": {"type": "string", "length": 32, "form": None},
    "adapters": {"type": "list", "length": 2, "items": TEXT},
    "adapter_list_length": {"type": "integer"},
    f"{A}hostname": {"type": "list", "length": 2, "items": TEXT},
    f"{A}last_seen": RFC,
    f"{A}scanned": {"type": "list", "length": 3, "items": {"type": "string", "length": 20, "form": "iso"}},
    f"{A}day": {"type": "string", "length": 10, "form": "day"},
    f"{A}score": {"type": "string", "length": 3, "form": "number"},
    f"{A}cores": {"type": "list", "length": 1, "items": {"type": "number"}},
    f"{A}is_admin": {"type": "bool"},
    f"{A}nothing": {"type": "null"},
    f"{A}empty": {"type": "list", "length": 0},
    f"{A}network_interfaces": {"type": "list", "length": 2, "items": NIC},
    f"{A}network_interfaces.ips_preferred": {"type": "list", "length": 1, "items": TEXT},
    f"{A}os": NIC,
    "adapters_data.acme_edr_adapter.agent": TEXT,
    "adapters_data.gui.custom_site": {"type": "list", "length": 1, "items": TEXT},
}
RECORD: dict[str, Any] = {
    "format_version": 1,
    "api": "v2",
    "server_version": "8_0_14",
    "entities": {"devices": {"fields": FIELDS}, "odd_things": {"fields": {f"{A}name": TEXT}}},
}


def shape(value: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    """What a probe would write down of *value*."""
    if isinstance(value, dict):
        return {"type": "object", "members": {key: shape(member) for key, member in value.items()}}
    if isinstance(value, list):
        found: dict[str, Any] = {"type": "list", "length": len(value)}
        return {**found, "items": shape(value[0])} if value else found
    if isinstance(value, str):
        return {"type": "string", "length": len(value), "form": form(value)}
    return {"type": {bool: "bool", int: "integer", float: "number", type(None): "null"}[type(value)]}


def form(text: str) -> str | None:
    patterns = {
        "rfc1123": r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT",
        "iso": r"\d{4}-\d\d-\d\d[T ].*",
        "day": r"\d{4}-\d\d-\d\d",
        "number": r"-?\d+(\.\d+)?",
    }
    return next((name for name, pattern in patterns.items() if re.fullmatch(pattern, text)), None)


def whole(described: dict[str, Any]) -> dict[str, Any]:
    """A shape with the keys that may be left out."""
    if described["type"] == "string":
        return {"form": None, **described}
    if "items" in described:
        return {**described, "items": whole(described["items"])}
    if "members" in described:
        return {**described, "members": {key: whole(member) for key, member in described["members"].items()}}
    return described


def options(record: dict[str, Any], **more: Any) -> Options:
    return Options(like=read_recorded_shapes(json.dumps(record)), **more)


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_rows_have_exactly_the_recorded_shapes(start: Start, profile: str) -> None:
    """Every field in every row; ids and adapters stay the emulator's own."""
    client = await start(profile=profile, like=read_recorded_shapes(json.dumps(RECORD)), sizes={"devices": 300})
    if profile == "v1":
        rows = [row["attributes"] for row in (await client.page_v1("devices", list(FIELDS))).json["data"]]
    else:
        rows = (await client.page("devices", fields=list(FIELDS))).json["assets"]

    assert len(rows) == 100
    for row in rows:
        assert set(row) == set(FIELDS)
        for name in FIELDS.keys() - {"adapters"}:
            assert shape(row[name]) == whole(FIELDS[name]), name
    assert len({row[f"{A}hostname"][0] for row in rows}) == 100


@pytest.mark.parametrize("profile", ["p70", "p90", "v1"])
async def test_the_catalogue_lists_the_names_with_plain_types(start: Start, profile: str) -> None:
    """By category; a table with its members, and none that belongs to a table among the roots."""
    client = await start(profile=profile, like=read_recorded_shapes(json.dumps(RECORD)))
    if profile == "v1":
        meta = (await client.get("/api/devices/fields")).json["meta"]
        found: dict[str, list[dict[str, Any]]] = {"generic": meta["generic"], **meta["specific"]}
    else:
        found = (await client.get("/api/v2/assets/devices/fields")).json
    lines = {line["name"]: line for group in found.values() for line in group}

    assert set(found) == {"generic", "gui", "acme_edr_adapter"}
    assert set(FIELDS) <= set(lines)
    assert len(lines) == sum(len(group) for group in found.values())
    types = {name: lines[A + name]["type"] for name in ("hostname", "last_seen", "cores", "is_admin", "nothing")}
    assert types == {
        "hostname": "string",
        "last_seen": "string",
        "cores": "number",
        "is_admin": "bool",
        "nothing": "string",
    }
    assert {lines[name].get("format") for name in FIELDS if name.startswith(A)} <= {None, "table"}
    assert {f"{A}network_interfaces.mac", f"{A}os.ips"} <= set(lines)
    if profile != "v1":
        roots = (await client.get("/api/v2/assets/devices/fields?exclude_subfields=true")).json["generic"]
        assert f"{A}network_interfaces.ips_preferred" not in {line["name"] for line in roots}
        assert lines[f"{A}network_interfaces"]["is_complex"]


async def test_only_the_recorded_types_are_offered(start: Start) -> None:
    """With the version of the server; types that are small by default have rows."""
    record = {**RECORD, "entities": {"secrets": {"fields": {f"{A}name": TEXT}}, **RECORD["entities"]}}
    client = await start(profile="p90", like=read_recorded_shapes(json.dumps(record)), sizes={})

    types = (await client.get("/api/v2/assets/asset_types")).json["asset_types"]

    assert [one if isinstance(one, str) else one["name"] for one in types] == ["secrets", "devices", "odd_things"]
    assert (await client.get("/api/v2/about")).json["installed_version"] == "8_0_14"
    assert [(await client.count(entity)).json["value"] for entity in ("secrets", "odd_things")] == [100, 100]
    assert (await client.page("users")).status == 404


@pytest.mark.parametrize("length", [19, 20, 24, 25, 26, 27, 32])
def test_iso_dates_have_the_recorded_length(length: int) -> None:
    """With and without zone and fraction."""
    name = f"{A}when"
    record = {**RECORD, "entities": {"things": {"fields": {name: {"type": "string", "length": length, "form": "iso"}}}}}
    row = json.loads(build_datasets(options(record), PROFILES["p70"])["things"].record(3, [name]))

    assert len(row[name]) == length
    assert form(row[name]) == "iso"


texts = st.builds(lambda length: {"type": "string", "length": length, "form": None}, st.integers(0, 40))
plain = st.one_of(
    texts, st.sampled_from([{"type": kind} for kind in ("integer", "number", "bool", "null")]), st.just(RFC)
)
shapes = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.builds(lambda length, items: {"type": "list", "length": length, "items": items}, st.integers(1, 4), inner),
        st.builds(
            lambda members: {"type": "object", "members": members},
            st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=4), inner, max_size=4),
        ),
    ),
    max_leaves=8,
)


@given(shapes)
@settings(max_examples=scaled(150), deadline=None)
def test_any_shape_is_served_as_it_is_recorded(described: dict[str, Any]) -> None:
    """Lists in lists and empty objects too; and with drift the rows stay JSON."""
    name = f"{A}anything"
    record = {**RECORD, "entities": {"things": {"fields": {name: described}}}}
    dataset = build_datasets(options(record, sizes={"things": 5}), PROFILES["p70"])["things"]

    for position in range(5):
        assert shape(json.loads(dataset.record(position, [name], details=True))[name]) == whole(described)


def nested(depth: int) -> dict[str, Any]:
    return {"type": "list", "length": 1, "items": nested(depth - 1)} if depth else {"type": "bool"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": 2}, 'is not a record of shapes with "format_version": 1'),
        ({"api": "v3"}, 'has "api": "v3", which is neither "v1" nor "v2"'),
        ({"server_version": 8}, 'has a "server_version" that is not a string'),
        ({"entities": {}}, 'has no "entities"'),
        ({"entities": {"../x": {"fields": {}}}}, "names an entity type '../x': small letters, digits and underscores"),
        ({"entities": {"devices": {"fields": []}}}, 'has no "fields" for devices'),
    ],
)
def test_a_bad_record_is_one_sentence(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    """Exit code 2, before anything starts."""
    assert sentence in refusal(tmp_path, RECORD | change)


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        ({"type": "date"}, "has an unknown shape in devices specific_data.data.x"),
        ("string", "has an unknown shape in devices specific_data.data.x"),
        ({**TEXT, "form": "hex"}, 'has an unknown form of text in devices specific_data.data.x: "hex"'),
        (
            {**TEXT, "length": -1},
            'has a "length" that is not a number from 0 to 1000000 in devices specific_data.data.x',
        ),
        ({"type": "list", "length": 2}, 'has a list without "items" in devices specific_data.data.x'),
        ({"type": "object", "members": [TEXT]}, 'has "members" that are not an object in devices specific_data.data.x'),
        (nested(40), "nests deeper than 32 levels in devices specific_data.data.x"),
    ],
)
def test_a_bad_shape_is_told_with_its_place(tmp_path: Path, described: object, sentence: str) -> None:
    """One sentence, exit code 2."""
    entities = {"devices": {"fields": {f"{A}good": TEXT, f"{A}x": described}}}

    assert sentence in refusal(tmp_path, {**RECORD, "entities": entities})


def refusal(tmp_path: Path, record: dict[str, Any]) -> str:
    file = tmp_path / "record.json"
    file.write_text(json.dumps(record))
    result = CliRunner().invoke(emulate, ["--like", str(file)])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    return result.output


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    """Also one that does not exist, and one together with drawn shapes."""
    file, good = tmp_path / "record.json", tmp_path / "good.json"
    file.write_bytes(content)
    good.write_text(json.dumps(RECORD))

    for arguments in (["--like", str(file)], ["--like", "no/such"], ["--like", str(good), "--shapes", "1"]):
        result = CliRunner().invoke(emulate, arguments)
        assert result.exit_code == 2
        assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(("api", "profile"), [("v1", "v1"), ("v2", "p70")])
def test_the_generation_follows_the_record(tmp_path: Path, api: str, profile: str) -> None:
    """Unless a profile is named."""
    file = tmp_path / "record.json"
    record = {**RECORD, "api": api, "entities": {"devices": {"fields": FIELDS}}}
    file.write_text(json.dumps(record))

    with running("--like", str(file), "--output", "json") as server:
        assert json.loads(line(server))["profile"] == profile
    with running("--like", str(file), "--output", "json", "--profile", "p90") as server:
        assert json.loads(line(server))["profile"] == "p90"
