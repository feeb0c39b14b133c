"""Which lanes there are to choose from: what each instance offers, and what the settings name."""

from collections.abc import Mapping

from axsync.api import KNOWN_ENTITIES
from axsync.engine import together
from axsync.model import Lane
from axsync.plan import choose_lanes
from axsync.settings import DEFAULT_ENTITY, Settings
from axsync.source import Source


async def chosen_lanes(settings: Settings, sources: Mapping[str, Source]) -> tuple[Lane, ...]:
    """The lanes that a run with these settings would walk. Raises: UnknownEntity, ServerError."""
    offered = await together([_offered(settings, source) for source in sources.values()])
    named = dict(zip(sources, offered, strict=True))
    configured = [e for e in settings.entities if e != DEFAULT_ENTITY]
    return choose_lanes(settings.run.entities, named, configured=configured, heard_of=KNOWN_ENTITIES)


async def _offered(settings: Settings, source: Source) -> tuple[str, ...]:
    if source.listed is not None:
        return source.listed
    return tuple(await source.offered(settings.run.entities))
