"""Shapes of values without the values."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import exact
from axsync.convert.likeness import DEEPEST, LONGEST_LIST, LONGEST_TEXT, describe_record, describe_value, form_of_text
from axsync.emulator.recorded_shapes import read_recorded_shapes

TEXT = {"type": "string", "length": 3, "form": None}


def number(text: str) -> object:
    """A number as it is read exactly."""
    return exact.decode(f'{{"n": {text}}}'.encode())["n"]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (None, {"type": "null"}),
        (True, {"type": "bool"}),
        (7, {"type": "integer"}),
        (7.5, {"type": "number"}),
        (number("18446744073709551621"), {"type": "integer"}),
        (number("-1e400"), {"type": "number"}),
        ("abc", TEXT),
        ("", {"type": "string", "length": 0, "form": None}),
        ([], {"type": "list", "length": 0}),
        ({}, {"type": "object", "members": {}}),
        (["a", "abc", "ab"], {"type": "list", "length": 3, "items": TEXT}),
        ([[], ["abc"]], {"type": "list", "length": 2, "items": {"type": "list", "length": 1, "items": TEXT}}),
        ({"os": {"mac": "abc"}}, {"type": "object", "members": {"os": {"type": "object", "members": {"mac": TEXT}}}}),
    ],
)
def test_a_value_is_told_by_type_and_length(value: object, shape: object) -> None:
    assert describe_value(value) == shape


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Mon, 02 Nov 2026 10:11:12 GMT", "rfc1123"),
        ("Tue, 02 Nov 2026 10:11:12 GMT", "rfc1123"),  # the weekday is wrong
        ("2026-11-02T10:11:12.123456Z", "iso"),
        ("2026-11-02 10:11:12", "iso"),
        ("2026-11-02T10:11:12+05:30", "iso"),
        ("2026-11-02", "day"),
        ("2026-13-02", None),
        ("2 Nov 2026 10:11:12", None),
        ("9.8", "number"),
        ("-12", "number"),
        ("1.2.3", None),
        ("٣", None),
        ("web-01", None),
    ],
)
def test_dates_and_numbers_in_texts_are_told(text: str, form: str | None) -> None:
    assert form_of_text(text) == form


def test_a_list_has_the_shape_of_most_of_its_elements() -> None:
    """The other types are named beside it; nulls and empty texts never stand for the rest."""
    items = {"type": "string", "length": 3, "form": "number"}

    assert describe_value([None, None, "9.8", "", "7.1", 4])["items"] == {**items, "also": ["integer", "null"]}
    assert describe_value([1, 2, 0.5])["items"] == {"type": "number"}
    assert describe_value([None])["items"] == {"type": "null"}
    assert describe_value([["abc"], [None, "abc"]])["items"]["items"] == {**TEXT, "also": ["null"]}


def test_objects_of_a_list_are_told_together() -> None:
    """With the members of each of them."""
    found = describe_value([{"mac": "abc"}, {"ips": ["a"]}, {"ips": ["abc", "b"]}])["items"]

    assert found == {"type": "object", "members": {"mac": TEXT, "ips": {"type": "list", "length": 2, "items": TEXT}}}


@pytest.mark.parametrize(
    "key",
    ["k" * 65, "jo@acme", "10.0.0.1", "web-01.acme", "aa:bb", "a b", "id_20261129", "0a1b2c3d4e5f60718293", "ключ", ""],
)
def test_keys_that_may_be_data_are_counted(key: str) -> None:
    """Addresses, hosts, dates and ids; others beside them stay."""
    members = {"members": {"cvss_v3_1": {"type": "bool"}}, "unnamed": 1}

    assert describe_value({key: "abc", "cvss_v3_1": True}) == {"type": "object", **members}


def test_a_map_with_many_keys_shows_none_of_them() -> None:
    """Neither in one object nor in a list of small ones."""
    keys = [a + b for a in "abcdefghijk" for b in "abcdefghij"]

    assert describe_value(dict.fromkeys(keys, 1)) == {"type": "object", "members": {}, "unnamed": 110}
    assert describe_value([{key: 1} for key in keys])["items"] == {"type": "object", "members": {}, "unnamed": 110}
    assert len(describe_value(dict.fromkeys(keys[:100], 1))["members"]) == 100


def test_custom_fields_are_numbered_and_strange_names_counted() -> None:
    """Names that were asked for are those of the catalogue; others have to look like names."""
    asked = ["specific_data.data.name: of 2026", "adapters_data.gui.custom_site"]
    record = {
        "adapters_data.gui.custom_site": "abc",
        "gui.custom_owner": "abc",
        asked[0]: "abc",
        "adapters_data.esx.Custom Attribute": "abc",
        "adapters_data.esx.serial_20261129": "abc",
        "adapters_data.esx.cluster": "abc",
    }
    fields, unnamed = describe_record(record, asked)

    kept = ["adapters_data.gui.custom_1", "adapters_data.gui.custom_2", asked[0], "adapters_data.esx.cluster"]
    assert (fields, unnamed) == (dict.fromkeys(kept, TEXT), 2)


def test_what_is_too_large_is_cut_to_what_can_be_read() -> None:
    """Long texts, long lists, deep nesting."""
    deep: object = "abc"
    for _ in range(DEEPEST + 20):
        deep = {"in": [deep]}
    record = {"text": "x" * (LONGEST_TEXT + 1), "list": [1] * (LONGEST_LIST + 1), "deep": deep}

    assert read_recorded_shapes(document(record)).entities["devices"]["text"].length == LONGEST_TEXT


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=5), inner, max_size=5)),
    max_leaves=20,
)


@given(values)
def test_every_shape_can_be_read_by_the_emulator(value: object) -> None:
    """Whatever a server serves."""
    assert "specific_data.data.x" in read_recorded_shapes(document({"specific_data.data.x": value})).entities["devices"]


def document(record: dict[str, Any]) -> str:
    fields, _ = describe_record(record, ())
    entities = {"devices": {"fields": fields}}
    return json.dumps({"format_version": 1, "api": "v2", "server_version": None, "entities": entities})


def test_keys_that_no_catalogue_knows_are_counted_and_not_written() -> None:
    """A plain word can be the name of a person."""
    record = {"specific_data.data.nics": [{"mac": "x", "alice": "y"}]}

    fields, _ = describe_record(record, record, {"mac"})

    items = fields["specific_data.data.nics"]["items"]
    assert (list(items["members"]), items["unnamed"]) == (["mac"], 1)
