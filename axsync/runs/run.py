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
from axsync.events import Notice, Observer, RunStarted, SnapshotPublished
from axsync.lake.history import MOST_NAMED, lanes_of_day
from axsync.lake.journal import ABANDONED, FINISHED, PUBLISHED, Journal, Record
from axsync.lake.lane_files import match_lane_files
from axsync.lake.manifest import verdict_of
from axsync.lake.parts import WriterPool, use_steady_memory
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.replaced import remove_replaced
from axsync.lake.store import storage_errors
from axsync.model import Lane, Outcome, iso
from axsync.pacing.retry import Jitter
from axsync.runs.days import other_day, with_days, with_latest
from axsync.runs.gc import Sweep, sweep_held
from axsync.runs.guards import Earlier, Guards, excused
from axsync.runs.instances import Instances, alive, answering, end_of, open_instances
from axsync.runs.lane import with_detail
from axsync.runs.lane_reader import PAGES_SHARE, RunContext
from axsync.runs.lane_schema import pinned_columns
from axsync.runs.lane_selection import (
    chosen_lanes,
    columns_before,
    count_for,
    refuse_misplaced,
    refuses_type,
)
from axsync.runs.lane_writer import RunStorage
from axsync.runs.learnt import Learnt, believed, learn, read_learnt
from axsync.runs.reading import Reading
from axsync.runs.recovery import recover
from axsync.runs.registries import Registries, known_registries, registries_of
from axsync.runs.replacing import Day, refuse_worse
from axsync.runs.resume import Past, find, give_up, lost_parts, overtaken, plan_of
from axsync.runs.setup import Relay, all_of, alone, facts_of, fit_lake, wait_behind_backfill
from axsync.runs.state import RunMemory, lose, record, restart
from axsync.runs.timeline import TimelineFile
from axsync.schema.registry import Registry
from axsync.settings import LATEST, Settings

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


async def execute(settings: Settings, begin: Begin, observers: Sequence[Observer], jitter: Jitter) -> Report:
    """A run from its beginning to its end, of the kind that `begin` makes. Raises: as `sync`."""
    keeper = Workers(1, "axsync-keeper")
    try:
        return await _executed(settings, begin, all_of(observers), jitter, keeper)
    finally:
        keeper.close()


async def _executed(settings: Settings, begin: Begin, observe: Observer, jitter: Jitter, keeper: Workers) -> Report:
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
    _earlier: Earlier = field(default_factory=Earlier, init=False)
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
            await self.read(chosen, instances)
            return await self.finish()

    def _hold(self, stack: ExitStack) -> list[str]:
        """Take the locks, look again, open the journal; returns what is to be said about it."""
        told = self._lock(stack)
        self.look_back()
        find_earlier = Earlier.of if self.only is None else Earlier.of_backfill
        self._earlier = find_earlier(self.lake, self.facts.logical_date)
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

    async def read(self, chosen: Mapping[str, Sequence[Lane]], instances: Instances) -> None:
        """Read every lane; what was written is durable when this ends, however it ends.

        `chosen` has the lanes of the instances that have answered.
        """
        use_steady_memory()
        lanes = tuple(lane for of_instance in chosen.values() for lane in of_instance)
        self.observe(RunStarted(self.facts.run_id, self.facts.logical_date, lanes))
        workers = Workers(self.settings.run.writers or os.cpu_count() or 1)
        try:
            ended = await self._reading(workers, instances).run(chosen)
        finally:
            workers.close()
        self.outcomes += [one.outcome for one in ended]
        self.errors += [one.error for one in ended if one.error]
        sizes = [(one.outcome.lane, one.found_size) for one in ended if one.read]
        for text in await self.keeper.run(learn, self.lake, self.learnt, alive(instances.found), sizes):
            self._say(text)
        self._note_down([one.outcome.lane for one in ended], instances.found)

    def _reading(self, workers: Workers, instances: Instances) -> Reading:
        settings = self.settings

        async def remember(record: Record) -> None:
            await workers.run(self.journal.append, record)

        late = f"the {settings.run.deadline_minutes:g} minutes that this run may take have passed"
        context = RunContext(
            self.facts.run_id,
            settings.run,
            Budget(settings.lake.buffer_bytes // PAGES_SHARE),
            workers,
            self.observe,
            remember,
            self.journal.note,
            Deadline(end_of(settings.run, self.started), late),
            page_bytes=settings.lake.buffer_bytes,
            registries=self._registries,
        )
        pool = WriterPool(settings.lake, settings.lake.buffer_bytes * 3 // 4)
        numbers, is_new = self.lake.numbers(), not self.resumes
        storage = RunStorage(self.lake, self.facts, pool, self.journal, numbers, is_new)
        return Reading(settings, instances, context, storage, self.memory, self.learnt, self._earlier)

    def _note_down(self, lanes: Sequence[Lane], sources: Mapping[str, Source | ServerError]) -> None:
        wanted = self.settings.run.wanted or tuple(dict.fromkeys(lane.entity for lane in lanes))
        for name, error in sources.items():
            if isinstance(error, ServerError):
                self.errors.append(error)
                self.outcomes += [Outcome(Lane(name, entity), "failed", str(error)) for entity in wanted]

    def _say(self, text: str) -> None:
        self.observe(Notice(None, text))

    async def finish(self) -> Report:
        """Publish what is whole, and say what the run came to. Can be repeated. Raises: StorageError."""
        self.outcomes = self.outcomes or [one.outcome for one in self.memory.lanes.values() if one.outcome]
        guards = Guards(self.settings.run, self._day, self._earlier, self.observe)
        there = await self.keeper.run(lanes_of_day, self.lake, self.facts.logical_date)
        self.outcomes = await self.keeper.run(excused, self.outcomes, self.lake, self.settings.run)
        self.outcomes, refused = guards.applied(self.outcomes, there)
        self.errors += refused
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
            apart=self._apart(self._earlier.lanes),
            before=self._earlier.snapshot,
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

    def _tell_of_others(self) -> None:
        """Say what becomes of instances that the snapshot before has and the configuration has not."""
        named = {instance.name for instance in self.settings.instances}
        for name in sorted({lane.instance for lane, e in self._earlier.lanes.items() if e.get("files")} - named):
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


def _told_of(swept: Sweep) -> str:
    gone = [one.logical_date for one in swept.snapshots if not one.reasons]
    days = f" ({', '.join(gone[:MOST_NAMED])}{', …' if len(gone) > MOST_NAMED else ''})" if gone else ""
    what = f"{len(gone)} snapshot{'s' * (len(gone) != 1)} beyond the retention removed{days}"
    return f"{what}, {swept.bytes / 1e6:,.1f} MB freed"
