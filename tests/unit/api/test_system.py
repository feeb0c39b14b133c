"""The administrators' tables in both generations: how they are asked for, and what of an answer becomes a row."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.api import GENERATIONS, KNOWN_ENTITIES, SYSTEM_TABLES, Api, Question, v1, v2
from axsync.api.system import SECRET, Listing, place_of
from axsync.errors import BadAnswer
from axsync.model import ID_FIELD, Page, Window
from tests.unit.api.asked import HOST, asked, raw, reply

FIRST, SECOND = Window(0, 0, 100), Window(1, 100, 100)
BOTH = (v2, v1)
USER = {"uuid": "66bb", "user_name": "ines.moreau", "last_login": "Mon, 02 Nov 2026 12:00:00 GMT"}
LOG = {"action": "Success", "category": "Login", "date": "Mon, 02 Nov 2026 12:00:00 GMT", "user": "ines.moreau"}
CONNECTION = {"uuid": "u1", "status": "success", "active": True}


def answer(api: Api, key: str, rows: Sequence[object], **meta: object) -> dict[str, object]:
    """A listing in the form of its generation."""
    told = {"meta": {"page": meta}} if meta else {}
    if api is v1:
        return {"data": [{"type": "x", "attributes": row} for row in rows], **told}
    return {key: rows, **told}


def read(api: Api, table: str, served: object, window: Window = FIRST, fields: tuple[str, ...] = ()) -> Page:
    return api.read_system(Question(table, fields), window, reply(served), HOST)


def rows(api: Api, page: Page) -> list[dict[str, Any]]:
    """The rows of a page as a converter will find them."""
    listed: list[dict[str, Any]] = json.loads(page.body)[api.ROWS_KEY]
    return [one["attributes"] for one in listed] if api is v1 else listed


@pytest.mark.parametrize(
    ("table", "request_", "params"),
    [
        ("system_adapters", ("GET", "/api/v2/adapters", None), {"include_connection_details": "false"}),
        ("system_connections", ("GET", "/api/v2/adapters", None), {"include_connection_details": "true"}),
        (
            "system_fetch_history",
            (
                "POST",
                "/api/v2/adapters/fetch_history",
                {"page": {"offset": 100, "limit": 100}, "sort": "-last_fetch_time"},
            ),
            {},
        ),
        (
            "system_saved_queries",
            ("GET", "/api/v2/queries", None),
            {"offset": "100", "limit": "100", "include_metadata": "true", "folder_id": "all"},
        ),
        ("system_activity_log", ("GET", "/api/v2/activity_logs", None), {"page": "2", "limit": "100"}),
        ("system_users", ("GET", "/api/v2/users", None), {}),
    ],
)
def test_v2_is_asked_for_a_window(table: str, request_: tuple[object, ...], params: dict[str, str]) -> None:
    """By offset, by the number of a page, or for all at once."""
    request = v2.system_request(table, SECOND)

    assert (asked(request), dict(request.params)) == (request_, params)


PAGED = {"page[offset]": "100", "page[limit]": "100", "get_metadata": "true"}
HISTORY = {
    "data": {
        "type": "history_request_schema",
        "attributes": {"page": {"offset": 100, "limit": 100}, "sort": "-last_fetch_time"},
    }
}


@pytest.mark.parametrize(
    ("table", "request_", "params"),
    [
        ("system_adapters", ("GET", "/api/adapters", None), {"get_clients": "false"}),
        ("system_connections", ("GET", "/api/adapters", None), {"get_clients": "true"}),
        ("system_fetch_history", ("POST", "/api/adapters/history", HISTORY), {}),
        ("system_saved_queries", ("GET", "/api/queries/saved", None), PAGED),
        ("system_activity_log", ("GET", "/api/settings/audit", None), PAGED),
        ("system_users", ("GET", "/api/settings/users", None), PAGED),
    ],
)
def test_v1_is_asked_for_a_window(table: str, request_: tuple[object, ...], params: dict[str, str]) -> None:
    """With flat arguments, or in an envelope."""
    request = v1.system_request(table, SECOND)

    assert (asked(request), dict(request.params)) == (request_, params)


@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
def test_no_more_rows_are_asked_for_than_a_server_is_known_to_take(api: Api) -> None:
    """A wider window is answered by a shorter page."""
    limits = {table: listing.most for table, listing in api.SYSTEM.items() if listing.paging != "none"}

    assert limits["system_saved_queries"] == 1000
    assert max(limits.values()) <= 2000
    for table, most in limits.items():
        request = api.system_request(table, Window(0, 0, most + 1))
        told = request.body.decode() if request.body else str(request.params)
        assert str(most) in told
        assert str(most + 1) not in told


@given(st.integers(0, 600), st.integers(1, 300), st.integers(0, 500))
def test_a_numbered_page_holds_the_rows_of_its_window(offset: int, limit: int, there: int) -> None:
    """Wherever it begins: none before it, none behind it, and the first one whenever there is one."""
    listing, window = Listing("v2.activity", "number", 200), Window(0, offset, limit)
    place = place_of(listing, window)
    first = (place.number - 1) * place.limit  # as a server reckons
    page = list(range(there))[first : first + place.limit]
    mine = page[place.skip :][:limit]

    assert place.limit <= 200
    assert mine == list(range(there))[offset : offset + len(mine)]
    assert bool(mine) == (offset < there)


@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
def test_both_generations_make_the_same_rows(api: Api) -> None:
    """A page of the generation's own form, with an id made of what names the row, and the total that was told."""
    page = read(api, "system_users", answer(api, "users", [USER], totalResources=1))

    assert rows(api, page) == [{ID_FIELD: "66bb", **USER}]
    assert (page.rows, page.total, page.token) == (1, 1, None)


