"""Opening the instances of a run: credentials, pace, transport, probe. Instances on one host share its pace."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from axsync.client import Known, probe
from axsync.client.connection import connection_config
from axsync.client.source import Source
from axsync.client.transport import Transport
from axsync.credentials import Credential, CredentialStore, credential_for, stored
from axsync.engine.lane_walk import gather_all
from axsync.errors import OutOfMemory, ServerError, Unreachable
from axsync.events import Asking, Notice, Observer
from axsync.model import iso
from axsync.pacing.limiter import HostLimiter, requests_to
from axsync.pacing.retry import Jitter
from axsync.settings import InstanceSettings, RunSettings, Settings


def end_of(run: RunSettings, started: float) -> float | None:
    """When a run that began then, in seconds, has to end; None where it may take as long as it does."""
    return started + run.deadline_minutes * 60 if run.deadline_minutes else None


@asynccontextmanager
async def open_transports(
    settings: Settings,
    observe: Observer,
    *,
    jitter: Jitter = random.uniform,
    given: Credential | None = None,
) -> AsyncIterator[dict[str, Transport]]:
    """Instance name → the way to it; nothing is sent yet. All credentials and certificates are read before.

    `given` is tried in place of what the settings name. Raises: ConfigError, StoreError, UnknownCredential, WrongHost.
    """
    chosen, store = settings.chosen(), CredentialStore(os.environ)
    credentials = {i.name: given or credential_for(i, store, environ=os.environ) for i in chosen}
    ways = {i.name: connection_config(i, os.environ) for i in chosen}
    for name, credential in credentials.items():
        for text in (*ways[name].notices, *credential.notices):
            observe(Notice(None, f"instance {name}: {text}"))
    hosts = {way.host for way in ways.values()}
    paces = {host: _pace(host, [way.settings for way in ways.values() if way.host == host]) for host in hosts}
    async with AsyncExitStack() as stack:
        transports = {
            name: Transport(way, credentials[name], paces[way.host], observe=observe, jitter=jitter)
            for name, way in ways.items()
        }
        for transport in transports.values():
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
    chosen, ends = settings.chosen(), end_of(settings.run, time.monotonic())
    async with open_transports(settings, observe, jitter=jitter, given=given) as transports:
        before = known or {}
        found = await gather_all([_probed(i, transports[i.name], ends, before.get(i.name)) for i in chosen])
        if given is None:
            remember([i for i, source in zip(chosen, found, strict=True) if isinstance(source, Source)])
        yield dict(zip(transports, found, strict=True))


def remember(opened: Iterable[InstanceSettings]) -> None:
    """A credential that opened its instance was used well."""
    moment, store = iso(datetime.now(UTC)), CredentialStore(os.environ)
    for instance in opened:
        if name := stored(instance):
            store.used(name, moment)


def _pace(host: str, instances: Sequence[InstanceSettings]) -> HostLimiter:
    """The limits of a host: the lowest of what its instances may do, since the host cannot tell them apart."""
    return HostLimiter(
        requests_per_second=min(one.requests_per_second for one in instances),
        in_flight=min(one.in_flight for one in instances),
        shared=requests_to(host),
    )


async def _probed(
    instance: InstanceSettings, transport: Transport, ends: float | None, known: Known | None
) -> Source | ServerError:
    found: ServerError
    transport.tell(Asking(instance.name, transport.host))
    try:
        async with asyncio.timeout_at(ends):
            return await probe(instance, transport, gather_all, known)
    except TimeoutError:
        found = Unreachable(f"{transport.host} did not answer in the time that this run may take", host=transport.host)
    except ServerError as error:
        found = error
    except OutOfMemory:
        raise
    except Exception as error:  # noqa: BLE001  one instance never ends the run of the others
        found = transport.crashed(error, None)
        found.__cause__ = error
    found.add_note(f"instance {instance.name}")
    return found
