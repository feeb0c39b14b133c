import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.errors import UnknownEntity
from axsync.fields import Atom, Field, Many
from axsync.model import ID_FIELD, Lane
from axsync.plan import RAW, choose_lanes, closest, select_fields

TEXT = Atom("text")
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


@pytest.mark.parametrize(("word", "near"), [("user", "users"), ("sofware", "software"), ("zzz", None), ("", None)])
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
