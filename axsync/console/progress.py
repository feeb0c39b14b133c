"""The progress of a run: a fold over its events, cheap per event, read a few times per second, told in phrases."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from axsync.console.text import clock, counted, number, volume
from axsync.events import Answered, Asking, Event, LaneClosed, LaneOpened, LanesAdded, PageRead, Retried, RunStarted
from axsync.model import Lane, Outcome, Verdict

WINDOW_SECONDS = 20.0  # over which rates are averaged
SAMPLE_SECONDS = 0.5
STEADY_SECONDS = 3.0  # a rate younger than this is no basis for a forecast
MOST_DONE = 10
"""So many of the lanes that closed last are remembered for a display."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Per second, averaged over the window; `steady` once it can be used for a forecast."""

    rows: float
    size: float  # bytes
    steady: bool

    def seconds_left(self, total: int | None, rows: int) -> float | None:
        """Time until `total` rows are read at this rate; None if unknown."""
        if total is None or not self.steady or self.rows <= 0:
            return None
        return max(total - rows, 0) / self.rows


@dataclass(slots=True)
class Meter:
    """Samples totals at most twice per second, for the length of the window."""

    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def note(self, now: float, rows: int, size: int) -> None:
        """Record the totals at this time."""
        if self._samples and now - self._samples[-1][0] < SAMPLE_SECONDS:
            return
        self._samples.append((now, rows, size))
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW_SECONDS:
            self._samples.popleft()

    def rate(self, now: float, rows: int, size: int) -> Rate:
        """The rate up to these totals."""
        then, rows_then, size_then = self._samples[0] if self._samples else (now, rows, size)
        passed = max(now - then, SAMPLE_SECONDS)
        return Rate((rows - rows_then) / passed, (size - size_then) / passed, now - then >= STEADY_SECONDS)


@dataclass(slots=True)
class _Track:
    label: str
    total: int | None = None
    pages: int = 0
    rows: int = 0
    size: int = 0  # bytes
    retries: int = 0
    asked: bool = False  # a request about it was answered
    opened: bool = False
    outcome: Outcome | None = None
    meter: Meter = field(default_factory=Meter)


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """Progress of one lane; `total` in rows."""

    label: str
    pages: int
    rows: int
    size: int
    total: int | None
    rows_per_second: float = 0.0
    seconds_left: float | None = None
    retries: int = 0

    def is_whole(self) -> bool:
        """Whether as many rows were read as were counted: its ids are compared with the server's counts."""
        return self.total is not None and self.rows >= self.total


@dataclass(frozen=True, slots=True)
class ClosedLane:
    """A lane that has ended."""

    label: str
    verdict: Verdict
    rows: int
    pages: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ProgressState:
    """Progress of the run: sums over all lanes, and the lanes that are being read."""

    seconds: float
    lanes: int
    closed: int
    skipped: int
    retries: int
    pages: int
    rows: int
    size: int
    total: int | None  # rows; None until every lane is counted
    rows_per_second: float
    bytes_per_second: float
    seconds_left: float | None  # at the present rate; None if unknown
    active: tuple[LaneProgress, ...]
    waiting: int  # opened, no page yet
    in_flight: int = 0  # requests in flight at the last response, over all hosts
    limit: int = 0  # current concurrency limit, over all hosts
    requests_per_second: float = 0.0  # current rate limit
    next_try: float | None = None  # seconds until the next retry, if no response came since
    asking: tuple[str, ...] = ()  # what instances are asked before there are lanes
    asked: int = 0  # lanes about which something was answered
    done: tuple[ClosedLane, ...] = ()  # those that closed last, newest first

    @property
    def share(self) -> float | None:
        """Fraction done, between 0 and 1; None if unknown."""
        if self.lanes and self.closed == self.lanes:
            return 1.0
        return None if not self.total else min(self.rows / self.total, 1.0)

    @property
    def is_checking(self) -> bool:
        """Whether all rows are read, and ids are still compared with the server's."""
        return bool(self.total) and self.closed < self.lanes and self.rows >= (self.total or 0)


