from dataclasses import dataclass

from axsync.console.progress import ProgressTracker, progress_phrases
from axsync.events import Answered, Asking, DayBegun, LaneClosed, LaneOpened, PageRead, Retried, RunStarted
from axsync.model import Lane, Outcome

DEVICES, USERS = Lane("prod", "devices"), Lane("prod", "users")


@dataclass
class Watch:
    """A clock that a test turns."""

    time: float = 100.0

    def __call__(self) -> float:
        return self.time


def started(watch: Watch) -> ProgressTracker:
    tracker = ProgressTracker(watch)
    tracker(RunStarted("r1", "2026-11-23", (DEVICES, USERS)))
    return tracker


def test_pages_are_summed_per_lane_and_in_total() -> None:
    """A state has the pages, rows and bytes of all events so far."""
    tracker = started(Watch())
    tracker(LaneOpened(DEVICES, 5000))
    tracker(PageRead(DEVICES, 0, 2000, 10_000_000, 0.5))
    tracker(PageRead(DEVICES, 1, 1000, 5_000_000, 0.5))

    state = tracker.state()

    assert (state.pages, state.rows, state.size) == (2, 3000, 15_000_000)
    assert [(lane.label, lane.rows, lane.total) for lane in state.active] == [("devices", 3000, 5000)]


def test_time_left_is_known_once_every_lane_has_told_its_size() -> None:
    """The forecast waits until all entity types are known and the rate is steady."""
    watch = Watch()
    tracker = started(watch)
    tracker(LaneOpened(DEVICES, 3000))
    watch.time += 4
    tracker(PageRead(DEVICES, 0, 1000, 1, 0.1))
    before = tracker.state().seconds_left
    tracker(LaneOpened(USERS, 1000))

    assert before is None
    assert tracker.state().seconds_left == 12.0  # 3,000 rows at 250 per second
    assert tracker.state().share == 0.25


def test_a_lane_that_closes_leaves_the_active_ones_and_has_the_rows_of_its_outcome() -> None:
    """The outcome has the last word on rows."""
    tracker = started(Watch())
    tracker(PageRead(DEVICES, 0, 10, 10, 0.1))
    tracker(LaneClosed(Outcome(DEVICES, "complete", rows=9, pages=1, bytes=10)))
    tracker(LaneClosed(Outcome(USERS, "skipped")))

    state = tracker.state()

    assert (state.active, state.rows, state.closed, state.skipped) == ((), 9, 2, 1)
    assert state.share == 1.0


def test_rates_follow_the_last_seconds() -> None:
    """A rate forgets what happened longer ago than its window."""
    watch = Watch()
    tracker = started(watch)
    tracker(LaneOpened(DEVICES, None))
    for number in range(100):
        watch.time += 1
        tracker(PageRead(DEVICES, number, 100 if number < 50 else 10, 1000, 0.1))

    assert 9 < tracker.state().rows_per_second < 11


def test_labels_name_the_instance_only_where_there_are_several() -> None:
    """With one instance its name would say nothing."""
    tracker = ProgressTracker(Watch())
    tracker(RunStarted("r1", "2026-11-23", (DEVICES, Lane("test", "devices"))))

    assert tracker.label(DEVICES) == "prod/devices"
    assert started(Watch()).label(DEVICES) == "devices"


def test_retries_are_counted() -> None:
    """Each retry counts, also where no lane is known."""
    tracker = started(Watch())
    tracker(Retried(None, "acme", 2, 1.0, "503"))

    assert tracker.state().retries == 1


def test_each_lane_has_its_own_rate_time_left_and_retries() -> None:
    """What one entity type does says nothing about another."""
    watch = Watch()
    tracker = started(watch)
    tracker(LaneOpened(DEVICES, 3000))
    tracker(LaneOpened(USERS, 100))
    watch.time += 4
    tracker(PageRead(DEVICES, 0, 1000, 1, 0.1))
    tracker(PageRead(USERS, 0, 20, 1, 0.1))
    tracker(Retried(USERS, "acme", 2, 1.0, "503"))

    found = {lane.label: (lane.rows_per_second, lane.seconds_left, lane.retries) for lane in tracker.state().active}
    assert found == {"devices": (250.0, 8.0, 0), "users": (5.0, 16.0, 1)}


