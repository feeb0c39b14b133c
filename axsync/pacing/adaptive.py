"""Adaptive per-host limits on concurrency and request rate. Deterministic: time and randomness are passed in.

Theory of operation
-------------------
Events go in (`sent`, `answered`, `quieted`, each with its time); limits come out (`limit`, `rate`, `ready_at`). Two
limits are controlled, because a server may refuse a request because of either and answers 429 for both.

*Concurrency* starts at two. Every good answer adds one until the first bad news. From then on every good answer adds
one up to a goal below the level of the bad news, and every full round of answers adds one beyond it. The limit is cut
by a fixed share on a refusal, on a failure, and when latency rises without more throughput. It is cut at most once per
round trip: requests sent before the last cut carry no new information. A refused level is remembered and retried only
after a while.

*Rate* starts at the configured maximum. A refusal sets it to a tenth below what the host accepted within the last
second. It then climbs back to that level, stays near it, and finally probes beyond it (the curve of CUBIC, RFC 9438).

A 429 is blamed on the limit that exceeded everything admitted so far, and on both if neither did. If both did, the
cause is in doubt and an experiment settles it: first with lower concurrency at an unrestricted rate, a moment later
with the same concurrency at a lower rate. Whichever is then admitted beyond the refused request is not the cause.
Levels never tried before are entered one request at a time, no faster than an answer can return, so that a refusal is
seen before many more requests leave.

Some servers refuse at random, whatever the load. A refusal is ignored if the same load was admitted repeatedly just
before. If such refusals are frequent, the limit inferred from the first ones is retried sooner.
"""

import math
from collections import deque
from dataclasses import dataclass, field, replace

from axsync.pacing.health import CircuitBreaker, Heard, LatencyMonitor

START = 2.0  # concurrency at the start and after a pause
KEEP = 0.7  # factor of a cut
KEEP_SLOW = 0.7  # factor of a cut when latency rises
HOLD, SHORT_HOLD, LONG_HOLD = 30.0, 3.0, 240.0  # seconds before a refused level is retried
HOLD_ANSWERS, SHORT_ANSWERS = 50, 10  # and this many good answers
DIP = 0.1  # how far below its ceiling the rate drops
CLIMB_SECONDS, CLIMB_ANSWERS = 15.0, 40  # time to climb back to the ceiling: the longer of the two
MOST_HURRY = 8.0
LOWEST_RATE = 0.05  # per second
SECOND = 1.05  # window in which the requests of one second are counted; arrivals jitter
LATELY = 20.0  # seconds for which an admitted load counts as evidence against a refusal
ENOUGH_EVIDENCE = 10  # admissions of a load at least as high after which a refusal of it is not blamed on load
FEW_ANSWERS, MANY_ANSWERS = 2.0, 20.0  # good answers between two refusals; below a known limit there are many
NEAR = 0.95  # share of the highest admitted rate; counts of one second are never exact
STEP, STEP_MOST = 3.0, 0.02  # at untried levels: this many times the quickest answer, at most this many seconds


@dataclass(frozen=True, slots=True)
class Sent:
    """A request and the load it was sent under, itself included."""

    at: float  # seconds
    at_once: int
    in_second: int  # sent within the preceding second and not refused


