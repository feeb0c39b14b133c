"""Lists of saved queries, in the forms of both generations."""

import pytest

from axsync.api import QueriesPage, SavedQuery, v1, v2
from axsync.errors import BadAnswer
from tests.unit.api.asked import HOST, asked, reply

SERVERS = SavedQuery("Servers", "5f00", "devices", '("labels" == "a")', ("specific_data.data.hostname", "labels"))
NESTED = {
    "uuid": "5f00",
    "name": "Servers",
    "module": "devices",
    "view": {"query": {"filter": '("labels" == "a")'}, "fields": ["specific_data.data.hostname", "labels"]},
}
FLAT = {
    "id": "5f00",
    "name": "Servers",
    "asset_type": "devices",
    "query": '("labels" == "a")',
    "fields": ["specific_data.data.hostname", {"name": "labels"}, "labels"],
}


def test_the_list_is_asked_for_from_a_place_on() -> None:
    """Of all folders, and never by entity type: a server has no such list."""
    new, old = v2.queries_request(30, 1000), v1.queries_request(30, 1000)

    assert (asked(new), asked(old)) == (("GET", "/api/v2/queries", None), ("GET", "/api/queries/saved", None))
    assert new.params == (("offset", "30"), ("limit", "1000"), ("include_metadata", "true"), ("folder_id", "all"))
    assert old.params == (("page[offset]", "30"), ("page[limit]", "1000"))


@pytest.mark.parametrize("row", [NESTED, FLAT], ids=["nested", "flat"])
def test_rows_of_every_version_say_the_same(row: dict[str, object]) -> None:
    """Id or uuid, module or asset_type, a view or flat keys."""
    meta = {"page": {"totalResources": 25}}
    expected = QueriesPage((SERVERS,), 1, 25)

    assert v2.read_queries(reply({"queries": [row], "meta": meta}), HOST) == expected
    assert v2.read_queries(reply({"data": [row], "meta": meta}), HOST) == expected
    assert v1.read_queries(reply({"data": [{"id": "x", "attributes": row}], "meta": meta}), HOST) == expected


@pytest.mark.parametrize("total", [None, -1, True, "25", []])
def test_a_row_that_cannot_be_read_counts_as_served(total: object) -> None:
    """The next page begins behind it; a senseless total is none."""
    rows: list[object] = [None, 7, {}, {"name": ""}, {"name": "Bare", "view": None, "fields": "x", "query": 7}]
    meta = {"page": {"totalResources": total}}

    page = v2.read_queries(reply({"queries": rows, "meta": meta}), HOST)

    assert page == QueriesPage((SavedQuery("Bare"),), 5, None)
    old = v1.read_queries(reply({"data": [None, {"attributes": None}, *({"attributes": r} for r in rows)]}), HOST)
    assert (old.queries, old.served) == ((SavedQuery("Bare"),), 7)


@pytest.mark.parametrize("answer", [{}, {"queries": None}, {"error": "no"}, {"data": {}}])
def test_an_answer_without_a_list_is_no_empty_list(answer: object) -> None:
    """Or every saved query would seem to be gone."""
    with pytest.raises(BadAnswer, match="without a list of saved queries"):
        v2.read_queries(reply(answer), HOST)
    with pytest.raises(BadAnswer, match="without a list of saved queries"):
        v1.read_queries(reply(answer), HOST)


def test_a_saved_query_is_meant_by_name_or_id() -> None:
    """As people copy either of them."""
    assert SERVERS.called("Servers")
    assert SERVERS.called("5f00")
    assert not SERVERS.called("servers")
