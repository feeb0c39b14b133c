import json

import pytest

from axsync.api import GENERATIONS, Dialect, Question, v2
from axsync.errors import BadAnswer
from axsync.model import Request, Window
from tests.api.asked import HOST, asked, raw, reply

PLAIN = Dialect()
QUESTION = Question("devices", ("specific_data.data.hostname", "labels"))
FIELDS = list(QUESTION.fields)
FLAGS = {"use_cache_entry": False, "include_details": False, "include_metadata": True}


def test_the_first_page_is_asked_as_the_reference_has_it() -> None:
    """Offset and limit, the fields, the flags, and nothing that is null or empty."""
    request = v2.page_request(QUESTION, PLAIN, Window(0, 0, 2000))

    assert asked(request) == (
        "POST",
        "/api/v2/assets/devices",
        {"page": {"offset": 0, "limit": 2000}, "fields": FIELDS, **FLAGS},
    )
    assert request.params == ()


def test_a_token_stands_beside_the_limit_and_replaces_the_offset() -> None:
    """The second page of the token dialect: same fields, same flags, `next_page` at the top."""
    request = v2.page_request(QUESTION, PLAIN, Window(1, 0, 2000, "tok-7d1e"))

    assert asked(request)[2] == {"page": {"limit": 2000}, "next_page": "tok-7d1e", "fields": FIELDS, **FLAGS}


@pytest.mark.parametrize(
    ("question", "extra"),
    [
        (Question("devices", query='("labels" == "a")'), {"query": '("labels" == "a")'}),
        (Question("devices", saved_query="Servers"), {"saved_query_name": "Servers"}),
        (Question("devices", saved_query="Servers", saved_query_id="5f"), {"saved_query_id": "5f"}),
        (Question("devices", history="2026-11-22"), {"history": "2026-11-22"}),
        (
            Question("devices", query="q", history="2026-11-22"),
            {"query": "q", "history": "2026-11-22"},
        ),
    ],
)
def test_a_selection_is_the_same_for_pages_and_counts(question: Question, extra: dict[str, str]) -> None:
    """What is counted is what is walked."""
    page = v2.page_request(question, PLAIN, Window(3, 30, 10))
    count = v2.count_request(question, PLAIN, "poll")

    # Without fields none are sent: an empty list would be one, and keep a saved query's own columns away.
    assert asked(page)[2] == {"page": {"offset": 30, "limit": 10}, **FLAGS, **extra}
    assert asked(count) == ("POST", "/api/v2/assets/devices/count", extra)


@pytest.mark.parametrize("refused", sorted(FLAGS))
def test_a_refused_key_is_left_out(refused: str) -> None:
    """The others stay."""
    request = v2.page_request(QUESTION, Dialect(frozenset({refused})), Window(0, 0, 1))

    assert asked(request)[2].keys() == {"page", "fields", *FLAGS} - {refused}


@pytest.mark.parametrize(
    ("request_", "path", "params"),
    [
        (v2.about_request(), "/api/v2/about", ()),
        (v2.discovery_request(), "/api/v2/discovery", ()),
        (v2.entities_request(), "/api/v2/assets/asset_types", ()),
        (v2.fields_request("users"), "/api/v2/assets/users/fields", (("exclude_subfields", "false"),)),
    ],
)
def test_other_reads_are_gets_without_a_body(request_: Request, path: str, params: tuple[object, ...]) -> None:
    """As docs/axonius-api.md, "Endpoints" lists it."""
    assert asked(request_) == ("GET", path, None)
    assert request_.params == params


def test_a_count_of_everything_has_an_empty_body() -> None:
    """An empty object, not null."""
    assert v2.count_request(Question("users"), PLAIN, "poll").body == b"{}"


def test_the_version_is_told_as_on_the_wire() -> None:
    """With underscores; None where there is none."""
    assert v2.read_about(reply({"installed_version": "6_1_70_3", "enabled_products": []}), HOST) == "6_1_70_3"
    assert v2.read_about(reply({"installed_version": None}), HOST) is None
    assert v2.read_about(reply({}), HOST) is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"status": "done"}, "done"), ({"status": "running", "is_running": True}, "running"), ({}, None)],
)
def test_of_the_discovery_only_its_status_counts(answer: object, status: str | None) -> None:
    """Other keys were modelled, not seen."""
    assert v2.read_discovery(reply(answer), HOST) == status


