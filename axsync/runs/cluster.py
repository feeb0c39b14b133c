"""`axsync run --cluster`: the shards of a run as tasks of a Dask cluster. This process shares them out and publishes.

Theory of operation
-------------------
A task is `axsync.runs.shards.work` for one shard, so all that is needed to go on lies in the lake: where a worker is
lost, its shard is given to another one, which reads on from the journal. A worker that only lost touch still holds the
lock of the shard; whoever gets it then finds it busy, and it is given out again a little later.

Workers resolve references to secrets themselves. Nothing secret is sent, and of other hosts not even the references.
Events come home by the scheduler, so that progress and reporters see the whole run.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, get_args

import msgspec

from axsync.credentials.store import CredentialStore, needs_keyring
from axsync.engine.lane_walk import gather_all
from axsync.errors import (
    AxsyncError,
    Busy,
    ClusterLost,
    ConfigError,
    LakeError,
    ServerError,
    Unreachable,
    UsageError,
    WorkerFailed,
)
from axsync.events import Event, LanesAdded, Notice, Observer, RunStarted
from axsync.lake import layout
from axsync.lake.publish import Lake
from axsync.lake.store import storage_errors
from axsync.pacing.retry import Jitter
from axsync.runs.days import logical_date
from axsync.runs.resume import find, plan_of
from axsync.runs.run import Report
from axsync.runs.setup import all_of, alone, fit_lake, host_of
from axsync.runs.shard_plan import ShardPlan, anywhere, key_of, plan_now, read_plan, resolved, write_plan
from axsync.runs.shards import open_run, publish, work
from axsync.runs.state import memory_of
from axsync.settings import Settings

SHARDS_EACH = 4
"""Shards for each thread of the cluster: a thread that is done early takes another one."""
WORKER_SECONDS = 30
"""How long the first worker is waited for."""
BUSY_SECONDS = 5.0
"""Between two attempts at what somebody else still holds."""
LATE_SECONDS = 2.0
"""How long the last events of a shard are waited for."""
TELL_SECONDS = 0.25
"""How often a worker sends its events, and looks whether it is still to go on."""
MOST_LOCAL = 1024
MOST_LOSSES = 100
"""A shard whose workers are lost so often is given up: it may be what kills them."""

READ, BUSY, UNREACHED, FAILED = "read", "busy", "unreached", "failed"
"""How a task ends."""
_EVENTS = {kind.__name__: kind for kind in get_args(Event)}


async def sync_on(
    cluster: str, settings: Settings, *, observers: Sequence[Observer] = (), jitter: Jitter = random.uniform
) -> Report:
    """As `axsync.runs.sync`, with the hosts read by the workers of a cluster: `tcp://…`, `tls://…` or `local:4`.

    Goes on with the newest unfinished run of the same settings that was shared out, by whomever. Raises: as `sync`;
    ClusterLost; WorkerFailed where no shard could be begun.
    """
    del jitter  # the workers pick their own
    started, observe = time.monotonic(), all_of(observers)
    refuse_unfit(settings)
    settings = await resolved(settings, observers)
    lake = await asyncio.to_thread(fit_lake, settings)
    async with connected(cluster) as client:
        threads = sum((await client.nthreads()).values())
        plan = await asyncio.to_thread(_plan_for, settings, lake, threads * SHARDS_EACH)
        shared = SharedRun(client, plan, observe)
        if not await asyncio.to_thread(_is_finished, lake, plan):
            await shared.read()
    report = await shared.published(observers)
    asked = logical_date(settings, datetime.now(UTC))
    still_due = None if asked == report.logical_date else asked
    return replace(report, seconds=time.monotonic() - started, still_due=still_due)


def load_dask() -> Any:  # noqa: ANN401  an extra without types for us
    """Dask's package `distributed`. Raises: ConfigError where it is not installed."""
    try:
        import distributed  # an extra
    except ImportError as error:
        raise ConfigError("--cluster needs Dask; install it with `pip install 'axsync[dask]'`") from error
    return distributed


def refuse_unfit(settings: Settings) -> None:
    """Raises: UsageError for what workers cannot do. StoreError."""
    if settings.run.dry_run:
        raise UsageError("--dry-run and --cluster cannot be combined; counting needs no cluster")
    store = CredentialStore(os.environ)
    for instance in settings.chosen():
        if needs_keyring(instance, store):
            told = f"instance {instance.name}: its credential is in the keyring of this system"
            raise ConfigError(f"{told}, which workers of a cluster cannot open; use file:, env: or command:")


