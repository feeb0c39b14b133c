import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.api import GENERATIONS
from axsync.api.envelope import SMALL_PAGE, WORDS_BYTES, error_words, is_web_page, page_title
from axsync.errors import BadAnswer, BrokenPage
from axsync.model import Generation, Reply, Window
from tests.unit.api.asked import HOST, raw

WINDOW = Window(2, 20, 10)
META = {
    "page": {"number": 1, "size": 2000, "totalPages": 1, "totalResources": 41873},
    "next_page": "tok-0001",
    "cache_last_updated": "Mon, 02 Nov 2026 12:00:00 GMT",
    "is_data_from_cache": True,
    "expand_row": False,
}
ROW = {"internal_axon_id": "0f3c9a5be1d24477a6c0b1e2d3f4a5b6", "labels": ["tier1"], "note": 'a "meta": {"page"} b'}
KEYS = {"v2": "assets", "v1": "data"}
GENERATION = pytest.mark.parametrize("generation", ["v2", "v1"])
SIZE = pytest.mark.parametrize("count", [1, 1000], ids=["small", "large"])


def rows_of(generation: str, count: int) -> list[object]:
    """So many records in this generation's form; a thousand of them are no small page."""
    return [ROW if generation == "v2" else {"type": "entities_schema", "attributes": ROW}] * count


