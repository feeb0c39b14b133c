"""`axsync run`: every lane of every instance, then one snapshot."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeAlias

from axsync.api import is_system
from axsync.client.source import Source
from axsync.engine.lane_walk import Budget, Deadline, Workers, alongside, gather_all
from axsync.errors import (
    AxsyncError,
    BadAnswer,
    BadRequest,
    Busy,
    NotOffered,
    NotWhole,
    ServerError,
    StorageError,
    Unreachable,
    UsageError,
)
from axsync.events import LanesAdded, Notice, Observer, RunStarted, SnapshotPublished
from axsync.lake.history import MOST_NAMED, lanes_of_day, neighbour, up_to
from axsync.lake.id_index import ever_held
from axsync.lake.journal import ABANDONED, FINISHED, PUBLISHED, Journal, Record
from axsync.lake.lane_files import match_lane_files
from axsync.lake.manifest import FoundRun, verdict_of
from axsync.lake.parts import WriterPool, use_steady_memory
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.replaced import remove_replaced
from axsync.lake.store import storage_errors
from axsync.model import Lane, Outcome, iso
from axsync.pacing.page_size import FoundSize
from axsync.pacing.retry import Jitter
from axsync.runs.days import other_day, with_days, with_latest
from axsync.runs.gc import Sweep, sweep_held
from axsync.runs.instances import Instances, alive, answering, end_of, open_instances
from axsync.runs.lane import FORBIDDEN, NOT_OFFERED, LaneRun, with_detail
from axsync.runs.lane_reader import PAGES_SHARE, LaneReader, RunContext
from axsync.runs.lane_schema import pinned_columns
from axsync.runs.lane_selection import (
    chosen_lanes,
    columns_before,
    count_for,
    lanes_of_late,
    refuse_misplaced,
    refuses_type,
)
from axsync.runs.lane_writer import LaneWriter, RunStorage
from axsync.runs.learnt import Learnt, believed, keep_learnt, read_learnt
from axsync.runs.recovery import recover
from axsync.runs.registries import Registries, known_registries, registries_of
from axsync.runs.replacing import Day, hold_worse, refuse_worse
from axsync.runs.resume import Past, find, give_up, lost_parts, overtaken, plan_of
from axsync.runs.setup import Relay, all_of, alone, facts_of, fit_lake, wait_behind_backfill
from axsync.runs.state import LaneMemory, RunMemory, lose, record, restart
from axsync.runs.timeline import TimelineFile
from axsync.runs.verdict import emptied, hold_all, hold_back, narrowed
from axsync.schema.registry import Registry
from axsync.settings import LATEST, InstanceSettings, Settings

TURN_SECONDS, MOST_TURNS = 0.5, 120
"""How long, and how often at most, a run waits before it looks again whether a backfill has made way."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a run begins with. `keeper` is the thread for its durable work, `held` what is let go of at its end."""

    settings: Settings
    lake: Lake
    observe: Observer
    watch: TimelineFile
    keeper: Workers
    held: ExitStack


Begin: TypeAlias = Callable[[Given], "Run"]
"""Makes a run that is about to begin. Blocks."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. `manifest` is relative to the lake, None when nothing was published.

    `still_due` is the day that was asked for, where an unfinished run of an earlier one was resumed instead. `shard` is
    the part of the run that was read, and is published later; None where it is all of it.
    """

    run_id: str
    logical_date: str
    verdict: str
    outcomes: tuple[Outcome, ...]
    manifest: str | None
    lake: str
    seconds: float
    errors: tuple[AxsyncError, ...] = ()
    still_due: str | None = None
    shard: int | None = None
    latest: bool = True  # whether `latest.json` names it; not for a date that is older than that of the latest


async def sync(settings: Settings, *, observers: Sequence[Observer] = (), jitter: Jitter = random.uniform) -> Report:
    """Copy what `settings` name into the lake and publish it as one snapshot.

    Goes on with the newest unfinished run of the same plan, also of yesterday: `still_due` is then set. A finished one
    of the same logical date is reported and nothing is done; `run.fresh` does neither. A lane that fails does not stop
    the others; its error is in the report.
    `jitter` picks the wait before a request is asked again, a number between two bounds.

    Raises: UsageError before anything is written or sent; UnknownEntity, Refused, Unreachable before anything is
        written, when no instance can be asked; Busy when another run holds the lake; StorageError when the disk
        fails, with the previous snapshot untouched and the run resumable.
    """
    return await execute(settings, Run.begun, observers, jitter)


async def execute(settings: Settings, begin: "Begin", observers: Sequence[Observer], jitter: Jitter) -> Report:
    """A run from its beginning to its end, of the kind that `begin` makes. Raises: as `sync`."""
    keeper = Workers(1, "axsync-keeper")
    try:
        return await _executed(settings, begin, all_of(observers), jitter, keeper)
    finally:
        keeper.close()


