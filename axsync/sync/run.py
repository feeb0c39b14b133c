"""`axsync run`: every lane of every instance, then one snapshot."""

import os
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from axsync.config import check_lake
from axsync.engine import Budget, Workers, together
from axsync.errors import AxsyncError, ConfigError, ServerError
from axsync.events import Event, Observer, RunStarted, SnapshotPublished
from axsync.model import Lane, Outcome
from axsync.parquet import Shelf, use_steady_memory
from axsync.plan import choose_lanes
from axsync.publish import Lake, RunFacts
from axsync.publish.manifest import worst
from axsync.settings import Settings
from axsync.source import Source
from axsync.sync.instances import open_sources
from axsync.sync.lane import LaneRun, Yard
from axsync.sync.reading import LaneReader, Shop
from axsync.sync.report import Report

PAGES_SHARE = 4
"""A quarter of `buffer_bytes` is for pages that wait for a writer, the rest for rows that wait for a row group."""


async def sync(settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
    """Copy what `settings` name into the lake and publish it as one snapshot.

    A lane that fails does not stop the others; its error is in the report.

    Raises: UsageError before anything is written or sent; UnknownEntity, Refused, Unreachable before anything is
        written, when no instance can be asked; StorageError when the snapshot cannot be published.
    """
    started = time.monotonic()
    lake = _local_lake(settings)
    observe = _all_of(observers)
    run = _facts(settings)
    async with open_sources(settings, observe) as sources:
        alive = {name: s for name, s in sources.items() if isinstance(s, Source)}
        down = {name: s for name, s in sources.items() if isinstance(s, ServerError)}
        if not alive:
            raise next(iter(down.values()))
        lanes = await _lanes(settings, alive)
        observe(RunStarted(run.run_id, run.logical_date, lanes))
        if settings.run.dry_run:
            outcomes, errors = await _only_counts(lanes, alive), ()
        else:
            outcomes, errors = await _walk(settings, lake, run, lanes, alive, observe)
    outcomes += [_down(name, error, entity) for name, error in down.items() for entity in _wanted(settings, lanes)]
    return _finish(settings, lake, run, outcomes, (*errors, *down.values()), started, observe)


def _local_lake(settings: Settings) -> Lake:
    check_lake(settings.lake.uri)
    if settings.lake.path is None:
        raise ConfigError("this version writes to local folders only; give lake.uri or --lake a folder")
    return Lake(Path(settings.lake.path))


def _facts(settings: Settings) -> RunFacts:
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    day = settings.run.logical_date or now.date().isoformat()
    return RunFacts(run_id, day, settings.run.as_of, _moment(now), version("axsync"))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _all_of(observers: Sequence[Observer]) -> Observer:
    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


async def _lanes(settings: Settings, sources: dict[str, Source]) -> tuple[Lane, ...]:
    """Named entity types are taken at their word where a server cannot list its own."""
    offered = await together([_offered(settings, source) for source in sources.values()])
    named = dict(zip(sources, offered, strict=True))
    return choose_lanes(settings.run.entities, named, known=[e for e in settings.entities if e != "default"])


async def _offered(settings: Settings, source: Source) -> tuple[str, ...]:
    if source.listed is not None:
        return source.listed
    return tuple(await source.offered(settings.run.entities))


async def _walk(
    settings: Settings, lake: Lake, run: RunFacts, lanes: Sequence[Lane], sources: dict[str, Source], observe: Observer
) -> tuple[list[Outcome], tuple[AxsyncError, ...]]:
    use_steady_memory()
    workers = Workers(settings.run.writers or os.cpu_count() or 1)
    waiting = settings.lake.buffer_bytes // PAGES_SHARE
    shelf = Shelf(settings.lake, settings.lake.buffer_bytes - waiting)
    shop = Shop(run.run_id, settings.run, Budget(waiting), workers, observe)
    yard = Yard(lake, run.logical_date, shelf)
    instances = {i.name: i for i in settings.instances}
    before = _earlier(lake)
    try:
        lane_runs = [
            LaneRun(
                LaneReader(
                    lane,
                    sources[lane.instance],
                    instances[lane.instance],
                    settings.entity(lane.entity),
                    shop,
                    before.get((lane.instance, lane.entity)),
                ),
                yard,
            )
            for lane in lanes
        ]
        outcomes = await together([one.run() for one in lane_runs])
    finally:
        workers.close()
    return outcomes, tuple(one.error for one in lane_runs if one.error)


def _earlier(lake: Lake) -> dict[tuple[str, str], dict[str, Any]]:
    latest = lake.latest()
    return {(e["instance"], e["entity"]): e for e in latest["lanes"]} if latest else {}


async def _only_counts(lanes: Sequence[Lane], sources: dict[str, Source]) -> list[Outcome]:
    found = {name: await source.offered([l.entity for l in lanes]) for name, source in sources.items()}
    return [_counted(lane, found[lane.instance].get(lane.entity)) for lane in lanes]


def _counted(lane: Lane, count: object) -> Outcome:
    if isinstance(count, AxsyncError):
        return Outcome(lane, "skipped", str(count))
    return Outcome(lane, "skipped", "dry run", count_before=count if isinstance(count, int) else None)


def _wanted(settings: Settings, lanes: Sequence[Lane]) -> tuple[str, ...]:
    return settings.run.entities or tuple(dict.fromkeys(lane.entity for lane in lanes))


def _down(name: str, error: ServerError, entity: str) -> Outcome:
    return Outcome(Lane(name, entity), "partial", str(error))


def _finish(
    settings: Settings,
    lake: Lake,
    run: RunFacts,
    outcomes: list[Outcome],
    errors: tuple[AxsyncError, ...],
    started: float,
    observe: Observer,
) -> Report:
    manifest = None
    verdict = worst([o.verdict for o in outcomes])
    if not settings.run.dry_run and any(o.columns for o in outcomes):
        manifest = lake.publish(run, outcomes, finished_at=_moment(datetime.now(UTC)))
        observe(SnapshotPublished(run.run_id, verdict, manifest))
    seconds = time.monotonic() - started
    ordered = tuple(sorted(outcomes, key=lambda o: o.lane))
    return Report(run.run_id, run.logical_date, verdict, ordered, manifest, settings.lake.uri, seconds, errors)