def test_the_pace_is_summed_over_hosts_and_the_last_word_of_each_counts() -> None:
    """Two hosts are asked independently of each other."""
    tracker = started(Watch())
    for host, in_flight, limit, rate in (("a", 1, 2, 5.0), ("a", 3, 4, 10.0), ("b", 1, 1, 0.5)):
        tracker(Answered(None, host, 200, 0.1, in_flight, limit, rate))

    state = tracker.state()
    assert (state.in_flight, state.limit, state.requests_per_second) == (4, 5, 10.5)


def test_the_next_try_is_told_only_while_nothing_is_answered() -> None:
    """A run that waits says for how long; one that goes on need not."""
    watch = Watch()
    tracker = started(watch)
    tracker(Retried(None, "acme", 2, 30.0, "429"))
    waiting = tracker.state().next_try
    watch.time += 31
    waited = tracker.state().next_try
    tracker(Retried(None, "acme", 3, 30.0, "429"))
    tracker(Answered(None, "acme", 200, 0.1, 1, 4, 10.0))

    assert (waiting, waited, tracker.state().next_try) == (30.0, None, None)


def test_before_there_are_lanes_it_tells_what_is_asked() -> None:
    """From the first request on; how many types are counted replaces what was told before."""
    tracker = ProgressTracker(Watch())
    tracker(Asking("prod", "acme.example"))
    first = progress_phrases(tracker.state())
    tracker(Asking("prod", "acme.example", 7, 82))
    tracker(Answered(None, "acme.example", 200, 0.1, 1, 4, 10.0))

    assert first == ["asking prod at acme.example what it offers"]
    assert progress_phrases(tracker.state()) == [
        "asking prod at acme.example what it offers: 7 of 82 entity types counted",
        "1 of 4 in flight",
        "pace 10/s",
    ]


def test_rows_that_are_all_there_are_not_the_end() -> None:
    """Until the lane is closed its ids are compared with the server's, and that is what is told."""
    watch = Watch()
    tracker = started(watch)
    tracker(LaneClosed(Outcome(USERS, "skipped")))
    tracker(LaneOpened(DEVICES, 1000))
    watch.time += 4
    tracker(PageRead(DEVICES, 0, 1000, 1, 0.1))
    checking = progress_phrases(tracker.state())[-1]
    tracker(LaneClosed(Outcome(DEVICES, "complete", rows=1000)))

    assert checking == "checking ids"
    assert "checking ids" not in progress_phrases(tracker.state())
    assert [(lane.label, lane.verdict) for lane in tracker.state().done] == [
        ("devices", "complete"),
        ("users", "skipped"),
    ]


def test_a_pause_that_is_not_over_is_never_of_no_seconds() -> None:
    """It is rounded up."""
    watch = Watch()
    tracker = started(watch)
    tracker(Retried(None, "acme", 2, 90.0, "429"))
    told = []
    for passed in (0, 89.6, 0.3):
        watch.time += passed
        told.append(progress_phrases(tracker.state())[-1])

    assert told == ["next try in 0:01:30", "next try in 1 s", "next try in 1 s"]


def test_a_day_of_a_backfill_begins_with_nothing() -> None:
    """It is told before there are lanes and with them; rates go on over all days."""
    tracker = started(Watch())
    tracker(PageRead(DEVICES, 0, 10, 10, 0.1))
    tracker(LaneClosed(Outcome(USERS, "complete", rows=9)))
    tracker(DayBegun("2026-11-09", 2, 30))
    before = tracker.state()
    tracker(RunStarted("r2", "2026-11-09", (DEVICES,)))

    assert (before.lanes, before.active, before.done) == (0, (), ())
    assert progress_phrases(before)[0] == "2026-11-09: day 2 of 30"
    assert progress_phrases(tracker.state())[:2] == ["2026-11-09: day 2 of 30", "0 of 1 entity type"]
