from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.schema import dates
from tests.unit.convert.served import DATES, FORMS, INSTANTS, examples

MONDAY = 1_793_614_272_000_000

SERVED = [
    ("Mon, 02 Nov 2026 10:11:12 GMT", "rfc1123", MONDAY),
    ("2026-11-02T10:11:12Z", "iso:T:0:Z", MONDAY),
    ("2026-11-02T10:11:12", "iso:T:0:none", MONDAY),
    ("2026-11-02 10:11:12", "iso:S:0:none", MONDAY),
    ("2026-11-02T10:11:12.345Z", "iso:T:3:Z", MONDAY + 345_000),
    ("2026-11-02T10:11:12.345678+00:00", "iso:T:6:+00:00", MONDAY + 345_678),
    ("2026-11-02T12:11:12+02:00", "iso:T:0:+02:00", MONDAY),
    ("2026-11-02 04:41:12.3-05:30", "iso:S:1:-05:30", MONDAY + 300_000),
    ("2026-11-02", "day", 1_793_577_600_000_000),
    ("0001-01-01", "day", -62_135_596_800_000_000),
    ("Fri, 31 Dec 9999 23:59:59 GMT", "rfc1123", 253_402_300_799_000_000),
]


@pytest.mark.parametrize(("text", "form", "instant"), SERVED)
def test_a_date_has_one_form(text: str, form: str, instant: int) -> None:
    """The form of a date is told, and in that form it is read and written."""
    assert dates.exact_form(text) == form
    assert dates.parse(text, form) == instant
    assert dates.parse_any(text) == instant
    assert dates.write(instant, form) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "2026-02-30",
            "2026-11-02T24:00:00Z",
            "2026-11-02T10:11:60Z",
            "0000-01-01",
            "10000-01-01",
            "2026-1-2",
        ),
        *(
            "Tue",
            "1793614272",
            "Mon, 31 Feb 2026 10:11:12 GMT",
            "2026-11-02T10:11:12+25:00x",
            "२०२६-११-०२",
            "2026-11-02\n",
        ),
        *("2026-11-02T10:11:12.²²²Z", "2026-11-02T10:11:12.१२३Z", "2026-11-02T10:11:12.²Z"),
        *("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "Mon, 02 Foo 2026 10:11:12 GMT"),
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    """Neither strictly nor loosely is it read."""
    assert dates.exact_form(text) is None
    assert dates.parse_any(text) is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Tue, 02 Nov 2026 10:11:12 GMT", MONDAY),
        ("Mon,02 Nov 2026 10:11:12 GMT", MONDAY),
        ("2 Nov 2026 10:11:12", MONDAY),
        ("Mon, 02 Nov 2026 12:11:12 +0200", MONDAY),
        ("2026-11-02T05:41:12-0430", MONDAY),
        ("2026-11-02T10:11:12.123456789Z", MONDAY + 123_456),
        ("2026-11-02 10:11:12 UTC", MONDAY),
        ("2026-11-02T10:11Z", MONDAY - 12_000_000),
    ],
)
def test_other_dates_are_understood(text: str, instant: int) -> None:
    """A date in no form that could be written back still has an instant."""
    assert dates.exact_form(text) is None
    assert dates.parse_any(text) == instant


def test_a_form_is_not_taken_for_another() -> None:
    """A text is a date of its own form only."""
    forms = {form for _, form, _ in SERVED}

    assert not [(t, other) for t, form, _ in SERVED for other in forms - {form} if dates.parse(t, other) is not None]


@pytest.mark.parametrize("fraction", ["²²²", "१२३", "12x", "+12", " 12"])
def test_digits_are_those_of_ascii(fraction: str) -> None:
    """What other scripts call digits is no date as served."""
    assert dates.parse(f"2026-11-02T10:11:12.{fraction}Z", "iso:T:3:Z") is None


def test_an_unknown_form_is_refused() -> None:
    """Forms come from manifests; a strange one is an error, not a wrong date."""
    with pytest.raises(ValueError, match="not the name of a date form"):
        dates.write(0, "iso:T:7:Z")


def test_instants_are_exact() -> None:
    """Datetimes of any zone become integers without passing through floats."""
    berlin = timezone(timedelta(hours=1))

    assert dates.micros_of(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == 253_402_300_799_999_999
    assert dates.micros_of(datetime(2026, 11, 2, 11, 11, 12, 1, tzinfo=berlin)) == MONDAY + 1
    assert dates.micros_of(datetime(2026, 11, 2, 10, 11, 12)) == MONDAY  # noqa: DTZ001  # as some readers give it


class TestForms:
    """A form is a promise: what is read in it is written back as the very same text."""

    @examples()
    @given(INSTANTS, FORMS)
    def test_what_is_written_is_read(self, instant: int, form: str) -> None:
        """Reading gives the instant, up to what the form can say."""
        text = dates.write(instant, form)

        read = dates.parse(text, form)

        assert read is not None
        assert dates.write(read, form) == text
        assert 0 <= instant - read < 86_400_000_000
        assert dates.exact_form(text) == form

    @examples()
    @given(DATES, FORMS, st.integers(0, 40), st.text(max_size=2))
    def test_what_is_read_is_written_back(self, text: str, form: str, place: int, other: str) -> None:
        """However a text was garbled: if it is read in a form, that form writes it."""
        garbled = text[:place] + other + text[place + len(other) :]

        instant = dates.parse(garbled, form)

        assert instant is None or (dates.write(instant, form) == garbled and dates.parse_any(garbled) == instant)