@pytest.mark.parametrize(
    ("listed", "slugs"),
    [
        (["devices", "users"], ("devices", "users")),
        (["devices", {"name": "software"}], ("devices", "software")),
        ([{"asset_type": "users"}, {"id": "tickets"}, {"value": "cases"}], ("users", "tickets", "cases")),
        ([{"name": 7, "id": "urls"}], ("urls",)),
        (["devices", "devices", {"name": "devices"}], ("devices",)),
        ([None, 7, "", {}, [], {"name": None}, {"title": "Nameless"}], ()),
        ([], ()),
    ],
)
def test_entity_types_are_strings_or_objects(listed: object, slugs: tuple[str, ...]) -> None:
    """In either form, each once, in the order told; what is neither is passed over."""
    assert tuple(v2.read_entities(reply({"asset_types": listed}), HOST)) == slugs


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        ({"name": "iot", "title": "Smart things"}, "Smart things"),
        ({"asset_type": "iot", "display_name": "Smart things", "label": "no"}, "Smart things"),
        ({"id": "iot", "title": None, "label": "Smart things"}, "Smart things"),
        ({"value": "iot", "title": "", "display_name": " "}, ""),
        ({"name": "iot"}, ""),
        ("iot", ""),
    ],
)
def test_an_entity_type_may_have_a_title(entry: object, title: str) -> None:
    """Under one of three keys; where the type is listed twice, the entry that has one tells it."""
    assert v2.read_entities(reply({"asset_types": ["iot", entry]}), HOST) == {"iot": title}


@pytest.mark.parametrize("answer", [{}, {"asset_types": None}, {"asset_types": "devices"}, {"asset_types": {}}])
def test_an_answer_without_a_list_of_types_is_bad(answer: object) -> None:
    """It does not mean that there are none."""
    with pytest.raises(BadAnswer, match="without a list of entity types"):
        v2.read_entities(reply(answer), HOST)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"value": 41873}, 41873),
        ({"value": 0}, 0),
        ({"count": 7}, 7),
        ({"value": 3, "count": 7}, 3),
        ({"value": None}, None),
        ({"value": -1}, None),
        ({"value": True}, None),
        ({"value": "7"}, None),
        ({}, None),
    ],
)
def test_a_count_is_a_number_or_not_ready(body: object, count: int | None) -> None:
    """None means: ask again."""
    assert v2.read_count(reply(body), HOST) == count


@pytest.mark.parametrize("answer", [raw(b"", 202), raw(b"", 200), raw(b"later", 202)])
def test_an_answer_that_says_later_is_no_count_yet(answer: object) -> None:
    """202, or no body."""
    assert v2.read_count(answer, HOST) is None  # type: ignore[arg-type]  # a reply


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"7", b"null", b'"x"', b'{"value": 7', b"\xff"])
def test_an_answer_that_is_no_object_is_bad(body: bytes) -> None:
    """Of whichever read."""
    for read in (v2.read_count, v2.read_about, v2.read_discovery, v2.read_entities, v2.read_fields):
        with pytest.raises(BadAnswer) as caught:
            read(raw(body), HOST)
        assert (caught.value.host, caught.value.status) == (HOST, 200)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("Bad Request: Type error: got an unexpected keyword argument 'include_details'", "include_details"),
        ('got an unexpected keyword argument "use_cache_entry"', "use_cache_entry"),
        ("unexpected keyword argument include_metadata, accepted: query, fields", "include_metadata"),
        ("got an unexpected keyword argument 'next_page'", None),
        ("got an unexpected keyword argument 'fields'", None),
        ("got an unexpected keyword argument 'page'", None),
        ("unexpected end of query at include_details", None),
        ("", None),
    ],
)
def test_only_a_key_that_can_be_left_out_is_negotiated(words: str, key: str | None) -> None:
    """Without fields or page the answer would be another one."""
    assert v2.refused_key(words) == key


def test_each_generation_is_an_api() -> None:
    """v2 is tried before v1, and each knows its name and the key of its rows."""
    assert [(name, api.GENERATION, api.ROWS_KEY) for name, api in GENERATIONS.items()] == [
        ("v2", "v2", "assets"),
        ("v1", "v1", "data"),
    ]


def test_no_request_holds_a_secret_or_null() -> None:
    """Bodies are plain JSON without a null, which 6.1 refuses."""
    body = v2.page_request(QUESTION, PLAIN, Window(0, 0, 1)).body

    assert body is not None
    assert b"null" not in body
    assert "api" not in json.dumps(json.loads(body))
