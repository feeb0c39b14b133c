import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import page_bytes
from axsync.convert.page_bytes import CutPage, cut_records, is_object, read_member, split_records
from tests.unit.convert.served import VALUES, examples

HARD = [
    b'{"a":NaN}',
    b'{"a":"\\ud800"}',
    b'{"a":"\xff"}',
    b'{"a":"]},{\\"","b":"\\\\"}',
    b'{"a":1,"a":2}',
    b"null",
    b"5",
    b'"text"',
    b"{}",
    b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


def is_whole(body: bytes) -> bool:
    """Whether a member can be looked for: the body is one complete object, whatever it contains."""
    try:
        read_member(body, "meta")
    except CutPage:
        return False
    return True


@pytest.mark.parametrize("gap", [b"", b" ", b"\n\t"])
def test_bad_records_do_not_cost_the_page(gap: bytes) -> None:
    """Each record is found, as served, whatever is inside."""
    comma = gap + b"," + gap
    page = b'{"meta":{"assets":[1]},"assets":[' + gap + comma.join(HARD) + gap + b"]" + gap + b"}"

    assert split_records(page, "assets") == HARD
    assert is_whole(page)


def test_a_good_page_is_split() -> None:
    """The usual page, and an empty one, with a byte order mark or not."""
    assert split_records(b'{"assets":[{"a":1}, {"b":"}"}],"meta":null}', "assets") == [b'{"a":1}', b'{"b":"}"}']
    assert split_records(b'\xef\xbb\xbf{"assets":[],"meta":null}', "assets") == []
    assert is_whole(b'\xef\xbb\xbf {"assets":[]} ')


def test_records_of_the_older_api_are_attributes() -> None:
    """An entry without an attributes object stands for itself and will be unreadable."""
    entries = [b'{"type":"x","id":"1","attributes":{"a":1}}', b'{"type":"x"}', b"null", b'{"attributes":[1]}']
    entries += [b'{"attributes":{"a":1},"attributes":{"a":2}}', b'{"id":"\\ud800","attributes":{"a":NaN}}']

    records = split_records(b'{"data":[' + b",".join(entries) + b'],"meta":{}}', "data")

    assert records == [b'{"a":1}', b'{"type":"x"}', b"null", b'{"attributes":[1]}', entries[4], b'{"a":NaN}']


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"null",
            b"[]",
            b"<html>maintenance</html>",
            b"{}",
            b'{"error":"x"}',
            b'{"assets":{}}',
            b'{"assets":null}',
        ),
        *(b'{"assets":[],"assets":[{"a":1}]}', b'{"assets":[{"a":1}]}{"assets":[]}', b'{"assets":[{"a":[1}]}'),
        *(b'{"assets":[}', b'{"assets":[1]', b'{"assets":[{"a":"x}]}', b'{"assets":[1],}', b'{"assets":[[1},{"a":2}]}'),
    ],
)
def test_what_is_no_page_is_not_split(body: bytes) -> None:
    """A body without exactly one list of records is refused."""
    with pytest.raises(CutPage):
        split_records(body, "assets")


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"<html></html>", b'{"a":1', b'{"a":NaN', b'{"a":1}}', b'{"a" 1}']
)
def test_a_cut_body_is_not_whole(body: bytes) -> None:
    """Neither is something that is no object."""
    assert not is_whole(body)


def test_an_object_is_whole() -> None:
    """Whatever is inside."""
    assert is_whole(b'{"a":NaN,"b":[{}]}')
    assert is_whole(b"{}")


def test_one_member_is_found_as_served() -> None:
    """Whatever the others hold; of two the last is taken."""
    body = b'\xef\xbb\xbf{"assets":[{"meta":NaN}], "meta": {"a":[1]} ,"n":1,"n":2}'

    assert read_member(body, "meta") == b'{"a":[1]}'
    assert read_member(body, "n") == b"2"
    assert read_member(body, "data") is None
    with pytest.raises(CutPage):
        read_member(body[:-1], "meta")


