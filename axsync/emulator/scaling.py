"""Models of other dimensions: longer tables and more fields, for records of any size."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from axsync.emulator.fields import NUMBER, EntityModel, FieldSpec, Json, flag, real, several, stamp, text, whole

_SHARE = 0.5  # of the records with the adapter of an added field that have the field


def longer(model: EntityModel, times: float) -> EntityModel:
    """The model with tables that are *times* as long on average."""
    if times == 1:
        return model
    columns = tuple(_longer(column, times) if column.complex else column for column in model.columns)
    return replace(model, columns=columns)


def _longer(table: FieldSpec, times: float) -> FieldSpec:
    def draw(rng: Random) -> list[Json]:
        draws = int(times) + (rng.random() < times % 1)
        return [row for _ in range(max(draws, 1)) for row in table.draw(rng)]

    return replace(table, draw=draw)


def wider(model: EntityModel, count: int) -> EntityModel:
    """The model with *count* more adapter-specific fields, distributed evenly over its adapters."""
    special = {name: columns for name, columns in model.special.items() if name in model.adapters}
    added = {
        name: (*columns, *(_field(number) for number in range(place, count, len(special))))
        for place, (name, columns) in enumerate(special.items())
    }
    return replace(model, special={**model.special, **added})


def _field(number: int) -> FieldSpec:
    name = f"extra_{number:04}"
    choices = (
        text(name, f"value {NUMBER}", "enabled", "a longer remark of one adapter", share=_SHARE),
        whole(name, 0, 9_000, share=_SHARE),
        flag(name, share=_SHARE),
        real(name, 0.5, 99.5, share=_SHARE),
        stamp(name, share=_SHARE),
        several(text(name, "web", "db", "ssh-in", share=_SHARE), 1, 3),
    )
    return choices[number % len(choices)]
