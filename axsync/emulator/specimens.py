"""Sample records: a bounded pool per entity type from which every row is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from axsync.emulator.columns import ID, SEEN, SERIAL, Column, Family, Json, Stamp

POOL = 64  # specimens per entity type
AGGREGATED = "specific_data.data."
_SAME_VALUE = 0.7  # share of values on which two adapters agree
_TWICE = 0.25  # share of specimens where one adapter reports two entities
_LABELLED = 0.5


@dataclass(slots=True)
class Entity:
    """What one adapter knows of an asset: values by column name."""

    adapter: str
    values: dict[str, Json]
    special: dict[str, Json]
    lacks: tuple[str, ...] = ()  # keys that its element of specific_data has not; "data" stands for an empty one


@dataclass(slots=True)
class Specimen:
    """One sample record: its entities, and the flat keys the server would serve."""

    family: Family
    entities: list[Entity]
    labels: list[str]
    flat: dict[str, Json]
    stray: dict[str, Json] = field(default_factory=dict)  # served without being asked for, not in the catalogue

    @property
    def adapters(self) -> list[str]:
        """Adapter names in order, with duplicates where one has several entities."""
        return [entity.adapter for entity in self.entities]


def specimens(family: Family, seed: int) -> tuple[Specimen, ...]:
    """The pool of *family*, the same for the same seed."""
    return tuple(specimen(family, Random(f"{seed}/{family.entity}/{slot}")) for slot in range(POOL))


def specimen(family: Family, dice: Random) -> Specimen:
    """One sample record, drawn with *dice*."""
    truth = {column.name: column.draw(dice) for column in family.columns}
    entities = [_entity(family, adapter, truth, dice) for adapter in _adapters(family, dice)]
    labels = dice.sample(family.labels, dice.randint(1, 2)) if family.labels and dice.random() < _LABELLED else []
    made = Specimen(family, entities, labels, {})
    made.flat = flatten(made, dice)
    return made


def _adapters(family: Family, dice: Random) -> list[str]:
    count = min(dice.randint(1, family.most_adapters), len(family.adapters))
    chosen = dice.sample(family.adapters, count)
    if dice.random() < _TWICE:
        chosen.insert(1, chosen[0])
    if "gui" in family.special and dice.random() < 0.4:
        chosen.append("gui")
    return chosen


def _entity(family: Family, adapter: str, truth: dict[str, Json], dice: Random) -> Entity:
    values = {
        column.name: truth[column.name] if dice.random() < _SAME_VALUE else column.draw(dice)
        for column in family.columns
        if dice.random() < column.share
    }
    special = {
        column.name: column.draw(dice) for column in family.special.get(adapter, ()) if dice.random() < column.share
    }
    return Entity(adapter, values, special)


def flatten(made: Specimen, dice: Random) -> dict[str, Json]:
    """The aggregated, preferred and adapter-specific keys of a specimen."""
    flat = {one.column.name: one.column.draw(dice) for one in made.family.recorded}
    for column in made.family.columns:
        values = aggregate(column, made.entities)
        if values:
            flat[AGGREGATED + column.name] = values
            if column.preferred:
                flat[f"{AGGREGATED}{column.name}_preferred"] = values[0]
    flat.update(_own(made))
    flat.update(_special(made.entities))
    flat.update({column.name: column.draw(dice) for column in made.family.extra})
    return flat


def _own(made: Specimen) -> dict[str, Json]:
    says = [entity.values for entity in made.entities]
    computed = ((own.name, own.of(says)) for own in made.family.own)
    return {name: value for name, value in computed if value is not None and value != []}


def aggregate(column: Column, entities: Iterable[Entity]) -> list[Json]:
    """One value per adapter entity, in their order, duplicates kept; lists are joined."""
    values: list[Json] = []
    for entity in entities:
        if column.name in entity.values:
            value = entity.values[column.name]
            if column.listed and isinstance(value, list):
                values.extend(value)
            else:
                values.append(value)
    return values


def _special(entities: list[Entity]) -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for entity in entities:
        for name, value in entity.special.items():
            flat.setdefault(f"adapters_data.{entity.adapter}.{name}", value)
    return flat


def tree(made: Specimen) -> list[Json]:
    """The `specific_data` field: one nested entity per adapter (docs/axonius-api.md, "Records")."""
    return [_branch(entity) for entity in made.entities]


def _branch(entity: Entity) -> dict[str, Json]:
    unique = f"{entity.adapter}_0"
    content = nest({**entity.values, **entity.special})
    branch: dict[str, Json] = {
        "plugin_name": entity.adapter,
        "plugin_unique_name": unique,
        "initial_plugin_unique_name": unique,
        "plugin_type": "Adapter" if entity.adapter.endswith("_adapter") else "Plugin",
        "type": "entitydata" if entity.adapter.endswith("_adapter") else "adapterdata",
        "client_used": f"66aa{SERIAL}00112233",
        "quick_id": f"{unique}!{content.get('id', ID)}",
        "accurate_for_datetime": content.get("fetch_time", Stamp(1_790_000_000)),
        "adapter_categories": ["Endpoint", "Network"][: 1 + len(entity.adapter) % 2],
    }
    if branch["type"] == "adapterdata":
        branch |= {"association_type": "Tag", "name": entity.adapter, "hidden_for_gui": True}
    content |= {"axon_id": f"{SERIAL}{SERIAL}00000000", "accurate_for_datetime": SEEN, "is_fetched_from_adapter": True}
    kept = {key: value for key, value in branch.items() if key not in entity.lacks}
    return {**kept, "data": {} if "data" in entity.lacks else content}


def nest(values: dict[str, Json]) -> dict[str, Json]:
    """Dotted names as real structure."""
    nested: dict[str, Json] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return nested
