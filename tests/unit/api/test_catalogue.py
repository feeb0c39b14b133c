from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.api import v1, v2
from axsync.api.catalogue import MOST_LEVELS, ROOTS, Entry, fields_of
from axsync.errors import BadAnswer
from axsync.schema.columns import Field
from axsync.schema.kinds import Atom, Group, Kind, Many, Member
from tests.unit.api.asked import HOST, reply

TEXT, STAMP = Atom("text"), Atom("timestamp")
ROOT_FIELDS = tuple(Field(name, kind) for name, kind in ROOTS.items())

V1_ANSWER: dict[str, Any] = {
    "data": None,
    "meta": {
        "generic": [
            {"name": "specific_data.data.last_seen", "title": "Last Seen", "type": "string", "format": "date-time"},
            {
                "name": "specific_data.data.network_interfaces",
                "title": "Network Interfaces",
                "type": "array",
                "format": "table",
                "items": {
                    "type": "array",
                    "items": [
                        {"name": "mac", "title": "MAC", "type": "string"},
                        {
                            "name": "ips",
                            "title": "IPs",
                            "type": "array",
                            "format": "ip",
                            "items": {"type": "string", "format": "ip"},
                        },
                    ],
                },
            },
        ],
        "specific": {
            "acme_edr_adapter": [
                {"name": "adapters_data.acme_edr_adapter.agent_uuid", "title": "Agent UUID", "type": "string"}
            ],
            "empty_adapter": None,
        },
        "schema": {"generic": {"items": [], "required": [], "type": "array"}, "specific": {"acme_edr_adapter": None}},
    },
}
V2_ANSWER: dict[str, Any] = {
    "generic": [
        {
            "name": "specific_data.data.hostname",
            "title": "Host Name",
            "type": "string",
            "adapter_name": "generic",
            "is_complex": False,
            "is_root": True,
        },
        {
            "name": "specific_data.data.network_interfaces",
            "title": "Network Interfaces",
            "type": "array",
            "is_complex": True,
            "is_root": True,
        },
        {
            "name": "specific_data.data.network_interfaces.mac",
            "title": "MAC",
            "type": "string",
            "is_complex": False,
            "is_root": False,
        },
    ],
    "acme_edr_adapter": [
        {"name": "adapters_data.acme_edr_adapter.agent_uuid", "title": "Agent UUID", "type": "string"}
    ],
}
NICS = Many(Group((Member("mac", "mac", TEXT), Member("ips", "ips", Many(TEXT)))))


def kind_of(name: str, **entry: object) -> Kind | None:
    """The kind of one catalogue entry, None where it is not extracted."""
    fields = fields_of([{"name": name, **entry}], None)
    return fields[0].kind if fields else None


def test_the_catalogue_of_v1_is_read_as_the_reference_has_it() -> None:
    """v1: payload in `meta`, sub-fields in `items.items`."""
    fields = v1.read_fields(reply(V1_ANSWER), HOST)

    assert fields == (
        *ROOT_FIELDS,
        Field("specific_data.data.last_seen", STAMP, None, "Last Seen"),
        Field("specific_data.data.network_interfaces", NICS, None, "Network Interfaces"),
        Field("adapters_data.acme_edr_adapter.agent_uuid", TEXT, "acme_edr_adapter", "Agent UUID"),
    )


