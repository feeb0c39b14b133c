import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from axsync.pacing.retry import CAP, RETRIED, RETRY_AFTER_CAP, Pause, after_status, backoff, retry_after

NOW = datetime(2026, 11, 23, 2, 0, 0, tzinfo=UTC)


def least(low: float, high: float) -> float:
    """Dice that always fall low."""
    return min(low, high)


def most(low: float, high: float) -> float:
    """Dice that always fall high."""
    return max(low, high)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("300", 300.0),
        ("301", RETRY_AFTER_CAP),
        ("99999999999999999999", RETRY_AFTER_CAP),
        ("1e400", RETRY_AFTER_CAP),
        ("inf", RETRY_AFTER_CAP),
        ("-inf", 0.0),
        ("Mon, 23 Nov 2026 02:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 02:00:30 +0000", 30.0),
        ("Mon, 23 Nov 2026 03:00:30 +0100", 30.0),
        ("Monday, 23-Nov-26 02:00:30 GMT", 30.0),
        ("Mon Nov 23 02:00:30 2026", 30.0),
        ("Mon, 23 Nov 2026 01:00:00 GMT", 0.0),
        ("Wed, 01 Jan 2099 00:00:00 GMT", RETRY_AFTER_CAP),
    ],
)
def test_retry_after_is_understood_in_every_form(value: str, seconds: float) -> None:
    """Seconds and dates count, the past and the negative mean at once, the absurd is capped."""
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "   ",
        "nan",
        "-nan",
        "soon",
        "1,5",
        "0x10",
        "Mon, 31 Feb 2026 02:00:00 GMT",
        "23 Nov",
        "12:00:00",
        "\0",
    ],
)
def test_a_retry_after_that_says_nothing_is_no_answer(value: str | None) -> None:
    """Garbage is the same as no header."""
    assert retry_after(value, NOW) is None


@given(st.text() | st.from_regex(r"[-+]?[0-9a-zA-Z:, .+-]{0,40}", fullmatch=True))
@example("Mon, 23 Nov 99999 02:00:30 GMT")
@example("Mon, 23 Nov 2026 02:00:30 -9999")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 23 Nov 99999999999999999999 02:00:30 GMT")
@example("Mon, 23 Nov 2026 02:00:30 -9999999999999999999")
def test_no_header_breaks_the_client(value: str) -> None:
    """Whatever a server writes, the answer is None or between 0 and the cap."""
    seconds = retry_after(value, NOW)

    assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP


@given(st.integers(-1000, 1000))
def test_a_date_means_the_time_until_then(seconds: int) -> None:
    """An HTTP date counts from now, whatever the distance, cut at both ends."""
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after(header, NOW) == min(max(seconds, 0), RETRY_AFTER_CAP)


@pytest.mark.parametrize(("attempt", "highest"), [(1, 1), (2, 2), (3, 4), (4, 8), (6, 32), (7, CAP), (99, CAP)])
def test_backoff_doubles_up_to_its_cap(attempt: int, highest: float) -> None:
    """The dice are thrown between nothing and 1, 2, 4 … 60 seconds: full jitter."""
    bounds: list[tuple[float, float]] = []

    def dice(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    backoff(attempt, dice)

    assert bounds == [(0.0, highest)]


@given(st.integers(1, 1000), st.floats(0, 1))
def test_backoff_takes_what_the_dice_say(attempt: int, share: float) -> None:
    """No throw is cut, and none leaves the bounds."""
    seconds = backoff(attempt, lambda low, high: low + share * (high - low))

    assert 0 <= seconds <= CAP
    assert math.isclose(seconds, share * backoff(attempt, most))


def test_only_statuses_that_may_pass_are_retried() -> None:
    """401 and 403 never, and no other."""
    pauses = {status: after_status(status, "1", attempt=1, now=NOW, jitter=least) for status in range(100, 600)}

    assert {status for status, pause in pauses.items() if pause} == {429, 500, 502, 503, 504}


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_a_retry_after_quiets_the_whole_host(status: int) -> None:
    """What the server asks for concerns every lane, and is never cut short."""
    pause = after_status(status, "20", attempt=1, now=NOW, jitter=least)

    assert pause == Pause(20.0, whole_host=True)


@given(st.sampled_from(sorted(RETRIED)), st.integers(0, 300))
def test_a_little_on_top_keeps_waiting_lanes_apart(status: int, seconds: int) -> None:
    """At most a second, and a tenth of what was asked."""
    pause = after_status(status, str(seconds), attempt=1, now=NOW, jitter=most)

    assert pause is not None
    assert seconds < pause.seconds <= seconds + min(1.0, 0.1 + seconds / 10)


@pytest.mark.parametrize(
    ("status", "whole_host"), [(429, True), (500, False), (502, False), (503, False), (504, False)]
)
def test_too_many_requests_quiets_the_whole_host_without_a_header(status: int, whole_host: bool) -> None:
    """429 means everybody; other statuses concern their request only."""
    pause = after_status(status, None, attempt=3, now=NOW, jitter=most)

    assert pause == Pause(4.0, whole_host=whole_host)


def test_a_garbled_header_is_as_good_as_none() -> None:
    """The pause falls back to jitter."""
    assert after_status(503, "soon", attempt=2, now=NOW, jitter=most) == Pause(2.0)