@dataclass(slots=True)
class ProgressTracker:
    """An observer that keeps what a progress line needs. Thread-safe."""

    now: Callable[[], float]  # seconds
    run_id: str | None = None
    _tracks: dict[Lane, _Track] = field(default_factory=dict)
    _active: dict[Lane, _Track] = field(default_factory=dict)
    _hosts: dict[str, Answered] = field(default_factory=dict)
    _asking: dict[str, Asking] = field(default_factory=dict)  # by instance; until lanes are chosen
    _done: deque[ClosedLane] = field(default_factory=lambda: deque(maxlen=MOST_DONE))
    _meter: Meter = field(default_factory=Meter)
    _again_at: float = 0.0
    _began: float = field(init=False)
    _retries: int = 0
    _rows: int = 0
    _size: int = 0
    _several: bool = False
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._began = self.now()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Asking(instance):
                self._asking[instance] = event
            case RunStarted(run_id, _, lanes):
                self.run_id = run_id
                self._several = len({lane.instance for lane in lanes}) > 1
                self._tracks = {lane: _Track(self.label(lane)) for lane in lanes}
            case LanesAdded(lanes):
                self._several = len({lane.instance for lane in (*self._tracks, *lanes)}) > 1
                self._tracks |= {lane: _Track(self.label(lane)) for lane in lanes if lane not in self._tracks}
            case LaneOpened(lane, total):
                track = self._track(lane)
                track.opened, track.total = True, total
                self._sample(track)
            case PageRead(lane, _, rows, size, _):
                self._page(lane, rows, size)
            case Retried(retried, _, _, seconds):
                self._retry(retried, seconds)
            case Answered(lane):
                self._hosts[event.host], self._again_at = event, 0.0
                if lane is not None:
                    self._track(lane).asked = True
            case LaneClosed(outcome):
                self._close(outcome)
            case _:
                pass

    def label(self, lane: Lane | None) -> str:
        """The name of a lane; with its instance only if there are several."""
        if lane is None:
            return ""
        return str(lane) if self._several else lane.entity

    def _track(self, lane: Lane) -> _Track:
        return self._tracks.setdefault(lane, _Track(self.label(lane)))

    def _page(self, lane: Lane, rows: int, size: int) -> None:
        track = self._track(lane)
        track.pages, track.rows, track.size = track.pages + 1, track.rows + rows, track.size + size
        if track.outcome is None:
            self._active[lane] = track
        self._rows, self._size = self._rows + rows, self._size + size
        self._sample(track)

    def _sample(self, track: _Track) -> None:
        now = self.now()
        track.meter.note(now, track.rows, track.size)
        self._meter.note(now, self._rows, self._size)

    def _retry(self, lane: Lane | None, seconds: float) -> None:
        self._retries += 1
        self._again_at = self.now() + seconds
        if lane is not None:
            self._track(lane).retries += 1

    def _close(self, outcome: Outcome) -> None:
        track = self._track(outcome.lane)
        track.outcome, track.pages, track.rows, track.size = outcome, outcome.pages, outcome.rows, outcome.bytes
        self._active.pop(outcome.lane, None)
        closed = (outcome.rows, outcome.pages, outcome.bytes, outcome.seconds)
        self._done.appendleft(ClosedLane(track.label, outcome.verdict, *closed))

    def state(self) -> ProgressState:
        with self._lock:
            return self._state()

    def _state(self) -> ProgressState:
        tracks = self._tracks.values()
        now, total = self.now(), self._total()
        rate = self._meter.rate(now, self._rows, self._size)
        rows = sum(t.rows for t in tracks)
        return ProgressState(
            seconds=now - self._began,
            lanes=len(tracks),
            closed=sum(t.outcome is not None for t in tracks),
            skipped=sum(t.outcome is not None and t.outcome.verdict == "skipped" for t in tracks),
            retries=self._retries,
            pages=sum(t.pages for t in tracks),
            rows=rows,
            size=sum(t.size for t in tracks),
            total=total,
            rows_per_second=rate.rows,
            bytes_per_second=rate.size,
            seconds_left=rate.seconds_left(total, rows),
            active=tuple(_lane_progress(track, now) for track in self._active.values()),
            waiting=sum(t.opened and t.outcome is None and not t.pages for t in tracks),
            in_flight=sum(host.in_flight for host in self._hosts.values()),
            limit=sum(host.limit for host in self._hosts.values()),
            requests_per_second=sum(host.rate for host in self._hosts.values()),
            next_try=self._again_at - now if self._again_at > now else None,
            asking=tuple(map(asking_phrase, self._asking.values())),
            asked=sum(t.asked or t.opened or t.outcome is not None for t in tracks),
            done=tuple(self._done),
        )

    def _total(self) -> int | None:
        total = 0
        for track in self._tracks.values():
            if track.outcome is not None:
                total += track.rows
            elif track.total is None:
                return None
            else:
                total += max(track.total, track.rows)
        return total if self._tracks else None


