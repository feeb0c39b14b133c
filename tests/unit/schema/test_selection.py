from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import ConfigError, UnknownEntity
from axsync.model import ID_FIELD, Lane
from axsync.schema.columns import Field, group
from axsync.schema.kinds import Atom, Group, Many
from axsync.schema.selection import (
    GENERIC,
    RAW,
    WELL_KNOWN,
    choose_lanes,
    fields_meant,
    in_axonius_names,
    refuse_misnamed,
    select_fields,
)
from axsync.settings import EntitySettings, Fields, closest

TEXT, UNKNOWN = Atom("text"), Atom("unknown")
ID = Field(ID_FIELD, TEXT)
ADAPTERS = Field("adapters", Many(TEXT))
HOST = Field("specific_data.data.hostname", Many(TEXT))
OS = Field("specific_data.data.os.type", Many(TEXT))
ACME = Field("adapters_data.acme_adapter.hostname", TEXT, "acme_adapter")
TREE = Field("specific_data", Atom("unknown"))
CATALOGUE = (ADAPTERS, ID, HOST, OS, ACME, TREE)
OFFERED = {"prod": ("devices", "users"), "test": ("devices", "software")}


def test_all_offered_types_are_walked_where_none_is_named() -> None:
    """Each instance with its own types."""
    assert choose_lanes((), OFFERED) == (
        Lane("prod", "devices"),
        Lane("prod", "users"),
        Lane("test", "devices"),
        Lane("test", "software"),
    )


def test_a_named_type_is_tried_on_every_instance() -> None:
    """Also on one whose list lacks it, since a list may be short of it; naming it twice is naming it once."""
    assert choose_lanes(("software", "devices", "devices"), OFFERED) == (
        Lane("prod", "software"),
        Lane("prod", "devices"),
        Lane("test", "software"),
        Lane("test", "devices"),
    )


@pytest.mark.parametrize("known", ["configured", "heard_of"])
def test_a_type_that_is_known_elsewhere_is_tried_everywhere(known: str) -> None:
    """What the configuration names, or what is well known, may be missing in all lists; unnamed it is not tried."""
    assert choose_lanes(("cases",), OFFERED, **{known: ["cases"]}) == (Lane("prod", "cases"), Lane("test", "cases"))
    assert Lane("prod", "cases") not in choose_lanes((), OFFERED, **{known: ["cases"]})


def test_a_mistyped_type_names_its_nearest() -> None:
    """Nobody offers it, so nothing is walked."""
    with pytest.raises(UnknownEntity, match="did you mean 'devices'") as caught:
        choose_lanes(("users", "devcies"), OFFERED)

    assert (caught.value.entity, caught.value.nearest) == ("devcies", "devices")


def test_a_mistyped_type_may_be_near_to_one_that_nobody_lists() -> None:
    """Servers that cannot list their types still have well-known ones."""
    with pytest.raises(UnknownEntity, match="did you mean 'vulnerabilities'"):
        choose_lanes(("vulnerabilites",), {"old": ()}, heard_of=["vulnerabilities"])


@pytest.mark.parametrize(
    ("word", "near"), [("user", "users"), ("sofware", "software"), ("nothere", None), ("zzz", None), ("", None)]
)
def test_a_word_is_close_or_not(word: str, near: str | None) -> None:
    """A guess is made only where it is likely."""
    assert closest(word, ["users", "software"]) == near


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        ("generic", (ID, ADAPTERS, HOST, OS)),
        ("full", (ID, ADAPTERS, HOST, OS, ACME)),
        ("raw", (ID, ADAPTERS, RAW)),
        (("hostname",), (ID, ADAPTERS, HOST)),
        (("specific_data.data.os.*",), (ID, ADAPTERS, OS)),
        (("os.*", "adapters"), (ID, ADAPTERS, OS)),
        (("*",), (ID, ADAPTERS, HOST, OS, ACME)),
        (("adapters_data.*",), (ID, ADAPTERS, ACME)),
        ((ID_FIELD,), (ID, ADAPTERS)),
    ],
)
def test_a_wish_selects_fields(wish: str | tuple[str, ...], fields: tuple[Field, ...]) -> None:
    """The id first and always, then the catalogue's own order."""
    selection = select_fields(CATALOGUE, wish)  # type: ignore[arg-type]  # the words are among the parameters

    assert selection.fields == fields
    assert selection.names == tuple(f.name for f in fields)
    assert selection.unmatched == ()


def test_wishes_that_match_nothing_are_told() -> None:
    """The others are selected all the same; globs are case-sensitive, as the names are."""
    selection = select_fields(CATALOGUE, ("hostname", "Hostname", "nope*"))

    assert selection.fields == (ID, ADAPTERS, HOST)
    assert selection.unmatched == ("Hostname", "nope*")


@pytest.mark.parametrize("wish", ["generic", "full", "raw", ("x",)])
def test_an_empty_catalogue_still_has_the_id(wish: str | tuple[str, ...]) -> None:
    """Rows without an id could not be told apart."""
    assert select_fields((), wish).fields[0] == ID  # type: ignore[arg-type]  # as above