def _plan_for(settings: Settings, lake: Lake, count: int) -> ShardPlan:
    """That of the run to go on with, or a new one, whose journal has begun. Blocks. Raises: UsageError, Busy."""
    found = None
    if not settings.run.fresh:
        now = datetime.now(UTC)
        found = find(lake, key_of(plan_of(settings)), logical_date(settings, now), now)
    if found is not None:
        with storage_errors("read the plan"):
            known = lake.store.read(layout.plan(found.run_id))
        return replace(read_plan(known), settings=anywhere(settings))
    hosts = {host_of(instance.url) for instance in settings.chosen()}
    plan = plan_now(settings, max(min(count, len(hosts)), 1))
    with alone(plan.settings, lake, plan.facts.run_id):
        open_run(lake, plan)
    return plan


def _is_finished(lake: Lake, plan: ShardPlan) -> bool:
    return memory_of(lake, plan.facts.run_id).finished


@asynccontextmanager
async def connected(cluster: str) -> AsyncIterator[Any]:
    """A client of the cluster, or of one on this machine that lasts as long: `local:4` has four processes.

    Raises: ConfigError, ClusterLost.
    """
    distributed = load_dask()
    async with AsyncExitStack() as stack:
        address: Any = cluster
        try:
            if (count := _local(cluster)) is not None:
                # Whoever reaches a scheduler runs code as its owner: with `security`, only who has its certificate.
                local = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "security": True}
                made = distributed.LocalCluster(n_workers=count, asynchronous=True, **local)
                address = await stack.enter_async_context(made)
            client = distributed.Client(address, asynchronous=True, set_as_default=False)
            client = await stack.enter_async_context(client)
            await client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise ClusterLost(f"no scheduler with a worker answers at {cluster}") from error
        except ValueError as error:
            raise ConfigError(
                f"--cluster takes an address such as tcp://scheduler:8786, or local:4: {error}"
            ) from error
        yield client


def _local(cluster: str) -> int | None:
    """How many processes are wanted on this machine; None where the cluster is elsewhere. Raises: ValueError."""
    scheme, _, count = cluster.partition(":")
    if scheme != "local":
        return None
    if not count.isdigit() or not 1 <= int(count) <= MOST_LOCAL:
        raise ValueError(f"local:N has 1 to {MOST_LOCAL} processes")
    return int(count)


# --------------------------------------------------------------------------------------------------------- this process