@pytest.mark.parametrize("key", ["history", "fetch_history", "data", "results"])
def test_a_list_is_found_under_a_name_that_nobody_told(key: str) -> None:
    """The name is documented nowhere; where an answer has one list, that is it."""
    page = read(v2, "system_fetch_history", {key: [{"id": "f1"}], "meta": {}})

    assert rows(v2, page) == [{ID_FIELD: "f1", "id": "f1"}]


@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
@pytest.mark.parametrize(
    "served",
    [{}, {"users": None}, [], 7, {"error": "no", "users": []}, {"errors": []}, {"a": [], "b": []}, {"status": "error"}],
)
def test_an_answer_without_a_list_is_no_empty_table(api: Api, served: object) -> None:
    """Or a table would seem to have lost its rows."""
    with pytest.raises(BadAnswer, match=r"answered a listing|answered with a bare value"):
        read(api, "system_users", served)


def test_what_is_not_json_is_no_table() -> None:
    """Nor is a page that was cut."""
    with pytest.raises(BadAnswer, match="not JSON"):
        v2.read_system(Question("system_users"), FIRST, raw(b'{"users": [{"uuid": "a"'), HOST)


@pytest.mark.parametrize("table", SYSTEM_TABLES)
@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
def test_a_column_that_nobody_knows_is_not_kept(api: Api, table: str) -> None:
    """Whatever it is called: a new version may keep a password in it."""
    key = v2._ROWS_OF[table][0]
    row = {"uuid": "u", "id": "i", "plugin_name": "p", "user_name": "n", "action": "a", "hint": "canary"}
    served = answer(api, key, [row | {"client_config": {"x": "canary"}, "password": "canary", "connections": [row]}])
    page = read(api, table, served)

    assert page.rows == 1
    assert b"canary" not in page.body


KEYS = "password api_key key accessKey key_id client_secret Token private_key config ssh-keys connection_config auth"


@pytest.mark.parametrize("key", [*KEYS.split(), "passphrase", "certificate", "credentials", "signing"])
def test_a_key_that_may_hold_a_secret_is_taken_out_of_values(key: str) -> None:
    """At any depth, with all that is below it; what stands beside it stays."""
    view = {"query": {"filter": "x"}, "deep": [{key: "canary", "field": "labels"}], key: {"a": ["canary"]}}
    page = read(v2, "system_saved_queries", {"queries": [{"id": "q", "name": "Q", "view": view}]})

    assert rows(v2, page)[0]["view"] == {"query": {"filter": "x"}, "deep": [{"field": "labels"}]}


