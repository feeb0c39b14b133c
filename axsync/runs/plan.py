"""`axsync plan`: what a run would do and cost, from the counts of today and the manifests of earlier runs.

Instances are asked for counts; nothing is written, no lock is taken. The forecast itself is pure.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from axsync.api import is_system
from axsync.client.source import Source
from axsync.engine.lane_walk import gather_all
from axsync.errors import BadAnswer, BadRequest, NoLake, NotOffered, ServerError, Unreachable
from axsync.events import Observer
from axsync.lake.history import LaneRecord, Snapshot, readable
from axsync.lake.publish import Lake
from axsync.model import Lane
from axsync.pacing.page_size import FIRST_ROWS
from axsync.runs.days import logical_date, with_days, with_latest
from axsync.runs.instances import answering, open_sources
from axsync.runs.lane import with_detail
from axsync.runs.lane_selection import Columns, chosen_lanes, columns_before, count_for, refuse_misplaced, refuses_type
from axsync.runs.reconcile import LIST_LIMITS
from axsync.runs.resume import Past, find, plan_of
from axsync.runs.setup import all_of, fit_lake, host_of
from axsync.runs.state import RunMemory
from axsync.settings import LATEST, InstanceSettings, Settings

LOOKED_BACK = 10
"""Snapshots, at most, that are asked how long reading took."""
GUESSED_BYTES = 4_000
"""Of JSON for a row, where no earlier run tells."""
GUESSED_SECONDS = 1.0
"""From a request to the whole answer, where no earlier run tells."""
ONE_PAGE = 2
"""Requests for an entity type of one page: its fields, and the page."""
BESIDES = 3
"""Requests for a larger one besides its pages and the listing: its fields, a count, a look at the discovery cycle."""
MARGIN = 0.95
"""Share of the allowed requests per second that is used (docs/adr/0004)."""

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
    page_bytes: int = 0  # most that a page may have; 0: no limit
    is_listed: bool = True  # its ids, where it has more than one page


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


@dataclass(frozen=True, slots=True)
class PlanInstance:
    """One instance: how it may be asked, what it bore before, and what its lanes come to together."""

    name: str
    url: str
    requests_per_second: float
    in_flight: int
    speed: Speed | None
    requests: int
    bytes: int
    seconds: float
    error: str = ""  # why it cannot be asked


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. `run_id` is that of the run it would go on with, or that has finished already."""

    lake: str
    logical_date: str
    as_of: str | None
    run_id: str | None
    finished: bool
    rows: tuple[PlanRow, ...]
    instances: tuple[PlanInstance, ...]
    seconds: float  # for all; instances on different hosts are read beside each other


async def plan(settings: Settings, *, observers: Sequence[Observer] = ()) -> Plan:
    """What a run with these settings would do and cost.

    Raises: UsageError; UnknownEntity; Refused, Unreachable and other ServerErrors when no instance can be asked.
    """
    settings = with_days(settings, datetime.now(UTC))
    lake = await asyncio.to_thread(fit_lake, settings)
    refuse_misplaced(settings)
    async with open_sources(settings, all_of(observers)) as found:
        if settings.run.as_of == LATEST:
            settings = await with_latest(settings, found)
        day = logical_date(settings, datetime.now(UTC))
        past, learned = await asyncio.to_thread(_look_back, lake, settings, day)
        memory = past.memory if past else RunMemory()
        sources = answering(found)
        errors = {name: error for name, error in found.items() if isinstance(error, ServerError)}
        earlier = await asyncio.to_thread(columns_before, lake, day)
        lanes = await _lanes(settings, sources, memory, earlier)
        questions = await gather_all([_question(settings, sources[lane.instance], lane, memory) for lane in lanes])
    bounds = {i.name: Bounds(i.requests_per_second, i.in_flight) for i in settings.chosen()}
    rows = tuple(forecast(q, learned, bounds[q.lane.instance]) for q in sorted(questions, key=lambda q: q.lane))
    instances = tuple(_instance(i, rows, learned, errors) for i in settings.chosen())
    return _plan(settings, day, past, rows, instances)


def _plan(
    settings: Settings, day: str, past: Past | None, rows: tuple[PlanRow, ...], instances: tuple[PlanInstance, ...]
) -> Plan:
    hosts: dict[str, float] = {}
    for one in instances:
        host = host_of(one.url)
        hosts[host] = hosts.get(host, 0.0) + one.seconds
    return Plan(
        lake=settings.lake.uri,
        logical_date=past.memory.facts.logical_date if past and past.memory.facts else day,
        as_of=settings.run.as_of,
        run_id=past.run_id if past else None,
        finished=past is not None and past.memory.finished,
        rows=rows,
        instances=instances,
        seconds=max(hosts.values(), default=0.0),
    )


def _look_back(lake: Lake, settings: Settings, day: str) -> tuple[Past | None, Experience]:
    """The run that one with these settings would go on with, and what earlier ones tell. Blocks."""
    past = None if settings.run.fresh else find(lake, plan_of(settings), day, datetime.now(UTC))
    return past, _learned(lake)


