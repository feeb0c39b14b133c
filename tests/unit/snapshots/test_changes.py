"""When two served values are the same, and how they are written."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.convert.exact import Number
from axsync.convert.rescue import Restored
from axsync.snapshots.changes import between, json_text, same

BIG = 2**64 + 5


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (7, 7.0, True),
        (7, True, False),
        (0, False, False),
        ("7", 7, False),
        (BIG, float(BIG), False),
        (BIG, Decimal(BIG), True),
        (0.1, Decimal("0.1"), False),
        ([1, {"a": 1, "b": [True]}], [1.0, {"b": [True], "a": 1}], True),
        ([1, {"a": 1}], [1, {"a": True}], False),
        (["a", "b"], ["b", "a"], False),
        ({"a": None}, {}, False),
        (math.nan, math.nan, True),
        (None, None, True),
        (None, "", False),
    ],
)
def test_equality_is_that_of_json_values(one: Restored, other: Restored, equal: bool) -> None:
    """Numbers by mathematical value, objects without key order, truth values are no numbers."""
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_what_differs_of_two_records() -> None:
    """Both sides of a field that changed, one side of one that came or went."""
    old: dict[str, Restored] = {"a": 1, "b": 2, "c": [1]}
    new: dict[str, Restored] = {"b": 2.0, "c": [2], "d": 0}

    assert between(old, new) == ({"a": 1, "c": [1]}, {"c": [2], "d": 0})
    assert between(old, old) == ({}, {})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(values)
def test_any_value_is_written_as_ascii_json(value: Restored) -> None:
    """What is read back is the same, on one line."""
    text = json_text(value)

    assert text.isascii()
    assert "\n" not in text
    assert same(json.loads(text), value)


def test_numbers_are_written_to_the_last_digit() -> None:
    """JSON has no NaN, so that one is a text."""
    assert json_text([BIG, Decimal("0.10"), Number("1e999999999999999999"), Number("NaN"), math.inf, "\ud800"]) == (
        f'[{BIG}, 0.10, 1e999999999999999999, "NaN", "inf", "\\ud800"]'
    )
