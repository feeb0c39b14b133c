import inspect
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import exact
from axsync.convert.exact import Number, Unreadable
from tests.unit.convert.lake import same
from tests.unit.convert.served import NUMBERS, VALUES, examples


def test_numbers_keep_their_texts() -> None:
    """Floats, long integers and the tokens of JavaScript are read as they were served."""
    raw = b'{"a":[1.0,-0.0,1e400,0.10,18446744073709551617,-0,7,NaN,-Infinity]}'

    texts = ["1.0", "-0.0", "1e400", "0.10", "18446744073709551617", "-0", "NaN", "-Infinity"]
    assert [value.text for value in as_list(exact.decode(raw)["a"]) if isinstance(value, Number)] == texts
    assert as_list(exact.decode(raw)["a"])[6] == 7


def as_list(value: exact.Value) -> list[exact.Value]:
    assert isinstance(value, list)
    return value


def test_integers_have_no_limit_of_digits() -> None:
    """Longer than Python itself would read."""
    digits = "9" * 100_000

    assert exact.decode(f'{{"a":{digits}}}'.encode()) == {"a": Number(digits)}


def test_lone_surrogates_are_kept() -> None:
    """They come in as escapes and go out as escapes."""
    record = exact.decode(b'{"\\udc00":"a\\ud800z\\ud83d\\ude00"}')

    assert record == {"\udc00": "a\ud800z😀"}
    assert exact.dump(record) == '{"\\udc00":"a\\ud800z😀"}'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a":1,"a":2}', 'key "a" twice in one object'),
        (b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}', 'key "c" twice in one object'),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 6"),
        (b"[1]", "not an object"),
        (b"null", "not an object"),
        (b'{"a":1', "not JSON: "),
        (b'{"a":01}', "not JSON: "),
        (b'{"a":"\n"}', "not JSON: Invalid control character at character 6"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON: "),
        (b"", "not JSON: "),
    ],
)
def test_what_cannot_be_kept_is_unreadable(raw: bytes, reason: str) -> None:
    """The reason is one phrase that a person can act on."""
    with pytest.raises(Unreadable) as caught:
        exact.decode(raw)

    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize("levels", [258, 1_000, 1_025, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_too_deep_is_unreadable(levels: int, opening: bytes, closing: bytes) -> None:
    """Nesting without end neither crashes nor hangs."""
    raw = b'{"x":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"

    with pytest.raises(Unreadable, match="nested deeper than 257 levels"):
        exact.decode(raw)


def test_deep_enough_is_read() -> None:
    """As deep as is promised, and brackets in strings are no levels."""
    raw = b'{"x":' + b"[" * 256 + b'"' + b"[{" * 500 + b'"' + b"]" * 256 + b"}"

    assert exact.dump(exact.decode(raw)).encode() == raw


def test_a_full_stack_does_no_harm() -> None:
    """Called from far down, where Python itself has no levels left, it still answers."""

    def from_below(frames: int) -> str:
        if frames:
            return from_below(frames - 1)
        try:
            return exact.dump(exact.decode(b'{"x":' + b"[" * 200 + b"]" * 200 + b"}"))
        except Unreadable as error:
            return error.reason

    room = sys.getrecursionlimit() - len(inspect.stack())

    assert from_below(room - 100) in ("nested too deeply", '{"x":' + "[" * 200 + "]" * 200 + "}")


def test_a_token_cannot_be_written() -> None:
    """NaN is no JSON, so no JSON text can keep it."""
    with pytest.raises(Unreadable, match="NaN outside a number column"):
        exact.dump([Number("NaN")])


class TestExactness:
    """Reading and writing lose nothing."""

    @examples()
    @given(st.one_of(VALUES, NUMBERS))
    def test_what_is_read_is_written(self, text: str) -> None:
        """The text written is the same value to any reader, and reads as the same value to us."""
        try:
            value = exact.read(text)
        except Unreadable as error:
            assert error.reason.endswith("twice in one object")  # noqa: PT017  # most texts do not raise
            return

        written = exact.dump(value)

        assert exact.read(written) == value
        assert same(exact.read(written)) == same(json.loads(text, parse_int=Number, parse_float=Number))
        assert written.encode()