def test_a_key_may_be_escaped() -> None:
    """The list is found under any spelling of its key."""
    assert split_records(b'{"\\u0061ssets":[{"a":NaN}],"\\x":1}', "assets") == [b'{"a":NaN}']


@pytest.mark.alone
@pytest.mark.parametrize("piece", [b"[", b'{"a":', b'"', b"\\", b'"\\', b"[,", b"{}", b'{"a":1}', b"]"])
def test_the_scanner_is_linear(piece: bytes) -> None:
    """A megabyte of anything is done with in a moment."""
    began = time.perf_counter()
    with pytest.raises(CutPage):
        split_records(b'{"assets":[' + piece * (1_000_000 // len(piece)), "assets")

    assert time.perf_counter() - began < 5


class TestBorders:
    """Where records begin and end is a matter of brackets and quotes alone."""

    @examples(150)
    @given(st.lists(VALUES, max_size=4), st.sampled_from([",", " , ", ",\n"]))
    def test_the_two_ways_agree(self, values: list[str], comma: str) -> None:
        """The tolerant scanner finds the records that a JSON parser finds."""
        records = [value.encode("utf-8", "surrogatepass") for value in values]
        page = b'{"assets":[' + comma.encode().join(records) + b'],"meta":{"x":"]"}}'

        assert split_records(page, "assets") == records
        assert [page[start:end] for start, end in page_bytes._careful(page, "assets")] == records

    @examples(150)
    @given(st.lists(VALUES, max_size=3), st.data())
    def test_a_cut_is_seen(self, values: list[str], data: st.DataObject) -> None:
        """No proper beginning of a page passes for a page."""
        page = f'{{"meta":{{}},"assets":[{",".join(values)}]}}'.encode("utf-8", "surrogatepass")
        cut = page[: data.draw(st.integers(0, len(page) - 1))]

        assert not is_whole(cut)
        with pytest.raises(CutPage):
            split_records(cut, "assets")


@examples(200)
@given(
    st.lists(st.lists(VALUES, max_size=3), max_size=3), st.sampled_from(["", " "]), st.sampled_from(["{}", "[]", ""])
)
def test_a_page_that_is_cut_into_objects_is_cut_at_its_records(values: list[list[str]], gap: str, meta: str) -> None:
    """Whatever is inside: the quick guess is the truth wherever each piece is an object."""
    objects = ["{" + ",".join([f'"a":{value}' for value in row] or ['"a":1']) + "}" for row in values]
    body = f'{{"assets":[{f",{gap}".join(objects)}],"meta":{meta}}}'.encode(errors="surrogatepass")

    pieces = cut_records(body)

    if pieces is not None and all(map(is_object, pieces)):
        assert list(map(bytes, pieces)) == split_records(body, "assets")


@pytest.mark.parametrize(
    "inside", [b'"x,{\\"a\\":1}"', b'[{"a":1},{"a":2}]', b'"],\\"meta\\":{}"', b'[[],{"meta":[],"m":1}]']
)
def test_what_looks_like_a_border_is_none(inside: bytes) -> None:
    """The mark between two records, and what follows the last one, may stand inside of one."""
    body = b'{"assets":[{"a":0},{"a":%b}],"meta":{}}' % inside
    pieces = cut_records(body)

    assert split_records(body, "assets") == [b'{"a":0}', b'{"a":%b}' % inside]
    assert (
        pieces is None or not all(map(is_object, pieces)) or list(map(bytes, pieces)) == split_records(body, "assets")
    )


def test_the_usual_page_is_cut() -> None:
    """No other layout is."""
    pieces = cut_records(b'{"assets":[{"a":1},{"a":2}],"meta":{}}')

    assert list(map(bytes, pieces or ())) == [b'{"a":1}', b'{"a":2}']
    for body in (b'{"assets":[],"meta":{}}', b'{"assets":[{"a":1}]}', b'{"assets":[{"a":1}],"meta":{},"assets":[]}'):
        assert cut_records(body) is None