class AdaptiveLimiter:
    """The concurrency limit, rate limit and circuit breaker of one host."""

    def __init__(self, *, requests_per_second: float, in_flight: int, probes: int) -> None:
        self.at_once, self.per_second = ConcurrencyLimit(in_flight), RateLimit(requests_per_second)
        self.breaker = CircuitBreaker(probes)
        self.in_flight = 0
        self._recent = RecentAdmissions()
        self._doubt: Sent | None = None  # refused, cause not settled yet
        self._refused_at = -1.0  # time of the last refusal
        self._latency = LatencyMonitor()
        self._moments: deque[float] = deque()  # send times of the requests of the last second that were not refused
        self._stepped_at = -1.0  # time of the last step to an untried level
        self._quickest = 0.0

    @property
    def limit(self) -> int:
        """Current concurrency limit."""
        return self.at_once.limit

    def rate(self, now: float) -> float:
        """Current limit in requests per second."""
        return self.per_second.rate(now)

    def ready_at(self, now: float) -> float:
        """Earliest time of the next request, as far as untried levels restrict it."""
        return self._stepped_at + min(STEP * self._quickest, STEP_MOST) if self._new_ground(now) else now

    def _new_ground(self, now: float) -> bool:
        return self.in_flight >= self.at_once.proved or self._in_second(now) >= self.per_second.proved

    def _in_second(self, now: float) -> int:
        while self._moments and self._moments[0] <= now - SECOND:
            self._moments.popleft()
        return len(self._moments)

    def sent(self, now: float) -> Sent:
        """Record that a request leaves now."""
        if self._new_ground(now):
            self._stepped_at = now
        self.in_flight += 1
        self._moments.append(now)
        return Sent(now, self.in_flight, self._in_second(now))

    def answered(self, sent: Sent, heard: Heard, *, kind: str, now: float, probe: bool = False) -> None:
        """Record the outcome of a request. `kind` separates requests whose latencies are not comparable."""
        in_flight, self.in_flight = self.in_flight, self.in_flight - 1
        self.breaker.heard(heard, probe=probe)
        match heard:
            case "good":
                self._good(sent, kind, in_flight, now)
            case "busy":
                if sent.at > self._refused_at:  # requests sent before the last refusal carry no new information
                    # Requests sent together may arrive in another order, so the load is that of all of them.
                    at_once, in_second = max(sent.at_once, in_flight), max(sent.in_second, self._in_second(now))
                    self._blame(replace(sent, at_once=at_once, in_second=in_second), now)
                    self._refused_at = now
                self._forget(sent.at)
            case "failed":
                self.at_once.cut(sent, now, KEEP)

    def _forget(self, moment: float) -> None:
        if moment in self._moments:
            self._moments.remove(moment)

    def _good(self, sent: Sent, kind: str, in_flight: int, now: float) -> None:
        seconds = now - sent.at
        self._quickest = min(self._quickest or seconds, seconds)
        if sent.at > self._refused_at:  # which of the requests of a refused burst got through proves nothing
            self._admitted(sent, now)
            self._recent.admitted(sent)
        self.at_once.grow(sent, in_flight, now)
        self.per_second.grow(sent, now)
        if self._doubt is not None and self.at_once.limit >= self._doubt.at_once:
            self.per_second.assume(self._doubt.in_second - 1, now)
        if self._latency.heard(kind, seconds, self.limit, now):
            self.at_once.cut(sent, now, KEEP_SLOW)

    def _admitted(self, sent: Sent, now: float) -> None:
        """If this load exceeds the refused one in one measure, the other measure was the cause."""
        self.at_once.admitted(sent)
        self.per_second.admitted(sent)
        if self._doubt is not None and sent.at_once >= self._doubt.at_once:
            self._settle(now, at_once=False)
        elif self._doubt is not None and sent.in_second >= self._doubt.in_second:
            self._settle(now, at_once=True)

    def _blame(self, sent: Sent, now: float) -> None:
        """Learn from a refusal, unless the same load was admitted just before."""
        if self._doubt is not None or not self._recent.innocent(sent):
            self._refused(sent, now)
        elif self._recent.often:
            self.per_second.spare()

    def _refused(self, sent: Sent, now: float) -> None:
        if self._doubt is not None:
            self._refused_again(sent, self._doubt, now)
            return
        beyond, faster = self.at_once.beyond(sent), self.per_second.beyond(sent)
        if beyond and faster and self.at_once.precedent(sent) != self.per_second.precedent(sent):
            beyond, faster = self.at_once.precedent(sent), self.per_second.precedent(sent)
        if beyond:
            self._doubt = sent if faster else None
            self.at_once.refuse(sent, now, sure=not faster)
            return
        self.per_second.refuse(sent, now)
        if not faster:
            self.at_once.cut(sent, now, KEEP)

    def _refused_again(self, sent: Sent, doubt: Sent, now: float) -> None:
        """A second refusal while in doubt: a measure that stayed below its first refused value is not the cause."""
        if sent.at_once < doubt.at_once and self.per_second.beyond(sent):
            self._settle(now, at_once=False)
            self.per_second.refuse(sent, now)
        else:
            sure = sent.in_second < doubt.in_second
            self.at_once.refuse(sent, now, sure=sure)
            if sure:
                self._settle(now, at_once=True)

    def _settle(self, now: float, *, at_once: bool) -> None:
        self.at_once.settle(now, guilty=at_once)
        self.per_second.settle(guilty=not at_once)
        self._doubt = None

    def quieted(self, now: float, until: float) -> None:
        """Record that no request leaves before `until`. Concurrency then restarts low unless a rate limit is known."""
        if not self.per_second.known:
            self.at_once.restart(now)
        self.per_second.wait_until(until, now)


