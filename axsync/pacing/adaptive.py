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

from collections import deque
from dataclasses import replace

from axsync.pacing.health import CircuitBreaker, Heard, LatencyMonitor
from axsync.pacing.limits import KEEP, SECOND, ConcurrencyLimit, RateLimit, RecentAdmissions, Sent

KEEP_SLOW = 0.7  # factor of a cut when latency rises
STEP, STEP_MOST = 3.0, 0.02  # at untried levels: this many times the quickest answer, at most this many seconds


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
