"""Where a run stands: a fold over its events, cheap per event, looked at a few times per second."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from axsync.events import Event, LaneClosed, LaneOpened, PageRead, Retried, RunStarted
from axsync.model import Lane, Outcome

WINDOW_SECONDS = 20.0  # over which rates are averaged
SAMPLE_SECONDS = 0.5
STEADY_SECONDS = 3.0  # a rate is worth a forecast after so long


@dataclass(slots=True)
class _Track:
    label: str
    total: int | None = None
    pages: int = 0
    rows: int = 0
    size: int = 0  # bytes
    opened: bool = False
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """Where one lane stands; `total` in rows."""

    label: str
    pages: int
    rows: int
    size: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the run stands: sums over all lanes, and the lanes from which pages come just now."""

    seconds: float
    lanes: int
    closed: int
    skipped: int
    retries: int
    pages: int
    rows: int
    size: int
    total: int | None  # rows; None while a lane has not said
    rows_per_second: float
    bytes_per_second: float
    steady: bool  # the rates are old enough for a forecast
    active: tuple[LaneStanding, ...]
    waiting: int  # opened, no page yet

    @property
    def share(self) -> float | None:
        """How much is done, between 0 and 1; None while nobody knows."""
        if self.lanes and self.closed == self.lanes:
            return 1.0
        return None if not self.total else min(self.rows / self.total, 1.0)

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None while nobody knows."""
        if self.total is None or not self.steady or self.rows_per_second <= 0:
            return None
        return max(self.total - self.rows, 0) / self.rows_per_second


@dataclass(slots=True)
class Tally:
    """An observer that remembers what a progress line needs. Any thread may look while another one tells."""

    now: Callable[[], float]  # seconds
    run_id: str | None = None
    _tracks: dict[Lane, _Track] = field(default_factory=dict)
    _active: dict[Lane, _Track] = field(default_factory=dict)
    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)
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
            case RunStarted(run_id, _, lanes):
                self.run_id = run_id
                self._several = len({lane.instance for lane in lanes}) > 1
                self._tracks = {lane: _Track(self.label(lane)) for lane in lanes}
            case LaneOpened(lane, total):
                track = self._track(lane)
                track.opened, track.total = True, total
                self._sample()
            case PageRead(lane, _, rows, size, _):
                self._page(lane, rows, size)
            case Retried():
                self._retries += 1
            case LaneClosed(outcome):
                self._close(outcome)
            case _:
                pass

    def label(self, lane: Lane | None) -> str:
        """The lane as people read it; its instance only where there are several."""
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
        self._sample()

    def _sample(self) -> None:
        now = self.now()
        if self._samples and now - self._samples[-1][0] < SAMPLE_SECONDS:
            return
        self._samples.append((now, self._rows, self._size))
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW_SECONDS:
            self._samples.popleft()

    def _close(self, outcome: Outcome) -> None:
        track = self._track(outcome.lane)
        track.outcome, track.pages, track.rows, track.size = outcome, outcome.pages, outcome.rows, outcome.bytes
        self._active.pop(outcome.lane, None)

    def standing(self) -> Standing:
        with self._lock:
            return self._standing()

    def _standing(self) -> Standing:
        tracks = self._tracks.values()
        now = self.now()
        then, rows, size = self._samples[0] if self._samples else (now, 0, 0)
        passed = max(now - then, SAMPLE_SECONDS)
        return Standing(
            seconds=now - self._began,
            lanes=len(tracks),
            closed=sum(t.outcome is not None for t in tracks),
            skipped=sum(t.outcome is not None and t.outcome.verdict == "skipped" for t in tracks),
            retries=self._retries,
            pages=sum(t.pages for t in tracks),
            rows=sum(t.rows for t in tracks),
            size=sum(t.size for t in tracks),
            total=self._total(),
            rows_per_second=(self._rows - rows) / passed,
            bytes_per_second=(self._size - size) / passed,
            steady=now - then >= STEADY_SECONDS,
            active=tuple(LaneStanding(t.label, t.pages, t.rows, t.size, t.total) for t in self._active.values()),
            waiting=sum(t.opened and t.outcome is None and not t.pages for t in tracks),
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
