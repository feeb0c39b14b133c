"""How much may be asked of a host, as one pair of rules each: at once, and per second. Pure: no clock, no dice."""

import math
from collections import deque
from dataclasses import dataclass, field

START = 2.0  # requests at once, at first and after a quiet
KEEP = 0.7  # what a cut leaves
HOLD, SHORT_HOLD, LONG_HOLD = 30.0, 3.0, 240.0  # seconds before a refused number is tried again
HOLD_ANSWERS, SHORT_ANSWERS = 50, 10  # and so many good answers
DIP = 0.1  # how far below its ceiling the rate goes
CLIMB_SECONDS, CLIMB_ANSWERS = 15.0, 40  # until it is there again: the longer of the two
MOST_HURRY = 8.0
LOWEST_RATE = 0.05  # per second
SECOND = 1.05  # over which the requests of one second are counted; arrivals jitter
LATELY = 20.0  # seconds for which what was admitted is held against a refusal
WITNESSES = 10  # so many admissions beyond a refused request, and its load was not the reason
FEW_ANSWERS, MANY_ANSWERS = 2.0, 20.0  # between two refusals: under a limit that is known there are many
NEAR = 0.95  # of the most that was admitted: counts of one second are never exact


@dataclass(frozen=True, slots=True)
class Sent:
    """A request under way, and the company it left in, itself included."""

    at: float  # seconds
    at_once: int
    in_second: int  # sent within the second before and not refused


@dataclass(slots=True)
class RecentAdmissions:
    """What was admitted lately. Some servers refuse now and then whatever is asked: asking less is no help there."""

    _seen: deque[Sent] = field(default_factory=lambda: deque(maxlen=2000))
    _answers: int = 0  # since the last refusal
    _gap: float = 0.0  # good answers between two refusals, smoothed

    def admitted(self, sent: Sent) -> None:
        """This load was borne."""
        self._answers += 1
        self._seen.append(sent)

    def innocent(self, sent: Sent) -> bool:
        """Whether a refused request was refused for no reason of ours: as much was admitted again and again."""
        self._gap += 0.3 * (self._answers - self._gap)
        self._answers = 0
        since = sent.at - LATELY
        if len(self._seen) >= 2 * WITNESSES:  # where few are asked, lately is longer ago
            since = min(since, self._seen[-2 * WITNESSES].at)
        heavier = sum(s.at > since and s.at_once >= sent.at_once and s.in_second >= sent.in_second for s in self._seen)
        return self._gap >= FEW_ANSWERS and heavier >= WITNESSES

    @property
    def often(self) -> bool:
        """Whether refusals come so often that what was learned from them so far cannot be the reason."""
        return self._gap < MANY_ANSWERS


@dataclass(slots=True)
class ConcurrencyLimit:
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
    _restarted_at: float = -1.0
    _sure_below: int = -1  # the ceiling of the last refusal that was for this reason

    def __post_init__(self) -> None:
        """Nothing is known."""
        self.goal, self.ceiling, self.level = float(self.most), self.most, min(START, self.most)

    @property
    def limit(self) -> int:
        """Requests at once that are allowed now."""
        return max(1, min(int(self.level), self.ceiling, self.most))

    def grow(self, sent: Sent, flying: int, now: float) -> None:
        """A good answer; `flying` counts it."""
        self._answers += 1
        used = max(flying, sent.at_once) >= self.limit
        if sent.at < self._restarted_at:
            return  # it left in better days
        if self.level < self.goal:
            self.level += 1.0
        elif used:
            self.level += 1.0 / self.level
        if used and self.limit >= self.ceiling and now >= self._again_at and self._answers >= self._answers_wanted:
            self.ceiling = self.most
        self.level = min(self.level, float(self.ceiling))

    def admitted(self, sent: Sent) -> None:
        """So many at once are not too many."""
        self.proved = max(self.proved, sent.at_once)

    def beyond(self, sent: Sent) -> bool:
        """Whether so many were never admitted.

        A request that is on its way counts here and not yet there, so the largest number may be one too many.
        """
        return sent.at_once > 1 and sent.at_once >= self.proved

    def precedent(self, sent: Sent) -> bool:
        """Whether just this number was refused before, for sure."""
        return sent.at_once - 1 == self._sure_below

    def refuse(self, sent: Sent, now: float, *, sure: bool) -> None:
        """So many at once were too many; `sure` where it cannot have been anything else."""
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
        """The ceiling that was in doubt is one, or is none."""
        if guilty:
            self._again_at, self._answers_wanted = now + self._hold, HOLD_ANSWERS
            self._sure_below = self.ceiling
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

    def restart(self, now: float) -> None:
        """Begin low after a quiet, and come back fast to what was in use."""
        self._restarted_at = now
        self.goal = max(self.goal, self.level)
        self.level = min(max(START, self.goal / 4), self.level)


