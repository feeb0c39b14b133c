from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axsync.pacing.adaptive import AdaptiveLimiter, Sent
from axsync.pacing.health import Heard
from tests.examples import scaled

HEARD = st.sampled_from(["good", "good", "good", "busy", "failed", "nothing"])


def make(rate: float = 100.0, in_flight: int = 16) -> AdaptiveLimiter:
    return AdaptiveLimiter(requests_per_second=rate, in_flight=in_flight, probes=6)


@dataclass(slots=True)
class Story:
    """Requests that leave as allowed, and answers in any order."""

    steer: AdaptiveLimiter
    now: float = 100.0
    flying: list[Sent] = field(default_factory=list)

    def send(self) -> None:
        """As many as are allowed."""
        while len(self.flying) < self.steer.limit:
            self.now += 0.001
            self.flying.append(self.steer.sent(self.now))

    def answer(self, heard: Heard, place: int = 0, seconds: float = 0.01) -> None:
        """One of those that are under way."""
        self.now += seconds
        self.steer.answered(self.flying.pop(place), heard, kind="pages", now=self.now)


@given(
    st.lists(st.tuples(HEARD, st.floats(0.0, 3.0), st.booleans()), max_size=150),
    st.integers(1, 64),
    st.floats(0.1, 500.0),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=scaled(200))
def test_the_limits_are_never_left(
    heard: list[tuple[Heard, float, bool]], in_flight: int, rate: float, seed: int
) -> None:
    """Whatever comes back and in whatever order: one to `in_flight` at once, and some but not too many per second."""
    story, dice = Story(make(rate, in_flight)), Random(seed)
    for one, seconds, quiet in heard:
        story.send()
        story.answer(one, dice.randrange(len(story.flying)), seconds)
        if quiet:
            story.steer.quieted(story.now, story.now + seconds)

        assert 1 <= story.steer.limit <= in_flight
        assert 0 < story.steer.rate(story.now) <= rate
        assert story.steer.ready_at(story.now) <= story.now + 0.05
        assert story.steer.in_flight == len(story.flying)


def test_it_starts_low_and_every_good_answer_adds_one() -> None:
    """Sixteen at once after fourteen good answers."""
    story = Story(make())
    limits = []
    for _ in range(16):
        story.send()
        limits.append(story.steer.limit)
        story.answer("good")

    assert limits == [*range(2, 17), 16]


@pytest.mark.parametrize("heard", ["failed", "busy"])
def test_bad_news_of_one_round_trip_count_once(heard: Heard) -> None:
    """Ten that left together come back bad: one cut, not ten."""
    story = Story(make(in_flight=10))
    for _ in range(40):
        story.send()
        story.answer("good")
    story.send()
    for _ in range(10):
        story.answer(heard, seconds=0.001)

    assert 6 <= story.steer.limit <= 9


def test_bad_news_of_the_next_round_trip_count_again() -> None:
    """Down to one at once, and never to none."""
    story, limits = Story(make()), []
    for _ in range(30):
        story.send()
        story.answer("good")
    for _ in range(12):
        story.flying.clear()
        story.steer.in_flight = 0
        story.send()
        story.answer("failed")
        limits.append(story.steer.limit)

    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == 1


def test_a_failure_is_no_reason_to_ask_less_often() -> None:
    """500 says nothing about requests per second."""
    story = Story(make())
    for heard in ("good", "failed", "good", "failed"):
        story.send()
        story.answer(heard)

    assert story.steer.rate(story.now) == 100


def refused_alone(per_second: int) -> Story:
    """One request after the other, until one is refused that leaves in the second of the others."""
    story = Story(make(in_flight=1))
    for _ in range(per_second):
        story.send()
        story.answer("good", seconds=0.5 / per_second)
    story.send()
    story.answer("busy", seconds=0.001)
    return story


@pytest.mark.parametrize("per_second", [2, 10, 40])
def test_a_refusal_lowers_the_rate_below_what_was_achieved(per_second: int) -> None:
    """A tenth below, then up to it, then slowly beyond."""
    story = refused_alone(per_second)
    steer, now = story.steer, story.now
    climb = [steer.rate(now + seconds) for seconds in range(0, 120, 5)]

    assert 0.8 * per_second <= climb[0] <= 0.95 * per_second
    assert climb == sorted(climb)
    assert climb[3] <= per_second * 1.01
    assert per_second < climb[-1] <= 100


def test_a_rate_that_is_not_used_does_not_climb() -> None:
    """Nobody has shown that the host stands it."""
    story = refused_alone(10)
    for _ in range(60):
        story.now += 5
        story.send()
        story.answer("good")

    assert story.steer.rate(story.now) <= 10.5


def test_a_quiet_begins_low_and_comes_back_fast() -> None:
    """Two at once, and after as many good answers as before as many as before."""
    story = Story(make(in_flight=8))
    for _ in range(10):
        story.send()
        story.answer("good")
    story.steer.quieted(story.now, story.now + 5)
    assert story.steer.limit == 2

    story.flying.clear()
    for _ in range(6):
        story.send()
        story.answer("good")
    assert story.steer.limit == 8
