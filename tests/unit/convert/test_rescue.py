import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert import exact, rescue
from tests.unit.convert.served import KEYS, VALUES, examples

PATHS = [
    ("specific_data.data.cvss", (), "specific_data.data.cvss"),
    ("specific_data.data.cvss", (2,), "specific_data.data.cvss[2]"),
    ("specific_data.data.network_interfaces", (0, "mac"), "specific_data.data.network_interfaces[0].mac"),
    ("os", ("type",), 'os["type"]'),
    ("tags", (0, "a b", "c"), 'tags[0]["a b"].c'),
    ("tags", (0, ""), 'tags[0][""]'),
    ("tags", (0, "0"), 'tags[0]["0"]'),
    ("a[0]", (1,), '["a[0]"][1]'),
    ("", (), '[""]'),
    ("", ("",), '[""][""]'),
    ('"x"', (), '["\\"x\\""]'),
    ('x"]', ("y",), 'x"]["y"]'),
    ("a]b", (3,), "a]b[3]"),
    ("\ud800[", ("\udc00",), '["\\ud800["]["\\udc00"]'),
]


@pytest.mark.parametrize(("field", "steps", "path"), PATHS)
def test_a_path_names_a_place(field: str, steps: tuple[rescue.Step, ...], path: str) -> None:
    """Paths read as people would write them, and mean one place."""
    assert rescue.join_path(field, steps) == path
    assert rescue.split_path(path) == (field, steps)


@pytest.mark.parametrize("path", ["a[", "a[x]", "a[0].", "a[0]..b", 'a["b]', "a[0]b", "a[-1]", 'a["\\x"]'])
def test_a_garbled_path_is_refused(path: str) -> None:
    """It is an error, not another place."""
    with pytest.raises((ValueError, exact.Unreadable)):
        rescue.split_path(path)


def test_the_text_holds_values_as_served() -> None:
    """No value is written again on its way into the column."""
    rescued = {"cvss[2]": "1.0", "big": "18446744073709551617", 'a["\ud800"]': '"\\ud800"', "n": "null"}

    text = rescue.write_rescued(rescued)

    assert text == '{"cvss[2]":1.0,"big":18446744073709551617,"a[\\"\\ud800\\"]":"\\ud800","n":null}'
    assert {path: exact.dump(value) for path, value in rescue.read_rescued(text).items()} == rescued


@pytest.mark.parametrize("text", ["[1]", "null", "5"])
def test_other_texts_are_refused(text: str) -> None:
    """The rescue column holds objects."""
    with pytest.raises(TypeError):
        rescue.read_rescued(text)


class TestPaths:
    """A path means one place, whatever the names are."""

    @examples()
    @given(KEYS, st.lists(st.one_of(st.integers(0, 2**40), KEYS), max_size=4))
    def test_joining_and_splitting_are_inverse(self, field: str, steps: list[rescue.Step]) -> None:
        """So two places never have the same path."""
        assert rescue.split_path(rescue.join_path(field, steps)) == (field, tuple(steps))

    @examples(100)
    @given(st.dictionaries(KEYS.map(rescue.join_path), VALUES, max_size=4))
    def test_the_text_is_json(self, rescued: dict[str, str]) -> None:
        """Any reader of JSON finds the same paths and values."""
        text = rescue.write_rescued(rescued)

        assert text.encode()
        assert json.loads(text, parse_int=exact.Number) == {
            path: json.loads(value, parse_int=exact.Number) for path, value in rescued.items()
        }