async def _executed(settings: Settings, begin: "Begin", observe: Observer, jitter: Jitter, keeper: Workers) -> Report:
    settings = with_days(settings, datetime.now(UTC))
    lake = await keeper.run(fit_lake, settings)
    refuse_misplaced(settings)
    watch = TimelineFile.begin(lake, time.monotonic)
    observe = all_of((watch.sampler, observe))
    async with AsyncExitStack() as stack:
        instances = None
        may_ask = partial(_prove, lake, keeper)
        if settings.run.as_of == LATEST:
            opening = open_instances(settings, observe, jitter=jitter, may_ask=may_ask)
            instances = await stack.enter_async_context(opening)
            await instances.probe()
            settings = await with_latest(settings, instances.found)
            await keeper.run(fit_lake, settings)
        held = await stack.enter_async_context(let_go(keeper))
        run = await keeper.run(begin, Given(settings, lake, observe, watch, keeper, held))
        await keeper.run(run.look_back)
        if report := await run.without_asking():
            return report
        await keeper.run(run.refuse_worse)
        run.learnt = await keeper.run(read_learnt, lake, settings)
        if instances is None:
            known = believed(run.learnt, datetime.now(UTC).date())
            opening = open_instances(settings, observe, jitter=jitter, known=known, may_ask=may_ask)
            instances = await stack.enter_async_context(opening)
        return await alongside(instances.probe(), run.with_answers(instances))


@asynccontextmanager
async def let_go(keeper: Workers) -> AsyncIterator[ExitStack]:
    """Held until the end of the block, and let go of in the keeper's thread: of a lease, that asks the store."""
    with ExitStack() as held:
        try:
            yield held
        finally:
            await keeper.run(held.close)


async def _prove(lake: Lake, keeper: Workers) -> None:
    """Who was paused finds out before the next request whether another process asks the same hosts by now.

    Raises: Overtaken, StorageError.
    """
    if not lake.store.is_sure():
        with storage_errors("keep the lock"):
            await keeper.run(lake.store.prove)


LANES_AT_ONCE = 256
"""Lanes that are open at the same time, of all instances: each takes memory and a file."""
FEWEST_LANES = 2
"""Of one instance, however many there are: its small types do not wait for its largest one."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of a lane. `found_size` is what its server bears of a page, `read` whether it read anything whole."""

    outcome: Outcome
    error: AxsyncError | None
    found_size: FoundSize | None
    read: bool