def test_the_catalogue_of_v2_is_read_as_the_reference_has_it() -> None:
    """v2: categories, dotted sub-fields under their complex root."""
    fields = v2.read_fields(reply(V2_ANSWER), HOST)

    assert fields == (
        *ROOT_FIELDS,
        Field("specific_data.data.hostname", Many(TEXT), None, "Host Name"),
        Field(
            "specific_data.data.network_interfaces",
            Many(Group((Member("mac", "mac", TEXT),))),
            None,
            "Network Interfaces",
        ),
        Field("adapters_data.acme_edr_adapter.agent_uuid", TEXT, "acme_edr_adapter", "Agent UUID"),
    )


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"type": "string"}, TEXT),
        ({"type": "string", "format": "date-time"}, STAMP),
        ({"type": "string", "format": "due-date"}, STAMP),
        ({"type": "string", "format": "ticket-vendor"}, TEXT),
        ({"type": "string", "format": "date"}, Atom("date")),
        *(({"type": "string", "format": f}, TEXT) for f in ("time", "ip", "ip_preferred", "subnet", "version", "tag")),
        *(({"type": "string", "format": f}, TEXT) for f in ("expirable-tag", "connection_label", "os-distribution")),
        ({"type": "string", "format": "dynamic_field"}, Atom("json")),
        ({"type": "string", "format": "never heard of"}, TEXT),
        *(({"type": "string", "format": f}, None) for f in ("image", "logo", "sq", "data_scope", "password")),
        ({"type": "file"}, None),
        ({"type": "bool"}, Atom("bool")),
        ({"type": "boolean"}, Atom("bool")),
        ({"type": "integer"}, Atom("integer")),
        ({"type": "number"}, Atom("number")),
        ({"type": "array", "items": {"type": "string"}}, Many(TEXT)),
        ({"type": "array", "format": "discrete", "items": {"type": "string", "format": "logo"}}, Many(Atom("json"))),
        ({"type": "array", "format": "date-time", "items": {"type": "string", "format": "date-time"}}, Many(STAMP)),
        ({"type": "array", "format": "date-time", "items": {"type": "string"}}, Many(STAMP)),
        ({"type": "array", "items": {"type": "integer"}}, Many(Atom("integer"))),
        ({"type": "array", "items": {"type": "number"}}, Many(Atom("number"))),
        ({"type": "array"}, Many(Atom("unknown"))),
        ({"type": "array", "items": None}, Many(Atom("unknown"))),
        ({"type": "array", "format": "date-time"}, Many(STAMP)),
        ({"type": "wormhole"}, Atom("unknown")),
        ({"type": None}, Atom("unknown")),
        ({"type": 7}, Atom("unknown")),
        ({}, Atom("unknown")),
        ({"type": "array", "items": {"type": "array", "items": []}}, Many(Group(()))),
        ({"type": "array", "items": {"type": "array"}}, Many(Group(()))),
        ({"type": "array", "is_complex": True}, Many(Group(()))),
    ],
)
def test_an_adapter_field_has_the_kind_of_its_type(entry: dict[str, object], kind: Kind | None) -> None:
    """A pair that is not known is left open, a picture or a form is not extracted."""
    assert kind_of("adapters_data.acme_adapter.x", **entry) == kind


@pytest.mark.parametrize(
    ("name", "entry", "kind"),
    [
        ("specific_data.data.x", {"type": "string"}, Many(TEXT)),
        ("specific_data.data.x", {"type": "integer"}, Many(Atom("integer"))),
        ("specific_data.data.x", {"type": "wormhole"}, Many(Atom("unknown"))),
        ("specific_data.data.x", {"type": "array", "items": {"type": "string"}}, Many(TEXT)),
        ("specific_data.data.user_created", {"type": "string", "format": "date-time"}, Many(STAMP)),
        ("specific_data.data.cpu_count", {"type": "integer"}, Many(Atom("integer"))),
        ("specific_data.data.hostname_preferred", {"type": "string"}, TEXT),
        (
            "specific_data.data.ips_preferred",
            {"type": "array", "format": "ip_preferred", "items": {"type": "string", "format": "ip_preferred"}},
            Many(TEXT),
        ),
        ("adapter_list_length", {"type": "integer"}, Atom("integer")),
        ("adapters", {"type": "string"}, Many(TEXT)),
        ("labels", {"type": "array"}, Many(TEXT)),
        ("internal_axon_id", {"type": "array", "items": {"type": "string"}}, TEXT),
    ],
)
def test_an_aggregated_field_is_a_list(name: str, entry: dict[str, object], kind: Kind) -> None:
    """One value per adapter; `_preferred` is Axonius' pick, and the four roots are what they always are."""
    assert kind_of(name, **entry) == kind


@pytest.mark.parametrize(
    "name", ["last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change", "ad.last_logon"]
)
def test_dates_that_servers_merge_are_expected_as_one_value(name: str) -> None:
    """By their names; a v2 catalogue has no format for them, and what has another format is no date."""
    full = f"specific_data.data.{name}"

    assert kind_of(full, type="string", format="date-time") == STAMP
    assert kind_of(full, type="string") == TEXT
    assert kind_of(full, type="string", format="version") == Many(TEXT)
    assert kind_of(full, type="integer") == Many(Atom("integer"))
    assert kind_of(full, type="array", format="date-time", items={"type": "string"}) == Many(STAMP)