def test_what_is_too_deep_to_be_looked_at_is_taken_out() -> None:
    """A hundred levels, and a secret below them."""
    view: object = {"password": "canary"}
    for _ in range(100):
        view = {"a": view}
    page = read(v2, "system_saved_queries", {"queries": [{"id": "q", "name": "Q", "view": view}]})

    assert b"canary" not in page.body
    assert rows(v2, page)[0]["view"]["a"]["a"]


def test_no_known_column_sounds_like_a_secret() -> None:
    """But for flags of that name, which are no secret."""
    flags = {"private", "has_configuration_changed"}

    assert {c for table in SYSTEM_TABLES.values() for c in table.columns if SECRET.search(c)} == flags


def test_tables_are_no_types_of_assets() -> None:
    """So a run of all types is without them, and each generation can list each of them."""
    assert not set(KNOWN_ENTITIES) & set(SYSTEM_TABLES)
    assert [set(api.SYSTEM) for api in GENERATIONS.values()] == [set(SYSTEM_TABLES)] * 2


@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
def test_a_row_without_a_key_is_named_by_what_it_says(api: Api) -> None:
    """The same on every day; another row has another name, and nulls make no difference."""
    pages = [
        read(api, "system_activity_log", answer(api, "logs", listed)) for listed in ([LOG], [LOG | {"role": None}])
    ]
    other = read(api, "system_activity_log", answer(api, "logs", [LOG | {"user": "tom.akers"}]))
    names = [rows(api, page)[0][ID_FIELD] for page in (*pages, other)]

    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 32


def test_two_rows_of_one_page_are_two_rows() -> None:
    """Also where they say the same, or claim the same id; so nothing is lost that was served."""
    page = read(v2, "system_activity_log", {"logs": [LOG, LOG, LOG | {"id": "a"}, LOG | {"id": "a", "user": "x"}]})
    names = [row[ID_FIELD] for row in rows(v2, page)]

    assert len(set(names)) == 4
    assert names[1] == f"{names[0]}#2"
    assert names[2:] == ["a", "a#2"]


def test_a_row_that_is_no_object_counts_and_has_no_id() -> None:
    """So that it becomes a dead letter, without what it held."""
    page = read(v2, "system_users", {"users": ["canary", USER, None]})

    assert (page.rows, page.total) == (3, 3)
    assert [row.get(ID_FIELD) for row in rows(v2, page)] == [None, "66bb", None]
    assert b"canary" not in page.body
    old = read(
        v1, "system_users", {"data": [{"attributes": "canary"}, None, {"id": "u", "attributes": {"title": "x"}}]}
    )
    assert [row.get(ID_FIELD) for row in rows(v1, old)] == [None, None, "u"]


def adapters(api: Api, connections: Sequence[object]) -> Mapping[str, object]:
    """An adapter with these, and one without any."""
    node = {"plugin_name": "acme_adapter", "unique_plugin_name": "acme_adapter_0", "node_id": "n1", "node_name": "Main"}
    idle = node | {"plugin_name": "idle_adapter", "unique_plugin_name": "idle_adapter_0"}
    if api is v2:
        return {"adapters": [node | {"connections": connections}, idle | {"connections": []}]}
    nodes: list[dict[str, object]] = [node | {"clients": connections}, idle | {"clients": []}]
    return {"data": [{"id": "a", "attributes": {"id": "a", "adapters_data": [one]}} for one in nodes]}


@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
def test_connections_say_whose_they_are(api: Api) -> None:
    """And nothing of their configuration; adapters are a table of their own."""
    secret = {"connection_config": {"password": "canary"}, "client_config": {"password": "canary"}}
    served = adapters(api, [CONNECTION | secret, {"connection_id": "c2"}])
    page = read(api, "system_connections", served)
    whose = {"adapter_name": "acme_adapter", "node_id": "n1", "node_name": "Main"}

    assert rows(api, page) == [
        {ID_FIELD: "u1", **whose, **CONNECTION},
        {ID_FIELD: "acme_adapter/n1/c2", **whose, "connection_id": "c2"},
    ]
    assert page.total == 2
    assert b"canary" not in page.body
    listed = rows(api, read(api, "system_adapters", served))
    assert [row[ID_FIELD] for row in listed] == ["acme_adapter_0", "idle_adapter_0"]


