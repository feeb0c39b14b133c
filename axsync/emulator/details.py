"""Which adapter says what: the values of a field per entity, aligned with `adapters`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from axsync.emulator.columns import ID, Json
from axsync.emulator.specimens import AGGREGATED, Specimen

_ADAPTER = "adapters_data."


def details(specimen: Specimen, name: str, value: Json) -> list[Json]:
    """The content of `<name>_details`: what each entity says itself, null where it says nothing.

    What the product picks or keeps by itself (`_preferred` names, top-level keys) belongs to no adapter: its one value
    stands alone.
    """
    own = next((own for own in specimen.family.own if own.name == name), None)
    if own is not None and not name.endswith("_preferred"):
        return [own.of([entity.values]) or None for entity in specimen.entities]
    if name.startswith(AGGREGATED) and own is None and not _picked(specimen, name):
        return [_said(entity.values, name.removeprefix(AGGREGATED)) for entity in specimen.entities]
    if name.startswith(_ADAPTER):
        adapter, _, rest = name.removeprefix(_ADAPTER).partition(".")
        return [_said(entity.special, rest) if entity.adapter == adapter else None for entity in specimen.entities]
    return [value]


def _picked(specimen: Specimen, name: str) -> bool:
    return any(name == f"{AGGREGATED}{column.name}_preferred" for column in specimen.family.columns if column.preferred)


def _said(values: Mapping[str, Json], name: str) -> Json:
    if name in values:
        return values[name]
    for root, table in values.items():
        if name.startswith(root + ".") and isinstance(table, list):
            return leaves(table, name[len(root) + 1 :]) or None
    return None


def leaves(rows: Iterable[Json], name: str) -> list[Json]:
    """The values of one sub-field over a list of objects, lists joined."""
    found: list[Json] = []
    for row in rows:
        if isinstance(row, dict) and name in row:
            value = row[name]
            found.extend(value) if isinstance(value, list) else found.append(value)
    return found


def extras(specimen: Specimen) -> dict[str, Json]:
    """The fixed keys that come with details."""
    count = len(specimen.adapters)
    found: dict[str, Json] = {
        "adapters_details": specimen.adapters,
        "internal_axon_id_details": [ID] * count,
        "unique_adapter_names_details": [f"{adapter}_0" for adapter in specimen.adapters],
        "meta_data.client_used": [f"66aa{position:020d}" for position in range(count)],
    }
    if specimen.family.counted:
        found["adapter_list_length_details"] = [count] * count
    if specimen.labels:
        found["labels_details"] = [specimen.labels] * count
    return found
