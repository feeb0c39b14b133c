"""Whether instances can be reached and read, and the store of the lake written, step by step.

Nothing stays written but the record that `--probe` names.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import uuid4

from axsync.api.entity_types import title_of
from axsync.client import probe
from axsync.client.diagnostics import STEPS, Stage, diagnose
from axsync.client.source import Source
from axsync.client.transport import Transport
from axsync.engine.lane_walk import gather_all
from axsync.errors import (
    BadAnswer,
    BadRequest,
    LakeError,
    NotOffered,
    ProxyRefused,
    Refused,
    ServerError,
    UnknownField,
    Unreachable,
    Untrusted,
    UsageError,
    WebPage,
)
from axsync.events import Notice, Observer
from axsync.lake import layout
from axsync.lake.answers import advice_for
from axsync.lake.publish import Lake, open_lake
from axsync.runs.instances import open_transports, remember
from axsync.runs.lane_selection import EntityState, asked_types, is_about_licence, lanes_among, offered
from axsync.runs.probe_record import record_of, refuse_unwritable, write_record
from axsync.runs.setup import all_of
from axsync.settings import InstanceSettings, Settings

ALL_STEPS = (*STEPS, "credential", "API", "clock", "discovery", "entity types")
THE_LAKE = "the lake"
"""Stands where an instance has its name; none has a blank in it."""
MOST_SKEW = 300.0
"""Seconds; beyond them days, tokens and certificates may be judged wrongly."""
FEW_DAYS = 30
"""A certificate that expires within this many days is pointed out."""

COUNT_SECONDS = 10.0
"""A count that takes longer is left open: the type can be read all the same."""

Failure: TypeAlias = Literal["", "refused", "unreachable", "unknown", "lake", "other"]
"""What kind a failed step was of; unknown: the settings name an entity type that is not there; lake: its store."""
Found: TypeAlias = dict[str, int | ServerError | None]
"""Entity type → its count, or why it cannot be read."""
Seen: TypeAlias = tuple[Source, Sequence[str]]
"""An instance that answers, and the entity types that it offers."""
Tell: TypeAlias = Callable[[str, "CheckStep"], None]
"""Takes the name of an instance, and a step of it that was just tried."""

NOT_TRIED = "not tried"
ROLE = "Use a role with API access that may view assets; from version 6.1.74 on, of a service account."

_TLS_ADVICE = {
    "expired": "Renew the server's certificate. If it is new, check the clock of this machine.",
    "early": "Check the clock of this machine.",
    "name": "Use the name that the certificate is for in `url`.",
    "issuer": "If you trust the authority that issued it, set `ca_file` to that authority's certificate.",
    "missing": "Set `client_cert` and `client_key`.",
    "unwanted": "Use a `client_cert` from an authority that the server trusts.",
    "": "Check the port in `url`: perhaps it does not speak TLS, or shares no version with axsync.",
}
_ADVICE = {
    "DNS": "Check the spelling of `url` and the name servers of this machine, or set a `proxy` that resolves names.",
    "TCP": "Check the port in `url` and the firewalls on the way, or set the required proxy (`proxy`, HTTPS_PROXY).",
    "proxy": 'Check the rules of the proxy. If none is needed, set proxy = "none" or NO_PROXY.',
    "credential": "Check that key and secret belong to this host. From 6.1.74 on, the API needs a service account.",
    "API": f"Check that `url` is the address of Axonius itself. {ROLE}",
    "entity types": ROLE,
}


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One thing that was tried. `ok` is None where it was not, or does not matter; `failure` says what kind it was.

    `advice` is what to try; it is also there where nothing failed and something should be looked at.
    """

    name: str
    ok: bool | None
    text: str
    advice: str = ""
    failure: Failure = ""
    facts: Mapping[str, str | int | float | None] = field(default_factory=dict)


def ignore(instance: str, step: CheckStep) -> None:
    """Where nobody waits for single steps."""
    del instance, step


