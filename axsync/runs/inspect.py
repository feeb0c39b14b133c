"""Questions to instances that write nothing: what is there, which fields, whether a credential is accepted."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from axsync.api import KNOWN_ENTITIES
from axsync.api.entity_types import title_of
from axsync.client.source import Source
from axsync.credentials import Credential
from axsync.engine.lane_walk import gather_all
from axsync.errors import NotOffered, ServerError, UnknownEntity
from axsync.events import Event, Observer
from axsync.model import Generation
from axsync.runs.instances import alive, open_sources
from axsync.runs.lane_selection import offered
from axsync.runs.registries import settled_columns
from axsync.runs.setup import all_of
from axsync.schema.columns import make_columns
from axsync.schema.kinds import type_text
from axsync.schema.registry import Registry
from axsync.schema.selection import select_fields
from axsync.settings import InstanceSettings, LakeSettings, Settings, closest


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity type that an instance offers; `title` is what people call it."""

    instance: str
    entity: str
    count: int | None
    note: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of the catalogue, with the column and the type that it has in the lake, or gets."""

    instance: str
    field: str
    column: str
    type: str
    title: str
    adapter: str | None


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A saved query; `entity` is empty where the instance does not tell its entity type. `columns` are its own."""

    instance: str
    entity: str
    name: str
    id: str
    query: str
    columns: tuple[str, ...]


async def entities(settings: Settings, *, observers: Sequence[Observer] = ()) -> tuple[EntityRow, ...]:
    """The entity types that each instance offers, with counts. Raises: ConfigError, ServerError."""
    async with open_sources(settings, all_of(observers)) as sources:
        found = await gather_all([offered(source) for source in _all_alive(sources).values()])
    rows = zip(_all_alive(sources).values(), found, strict=True)
    return tuple(_entity_row(source, e, c) for source, types in rows for e, c in sorted(types.items()))


def _entity_row(source: Source, entity: str, found: int | ServerError | None) -> EntityRow:
    title = title_of(entity, source.titles.get(entity, ""))
    if isinstance(found, ServerError):
        return EntityRow(source.name, entity, None, f"{found}", title)
    return EntityRow(source.name, entity, found, title=title)


def _all_alive(sources: Mapping[str, Source | ServerError]) -> dict[str, Source]:
    """The instances that answer. Raises: the error of one that does not."""
    for source in sources.values():
        if isinstance(source, ServerError):
            raise source
    return alive(sources)


async def fields(settings: Settings, entity: str, *, observers: Sequence[Observer] = ()) -> tuple[FieldRow, ...]:
    """The field catalogue of an entity type, or of that of a table, with the columns that the lake has for it.

    Raises: ConfigError, UnknownEntity, ServerError, RegistryDamaged.
    """
    known = await asyncio.to_thread(settled_columns, settings.lake, entity)
    rows: list[FieldRow] = []
    async with open_sources(settings, all_of(observers)) as sources:
        for name, source in _all_alive(sources).items():
            rows += await _fields(name, source, settings.asked(entity), known)
    return tuple(rows)


async def _fields(instance: str, source: Source, entity: str, known: Registry) -> list[FieldRow]:
    try:
        catalogue = await source.fields(entity)
    except NotOffered as error:
        if error.status != 404:
            raise
        near = closest(entity, source.listed or KNOWN_ENTITIES)
        raise UnknownEntity(entity, instance=instance, nearest=near) from error
    listed = select_fields(catalogue, "full").fields
    held = known.by_field
    columns = make_columns(listed, earlier={field: one.name for field, one in held.items()}, taken=known.taken)
    kinds = [held[c.field].kind if c.field in held else c.kind for c in columns]
    return [
        FieldRow(instance, f.name, c.name, type_text(kind), f.title, f.adapter)
        for f, c, kind in zip(listed, columns, kinds, strict=True)
    ]


async def queries(
    settings: Settings, entity: str | None, *, observers: Sequence[Observer] = ()
) -> tuple[QueryRow, ...]:
    """The saved queries of each instance, of all entity types or of one, or of that of a table.

    Raises: ConfigError, UnknownEntity, ServerError.
    """
    rows: list[QueryRow] = []
    async with open_sources(settings, all_of(observers)) as sources:
        for name, source in _all_alive(sources).items():
            listed = await source.saved_queries.listed()
            known = {*(source.listed or KNOWN_ENTITIES), *(query.entity for query in listed)}
            asked = settings.asked(entity) if entity else None
            if asked and asked not in known:
                raise UnknownEntity(asked, instance=name, nearest=closest(asked, sorted(known)))
            rows += [
                QueryRow(name, one.entity, one.name, one.id, one.aql, one.fields)
                for one in sorted(listed, key=lambda one: (one.entity, one.name))
                if asked in (None, one.entity) or not one.entity
            ]
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the host told, once it had accepted the credential."""

    url: str
    api: Generation
    server_version: str | None


async def try_credential(instance: InstanceSettings, credential: Credential | None = None) -> Accepted:
    """Ask the instance with this credential, or with the one that its settings name.

    Raises: Refused, NotOffered, Unreachable, BadAnswer; ConfigError and its kin where the credential cannot be read.
    """
    settings = Settings(LakeSettings(), (instance,))
    async with open_sources(settings, _quiet, given=credential) as sources:
        source = sources[instance.name]
        if isinstance(source, ServerError):
            raise source
        return Accepted(instance.url, source.api.GENERATION, source.version)


def _quiet(event: Event) -> None:
    del event