@dataclass(slots=True)
class SharedRun:
    """A run whose shards are read by a cluster."""

    client: Any
    plan: ShardPlan
    observe: Observer
    _letters: Counter[str] = field(default_factory=Counter, init=False)  # of each task, by its name
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _begun: bool = field(default=False, init=False)
    _failed: list[WorkerFailed] = field(default_factory=list, init=False)
    _unreached: list[Unreachable] = field(default_factory=list, init=False)

    async def read(self) -> None:
        """Have every shard read. Raises: ClusterLost; Unreachable or WorkerFailed where none could be."""
        numbers = [number for number, shard in enumerate(self.plan.shards) if shard.instances]
        topic = f"axsync-{self.plan.facts.run_id}"
        self.client.subscribe_topic(topic, self._heard)
        try:
            await gather_all([self._read(number, topic) for number in numbers])
        finally:
            self.client.unsubscribe_topic(topic)
        if len(self._failed) + len(self._unreached) == len(numbers):
            raise [*self._failed, *self._unreached][0]

    def _heard(self, told: tuple[float, tuple[str, Sequence[Sequence[Any]]]]) -> None:
        home, events = told[1]
        for name, content in events:
            event: Event = msgspec.convert(content, _EVENTS[name])
            self.observe(self._of_the_run(event) if isinstance(event, RunStarted) else event)
        self._letters[home] += 1
        self._news.set()

    async def _hear_out(self, home: str, letters: int) -> None:
        """Wait for what a shard has sent: its end comes another way, and may be quicker. What is lost is only shown."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_SECONDS):
                while self._letters[home] < letters:
                    self._news.clear()
                    await self._news.wait()

    def _of_the_run(self, event: RunStarted) -> Event:
        """The beginning of a shard, which for the run is one only once."""
        begins, self._begun = not self._begun, True
        return event if begins else LanesAdded(event.lanes)

    async def _read(self, number: int, topic: str) -> None:
        losses, waits = 0, 0
        text = write_plan(self.plan.only(number))
        while True:
            key = f"axsync-{self.plan.facts.run_id}-{number}-{os.urandom(4).hex()}"
            ended = await self._asked(key, text, number, topic)
            if ended is None:
                losses += 1
                if losses > MOST_LOSSES:
                    self._failed.append(WorkerFailed(f"shard {number}: {losses} workers were lost while they read it"))
                    return
            elif ended["how"] != BUSY:
                await self._hear_out(ended["home"], int(ended["letters"]))
                self._note(number, ended)
                return
            else:
                if not waits:
                    self.observe(Notice(None, f"shard {number} waits: {ended['words']}"))
                waits += 1
                await asyncio.sleep(BUSY_SECONDS)

    async def _asked(self, key: str, *given: Any) -> dict[str, str] | None:
        """What a worker made of its shard; None where the workers that read it were lost."""
        distributed = load_dask()
        future = self.client.submit(read_shard, version("axsync"), *given, key=key, pure=False)
        try:
            ended: dict[str, str] = await future
        except distributed.KilledWorker:
            return None
        except distributed.CancelledError as error:
            raise ClusterLost("the scheduler of the cluster does not answer any more") from error
        except ImportError as error:
            raise ConfigError(f"a worker of the cluster cannot load axsync ({error}); install it there") from error
        return ended

    def _note(self, number: int, ended: dict[str, str]) -> None:
        if ended["how"] == FAILED:
            error = WorkerFailed(f"shard {number} on {ended['worker']}: {ended['words']}")
            self.observe(Notice(None, str(error)))
            self._failed.append(error)
        elif ended["how"] == UNREACHED:
            self._unreached.append(Unreachable(ended["words"], host=ended["host"]))

    async def published(self, observers: Sequence[Observer]) -> Report:
        """Publish what was read, once nobody holds the lake. Raises: as `axsync.runs.shards.publish`, but for Busy."""
        waits = 0
        while True:
            try:
                report = await publish(self.plan, what_is_whole=bool(self._failed), observers=observers)
                return replace(report, errors=(*report.errors, *self._failed))
            except Busy as error:
                if not waits:
                    self.observe(Notice(None, f"publishing waits: {error}"))
                waits += 1
            await asyncio.sleep(BUSY_SECONDS)


# ------------------------------------------------------------------------------------------------------------- a worker


def read_shard(own_version: str, plan: str, number: int, topic: str) -> dict[str, str]:
    """The task: read a shard, say how that ended. In a thread of a worker."""
    worker = load_dask().get_worker()
    if version("axsync") != own_version:
        words = f"it has axsync {version('axsync')}, but the run was started by {own_version}; install that version"
        return {"how": FAILED, "words": words, "worker": worker.address, "home": "", "letters": "0"}
    home = Home(worker, topic, worker.get_current_task())
    ended = asyncio.run(_read(read_plan(plan.encode()), number, home))
    return {**ended, "worker": worker.address, "home": home.name, "letters": str(home.letters)}


async def _read(plan: ShardPlan, number: int, home: "Home") -> dict[str, str]:
    home.watch()
    try:
        await asyncio.to_thread(_refuse_other_lake, plan, number)
        await work(plan, number, observers=[home])
    except Busy as error:
        return {"how": BUSY, "words": str(error)}
    except Unreachable as error:
        return {"how": UNREACHED, "words": str(error), "host": error.host}
    except ServerError as error:
        return {"how": READ, "words": str(error)}  # the journal of the shard says so, too
    except AxsyncError as error:
        return {"how": FAILED, "words": str(error)}
    finally:
        home.send()
    return {"how": READ, "words": ""}


def _refuse_other_lake(plan: ShardPlan, number: int) -> None:
    """Blocks. Raises: LakeError where the worker does not see what this run has begun in its lake."""
    lake = fit_lake(plan.settings_of(number))
    if lake.store.size(layout.journal(plan.facts.run_id)) is None:
        raise LakeError(f"the lake {lake.name!r} is not that of run {plan.facts.run_id}; mount it there")


@dataclass(slots=True)
class Home:
    """An observer that sends events to where the run was begun, and stops the shard when nobody waits for it."""

    worker: Any
    topic: str
    task: str
    name: str = field(default_factory=lambda: os.urandom(8).hex())
    letters: int = 0  # that were sent
    _events: list[tuple[str, Any]] = field(default_factory=list, init=False)

    def __call__(self, event: Event) -> None:
        self._events.append((type(event).__name__, msgspec.to_builtins(event)))

    def watch(self) -> None:
        """From now on, as long as this loop runs."""
        self._look(asyncio.get_running_loop(), asyncio.current_task())

    def _look(self, loop: asyncio.AbstractEventLoop, reading: "asyncio.Task[Any] | None") -> None:
        self.send()
        known = self.worker.state.tasks.get(self.task)
        if reading is not None and (known is None or known.state != "executing"):
            reading.cancel()
        else:
            loop.call_later(TELL_SECONDS, self._look, loop, reading)

    def send(self) -> None:
        """Send what has happened since."""
        if self._events:
            events, self._events = self._events, []
            self.worker.log_event(self.topic, (self.name, events))
            self.letters += 1