@given(st.lists(st.sampled_from(CATALOGUE), max_size=8), st.sampled_from(["generic", "full", "raw", ("*",)]))
def test_no_field_is_asked_for_twice(catalogue: list[Field], wish: str | tuple[str, ...]) -> None:
    """Whatever a catalogue repeats."""
    names = select_fields(catalogue, wish).names  # type: ignore[arg-type]  # as above

    assert len(set(names)) == len(names)


NICS = Field("specific_data.data.nics", Many(group([("mac", TEXT), ("subnets", Many(group([("cidr", TEXT)])))])))
IPS = Field("specific_data.data.nics.ips_preferred", Many(TEXT))
OPEN = Field("specific_data.data.cves", Many(Group(())))
REGION = Field("adapters_data.aws_adapter.nets", Many(group([("mac", TEXT)])), "aws_adapter")
SITE = Field("adapters_data.gui.custom_site", TEXT, "gui")
COMPLEX = (ID, HOST, NICS, IPS, OPEN, REGION, SITE)


@pytest.mark.parametrize(
    ("pattern", "fields", "folded"),
    [
        ("nics.mac", [NICS], [NICS]),
        ("specific_data.data.nics.mac", [NICS], [NICS]),
        ("nics.subnets.cidr", [NICS], [NICS]),
        ("nics.*", [NICS, IPS], [NICS]),
        ("specific_data.data.nics.*", [NICS, IPS], [NICS]),
        ("nics.m?c", [NICS], [NICS]),
        ("nics.ips_preferred", [IPS], []),
        ("nics", [NICS], []),
        ("nics*", [NICS, IPS], []),
        ("*preferred", [IPS], []),
        ("*", [HOST, NICS, IPS, OPEN, REGION, SITE], []),
        ("cves.cve_id", [OPEN], [OPEN]),
        ("cves.*", [OPEN], [OPEN]),
        ("*.mac", [NICS, REGION], [NICS, REGION]),
        ("adapters_data.aws_adapter.nets.mac", [REGION], [REGION]),
        ("adapters_data.aws_adapter.*", [REGION], []),
    ],
)
def test_a_pattern_for_members_takes_their_parent(pattern: str, fields: list[Field], folded: list[Field]) -> None:
    """With what it matches of its own, and a notice for each parent that it does not name."""
    selection = select_fields(COMPLEX, (pattern,))

    assert selection.fields == (ID, *fields)
    assert selection.unmatched == ()
    assert selection.notices == tuple(f"{pattern!r}: inside of {f.name}, which is copied whole" for f in folded)


@pytest.mark.parametrize("pattern", ["nics.mca", "nics.subnets.nope", "hostname.x", "cve.x", "nics."])
def test_a_pattern_that_is_no_member_matches_nothing(pattern: str) -> None:
    """A mistyped member takes no parent along."""
    selection = select_fields(COMPLEX, (pattern,))

    assert (selection.fields, selection.unmatched, selection.notices) == ((ID,), (pattern,), ())


def test_the_default_has_the_fields_of_the_tenant() -> None:
    """Site, owner, business unit: people group everything by them. Adapters' fields stay out."""
    assert select_fields(COMPLEX, "generic").fields == (ID, HOST, NICS, IPS, OPEN, SITE)


WELL = ("specific_data.data.network_interfaces.ips_preferred", "specific_data.data.network_interfaces.mac_preferred")


@pytest.mark.parametrize("wish", ["generic", "full"])
def test_well_known_fields_of_devices_are_asked_for_by_default(wish: Fields) -> None:
    """They are optional, unless the catalogue lists them."""
    listed = Field(WELL[0], Many(TEXT))

    assert WELL_KNOWN == {"devices": WELL}
    assert select_fields((ID,), wish, entity="devices").names == (ID_FIELD, *WELL)
    assert select_fields((ID,), wish, entity="devices").optional == frozenset(WELL)
    assert select_fields((ID, listed), wish, entity="devices").fields[1] == listed
    assert select_fields((ID, listed), wish, entity="devices").optional == {WELL[1]}
    assert select_fields((ID,), wish, entity="users").names == (ID_FIELD,)


@pytest.mark.parametrize("wish", ["raw", ("hostname",)])
def test_well_known_fields_are_not_forced_on_a_list(wish: Fields) -> None:
    """Who names the fields, or takes whole records, has what was wished."""
    assert not set(WELL) & set(select_fields(CATALOGUE, wish, entity="devices").names)


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ("cves.cve_id_count", "specific_data.data.cves.cve_id_count"),
        ("never_heard_of", "specific_data.data.never_heard_of"),
        ("specific_data.connection_label", "specific_data.connection_label"),
        ("adapters_data.x_adapter.y z", "adapters_data.x_adapter.y z"),
        ("meta_data.client_used", "meta_data.client_used"),
        ("_id", "_id"),
        ("labels", "labels"),
    ],
)
@pytest.mark.parametrize("wish", ["generic", "full", "raw", ("hostname",)])
def test_extra_fields_are_asked_for_whatever_is_listed(wish: Fields, extra: str, name: str) -> None:
    """By their full name; the first page decides what they are."""
    selection = select_fields((ID, HOST, OPEN), wish, extra=(extra,))

    assert selection.fields[-1] == Field(name, UNKNOWN)
    assert selection.unlisted == {name}
    assert selection.optional == frozenset()
    assert name not in selection.listed


