"""`axsync backfill`: days of history, newest first, each a run and a snapshot of its own.

What is left to do is asked of the lake, day by day: lanes that a day has as they are wanted are not read again, those
that are better stay, and a run that was interrupted is resumed by its journal. So the same command goes on wherever
it was stopped, and a day that the server has not leaves nothing behind.
"""

import asyncio
import random
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias

from axsync.client.history_days import HistoryDays
from axsync.client.source import Source
from axsync.engine.lane_walk import Workers, gather_all
from axsync.errors import AxsyncError, Busy, ConfigError, OutOfTime, Refused, ServerError, Unreachable
from axsync.events import DayBegun, Notice, Observer
from axsync.lake import layout
from axsync.lake.history import DayLane, is_whole, lanes_of_day, snapshots
from axsync.lake.id_index import ever_held
from axsync.lake.manifest import Snapshot
from axsync.lake.publish import Lake
from axsync.model import Lane
from axsync.pacing.retry import Jitter
from axsync.runs.instances import answering, open_sources
from axsync.runs.lane import FORBIDDEN
from axsync.runs.lane_selection import asked_by, chosen_lanes, columns_before, refuse_misplaced
from axsync.runs.learnt import believed, read_learnt
from axsync.runs.replacing import Day, less_asked
from axsync.runs.retention import keeps
from axsync.runs.run import Report, let_go, sync_day
from axsync.runs.setup import Relay, all_of, fit_lake, is_awaited, is_in_use, mark_backfill
from axsync.settings import InstanceSettings, Settings, as_day
from axsync.settings.checks import check_day

MOST_DAYS = 3_660
HALF = 50
"""Percent of the limits of an instance: the rest is for whoever else asks the host meanwhile."""
LOOK_SECONDS = 5.0
"""How often a day that is being read looks whether another run waits for the lake."""
WAIT_SECONDS = 2.0
"""How often it is tried whether that run has ended."""

DayState: TypeAlias = Literal["published", "partial", "failed", "there", "kept", "none", "beyond", "due", "left"]
"""What became of a day.

published  read now, all of it
partial    published, but an entity type failed or was held back
failed     nothing of it is published
there      the lake had all of it
kept       the lake has live data of it, which are better
none       the server has no snapshot of it
beyond     the retention would not keep it, so it was not read
due        would be read; of a dry run
left       not reached: the host or the time was gone before
"""