def _lane_progress(track: _Track, now: float) -> LaneProgress:
    rate = track.meter.rate(now, track.rows, track.size)
    left = rate.seconds_left(track.total, track.rows)
    return LaneProgress(track.label, track.pages, track.rows, track.size, track.total, rate.rows, left, track.retries)


def progress_phrases(state: ProgressState) -> list[str]:
    """The state of a run in short phrases, the most important first."""
    if not state.lanes:
        return [*state.asking, *_traffic(state)]
    phrases = [
        f"{number(state.closed)} of {counted(state.lanes, 'entity type')}",
        counted(state.rows, "row"),
        volume(state.size),
        f"{volume(state.bytes_per_second)}/s",
        f"{state.rows_per_second:,.0f} rows/s",
        counted(state.pages, "page"),
        f"{number(len(state.active) + state.waiting)} active",
        *_traffic(state),
    ]
    if state.skipped:
        phrases.append(f"{number(state.skipped)} skipped")
    return [*phrases, left] if (left := left_phrase(state)) else phrases


def left_phrase(state: ProgressState) -> str | None:
    """What is left to do, or how long it will take; None if unknown."""
    if state.is_checking:
        return "checking ids"
    return None if state.seconds_left is None else f"{clock(state.seconds_left)} left"


def _traffic(state: ProgressState) -> list[str]:
    phrases = []
    if state.limit:
        phrases.append(f"{state.in_flight} of {state.limit} in flight")
        phrases.append(f"pace {state.requests_per_second:,.3g}/s")
    if state.retries:
        phrases.append(retried(state.retries))
    if state.next_try is not None:
        phrases.append(f"next try in {_pause(state.next_try)}")
    return phrases


def _pause(seconds: float) -> str:
    """A pause, rounded up: one that is not over is never of no seconds."""
    whole = max(math.ceil(seconds), 1)
    return f"{whole} s" if whole < 60 else clock(whole)


def asking_phrase(asking: Asking) -> str:
    """What an instance is asked, and how far it has answered."""
    told = "" if asking.total is None else f": {asking.done} of {counted(asking.total, 'entity type')} counted"
    return f"asking {asking.instance} at {asking.host} what it offers{told}"


def retried(times: int) -> str:
    return "1 retry" if times == 1 else f"{number(times)} retries"


def progress_fields(state: ProgressState) -> dict[str, Any]:
    names = ("lanes", "closed", "skipped", "retries", "pages", "rows", "total", "in_flight", "limit")
    rates = {"rows_per_second": state.rows_per_second, "bytes_per_second": state.bytes_per_second}
    rates["requests_per_second"] = state.requests_per_second
    times = {"seconds": state.seconds, "seconds_left": state.seconds_left}
    told = {name: value if value is None else round(value, 3) for name, value in (rates | times).items()}
    return {name: getattr(state, name) for name in names} | {"bytes": state.size} | told