@dataclass(slots=True)
class RecentAdmissions:
    """Loads admitted recently. Some servers refuse at random; sending less does not help there."""

    _seen: deque[Sent] = field(default_factory=lambda: deque(maxlen=2000))
    _answers: int = 0  # since the last refusal
    _gap: float = 0.0  # good answers between two refusals, smoothed

    def admitted(self, sent: Sent) -> None:
        """Record an admitted load."""
        self._answers += 1
        self._seen.append(sent)

    def innocent(self, sent: Sent) -> bool:
        """Whether a refusal says nothing about load: the same load was admitted repeatedly."""
        self._gap += 0.3 * (self._answers - self._gap)
        self._answers = 0
        since = sent.at - LATELY
        if len(self._seen) >= 2 * ENOUGH_EVIDENCE:  # with few requests, look further back
            since = min(since, self._seen[-2 * ENOUGH_EVIDENCE].at)
        heavier = sum(s.at > since and s.at_once >= sent.at_once and s.in_second >= sent.in_second for s in self._seen)
        return self._gap >= FEW_ANSWERS and heavier >= ENOUGH_EVIDENCE

    @property
    def often(self) -> bool:
        """Whether refusals are so frequent that the limits learned so far cannot be the cause."""
        return self._gap < MANY_ANSWERS


@dataclass(slots=True)
class ConcurrencyLimit:
    """How many requests may be in flight."""

    most: int
    level: float = START
    goal: float = 0.0  # fast growth up to here; set below
    ceiling: int = 0  # refused above this; `most` if nothing is known
    proved: int = 0  # highest admitted concurrency
    cut_at: float = -1.0
    _careful: bool = False  # there was bad news
    _hold: float = HOLD
    _again_at: float = 0.0
    _answers: int = 0  # good answers since the ceiling was set
    _answers_wanted: int = 0
    _restarted_at: float = -1.0
    _sure_below: int = -1  # ceiling of the last refusal that was certainly due to concurrency

    def __post_init__(self) -> None:
        """Start low, without a ceiling."""
        self.goal, self.ceiling, self.level = float(self.most), self.most, min(START, self.most)

    @property
    def limit(self) -> int:
        """Current concurrency limit."""
        return max(1, min(int(self.level), self.ceiling, self.most))

    def grow(self, sent: Sent, in_flight: int, now: float) -> None:
        """Grow after a good answer; `in_flight` includes it."""
        self._answers += 1
        used = max(in_flight, sent.at_once) >= self.limit
        if sent.at < self._restarted_at:
            return  # sent before the restart
        if self.level < self.goal:
            self.level += 1.0
        elif used:
            self.level += 1.0 / self.level
        if used and self.limit >= self.ceiling and now >= self._again_at and self._answers >= self._answers_wanted:
            self.ceiling = self.most
        self.level = min(self.level, float(self.ceiling))

    def admitted(self, sent: Sent) -> None:
        """Record that this concurrency was admitted."""
        self.proved = max(self.proved, sent.at_once)

    def beyond(self, sent: Sent) -> bool:
        """Whether this concurrency exceeds any that the host has admitted.

        In-flight requests count here but not in `proved`, so the result may be high by one.
        """
        return sent.at_once > 1 and sent.at_once >= self.proved

    def precedent(self, sent: Sent) -> bool:
        """Whether exactly this level was certainly refused before."""
        return sent.at_once - 1 == self._sure_below

    def refuse(self, sent: Sent, now: float, *, sure: bool) -> None:
        """Lower the ceiling after a refusal; `sure` if nothing else can have caused it."""
        below = max(1, sent.at_once - 1)
        if below < self.ceiling:
            self._hold = min(self._hold * 2, LONG_HOLD) if sure and self._answers_wanted == HOLD_ANSWERS else HOLD
        self.ceiling, self.proved = min(self.ceiling, below), min(self.proved, below)
        self._answers, self._answers_wanted = 0, HOLD_ANSWERS if sure else SHORT_ANSWERS
        self._again_at = now + (self._hold if sure else SHORT_HOLD)
        self._sure_below = below if sure else self._sure_below
        self.cut(sent, now, KEEP)
        self.goal, self.level = min(self.goal, float(below)), min(self.level, float(below))

    def settle(self, now: float, *, guilty: bool) -> None:
        """Confirm the ceiling that was in doubt, or drop it."""
        if guilty:
            self._again_at, self._answers_wanted = now + self._hold, HOLD_ANSWERS
            self._sure_below = self.ceiling
        else:
            self.ceiling = self.most

    def cut(self, sent: Sent, now: float, keep: float) -> None:
        """Multiply the limit by `keep`, once per round trip."""
        if sent.at <= self.cut_at:
            return
        self.cut_at = now
        # While it is still climbing back, the goal is what was about to be used.
        self.goal = max(1.0, keep * (max(self.level, self.goal) if self._careful else self.level))
        self.level, self._careful = max(1.0, min(self.level, self.goal)), True

    def restart(self, now: float) -> None:
        """Start low after a pause and return quickly to the level in use before."""
        self._restarted_at = now
        self.goal = max(self.goal, self.level)
        self.level = min(max(START, self.goal / 4), self.level)