@dataclass(frozen=True, slots=True)
class BackfillDay:
    """What became of a day. `rows` are those that were read, of a dry run counted; None where nobody counted them.

    `lacking` are lanes of which the server has no snapshot of this day, `run_id` the run that read it now.
    """

    day: str
    state: DayState
    rows: int | None = 0
    lanes: int = 0
    lacking: tuple[Lane, ...] = ()
    run_id: str | None = None
    errors: tuple[AxsyncError, ...] = ()


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a backfill came to. `days` are newest first.

    `never` are lanes without history on any of the days, `closed` those that the role may not read; `missed` are those
    of both that were named, or that the lake has had rows of. `stopped` is why days are left, `errors` are those of
    instances that could not be asked.
    """

    lake: str
    days: tuple[BackfillDay, ...]
    seconds: float
    dry_run: bool = False
    never: tuple[Lane, ...] = ()
    closed: tuple[Lane, ...] = ()
    missed: tuple[Lane, ...] = ()
    stopped: AxsyncError | None = None
    errors: tuple[AxsyncError, ...] = ()

    def count(self, *states: DayState) -> int:
        """How many days came to one of these."""
        return sum(one.state in states for one in self.days)

    @property
    def is_whole(self) -> bool:
        """Whether the lake has all that was asked for; of a dry run, whether it will have."""
        found = self.count("published", "there", "kept", "due") == len(self.days)
        return found and not (self.all_errors or self.missed or any(one.lacking for one in self.days))

    @property
    def all_errors(self) -> tuple[AxsyncError, ...]:
        """Those of all days as well."""
        own = [error for one in self.days for error in one.errors]
        stopped = [self.stopped] if self.stopped is not None and self.stopped not in own else []
        return (*self.errors, *own, *stopped)


class _MadeWay(Exception):
    """The day was left, because another run waits for the lake."""


async def backfill(
    settings: Settings,
    first: str,
    last: str,
    *,
    share: int = HALF,
    observers: Sequence[Observer] = (),
    jitter: Jitter = random.uniform,
) -> Backfill:
    """Copy each day of history from `first` to `last` into the lake, newest first.

    Takes `share` percent of the requests per second and of the requests in flight that the instances allow. Makes way
    for other runs of the lake. `run.dry_run` only counts.

    Raises: UsageError before anything is written or sent; UnknownEntity, Refused, Unreachable before anything is
        written, when no instance can be asked; Busy when another run holds the lake at the beginning; StorageError.
    """
    days = days_between(first, last, datetime.now(UTC))
    settings = replace(settings, instances=tuple(shared(one, share) for one in settings.instances))
    newest = of_day(settings, days[0])
    heard, keeper = Relay(all_of(observers)), Workers(1, "axsync-keeper")
    try:
        lake = await keeper.run(fit_lake, newest)
        refuse_misplaced(newest)
        known = believed(await keeper.run(read_learnt, lake, settings), datetime.now(UTC).date())
        async with open_sources(settings, heard, jitter=jitter, known=known) as found:
            there = answering(found)
            errors = [error for error in found.values() if isinstance(error, ServerError)]
            lanes = await chosen_lanes(newest, there, await keeper.run(columns_before, lake, days[0]))
            async with let_go(keeper) as held:
                if not settings.run.dry_run:
                    await keeper.run(held.enter_context, mark_backfill(lake))
                return await _Backfill(settings, lake, there, lanes, heard, keeper, errors=errors).run(days)
    finally:
        keeper.close()


def days_between(first: str, last: str, now: datetime) -> tuple[str, ...]:
    """The days from `first` to `last`, newest first. Raises: ConfigError."""
    check_day("--from", first)
    check_day("--to", last)
    begin, end = (date.fromisoformat(as_day(day, now)) for day in (first, last))
    if end > now.astimezone(UTC).date():
        raise ConfigError(f"--to is {end}, a day that has not come yet; history ends today (UTC)")
    if begin > end:
        raise ConfigError(f"--from is {begin}, which is after --to, {end}")
    count = (end - begin).days + 1
    if count > MOST_DAYS:
        raise ConfigError(f"--from and --to are {count:,} days apart; a backfill takes at most {MOST_DAYS:,}")
    return tuple((end - timedelta(days=back)).isoformat() for back in range(count))


def shared(instance: InstanceSettings, percent: int) -> InstanceSettings:
    """The instance with this part of its limits. Raises: ConfigError."""
    if not 1 <= percent <= 100:
        raise ConfigError(f"--share must be between 1 and 100 percent, not {percent}")
    rate, at_once = instance.requests_per_second * percent / 100, instance.in_flight * percent // 100
    return replace(instance, requests_per_second=max(rate, 0.01), in_flight=max(at_once, 1))


def pace_of(settings: Settings, share: int) -> list[str]:
    """What a backfill asks of each instance at most, in words. Raises: ConfigError."""
    return [
        f"instance {one.name}: at most {one.requests_per_second:g} requests per second, {one.in_flight} in flight"
        for one in (shared(instance, share) for instance in settings.chosen())
    ]


def of_day(settings: Settings, day: str) -> Settings:
    """The settings of `axsync run --as-of DAY`, whose runs these are. What the retention keeps is not looked at."""
    run = replace(settings.run, as_of=day, logical_date=None, fresh=False, dry_run=False, wait_stable_minutes=0.0)
    return replace(settings, run=run, lake=replace(settings.lake, gc=False))


@dataclass(slots=True)
class _Backfill:
    """One execution: which lanes are wanted of each day, and what became of the days so far."""

    settings: Settings
    lake: Lake
    sources: dict[str, Source]
    lanes: tuple[Lane, ...]
    heard: Relay
    keeper: Workers
    errors: list[ServerError]
    started: float = field(default_factory=time.monotonic)
    days: list[BackfillDay] = field(default_factory=list)
    stopped: AxsyncError | None = None
    history: dict[str, HistoryDays] = field(default_factory=dict)
    seen: set[Lane] = field(default_factory=set)  # on any day, at the server or in the lake
    snapshots: list[Snapshot] = field(default_factory=list)  # of the lake, where the retention matters

    async def run(self, days: Sequence[str]) -> Backfill:
        """All days, as long as there is somebody to ask and time left."""
        self.history = {name: HistoryDays(source) for name, source in self.sources.items()}
        if self.settings.lake.gc:
            self.snapshots = await self.keeper.run(_whole, self.lake)
        for number, day in enumerate(days, 1):
            if self._is_over():
                break
            self.heard(DayBegun(day, number, len(days)))
            if not self.settings.run.dry_run:
                await self._let_others_go_first(f"{day}: another run is using the lake; waiting for it to end")
            self.days.append(await self._day(day))
        return await self._result(days)

    async def _result(self, days: Sequence[str]) -> Backfill:
        closed = tuple(lane for lane in self.lanes if self._is_closed(lane))
        lacked = {lane for one in self.days for lane in one.lacking}
        never = tuple(lane for lane in self.lanes if lane in lacked - self.seen)
        told = [replace(one, lacking=tuple(lane for lane in one.lacking if lane in self.seen)) for one in self.days]
        lost = await self.keeper.run(lambda: [lane for lane in closed if ever_held(self.lake.store, lane)])
        return Backfill(
            lake=self.settings.lake.uri,
            days=(*told, *(BackfillDay(day, "left") for day in days[len(told) :])),
            seconds=time.monotonic() - self.started,
            dry_run=self.settings.run.dry_run,
            never=never,
            closed=closed,
            missed=(*(never if self.settings.run.wanted else ()), *lost),
            stopped=self.stopped,
            errors=tuple(self.errors),
        )

    def _say(self, text: str) -> None:
        self.heard(Notice(None, text))

    def _is_over(self) -> bool:
        minutes = self.settings.run.deadline_minutes
        if self.stopped is None and minutes and self._seconds_left() <= 0:
            self.stopped = OutOfTime(f"the {minutes:g} minutes of --deadline are over")
        return self.stopped is not None

    def _seconds_left(self) -> float:
        return self.started + self.settings.run.deadline_minutes * 60 - time.monotonic()

    def _is_closed(self, lane: Lane) -> bool:
        history = self.history.get(lane.instance)
        return history is not None and self.settings.asked(lane.entity) in history.closed

    async def _day(self, day: str) -> BackfillDay:
        there = await self.keeper.run(lanes_of_day, self.lake, day)
        same, better = self._held(day, there)
        self.seen |= same | better
        if not there and self.settings.lake.gc and not self._is_kept(day):
            return BackfillDay(day, "beyond")
        asked = [lane for lane in self.lanes if lane.instance in self.sources and lane not in same | better]
        found = await self._found(day, asked)
        self.seen |= found.keys()
        lacking = tuple(lane for lane in asked if lane not in found and not self._is_closed(lane))
        if self.stopped is not None:
            return BackfillDay(day, "left")
        if not found:
            rows = sum(there[lane].rows for lane in same)
            return BackfillDay(day, "there" if same else "kept" if better else "none", rows, len(same), lacking)
        if self.settings.run.dry_run:
            counts = list(found.values())
            rows_due = None if None in counts else sum(count or 0 for count in counts)
            return BackfillDay(day, "due", rows_due, len(found), lacking)
        return self._concluded(day, await self._read(day, found), lacking)

    def _held(self, day: str, there: Mapping[Lane, DayLane]) -> tuple[set[Lane], set[Lane]]:
        """The lanes that the day has just as they are wanted, and those that history does not replace."""
        same, better = set[Lane](), set[Lane]()
        run, now = of_day(self.settings, day).run, Day(day, datetime.now(UTC))
        for lane in self.lanes:
            if (held := there.get(lane)) is not None:
                asked = asked_by(self.settings.entity(lane.entity), lane.entity, run)
                if held.asked == asked and held.record.verdict == "complete":
                    same.add(lane)
                elif less_asked(asked, held, now):
                    better.add(lane)
        return same, better

    def _is_kept(self, day: str) -> bool:
        """Whether the retention will keep this day. All newer ones are there already, so this is sure."""
        moment = datetime.now(UTC)
        new = Snapshot("", day, day, moment, moment, "", "complete", ())
        return keeps(new, self.snapshots, self.settings.lake.retention, moment + timedelta(minutes=1))

    async def _found(self, day: str, asked: Sequence[Lane]) -> dict[Lane, int | None]:
        """Those of these lanes that the server has of the day, with their rows where they were counted."""
        names = list(dict.fromkeys(lane.instance for lane in asked))
        told = await gather_all([self._found_at(name, day, asked) for name in names])
        return {lane: count for one in told for lane, count in one.items()}

    async def _found_at(self, name: str, day: str, asked: Sequence[Lane]) -> dict[Lane, int | None]:
        own = {lane: self.settings.asked(lane.entity) for lane in asked if lane.instance == name}
        try:
            counts = await self.history[name].found(day, dict.fromkeys(own.values()), gather_all)
        except (Refused, Unreachable) as error:
            error.add_note(f"instance {name}")
            self.errors.append(error)
            del self.sources[name]
            self.stopped = None if self.sources else error
            return {}
        return {lane: counts[entity] for lane, entity in own.items() if entity in counts}

    async def _read(self, day: str, lanes: Collection[Lane]) -> Report | None:
        """The run of a day, begun again behind whoever it made way for; None where the time is over before."""
        settings = of_day(self.settings, day)
        while not self._is_over():
            if settings.run.deadline_minutes:
                left = max(self._seconds_left() / 60, 0.001)
                settings = replace(settings, run=replace(settings.run, deadline_minutes=left))
            try:
                return await self._unless_awaited(settings, lanes)
            except _MadeWay:
                await self._let_others_go_first(f"{day}: another run is waiting for the lake; this backfill yields")
            except Busy as busy:
                await asyncio.sleep(WAIT_SECONDS)
                await self._let_others_go_first(f"{day}: {busy}; waiting for it to end")
        return None

    async def _unless_awaited(self, settings: Settings, lanes: Collection[Lane]) -> Report:
        over = asyncio.Event()

        async def read() -> Report | None:
            try:
                return await sync_day(settings, lanes, self.sources, self.heard, self.keeper)
            finally:
                over.set()

        async def watch() -> None:
            while not await _is_set(over, LOOK_SECONDS):
                if await asyncio.to_thread(is_awaited, self.lake):
                    raise _MadeWay

        report, _ = await gather_all([read(), watch()])
        if report is None:
            raise AssertionError("a day that was read has a report")
        return report

    async def _let_others_go_first(self, why: str) -> None:
        """Ask nothing while another run of the lake asks, or waits for it."""
        said = False
        while not self._is_over() and await asyncio.to_thread(is_in_use, self.lake):
            if not said:
                self._say(why)
            said = True
            await asyncio.sleep(WAIT_SECONDS)

    def _concluded(self, day: str, report: Report | None, lacking: tuple[Lane, ...]) -> BackfillDay:
        if report is None:
            return BackfillDay(day, "left")
        self._learn(report)
        state: DayState = "failed"
        if report.manifest is not None:
            state = "published" if report.verdict == "complete" and not report.errors else "partial"
            moment = datetime.now(UTC)
            self.snapshots.append(Snapshot(report.run_id, day, day, moment, moment, "", report.verdict, ()))
        rows = sum(outcome.rows for outcome in report.outcomes)
        errors = tuple(map(_without_frames, report.errors))
        return BackfillDay(day, state, rows, len(report.outcomes), lacking, report.run_id, errors)

    def _learn(self, report: Report) -> None:
        """Ask no more who could not be reached, nor for what may not be read."""
        gone = {error.host: error for error in report.errors if isinstance(error, Refused | Unreachable)}
        for name, source in list(self.sources.items()):
            own = [outcome for outcome in report.outcomes if outcome.lane.instance == name]
            for outcome in own:
                if outcome.verdict == "skipped" and (outcome.reason or "").startswith(FORBIDDEN):
                    self.history[name].closed[self.settings.asked(outcome.lane.entity)] = outcome.reason or ""
            error = gone.get(source.transport.host)
            if error is not None and own and not any(outcome.verdict == "complete" for outcome in own):
                del self.sources[name]
                self.stopped = None if self.sources else error


def _whole(lake: Lake) -> list[Snapshot]:
    if not lake.store.has(layout.CONTROL):
        return []
    return [snapshot for snapshot in snapshots(lake)[0] if is_whole(lake, snapshot)]


def _without_frames(error: AxsyncError) -> AxsyncError:
    """The error and its causes without tracebacks, which would keep what its day held to the end of the backfill."""
    found: BaseException | None = error
    while found is not None and found.__traceback__ is not None:
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
    return error


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
