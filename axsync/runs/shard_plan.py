"""Who reads what, where several processes read for one run: groups of hosts, settled before any of them begins.

A host is in one shard only, since its pace is kept by whoever asks it. The plan holds all that the processes need: run,
settings, shards. Secrets are references in it, which are resolved where the process runs.
"""

import asyncio
import hashlib
import json
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import msgspec
import orjson

from axsync.config.written import settings_written, written_settings
from axsync.errors import ConfigError, NoLake, UsageError
from axsync.events import Observer
from axsync.lake.history import Snapshot, readable
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.schemas import registries
from axsync.lake.store import storage_errors
from axsync.runs.days import with_days, with_latest
from axsync.runs.instances import open_sources
from axsync.runs.lane_selection import refuse_misplaced
from axsync.runs.plan import LOOKED_BACK
from axsync.runs.resume import plan_of
from axsync.runs.setup import all_of, facts_of, fit_lake, host_of, is_run_id
from axsync.schema.registry import write_registry
from axsync.settings import LATEST, InstanceSettings, Settings

FORMAT_VERSION = 1
HOST_SECONDS = 60.0
"""How long a host takes, where no earlier run tells of any."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The hosts that one process reads, the instances on them, and how long they took before."""

    hosts: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A run, and the shards that it is read in. `asked` is the digest of what is asked, `registry` that of all columns.

    `registry` is empty where the lake had no column when the plan was made.
    """

    facts: RunFacts
    dated: bool  # whether its logical date was asked for
    asked: str
    registry: str
    settings: Settings
    shards: tuple[Shard, ...]

    @property
    def key(self) -> str:
        """What its journals say that they belong to."""
        return key_of(self.asked)

    @property
    def run_settings(self) -> Settings:
        """The settings of the run as a whole, with its date."""
        run = replace(self.settings.run, logical_date=self.facts.logical_date, fresh=False, dry_run=False)
        return replace(self.settings, run=run)

    def settings_of(self, number: int) -> Settings:
        """The settings of a shard. Only the run as a whole is reported."""
        whole, own = self.run_settings, self.shards[number].instances
        run = replace(whole.run, instances=own, metrics_file="", lineage_file="", otel=False, on_finish="")
        return replace(whole, run=run)

    def only(self, number: int) -> "ShardPlan":
        """The plan without what concerns other shards, for a process that is to learn of its own hosts only."""
        own = self.shards[number]
        instances = tuple(i for i in self.settings.instances if i.name in own.instances)
        run = replace(self.settings.run, instances=own.instances)
        shards = tuple(own if place == number else Shard() for place in range(len(self.shards)))
        return replace(self, settings=replace(self.settings, instances=instances, run=run), shards=shards)

    def shard(self, number: int) -> Shard:
        """Raises: UsageError where there is none with this number."""
        if not 0 <= number < len(self.shards):
            raise UsageError(f"there is no shard {number}; the plan has 0 to {len(self.shards) - 1}")
        return self.shards[number]


def key_of(asked: str) -> str:
    """What a run is found by that was shared out, among those that were asked the same. No other run resumes it."""
    return f"shards-{asked}"


# ------------------------------------------------------------------------------------------------------------ making it


async def plan_shards(settings: Settings, count: int, *, observers: Sequence[Observer] = ()) -> ShardPlan:
    """The plan of a new run in so many shards. Nothing is written, and nothing asked but for `as_of = latest`.

    Raises: UsageError; with `latest`, what `axsync.runs.sync` raises before it reads.
    """
    return await asyncio.to_thread(plan_now, await resolved(settings, observers), count)


async def resolved(settings: Settings, observers: Sequence[Observer]) -> Settings:
    """The settings with days in place of words. Only `latest` has to be asked for. Raises: as `plan_shards`."""
    settings = with_days(settings, datetime.now(UTC))
    refuse_misplaced(settings)
    if settings.run.as_of == LATEST:
        async with open_sources(settings, all_of(observers), jitter=random.uniform) as sources:
            settings = await with_latest(settings, sources)
    return settings


def plan_now(settings: Settings, count: int) -> ShardPlan:
    """The plan of a run that begins now, whose days are known. Blocks. Raises: UsageError."""
    lake, run = fit_lake(settings), settings.run
    settings = anywhere(settings)
    return ShardPlan(
        facts=facts_of(settings, lake),
        dated=run.logical_date is not None or run.as_of is not None,
        asked=plan_of(settings),
        registry=registry_digest(lake),
        settings=settings,
        shards=shared_out(seconds_of_hosts(settings, lake), settings.chosen(), count),
    )


def anywhere(settings: Settings) -> Settings:
    """The settings for processes that may begin in other folders."""
    if settings.lake.path is None:
        return settings
    return replace(settings, lake=replace(settings.lake, uri=str(settings.lake.path.absolute())))


def registry_digest(lake: Lake) -> str:
    """A digest of all names and types that the lake has; empty where it has none. Raises: RegistryDamaged."""
    with storage_errors("read the registry"):
        known = registries(lake.store)
    texts = [write_registry(entity, one) for entity, one in sorted(known.items())]
    return hashlib.sha256(b"\n".join(texts)).hexdigest() if texts else ""


def seconds_of_hosts(settings: Settings, lake: Lake) -> dict[str, float]:
    """Host → how long its slowest lane took the last time, as far as the lake tells."""
    try:
        return last_seconds(settings.chosen(), islice(readable(lake), LOOKED_BACK))
    except NoLake:
        return {}


def last_seconds(instances: Iterable[InstanceSettings], snapshots: Iterable[Snapshot]) -> dict[str, float]:
    """The same by these snapshots, newest first. All lanes of a host begin at once, so the slowest counts."""
    hosts = {instance.name: host_of(instance.url) for instance in instances}
    found: dict[str, float] = {}
    for snapshot in snapshots:
        newer = frozenset(found)
        for lane in snapshot.lanes:
            host = hosts.get(lane.instance)
            if host is not None and host not in newer and lane.from_run is None and lane.pages:
                found[host] = max(found.get(host, 0.0), lane.seconds)
    return found


def shared_out(seconds: Mapping[str, float], instances: Sequence[InstanceSettings], count: int) -> tuple[Shard, ...]:
    """So many shards that take about as long as each other; some are empty where there are fewer hosts.

    The host that takes longest goes first, each to the shard that has least to do. One that is not known takes as long
    as the others do.
    """
    names: dict[str, list[str]] = {}
    for instance in instances:
        names.setdefault(host_of(instance.url), []).append(instance.name)
    usual = statistics.median(seconds.values()) if seconds else HOST_SECONDS
    weights = {host: seconds.get(host, usual) for host in names}
    groups: list[list[str]] = [[] for _ in range(count)]
    for host in sorted(names, key=lambda host: (-weights[host], host)):
        lightest = min(groups, key=lambda group: (sum(weights[one] for one in group), len(group)))
        lightest.append(host)
    return tuple(
        Shard(
            tuple(group),
            tuple(name for host in group for name in names[host]),
            round(sum(weights[h] for h in group), 3),
        )
        for group in groups
    )


# -------------------------------------------------------------------------------------------------------------- as text


def write_plan(plan: ShardPlan) -> str:
    """The plan as a JSON document in plain ASCII."""
    facts = msgspec.to_builtins(plan.facts)
    del facts["visible"]  # shards stage their parts, wherever the lake is
    document = {
        "format_version": FORMAT_VERSION,
        **facts,
        "dated": plan.dated,
        "asked": plan.asked,
        "registry": plan.registry,
        "shards": msgspec.to_builtins(plan.shards),
        "settings": written_settings(plan.settings),
    }
    return json.dumps(document, indent=2)


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    format_version: int
    run_id: str
    logical_date: str
    as_of: str | None
    started_at: str
    axsync_version: str
    dated: bool
    asked: str
    registry: str
    shards: tuple[Shard, ...]
    settings: dict[str, Any]


def read_plan(text: bytes) -> ShardPlan:
    """What `write_plan` wrote. Raises: ConfigError, whatever is wrong with it."""
    try:
        found = orjson.loads(text)
        version = found.get("format_version") if isinstance(found, dict) else None
        if version != FORMAT_VERSION:
            raise ConfigError("is not a plan of `axsync plan --shards`, or was made by another version of axsync")
        document = msgspec.convert(found, _Document)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise ConfigError("is not a plan of `axsync plan --shards`") from error
    facts = RunFacts(
        document.run_id, document.logical_date, document.as_of, document.started_at, document.axsync_version
    )
    settings = settings_written(document.settings)
    plan = ShardPlan(facts, document.dated, document.asked, document.registry, settings, document.shards)
    _refuse_odd(plan)
    return plan


def _refuse_odd(plan: ShardPlan) -> None:
    """Raises: ConfigError for a plan that somebody has changed in such a way that it cannot be kept."""
    if not is_run_id(plan.facts.run_id) or not _is_dated(plan.facts):
        raise ConfigError("has an invalid run id or date")
    if not plan.shards:
        raise ConfigError("has no shard")
    known = {instance.name: host_of(instance.url) for instance in plan.settings.instances}
    places: dict[str, int] = {}
    for number, shard in enumerate(plan.shards):
        for name in shard.instances:
            if name not in known:
                raise ConfigError(f"has shard {number} read an instance {name!r} that it does not describe")
            if places.setdefault(known[name], number) != number:
                raise ConfigError(f"has two shards read the host {known[name]}; a host belongs to one shard")


def _is_dated(facts: RunFacts) -> bool:
    try:
        day, began = date.fromisoformat(facts.logical_date), datetime.fromisoformat(facts.started_at)
    except ValueError:
        return False
    return day.isoformat() == facts.logical_date and began.tzinfo is not None