def test_names_of_the_older_generation_become_those_of_the_newer_one() -> None:
    """So that two instances make one table; where a row has both names, its own column is meant."""
    served = adapters(v1, [{"client_id": "c1"}, {"client_id": "c9", "connection_id": "c2"}])

    assert [row["connection_id"] for row in rows(v1, read(v1, "system_connections", served))] == ["c1", "c2"]
    node = {"plugin_name": "a", "node_id": "n", "clients_count": {"total": 3}}
    old = {"data": [{"attributes": {"adapters_data": [node]}}]}
    assert rows(v1, read(v1, "system_adapters", old))[0]["connections_count"] == {"total": 3}


@pytest.mark.parametrize(
    "query",
    [
        {"uuid": "5f", "name": "Q", "module": "devices", "view": {"query": {"filter": "x"}, "fields": ["a", "b"]}},
        {"id": "5f", "name": "Q", "asset_type": "devices", "query": "x", "fields": ["a", {"name": "b"}]},
    ],
    ids=["nested", "flat"],
)
@pytest.mark.parametrize("api", BOTH, ids=["v2", "v1"])
def test_saved_queries_of_every_version_have_the_same_columns(api: Api, query: dict[str, object]) -> None:
    """Id, entity type, AQL and columns."""
    [row] = rows(api, read(api, "system_saved_queries", answer(api, "queries", [query])))
    row.pop("view", None)

    assert row == {
        ID_FIELD: "5f",
        "id": "5f",
        "name": "Q",
        "asset_type": "devices",
        "query": "x",
        "fields": ["a", "b"],
    }


def test_a_listing_that_comes_whole_is_cut_into_windows() -> None:
    """No row twice, none left out, and an empty page behind the last one."""
    served = {"users": [{"uuid": str(n)} for n in range(25)]}
    windows = [Window(n, at, 10) for n, at in enumerate(range(0, 40, 10))]
    pages = [read(v2, "system_users", served, window) for window in windows]

    assert [row["uuid"] for page in pages for row in rows(v2, page)] == [str(n) for n in range(25)]
    assert [(page.rows, page.total) for page in pages] == [(10, 25), (10, 25), (5, 25), (0, 25)]


def test_a_whole_listing_that_says_that_there_is_more_is_short() -> None:
    """So that it is not taken for complete; what it misses is reckoned in entries, of which each may be some rows."""
    node = {"plugin_name": "a", "adapters_data": [{"plugin_name": "a", "node_id": n} for n in ("n1", "n2")]}
    served = {"data": [{"attributes": node}], "meta": {"page": {"totalResources": 3}}}

    assert read(v1, "system_adapters", served).total == 4
    assert read(v2, "system_users", {"users": [USER], "meta": {"page": {"totalResources": 90}}}).total == 90


@pytest.mark.parametrize("total", [None, -1, "25", True])
def test_a_senseless_total_is_none(total: object) -> None:
    """Then only an empty page ends the listing."""
    served = {"logs": [LOG], "meta": {"page": {"totalResources": total}}}

    assert read(v2, "system_activity_log", served).total is None


def test_only_the_columns_that_are_named_come() -> None:
    """For a second listing, which is of ids alone."""
    page = read(v2, "system_users", {"users": [USER]}, fields=(ID_FIELD,))

    assert rows(v2, page) == [{ID_FIELD: "66bb"}]


def test_a_page_is_what_a_converter_reads_fast() -> None:
    """Meta last, no null: a user who never logged in has no such key."""
    page = read(v2, "system_users", {"users": [USER | {"last_login": None}]})

    assert page.body.endswith(b'"meta":{"page":{"totalResources":1}}}')
    assert b"null" not in page.body
    assert orjson.loads(page.body)["assets"][0].keys() == {ID_FIELD, "uuid", "user_name"}