def test_an_extra_field_that_is_listed_is_just_selected() -> None:
    """Nothing is to be told of it, but that a member brings its parent."""
    selection = select_fields(
        COMPLEX, ("nics.ips_preferred",), extra=("hostname", "nics.mac", "nics.subnets.cidr", ID_FIELD)
    )

    assert selection.fields == (ID, IPS, HOST, NICS)
    assert selection.unlisted == frozenset()
    inside = "'specific_data.data.nics.mac', 'specific_data.data.nics.subnets.cidr'"
    assert selection.notices == (f"{inside}: inside of specific_data.data.nics, which is copied whole",)


def test_a_well_known_field_that_is_an_extra_one_is_not_optional() -> None:
    """Who names it wants its column."""
    selection = select_fields((ID,), "generic", entity="devices", extra=("network_interfaces.ips_preferred",))

    assert selection.unlisted == {WELL[0]}
    assert selection.optional == {WELL[1]}
    assert sorted(selection.names) == sorted((ID_FIELD, *WELL))


def test_the_columns_of_a_saved_query_are_selected_in_their_order() -> None:
    """Members bring their parent, unlisted names are asked for, and words for everything are passed over."""
    columns = (
        SITE.name,
        "specific_data",
        "specific_data.data.nics.mac",
        "specific_data.data.new",
        HOST.name,
        SITE.name,
    )
    selection = select_fields(COMPLEX, "saved-query", columns=columns, entity="devices")

    assert selection.names == (ID_FIELD, SITE.name, NICS.name, "specific_data.data.new", HOST.name)
    assert selection.unlisted == {"specific_data.data.new"}
    assert not selection.open


def test_a_saved_query_whose_columns_are_not_known_is_left_to_the_server() -> None:
    """No names go out, also no extra ones; what is always served has its columns."""
    selection = select_fields(CATALOGUE, "saved-query", extra=("x",), entity="devices")

    assert selection.open
    assert selection.names == ()
    assert selection.fields == (ID, ADAPTERS)
    assert (selection.unlisted, selection.optional) == (frozenset(), frozenset())


def test_what_is_refused_leaves_the_selection() -> None:
    """Wherever it was named."""
    selection = select_fields((ID, HOST), "generic", entity="devices", extra=("x", "y"))

    left = selection.without([WELL[0], "specific_data.data.x"])

    assert left.names == (ID_FIELD, HOST.name, "specific_data.data.y", WELL[1])
    assert left.unlisted == {"specific_data.data.y"}
    assert left.optional == {WELL[1]}


def test_a_table_that_is_called_like_another_type_is_refused() -> None:
    """One that is called like nothing else is not."""
    refuse_misnamed({"servers": "devices"}, ["devices", "users"])
    with pytest.raises(ConfigError, match=r"^\[entities\.users\]: 'users' is itself an entity type"):
        refuse_misnamed({"users": "devices"}, ["devices", "users"])


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("os_type", (OS.name,)),
        ("os_*", (OS.name,)),
        ("os.type", ("os.type",)),
        ("acme__hostname", (ACME.name,)),
        ("software_cves_cve_id", ("software_cves_cve_id",)),
        ("old_name", (HOST.name,)),
    ],
)
def test_a_column_is_as_good_a_name_as_that_of_its_field(word: str, meant: tuple[str, ...]) -> None:
    """Alone or in a glob, in each list of fields; a name that is Axonius's own, or nobody's, stays as it is."""
    single = () if "*" in word else (word,)  # nothing else may stand in the other two
    named = in_axonius_names(EntitySettings("", (word,), single, single), CATALOGUE, {HOST.name: "old_name"})

    assert named.fields == meant
    assert named.extra_fields == named.details == (meant if single else ())
    assert in_axonius_names(EntitySettings(), CATALOGUE, {}) == EntitySettings()


@given(st.text("abos_.*[", max_size=8))
def test_a_name_of_a_field_never_means_a_column_of_another(word: str) -> None:
    """Axonius names go first: what a settings file meant before columns could be named, it still means."""
    columns = {"a.b": "a_b", "a_b": "a_b_1234", "specific_data.data.os": "os"}
    found = fields_meant(word, columns)
    own = [name for name in columns if fnmatchcase(name, word) or fnmatchcase(name.removeprefix(GENERIC), word)]

    assert list(found) == own or (not own and all(fnmatchcase(columns[name], word) for name in found))
