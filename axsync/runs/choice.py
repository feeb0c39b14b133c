"""Which lanes there are to choose from: what each instance offers, and what the settings name."""

from collections.abc import Collection, Mapping, Sequence

from axsync.api import KNOWN_ENTITIES
from axsync.engine import together
from axsync.errors import BadRequest, ConfigError, ServerError
from axsync.model import Lane
from axsync.plan import choose_lanes, closest
from axsync.settings import DEFAULT_ENTITY, Settings
from axsync.source import Source

EVERYWHERE = frozenset({"devices", "users"})
"""Every instance has them, so what is refused about them is the question."""


async def chosen_lanes(settings: Settings, sources: Mapping[str, Source]) -> tuple[Lane, ...]:
    """The lanes that a run with these settings would walk.

    Raises: UnknownEntity; ConfigError where a table is for a type that is nowhere to be found; ServerError.
    """
    offered = await together([_offered(settings, source) for source in sources.values()])
    return await lanes_among(settings, sources, dict(zip(sources, offered, strict=True)))


async def lanes_among(
    settings: Settings, sources: Mapping[str, Source], named: Mapping[str, Collection[str]]
) -> tuple[Lane, ...]:
    """The same, where it is known what each instance offers. Raises: as `chosen_lanes`."""
    configured = [e for e in settings.entities if e != DEFAULT_ENTITY]
    lanes = choose_lanes(settings.run.entities, named, configured=configured, heard_of=KNOWN_ENTITIES)
    if len(sources) == len(settings.chosen()):  # or the one that is missing may know the type
        heard = dict.fromkeys((*(e for types in named.values() for e in types), *KNOWN_ENTITIES))
        await _refuse_unheard([e for e in configured if e not in heard], heard, sources)
    return lanes


def refuses_type(source: Source, entity: str, error: ServerError, *, plain: bool) -> bool:
    """Whether a 4xx, to a count or a first page, means that this instance has no such type.

    It does so for types that the server's own list lacks. Where it has no list, a refusal may be about the question as
    well, so that has to be `plain`: without a query that somebody wrote.
    """
    refused = isinstance(error, BadRequest) and 400 <= (error.status or 0) < 500  # HTTP: errors of whoever asks
    lacking = entity not in source.listed if source.listed else plain and entity not in EVERYWHERE
    return refused and lacking


async def _offered(settings: Settings, source: Source) -> tuple[str, ...]:
    if source.listed is not None:
        return source.listed
    return tuple(await source.offered(settings.run.entities))


async def _refuse_unheard(tables: Sequence[str], heard: Collection[str], sources: Mapping[str, Source]) -> None:
    """Raises: ConfigError for a table whose type no instance knows. A list may be short of one, so each is asked."""
    if not tables:
        return
    found = await together([source.offered(tables, patience=0) for source in sources.values()])
    there = {entity for types in found for entity, count in types.items() if not isinstance(count, BadRequest)}
    for entity in tables:
        if entity not in there:
            near = closest(entity, heard)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ConfigError(f"[entities.{entity}]: {_all(sources)} no entity type {entity!r}{hint}")


def _all(names: Collection[str]) -> str:
    listed = ", ".join(repr(name) for name in names)
    return f"instance {listed} offers" if len(names) == 1 else f"instances {listed} offer"
