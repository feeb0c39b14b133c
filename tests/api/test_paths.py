import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.api import GENERATIONS, KNOWN_ENTITIES, Dialect, Question, paths
from axsync.errors import UsageError
from axsync.model import Generation, Window

HOSTILE = [
    "",
    " ",
    "devices/",
    "devices/count",
    "../users",
    "..",
    ".",
    "devices?x=1",
    "devices#x",
    "devices%2Fcount",
    "Devices",
    "DEVICES",
    "1devices",
    "_devices",
    "dev-ices",
    "devices\n",
    "devices\0",
    "devices ",
    "dévices",
    "d" * 101,
    "{entity}",
    "a\\b",
    "add_tags",
    "remove_tags",
    "asset_types",
]


@pytest.mark.parametrize("entity", HOSTILE)
@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_no_request_can_be_built_for_a_hostile_name(entity: str, generation: Generation) -> None:
    """What is no slug, or would turn a read into something else, is refused before there is a path."""
    api, question, dialect = GENERATIONS[generation], Question(entity), Dialect()

    with pytest.raises(UsageError, match="is not a name of an entity type"):
        api.page_request(question, dialect, Window(0, 0, 10))
    with pytest.raises(UsageError, match="is not a name of an entity type"):
        api.count_request(question, dialect, "poll")
    with pytest.raises(UsageError, match="is not a name of an entity type"):
        api.fields_request(entity)


@given(st.text(max_size=12) | st.from_regex(r"[a-z/._%?-]{1,12}", fullmatch=True))
def test_a_name_never_leaves_its_segment(entity: str) -> None:
    """Whatever is asked for, the path has exactly the segments of its template."""
    try:
        _, path = paths.read("v2.count", entity)
    except UsageError:
        return
    assert re.fullmatch(r"/api/v2/assets/[a-z0-9_]+/count", path)


@pytest.mark.parametrize("name", sorted(paths.READS))
def test_every_listed_path_is_a_read(name: str) -> None:
    """GET, or one of the POSTs that ask: for a page, for a count, for the history of fetches."""
    method, template = paths.READS[name]

    asks = r"/api/(v2/assets/)?\{entity\}(/count)?|/api/v2/adapters/fetch_history|/api/adapters/history"
    assert method == "GET" or re.fullmatch(asks, template)


def test_what_is_not_listed_cannot_be_asked() -> None:
    """There is no way from a free text to a path."""
    with pytest.raises(KeyError):
        paths.read("v2.enforcements")


@pytest.mark.parametrize("entity", KNOWN_ENTITIES)
def test_all_known_types_are_slugs(entity: str) -> None:
    """There are 78 of them."""
    assert paths.entity_slug(entity) == entity
    assert len(set(KNOWN_ENTITIES)) == len(KNOWN_ENTITIES) == 78


@pytest.mark.parametrize("name", sorted(paths.V1_PLACES))
def test_a_v1_type_that_is_a_place_of_its_own_is_no_type(name: str) -> None:
    """In v1 a type stands where other resources stand; a POST there would not be a read of assets."""
    with pytest.raises(UsageError, match="is not an entity type of API v1"):
        GENERATIONS["v1"].page_request(Question(name), Dialect(), Window(0, 0, 1))
    assert name not in KNOWN_ENTITIES
