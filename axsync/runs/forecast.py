"""What a run would cost, from the counts of today and the manifests of earlier runs: pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from axsync.lake.history import LaneRecord, Snapshot
from axsync.model import Lane

GUESSED_BYTES = 4_000
"""Of JSON for a row, where no earlier run tells."""
GUESSED_SECONDS = 1.0
"""From a request to the whole answer, where no earlier run tells."""
USUAL_EXTRA = 3
"""Requests for an entity type besides its pages: its fields, and its count before and after."""
MARGIN = 0.95
"""Of the requests per second that are allowed: so many leave (docs/adr/0004)."""

Right = Literal["readable", "empty", "forbidden", "not offered", "unknown"]
State = Literal["to do", "goes on", "done"]


@dataclass(frozen=True, slots=True)
class Speed:
    """What an instance bore in an earlier run."""

    run_id: str
    requests_per_second: float
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class Experience:
    """What earlier runs tell, each lane and instance by the newest one that read it."""

    bytes_per_row: dict[Lane, float] = field(default_factory=dict)
    extra: dict[Lane, int] = field(default_factory=dict)  # requests besides the pages
    speeds: dict[str, Speed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How an instance may be asked."""

    requests_per_second: float
    in_flight: int


@dataclass(frozen=True, slots=True)
class LaneForecast:
    """What is known of a lane today; `count` is None where the server gave none."""

    lane: Lane
    right: Right
    count: int | None
    page_size: int
    note: str = ""
    state: State = "to do"
    durable: int = 0  # rows that an unfinished run has already


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One lane: what is there, and what reading it would cost. `guessed`: no earlier run tells its bytes a row."""

    instance: str
    entity: str
    right: Right
    count: int | None
    page_size: int
    state: State
    durable: int
    pages: int
    requests: int
    bytes: int
    seconds: float
    guessed: bool
    note: str


def learn(snapshots: Iterable[Snapshot]) -> Experience:
    """What these snapshots tell, newest first."""
    learned = Experience()
    for snapshot in snapshots:
        read = [lane for lane in snapshot.lanes if lane.pages and lane.from_run is None]
        for lane in read:
            if lane.rows:
                learned.bytes_per_row.setdefault(lane.lane, lane.bytes / lane.rows)
                learned.extra.setdefault(lane.lane, max(lane.requests - lane.pages, USUAL_EXTRA))
        for instance in {lane.instance for lane in read}:
            own = [lane for lane in read if lane.instance == instance]
            if instance not in learned.speeds and (speed := _speed(snapshot.run_id, own)):
                learned.speeds[instance] = speed
    return learned


def _speed(run_id: str, lanes: Sequence[LaneRecord]) -> Speed | None:
    # All lanes begin at once, so the slowest one took as long as all of them together.
    seconds = max(lane.seconds for lane in lanes)
    if seconds <= 0:
        return None
    return Speed(run_id, sum(lane.requests for lane in lanes) / seconds, sum(lane.bytes for lane in lanes) / seconds)


def forecast(question: LaneForecast, learned: Experience, bounds: Bounds) -> PlanRow:
    """What reading this lane would cost, were it alone."""
    lane, size = question.lane, learned.bytes_per_row.get(question.lane)
    asked = question.right in {"readable", "empty", "unknown"} and question.state != "done"
    rows = max((question.count or 0) - question.durable, 0) if asked else 0
    pages = max(math.ceil(rows / question.page_size), 1) if asked else 0
    requests = pages + learned.extra.get(lane, USUAL_EXTRA) if asked else 0
    expected = round(rows * (GUESSED_BYTES if size is None else size))
    return PlanRow(
        instance=lane.instance,
        entity=lane.entity,
        right=question.right,
        count=question.count,
        page_size=question.page_size,
        state=question.state,
        durable=question.durable,
        pages=pages,
        requests=requests,
        bytes=expected,
        seconds=seconds_for(requests, expected, learned.speeds.get(lane.instance), bounds),
        guessed=size is None,
        note=question.note,
    )


def seconds_for(requests: int, size: int, speed: Speed | None, bounds: Bounds) -> float:
    """How long so many requests for so many bytes take: as fast as allowed, and no faster than before."""
    allowed = requests / (MARGIN * bounds.requests_per_second)
    if speed is None:
        return max(allowed, requests * GUESSED_SECONDS / bounds.in_flight)
    # Which of the two held a run back is not known; the part of it that is asked now takes its share of both.
    before = (requests / speed.requests_per_second, size / speed.bytes_per_second if speed.bytes_per_second else 0.0)
    return max(allowed, *before)
