"""The lanes of a run, read: each instance as soon as it answers, as many lanes at once as memory and files allow."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from axsync.client.source import Source
from axsync.engine.lane_walk import gather_all
from axsync.errors import AxsyncError, ServerError
from axsync.events import LanesAdded, Notice
from axsync.model import Lane, Outcome
from axsync.pacing.page_size import FoundSize
from axsync.runs.guards import Earlier
from axsync.runs.instances import Instances
from axsync.runs.lane import LaneRun
from axsync.runs.lane_reader import LaneReader, RunContext
from axsync.runs.lane_selection import lanes_of_late
from axsync.runs.lane_writer import LaneWriter, RunStorage
from axsync.runs.learnt import Learnt
from axsync.runs.state import LaneMemory, RunMemory, record
from axsync.settings import Settings

LANES_AT_ONCE = 256
"""Lanes that are open at the same time, of all instances: each takes memory and a file."""
FEWEST_LANES = 2
"""Of one instance, however many there are: its small types do not wait for its largest one."""


@dataclass(frozen=True, slots=True)
class ReadLane:
    """What became of a lane. `found_size` is what its server bears of a page, `read` whether it read anything whole."""

    outcome: Outcome
    error: AxsyncError | None
    found_size: FoundSize | None
    read: bool


@dataclass(slots=True)
class Reading:
    """What the lanes of a run share while they are read. `turns` bounds those that are open at once."""

    settings: Settings
    instances: Instances
    context: RunContext
    storage: RunStorage
    memory: RunMemory
    learnt: Mapping[str, Learnt]
    earlier: Earlier
    left: int = field(init=False)  # instances that are not read yet
    few: int = field(init=False)  # so many of the last are not waited for beyond `publish_wait_minutes`
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LANES_AT_ONCE), init=False)

    def __post_init__(self) -> None:
        """All instances are still to be read."""
        self.left = len(self.instances.settings)
        self.few = max(1, self.left // 10)

    async def run(self, chosen: Mapping[str, Sequence[Lane]]) -> list[ReadLane]:
        """Read every lane. `chosen` has those of the instances that have answered.

        Why an instance cannot be read is in `instances.found` afterwards. Raises: as `LaneRun.run`.
        """
        await self._remember([lane for of_instance in chosen.values() for lane in of_instance])
        read = await gather_all([self._instance(name, chosen.get(name)) for name in self.instances.settings])
        return [one for of_instance in read for one in of_instance]

    def at_once(self, name: str) -> int:
        """Lanes of this instance: its share, by weight."""
        instances = self.instances.settings
        weight, weights = instances[name].weight, sum(one.weight for one in instances.values())
        return max(FEWEST_LANES, LANES_AT_ONCE * weight // weights)

    async def _remember(self, lanes: Sequence[Lane]) -> None:
        fresh = [lane for lane in lanes if lane not in self.memory.lanes]
        if fresh:
            await self.context.remember(record("lanes_chosen", lanes=fresh))

    async def _instance(self, name: str, lanes: Sequence[Lane] | None) -> list[ReadLane]:
        """The lanes of one instance, as soon as it answers; nothing where it does not."""
        try:
            async with self.context.deadline.limit():
                source = await self.instances.answered(name)
        except TimeoutError:
            source = self.instances.give_up(name)
        try:
            if isinstance(source, ServerError):
                return []
            async with source.transport.open():
                return await self._lanes(source, await self._join(source) if lanes is None else lanes)
        except ServerError as error:
            error.add_note(f"instance {name}")
            self.instances.found[name] = error
            return []
        finally:
            self._ended()

    def _ended(self) -> None:
        """An instance is read, or cannot be."""
        self.left -= 1
        minutes = self.context.run.publish_wait_minutes
        if minutes and self.left == self.few:
            reason = f"the instance was still being read {minutes:g} minutes after the others"
            self.context.deadline.bring_forward(asyncio.get_running_loop().time() + minutes * 60, reason)

    async def _join(self, source: Source) -> Sequence[Lane]:
        """The lanes of an instance that answered after the run had begun."""
        lanes = [lane for lane in self.memory.lanes if lane.instance == source.name]
        lanes = lanes or list(await lanes_of_late(self.settings, source))
        if lanes:
            self.context.observe(LanesAdded(tuple(lanes)))
            await self._remember(lanes)
        return lanes

    async def _lanes(self, source: Source, lanes: Sequence[Lane]) -> list[ReadLane]:
        with suppress(TimeoutError):  # the lanes then say so
            async with self.context.deadline.limit():
                await source.wait_stable(self.settings.run.wait_stable_minutes, self._say)
        at_once = self.at_once(source.name)
        gate = asyncio.Semaphore(at_once)
        if len(lanes) > at_once:  # small types first, as far as they are known
            lanes = sorted(lanes, key=lambda lane: (self.earlier.best(lane) or {}).get("rows") or 0)
        _, *ended = await gather_all([_look(source), *(self._read(lane, source, gate) for lane in lanes)])
        return [one for one in ended if one is not None]

    async def _read(self, lane: Lane, source: Source, gate: asyncio.Semaphore) -> ReadLane:
        """Read a lane when it is its turn; what it needs is made then, and is gone afterwards."""
        async with gate, self.turns:
            lane_run = self._lane_run(lane, source)
            outcome = await lane_run.run()
            reader = lane_run.reader
            read = lane_run.error is None and reader.stats.size > 0
            return ReadLane(outcome, lane_run.error, reader.found_size, read=read)

    def _lane_run(self, lane: Lane, source: Source) -> LaneRun:
        instance, entity = self.instances.settings[lane.instance], self.settings.entity(lane.entity)
        reader = LaneReader(lane, source, instance, entity, self.context, self.earlier.best(lane))
        reader.begin_with(self.learnt[lane.instance].pages.get(lane.entity))
        memory = self.memory.lanes.get(lane, LaneMemory())
        return LaneRun(reader, LaneWriter(lane, self.storage, memory))

    def _say(self, text: str) -> None:
        self.context.observe(Notice(None, text))


async def _look(source: Source) -> None:
    """Look at the discovery cycle beside the field catalogues, so that no lane waits for it alone."""
    with suppress(ServerError):
        await source.discovery()
