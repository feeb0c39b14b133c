"""What happened when during a run, in bounded memory: a fold over its events that is kept beside the journal.

Time is cut into buckets of one width. When there are too many of them, neighbours become one and the width doubles,
so that a run of a second and one of a day take the same room. The fold is pure: the clock is a parameter. That the
timeline cannot be kept is no reason for a run to fail.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import msgspec

from axsync.events import Answered, Event, LaneClosed, LaneOpened, Notice, PageRead, Retried
from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.model import Lane

MOST_BUCKETS = 600
FIRST_WIDTH = 0.125  # seconds
MOST_PAGES = 20
MOST_TEXTS = 50  # different reasons, and notices
OTHERS = "other reasons"
REFUSED = 429


class Bucket(msgspec.Struct, array_like=True):
    """What fell into one stretch of time. Written as a list, in this order."""

    rows: int = 0
    bytes: int = 0
    pages: int = 0
    answers: int = 0  # requests that were answered, by when they left: the limit is about that
    refused: int = 0  # 429
    failed: int = 0  # 5xx, or no answer
    busy: float = 0.0  # seconds that requests were under way, added up: divided by the width, how many on average
    peak: int = 0  # requests under way at once
    rate: float = 0.0  # requests per second that the pace allowed at last, over all hosts; 0 where nothing was heard

    def joined(self, later: "Bucket") -> "Bucket":
        """Both as one."""
        return Bucket(
            self.rows + later.rows,
            self.bytes + later.bytes,
            self.pages + later.pages,
            self.answers + later.answers,
            self.refused + later.refused,
            self.failed + later.failed,
            self.busy + later.busy,
            max(self.peak, later.peak),
            later.rate or self.rate,
        )


@dataclass(frozen=True, slots=True)
class LanePeriod:
    """When a lane began and ended, in seconds from the beginning; None where it did not come to that."""

    instance: str
    entity: str
    opened: float | None = None
    closed: float | None = None


@dataclass(frozen=True, slots=True)
class SlowPage:
    """A page that took its time, from the question to the answer, waits and retries included."""

    seconds: float
    instance: str
    entity: str
    number: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run over time. Seconds count from its beginning; time between two processes of one run is left out."""

    seconds: float = 0.0
    width: float = FIRST_WIDTH  # seconds per bucket
    buckets: tuple[Bucket, ...] = ()
    lanes: tuple[LanePeriod, ...] = ()
    slowest: tuple[SlowPage, ...] = ()  # slowest first
    statuses: dict[str, int] = field(default_factory=dict)  # HTTP status, or "none" → answers
    retries: dict[str, int] = field(default_factory=dict)  # reason → how often
    notices: tuple[str, ...] = ()  # of the whole run; those of lanes are in the manifest
    resumed_at: tuple[float, ...] = ()
    hosts: dict[str, int] = field(default_factory=dict)  # host → answers, none included


def coarser(buckets: Sequence[Bucket]) -> tuple[Bucket, ...]:
    """Half as many buckets, each twice as wide."""
    pairs = [buckets[place : place + 2] for place in range(0, len(buckets), 2)]
    return tuple(pair[0].joined(pair[1]) if len(pair) == 2 else pair[0] for pair in pairs)


def _widened(timeline: Timeline, width: float) -> Timeline:
    while timeline.width < width:
        timeline = replace(timeline, width=timeline.width * 2, buckets=coarser(timeline.buckets))
    return timeline


def joined(earlier: Timeline, later: Timeline) -> Timeline:
    """What one process saw of a run, and then another one, as one line."""
    width = max(earlier.width, later.width)
    earlier, later = _widened(earlier, width), _widened(later, width)
    first = max(math.ceil(earlier.seconds / width), len(earlier.buckets))
    start = first * width
    padding = (Bucket(),) * (first - len(earlier.buckets))
    whole = replace(
        _counted(earlier, later),
        seconds=start + later.seconds,
        width=width,
        buckets=(*earlier.buckets, *padding, *later.buckets),
        lanes=_joined_lanes(earlier.lanes, later.lanes, start),
        resumed_at=(*earlier.resumed_at, start, *(start + at for at in later.resumed_at)),
    )
    while len(whole.buckets) > MOST_BUCKETS:
        whole = _widened(whole, whole.width * 2)
    return whole