def _learned(lake: Lake) -> Experience:
    try:
        return learn(islice(readable(lake), LOOKED_BACK))
    except NoLake:
        return Experience()


async def _lanes(
    settings: Settings, sources: Mapping[str, Source], memory: RunMemory, earlier: Columns
) -> Sequence[Lane]:
    known = {lane.instance for lane in memory.lanes}
    fresh = {name: source for name, source in sources.items() if name not in known}
    kept = [lane for lane in memory.lanes if lane.instance in sources]
    return [*kept, *(await chosen_lanes(settings, fresh, earlier) if fresh else ())]


async def _question(settings: Settings, source: Source, lane: Lane, memory: RunMemory) -> LaneForecast:
    count, right, note = await _counted(settings, source, lane)
    state, durable = _progress(lane, memory)
    own = next(i for i in settings.instances if i.name == lane.instance)
    wish = settings.entity(lane.entity)
    whole = settings.run.as_of is None and settings.run.limit is None and not is_system(wish.asked(lane.entity))
    most = own.page_bytes or settings.lake.buffer_bytes // own.in_flight
    listed = whole and wish.proof == "always"
    return LaneForecast(lane, right, count, wish.page_size or own.page_size, note, state, durable, most, listed)


def _progress(lane: Lane, memory: RunMemory) -> tuple[State, int]:
    """How far an unfinished run has come with a lane, and with how many rows."""
    past = memory.lanes.get(lane)
    if past is None:
        return "to do", 0
    if past.outcome is not None:
        return "done", past.outcome.rows
    return ("goes on" if past.rows else "to do"), past.rows


async def _counted(settings: Settings, source: Source, lane: Lane) -> tuple[int | None, Right, str]:
    """The count of what a run would ask for, with its query and its day of history; or why there is none."""
    try:
        count = await count_for(source, lane.entity, settings)
    except NotOffered as error:
        return None, "forbidden" if error.status == 403 else "not offered", "" if error.status == 403 else f"{error}"
    except (BadRequest, BadAnswer, Unreachable) as error:
        absent = refuses_type(source, lane.entity, error, settings.entity(lane.entity))
        return None, "not offered" if absent else "unknown", with_detail(error)
    if count is None:
        return None, "readable", "the server has no count ready"
    return count, "readable" if count else "empty", ""


def _instance(
    settings: InstanceSettings, rows: Sequence[PlanRow], learned: Experience, errors: Mapping[str, ServerError]
) -> PlanInstance:
    own = [row for row in rows if row.instance == settings.name]
    requests, size = sum(row.requests for row in own), sum(row.bytes for row in own)
    speed = learned.speeds.get(settings.name)
    bounds = Bounds(settings.requests_per_second, settings.in_flight)
    seconds = seconds_for(requests, size, speed, bounds)
    error = errors.get(settings.name)
    return PlanInstance(
        settings.name,
        settings.url,
        settings.requests_per_second,
        settings.in_flight,
        speed,
        requests,
        size,
        seconds,
        f"{error}" if error else "",
    )


def learn(snapshots: Iterable[Snapshot]) -> Experience:
    """What these snapshots tell, newest first."""
    learned = Experience()
    for snapshot in snapshots:
        read = [lane for lane in snapshot.lanes if lane.pages and lane.from_run is None]
        for lane in read:
            if lane.rows:
                learned.bytes_per_row.setdefault(lane.lane, lane.bytes / lane.rows)
                learned.extra.setdefault(lane.lane, max(lane.requests - lane.pages, 0))
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
    page_rows = _page_rows(question, size)
    pages = max(math.ceil(rows / page_rows), 1) if asked else 0
    tail = bool(rows) and rows % page_rows == 0  # a full page may not be the last one
    requests = _requests(question, pages, learned.extra.get(lane, 0)) + tail if asked else 0
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


def _page_rows(question: LaneForecast, row_bytes: float | None) -> int:
    """Rows of a page: what the settings say, or fewer where rows are known to be large."""
    if not row_bytes or not question.page_bytes:
        return question.page_size
    return min(question.page_size, max(int(question.page_bytes / row_bytes), FIRST_ROWS))


def _requests(question: LaneForecast, pages: int, extra: int) -> int:
    """As many as there are where nothing fails and nothing moves (docs/operations.md, "What a run asks").

    Of a larger type as many besides its pages as it took before, if those were more.
    """
    if pages == 1 and not question.durable:
        return ONE_PAGE
    listing = math.ceil((question.count or 0) / LIST_LIMITS[0]) if question.is_listed else 0
    return pages + max(BESIDES + listing, extra)


def seconds_for(requests: int, size: int, speed: Speed | None, bounds: Bounds) -> float:
    """How long so many requests for so many bytes take: as fast as allowed, and no faster than before."""
    allowed = requests / (MARGIN * bounds.requests_per_second)
    if speed is None:
        return max(allowed, requests * GUESSED_SECONDS / bounds.in_flight)
    # Which of the two held a run back is not known; the part of it that is asked now takes its share of both.
    before = (requests / speed.requests_per_second, size / speed.bytes_per_second if speed.bytes_per_second else 0.0)
    return max(allowed, *before)
