"""What lanes of one run know of each other's columns."""

import asyncio
from pathlib import Path

from axsync.lake import layout
from axsync.lake.local import LocalStore
from axsync.runs.pin import Pinned
from axsync.runs.registries import Registries, SettledColumns, registries_of
from axsync.schema.columns import Column, Field, make_columns
from axsync.schema.kinds import Atom, Many
from axsync.schema.registry import Registry, extended

TEXT = Atom("text")


async def test_lanes_that_settle_at_once_agree() -> None:
    """One after the other within an entity type: two fields that want one name do not both get it."""
    shared = Registries("r1")
    fields = {"one": "specific_data.data.id", "other": "id"}

    async def settle(field: str) -> Pinned:
        async def work(known: Registry) -> Pinned:
            await asyncio.sleep(0)  # another lane's turn, if it had one
            names = {c.field: c.name for c in known.columns}
            return Pinned(make_columns([Field(field, TEXT)], earlier=names, taken=known.taken))

        return await shared.settle("devices", work)

    found = await asyncio.gather(*map(settle, fields.values()))

    names = {c.field: c.name for pinned in found for c in pinned.columns}
    assert len(set(names.values())) == 2
    assert {c.field: c.name for c in shared.known["devices"].columns} == names


def test_what_an_earlier_process_settled_is_known() -> None:
    """Beside what the lake has: its files have these names and types already."""
    lake, _ = extended(Registry(), [Column("a", "a", "a", TEXT)], "r0")
    settled = [Column("a", "a", "a", Many(TEXT)), Column("b", "b", "b", TEXT)]

    found = registries_of("r1", {"devices": lake}, [("devices", settled)])

    columns = [(c.name, c.kind, c.since) for c in found.known["devices"].columns]
    assert columns == [("a", Many(TEXT), "r0"), ("b", TEXT, "r1")]


async def test_processes_that_settle_at_once_agree(tmp_path: Path) -> None:
    """Whoever is second settles again, by what the first has brought; what brings nothing new is not written."""
    store = LocalStore(tmp_path)
    one, two = (Registries("r1", settled=SettledColumns(store, "r1")) for _ in range(2))
    fields = {"one": "specific_data.data.id", "other": "id"}
    tried: list[str] = []

    async def settle(shared: Registries, field: str) -> Pinned:
        async def work(known: Registry) -> Pinned:
            tried.append(field)
            await asyncio.sleep(0)  # the other process's turn
            names = {c.field: c.name for c in known.columns}
            return Pinned(make_columns([Field(field, TEXT)], earlier=names, taken=known.taken))

        return await shared.settle("devices", work)

    found = await asyncio.gather(settle(one, fields["one"]), settle(two, fields["other"]))
    names = {c.field: c.name for pinned in found for c in pinned.columns}
    again = await settle(one, fields["other"])

    assert len(set(names.values())) == 2
    assert len(tried) == 4
    assert [c.name for c in again.columns] == [names["id"]]
    kept = [one.key for one in store.list(layout.below(layout.RUNS))]
    assert kept == [layout.settled_columns("r1", "devices", number) for number in (0, 1)]
