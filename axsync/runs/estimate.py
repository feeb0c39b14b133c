"""`axsync plan`: what a run would do and cost. Instances are asked for counts; nothing is written, no lock is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import urlsplit

from axsync.client.source import Source
from axsync.engine.lane_walk import gather_all
from axsync.errors import BadAnswer, BadRequest, NoLake, NotOffered, ServerError, Unreachable
from axsync.events import Observer
from axsync.lake.history import readable
from axsync.lake.publish import Lake
from axsync.model import Lane
from axsync.runs.forecast import (
    Bounds,
    Experience,
    LaneForecast,
    PlanRow,
    Right,
    Speed,
    State,
    forecast,
    learn,
    seconds_for,
)
from axsync.runs.instances import open_sources
from axsync.runs.lane_selection import chosen_lanes, refuse_misplaced, refuses_type
from axsync.runs.question import count_for
from axsync.runs.resume import Past, find, plan_of
from axsync.runs.setup import all_of, fit_lake, refuse_future
from axsync.runs.state import RunMemory
from axsync.settings import InstanceSettings, Settings

LOOKED_BACK = 10
"""So many snapshots at most are asked for what reading took."""


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
    lake = fit_lake(settings)
    refuse_future(settings)
    refuse_misplaced(settings)
    day = settings.run.logical_date or datetime.now(UTC).date().isoformat()
    past = None if settings.run.fresh else find(lake, plan_of(settings), day, datetime.now(UTC))
    memory = past.memory if past else RunMemory()
    learned = _learned(lake)
    async with open_sources(settings, all_of(observers)) as found:
        sources = {name: source for name, source in found.items() if isinstance(source, Source)}
        errors = {name: error for name, error in found.items() if isinstance(error, ServerError)}
        if not sources:
            raise next(iter(errors.values()))
        lanes = await _lanes(settings, sources, memory)
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
        host = urlsplit(one.url).netloc
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


def _learned(lake: Lake) -> Experience:
    try:
        return learn(islice(readable(lake), LOOKED_BACK))
    except NoLake:
        return Experience()


async def _lanes(settings: Settings, sources: Mapping[str, Source], memory: RunMemory) -> Sequence[Lane]:
    known = {lane.instance for lane in memory.lanes}
    fresh = {name: source for name, source in sources.items() if name not in known}
    kept = [lane for lane in memory.lanes if lane.instance in sources]
    return [*kept, *(await chosen_lanes(settings, fresh) if fresh else ())]


async def _question(settings: Settings, source: Source, lane: Lane, memory: RunMemory) -> LaneForecast:
    count, right, note = await _counted(settings, source, lane)
    state, durable = _progress(lane, memory)
    own = next(i for i in settings.instances if i.name == lane.instance)
    size = settings.entity(lane.entity).page_size or own.page_size
    return LaneForecast(lane, right, count, size, note, state, durable)


def _progress(lane: Lane, memory: RunMemory) -> tuple[State, int]:
    """How far an unfinished run has come with a lane, and with how many rows."""
    past = memory.lanes.get(lane)
    if past is None:
        return "to do", 0
    if past.outcome is not None:
        return "done", past.outcome.rows
    durable = sum(part.rows for part in past.parts)
    return ("goes on" if durable else "to do"), durable


async def _counted(settings: Settings, source: Source, lane: Lane) -> tuple[int | None, Right, str]:
    """The count of what a run would ask for, with its query and its day of history; or why there is none."""
    try:
        count = await count_for(source, lane.entity, settings)
    except NotOffered as error:
        return None, "forbidden" if error.status == 403 else "not offered", "" if error.status == 403 else f"{error}"
    except (BadRequest, BadAnswer, Unreachable) as error:
        wish = settings.entity(lane.entity)
        absent = refuses_type(source, settings.asked(lane.entity), error, plain=not (wish.query or wish.saved_query))
        words = f"{error}" + (f" ({error.detail})" if error.detail else "")
        return None, "not offered" if absent else "unknown", words
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
