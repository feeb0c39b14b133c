"""Families of other dimensions: longer tables and more fields, for records of any size."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from axsync.emulator.columns import NUMBER, Column, Family, Json, flag, real, several, stamp, text, whole

_SHARE = 0.5  # of the records that have one of the added fields, where they have its adapter


def longer(family: Family, times: float) -> Family:
    """The family with tables so many times as long, on average."""
    if times == 1:
        return family
    columns = tuple(_longer(column, times) if column.complex else column for column in family.columns)
    return replace(family, columns=columns)


def _longer(table: Column, times: float) -> Column:
    def draw(dice: Random) -> list[Json]:
        draws = int(times) + (dice.random() < times % 1)
        return [row for _ in range(max(draws, 1)) for row in table.draw(dice)]

    return replace(table, draw=draw)


def wider(family: Family, count: int) -> Family:
    """The family with so many more fields of its adapters' own, dealt out evenly."""
    special = {name: columns for name, columns in family.special.items() if name in family.adapters}
    dealt = {
        name: (*columns, *(_field(number) for number in range(place, count, len(special))))
        for place, (name, columns) in enumerate(special.items())
    }
    return replace(family, special={**family.special, **dealt})


def _field(number: int) -> Column:
    name = f"extra_{number:04}"
    made = (
        text(name, f"value {NUMBER}", "enabled", "a longer remark of one adapter", share=_SHARE),
        whole(name, 0, 9_000, share=_SHARE),
        flag(name, share=_SHARE),
        real(name, 0.5, 99.5, share=_SHARE),
        stamp(name, share=_SHARE),
        several(text(name, "web", "db", "ssh-in", share=_SHARE), 1, 3),
    )
    return made[number % len(made)]
