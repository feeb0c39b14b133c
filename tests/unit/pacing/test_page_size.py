import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.pacing.page_size import GOOD_PAGES, LARGE_BYTES, SLOW_SECONDS, CostLine, FoundSize, PageSizer


def good(portion: PageSizer, pages: int) -> None:
    """So many pages that came quickly."""
    for _ in range(pages):
        portion.served(portion.limit, 1.0, 1000)


def test_it_begins_with_what_the_settings_say() -> None:
    """And good pages do not raise it above."""
    portion = PageSizer(2000)
    good(portion, 100)

    assert portion.limit == 2000


def test_failures_halve_it_down_to_one() -> None:
    """2000, 1000, 500 … 1, and then it stays."""
    portion, limits = PageSizer(2000), []
    for _ in range(12):
        portion.failed(portion.limit)
        limits.append(portion.limit)

    assert limits == [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1]


def test_pages_that_were_asked_together_halve_it_once() -> None:
    """Four pages of 2000 fail: the answer is 1000, not 125."""
    portion = PageSizer(2000)
    for _ in range(4):
        portion.failed(2000)

    assert portion.limit == 1000

    good(portion, GOOD_PAGES - 1)
    portion.failed(2000)  # late, and no news
    good(portion, 1)
    assert portion.limit == 2000


def test_a_page_that_is_too_large_by_now_is_given_back_sooner() -> None:
    """Two failures for the first, one for those that were asked beside it."""
    portion = PageSizer(2000)
    assert portion.max_attempts(2000) == 2

    portion.failed(2000)
    assert (portion.max_attempts(2000), portion.max_attempts(1000)) == (1, 2)


def test_slow_and_large_pages_halve_it() -> None:
    """Although they came."""
    slow, large, bearable = PageSizer(2000), PageSizer(2000), PageSizer(2000)
    slow.served(2000, SLOW_SECONDS + 1, 10)
    large.served(2000, 1.0, LARGE_BYTES + 1)
    bearable.served(2000, SLOW_SECONDS - 1, LARGE_BYTES)

    assert (slow.limit, large.limit, bearable.limit) == (1000, 1000, 2000)


def test_good_pages_double_it() -> None:
    """After eight of them, up to where it began."""
    portion = PageSizer(1500)
    portion.failed(1500)
    good(portion, GOOD_PAGES - 1)
    assert portion.limit == 750

    good(portion, 1)
    assert portion.limit == 1500


def test_pages_near_to_too_much_do_not_double_it() -> None:
    """Twice as large they would be too slow."""
    portion = PageSizer(2000)
    portion.failed(2000)
    for _ in range(50):
        portion.served(1000, 0.6 * SLOW_SECONDS, 10)

    assert portion.limit == 1000


def test_a_size_that_failed_again_is_tried_less_often() -> None:
    """After eight good pages, then sixteen, then thirty-two."""
    portion, waits = PageSizer(2000), []
    portion.failed(2000)
    for _ in range(3):
        pages = 0
        while portion.limit == 1000:
            good(portion, 1)
            pages += 1
        waits.append(pages)
        portion.failed(2000)

    assert waits == [8, 16, 32]


@given(st.integers(1, 2000), st.lists(st.tuples(st.booleans(), st.integers(1, 2000), st.floats(0, 900))))
def test_it_stays_between_one_and_the_settings(most: int, told: list[tuple[bool, int, float]]) -> None:
    """Whatever comes."""
    portion = PageSizer(most)
    for failed, asked, seconds in told:
        if failed:
            portion.failed(min(asked, most))
        else:
            portion.served(min(asked, most), seconds, 1 << 20)

        assert 1 <= portion.limit <= most


def test_rows_follow_the_bytes_that_are_aimed_at() -> None:
    """A page four times too large makes a quarter of its rows; one a little too large changes nothing."""
    portion = PageSizer(2000, 4 << 20)
    portion.served(2000, 1.0, 16 << 20)
    assert portion.limit == 500

    portion.served(500, 1.0, 5 << 20)
    assert portion.limit == 500


def test_a_guess_is_set_right_by_the_first_page() -> None:
    """Rows that were thought to be large and are not, or that are larger still."""
    small, large, failing = (PageSizer(2000, 8 << 20) for _ in range(3))
    for sizer in (small, large, failing):
        sizer.answered(0, 0.9)
        sizer.expect(16 << 10)
        assert sizer.limit == 512

    small.served(512, 1.0, 512 << 10)
    large.served(512, 1.0, 32 << 20)
    failing.failed(512)
    failing.served(256, 1.0, 1000)

    assert (small.limit, large.limit, failing.limit) == (2000, 128, 256)


def test_without_an_aim_only_unbearable_pages_are_made_smaller() -> None:
    """A chain of marks keeps its limit."""
    portion = PageSizer(2000)
    portion.expect(16 << 10)
    portion.served(2000, 1.0, 32 << 20)

    assert portion.limit == 2000