def beside(one: Timeline, other: Timeline) -> Timeline:
    """What two processes saw that read for one run at the same time, as if they had begun together."""
    width = max(one.width, other.width)
    one, other = _widened(one, width), _widened(other, width)
    pairs = zip_longest(one.buckets, other.buckets, fillvalue=Bucket())
    return replace(
        _counted(one, other),
        seconds=max(one.seconds, other.seconds),
        width=width,
        buckets=tuple(_summed(*pair) for pair in pairs),
        lanes=(*one.lanes, *other.lanes),
        resumed_at=tuple(sorted((*one.resumed_at, *other.resumed_at))),
    )


def _counted(one: Timeline, other: Timeline) -> Timeline:
    """What two timelines say of a run as a whole, whenever it was."""
    return Timeline(
        slowest=tuple(heapq.nlargest(MOST_PAGES, (*one.slowest, *other.slowest), key=lambda page: page.seconds)),
        statuses=dict(Counter(one.statuses) + Counter(other.statuses)),
        retries=dict((Counter(one.retries) + Counter(other.retries)).most_common(MOST_TEXTS)),
        notices=(*one.notices, *other.notices)[-MOST_TEXTS:],
        hosts=dict(Counter(one.hosts) + Counter(other.hosts)),
    )


def _summed(one: Bucket, other: Bucket) -> Bucket:
    """Both at the same time."""
    summed = one.joined(other)
    summed.peak, summed.rate = one.peak + other.peak, one.rate + other.rate
    return summed


def _joined_lanes(earlier: Sequence[LanePeriod], later: Sequence[LanePeriod], start: float) -> tuple[LanePeriod, ...]:
    lanes = {(one.instance, one.entity): one for one in earlier}
    for one in later:
        known = lanes.get((one.instance, one.entity), LanePeriod(one.instance, one.entity))
        opened = known.opened if one.opened is None or known.opened is not None else start + one.opened
        closed = known.closed if one.closed is None else start + one.closed
        lanes[one.instance, one.entity] = replace(known, opened=opened, closed=closed)
    return tuple(lanes.values())


def encode(timeline: Timeline) -> bytes:
    return msgspec.json.encode(timeline)


def decode(written: bytes) -> Timeline:
    """Raises: ValueError, whatever is wrong with the bytes."""
    try:
        timeline = msgspec.json.decode(written, type=Timeline)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    most = timeline.width * (MOST_BUCKETS + 1)
    if not 0 <= timeline.seconds <= most < math.inf or timeline.width <= 0 or len(timeline.buckets) > MOST_BUCKETS:
        raise ValueError("no timeline has such a length or so many buckets")
    return timeline


