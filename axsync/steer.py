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
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

START = 2.0  # requests at once, at first and after a quiet
KEEP, KEEP_SLOW = 0.7, 0.85  # what a cut leaves, after refusals and failures, and after slower answers
SECOND = 1.05  # over which the requests of one second are counted; arrivals jitter
HOLD, SHORT_HOLD, LONG_HOLD = 30.0, 3.0, 240.0  # seconds before a refused number is tried again
HOLD_ANSWERS, SHORT_ANSWERS = 50, 10  # and so many good answers
DIP = 0.1  # how far below its ceiling the rate goes
CLIMB_SECONDS, CLIMB_ANSWERS = 15.0, 40  # until it is there again: the longer of the two
LOWEST_RATE = 0.05  # per second
STEP, STEP_MOST = 3.0, 0.05  # on new ground: so many times the quickest answer, at most so many seconds
SLOWER, MORE, NOTICEABLE = 1.5, 1.1, 0.25  # answers this much slower, and not more; quicker ones (seconds) are no load
CREEP = 1.02  # a base latency is forgotten by this much per answer
FAILURES = 5
"""So many failures in a row, and nobody asks but one request that looks whether the host is there (reference 11.3)."""

Heard: TypeAlias = Literal["good", "busy", "failed", "nothing"]
"""An answer; 429; 5xx, timeout or a broken connection; given up by ourselves."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request under way, and the company it left in, itself included."""

    at: float  # seconds
    at_once: int
    in_second: int  # sent within the second before and not refused


@dataclass(slots=True)
class AtOnce:
    """How many requests may be under way."""

    most: int
    level: float = START
    goal: float = 0.0  # up to here it grows fast; set below
    ceiling: int = 0  # above this was refused; `most` where nothing is known
    proved: int = 0  # so many were admitted
    cut_at: float = -1.0
    _careful: bool = False  # there was bad news
    _hold: float = HOLD
    _again_at: float = 0.0
    _answers: int = 0  # since the ceiling is known
    _answers_wanted: int = 0

    def __post_init__(self) -> None:
        """Nothing is known."""
        self.goal, self.ceiling, self.level = float(self.most), self.most, min(START, self.most)

    @property
    def limit(self) -> int:
        """Requests at once that are allowed now."""
        return max(1, min(int(self.level), self.ceiling, self.most))

    def grow(self, sent: Sent, flying: int, now: float) -> None:
        """A good answer; `flying` counts it."""
        self.proved = max(self.proved, sent.at_once)
        self._answers += 1
        used = max(flying, sent.at_once) >= self.limit
        if self.level < self.goal:
            self.level += 1.0
        elif used:
            self.level += 1.0 / self.level
        if used and self.limit >= self.ceiling and now >= self._again_at and self._answers >= self._answers_wanted:
            self.ceiling = self.most
        self.level = min(self.level, float(self.ceiling))

    def refuse(self, sent: Sent, now: float, *, sure: bool) -> None:
        """So many at once were too many; `sure` where it cannot have been anything else."""
        below = max(1, sent.at_once - 1)
        if below < self.ceiling:
            self._hold = min(self._hold * 2, LONG_HOLD) if sure and self._answers_wanted == HOLD_ANSWERS else HOLD
        self.ceiling, self.proved = min(self.ceiling, below), min(self.proved, below)
        self._answers, self._answers_wanted = 0, HOLD_ANSWERS if sure else SHORT_ANSWERS
        self._again_at = now + (self._hold if sure else SHORT_HOLD)
        self.cut(sent, now, KEEP)
        self.goal, self.level = min(self.goal, float(below)), min(self.level, float(below))

    def settle(self, now: float, *, guilty: bool) -> None:
        """The ceiling that was in doubt is one, or is none."""
        if guilty:
            self._again_at, self._answers_wanted = now + self._hold, HOLD_ANSWERS
        else:
            self.ceiling = self.most

    def cut(self, sent: Sent, now: float, keep: float) -> None:
        """Take a share away, once per round trip."""
        if sent.at <= self.cut_at:
            return
        self.cut_at = now
        # Where it is still climbing back, its goal is what it was about to use.
        self.goal = max(1.0, keep * (max(self.level, self.goal) if self._careful else self.level))
        self.level, self._careful = max(1.0, min(self.level, self.goal)), True

    def restart(self) -> None:
        """Begin low after a quiet, and come back fast to what was in use."""
        self.goal = max(self.goal, self.level)
        self.level = min(START, self.level)


