"""Opens the instances of a run: credentials, limits, transport, probe. Instances on one host share its limits.

Each instance is probed by itself, so that one that hangs delays no other. As many stay connected as the files that this
process may open allow; where there are more, each connects when it is asked and disconnects afterwards.
"""

import asyncio
import os
import random
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from axsync.client import Known, probe
from axsync.client.connection import connection_config
from axsync.client.source import Source
from axsync.client.transport import Transport
from axsync.credentials import Credential, CredentialStore, credential_for, stored
from axsync.engine.lane_walk import gather_all
from axsync.errors import OutOfMemory, ServerError, StorageError, Unreachable
from axsync.events import Asking, Notice, Observer
from axsync.lake.parts import share_of_files
from axsync.model import iso
from axsync.pacing.limiter import HostLimiter, requests_to
from axsync.pacing.retry import Jitter
from axsync.settings import InstanceSettings, RunSettings, Settings

MayAsk: TypeAlias = Callable[[], Awaitable[None]]
MOST_FILES = 65_536
"""No run needs more open files."""
OWN_FILES = 64
"""Open files that are neither parts nor connections: libraries, journals, what is read and hashed."""
OTHERS_SECONDS = 2.0
"""How long a run waits for the other instances when the first has answered; those that answer later join it."""


def raise_file_limit() -> None:
    """Let this process open as many files as the system grants it; many systems grant few unless asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # some systems grant less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connected_at_once(in_flight: int) -> int:
    """How many instances with so many requests in flight may be connected at the same time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(1, (files - min(share_of_files(), files) - OWN_FILES) // (in_flight + 1))


def end_of(run: RunSettings, started: float) -> float | None:
    """When a run that began then, in seconds, has to end; None without a limit."""
    return started + run.deadline_minutes * 60 if run.deadline_minutes else None


@asynccontextmanager
async def open_transports(
    settings: Settings,
    observe: Observer,
    *,
    jitter: Jitter = random.uniform,
    given: Credential | None = None,
    may_ask: MayAsk | None = None,
) -> AsyncIterator[dict[str, Transport]]:
    """Instance name → the way to it; nothing is sent yet. All credentials and certificates are read before.

    `given` is tried in place of what the settings name. `may_ask` is awaited before each request leaves.

    Raises: ConfigError, StoreError, UnknownCredential, WrongHost.
    """
    chosen, store = settings.chosen(), CredentialStore(os.environ)
    credentials = {i.name: given or credential_for(i, store, environ=os.environ) for i in chosen}
    ways = {i.name: connection_config(i, os.environ) for i in chosen}
    for name, credential in credentials.items():
        for text in (*ways[name].notices, *credential.notices):
            observe(Notice(None, f"instance {name}: {text}"))
    hosts: dict[str, list[InstanceSettings]] = {}
    for way in ways.values():
        hosts.setdefault(way.host, []).append(way.settings)
    raise_file_limit()
    most = connected_at_once(max(way.settings.in_flight for way in ways.values()))
    seats = asyncio.Semaphore(most)
    limiters = {host: _limiter_of(host, instances, may_ask) for host, instances in hosts.items()}
    async with AsyncExitStack() as stack:
        transports = {
            name: Transport(way, credentials[name], limiters[way.host], observe=observe, jitter=jitter, seats=seats)
            for name, way in ways.items()
        }
        for transport in transports.values() if len(transports) <= most else ():
            await stack.enter_async_context(transport.open())
        yield transports


@asynccontextmanager
async def open_sources(
    settings: Settings,
    observe: Observer,
    *,
    jitter: Jitter = random.uniform,
    given: Credential | None = None,
    known: Mapping[str, Known] | None = None,
) -> AsyncIterator[dict[str, Source | ServerError]]:
    """Instance name → its source, or why it cannot be asked. `known` is what earlier runs found, by instance.

    Raises: what `open_transports` raises, before any request is sent.
    """
    async with open_instances(settings, observe, jitter=jitter, given=given, known=known) as instances:
        await instances.probe()
        yield dict(instances.found)


@asynccontextmanager
async def open_instances(
    settings: Settings,
    observe: Observer,
    *,
    jitter: Jitter = random.uniform,
    given: Credential | None = None,
    known: Mapping[str, Known] | None = None,
    may_ask: MayAsk | None = None,
) -> AsyncIterator["Instances"]:
    """The instances, not probed yet. `known` is what earlier runs found, by instance. Raises: as `open_sources`."""
    chosen, ends = settings.chosen(), end_of(settings.run, time.monotonic())
    async with open_transports(settings, observe, jitter=jitter, given=given, may_ask=may_ask) as transports:
        instances = Instances({i.name: i for i in chosen}, transports, ends, known or {})
        try:
            yield instances
        finally:
            if given is None:
                remember([i for i in chosen if isinstance(instances.found.get(i.name), Source)])


@dataclass(slots=True)
class Instances:
    """The instances of a run. `found` has those that were probed: the source, or why it cannot be asked."""

    settings: Mapping[str, InstanceSettings]
    transports: Mapping[str, Transport]
    ends: float | None
    known: Mapping[str, Known]
    found: dict[str, Source | ServerError] = field(default_factory=dict)
    _told: dict[str, asyncio.Event] = field(init=False)  # by instance; one for all would wake everyone each time
    _begins: asyncio.Event = field(default_factory=asyncio.Event, init=False)  # one has answered, or all have failed
    _whole: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        """Tell of those that are known already."""
        self._told = {name: asyncio.Event() for name in self.settings}
        for name in self.found:
            self._tell(name)

    @classmethod
    def probed(cls, chosen: Iterable[InstanceSettings], found: Mapping[str, Source]) -> "Instances":
        """Those of the chosen ones that were probed before, and are open."""
        return cls({i.name: i for i in chosen if i.name in found}, {}, None, {}, dict(found))

    async def probe(self) -> None:
        """Probe all at once, but for those that were probed before."""
        await gather_all([self._probe(name) for name in self.settings if name not in self.found])
        # In the order of the configuration, whoever answered first.
        self.found = {name: self.found[name] for name in self.settings}

    async def _probe(self, name: str) -> None:
        transport = self.transports[name]
        async with transport.open():
            found = await _probed(self.settings[name], transport, self.ends, self.known.get(name))
        self.found.setdefault(name, found)  # unless nobody waited so long
        self._tell(name)

    def _tell(self, name: str) -> None:
        self._told[name].set()
        if len(self.found) == len(self.settings):
            self._whole.set()
        if self._whole.is_set() or isinstance(self.found[name], Source):
            self._begins.set()

    async def answered(self, name: str) -> Source | ServerError:
        """What the probe of this instance found, while `probe` runs."""
        await self._told[name].wait()
        return self.found[name]

    def give_up(self, name: str) -> ServerError:
        """The instance is not waited for any more."""
        error = _too_late(self.transports[name])
        error.add_note(f"instance {name}")
        self.found[name] = error
        self._tell(name)
        return error

    async def first(self) -> dict[str, Source | ServerError]:
        """Those to begin with: all, or those that have answered when the quickest did so a moment ago."""
        await self._begins.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(OTHERS_SECONDS):
                await self._whole.wait()
        return {name: self.found[name] for name in self.settings if name in self.found}

    async def all(self) -> dict[str, Source | ServerError]:
        """All of them, while `probe` runs."""
        return {name: await self.answered(name) for name in self.settings}


def alive(found: Mapping[str, Source | ServerError]) -> dict[str, Source]:
    """The instances that can be asked."""
    return {name: source for name, source in found.items() if isinstance(source, Source)}


def answering(found: Mapping[str, Source | ServerError]) -> dict[str, Source]:
    """The same. Raises: the error of one, where none can be asked."""
    if there := alive(found):
        return there
    raise next(error for error in found.values() if isinstance(error, ServerError))


def remember(opened: Iterable[InstanceSettings]) -> None:
    """A credential that opened its instance was used well."""
    moment, store = iso(datetime.now(UTC)), CredentialStore(os.environ)
    for instance in opened:
        if name := stored(instance):
            store.used(name, moment)


def _limiter_of(host: str, instances: Sequence[InstanceSettings], may_ask: MayAsk | None) -> HostLimiter:
    """The limits of a host: the lowest of what its instances may do, since the host cannot tell them apart."""
    return HostLimiter(
        requests_per_second=min(one.requests_per_second for one in instances),
        in_flight=min(one.in_flight for one in instances),
        weight=max(one.weight for one in instances),
        shared=requests_to(host),
        may_ask=may_ask,
    )


def _too_late(transport: Transport) -> ServerError:
    return Unreachable(f"{transport.host} did not answer before the deadline of this run", host=transport.host)


async def _probed(
    instance: InstanceSettings, transport: Transport, ends: float | None, known: Known | None
) -> Source | ServerError:
    found: ServerError
    transport.tell(Asking(instance.name, transport.host))
    try:
        async with asyncio.timeout_at(ends):
            return await probe(instance, transport, gather_all, known)
    except TimeoutError:
        found = _too_late(transport)
    except ServerError as error:
        found = error
    except (OutOfMemory, StorageError):
        raise
    except Exception as error:  # noqa: BLE001  one instance never ends the run of the others
        found = transport.crashed(error, None)
        found.__cause__ = error
    found.add_note(f"instance {instance.name}")
    return found
