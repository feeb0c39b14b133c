from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from axsync.runs.setup import name_run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENTS = st.integers(0, 3).map(lambda seconds: NOON + timedelta(seconds=seconds))
CHANCES = st.integers(0, 0xFFFF) | st.sampled_from([0, 0xFFFE, 0xFFFF])


@given(st.lists(st.tuples(MOMENTS, CHANCES), max_size=20))
def test_a_later_run_sorts_behind_all_earlier_ones(begun: list[tuple[datetime, int]]) -> None:
    """Within one second and after a clock that was set back, too."""
    names: list[str] = []
    for moment, chance in begun:
        names.append(name_run(moment, chance, names[::-1]))

    assert names == sorted(set(names))


def test_a_name_says_when_the_run_began() -> None:
    """In the ordinary case; the rest is chance."""
    assert name_run(NOON, 0x7F3A, ["20261122T020000Z-ffff"]) == "20261123T120000Z-7f3a"


def test_a_folder_that_no_run_made_is_not_counted() -> None:
    """Somebody else's folder does not name runs."""
    assert name_run(NOON, 1, ["zzz", "20261123T120000Z-0004"]) == "20261123T120000Z-0005"
