"""Which pace a host stands, found out by asking: requests at once and per second. No clock and no dice of its own.

Theory of operation
-------------------
What happens goes in (`sent`, `answered`, `quieted`, each with its moment), what is allowed comes out (`limit`, `rate`,
`ready_at`). Two measures are steered, because a server may refuse for either reason and says 429 for both:

*At once* begins with two. Every good answer adds one, until the first bad news; from then on every good answer adds
one up to a goal below the level of the bad news, and beyond it every round of answers adds one. A refusal, a failure,
and answers that get slower without getting more, take a share away, once per round trip: what left before the last
cut is no news. The number that was refused is remembered and tried again only after a while.

*Per second* begins with what the settings allow. After a refusal it goes a tenth below what the host had taken within
the last second, comes back to that level, stays near it, and probes beyond it (the curve of CUBIC, RFC 9438).

A 429 is blamed on the measure that went beyond what was ever admitted, and on both where none did. Where both did it
is in doubt, and settled by experiment: first with fewer at once and a free rate, a moment later with as many at once
and a lower rate. Whichever is then admitted beyond the refused request is innocent. New ground is entered one request
after the other, not faster than an answer can come back, so a refusal is learned from before many more are sent.

Some servers refuse now and then whatever is asked. A refusal teaches nothing where as much was admitted again and
again just before; where such refusals come often, the limit that the first ones seemed to show is tried sooner.
"""

from collections import deque
from dataclasses import replace

from axsync.pacing.health import CircuitBreaker, Heard, LatencyMonitor
from axsync.pacing.limits import KEEP, SECOND, ConcurrencyLimit, RateLimit, RecentAdmissions, Sent

KEEP_SLOW = 0.7  # what a cut leaves where answers get slower
STEP, STEP_MOST = 3.0, 0.02  # on new ground: so many times the quickest answer, at most so many seconds


class AdaptiveLimiter:
    """Both measures of one host, and its breaker."""

    def __init__(self, *, requests_per_second: float, in_flight: int, probes: int) -> None:
        self.at_once, self.per_second = ConcurrencyLimit(in_flight), RateLimit(requests_per_second)
        self.breaker = CircuitBreaker(probes)
        self.flying = 0
        self._witnesses = RecentAdmissions()
        self._doubt: Sent | None = None  # refused, and nobody knows for which reason
        self._refused_at = -1.0  # when the last refusal was heard
        self._queueing = LatencyMonitor()
        self._moments: deque[float] = deque()  # of the requests of the last second that were not refused
        self._stepped_at = -1.0  # when new ground was entered last
        self._quickest = 0.0

    @property
    def limit(self) -> int:
        """Requests at once that are allowed now."""
        return self.at_once.limit

    def rate(self, now: float) -> float:
        """Requests per second that are allowed now."""
        return self.per_second.rate(now)

    def ready_at(self, now: float) -> float:
        """When the next request may leave, as far as new ground is concerned."""
        return self._stepped_at + min(STEP * self._quickest, STEP_MOST) if self._new_ground(now) else now

    def _new_ground(self, now: float) -> bool:
        return self.flying >= self.at_once.proved or self._in_second(now) >= self.per_second.proved

    def _in_second(self, now: float) -> int:
        while self._moments and self._moments[0] <= now - SECOND:
            self._moments.popleft()
        return len(self._moments)

    def sent(self, now: float) -> Sent:
        """A request leaves."""
        if self._new_ground(now):
            self._stepped_at = now
        self.flying += 1
        self._moments.append(now)
        return Sent(now, self.flying, self._in_second(now))

    def answered(self, sent: Sent, heard: Heard, *, kind: str, now: float, probe: bool = False) -> None:
        """What became of it; `kind` tells questions apart whose answers take different times."""
        flying, self.flying = self.flying, self.flying - 1
        self.breaker.heard(heard, probe=probe)
        match heard:
            case "good":
                self._good(sent, kind, flying, now)
            case "busy":
                if sent.at > self._refused_at:  # others left before that was known, and tell nothing new
                    # Requests that left together may arrive in another order: the company is that of all of them.
                    at_once, in_second = max(sent.at_once, flying), max(sent.in_second, self._in_second(now))
                    self._blame(replace(sent, at_once=at_once, in_second=in_second), now)
                    self._refused_at = now
                self._forget(sent.at)
            case "failed":
                self.at_once.cut(sent, now, KEEP)

    def _forget(self, moment: float) -> None:
        if moment in self._moments:
            self._moments.remove(moment)

    def _good(self, sent: Sent, kind: str, flying: int, now: float) -> None:
        seconds = now - sent.at
        self._quickest = min(self._quickest or seconds, seconds)
        if sent.at > self._refused_at:  # among those that were refused, who was admitted proves nothing
            self._admitted(sent, now)
            self._witnesses.admitted(sent)
        self.at_once.grow(sent, flying, now)
        self.per_second.grow(sent, now)
        if self._doubt is not None and self.at_once.limit >= self._doubt.at_once:
            self.per_second.assume(self._doubt.in_second - 1, now)
        if self._queueing.heard(kind, seconds, self.limit, now):
            self.at_once.cut(sent, now, KEEP_SLOW)

    def _admitted(self, sent: Sent, now: float) -> None:
        """What went beyond the refused request is innocent, so the other is not."""
        self.at_once.admitted(sent)
        self.per_second.admitted(sent)
        if self._doubt is not None and sent.at_once >= self._doubt.at_once:
            self._settle(now, at_once=False)
        elif self._doubt is not None and sent.in_second >= self._doubt.in_second:
            self._settle(now, at_once=True)

    def _blame(self, sent: Sent, now: float) -> None:
        """Learn from a refusal, unless as much was admitted just before."""
        if self._doubt is not None or not self._witnesses.innocent(sent):
            self._refused(sent, now)
        elif self._witnesses.often:
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
        """While in doubt: what stayed below the first refused request is innocent."""
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
        """Nobody asks until then; afterwards places open one by one, or at the rate that is known to be bearable."""
        if not self.per_second.known:
            self.at_once.restart(now)
        self.per_second.wait_until(until, now)
