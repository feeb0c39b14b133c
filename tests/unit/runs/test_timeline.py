from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.events import Answered, LaneClosed, LaneOpened, Notice, PageRead, Retried
from axsync.model import Lane, Outcome
from axsync.runs.timeline import (
    MOST_BUCKETS,
    MOST_PAGES,
    MOST_TEXTS,
    Bucket,
    LanePeriod,
    Sampler,
    Timeline,
    beside,
    decode,
    encode,
    joined,
)

DEVICES = Lane("prod", "devices")


@dataclass
class Clock:
    """Turned by the test."""

    time: float = 100.0  # no clock begins at zero
    sampler: Sampler = field(init=False)

    def __post_init__(self) -> None:
        self.sampler = Sampler(lambda: self.time)

    def at(self, seconds: float, *events: Answered | PageRead | Retried | LaneOpened | LaneClosed | Notice) -> None:
        self.time = 100.0 + seconds
        for event in events:
            self.sampler(event)


def answered(seconds: float, *, status: int | None = 200, in_flight: int = 1, host: str = "a") -> Answered:
    return Answered(DEVICES, host, status, seconds, in_flight, 4, 10.0)


def page(seconds: float, number: int = 0, rows: int = 10) -> PageRead:
    return PageRead(DEVICES, number, rows, 1000, seconds)


def test_what_happens_falls_into_its_bucket() -> None:
    """Rows, bytes, refusals, failures, and how many requests were under way; requests count where they left."""
    clock = Clock()
    clock.at(0.2, answered(0.2, in_flight=3))
    clock.at(0.3, answered(0.05, status=429), answered(0.0, status=None), answered(0.0, status=503))
    clock.at(0.4, page(0.2))
    timeline = clock.sampler.timeline()

    assert timeline.width == 0.125
    assert [round(one.busy / timeline.width, 6) for one in timeline.buckets] == [1.0, 0.6, 0.4, 0.0]
    assert [(one.answers, one.refused, one.failed, one.peak) for one in timeline.buckets] == [
        (1, 0, 0, 0),
        (1, 0, 0, 3),
        (2, 1, 2, 1),
        (0, 0, 0, 0),
    ]
    assert (timeline.buckets[3].rows, timeline.buckets[3].bytes, timeline.buckets[3].pages) == (10, 1000, 1)
    assert timeline.statuses == {"200": 1, "429": 1, "none": 1, "503": 1}


def test_hosts_are_added_up() -> None:
    """What is under way at one host is under way while another one answers."""
    clock = Clock()
    clock.at(0.0, answered(0.0, in_flight=3, host="a"), answered(0.0, in_flight=2, host="b"))
    clock.at(0.0, answered(0.0, in_flight=1, host="a"))
    (bucket,) = clock.sampler.timeline().buckets

    assert (bucket.peak, bucket.rate) == (4, 20.0)


def test_a_long_run_takes_the_room_of_a_short_one() -> None:
    """Buckets merge; nothing that was counted is lost."""
    clock = Clock()
    for second in range(0, 100_000, 7):
        clock.at(second, page(0.1), answered(0.5))
    timeline = clock.sampler.timeline()

    assert MOST_BUCKETS / 2 <= len(timeline.buckets) <= MOST_BUCKETS
    assert timeline.width == 256.0
    assert sum(one.rows for one in timeline.buckets) == 10 * len(range(0, 100_000, 7))
    assert sum(one.busy for one in timeline.buckets) == pytest.approx(0.5 * len(range(0, 100_000, 7)), rel=1e-3)
    assert len(encode(timeline)) < 60_000


def test_only_the_slowest_pages_are_kept() -> None:
    """Slowest first; the earlier one where two took the same time."""
    clock = Clock()
    for number in range(1000):
        clock.at(number, page(float(number % 500), number))
    slowest = clock.sampler.timeline().slowest

    assert len(slowest) == MOST_PAGES
    assert [(one.seconds, one.number) for one in slowest[:3]] == [(499.0, 499), (499.0, 999), (498.0, 498)]


def test_a_lane_begins_with_the_request_for_its_first_page() -> None:
    """It knows its size only when that page has come; later pages change nothing."""
    clock = Clock()
    clock.at(3.0, LaneOpened(DEVICES, 10), page(2.5))
    clock.at(9.0, page(1.0, 1))
    (period,) = clock.sampler.timeline().lanes

    assert period.opened == 0.5


