"""`axsync run`: every lane of every instance, then one snapshot."""

import os
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from axsync.api import KNOWN_ENTITIES
from axsync.config import check_lake
from axsync.engine import Budget, Workers, together
from axsync.errors import AxsyncError, ConfigError, ServerError
from axsync.events import Event, Notice, Observer, RunStarted, SnapshotPublished
from axsync.model import Lane, Outcome
from axsync.parquet import Shelf, use_steady_memory
from axsync.plan import choose_lanes
from axsync.publish import Lake, RunFacts
from axsync.publish.manifest import worst
from axsync.retry import Jitter
from axsync.runs.guard import hold_back
from axsync.runs.instances import open_sources
from axsync.runs.lane import LaneRun
from axsync.runs.reading import LaneReader, Shop
from axsync.runs.report import Report
from axsync.runs.stock import Stock, Yard
from axsync.settings import DEFAULT_ENTITY, Settings
from axsync.source import Source

PAGES_SHARE = 4
"""A quarter of `buffer_bytes` is for pages that wait for a writer, the rest for rows that wait for a row group."""


async def sync(settings: Settings, *, observers: Sequence[Observer] = (), jitter: Jitter = random.uniform) -> Report:
    """Copy what `settings` name into the lake and publish it as one snapshot.

    A lane that fails does not stop the others; its error is in the report. `jitter` picks the wait before a request
    is asked again, a number between two bounds.

    Raises: UsageError before anything is written or sent; UnknownEntity, Refused, Unreachable before anything is
        written, when no instance can be asked; StorageError when the snapshot cannot be published.
    """
    run = _Run(settings, _local_lake(settings), _facts(settings), all_of(observers))
    async with open_sources(settings, run.observe, jitter=jitter) as sources:
        await run.use(sources)
    return run.finish()


def _local_lake(settings: Settings) -> Lake:
    check_lake(settings.lake.uri)
    if settings.lake.path is None:
        raise ConfigError("this version writes to local folders only; give lake.uri or --lake a folder")
    return Lake(settings.lake.path)


def _facts(settings: Settings) -> RunFacts:
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    day = settings.run.logical_date or now.date().isoformat()
    return RunFacts(run_id, day, settings.run.as_of, _moment(now), version("axsync"))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def all_of(observers: Sequence[Observer]) -> Observer:
    """One observer that tells all of these."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


@dataclass(slots=True)
class _Run:
    """One execution: its lanes, what became of them, its snapshot."""

    settings: Settings
    lake: Lake
    facts: RunFacts
    observe: Observer
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    errors: list[AxsyncError] = field(default_factory=list)

    async def use(self, sources: Mapping[str, Source | ServerError]) -> None:
        """Walk every lane of the instances that answer. Raises: the error of one, where none answers."""
        alive = {name: s for name, s in sources.items() if isinstance(s, Source)}
        down = {name: s for name, s in sources.items() if isinstance(s, ServerError)}
        if not alive:
            raise next(iter(down.values()))
        lanes = await self._lanes(alive)
        self.observe(RunStarted(self.facts.run_id, self.facts.logical_date, lanes))
        await (self._count(lanes, alive) if self.settings.run.dry_run else self._walk(lanes, alive))
        for name, error in down.items():
            self.errors.append(error)
            self.outcomes += [Outcome(Lane(name, e), "partial", str(error)) for e in self._wanted(lanes)]

    async def _lanes(self, sources: Mapping[str, Source]) -> tuple[Lane, ...]:
        offered = await together([self._offered(source) for source in sources.values()])
        named = dict(zip(sources, offered, strict=True))
        configured = [e for e in self.settings.entities if e != DEFAULT_ENTITY]
        return choose_lanes(self.settings.run.entities, named, configured=configured, heard_of=KNOWN_ENTITIES)

    async def _offered(self, source: Source) -> tuple[str, ...]:
        if source.listed is not None:
            return source.listed
        return tuple(await source.offered(self.settings.run.entities))

    def _wanted(self, lanes: Sequence[Lane]) -> tuple[str, ...]:
        return self.settings.run.entities or tuple(dict.fromkeys(lane.entity for lane in lanes))

    async def _count(self, lanes: Sequence[Lane], sources: Mapping[str, Source]) -> None:
        """A dry run: what each lane would have to copy."""
        found = {name: await source.offered([lane.entity for lane in lanes]) for name, source in sources.items()}
        self.outcomes += [_counted(lane, found[lane.instance].get(lane.entity)) for lane in lanes]

    async def _walk(self, lanes: Sequence[Lane], sources: Mapping[str, Source]) -> None:
        use_steady_memory()
        minutes = self.settings.run.wait_stable_minutes
        await together([source.wait_stable(minutes, self._say) for source in sources.values()])
        workers = Workers(self.settings.run.writers or os.cpu_count() or 1)
        lane_runs = self._lane_runs(lanes, sources, workers)
        try:
            self.outcomes += await together([one.run() for one in lane_runs])
        except BaseException:
            self.lake.clear_staging(self.facts.run_id)
            raise
        finally:
            workers.close()
        self.errors += [one.error for one in lane_runs if one.error]

    def _say(self, text: str) -> None:
        self.observe(Notice(None, text))

    def _lane_runs(self, lanes: Sequence[Lane], sources: Mapping[str, Source], workers: Workers) -> list[LaneRun]:
        settings = self.settings
        waiting = settings.lake.buffer_bytes // PAGES_SHARE
        shop = Shop(self.facts.run_id, settings.run, Budget(waiting), workers, self.observe)
        yard = Yard(self.lake, self.facts.logical_date, Shelf(settings.lake, settings.lake.buffer_bytes - waiting))
        instances = {i.name: i for i in settings.instances}
        before = self._earlier()

        def reader(lane: Lane) -> LaneReader:
            instance, entity = instances[lane.instance], settings.entity(lane.entity)
            return LaneReader(lane, sources[lane.instance], instance, entity, shop, before.get(lane))

        return [LaneRun(reader(lane), Stock(lane, self.facts.run_id, yard)) for lane in lanes]

    def _earlier(self) -> dict[Lane, dict[str, Any]]:
        latest = self.lake.latest()
        return {Lane(e["instance"], e["entity"]): e for e in latest["lanes"]} if latest else {}

    def finish(self) -> Report:
        """Publish what is whole, and say what the run came to. Raises: StorageError."""
        settings, manifest = self.settings, None
        if not settings.run.dry_run and not settings.run.accept_drop:
            self.outcomes, held = hold_back(self.outcomes, self._earlier())
            self.errors += held
        verdict = worst([o.verdict for o in self.outcomes])
        if any(o.columns for o in self.outcomes):
            manifest = self.lake.publish(self.facts, self.outcomes, finished_at=_moment(datetime.now(UTC)))
            self.observe(SnapshotPublished(self.facts.run_id, verdict, manifest))
        self.lake.clear_staging(self.facts.run_id)
        return Report(
            run_id=self.facts.run_id,
            logical_date=self.facts.logical_date,
            verdict=verdict,
            outcomes=tuple(sorted(self.outcomes, key=lambda o: o.lane)),
            manifest=manifest,
            lake=settings.lake.uri,
            seconds=time.monotonic() - self.started,
            errors=tuple(self.errors),
        )


def _counted(lane: Lane, count: object) -> Outcome:
    if isinstance(count, AxsyncError):
        return Outcome(lane, "skipped", str(count))
    return Outcome(lane, "skipped", "dry run", count_before=count if isinstance(count, int) else None)