NICS_NAME = "specific_data.data.network_interfaces"
INLINE = {"type": "array", "items": {"type": "array", "items": [{"name": "mac", "type": "string"}]}}
PREFERRED: Entry = {"name": f"{NICS_NAME}.ips_preferred", "type": "array", "title": "Preferred IPs"}
COUNTED: Entry = {"name": f"{NICS_NAME}.mac_count", "type": "integer"}
MAC: Entry = {"name": f"{NICS_NAME}.mac", "type": "string"}


@pytest.mark.parametrize(
    "above",
    [
        pytest.param([{"name": NICS_NAME, **INLINE}], id="v1, which lists the members in their parent"),
        pytest.param([{"name": NICS_NAME, "type": "array", "is_complex": True}, MAC], id="v2, which lists no members"),
        pytest.param(
            [{"name": NICS_NAME, "type": "array", "is_complex": True}, {**MAC, "part_of_table": True}],
            id="8.0, which marks the members",
        ),
    ],
)
def test_what_is_picked_or_counted_of_objects_is_a_field_of_its_own(above: list[Entry]) -> None:
    """It is no member: kind by its own entry, and no list is made of it."""
    fields = fields_of([*above, PREFERRED, COUNTED], None)

    assert fields == (
        Field(NICS_NAME, Many(Group((Member("mac", "mac", TEXT),)))),
        Field(f"{NICS_NAME}.ips_preferred", Many(Atom("unknown")), None, "Preferred IPs"),
        Field(f"{NICS_NAME}.mac_count", Atom("integer")),
    )


def test_true_members_stay_members() -> None:
    """Those that a parent lists, those that 8.0 marks, and those that only sound like a pick."""
    inline = {"name": "a.n", "type": "array", "items": {"type": "array", "items": [{"name": "hit_count"}]}}
    bare = {"name": "a.n", "type": "array", "is_complex": True}
    listed = fields_of([inline, {"name": "a.n.hit_count", "type": "integer"}], None)
    marked = fields_of([bare, {"name": "a.n.hit_count", "type": "integer", "part_of_table": "n"}], None)
    named = fields_of([bare, {"name": "a.n.preferred_name", "type": "string"}], None)

    assert [[f.name for f in fields] for fields in (listed, marked, named)] == [["a.n"]] * 3
    assert marked[0].kind == Many(Group((Member("hit_count", "hit_count", Atom("integer")),)))


def test_the_category_of_custom_fields_is_kept() -> None:
    """`gui` in both generations, so that the default selection can tell them from adapters' fields."""
    site = {"name": "adapters_data.gui.custom_site", "type": "string", "title": "Site"}
    expected = Field("adapters_data.gui.custom_site", TEXT, "gui", "Site")

    assert v2.read_fields(reply({"gui": [site]}), HOST)[-1] == expected
    assert v1.read_fields(reply({"meta": {"generic": [], "specific": {"gui": [site]}}}), HOST)[-1] == expected


def test_complex_fields_nest() -> None:
    """In v1's `items.items` and in v2's dotted names alike."""
    inner = {
        "name": "subnets",
        "type": "array",
        "items": {"type": "array", "items": [{"name": "cidr", "type": "string"}]},
    }
    nested = Many(Group((Member("subnets", "subnets", Many(Group((Member("cidr", "cidr", TEXT),)))),)))
    dotted: list[Entry] = [
        {"name": "a.nics", "type": "array", "is_complex": True},
        {"name": "a.nics.subnets", "type": "array", "is_complex": True},
        {"name": "a.nics.subnets.cidr", "type": "string"},
    ]

    assert kind_of("a.nics", type="array", items={"type": "array", "items": [inner]}) == nested
    assert fields_of(dotted, None) == (Field("a.nics", nested),)
    assert fields_of(reversed(dotted), None) == (Field("a.nics", nested),)


def test_what_nests_deeper_than_sixteen_levels_is_json() -> None:
    """In both ways to write it; the levels above stay objects."""
    expected: Kind = Many(Atom("json"))
    inline: dict[str, Any] = {"name": "x", "type": "array", "items": {"type": "array", "items": []}}
    for _ in range(MOST_LEVELS):
        expected = Many(Group((Member("x", "x", expected),)))
        inline = {"name": "x", "type": "array", "items": {"type": "array", "items": [inline]}}
    dotted: list[Entry] = [{"name": ".x" * n, "type": "array", "is_complex": True} for n in range(1, MOST_LEVELS + 3)]

    assert kind_of(**inline) == expected
    assert [field.kind for field in fields_of(dotted, None)] == [expected]


