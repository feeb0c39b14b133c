"""Sample records: a bounded pool per entity type, from which every row is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from axsync.emulator.fields import ADAPTERS, AGGREGATED, ID, SEEN, SERIAL, EntityModel, FieldSpec, Json, Stamp

POOL = 64  # samples per entity type
_SAME_VALUE = 0.7  # share of values on which two adapters agree
_TWICE = 0.25  # share of samples where one adapter reports two entities
_LABELLED = 0.5


@dataclass(slots=True)
class AdapterEntity:
    """What one adapter reports about an asset: values by field name."""

    adapter: str
    values: dict[str, Json]
    special: dict[str, Json]
    lacks: tuple[str, ...] = ()  # keys missing from its element of specific_data; "data" means that it is empty


@dataclass(slots=True)
class Sample:
    """One sample record: its adapter entities, and the flat keys that the server would send."""

    model: EntityModel
    entities: list[AdapterEntity]
    labels: list[str]
    flat: dict[str, Json]
    stray: dict[str, Json] = field(default_factory=dict)  # served without being requested, and not in the catalogue

    @property
    def adapters(self) -> list[str]:
        """Adapter names in order, repeated if an adapter has several entities."""
        return [entity.adapter for entity in self.entities]


def draw_samples(model: EntityModel, seed: int) -> tuple[Sample, ...]:
    """The pool of *model*; the same seed makes the same pool."""
    return tuple(draw_sample(model, Random(f"{seed}/{model.entity}/{slot}")) for slot in range(POOL))


def draw_sample(model: EntityModel, rng: Random) -> Sample:
    """One sample record, drawn with *rng*."""
    truth = {column.name: column.draw(rng) for column in model.columns}
    entities = [_entity(model, adapter, truth, rng) for adapter in _adapters(model, rng)]
    labels = rng.sample(model.labels, rng.randint(1, 2)) if model.labels and rng.random() < _LABELLED else []
    sample = Sample(model, entities, labels, {})
    sample.flat = flatten(sample, rng)
    return sample


def _adapters(model: EntityModel, rng: Random) -> list[str]:
    count = min(rng.randint(1, model.most_adapters), len(model.adapters))
    chosen = rng.sample(model.adapters, count)
    if rng.random() < _TWICE:
        chosen.insert(1, chosen[0])
    if "gui" in model.special and rng.random() < 0.4:
        chosen.append("gui")
    return chosen


def _entity(model: EntityModel, adapter: str, truth: dict[str, Json], rng: Random) -> AdapterEntity:
    values = {
        column.name: truth[column.name] if rng.random() < _SAME_VALUE else column.draw(rng)
        for column in model.columns
        if rng.random() < column.share
    }
    special = {
        column.name: column.draw(rng) for column in model.special.get(adapter, ()) if rng.random() < column.share
    }
    return AdapterEntity(adapter, values, special)


def flatten(sample: Sample, rng: Random) -> dict[str, Json]:
    """The aggregated, preferred and adapter-specific keys of a sample."""
    flat = {one.column.name: one.column.draw(rng) for one in sample.model.recorded}
    for column in sample.model.columns:
        values = aggregate(column, sample.entities)
        if values:
            flat[AGGREGATED + column.name] = values
            if column.preferred:
                flat[f"{AGGREGATED}{column.name}_preferred"] = values[0]
    flat.update(_computed(sample))
    flat.update(_special(sample.entities))
    flat.update({column.name: column.draw(rng) for column in sample.model.extra})
    return flat


def _computed(sample: Sample) -> dict[str, Json]:
    reported = [entity.values for entity in sample.entities]
    computed = ((own.name, own.compute(reported)) for own in sample.model.own)
    return {name: value for name, value in computed if value is not None and value != []}


def aggregate(column: FieldSpec, entities: Iterable[AdapterEntity]) -> list[Json]:
    """One value per adapter entity, in their order, with duplicates. Lists are concatenated."""
    values: list[Json] = []
    for entity in entities:
        if column.name in entity.values:
            value = entity.values[column.name]
            if column.listed and isinstance(value, list):
                values.extend(value)
            else:
                values.append(value)
    return values


def _special(entities: list[AdapterEntity]) -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for entity in entities:
        for name, value in entity.special.items():
            flat.setdefault(f"{ADAPTERS}{entity.adapter}.{name}", value)
    return flat


def tree(sample: Sample) -> list[Json]:
    """The `specific_data` field: one nested entity per adapter (docs/axonius-api.md, "Records")."""
    return [_branch(entity) for entity in sample.entities]


def _branch(entity: AdapterEntity) -> dict[str, Json]:
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
    """Turn dotted names into nested objects."""
    nested: dict[str, Json] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return nested


def newest(values: Sequence[Json]) -> Json:
    """The newest of several dates; [] without any. A value that is not a date in the usual form takes precedence.

    That way a drifted value is served instead of disappearing behind correct ones.
    """
    odd = [value for value in values if value != SEEN and not (isinstance(value, Stamp) and not value.form)]
    if odd or not values:
        return odd[0] if odd else []
    stamps = [value for value in values if isinstance(value, Stamp)]
    return max(stamps, key=lambda stamp: stamp.seconds) if stamps else SEEN


def distinct(values: list[Json]) -> list[Json]:
    """Remove duplicates, keeping the first of each. Rows of a table are all kept; 1, 1.0 and true are different."""
    if values and all(isinstance(value, dict) for value in values):
        return values
    return list({repr(value): value for value in values}.values())
