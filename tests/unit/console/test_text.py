import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.console.text import clean, clock, counted, megabytes, redact, volume


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link", "link"),
        ("\x9b2Jgone", "gone"),
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("left\u202eright", "leftright"),
        ("Müller – 東京", "Müller – 東京"),
        ("\ud800", ""),
    ],
)
def test_clean_removes_what_a_terminal_would_obey(text: str, shown: str) -> None:
    """Escape sequences go whole, line breaks become spaces, letters of any script stay."""
    assert clean(text) == shown


@given(st.text())
def test_clean_is_printable_and_bounded(text: str) -> None:
    """Whatever comes in, one printable line of bounded length comes out."""
    shown = clean(text, most=50)

    assert shown.isprintable()
    assert len(shown) <= 50


def test_hush_hides_variables_named_like_keys_and_long_mixed_words() -> None:
    """Neither a known key nor what looks like one is shown; plain words are."""
    text = "invalid header 'hunter2!' and 0a1b2c3d4e5f60718293a4b5 in prod"

    assert redact(text, {"AX_SECRET": "hunter2!"}) == "invalid header '***' and *** in prod"


def test_numbers_have_thousands_separators_and_units() -> None:
    """Numbers are shown in the unit that suits them."""
    assert megabytes(1_234_567_890) == "1,234.6"
    assert [volume(0), volume(12_300_000), volume(2_500_000_000), volume(3e12)] == [
        "0.0 MB",
        "12.3 MB",
        "2.50 GB",
        "3.00 TB",
    ]
    assert [counted(1, "page"), counted(2000, "page")] == ["1 page", "2,000 pages"]
    assert [clock(5), clock(82.9), clock(36_000)] == ["0:00:05", "0:01:23", "10:00:00"]