@dataclass(frozen=True, slots=True)
class EntityCheck:
    """Whether an entity type can be read with this credential; `note` has the server's words where it cannot.

    `title` is what people call the type, which may differ from its name.
    """

    entity: str
    state: EntityState
    count: int | None = None
    note: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class InstanceCheck:
    """What `axsync check` found about one instance, or about the store of the lake, which has no entity types."""

    name: str
    url: str
    steps: tuple[CheckStep, ...]
    entities: tuple[EntityCheck, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the credential was."""
        return any(step.name == "credential" and step.ok for step in self.steps)


async def check(
    settings: Settings, *, observers: Sequence[Observer] = (), probe_to: Path | None = None, tell: Tell = ignore
) -> tuple[InstanceCheck, ...]:
    """Whether each instance can be reached and read, type by type; behind them the lake, where it is in a store.

    `tell` hears of each step as it is done, but the last, entity types. What comes later may show that a step only
    seemed to go well: the result has the last word. `probe_to` is a file for the shapes that the first instance serves
    which answers. A notice says what became of it.

    Raises: ConfigError, also where that file cannot be written, before anything is sent; StorageError.
    """
    if probe_to is not None:
        refuse_unwritable(probe_to)
    lake = await asyncio.to_thread(open_lake, settings.lake)
    seen: dict[str, Seen] = {}
    observe = all_of(observers)
    async with open_transports(settings, observe) as transports:
        wanted = asked_types(settings)
        looks = [_check(i, transports[i.name], wanted, seen, tell) for i in settings.chosen()]
        stores = [] if lake.is_folder else [asyncio.to_thread(_check_store, lake)]
        found = await gather_all([*looks, *stores])
        refused = await _refused(settings, seen) if seen else None
        if probe_to is not None:
            observe(Notice(None, await _probed(probe_to, found, seen)))
    remember(i for i, one in zip(settings.chosen(), found, strict=False) if one.accepted)  # the lake is the last
    return tuple(_with_refused(one, refused) if refused and one.name in seen else one for one in found)


async def _check(
    instance: InstanceSettings, transport: Transport, wanted: Sequence[str], seen: dict[str, Seen], tell: Tell
) -> InstanceCheck:
    """One instance, step by step; what it offers, where it tells, goes to `seen`."""
    steps: list[CheckStep] = []

    def take(step: CheckStep) -> None:
        steps.append(step)
        tell(instance.name, step)

    await diagnose(transport.config, lambda stage: take(_of_stage(_redacted(stage, transport))))
    entities: tuple[EntityCheck, ...] = ()
    if steps[-1].ok is not False:
        try:
            source = await probe(instance, transport, gather_all)
            for step in (*_answered(source), _clock(transport.skew), await _discovery(source)):
                take(step)
            found = await _offered(source, wanted)
            entities = _entities(found, wanted, source.titles)
            steps.append(_summed(entities, wanted))
            seen[instance.name] = source, source.listed or tuple(found)
        except ServerError as error:
            steps = _stopped(steps, error)
    tried = {step.name for step in steps}
    steps += [CheckStep(name, ok=None, text=NOT_TRIED) for name in ALL_STEPS if name not in tried]
    return InstanceCheck(instance.name, instance.url, tuple(steps), entities)


def _check_store(lake: Lake) -> InstanceCheck:
    """What a run asks of an object store, tried out below a key of its own. Blocks."""
    store, name = lake.store, uuid4().hex
    key = layout.probe(name)

    def listed() -> bool:
        return name in store.names(layout.folder_of(key))

    def deleted() -> bool:
        store.delete(key)
        return not listed()

    trials: dict[str, Callable[[], object]] = {
        "write": lambda: store.write(key, name.encode()),
        "conditions": store.preflight,
        "read": lambda: store.read(key) == name.encode(),
        "list": listed,
        "delete": deleted,
    }
    steps = list[CheckStep]()
    for step, trial in trials.items():
        failed = any(one.ok is False for one in steps)
        steps.append(CheckStep(step, ok=None, text=NOT_TRIED) if failed else _tried(step, trial))
    with suppress(OSError):
        store.delete(key)
    return InstanceCheck(THE_LAKE, lake.name, tuple(steps))


_STORE_TOLD = {
    "write": "an object was written",
    "conditions": "conditional writes are honored",
    "read": "the object was read",
    "list": "the object was found",
    "delete": "the object was deleted",
}


def _tried(name: str, trial: Callable[[], object]) -> CheckStep:
    advice = "Use another store: docs/stores.md lists the requirements."
    try:
        told = "the store does not show the last change" if trial() is False else ""
    except OSError as error:
        told, advice = error.strerror or str(error), advice_for(error) or advice
    except LakeError as error:
        told, advice = str(error), advice_for(error) or advice
    if told:
        return CheckStep(name, ok=False, text=told, advice=advice, failure="lake")
    return CheckStep(name, ok=True, text=_STORE_TOLD[name])


async def _probed(path: Path, found: Sequence[InstanceCheck], seen: Mapping[str, Seen]) -> str:
    """Write the record of the first instance that answers; returns a sentence about it. Raises: StorageError."""
    answering = next((one for one in found if one.name in seen), None)
    if answering is None:
        return f"{path}: not written, because no instance answers"
    source, _ = seen[answering.name]
    record = await record_of(source, {one.entity: one.state for one in answering.entities})
    write_record(path, record)
    types = len(record["entities"])
    return f"{path}: the shapes of {types} entity type{'s' * (types != 1)} of instance {answering.name}, without values"


async def _refused(settings: Settings, seen: Mapping[str, Seen]) -> UsageError | None:
    """Why a run with these settings would not begin: they name an entity type or a field that is not there."""
    try:
        await lanes_among(
            settings,
            {name: source for name, (source, _) in seen.items()},
            {name: offered for name, (_, offered) in seen.items()},
        )
    except UsageError as error:
        return error
    return None


def _with_refused(found: InstanceCheck, error: UsageError) -> InstanceCheck:
    what = "fields that `axsync fields`" if isinstance(error, UnknownField) else "types that `axsync entities`"
    advice = f"Choose one of the {what} lists. A run with these settings is refused as well."
    steps = [
        replace(step, ok=False, text=str(error), advice=advice, failure="unknown")
        if step.name == "entity types"
        else step
        for step in found.steps
    ]
    return replace(found, steps=tuple(steps))


def _redacted(stage: Stage, transport: Transport) -> Stage:
    """The step without secrets: names in a certificate are the server's own words."""
    facts = {key: transport.redact(one) if isinstance(one, str) else one for key, one in stage.facts.items()}
    return replace(stage, text=transport.redact(stage.text), facts=facts)


def _of_stage(stage: Stage) -> CheckStep:
    step = CheckStep(stage.name, stage.ok, stage.text, facts=stage.facts)
    days = stage.facts.get("days_left")
    if stage.error is not None:
        step = _failed(stage.name, stage.error, stage.text)
    elif isinstance(days, int) and days < FEW_DAYS:
        step = replace(step, advice="Renew the server's certificate" + (" soon." if days >= 0 else "."))
    return replace(step, facts=stage.facts)


def _failed(name: str, error: ServerError, text: str = "") -> CheckStep:
    advice = _ADVICE.get(name, "")
    if isinstance(error, ProxyRefused):
        advice = "Check `proxy_user` and `proxy_password`, or user and password in the variable that names the proxy."
    elif isinstance(error, Untrusted):
        advice = _TLS_ADVICE[error.fault]
    elif isinstance(error, WebPage) and name == "API":
        advice = (
            "Retry later. If it persists, check that `url` is the address of Axonius, not of a proxy or login page."
        )
    elif isinstance(error, Unreachable) and name == "API":
        advice = "Retry later. The host responds, but with nothing usable."
    elif error.status == 200 and error.detail and name == "API":
        advice = f"Retry later if this message is from Axonius. {advice}"
    return CheckStep(name, ok=False, text=text or _told(error), advice=advice, failure=_kind(error))


def _told(error: ServerError) -> str:
    return f"{error} ({error.detail})" if error.detail and error.detail not in str(error) else str(error)


def _kind(error: ServerError) -> Failure:
    if isinstance(error, Refused):
        return "refused"
    lasting = isinstance(error, Untrusted | BadAnswer) or not isinstance(error, Unreachable)
    return "other" if lasting else "unreachable"


def _stopped(steps: list[CheckStep], error: ServerError) -> list[CheckStep]:
    """The steps with the one that failed; a first request may show that an earlier one only seemed to go well."""
    name = "API"
    if isinstance(error, ProxyRefused):
        name = "proxy"
    elif isinstance(error, Untrusted):
        name = "TLS"
    elif isinstance(error, Refused):
        name = "credential"
    earlier = [step for step in steps if step.name != name]
    if name == "API":
        earlier.append(CheckStep("credential", ok=None, text="not told"))
    failed = _failed(name, error)
    return sorted([*earlier, failed], key=lambda step: ALL_STEPS.index(step.name))


def _answered(source: Source) -> list[CheckStep]:
    version = source.version or "not told"
    facts = {"generation": source.api.GENERATION, "version": source.version}
    told = f"{source.api.GENERATION}, product version {version}"
    return [CheckStep("credential", ok=True, text="accepted"), CheckStep("API", ok=True, text=told, facts=facts)]


def _clock(skew: float | None) -> CheckStep:
    if skew is None:
        return CheckStep("clock", ok=None, text="not told")
    # The header Date has whole seconds only.
    apart = f"the server's is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    text = apart if abs(skew) >= 2 else "in step with this machine"
    step = CheckStep("clock", ok=True, text=text, facts={"seconds_ahead": round(skew, 1)})
    advice = "Correct the clock of this machine or of the server. Days and tokens may be misjudged."
    return step if abs(skew) <= MOST_SKEW else replace(step, ok=None, advice=advice)


async def _discovery(source: Source) -> CheckStep:
    return CheckStep("discovery", ok=None, text=await source.discovery() or "not told")


async def _offered(source: Source, wanted: Sequence[str]) -> Found:
    """What the instance lists, and what is named, which a run tries whether it is listed or not."""
    found = await offered(source, patience=COUNT_SECONDS)
    unheard = [name for name in wanted if name not in found]
    return found | (await offered(source, unheard, patience=COUNT_SECONDS) if unheard else {})


def _entities(found: Found, wanted: Sequence[str], titles: Mapping[str, str]) -> tuple[EntityCheck, ...]:
    checked = [_entity_check(name, count) for name, count in found.items()]
    checked += [EntityCheck(name, "not offered") for name in dict.fromkeys(wanted) if name not in found]
    titled = [replace(one, title=title_of(one.entity, titles.get(one.entity, ""))) for one in checked]
    return tuple(sorted(titled, key=lambda one: one.entity))


def _entity_check(name: str, found: int | ServerError | None) -> EntityCheck:
    if not isinstance(found, ServerError):
        return EntityCheck(name, "readable" if found is None or found else "empty", found)
    words = found.detail or str(found)
    if is_about_licence(found):
        return EntityCheck(name, "not licensed", note=words)
    if isinstance(found, NotOffered):
        return EntityCheck(name, "forbidden" if found.status == 403 else "not offered", note=words)
    return EntityCheck(name, "not offered" if isinstance(found, BadRequest) else "failed", note=_told(found))


def _summed(entities: Sequence[EntityCheck], wanted: Sequence[str]) -> CheckStep:
    counts: dict[str, int] = {}
    for one in entities:
        counts[one.state] = counts.get(one.state, 0) + 1
    text = ", ".join(f"{count} {state}" for state, count in sorted(counts.items(), key=lambda item: -item[1]))
    step = CheckStep("entity types", ok=True, text=text or "none", facts={**counts})
    if counts.get("failed"):
        return replace(step, ok=False, failure="unreachable", advice="Retry later. The notes below say why.")
    if not counts.get("readable") and not counts.get("empty"):
        return replace(step, ok=False, failure="other", advice=ROLE)
    if counts.get("forbidden"):
        return replace(step, advice="Use a role that may view what is forbidden, or leave it out with `skip` in [run].")
    absent = [one.entity for one in entities if one.state == "not offered" and one.entity in wanted]
    if absent:
        return replace(step, advice=f"Correct [run] entities: a run skips {', '.join(absent)} here.")
    return step