@SIZE
@GENERATION
@pytest.mark.parametrize("meta_first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["tight", "wide"])
def test_meta_is_found_wherever_it_stands(
    generation: Generation, count: int, meta_first: bool, separators: tuple[str, str]
) -> None:
    """Before or behind the rows, whatever else the rows contain."""
    parts = {KEYS[generation]: rows_of(generation, count), "meta": META}
    body = json.dumps(dict(reversed(parts.items())) if meta_first else parts, separators=separators).encode()

    page = GENERATIONS[generation].read_page(WINDOW, raw(body), HOST)

    assert (page.window, page.body, page.total, page.token) == (WINDOW, body, 41873, "tok-0001")
    assert page.rows == (count if len(body) <= SMALL_PAGE else None)


@SIZE
@GENERATION
@pytest.mark.parametrize("meta", [None, {}, {"page": None}, {"page": {}}])
def test_a_page_may_say_nothing_about_itself(generation: Generation, count: int, meta: object) -> None:
    """`meta` is empty, or null, or missing: no total, no token."""
    parts = {KEYS[generation]: rows_of(generation, count)}
    for body in (parts, parts | {"meta": meta}):
        page = GENERATIONS[generation].read_page(WINDOW, raw(json.dumps(body).encode()), HOST)

        assert (page.total, page.token) == (None, None)


@pytest.mark.parametrize(
    ("meta", "token"),
    [
        ({"next_page": "t2"}, "t2"),
        ({"cursor": "cur-91c0"}, "cur-91c0"),
        ({"next_page": None, "cursor": "c"}, "c"),
        ({"next_page": ""}, None),
        ({"next_page": None}, None),
        ({"next_page": 7}, None),
        ({"cursor": ["x"]}, None),
    ],
)
@SIZE
def test_a_token_is_a_text_that_is_not_empty(meta: object, token: str | None, count: int) -> None:
    """An empty token is the end, not a token."""
    body = json.dumps({"assets": rows_of("v2", count), "meta": meta}).encode()

    assert GENERATIONS["v2"].read_page(WINDOW, raw(body), HOST).token == token


@SIZE
def test_a_token_at_the_top_is_followed_too(count: int) -> None:
    """One integration reads it there (docs/axonius-api.md, "Paging")."""
    beside = {"meta": {"page": {"totalResources": 7}}}
    for meta, total in (({}, None), (beside, 7)):
        body = json.dumps({"assets": rows_of("v2", count), **meta, "next_page": "t2"}).encode()
        page = GENERATIONS["v2"].read_page(WINDOW, raw(body), HOST)

        assert (page.token, page.total) == ("t2", total)


@pytest.mark.parametrize(
    ("total", "read"), [(0, 0), (7, 7), (-1, None), (7.5, None), ("7", None), (True, None), (None, None), ([7], None)]
)
@SIZE
def test_a_senseless_total_is_none(total: object, read: int | None, count: int) -> None:
    """A page with a strange total is still a page."""
    body = json.dumps({"assets": rows_of("v2", count), "meta": {"page": {"totalResources": total}}}).encode()

    assert GENERATIONS["v2"].read_page(WINDOW, raw(body), HOST).total == read


@GENERATION
def test_an_empty_page_is_a_page(generation: Generation) -> None:
    """v1 may leave `meta` out then."""
    body = json.dumps({KEYS[generation]: []}).encode()

    assert GENERATIONS[generation].read_page(WINDOW, raw(body), HOST).rows == 0


BAD_RECORDS = {
    "NaN": b'{"internal_axon_id":"a","x":NaN}',
    "surrogate": b'{"internal_axon_id":"a","x":"\\ud800"}',
    "not UTF-8": b'{"internal_axon_id":"a","x":"\xff"}',
    "depth": b'{"internal_axon_id":"a","x":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "line break": b'{"internal_axon_id":"a","x":"\n"}',
    "key twice": b'{"internal_axon_id":"a","internal_axon_id":"b"}',
    "no object": b"7",
}


@SIZE
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("meta_first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("bad", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_bad_record_costs_no_page(bad: bytes, meta_first: bool, start: bytes, count: int) -> None:
    """What a page says about itself is read whatever its records are; the conversion looks after these."""
    rows = b'"assets":[' + b",".join([bad, *[json.dumps(ROW).encode()] * count]) + b"]"
    meta = b'"meta":' + json.dumps(META).encode()
    body = start + b"{" + b",".join([meta, rows] if meta_first else [rows, meta]) + b"}"

    page = GENERATIONS["v2"].read_page(WINDOW, raw(body), HOST)

    assert (page.total, page.token) == (41873, "tok-0001")


def test_a_bad_record_costs_no_page_that_says_nothing_about_itself() -> None:
    """`meta` is null or missing."""
    for meta in (b"", b',"meta":null'):
        page = GENERATIONS["v2"].read_page(WINDOW, raw(b'{"assets":[{"x":NaN}]%b}' % meta), HOST)

        assert (page.total, page.token) == (None, None)


NOT_A_PAGE = {
    "html": b"<html><body>Sign in</body></html>",
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "number": b"7",
    "text": b'"assets"',
    "nothing": b"{}",
    "error": b'{"status": "error", "error": "something broke"}',
    "large errors": b'{"errors": ["' + b"x" * 70_000 + b'"]}',
    "errors": b'{"errors": [{"error": "Bad", "description": "worse"}], "error_id": "e-1", "status": 500}',
    "rows are null": b'{"assets": null, "data": null, "meta": {}}',
    "rows are an object": b'{"assets": {}, "data": {}, "meta": {}}',
    "rows are a text": b'{"assets": "none", "data": "none"}',
    "meta is a text": b'{"assets": [], "data": [], "meta": "x"}',
    "not UTF-8": b'{"\xff": 1}',
    "two": b'{"assets": [], "data": []}{"assets": [], "data": []}',
}


@GENERATION
@pytest.mark.parametrize("body", NOT_A_PAGE.values(), ids=NOT_A_PAGE)
def test_what_is_no_page_is_a_bad_answer(generation: Generation, body: bytes) -> None:
    """Status 200 alone makes no page."""
    with pytest.raises(BadAnswer, match=r"200 with something that is not a page|cut off or malformed") as caught:
        GENERATIONS[generation].read_page(WINDOW, raw(body), HOST)

    assert (caught.value.host, caught.value.status) == (HOST, 200)


@GENERATION
@pytest.mark.parametrize("rows", [3, 1000], ids=["small", "large"])
def test_of_a_page_that_is_cut_off_no_value_of_an_asset_is_told(generation: Generation, rows: int) -> None:
    """Messages are printed, logged and kept in reports; whose laptop it was is nobody's matter there."""
    body = json.dumps({KEYS[generation]: rows_of(generation, rows), "meta": META}).encode()

    with pytest.raises(BrokenPage, match=r"acme\.on\.axonius\.com sent a page .* \([0-9,]+ bytes\)") as caught:
        GENERATIONS[generation].read_page(WINDOW, raw(body[:-9]), HOST)

    assert caught.value.detail == ""


@GENERATION
@given(st.data())
def test_a_cut_body_is_no_page_of_other_rows(generation: Generation, data: st.DataObject) -> None:
    """A small page that is cut anywhere is a bad answer; it never comes out shorter."""
    body = json.dumps({KEYS[generation]: rows_of(generation, 3), "meta": META}).encode()
    cut = body[: data.draw(st.integers(0, len(body) - 1))]

    with pytest.raises(BadAnswer):
        GENERATIONS[generation].read_page(WINDOW, raw(cut), HOST)


@GENERATION
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_large_cut_body_is_a_bad_answer(generation: Generation, share: float) -> None:
    """Also where it is too large to be counted."""
    body = json.dumps({KEYS[generation]: rows_of(generation, 1000), "meta": META}).encode()

    with pytest.raises(BadAnswer):
        GENERATIONS[generation].read_page(WINDOW, raw(body[: int(len(body) * share)]), HOST)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors": [{"error": "Bad Request", "description": "no key x"}]}', "Bad Request: no key x"),
        (b'{"errors": [{"title": "A"}, {"detail": "b"}, "c", {}]}', "A; b; c"),
        (b'{"errors": ["x"], "error": "y"}', "x"),
        (b'{"error": "lacking"}', "lacking"),
        (b"You are lacking some permissions for this request", "You are lacking some permissions for this request"),
        (b"<html>502</html>", "<html>502</html>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
        (b"[1]", "[1]"),
    ],
)
def test_the_servers_own_words_are_kept(body: bytes, words: str) -> None:
    """In whichever form an error comes."""
    assert error_words(body) == words


@given(st.binary(max_size=40) | st.integers(0, 3000).map(lambda n: json.dumps({"error": "x" * n}).encode()))
def test_words_of_an_error_are_bounded_and_whole(body: bytes) -> None:
    """Whatever its bytes are. They are cut for people only when secrets are out, and never grow beyond that bound."""
    assert len(error_words(body)) <= WORDS_BYTES
    assert len(error_words(b"x" * 3 * WORDS_BYTES)) == WORDS_BYTES
    assert error_words(b"x" * 700) == "x" * 700


PEOPLE = {
    "markup": (b"<!DOCTYPE html><html></html>", "text/html"),
    "white space before it": (b" \r\n\t<html>", "text/html"),
    "a byte order mark before it": (b"\xef\xbb\xbf\n<html>", "application/json"),
    "UTF-16": ("<html>".encode("utf-16"), ""),
    "markup that is called JSON": (b"<html>", "application/json"),
    "what is called HTML and is text": (b"We are back soon.", "Text/HTML; charset=utf-8"),
    "what is called HTML and is nothing": (b"", "text/html"),
}
MACHINES = {
    "an object": (b'{"assets": []}', "application/json"),
    "an object that is called HTML": (b'\xef\xbb\xbf {"assets": []}', "text/html"),
    "a list that is called HTML": (b"\n[]", "text/html; charset=utf-8"),
    "an error": (b'{"error": "<html>"}', "application/json"),
    "nothing": (b"", "application/json"),
    "null": (b"null", ""),
    "text": (b"You are lacking some permissions", "text/plain"),
    "a long pause": (b" " * 100_000, "application/json"),
}


@pytest.mark.parametrize("told", [*PEOPLE, *MACHINES])
def test_a_page_for_people_is_told_from_an_answer(told: str) -> None:
    """By its first character, or by its type where it does not begin as JSON does."""
    body, called = (PEOPLE | MACHINES)[told]

    assert is_web_page(Reply(200, {"content-type": called}, body)) == (told in PEOPLE)


@pytest.mark.parametrize("status", [202, 204])
def test_no_body_where_none_is_due_is_no_page(status: int) -> None:
    """Such an answer may be called anything."""
    assert not is_web_page(Reply(status, {"content-type": "text/html"}, b""))


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"<html><head><title>Sign in</title>", "Sign in"),
        (b"<TITLE lang='en'>\n Axonius &amp;\n friends </TITLE >", "Axonius & friends"),
        (b"<title></title>", "<title></title>"),
        (b"back soon", "back soon"),
    ],
)
def test_a_web_page_is_called_by_its_title(body: bytes, title: str) -> None:
    """On one line; or by its beginning, where it has none."""
    assert page_title(body) == title