@dataclass(slots=True)
class RateLimit:
    """How many requests may leave in a second."""

    most: float
    proved: int = 0  # so many were admitted within a second
    cut_at: float = -1.0
    _ceiling: float | None = None  # what the host took when it refused more
    _since: float = 0.0
    _heard_at: float = 0.0
    _answers: int = 0  # since the last cut
    _hurry: float = 1.0  # the climb takes so many times less: refusals came, but not for this reason
    _before: tuple[float | None, float] | None = None  # ceiling and its moment, while another one is assumed

    @property
    def known(self) -> bool:
        """Whether the host has refused for this reason, or is taken to have."""
        return self._ceiling is not None

    def rate(self, now: float) -> float:
        """Requests per second that are allowed now."""
        if self._ceiling is None:
            return self.most
        climb = max(CLIMB_SECONDS, CLIMB_ANSWERS / self._ceiling) / self._hurry
        grown = self._ceiling * (1 + DIP * ((max(now - self._since, 0.0) - climb) / climb) ** 3)
        return min(max(grown, LOWEST_RATE), self.most)

    def grow(self, sent: Sent, now: float) -> None:
        """A good answer; the rate does not climb above its ceiling while it is not used."""
        self._answers += 1
        rate = self.rate(now)
        if self._ceiling is not None and rate > self._ceiling and sent.in_second < 0.6 * rate:
            self._since += max(now - max(self._heard_at, self._since), 0.0)
        self._heard_at = now

    def admitted(self, sent: Sent) -> None:
        """So many within a second are not too many."""
        self.proved = max(self.proved, sent.in_second)

    def beyond(self, sent: Sent) -> bool:
        """Whether so many within a second were never admitted, or hardly ever."""
        return sent.in_second > NEAR * self.proved

    def precedent(self, sent: Sent) -> bool:
        """Whether it left while the rate was above what the host took when it refused before."""
        return self._ceiling is not None and self._before is None and self.rate(sent.at) > self._ceiling

    def refuse(self, sent: Sent, now: float) -> None:
        """So many within a second were too many."""
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
        """A refusal was not for this reason, so perhaps the one that set the ceiling was not, either."""
        self._hurry = min(2 * self._hurry, MOST_HURRY)

    def assume(self, had: int, now: float) -> None:
        """For an experiment: as if the host took no more than so many within a second."""
        if self._before is None and self.rate(now) > had:
            self._before = self._ceiling, self._since
            self._ceiling, self._since, self._heard_at = float(math.ceil(max(had, 1) / SECOND)), now, now

    def settle(self, *, guilty: bool) -> None:
        """What was assumed holds, or does not."""
        if self._before is not None and not guilty:
            self._ceiling, self._since = self._before
        self._before = None

    def wait_until(self, moment: float, now: float) -> None:
        """A quiet is no time to climb in: after a refusal the climb begins behind it, otherwise it goes on there."""
        self._since = max(self._since, moment) if self._hurry == 1.0 else self._since + max(moment - now, 0.0)