@dataclass(slots=True)
class RateLimit:
    """How many requests may be sent per second."""

    most: float
    proved: int = 0  # most requests admitted within a second
    cut_at: float = -1.0
    _ceiling: float | None = None  # accepted rate when the host refused more
    _since: float = 0.0
    _heard_at: float = 0.0
    _answers: int = 0  # since the last cut
    _hurry: float = 1.0  # divisor of the climb time; above 1 after refusals that the rate did not cause
    _before: tuple[float | None, float] | None = None  # ceiling and its time, while another one is assumed

    @property
    def known(self) -> bool:
        """Whether the host has refused because of the rate, or is assumed to have."""
        return self._ceiling is not None

    def rate(self, now: float) -> float:
        """Current limit in requests per second."""
        if self._ceiling is None:
            return self.most
        climb = max(CLIMB_SECONDS, CLIMB_ANSWERS / self._ceiling) / self._hurry
        grown = self._ceiling * (1 + DIP * ((max(now - self._since, 0.0) - climb) / climb) ** 3)
        return min(max(grown, LOWEST_RATE), self.most)

    def grow(self, sent: Sent, now: float) -> None:
        """Record a good answer. The rate does not climb above its ceiling while it is not used."""
        self._answers += 1
        rate = self.rate(now)
        if self._ceiling is not None and rate > self._ceiling and sent.in_second < 0.6 * rate:
            self._since += max(now - max(self._heard_at, self._since), 0.0)
        self._heard_at = now

    def admitted(self, sent: Sent) -> None:
        """Record that this rate was admitted."""
        self.proved = max(self.proved, sent.in_second)

    def beyond(self, sent: Sent) -> bool:
        """Whether this rate was never, or hardly ever, admitted."""
        return sent.in_second > NEAR * self.proved

    def precedent(self, sent: Sent) -> bool:
        """Whether the request was sent while the rate exceeded the ceiling of an earlier refusal."""
        return self._ceiling is not None and self._before is None and self.rate(sent.at) > self._ceiling

    def refuse(self, sent: Sent, now: float) -> None:
        """Lower the ceiling after a refusal."""
        had = math.ceil(max(sent.in_second - 1, self.proved // 2, 1) / SECOND)
        self.proved = min(self.proved, max(sent.in_second - 1, 1))
        if sent.at <= self.cut_at:
            return
        level = self.rate(now)
        keep = 0.95 if self._answers >= CLIMB_ANSWERS // 4 else 0.75
        self._ceiling = min(had, self.most) if self._ceiling is None else min(max(had, level / 2), level * keep)
        self._ceiling = max(self._ceiling, LOWEST_RATE)
        self.cut_at = self._since = self._heard_at = now
        self._answers, self._hurry = 0, 1.0

    def spare(self) -> None:
        """Climb faster: a refusal had another cause, so the one that set the ceiling may have had one too."""
        self._hurry = min(2 * self._hurry, MOST_HURRY)

    def assume(self, had: int, now: float) -> None:
        """Assume, for an experiment, that the host accepts at most `had` requests per second."""
        if self._before is None and self.rate(now) > had:
            self._before = self._ceiling, self._since
            self._ceiling, self._since, self._heard_at = float(math.ceil(max(had, 1) / SECOND)), now, now

    def settle(self, *, guilty: bool) -> None:
        """Confirm what was assumed, or restore the earlier ceiling."""
        if self._before is not None and not guilty:
            self._ceiling, self._since = self._before
        self._before = None

    def wait_until(self, moment: float, now: float) -> None:
        """Do not climb during a pause: after a refusal start when the pause ends, otherwise continue then."""
        self._since = max(self._since, moment) if self._hurry == 1.0 else self._since + max(moment - now, 0.0)
