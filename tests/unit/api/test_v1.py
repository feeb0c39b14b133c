import json

import pytest

from axsync.api import Api, Dialect, Question, history_days_request, read_history_days, v1, v2
from axsync.errors import BadAnswer
from axsync.model import Request, Window
from tests.unit.api.asked import HOST, asked, raw, reply

PLAIN = Dialect()
QUESTION = Question("devices", ("specific_data.data.hostname",))
COMMON = {
    "filter": "",
    "search": "",
    "file_name": "",
    "fields": {"devices": ["specific_data.data.hostname"]},
    "include_details": False,
    "get_metadata": True,
}


def page_body(**attributes: object) -> dict[str, object]:
    """The envelope of a page request."""
    return {"data": {"type": "entity_request_schema", "attributes": COMMON | attributes}}


@pytest.mark.parametrize(
    ("window", "attributes"),
    [
        (Window(0, 0, 2000), {"page": {"limit": 2000, "offset": 0}, "use_cursor": False}),
        (Window(3, 60, 20), {"page": {"limit": 20, "offset": 60}, "use_cursor": False}),
        (Window(0, 0, 2000, v1.FIRST_TOKEN), {"page": {"limit": 2000}, "use_cursor": True}),
        (Window(1, 0, 2000, "cur-91c0"), {"page": {"limit": 2000}, "use_cursor": True, "cursor_id": "cur-91c0"}),
    ],
)
def test_a_page_is_asked_by_offset_or_by_cursor(window: Window, attributes: dict[str, object]) -> None:
    """Never both; no null, no empty sort; `search` and `file_name` are empty texts."""
    assert asked(v1.page_request(QUESTION, PLAIN, window)) == ("POST", "/api/devices", page_body(**attributes))


def test_a_query_and_a_day_go_into_pages_and_counts_alike() -> None:
    """The day is the exact timestamp that the server listed."""
    question = Question("users", query='("x" == 1)', history="2026-11-21T00:02:11")

    page = asked(v1.page_request(question, PLAIN, Window(0, 0, 5)))
    count = asked(v1.count_request(question, PLAIN, "q-77"))

    chosen = {"filter": '("x" == 1)', "history": "2026-11-21T00:02:11"}
    assert page[1] == "/api/users"
    assert page[2]["data"]["attributes"].items() >= chosen.items()
    assert "fields" not in page[2]["data"]["attributes"]
    assert count == (
        "POST",
        "/api/users/count",
        {
            "data": {
                "type": "entities_count_schema",
                "attributes": {"search": "", "use_cache_entry": True, "query_id": "q-77", **chosen},
            }
        },
    )


@pytest.mark.parametrize("refused", ["include_details", "get_metadata"])
def test_a_refused_key_is_left_out(refused: str) -> None:
    """The others stay."""
    request = v1.page_request(QUESTION, Dialect(frozenset({refused})), Window(0, 0, 1))

    assert asked(request)[2]["data"]["attributes"].keys() == {*COMMON, "page", "use_cursor"} - {refused}


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (v1.about_request(), "/api/settings/meta/about"),
        (v1.discovery_request(), "/api/dashboard/lifecycle"),
        (v1.fields_request("devices"), "/api/devices/fields"),
        (history_days_request(), "/api/dashboard/get_allowed_dates"),
    ],
)
def test_other_reads_are_gets_without_a_body(request_: Request, path: str) -> None:
    """As docs/axonius-api.md, "Endpoints" lists it."""
    assert asked(request_) == ("GET", path, None)


def test_there_is_no_list_of_types() -> None:
    """v1 cannot be asked for it."""
    assert v1.entities_request() is None


@pytest.mark.parametrize(
    ("data", "version"),
    [
        ({"type": "about_schema", "attributes": {"Installed Version": "6_1_70_3", "Build Date": "x"}}, "6_1_70_3"),
        ({"attributes": {}}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_the_version_stands_under_a_key_with_a_space(data: object, version: str | None) -> None:
    """None where the answer has none."""
    assert v1.read_about(reply({"data": data}), HOST) == version


def test_the_lifecycle_tells_the_state_of_the_discovery() -> None:
    """Its status alone."""
    data = {"type": "lifecycle_schema", "attributes": {"status": "done", "next_run_time": 38115.5, "sub_phases": []}}

    assert v1.read_discovery(reply({"data": data}), HOST) == "done"


@pytest.mark.parametrize(
    ("value", "count"), [(None, None), (0, 0), (41873, 41873), (-1, None), ("7", None), (True, None)]
)
def test_a_count_is_null_until_the_background_job_ends(value: object, count: int | None) -> None:
    """docs/axonius-api.md, "Counts"."""
    data = {"type": "int_value_schema", "id": "q-77", "attributes": {"value": value}}

    assert v1.read_count(reply({"data": data}), HOST) == count


@pytest.mark.parametrize(
    "answer", [{"error": "no"}, {"errors": [{"detail": "no"}]}, {"status": "error", "message": "no"}]
)
@pytest.mark.parametrize("api", [v1, v2])
def test_a_count_that_is_an_error_is_not_waited_for(api: Api, answer: dict[str, object]) -> None:
    """It is no count that is still being made; the server's words are kept."""
    with pytest.raises(BadAnswer, match="answered a count with an error") as caught:
        api.read_count(reply(answer), HOST)

    assert caught.value.detail == "no"
    assert api.read_count(reply({"error": None, "errors": []}), HOST) is None


def test_the_days_of_history_are_listed_per_type_with_what_must_be_sent() -> None:
    """The values, not the bare days, are what `history` wants."""
    deep = json.loads("[" * 900 + "]" * 900)
    odd = {"2026-11-22": None, "2026-11-23": deep, "2026-11-24": ""}
    value = {"devices": {"2026-11-21": "2026-11-21T00:02:11", **odd}, "users": None}

    dates = read_history_days(reply({"data": {"type": "dict_value_schema", "attributes": {"value": value}}}), HOST)

    assert dates == {"devices": {"2026-11-21": "2026-11-21T00:02:11"}}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'{"data":', b""])
def test_an_answer_that_is_no_object_is_bad(body: bytes) -> None:
    """Of whichever read."""
    for read in (v1.read_count, v1.read_about, v1.read_discovery, v1.read_fields, read_history_days):
        with pytest.raises(BadAnswer) as caught:
            read(raw(body), HOST)
        assert caught.value.host == HOST


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("got an unexpected keyword argument 'get_metadata'", "get_metadata"),
        ("got an unexpected keyword argument 'include_details'", "include_details"),
        ("got an unexpected keyword argument 'fields'", None),
        ("Field may not be null.", None),
    ],
)
def test_only_a_key_that_can_be_left_out_is_negotiated(words: str, key: str | None) -> None:
    """Others would change the answer."""
    assert v1.refused_key(words) == key
