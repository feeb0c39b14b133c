"""Looks at instances that write nothing: what is there, what may be read, which fields there are."""

from collections.abc import Mapping

from axsync.api import KNOWN_ENTITIES
from axsync.engine import together
from axsync.errors import NotOffered, Refused, ServerError, UnknownEntity
from axsync.events import Event
from axsync.fields import make_columns, type_text
from axsync.plan import closest, select_fields
from axsync.runs.instances import open_sources
from axsync.runs.report import CheckStep, EntityCheck, EntityRow, FieldRow, InstanceCheck
from axsync.settings import InstanceSettings, Settings
from axsync.source import Source


def _quiet(event: Event) -> None:
    del event


async def check(settings: Settings) -> tuple[InstanceCheck, ...]:
    """Whether each instance can be reached and read, type by type. Raises: ConfigError."""
    async with open_sources(settings, _quiet) as sources:
        return tuple(await together([_check(i, sources[i.name]) for i in settings.chosen()]))


async def _check(instance: InstanceSettings, source: Source | ServerError) -> InstanceCheck:
    if isinstance(source, ServerError):
        return InstanceCheck(instance.name, instance.url, _failed_steps(source))
    steps = (
        CheckStep("reachable", ok=True, text=source.transport.host),
        CheckStep("credential", ok=True, text="accepted"),
        CheckStep("API", ok=True, text=f"{source.api.GENERATION}, product version {source.version or 'not told'}"),
        CheckStep("discovery cycle", ok=None, text=await source.discovery() or "not told"),
    )
    found = await source.offered()
    entities = tuple(_entity_check(name, count) for name, count in sorted(found.items()))
    return InstanceCheck(instance.name, instance.url, steps, entities)


def _failed_steps(error: ServerError) -> tuple[CheckStep, ...]:
    text = f"{error}" + (f" ({error.detail})" if error.detail else "")
    reached = CheckStep("reachable", ok=True, text=error.host)
    if isinstance(error, Refused):
        advice = "check key and secret; from version 6.1.74 only service accounts may call the API"
        return reached, CheckStep("credential", ok=False, text=text, advice=advice)
    if isinstance(error, NotOffered):
        advice = "check that the URL is an Axonius instance and that API access is on for this account's role"
        return reached, CheckStep("API", ok=False, text=text, advice=advice)
    advice = "check URL, name resolution, firewall and certificate"
    return (CheckStep("reachable", ok=False, text=text, advice=advice),)


def _entity_check(name: str, found: int | ServerError | None) -> EntityCheck:
    if isinstance(found, NotOffered):
        return EntityCheck(name, "forbidden" if found.status == 403 else "not offered")
    if isinstance(found, ServerError):
        return EntityCheck(name, "not offered")
    return EntityCheck(name, "readable" if found is None or found else "empty", found)


async def entities(settings: Settings) -> tuple[EntityRow, ...]:
    """The entity types that each instance offers, with counts. Raises: ConfigError, ServerError."""
    async with open_sources(settings, _quiet) as sources:
        found = await together([source.offered() for source in _alive(sources).values()])
    rows = zip(_alive(sources), found, strict=True)
    return tuple(_entity_row(name, e, c) for name, types in rows for e, c in sorted(types.items()))


def _entity_row(instance: str, entity: str, found: int | ServerError | None) -> EntityRow:
    if isinstance(found, ServerError):
        return EntityRow(instance, entity, None, f"{found}")
    return EntityRow(instance, entity, found)


def _alive(sources: Mapping[str, Source | ServerError]) -> dict[str, Source]:
    """The instances that answer. Raises: the error of one that does not."""
    for source in sources.values():
        if isinstance(source, ServerError):
            raise source
    return {name: s for name, s in sources.items() if isinstance(s, Source)}


async def fields(settings: Settings, entity: str) -> tuple[FieldRow, ...]:
    """The field catalogue of an entity type. Raises: ConfigError, UnknownEntity, ServerError."""
    rows: list[FieldRow] = []
    async with open_sources(settings, _quiet) as sources:
        for name, source in _alive(sources).items():
            rows += await _fields(name, source, entity)
    return tuple(rows)


async def _fields(instance: str, source: Source, entity: str) -> list[FieldRow]:
    try:
        catalogue = await source.fields(entity)
    except NotOffered as error:
        if error.status != 404:
            raise
        near = closest(entity, source.listed or KNOWN_ENTITIES)
        raise UnknownEntity(entity, instance=instance, nearest=near) from error
    listed = select_fields(catalogue, "full").fields
    columns = make_columns(listed)
    return [
        FieldRow(instance, f.name, c.name, type_text(c.kind), f.title, f.adapter)
        for f, c in zip(listed, columns, strict=True)
    ]