def test_lanes_have_their_periods() -> None:
    """A lane that begins anew began when it first did; one that never opened has only an end."""
    clock = Clock()
    clock.at(1, LaneOpened(DEVICES, 10))
    clock.at(2, LaneOpened(DEVICES, 10))
    clock.at(3, LaneClosed(Outcome(DEVICES, "complete")), LaneClosed(Outcome(Lane("prod", "users"), "skipped")))

    assert clock.sampler.timeline().lanes == (
        LanePeriod("prod", "devices", 1.0, 3.0),
        LanePeriod("prod", "users", None, 3.0),
    )


def test_reasons_and_notices_are_bounded() -> None:
    """A server that never says the same thing twice costs no more than another one."""
    clock = Clock()
    for number in range(1000):
        clock.at(0, Retried(DEVICES, "a", 1, 1.0, f"reason {number}"), Notice(None, "n"), Notice(DEVICES, "of a lane"))
    timeline = clock.sampler.timeline()

    assert (len(timeline.retries), sum(timeline.retries.values())) == (MOST_TEXTS + 1, 1000)
    assert timeline.notices == ("n",) * MOST_TEXTS


def test_a_run_that_was_taken_up_again_is_one_line() -> None:
    """The second process goes on behind the first one, without the time between; the first page took a second."""
    first, second = Clock(), Clock()
    first.at(9, LaneOpened(DEVICES, 5), page(1.0, 1))
    first.at(9.99)
    second.at(1, LaneOpened(DEVICES, 5), page(2.0, 2), Notice(None, "going on"))
    second.at(2, LaneClosed(Outcome(DEVICES, "complete")))
    whole = joined(first.sampler.timeline(), second.sampler.timeline())

    assert (whole.seconds, whole.resumed_at) == (12.0, (10.0,))
    assert [place for place, one in enumerate(whole.buckets) if one.rows] == [72, 88]
    assert whole.lanes == (LanePeriod("prod", "devices", 8.0, 12.0),)
    assert [one.number for one in whole.slowest] == [2, 1]
    assert whole.notices == ("going on",)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 600)), min_size=2, max_size=5))
def test_joining_loses_nothing_and_stays_bounded(processes: list[tuple[float, int]]) -> None:
    """However long the processes were and however their buckets are cut."""
    whole = Timeline()
    for seconds, rows in processes:
        clock = Clock()
        clock.at(seconds, page(1.0, rows=rows))
        whole = joined(whole, clock.sampler.timeline())

    assert sum(one.rows for one in whole.buckets) == sum(rows for _, rows in processes)
    assert len(whole.buckets) <= MOST_BUCKETS
    assert whole.seconds >= sum(seconds for seconds, _ in processes)
    assert decode(encode(whole)) == whole


@pytest.mark.parametrize(
    "written",
    [b"", b"{", b"[]", b'{"width": 0}', b'{"width": -1}', b'{"seconds": -1}', b'{"buckets": 7}', b"[" * 100_000],
)
def test_what_is_no_timeline_is_refused(written: bytes) -> None:
    """With one kind of error, whatever is wrong."""
    with pytest.raises(ValueError, match=r"\w"):
        decode(written)


def test_too_many_buckets_are_refused() -> None:
    """No timeline that we wrote has them."""
    with pytest.raises(ValueError, match="so many buckets"):
        decode(encode(replace(Timeline(), buckets=(Bucket(),) * 601)))


def test_two_processes_at_the_same_time_are_summed() -> None:
    """As if they had begun together, whatever the widths of their buckets."""
    one = Timeline(0.25, 0.125, (Bucket(rows=1, peak=2, rate=3.0), Bucket(rows=2)), statuses={"200": 1}, hosts={"a": 1})
    other = Timeline(
        0.5, 0.25, (Bucket(rows=10, peak=4, rate=5.0), Bucket(rows=20)), statuses={"200": 2}, hosts={"b": 2}
    )
    both = beside(one, other)

    assert (both.seconds, both.width, [b.rows for b in both.buckets]) == (0.5, 0.25, [13, 20])
    assert (both.buckets[0].peak, both.buckets[0].rate) == (6, 8.0)
    assert (both.statuses, both.hosts) == ({"200": 3}, {"a": 1, "b": 2})
    assert decode(encode(both)) == both