@dataclass(slots=True)
class PerSecond:
    """How many requests may leave in a second."""

    most: float
    proved: int = 0  # so many were admitted within a second
    cut_at: float = -1.0
    _ceiling: float | None = None  # what the host took when it refused more
    _since: float = 0.0
    _heard_at: float = 0.0
    _answers: int = 0  # since the last cut
    _before: tuple[float | None, float] | None = None  # ceiling and its moment, while another one is assumed

    @property
    def known(self) -> bool:
        """Whether the host has refused for this reason."""
        return self._ceiling is not None

    def rate(self, now: float) -> float:
        """Requests per second that are allowed now."""
        if self._ceiling is None:
            return self.most
        climb = max(CLIMB_SECONDS, CLIMB_ANSWERS / self._ceiling)
        grown = self._ceiling * (1 + DIP * ((max(now - self._since, 0.0) - climb) / climb) ** 3)
        return min(max(grown, LOWEST_RATE), self.most)

    def grow(self, sent: Sent, now: float) -> None:
        """A good answer; the rate does not climb above its ceiling while it is not used."""
        self.proved = max(self.proved, sent.in_second)
        self._answers += 1
        rate = self.rate(now)
        if self._ceiling is not None and rate > self._ceiling and sent.in_second < 0.6 * rate:
            self._since += max(now - max(self._heard_at, self._since), 0.0)
        self._heard_at = now

    def refuse(self, sent: Sent, now: float) -> None:
        """So many within a second were too many."""
        had = max(sent.in_second - 1, self.proved // 2, 1)
        self.proved = min(self.proved, had)
        if sent.at <= self.cut_at:
            return
        level = self.rate(now)
        keep = 0.95 if self._answers >= CLIMB_ANSWERS // 4 else 0.75
        self._ceiling = min(had, self.most) if self._ceiling is None else min(max(had, level / 2), level * keep)
        self._ceiling = max(self._ceiling, LOWEST_RATE)
        self.cut_at = self._since = self._heard_at = now
        self._answers = 0

    def assume(self, had: int, now: float) -> None:
        """For an experiment: as if the host took no more than so many within a second."""
        if self._before is None and self.rate(now) > had:
            self._before = self._ceiling, self._since
            self._ceiling, self._since, self._heard_at = float(max(had, 1)), now, now

    def settle(self, *, guilty: bool) -> None:
        """What was assumed holds, or does not."""
        if self._before is not None and not guilty:
            self._ceiling, self._since = self._before
        self._before = None

    def wait_until(self, moment: float) -> None:
        """A quiet is no time to climb in."""
        self._since = max(self._since, moment)


@dataclass(slots=True)
class Queueing:
    """Whether answers get slower without getting more. Work is measured in seconds of an idle server."""

    _quickest: dict[str, float] = field(default_factory=dict)  # kind of question → seconds, slowly forgotten
    _work: float = 0.0
    _spent: float = 0.0
    _count: int = 0
    _began: float | None = None
    _best: float = 0.0  # work per second
    _calm: float = 1.0  # seconds spent per second of work, then

    def heard(self, kind: str, seconds: float, limit: int, now: float) -> bool:
        """Take in one answer; true where a round of them shows a queue."""
        base = self._quickest[kind] = min(seconds, self._quickest.get(kind, seconds) * CREEP)
        self._began = now - seconds if self._began is None else self._began
        self._work, self._spent, self._count = self._work + base, self._spent + seconds, self._count + 1
        return self._count >= max(4, limit) and self._round(now)

    def _round(self, now: float) -> bool:
        stretch = self._spent / max(self._work, 1e-9)
        through = self._work / max(now - (self._began or 0.0), 1e-9)
        noticeable = self._spent / self._count > NOTICEABLE
        self._work, self._spent, self._count, self._began = 0.0, 0.0, 0, now
        if through >= MORE * self._best:
            self._best, self._calm = through, stretch
            return False
        self._best /= CREEP
        return noticeable and stretch > SLOWER * self._calm


@dataclass(slots=True)
class Breaker:
    """Whether the host is there at all. `probes` is how many looks may fail before it counts as dead."""

    probes: int
    failures: int = 0  # in a row

    @property
    def broken(self) -> bool:
        """Nobody asks but one."""
        return self.failures >= FAILURES

    @property
    def dead(self) -> bool:
        """Nobody asks any more."""
        return self._looked >= self.probes

    _looked: int = 0  # failed looks

    def heard(self, heard: Heard, *, probe: bool) -> None:
        """Any answer, a refusal too, shows that somebody is there."""
        if heard == "failed":
            self.failures += 1
            self._looked += probe
        elif heard != "nothing":
            self.failures = self._looked = 0


class Steer:
    """Both measures of one host, and its breaker."""

    def __init__(self, *, requests_per_second: float, in_flight: int, probes: int) -> None:
        self.at_once, self.per_second = AtOnce(in_flight), PerSecond(requests_per_second)
        self.breaker = Breaker(probes)
        self.flying = 0
        self._doubt: Sent | None = None  # refused, and nobody knows for which reason
        self._queueing = Queueing()
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
                self._refused(sent, now)
            case "failed":
                self.at_once.cut(sent, now, KEEP)

    def _good(self, sent: Sent, kind: str, flying: int, now: float) -> None:
        seconds = now - sent.at
        self._quickest = min(self._quickest or seconds, seconds)
        if self._doubt is not None:
            self._experiment(sent, self._doubt, now)
        self.at_once.grow(sent, flying, now)
        self.per_second.grow(sent, now)
        if self._queueing.heard(kind, seconds, self.limit, now):
            self.at_once.cut(sent, now, KEEP_SLOW)

    def _refused(self, sent: Sent, now: float) -> None:
        if sent.at in self._moments:
            self._moments.remove(sent.at)
        if self._doubt is not None and sent.at > self._doubt.at:
            self._judge(sent, self._doubt, now)
            return
        beyond, faster = self._beyond(sent), sent.in_second > self.per_second.proved
        if beyond:
            self._doubt = sent if faster else self._doubt
            self.at_once.refuse(sent, now, sure=not faster)
            return
        self.per_second.refuse(sent, now)
        if not faster:
            self.at_once.cut(sent, now, KEEP)

    def _beyond(self, sent: Sent) -> bool:
        # A request that is on its way there counts here and not yet there, so the largest number may be one too many.
        proved = self.at_once.proved
        return sent.at_once > proved or (sent.at_once == proved > 1 and not self.per_second.known)

    def _experiment(self, sent: Sent, doubt: Sent, now: float) -> None:
        """Admitted: what was beyond the refused request is innocent, so the other is not."""
        if sent.at_once >= doubt.at_once and sent.at > doubt.at:
            self._settle(now, at_once=False)
        elif sent.in_second >= doubt.in_second and sent.at > doubt.at:
            self._settle(now, at_once=True)
        elif self.at_once.limit >= doubt.at_once:
            self.per_second.assume(doubt.in_second - 1, now)

    def _judge(self, sent: Sent, doubt: Sent, now: float) -> None:
        """Refused again: what was below the refused request is innocent."""
        if sent.at_once < doubt.at_once:
            self._settle(now, at_once=False)
            self.per_second.refuse(sent, now)
        else:
            self.at_once.refuse(sent, now, sure=sent.in_second < doubt.in_second)
            if sent.in_second < doubt.in_second:
                self._settle(now, at_once=True)

    def _settle(self, now: float, *, at_once: bool) -> None:
        self.at_once.settle(now, guilty=at_once)
        self.per_second.settle(guilty=not at_once)
        self._doubt = None

    def quieted(self, until: float) -> None:
        """Nobody asks until then; afterwards places open one by one."""
        self.at_once.restart()
        self.per_second.wait_until(until)
