import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from axsync.convert.exact import exact_float
from axsync.convert.page_bytes import has_explicit_null, has_long_number, has_tiny_number, rows_only
from tests.examples import scaled
from tests.unit.convert.pages import META, Key, page, record
from tests.unit.convert.served import NUMBERS

FIGURES = st.one_of(
    NUMBERS,
    st.from_regex(r"-?[0-9]\.[0-9]{12,18}", fullmatch=True),
    st.from_regex(r"-?[1-9][0-9]{14,20}([eE]-?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"-?[1-9][0-9]{2,9}\.[0-9]{5,12}", fullmatch=True),
    st.builds("{:.{}f}".format, st.floats(-1e9, 1e9), st.integers(0, 25)),
)


def found_afterwards(text: str) -> bool:
    """Whether the double itself shows that the number may have changed: see `convert.typed_columns`."""
    size = abs(float(text))
    return not size < 2**53 or size < 2.3e-308


@given(FIGURES, st.integers(0, 9), st.sampled_from([":", ": ", ":\n", ":[", ":[1,", ":[ ", ":-", ":[7,-"]))
@example("9.000000000000001", 0, ":")
@example("9000000000000001e-15", 0, ":")
@example("0.30000000000000001", 0, ":")
@settings(max_examples=scaled(500))
def test_no_number_that_a_double_changes_is_overlooked(number: str, shift: int, before: str) -> None:
    """Wherever it stands, `has_long_number` says yes unless the double gives it away or gives it back."""
    number = number.removeprefix("-")
    body = b'{"assets":[{"' + b"i" * shift + b'"' + before.encode() + number.encode() + b"}]}"

    assert has_long_number(body) or found_afterwards(number) or exact_float(number) is not None


@given(st.floats(1e-6, 1e6).map(lambda x: round(x, 6)), st.integers(-(2**53), 2**53))
def test_usual_numbers_are_not_long(number: float, whole: int) -> None:
    """What fleets really hold stays on the fast path."""
    body = f'{{"assets":[{{"x":{number},"n":{whole},"id":"0f3c9a5be1d24477a6c0b1e2d3f4a5b6"}}]}}'.encode()

    assert not has_long_number(body)


@pytest.mark.parametrize(
    "text",
    [
        "12345678901234567890123456789012",
        "0f3c9a5be1d24477a6c0b1e2d3f4a5b6",
        "Mon, 02 Nov 2026 10:11:12 GMT",
        "1.2.3.4",
    ],
)
def test_texts_of_digits_are_not_long_numbers(text: str) -> None:
    """An id of digits alone stands behind its quote."""
    assert not has_long_number(page([record(x=text)]))


@given(st.integers(0, 80))
def test_a_page_of_any_length_is_looked_through(length: int) -> None:
    """Also one that is shorter than a look, or whose end is no whole word."""
    body = b'{"assets":[{"' + b"k" * length + b'":1.2345678901234567}]}'

    assert has_long_number(body)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        (b'"x":null', True),
        (b'"x": null', True),
        (b'"x":  null', True),
        (b'"x"\n:\n\tnull', True),
        (b'"x":{"y":null}', True),
        (b'"x":[null]', False),
        (b'"x":"null"', False),
        (b'"null":1', False),
        (b'"x":nul', False),
    ],
)
def test_an_explicit_null_is_seen(members: bytes, found: bool) -> None:
    """Whatever space stands before it; a null in a list is another matter."""
    assert has_explicit_null(page([b"{" + members + b"}"], meta="missing")) == found


@pytest.mark.parametrize(("gap", "found"), [(63, True), (64, True), (65, True), (200, True)])
def test_an_explicit_null_is_seen_behind_a_long_gap(gap: int, found: bool) -> None:
    """Beyond some bytes it is assumed."""
    assert has_explicit_null(b'{"assets":[{"x":' + b" " * gap + b"null}]}") == found


@pytest.mark.parametrize("text", [b" null", b"\\tnull null", b" " * 30 + b"null", b"x, null: nullnull "])
def test_a_text_full_of_nulls_is_looked_at_no_closer_than_any_other(text: bytes) -> None:
    """As many calls, whether a word could be a null or not: none of them is searched for by itself."""

    def calls_for(word: bytes) -> int:
        body = b'{"assets":[{"x":"%s"}]}' % (word * (200_000 // len(word)))
        return _calls(lambda: has_explicit_null(body))

    assert calls_for(text) <= 2 * calls_for(b" zero") + 500


def _calls(work: Callable[[], object]) -> int:
    """Functions that are called by this work, those in C included."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize(
    ("number", "tiny"),
    [
        ("1e-400", True),
        ("1E-324", True),
        ("0.0e-999", True),
        ("1e-99", False),
        ("1e400", False),
        ("0", False),
        ("1e-1000", True),
    ],
)
def test_a_number_that_may_have_become_zero_is_seen(number: str, tiny: bool) -> None:
    """An exponent of three digits below zero."""
    assert has_tiny_number(b'{"assets":[{"x":' + number.encode() + b"}]}") == tiny


@pytest.mark.parametrize("key", ["assets", "data"])
@pytest.mark.parametrize("gap", ["", " ", "\n  "])
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "meta", "assets"]), st.sampled_from([1, "x", {"meta": {}}])), max_size=3
    )
)
@settings(max_examples=scaled(30))
def test_rows_only_keeps_the_rows_alone(key: Key, gap: str, records: list[object]) -> None:
    """Where it says anything, the rows are all there and nothing else is."""
    body = page([json.dumps(r).encode() for r in records], key, gap=gap)

    text = rows_only(body, key)

    assert text is None or json.loads(text) == {key: json.loads(body)[key]}


@pytest.mark.parametrize("key", ["assets", "data"])
def test_rows_only_takes_the_usual_page(key: Key) -> None:
    """The rows first, meta last, or no meta."""
    for meta in ("last", "missing"):
        assert rows_only(page([record(x=1)], key, meta=meta), key) == page([record(x=1)], key, meta="missing")


@pytest.mark.parametrize(
    "body",
    [
        page([record(x=1)], meta="first"),
        b'{"next_page":"t","assets":[]}',
        b'{"assets":[{"x":1,"meta":{"a":1}}]}',
        b'{"assets":[{"x":1}],"y":{"meta":{"a":1}}}',
        b'{"assets":[],"meta":null}',
        b'{"assets":[],"meta":[1]}',
        b'{"assets":[]"meta":{}}',
        b'{"meta":{}}',
        b"",
        b"[]",
        b"\xef\xbb\xbf" + page([]),
    ],
)
def test_rows_only_leaves_the_unusual_to_others(body: bytes) -> None:
    """A cut that is not certain is not made; a body that has more than rows is refused by the reader."""
    text = rows_only(body, "assets")

    assert text is None or b'"meta"' in text or b"next_page" in text


def test_the_cut_page_is_whole_json() -> None:
    """Spaces around the comma before `meta` are no matter."""
    text = rows_only(b'{"assets": [ {"x": 1} ] ,\n "meta":' + META + b" }\n", "assets")

    assert json.loads(text or b"") == {"assets": [{"x": 1}]}
