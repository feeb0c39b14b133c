import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from axsync.convert.timestamps import layout_of, parse_few, parse_many, parse_timestamps
from axsync.schema import dates
from tests.examples import scaled

FORMS = ("rfc1123", "day", *(f"iso:{s}:{d}:{z}" for s in "TS" for d in (0, 3, 6) for z in ("none", "Z", "+00:00")))
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 and 9999
NUMBERS = st.integers(0, 99)
YEARS = st.sampled_from(["0000", "0001", "1600", "1900", "1969", "2000", "2024", "2026", "9999"])
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "mon", "Xxx")
MONTHS = ("Jan", "Feb", "Mar", "Jun", "Dec", "dec", "Foo")


@st.composite
def odd_dates(draw: st.DrawFn, form: str) -> str:
    """The right shape with any numbers in it: the 30th of February, hour 24, a weekday that is wrong."""
    parts = {"Y": draw(YEARS), "a": draw(st.sampled_from(DAYS)), "b": draw(st.sampled_from(MONTHS))}
    parts |= {letter: f"{draw(NUMBERS):02}" for letter in "hms"}
    parts |= {"M": f"{draw(st.integers(0, 13)):02}", "D": f"{draw(st.integers(0, 32)):02}", "f": "123456"}
    places: dict[str, int] = {}
    text = ""
    for letter in layout_of(form).template:
        text += parts[letter][places.get(letter, 0)] if letter in parts else letter
        places[letter] = places.get(letter, 0) + 1
    return text


@st.composite
def nearly(draw: st.DrawFn, form: str) -> str:
    """A real date with one character changed."""
    text = dates.write(draw(st.integers(FIRST, LAST)), form)
    place = draw(st.integers(0, len(text) - 1))
    return text[:place] + draw(st.sampled_from("0159/:;-T Z+ax\0é٣")) + text[place + 1 :]


def texts_of(form: str) -> st.SearchStrategy[str | None]:
    """Dates of this form, of others, nearly dates, no dates, and nothing."""
    return st.one_of(
        st.integers(FIRST, LAST).map(lambda micros: dates.write(micros, form)),
        odd_dates(form),
        nearly(form),
        st.builds(dates.write, st.integers(FIRST, LAST), st.sampled_from(FORMS)),
        st.text(max_size=30),
        st.sampled_from(["", "x" * 29, "é" * 5, "0001-01-01", "9999-12-31", "2026-02-30", "1900-02-29", "2000-02-29"]),
        st.none(),
    )


def check(array: pa.Array, form: str) -> None:
    """Each text means what `schema.dates` says that it means, whichever way it is read."""
    texts = array.to_pylist()
    expected = [None if text is None else dates.parse(text, form) for text in texts]
    for parse in (parse_few, parse_many):
        values, exact, null = parse(array, form)

        assert [int(v) if ok else None for v, ok in zip(values, exact, strict=True)] == expected
        assert null.tolist() == [text is None for text in texts]


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=scaled(40))
def test_many_texts_at_once_mean_what_each_means_alone(form: str, data: st.DataObject) -> None:
    """Wrong weekdays, impossible days, other forms and garbage are refused exactly where `dates.parse` refuses them."""
    check(pa.array(data.draw(st.lists(texts_of(form), max_size=8)), pa.string()), form)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=scaled(20))
def test_a_slice_is_read_where_it_stands(form: str, data: st.DataObject) -> None:
    """An array that begins in the middle of its buffers."""
    array = pa.array(data.draw(st.lists(texts_of(form), min_size=2, max_size=8)), pa.string())
    start = data.draw(st.integers(0, len(array)))

    check(array[start : data.draw(st.integers(start, len(array)))], form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("micros", [FIRST, LAST, 0, -1, 1, 951_782_400_000_000, 4_107_542_399_999_999])
def test_the_ends_of_time_are_dates(form: str, micros: int) -> None:
    """Years 1 and 9999, both sides of 1970, leap days of a century."""
    text = dates.write(micros, form)

    values, exact, _ = parse_timestamps(pa.array([text]), form)

    assert exact.tolist() == [True]
    assert dates.write(int(values[0]), form) == text


@given(st.lists(st.integers(FIRST, LAST), max_size=30), st.sampled_from(FORMS))
@example([], "day")
def test_what_is_written_is_read(micros: list[int], form: str) -> None:
    """Columns without gaps, which are read as one block."""
    check(pa.array([dates.write(m, form) for m in micros], pa.string()), form)


def test_a_column_of_nothing_is_read() -> None:
    """Only nulls, or only empty texts: there is no buffer to look at."""
    check(pa.nulls(3, pa.string()), "rfc1123")
    check(pa.array(["", "", None], pa.string()), "day")


@pytest.mark.parametrize("zone", ["G0T", "G9T", "GmT", "UTC"])
def test_a_date_with_another_zone_is_not_in_the_form(zone: str) -> None:
    """GMT is the one zone of RFC 1123 dates, letter by letter."""
    check(pa.array([f"Thu, 01 Jan 1970 00:00:00 {zone}", "Thu, 01 Jan 1970 00:00:00 GMT"]), "rfc1123")