def test_a_sub_field_of_a_sub_object_keeps_its_dotted_key() -> None:
    """Only complex fields are objects; what stands between is part of the key."""
    entries: list[Entry] = [
        {"name": "a.nics", "type": "array", "is_complex": True},
        {"name": "a.nics.vlan.id", "type": "integer"},
    ]

    (field,) = fields_of(entries, None)

    assert field.kind == Many(Group((Member("vlan.id", "vlan_id", Atom("integer")),)))


def test_a_sub_field_is_listed_inline_and_on_its_own_but_read_once() -> None:
    """v1 lists it in both places; the inline entry says more."""
    entries: list[Entry] = [
        {"name": "a.n", "type": "array", "items": {"type": "array", "items": [{"name": "d", "type": "integer"}]}},
        {"name": "a.n.d", "type": "string"},
        {"name": "a.n.e", "type": "string"},
    ]

    (field,) = fields_of(entries, None)

    assert field.kind == Many(Group((Member("d", "d", Atom("integer")), Member("e", "e", TEXT))))


def test_a_dotted_name_whose_parent_is_simple_is_a_root() -> None:
    """`os` as a text beside `os.type` hides nothing."""
    fields = fields_of([{"name": "a.os", "type": "string"}, {"name": "a.os.type", "type": "string"}], None)

    assert [f.name for f in fields] == ["a.os", "a.os.type"]


def test_pictures_inside_objects_are_left_out() -> None:
    """The other keys stay; an object of nothing else is JSON, so that no page makes columns of pictures."""
    picture = {"name": "icon", "type": "string", "format": "logo"}
    name = {"name": "name", "type": "string"}

    assert kind_of("a.b", type="array", items={"type": "array", "items": [picture, name]}) == Many(
        Group((Member("name", "name", TEXT),))
    )
    assert kind_of("a.b", type="array", items={"type": "array", "items": [picture]}) == Many(Atom("json"))


@pytest.mark.parametrize(
    "entry", [{}, {"name": None}, {"name": 7}, {"name": ""}, {"title": "x", "type": "string"}], ids=repr
)
def test_an_entry_without_a_name_is_passed_over(entry: dict[str, object]) -> None:
    """All other attributes are optional, the name is not."""
    assert fields_of([entry, {"name": "x"}], None) == (Field("x", Atom("unknown")),)


def test_a_name_that_is_listed_twice_is_one_field() -> None:
    """Also over categories, since there can be only one column."""
    twice = {"generic": [{"name": "x", "type": "string"}] * 2, "acme_adapter": [{"name": "x", "type": "integer"}]}

    fields = v2.read_fields(reply(twice), HOST)

    assert [f.name for f in fields] == [*ROOTS, "x"]


@pytest.mark.parametrize("answer", [{}, {"generic": None}, {"generic": "x", "n": 7}, {"generic": [None, 7, "x"]}])
def test_a_catalogue_of_nothing_has_the_roots(answer: object) -> None:
    """They are served whatever it lists (docs/axonius-api.md, "Records")."""
    assert v2.read_fields(reply(answer), HOST) == ROOT_FIELDS
    assert v1.read_fields(reply({"data": None, "meta": answer}), HOST) == ROOT_FIELDS


@pytest.mark.parametrize("answer", [{}, {"meta": None}, {"meta": []}, {"data": {}}])
def test_v1_without_meta_has_no_catalogue(answer: object) -> None:
    """It is not the same as an empty one."""
    with pytest.raises(BadAnswer, match="without a field catalogue"):
        v1.read_fields(reply(answer), HOST)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["array", "string", "name", "a", "a.b", "a.b.c", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "type", "format", "items", "is_complex", "title"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(["name", "type", "format", "items", "is_complex"]), JSON), max_size=6))
def test_no_catalogue_breaks_the_client(entries: list[dict[str, object]]) -> None:
    """Whatever stands where a type or its items should be."""
    fields = fields_of(entries, "acme_adapter")

    assert len({f.name for f in fields}) == len(fields)
