import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from axsync.schema.columns import MAX_NAME_BYTES, RESERVED, Field, assign_names, group, make_columns, plain_name
from axsync.schema.kinds import Atom, Many, Member

LEGAL = re.compile(r"[a-z0-9_]{1,255}")
PARTS = st.sampled_from(
    ["os", "OS", "type", "Type", "a", "A", "b c", "b_c", "b:c", "ü", "İ", "ß", "", "_", "9", "x" * 300]
)
ADAPTERS = st.sampled_from(["aws", "aws_adapter", "AWS", "a__b", "gui"])
ORIGINALS = st.one_of(
    st.builds("specific_data.data.{}.{}".format, PARTS, PARTS),
    st.builds("adapters_data.{}.{}".format, ADAPTERS, PARTS),
    st.sampled_from(
        ["entity", "instance", "dt", "axsync_rescued", "axsync_run_id", "axsync_new", "AxSync_X", "labels"]
    ),
    st.sampled_from(["", ".", "specific_data", "specific_data.data.", "adapters_data.x", "specific_data.data.labels"]),
    st.text(st.characters(), max_size=12),
)
LISTS = st.lists(ORIGINALS, max_size=12, unique=True)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("internal_axon_id", "internal_axon_id"),
        ("specific_data.data.hostname", "hostname"),
        ("specific_data.data.os.type", "os_type"),
        ("specific_data.data.network_interfaces.mac", "network_interfaces_mac"),
        ("adapters_data.aws_adapter.region", "aws__region"),
        ("adapters_data.gui.custom_Owner", "gui__custom_owner"),
        ("adapters_data.esx_adapter.custom:Cost Center", "esx__custom_cost_center"),
        ("specific_data", "specific_data"),
        ("specific_data.data.__fields_to_unset__", "fields_to_unset__"),
        ("specific_data.data.größe", "gr__e"),
        ("specific_data.data.9lives", "9lives"),
        ("specific_data.data.", "field"),
        ("", "field"),
        ("日本", "field"),
    ],
)
def test_a_field_has_a_plain_name(field: str, name: str) -> None:
    """The generic prefix goes, an adapter's name stays in front of two underscores, what is not legal is one."""
    assert plain_name(field) == name


@given(LISTS)
@example(["specific_data.data." + "x" * 300, "specific_data.data." + "x" * 301, "x" * 255, "x" * 256])
def test_names_are_legal_in_athena(originals: list[str]) -> None:
    """Small letters, digits and underscores, at most 255 of them, never one of ours."""
    names = assign_names(originals, reserved=RESERVED)

    assert all(LEGAL.fullmatch(name) for name in names.values())
    assert not RESERVED & set(names.values())


@given(LISTS)
def test_names_are_unique(originals: list[str]) -> None:
    """Each original has a name, and no two the same."""
    names = assign_names(originals, reserved=RESERVED)

    assert names.keys() == set(originals)
    assert len(set(names.values())) == len(originals)


@given(st.data(), LISTS)
def test_the_order_of_a_catalogue_is_no_matter(data: st.DataObject, originals: list[str]) -> None:
    """The same fields in any order have the same names."""
    shuffled = data.draw(st.permutations(originals))

    assert assign_names(shuffled, reserved=RESERVED) == assign_names(originals, reserved=RESERVED)


@given(LISTS, LISTS)
def test_names_of_earlier_snapshots_are_kept(first: list[str], added: list[str]) -> None:
    """A field that appears later takes no name away, whatever it would like to be called."""
    earlier = assign_names(first, reserved=RESERVED)

    names = assign_names(dict.fromkeys(first + added), reserved=RESERVED, earlier=earlier)

    assert {original: names[original] for original in first} == earlier
    assert len(set(names.values())) == len(names)


@given(LISTS, LISTS)
def test_a_field_that_comes_back_finds_its_name_free(first: list[str], added: list[str]) -> None:
    """Where the earlier snapshot had a field that is missing today, nobody gets its name."""
    earlier = assign_names(first, reserved=RESERVED)
    assume(set(added) - set(first))

    names = assign_names(added, reserved=RESERVED, earlier=earlier)

    assert not {names[a] for a in added if a not in earlier} & set(earlier.values())


def test_generic_fields_come_first() -> None:
    """Of two that want one name the generic field has it, the other a suffix of its own."""
    names = assign_names(["adapters_data.a.b", "specific_data.data.a__b"])

    assert names["specific_data.data.a__b"] == "a__b"
    assert re.fullmatch(r"a__b_[0-9a-f]{8}", names["adapters_data.a.b"])


@pytest.mark.parametrize("twin", ["Internal_Axon_Id", "Internal.axon.id", "INTERNAL AXON ID"])
def test_no_look_alike_takes_the_column_of_the_id(twin: str) -> None:
    """A stray key that would be spelt like it comes earlier in the alphabet; every reader joins by that column."""
    names = assign_names([twin, "internal_axon_id"])

    assert names["internal_axon_id"] == "internal_axon_id"
    assert re.fullmatch(r"internal_axon_id_[0-9a-f]{8}", names[twin])


def test_case_twins_have_two_names() -> None:
    """Names that differ by case only are one name to Athena, so one gets a suffix."""
    names = assign_names(["specific_data.data.MAC", "specific_data.data.mac"])

    assert names["specific_data.data.MAC"] == "mac"
    assert re.fullmatch(r"mac_[0-9a-f]{8}", names["specific_data.data.mac"])


def test_a_suffix_depends_on_its_own_field_only() -> None:
    """Which other field had the name first is no matter."""
    one = assign_names(["specific_data.data.dt"], reserved=RESERVED)
    other = assign_names(["dt", "specific_data.data.dt", "specific_data.data.DT"], reserved=RESERVED)

    assert one["specific_data.data.dt"] == other["specific_data.data.dt"]


@pytest.mark.parametrize("field", sorted(RESERVED))
def test_our_own_and_the_partition_columns_are_taken(field: str) -> None:
    """A field that is called as one of ours gets a suffix."""
    (column,) = make_columns([Field(field, Atom("text"))])

    assert column.name != field
    assert column.field == field


def test_long_names_that_begin_alike_stay_apart() -> None:
    """255 characters include the suffix."""
    names = assign_names(["x" * 300, "x" * 301])

    assert {len(name) for name in names.values()} == {MAX_NAME_BYTES}
    assert len(set(names.values())) == 2


def test_a_wanted_suffix_that_is_taken_costs_nobody_a_column() -> None:
    """A field that is called like another one's suffixed name is told apart all the same."""
    suffixed = assign_names(["MAC", "mac"])["mac"]

    names = assign_names(["MAC", "mac", suffixed, suffixed.upper()])

    assert len(set(names.values())) == 4


def test_keys_of_objects_are_named_alike() -> None:
    """Members keep their order and their keys; their names follow the same rules."""
    made = group([("Mac", Atom("text")), ("mac", Atom("text")), ("a b", Many(Atom("integer")))])

    assert made.members[2] == Member("a b", "a_b", Many(Atom("integer")))
    assert [m.key for m in made.members] == ["Mac", "mac", "a b"]
    assert len({m.name for m in made.members}) == 3
