"""The schemas of a lake in its store: a registry for each entity type, replaced whole."""

from collections.abc import Iterable, Mapping

from axsync.errors import RegistryDamaged
from axsync.lake import layout
from axsync.lake.store import Store
from axsync.model import Outcome
from axsync.schema.columns import columns_of
from axsync.schema.registry import Registry, extended, read_registry, write_registry


def registries(store: Store) -> dict[str, Registry]:
    """Entity type → its registry, of all that have one. Raises: RegistryDamaged."""
    return {entity: registry(store, entity) for entity in registered(store)}


def registered(store: Store) -> list[str]:
    """The entity types that have a registry, readable or not."""
    named = [layout.entity_of_registry(name) for name in store.names(layout.SCHEMAS)]
    return [entity for entity in named if entity]


def registry(store: Store, entity: str) -> Registry:
    """The registry of an entity type; an empty one where it has none. Raises: RegistryDamaged."""
    key = layout.registry(entity)
    try:
        return read_registry(store.read(key))
    except FileNotFoundError:
        return Registry()
    except (OSError, ValueError) as error:
        raise RegistryDamaged(f"the registry of {entity!r} cannot be read", file=key) from error


def put_registries(store: Store, found: Mapping[str, Registry]) -> None:
    """Put these in place. Raises: OSError."""
    for entity, one in found.items():
        store.write(layout.registry(entity), write_registry(entity, one), shared=True)


def register(store: Store, run_id: str, outcomes: Iterable[Outcome]) -> None:
    """Enter the columns that these lanes bring, with the lake held. Raises: OSError, RegistryDamaged."""
    before: dict[str, Registry] = {}
    now: dict[str, Registry] = {}
    for outcome in outcomes:
        if outcome.columns:
            entity = outcome.lane.entity
            if entity not in now:
                before[entity] = now[entity] = registry(store, entity)
            now[entity], _ = extended(now[entity], columns_of({"columns": outcome.columns}), run_id)
    put_registries(store, {entity: one for entity, one in now.items() if one != before[entity]})