@dataclass(slots=True)
class _Walks:
    """What the lanes of a run share while they are walked. `turns` bounds those that are open at once."""

    context: RunContext
    storage: RunStorage
    instances: Mapping[str, InstanceSettings]
    left: int = field(init=False)  # instances that are not read yet
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LANES_AT_ONCE))
    few: int = field(init=False)  # so many of the last are not waited for beyond `publish_wait_minutes`

    def __post_init__(self) -> None:
        self.left = len(self.instances)
        self.few = max(1, self.left // 10)

    def at_once(self, name: str) -> int:
        """Lanes of this instance: its share, by weight."""
        weight, weights = self.instances[name].weight, sum(one.weight for one in self.instances.values())
        return max(FEWEST_LANES, LANES_AT_ONCE * weight // weights)

    def ended(self) -> None:
        """An instance is read, or cannot be."""
        self.left -= 1
        minutes = self.context.run.publish_wait_minutes
        if minutes and self.left == self.few:
            reason = f"the instance was still being read {minutes:g} minutes after the others"
            self.context.deadline.bring_forward(asyncio.get_running_loop().time() + minutes * 60, reason)


async def sync_day(
    settings: Settings, lanes: Collection[Lane], sources: Mapping[str, Source], heard: Relay, keeper: Workers
) -> Report:
    """These lanes of one day of history, from instances that are open, as the snapshot of that day.

    Goes on with an unfinished run of the day, also one of `axsync run --as-of`. What the day has besides stays. `heard`
    is what the transports tell. Raises: as `sync`.
    """
    lake, observe = await keeper.run(fit_lake, settings), heard.to
    watch = TimelineFile.begin(lake, time.monotonic)
    heard.to = all_of((watch.sampler, observe))
    try:
        facts = await keeper.run(facts_of, settings, lake)
        run = Run(settings, lake, facts, heard.to, watch, keeper, only=frozenset(lanes))
        await keeper.run(run.look_back)
        run.learnt = await keeper.run(read_learnt, lake, settings)
        return await run.with_answers(Instances.probed(settings.chosen(), sources))
    finally:
        heard.to = observe


@dataclass(slots=True)
class Run:
    """One execution: its lanes, what became of them, its snapshot. `keeper` is the thread for its durable work.

    `only` are the lanes that a backfill wants of the day; it goes back in time, so the day is compared with its
    neighbour, and no file of an earlier one stands in unless `latest.json` comes to name it.

    Several processes may share a run (`axsync.runs.shards`): each has a part of the instances, and a journal.
    """

    settings: Settings
    lake: Lake
    facts: RunFacts
    observe: Observer
    watch: TimelineFile
    keeper: Workers
    only: frozenset[Lane] | None = None  # None: those that the settings choose
    memory: RunMemory = field(default_factory=RunMemory)
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    errors: list[AxsyncError] = field(default_factory=list)
    learnt: dict[str, Learnt] = field(default_factory=dict, init=False)  # in earlier runs, by instance
    published: str | None = field(default=None, init=False)  # the manifest
    _leads: bool = field(default=True, init=False)  # whether the pointer names it
    _journal: Journal | None = field(default=None, init=False)
    _fresh_facts: RunFacts | None = field(default=None, init=False)
    _earlier: FoundRun | None = field(default=None, init=False)  # the snapshot up to its logical date
    _before: dict[Lane, dict[str, Any]] = field(default_factory=dict, init=False)  # its entries
    _newest: dict[Lane, dict[str, Any]] = field(default_factory=dict, init=False)  # those of the newest snapshot
    _compared: dict[Lane, dict[str, Any]] = field(default_factory=dict, init=False)  # what the drop guard looks at
    _registries: Registries = field(default_factory=Registries, init=False)
    _lost: list[Record] = field(default_factory=list, init=False)  # parts that are gone, not journaled yet
    _stale: list[Record] = field(default_factory=list, init=False)  # lanes to begin anew, not journaled yet
    _reopened: tuple[Record, ...] = field(default=(), init=False)  # lanes of a finished run that are gone, likewise
    _sound: set[str] = field(default_factory=set, init=False)  # staged parts that are what they were

    @classmethod
    def begun(cls, given: Given) -> "Run":
        """A run that begins now. Blocks."""
        return cls.named(facts_of(given.settings, given.lake), given)

    @classmethod
    def named(cls, facts: RunFacts, given: Given, **more: Any) -> Self:
        """One of which these facts are known already."""
        return cls(given.settings, given.lake, facts, given.observe, given.watch, given.keeper, **more)

    @property
    def journal_name(self) -> str:
        """Where its journal and its timeline are, among those of all runs."""
        return self.facts.run_id

    @property
    def plan(self) -> str:
        """What is asked: an unfinished run of the same plan is resumed."""
        return plan_of(self.settings)

    def past(self) -> Past | None:
        """The run to go on with. Reads only."""
        return find(self.lake, self.plan, self.facts.logical_date, datetime.now(UTC))

    def give_up_others(self) -> list[str]:
        """Abandon the unfinished runs that this one takes the place of; returns their ids."""
        return give_up(self.lake, self.plan)

    def look_back(self) -> None:
        """Find the run to go on with, unless a fresh one is wanted. Reads only."""
        self._fresh_facts = self._fresh_facts or self.facts
        self.memory, self.facts, self._lost, self._stale, self._reopened = RunMemory(), self._fresh_facts, [], [], ()
        if self.settings.run.fresh or self.settings.run.dry_run:
            return
        past = self.past()
        if past is not None and past.memory.finished and not (self.only or frozenset()) <= past.memory.lanes.keys():
            return  # the day has come to have more types
        if past is not None and past.memory.facts is not None:
            self.memory, self.facts, self._reopened = past.memory, past.memory.facts, past.reopened
            if not self.memory.finished:
                gone = lost_parts(self.lake, self.facts, self.memory, self._sound)
                self._lost = [lose(self.memory, lane, path) for lane, path in gone]
                newer = dict(overtaken(self.lake, self.memory))
                self._stale = [restart(self.memory, lane, run_id) for lane, run_id in newer.items()]

    @property
    def resumes(self) -> bool:
        """Whether an earlier process has begun this run."""
        return self.memory.facts is not None

    @property
    def all_closed(self) -> bool:
        """Whether every lane of every instance has come to its end, and only publishing is left."""
        known = {lane.instance for lane in self.memory.lanes}
        closed = all(lane.outcome is not None for lane in self.memory.lanes.values())
        return closed and known >= {i.name for i in self.settings.chosen()}

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Alone with the lake and the hosts, the journal open. Raises: Busy, StorageError."""
        async with let_go(self.keeper) as stack:
            for text in await self._held_in_turn(stack):
                self._say(text)
            try:
                yield
            finally:
                if not self.memory.finished:
                    await self._keep_timeline()

    async def _held_in_turn(self, stack: ExitStack) -> list[str]:
        """Hold the lake, behind a backfill that makes way; returns what is to be said. Raises: Busy, StorageError."""
        try:
            return await self.keeper.run(self._hold, stack)
        except Busy as busy:
            if self.only is not None:
                raise
            first = busy
        async with let_go(self.keeper) as waiting:
            for turn in range(MOST_TURNS):
                if not await self.keeper.run(wait_behind_backfill, self.lake, self.facts.run_id, waiting):
                    break
                if not turn:
                    self._say("a backfill is using the lake and will yield")
                await asyncio.sleep(TURN_SECONDS)
                with suppress(Busy):
                    return await self.keeper.run(self._hold, stack)
        raise first

    async def without_asking(self) -> Report | None:
        """What the run comes to where no instance has to be asked any more: it has finished, or only has to publish."""
        if self.memory.finished:
            return await self.already_done()
        if self.all_closed:
            async with self.held():
                if self.memory.finished:
                    return await self.already_done()
                if self.all_closed:
                    return await self.finish()
        return None

    async def with_answers(self, instances: Instances) -> Report:
        """Read the lanes and publish, or count them only. Raises: as `choose`; Busy, StorageError."""
        if self.settings.run.dry_run:
            sources = await instances.all()
            return await self.only_count(await self.choose(sources), sources)
        first = await instances.first()
        lanes = await self.choose(first)
        async with self.held():
            if self.memory.finished:
                return await self.already_done()
            chosen: dict[str, list[Lane]] = {name: [] for name in alive(first)}
            for lane in lanes:
                chosen.get(lane.instance, []).append(lane)
            await self.walk(chosen, instances)
            return await self.finish()

    def _hold(self, stack: ExitStack) -> list[str]:
        """Take the locks, look again, open the journal; returns what is to be said about it."""
        told = self._lock(stack)
        self.look_back()
        newest = self.lake.newest()
        self._newest, self._earlier = _entries(newest), up_to(self.lake, self.facts.logical_date)
        self._before = self._compared = _entries(self._earlier)
        if self.only is not None:
            self._look_beside(newest)
        if self.memory.finished:
            return told
        known, clashes = known_registries(self.lake)
        self._registries = self.registries_with(known)
        return told + clashes + self._open_journal()

    def _lock(self, stack: ExitStack) -> list[str]:
        """Take the locks, put right what a killed run has left; returns what is to be said."""
        stack.enter_context(alone(self.settings, self.lake, self.facts.run_id))
        return recover(self.lake)

    def registries_with(self, known: Mapping[str, Registry]) -> Registries:
        """The columns that the lake has, and what an earlier process of the run has settled."""
        pins = ((lane.entity, one.pinned) for lane, one in self.memory.lanes.items() if one.pinned)
        settled = [(entity, pinned_columns(pinned)) for entity, pinned in pins]
        return registries_of(self.facts.run_id, known, settled, fixed=self.lake.has_tables)

    def _look_beside(self, newest: FoundRun | None) -> None:
        """What a day of a backfill is compared with, and what stays in its snapshot."""
        day, earlier = self.facts.logical_date, self._earlier
        leads = newest is None or newest.snapshot.logical_date <= day
        is_own = earlier is not None and earlier.snapshot.logical_date == day
        self._earlier = earlier if leads or is_own else None
        self._before = _entries(self._earlier)
        self._compared = _entries(neighbour(self.lake, day)) | (self._before if is_own else {})

    async def _keep_timeline(self) -> None:
        timeline = self.watch.sampler.timeline()
        told = await self.keeper.run(self.watch.keep, self.journal_name, timeline, resumes=self.resumes)
        if told:
            self._say(told)

    @property
    def journal(self) -> Journal:
        """The open journal."""
        if self._journal is None:
            raise RuntimeError("the journal is not open")
        return self._journal

    def _open_journal(self) -> list[str]:
        plan, told = self.plan, self._told_of_date()
        if not self.resumes:
            told += [f"the unfinished run {run_id} is given up" for run_id in self.give_up_others()]
        self._journal = self.lake.journal(self.journal_name).begin()
        if not self.resumes:
            dated = self.settings.run.logical_date is not None or self.settings.run.as_of is not None
            self.journal.append(record("run_opened", facts=self.facts, plan=plan, dated=dated))
            return told
        done = sum(lane.outcome is not None for lane in self.memory.lanes.values())
        told.append(f"resuming run {self.facts.run_id}: {done} of {len(self.memory.lanes)} lanes are done")
        for one in (*self._reopened, *self._lost, *self._stale):
            self.journal.append(one)
        told += [
            f"files of {Lane(**one['lane'])} that this run had published are gone; it is read again"
            for one in self._reopened
        ]
        told += [
            f"run {one['newer']} has published {Lane(**one['lane'])} since; it is read again" for one in self._stale
        ]
        if self._lost:
            told.append(f"{len(self._lost)} files of this run are gone or damaged; their rows are read again")
        return told

    def _told_of_date(self) -> list[str]:
        """That live data get another date than that of their day, which may be a slip."""
        if self.settings.run.as_of is not None or (self.resumes and self.all_closed):
            return []
        read = other_day(datetime.now(UTC), self.facts.logical_date)
        return [f"live data of {read} is stored under {self.facts.logical_date}"] if read else []

    @property
    def _day(self) -> Day:
        return Day(self.facts.logical_date, datetime.fromisoformat(self.facts.started_at))

    def refuse_worse(self) -> None:
        """Refuse a run that is sure to bring less than its logical date has. Raises: ReplacesBetter."""
        run, names = self.settings.run, {instance.name for instance in self.settings.chosen()}
        if run.replace_worse or run.dry_run:
            return
        there = {
            lane: held
            for lane, held in lanes_of_day(self.lake, self.facts.logical_date).items()
            if lane.instance in names and self._names(lane.entity) and held.run_id != self.facts.run_id
        }
        refuse_worse(self.settings, self._day, there)

    def _names(self, table: str) -> bool:
        """Whether the run would read it: what is named, or everything but administrators' tables."""
        run = self.settings.run
        wanted = table in run.entities if run.entities else not is_system(self.settings.asked(table))
        return wanted and table not in run.skip

    async def already_done(self) -> Report:
        """What a finished run came to; nothing is asked or written."""
        run_id, day = self.facts.run_id, self.facts.logical_date
        self._say(f"run {run_id} of {day} is finished; nothing to do (--fresh reads it again)")
        self.outcomes = [lane.outcome for lane in self.memory.lanes.values() if lane.outcome]
        self._leads = await self.keeper.run(self.lake.latest_run) == run_id
        return self._report(verdict_of(self.outcomes), self.lake.manifest_name(run_id))

    async def choose(self, sources: Mapping[str, Source | ServerError]) -> tuple[Lane, ...]:
        """The lanes of the instances that answer: as chosen when the run began, or now.

        Raises: UnknownEntity, UnknownField; the error of one instance, where none answers.
        """
        there = answering(sources)
        if self.only is not None:
            closed = {lane for lane, known in self.memory.lanes.items() if known.outcome and lane.instance in there}
            return tuple(sorted(self.only | closed))
        known = {lane.instance for lane in self.memory.lanes}
        fresh = {name: source for name, source in there.items() if name not in known}
        kept = [lane for lane in self.memory.lanes if lane.instance in there]
        if not fresh:
            return tuple(kept)
        earlier = await self.keeper.run(columns_before, self.lake, self.facts.logical_date)
        return (*kept, *await chosen_lanes(self.settings, fresh, earlier))

    async def only_count(self, lanes: Sequence[Lane], sources: Mapping[str, Source | ServerError]) -> Report:
        """A dry run: what each lane would have to copy."""
        self.observe(RunStarted(self.facts.run_id, self.facts.logical_date, tuple(lanes)))
        there = alive(sources)
        self.outcomes += await gather_all([self._counted(lane, there[lane.instance]) for lane in lanes])
        self._note_down(lanes, sources)
        return self._report(verdict_of(self.outcomes), None)

    async def _counted(self, lane: Lane, source: Source) -> Outcome:
        try:
            count = await count_for(source, lane.entity, self.settings)
        except (NotOffered, BadAnswer) as error:
            return Outcome(lane, "skipped", with_detail(error))
        except (BadRequest, Unreachable) as error:
            if refuses_type(source, lane.entity, error, self.settings.entity(lane.entity)):
                return Outcome(lane, "skipped", with_detail(error))
            error.add_note(str(lane))
            self.errors.append(error)
            return Outcome(lane, "failed", with_detail(error))
        return Outcome(lane, "skipped", "dry run", count_before=count)

    async def walk(self, chosen: Mapping[str, Sequence[Lane]], instances: Instances) -> None:
        """Walk every lane; what was written is durable when this ends, however it ends.

        `chosen` has the lanes of the instances that have answered.
        """
        lanes = [lane for of_instance in chosen.values() for lane in of_instance]
        use_steady_memory()
        self.observe(RunStarted(self.facts.run_id, self.facts.logical_date, tuple(lanes)))
        await self._remember_chosen(lanes)
        workers = Workers(self.settings.run.writers or os.cpu_count() or 1)
        walks = self._walks(workers, instances.settings)
        try:
            walking = [self._walk_instance(instances, name, chosen.get(name), walks) for name in instances.settings]
            walked = await gather_all(walking)
        finally:
            workers.close()
        ended = [one for of_instance in walked for one in of_instance]
        self.outcomes += [one.outcome for one in ended]
        self.errors += [one.error for one in ended if one.error]
        for text in await self.keeper.run(self._keep_learnt, alive(instances.found), ended):
            self._say(text)
        self._note_down([one.outcome.lane for one in ended], instances.found)

    async def _remember_chosen(self, lanes: Sequence[Lane]) -> None:
        fresh = [lane for lane in lanes if lane not in self.memory.lanes]
        if fresh:
            await self.keeper.run(self.journal.append, record("lanes_chosen", lanes=fresh))

    async def _walk_instance(
        self, instances: Instances, name: str, lanes: Sequence[Lane] | None, walks: "_Walks"
    ) -> list["_Ended"]:
        """Walk the lanes of one instance as soon as it answers; nothing where it does not."""
        try:
            async with walks.context.deadline.limit():
                source = await instances.answered(name)
        except TimeoutError:
            source = instances.give_up(name)
        try:
            if isinstance(source, ServerError):
                return []
            async with source.transport.open():
                lanes = await self._join(source) if lanes is None else lanes
                return await self._walk_lanes(source, lanes, walks)
        except ServerError as error:
            error.add_note(f"instance {name}")
            instances.found[name] = error
            return []
        finally:
            walks.ended()

    async def _walk_lanes(self, source: Source, lanes: Sequence[Lane], walks: "_Walks") -> list["_Ended"]:
        with suppress(TimeoutError):  # the lanes then say so
            async with walks.context.deadline.limit():
                await source.wait_stable(self.settings.run.wait_stable_minutes, self._say)
        at_once = walks.at_once(source.name)
        gate = asyncio.Semaphore(at_once)
        if len(lanes) > at_once:  # small types first, as far as they are known
            lanes = sorted(lanes, key=lambda lane: self._before.get(lane, {}).get("rows") or 0)
        reading = [self._read(lane, source, gate, walks) for lane in lanes]
        _, *ended = await gather_all([_look(source), *reading])
        return [one for one in ended if one is not None]

    async def _join(self, source: Source) -> Sequence[Lane]:
        """The lanes of an instance that answered after the run had begun."""
        lanes = [lane for lane in self.memory.lanes if lane.instance == source.name]
        lanes = lanes or list(await lanes_of_late(self.settings, source))
        if lanes:
            self.observe(LanesAdded(tuple(lanes)))
            await self._remember_chosen(lanes)
        return lanes

    async def _read(self, lane: Lane, source: Source, gate: asyncio.Semaphore, walks: "_Walks") -> "_Ended":
        """Walk a lane when it is its turn; what it needs is made then, and is gone afterwards."""
        async with gate, walks.turns:
            lane_run = self._lane_run(lane, source, walks)
            outcome = await lane_run.run()
            reader = lane_run.reader
            read = lane_run.error is None and reader.stats.size > 0
            return _Ended(outcome, lane_run.error, reader.found_size, read=read)

    def _keep_learnt(self, sources: Mapping[str, Source], ended: Sequence["_Ended"]) -> list[str]:
        """In the keeper's thread; returns what is to be said."""
        read: dict[str, list[tuple[Lane, FoundSize | None]]] = {}
        for lane, size in ((one.outcome.lane, one.found_size) for one in ended if one.read):
            read.setdefault(lane.instance, []).append((lane, size))
        told, today = list[str](), datetime.now(UTC).date()
        for name, source in sources.items():
            learnt = self.learnt[name].after(source, read.get(name, []), today)
            told.append(keep_learnt(self.lake, name, learnt))
        return [text for text in told if text]

    def _note_down(self, lanes: Sequence[Lane], sources: Mapping[str, Source | ServerError]) -> None:
        wanted = self.settings.run.wanted or tuple(dict.fromkeys(lane.entity for lane in lanes))
        for name, error in sources.items():
            if isinstance(error, ServerError):
                self.errors.append(error)
                self.outcomes += [Outcome(Lane(name, entity), "failed", str(error)) for entity in wanted]

    def _say(self, text: str) -> None:
        self.observe(Notice(None, text))

    def _walks(self, workers: Workers, instances: Mapping[str, InstanceSettings]) -> "_Walks":
        settings = self.settings

        async def remember(record: Record) -> None:
            await workers.run(self.journal.append, record)

        context = RunContext(
            self.facts.run_id,
            settings.run,
            Budget(settings.lake.buffer_bytes // PAGES_SHARE),
            workers,
            self.observe,
            remember,
            self.journal.note,
            Deadline(end_of(settings.run, self.started), _told_of_deadline(settings.run.deadline_minutes)),
            page_bytes=settings.lake.buffer_bytes,
            registries=self._registries,
        )
        pool = WriterPool(settings.lake, settings.lake.buffer_bytes * 3 // 4)
        numbers, is_new = self.lake.numbers(), not self.resumes
        storage = RunStorage(self.lake, self.facts, pool, self.journal, numbers, is_new)
        return _Walks(context, storage, instances)

    def _lane_run(self, lane: Lane, source: Source, walks: "_Walks") -> LaneRun:
        instance = walks.instances[lane.instance]
        earlier = self._before.get(lane) or self._newest.get(lane)
        reader = LaneReader(lane, source, instance, self.settings.entity(lane.entity), walks.context, earlier)
        reader.begin_with(self.learnt[lane.instance].pages.get(lane.entity))
        memory = self.memory.lanes.get(lane, LaneMemory())
        return LaneRun(reader, LaneWriter(lane, walks.storage, memory))

    async def finish(self) -> Report:
        """Publish what is whole, and say what the run came to. Can be repeated. Raises: StorageError."""
        self.outcomes = self.outcomes or [one.outcome for one in self.memory.lanes.values() if one.outcome]
        self.outcomes = await self.keeper.run(self._excused, self.outcomes)
        self.outcomes = [self._with_emptied(outcome, self._before.get(outcome.lane)) for outcome in self.outcomes]
        there, before = await self.keeper.run(lanes_of_day, self.lake, self.facts.logical_date), self._compared
        if self.settings.run.replace_worse:
            before = {lane: entry for lane, entry in before.items() if lane not in there}
        else:
            self.outcomes, worse = hold_worse(self.outcomes, there, self._day)
            self.errors += worse
        if not self.settings.run.accept_drop:
            self.outcomes, held = hold_back(self.outcomes, before)
            self.errors += held
        if self.settings.run.publish == "all-or-nothing":
            self.errors += hold_all(self.outcomes)
        self.outcomes = [self._with_narrowed(outcome) for outcome in self.outcomes]
        self._tell_of_lost()
        verdict = verdict_of(self.outcomes)
        publishes = any(o.columns for o in self.outcomes) and not any(isinstance(e, NotWhole) for e in self.errors)
        if publishes:
            self._tell_of_others()
        try:
            for text in await self.keeper.run(self._conclude, publishes=publishes):
                self._say(text)
        finally:  # also when a signal comes while the thread publishes: it is then waited for
            if self.published:
                self.observe(SnapshotPublished(self.facts.run_id, verdict, self.published))
        return self._report(verdict, self.published)

    def _conclude(self, *, publishes: bool) -> list[str]:
        """In the keeper's thread: the snapshot, what the journal says of it, the end of staging; what is to be said."""
        if not publishes:
            self._close()
            return []
        name = replace(self.lake, stops=self.keeper.is_overdue).publish(
            self.facts,
            self.outcomes,
            finished_at=iso(datetime.now(UTC)),
            restricted=self._restricted,
            apart=self._apart(self._before),
            before=self._earlier,
        )
        self._leads = self.lake.latest_run() == self.facts.run_id
        if not self._leads:  # no pointer tells, so the journal has to before anything of the date goes
            self.journal.append(record(PUBLISHED, replacing=True))
        self.published = name
        if self.keeper.is_overdue():  # whoever holds the lake next goes on behind the pointer
            return []
        # Readers see it: from here on, nothing is a reason to say that the run has failed.
        told = remove_replaced(self.lake, self.facts, self.outcomes)
        if not self._leads and self.only is None:
            told.append(f"the snapshot of {self.facts.logical_date} is published; latest stays at a later date")
        try:
            self.journal.append(record(PUBLISHED))
            with storage_errors("keep the verdicts of the run"):
                match_lane_files(self.lake)
            self._close()
        except StorageError as error:
            # Without the record nobody can be sure what the lake needs, so nothing is cleared away.
            return [*told, f"the snapshot is published, but {error}; the next run completes it"]
        return told + self._clear_away()

    def _clear_away(self) -> list[str]:
        """Remove what is beyond the retention, where the settings say so; what is to be said. Never raises for it."""
        if not self.settings.lake.gc or self.keeper.is_overdue():
            return []
        try:
            swept = sweep_held(self.lake, self.settings.lake, datetime.now(UTC), just_published=self.facts.run_id)
        except (UsageError, StorageError, OSError) as error:
            return [f"the snapshot is published, but old snapshots are not removed: {error}; `axsync gc` shows more"]
        told = [_told_of(swept)] if swept.leftovers else []
        own = next((one.reasons for one in swept.snapshots if one.run_id == self.facts.run_id), ())
        if own and {"just published", "can be resumed"}.issuperset(own):
            told.append(
                f"{self.facts.logical_date} is beyond the retention, and the next run removes it. To keep days that"
                " are filled in, set `keep_days` as well, or give them a lake of their own with --lake"
            )
        return told

    def _close(self) -> None:
        if not self.errors:
            self.lake.clear_staging(self.facts.run_id)
            skipped = [o.verdict == "skipped" for o in self.outcomes]
            if not any(skipped):
                self.journal.append(record(FINISHED))
            elif all(skipped):  # nothing was read that a later run could go on with
                self.journal.append(record(ABANDONED))

    @property
    def _restricted(self) -> bool:
        """Whether only some entity types or instances were asked for."""
        return self.only is not None or bool(self.settings.run.entities) or self.settings.are_chosen

    def _apart(self, before: Iterable[Lane]) -> list[Lane]:
        """Lanes of instances that there are, which a run of everything leaves as they were.

        These are types to skip, and administrators' tables.
        """
        named, skip = {instance.name for instance in self.settings.instances}, self.settings.run.skip
        here = [lane for lane in before if lane.instance in named]
        return [lane for lane in here if lane.entity in skip or is_system(self.settings.asked(lane.entity))]

    def _excused(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """In the keeper's thread: the outcomes, a skipped one excused where the lake never had rows of it."""
        return [replace(o, excused=True) if self._is_excused(o) else o for o in outcomes]

    def _is_excused(self, outcome: Outcome) -> bool:
        if outcome.verdict != "skipped":
            return False
        # A day of history that is not there was asked for, and is missing; so is a type whose name no path can hold.
        refusals = (FORBIDDEN, NOT_OFFERED) if self.settings.run.as_of is None else (FORBIDDEN,)
        return (outcome.reason or "").startswith(refusals) and not ever_held(self.lake.store, outcome.lane)

    def _with_emptied(self, outcome: Outcome, before: Mapping[str, Any] | None) -> Outcome:
        """The outcome, with a notice of the columns that lost all of their values since the previous snapshot."""
        gone, _ = emptied(outcome, before)
        if not gone:
            return outcome
        shown = ", ".join(gone[:5]) + (", …" if len(gone) > 5 else "")
        text = f"columns that had values in the previous snapshot and are empty now ({len(gone)}): {shown}"
        return self._with_notice(outcome, text)

    def _with_narrowed(self, outcome: Outcome) -> Outcome:
        """The outcome, with a notice where rows of a query are about to follow all rows of the type."""
        if not (outcome.columns and narrowed(outcome, self._before.get(outcome.lane))):
            return outcome
        text = (
            f"the previous snapshot has all rows of {outcome.lane.entity}, this one only those of a query: diff does"
            " not compare them. Give a query a lake of its own with --lake"
        )
        return self._with_notice(outcome, text)

    def _with_notice(self, outcome: Outcome, text: str) -> Outcome:
        self.observe(Notice(outcome.lane, text))
        return replace(outcome, notices=(*outcome.notices, text))

    def _tell_of_lost(self) -> None:
        """Say what a skipped type costs that had rows before: each such run is partial."""
        for outcome in self.outcomes:
            if outcome.verdict == "skipped" and self._before.get(outcome.lane, {}).get("files"):
                told = (
                    "had rows before and cannot be read now; its earlier files stay. If you no longer want it, skip it"
                )
                self.observe(Notice(outcome.lane, f"{outcome.lane.entity} {told}: --skip, or `skip` in [run]"))

    def _tell_of_others(self) -> None:
        """Say what becomes of instances that the snapshot before has and the configuration has not."""
        named = {instance.name for instance in self.settings.instances}
        for name in sorted({lane.instance for lane, e in self._before.items() if e.get("files")} - named):
            fate = "its files stay in the snapshot" if self._restricted else "the snapshot no longer has it"
            self._say(f"instance {name} is not in the configuration any more; {fate}")

    def _report(self, verdict: str, manifest: str | None) -> Report:
        asked = (self._fresh_facts or self.facts).logical_date
        return Report(
            run_id=self.facts.run_id,
            logical_date=self.facts.logical_date,
            verdict=verdict,
            outcomes=tuple(sorted(self.outcomes, key=lambda o: o.lane)),
            manifest=manifest,
            lake=self.settings.lake.uri,
            seconds=time.monotonic() - self.started,
            errors=tuple(self.errors),
            still_due=None if asked == self.facts.logical_date else asked,
            latest=self._leads,
        )


def _told_of_deadline(minutes: float) -> str:
    return f"the {minutes:g} minutes that this run may take have passed"


def _told_of(swept: Sweep) -> str:
    gone = [one.logical_date for one in swept.snapshots if not one.reasons]
    days = f" ({', '.join(gone[:MOST_NAMED])}{', …' if len(gone) > MOST_NAMED else ''})" if gone else ""
    what = f"{len(gone)} snapshot{'s' * (len(gone) != 1)} beyond the retention removed{days}"
    return f"{what}, {swept.bytes / 1e6:,.1f} MB freed"


def _entries(found: FoundRun | None) -> dict[Lane, dict[str, Any]]:
    """The lanes of a snapshot as its manifest has them."""
    lanes = found.document["lanes"] if found else ()
    return {Lane(entry["instance"], entry["entity"]): entry for entry in lanes}


async def _look(source: Source) -> None:
    """Look at the discovery cycle beside the field catalogues, so that no lane waits for it alone."""
    with suppress(ServerError):
        await source.discovery()
