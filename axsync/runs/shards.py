"""A run that several processes share: each reads some hosts, one publishes. A lake is all that they have in common.

Theory of operation
-------------------
A shard is a run without a publication: it reads its instances as any run does, into the staging folder of the run, and
keeps a journal of its own. Lanes of one run never meet in a folder, since an instance is in one shard only. Its last
record says what became of the lanes that it did not close. Publication is a run without reading: its lanes come from
those journals. What it takes over it writes into the journal of the run first, so that from there on, for whoever looks
back or puts right what a kill has left, it is a run like any other.

The shards of a run share the lock of the lake: an ordinary run, gc, and shards of another run are kept away, and with
them whoever could ask the same hosts. Each shard has a lock besides, so that it is read by one process at a time.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial, reduce

from axsync.client.source import Source
from axsync.engine.lane_walk import gather_all
from axsync.errors import LakeError, ServerError, ShardFailed, ShardUnfinished, UsageError
from axsync.events import Observer
from axsync.lake import layout
from axsync.lake.journal import Record, encode
from axsync.lake.manifest import verdict_of
from axsync.lake.publish import Lake
from axsync.lake.schemas import registered
from axsync.lake.store import storage_errors
from axsync.model import Lane, Outcome, Part
from axsync.pacing.retry import Jitter
from axsync.runs.instances import alive
from axsync.runs.lane_selection import lanes_of_late
from axsync.runs.registries import Registries, SettledColumns
from axsync.runs.resume import Past, resumable
from axsync.runs.run import Given, Report, Run, execute
from axsync.runs.setup import alone
from axsync.runs.shard_plan import ShardPlan, write_plan
from axsync.runs.state import LaneMemory, RunMemory, memory_of, record, shards_of
from axsync.runs.timeline import beside, read_timeline
from axsync.runs.timeline import encode as encode_timeline
from axsync.schema.registry import Registry

PACE_SECONDS = 1.0
"""The time that `requests_per_second` is about."""


async def work(
    plan: ShardPlan, number: int, *, observers: Sequence[Observer] = (), jitter: Jitter = random.uniform
) -> Report:
    """Read the hosts of one shard. Goes on where an earlier process stopped; what is read already is not read again.

    Nothing is published: the report has no manifest. Raises: as `axsync.runs.sync`, and UsageError for a plan that is
    too old, or given up; Busy where the shard is being read, or another run uses the lake.
    """
    if not plan.shard(number).instances:
        facts, uri = plan.facts, plan.settings.lake.uri
        return Report(facts.run_id, facts.logical_date, "complete", (), None, uri, 0.0, shard=number)
    begin = partial(ShardRun.of, plan, number)
    return await execute(plan.settings_of(number), begin, observers, jitter)


async def publish(plan: ShardPlan, *, what_is_whole: bool = False, observers: Sequence[Observer] = ()) -> Report:
    """Make one snapshot of what the shards have read, by the rules of any run. Asks no instance. Can be repeated.

    Raises: ShardUnfinished where a shard has not come to its end, unless only `what_is_whole` is wanted; UsageError;
    Busy as long as a shard is being read, or another run uses the lake; StorageError.
    """
    begin = partial(Publication.of, plan, what_is_whole)
    return await execute(plan.run_settings, begin, observers, random.uniform)


def open_run(lake: Lake, plan: ShardPlan) -> None:
    """Begin the journal of the run, whichever process comes first, with the plan beside it. Raises: StorageError."""
    run_id, opened = plan.facts.run_id, record("run_opened", facts=plan.facts, plan=plan.key, dated=plan.dated)
    with storage_errors("keep the journal"):
        if lake.store.size(layout.journal(run_id)) is None:
            lake.store.write_if_absent(layout.plan(run_id), write_plan(plan).encode())
            lake.store.write_if_absent(layout.journal(run_id), encode(opened))


def run_memory(lake: Lake, plan: ShardPlan) -> RunMemory:
    """What the journal of the run says. Raises: UsageError where it is of another plan, or was given up."""
    memory, run_id = memory_of(lake, plan.facts.run_id), plan.facts.run_id
    if memory.facts is not None and (memory.plan, memory.facts) != (plan.key, plan.facts):
        raise UsageError(f"run {run_id} of the lake {lake.name!r} belongs to another plan; make a new plan")
    if memory.over and not memory.finished:
        raise UsageError(f"run {run_id} was given up; make a new plan")
    return memory


@dataclass(slots=True, kw_only=True)
class ShardRun(Run):
    """The part of a run that one process reads."""

    shards: ShardPlan
    number: int
    _began: float = field(default_factory=time.monotonic, init=False)
    _unreached: dict[str, str] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, plan: ShardPlan, number: int, given: Given) -> "ShardRun":
        """Alone with its hosts from now on.

        Raises: UsageError where it is too late, LakeError where this is another lake; Busy, StorageError.
        """
        history = plan.facts.as_of is not None  # which is what it was on any day
        if not resumable(RunMemory(plan.facts, dated=history), datetime.now(UTC)):
            made = f"the plan of run {plan.facts.run_id} was made at {plan.facts.started_at}"
            raise UsageError(f"{made}, and data read now would be of another day; make a new one")
        if plan.registry and not registered(given.lake.store):
            told = f"the lake {given.lake.name!r} has no columns on record, and had some when the plan was made"
            raise LakeError(f"{told}; mount the lake of the plan, or name it with --lake")
        run_id = plan.facts.run_id
        given.held.enter_context(alone(given.settings, given.lake, run_id, shared=True))
        key, what = layout.shard_lock(run_id, number), f"shard {number} of run {run_id}"
        again = given.lake.store.size(key) is not None
        given.held.enter_context(given.lake.store.hold(key, what=what, run=layout.shard(run_id, number)))
        if again:  # what an earlier process asked a moment ago counts for the pace of its hosts
            time.sleep(PACE_SECONDS)
        # The time that a run may take is that of all its processes, one after the other if there are few.
        before = datetime.now(UTC) - datetime.fromisoformat(plan.facts.started_at)
        started = time.monotonic() - max(before.total_seconds(), 0.0)
        return cls.named(plan.facts, given, shards=plan, number=number, started=started)

    @property
    def journal_name(self) -> str:
        return layout.shard(self.shards.facts.run_id, self.number)

    @property
    def plan(self) -> str:
        return self.shards.key

    def past(self) -> Past | None:
        memory = memory_of(self.lake, self.journal_name)
        memory.finished = run_memory(self.lake, self.shards).finished
        if others := {lane.instance for lane in memory.lanes} - set(self.shards.shard(self.number).instances):
            began = f"shard {self.number} of run {self.shards.facts.run_id} began with instance {min(others)!r}"
            raise UsageError(f"{began}, which this plan gives to another shard; use the plan that it began with")
        return Past(self.journal_name, memory)

    def give_up_others(self) -> list[str]:
        return []  # their shards may still be read, or published

    def _lock(self, stack: ExitStack) -> list[str]:
        del stack  # it has its locks since before the first request
        open_run(self.lake, self.shards)
        return []

    def registries_with(self, known: Mapping[str, Registry]) -> Registries:
        found = Run.registries_with(self, known)
        found.settled = SettledColumns(self.lake.store, self.facts.run_id)
        return found

    async def already_done(self) -> Report:
        self._say(f"run {self.facts.run_id} is published; nothing is left to read")
        self.outcomes = [lane.outcome for lane in self.memory.lanes.values() if lane.outcome]
        return self._came_to()

    async def choose(self, sources: Mapping[str, Source | ServerError]) -> tuple[Lane, ...]:
        """The lanes of its instances. A type or field that none of them has may be one of other shards: its lane tells.

        Raises: the error of one instance, where none answers; the journal says so then.
        """
        there = alive(sources)
        if not there:
            async with self.held():
                self._note_down((), sources)
                await self.finish()
            raise self.errors[0]
        known = {lane.instance for lane in self.memory.lanes}
        kept = [lane for lane in self.memory.lanes if lane.instance in there]
        fresh = [lanes_of_late(self.settings, source) for name, source in there.items() if name not in known]
        return (*kept, *(lane for lanes in await gather_all(fresh) for lane in lanes))

    def _note_down(self, lanes: Sequence[Lane], sources: Mapping[str, Source | ServerError]) -> None:
        self._unreached = {name: str(error) for name, error in sources.items() if isinstance(error, ServerError)}
        Run._note_down(self, lanes, sources)  # noqa: SLF001  of the class above

    async def finish(self) -> Report:
        """Say in the journal what the shard came to. Raises: StorageError."""
        self.outcomes = self.outcomes or [one.outcome for one in self.memory.lanes.values() if one.outcome]
        left = [o for o in self.outcomes if self.memory.lanes.get(o.lane, LaneMemory()).outcome is None]
        told = record("shard_ended", outcomes=left, unreached=self._unreached)
        await self.keeper.run(self.journal.append, told)
        return self._came_to()

    def _came_to(self) -> Report:
        report = self._report(verdict_of(self.outcomes), None)
        return replace(report, shard=self.number, seconds=time.monotonic() - self._began)


@dataclass(slots=True, kw_only=True)
class Publication(Run):
    """The end of a run that several processes have read."""

    shards: ShardPlan
    what_is_whole: bool
    _states: dict[int, RunMemory] = field(default_factory=dict, init=False)  # by shard, of those that have hosts
    _known: dict[Lane, LaneMemory] = field(default_factory=dict, init=False)  # what the journal of the run says already

    @classmethod
    def of(cls, plan: ShardPlan, what_is_whole: bool, given: Given) -> "Publication":  # noqa: FBT001  by `partial`
        return cls.named(plan.facts, given, shards=plan, what_is_whole=what_is_whole)

    @property
    def plan(self) -> str:
        return self.shards.key

    def past(self) -> Past | None:
        run_id = self.shards.facts.run_id
        memory = run_memory(self.lake, self.shards)
        if memory.facts is None:
            raise UsageError(f"no shard of run {run_id} has begun in the lake {self.lake.name!r}; start `axsync work`")
        self._known = dict(memory.lanes)
        if not memory.finished:
            journals = shards_of(self.lake, run_id)
            numbers = [number for number, shard in enumerate(self.shards.shards) if shard.instances]
            self._states = {number: journals.get(number, RunMemory()) for number in numbers}
            memory.lanes = {lane: known for one in self._states.values() for lane, known in one.lanes.items()}
        return Past(run_id, memory)

    async def without_asking(self) -> Report:
        if not self._is_done():
            async with self.held():
                if not self._is_done():
                    return await self.finish()
        return await self.already_done()

    def _is_done(self) -> bool:
        return self.memory.finished

    def _open_journal(self) -> list[str]:
        """Refuse, or take over into the journal of the run what came of the shards since it was last done."""
        unfinished = self._unfinished()
        if unfinished and not self.what_is_whole:
            more = f" (and {len(unfinished) - 1} more)" if unfinished[1:] else ""
            raise ShardUnfinished(f"{unfinished[0]}{more}, so nothing is published")
        self._journal = self.lake.journal(self.journal_name).begin()
        if news := list(self._news()):
            self._journal.append(*news)
        return [f"{text}; its hosts keep their earlier files" for text in unfinished]

    def _unfinished(self) -> list[str]:
        """Which shards have not come to their end, one sentence for each."""
        return [
            f"shard {number} of run {self.facts.run_id} {_lacking(state)}"
            for number, state in self._states.items()
            if not state.has_ended or state.unsettled
        ]

    def _news(self) -> Iterator[Record]:
        """Records that make the journal of the run know each lane as its shard does."""
        closed = {lane: known for lane, known in self.memory.lanes.items() if known.outcome}
        news = {lane: known for lane, known in closed.items() if _end(self._known.get(lane)) != _end(known)}
        if news:
            yield record("lanes_chosen", lanes=list(news))
        for lane, known in news.items():
            for part in known.parts:
                yield record("part_sealed", lane, part=part, letters_size=known.letters_size)
            yield record("lane_closed", lane, outcome=known.outcome)

    async def finish(self) -> Report:
        closed = [one.outcome for one in self.memory.lanes.values() if one.outcome]
        self.outcomes = [*closed, *self._not_closed()]
        for outcome in self.outcomes:
            if outcome.verdict == "failed":
                error = ShardFailed(outcome.reason or "failed")
                error.add_note(str(outcome.lane))
                self.errors.append(error)
        return await Run.finish(self)

    def _not_closed(self) -> Iterator[Outcome]:
        """What became of lanes of which there is nothing to publish: skipped, failed, not reached, not read."""
        for number, state in self._states.items():
            yield from (one for lane, one in state.ended.items() if state.lanes.get(lane, LaneMemory()).outcome is None)
            told = {lane.instance for lane in (*state.lanes, *state.ended)}
            for name in self.shards.shards[number].instances:
                if name not in told:
                    yield from self._failed(name, state.unreached.get(name, f"shard {number} has not read it"))
            for lane in state.unsettled:
                yield Outcome(lane, "failed", f"shard {number} is unfinished")

    def _failed(self, instance: str, why: str) -> Iterator[Outcome]:
        """Of an instance of which no lane is known: what was asked for, or what others have and it had."""
        had = {lane.entity for lane in self._earlier.lanes if lane.instance == instance and self._names(lane.entity)}
        others = {lane.entity for lane in self.memory.lanes}
        for entity in self.settings.run.wanted or sorted(had | others):
            yield Outcome(Lane(instance, entity), "failed", why)

    async def _keep_timeline(self) -> None:
        """What its processes saw, as if they had begun together."""
        await self.keeper.run(self._join_timelines)

    def _join_timelines(self) -> None:
        run_id = self.facts.run_id
        seen = [read_timeline(self.lake, layout.shard(run_id, number)) for number in self._states]
        if found := [timeline for timeline in seen if timeline is not None]:
            with suppress(OSError):
                self.lake.store.write(layout.timeline(run_id), encode_timeline(reduce(beside, found)))


def _lacking(state: RunMemory) -> str:
    if state.facts is None:
        return "has not begun"
    if not state.has_ended:
        return "is unfinished"
    more = f" and {len(state.unsettled) - 1} more" if state.unsettled[1:] else ""
    return f"has to read {state.unsettled[0]}{more} again"


def _end(known: LaneMemory | None) -> tuple[Outcome | None, list[Part]]:
    return (known.outcome, known.parts) if known else (None, [])