def test_pages_are_so_large_that_the_fixed_time_of_a_request_is_a_tenth() -> None:
    """Two seconds for any request and 4 ms a row: 4,500 rows would be best; 0.2 s and 4 ms a row: 450 are."""
    slow, fair = PageSizer(10_000, 1 << 40), PageSizer(10_000, 1 << 40)
    for sizer, fixed, per_row in ((slow, 2.0, 0.004), (fair, 0.2, 0.004)):
        sizer.answered(0, fixed)
        sizer.served(500, fixed + 500 * per_row, 500 * 100_000)
    assert slow.limit == pytest.approx(4_500, abs=1)
    assert fair.limit == pytest.approx(450, abs=1)


@pytest.mark.parametrize("per_row", [0.0, 0.00002])
def test_a_server_that_answers_at_once_is_asked_for_pages_of_the_usual_size(per_row: float) -> None:
    """Its requests take less than a page takes to convert, so that larger pages would save nothing."""
    quick = PageSizer(2_000, 16 << 20)
    quick.answered(0, 0.05)
    quick.served(500, 0.05 + 500 * per_row, 500 * 8_192)

    assert quick.limit == (4 << 20) // 8_192


@pytest.mark.parametrize(("per_row", "rows"), [(0.0002, 1_750), (0.0, 2_000), (0.01, 512)])
def test_pages_are_so_large_that_a_quick_server_is_not_waiting_for_the_pace(per_row: float, rows: int) -> None:
    """Four at once and ten in a second: each may take 0.4 s, of which 0.05 s are the same for any number of rows."""
    quick = PageSizer(2_000, 16 << 20, turn=0.4)
    quick.expect(32 << 10)
    quick.answered(0, 0.05)
    quick.served(500, 0.05 + 500 * per_row, 500 * 8_192)

    assert quick.limit == pytest.approx(rows, abs=1)


def test_a_page_takes_no_more_bytes_than_memory_allows_and_no_longer_than_a_server_bears() -> None:
    """However much a request costs."""
    large, long = PageSizer(2_000, 16 << 20), PageSizer(2_000, 1 << 40)
    for sizer, row_bytes, per_row in ((large, 32 << 10, 0.001), (long, 1 << 10, 0.04)):
        sizer.answered(0, 8.0)
        sizer.expect(row_bytes)
        sizer.limit = 200
        sizer.served(200, 8.0 + 200 * per_row, 200 * row_bytes)

    assert large.limit == 512
    assert long.limit == 400


def test_pages_of_four_mebibytes_are_small_enough_for_anyone() -> None:
    """Where requests cost nothing but their rows."""
    sizer = PageSizer(2_000, 16 << 20)
    sizer.answered(0, 0.0)
    sizer.served(2_000, 2.0, 16 << 20)

    assert sizer.limit == 500


@given(st.floats(0, 20), st.floats(0, 0.1), st.lists(st.integers(0, 2000), min_size=2, max_size=20, unique=True))
def test_fixed_and_per_row_seconds_are_learnt_from_two_sizes(fixed: float, per_row: float, sizes: list[int]) -> None:
    """Exactly, where the server keeps to a line."""
    line = CostLine()
    for rows in sizes:
        line.add(rows, fixed + rows * per_row)

    assert line.parts is not None
    assert line.parts[0] == pytest.approx(fixed, abs=1e-6)
    assert line.parts[1] == pytest.approx(per_row, abs=1e-8)


def test_one_size_tells_nothing() -> None:
    """Neither part can be known; pages stay as they are."""
    sizer = PageSizer(2_000, 16 << 20)
    sizer.expect(1_000_000)
    for _ in range(5):
        sizer.served(420, 3.0, 1 << 20)

    assert sizer.limit == 420


def test_what_failures_led_to_is_where_the_next_run_begins() -> None:
    """Nothing is handed on where pages never failed, or are as large as before."""
    first = PageSizer(2000)
    assert first.found is None
    first.failed(2000)
    first.failed(1000)
    good(first, 3)
    assert first.found == FoundSize(500, 3, GOOD_PAGES)

    second = PageSizer(2000)
    second.resume(FoundSize(500, 3, GOOD_PAGES))
    assert (second.limit, second.found) == (500, first.found)
    good(second, GOOD_PAGES - 3)
    assert second.limit == 1000
    good(second, GOOD_PAGES)
    assert (second.limit, second.found) == (2000, None)


def test_a_smaller_limit_of_the_settings_wins_over_what_was_found() -> None:
    """It has nothing to say then."""
    portion = PageSizer(100)
    portion.resume(FoundSize(500, 0, GOOD_PAGES))

    assert (portion.limit, portion.found) == (100, None)