class Sampler:
    """An observer that makes a timeline; `now` counts seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._began = now, now()
        self._width = FIRST_WIDTH
        self._buckets: list[Bucket] = []
        self._lanes: dict[Lane, LanePeriod] = {}
        self._slowest: list[tuple[float, int, SlowPage]] = []  # a heap; the count keeps pages from being compared
        self._pages = 0
        self._statuses: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._notices: list[str] = []
        self._flying: dict[str, int] = {}  # host → requests under way after its last answer
        self._rates: dict[str, float] = {}
        self._all_flying, self._all_rates = 0, 0.0  # of all hosts: there may be thousands, and each answer asks

    def __call__(self, event: Event) -> None:
        match event:
            case Answered():
                self._answered(event)
            case PageRead():
                self._page(event)
            case Retried(reason=reason):
                known = reason in self._retries or len(self._retries) < MOST_TEXTS
                self._retries[reason if known else OTHERS] += 1
            case LaneOpened(lane, _):
                self._lanes.setdefault(lane, LanePeriod(lane.instance, lane.entity, opened=self._at()))
            case LaneClosed(outcome):
                lane = outcome.lane
                known_period = self._lanes.get(lane, LanePeriod(lane.instance, lane.entity))
                self._lanes[lane] = replace(known_period, closed=self._at())
            case Notice(None, text) if len(self._notices) < MOST_TEXTS:
                self._notices.append(text)
            case _:
                pass

    def timeline(self) -> Timeline:
        """All so far."""
        self._bucket(self._at())  # also what was quiet
        pages = [page for _, _, page in sorted(self._slowest, reverse=True)]
        return Timeline(
            self._at(),
            self._width,
            tuple(self._buckets),
            tuple(self._lanes.values()),
            tuple(pages),
            dict(self._statuses),
            dict(self._retries),
            tuple(self._notices),
            hosts=dict(self._hosts),
        )

    def _at(self) -> float:
        return self._now() - self._began

    def _requested(self, lane: Lane, at: float) -> None:
        """A lane knows its size with its first page only; it begins when that was requested."""
        period = self._lanes.get(lane)
        if period is not None and period.opened is not None and at < period.opened:
            self._lanes[lane] = replace(period, opened=max(at, 0.0))

    def _bucket(self, at: float) -> Bucket:
        while at >= self._width * MOST_BUCKETS:
            self._width *= 2
            self._buckets = list(coarser(self._buckets))
        place = int(at / self._width)
        while len(self._buckets) <= place:
            self._buckets.append(Bucket())
        return self._buckets[place]

    def _answered(self, event: Answered) -> None:
        at = self._at()
        bucket = self._bucket(at)
        self._heard(event)
        self._bucket(max(at - event.seconds, 0.0)).answers += 1
        self._hosts[event.host] += 1
        bucket.refused += event.status == REFUSED
        bucket.failed += event.status is None or event.status >= 500
        bucket.peak = max(bucket.peak, self._all_flying + 1)
        bucket.rate = self._all_rates
        self._statuses[str(event.status or "none")] += 1
        self._spread(max(at - event.seconds, 0.0), at)

    def _heard(self, event: Answered) -> None:
        """Take note of what the host of an answer does and may do."""
        flying, rate = event.in_flight - 1, event.rate
        self._all_flying += flying - self._flying.get(event.host, 0)
        self._all_rates += rate - self._rates.get(event.host, 0.0)
        self._flying[event.host], self._rates[event.host] = flying, rate
        if len(self._rates) == 1:  # exactly: floats that are added and taken away do not come out even
            self._all_rates = rate

    def _spread(self, start: float, end: float) -> None:
        """A request was under way from start to end."""
        if int(start / self._width) == len(self._buckets) - 1:
            self._buckets[-1].busy += end - start
            return
        for place in range(int(start / self._width), int(end / self._width) + 1):
            left = place * self._width
            self._buckets[place].busy += min(end, left + self._width) - max(start, left)

    def _page(self, event: PageRead) -> None:
        bucket = self._bucket(self._at())
        bucket.rows, bucket.bytes, bucket.pages = bucket.rows + event.rows, bucket.bytes + event.size, bucket.pages + 1
        lane = event.lane
        self._requested(lane, self._at() - event.seconds)
        page = SlowPage(event.seconds, lane.instance, lane.entity, event.number, event.rows, event.size)
        self._pages += 1
        entry = (event.seconds, -self._pages, page)
        if len(self._slowest) < MOST_PAGES:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)


@dataclass(frozen=True, slots=True)
class TimelineFile:
    """What one process sees of a run."""

    lake: Lake
    sampler: Sampler

    @classmethod
    def begin(cls, lake: Lake, now: Callable[[], float]) -> "TimelineFile":
        return cls(lake, Sampler(now))

    def keep(self, run_id: str, timeline: Timeline, *, resumes: bool) -> str:
        """Write it down, behind what earlier processes of the run saw; returns why it cannot be kept. Blocks."""
        earlier = read_timeline(self.lake, run_id) if resumes else None
        try:
            self.lake.store.write(layout.timeline(run_id), encode(joined(earlier, timeline) if earlier else timeline))
        except OSError as error:
            return f"the timeline of the run cannot be kept: {error.strerror or error}"
        return ""


def read_timeline(lake: Lake, run_id: str) -> Timeline | None:
    """The run over time; None where nothing is known, or nothing that can be read."""
    try:
        return decode(lake.store.read(layout.timeline(run_id)))
    except (OSError, ValueError):
        return None
