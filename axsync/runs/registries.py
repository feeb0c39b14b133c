"""The columns of all instances as one run knows them: those that the lake has, and those that its lanes have settled.

Lanes of one entity type settle their columns one after the other, so that they agree on names and kinds. What a lane
settled is not taken back when a later one widens it: its files of this run are narrower, and readers widen them.

Where several processes read for one run, they agree through the lake. What brings something new is written there under
the next number; whoever finds the number taken settles again, by what the other has brought. So nobody waits for a
process that is slow, or gone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from axsync.lake import layout
from axsync.lake.publish import Lake, open_lake
from axsync.lake.rebuild import clash_texts, rebuild
from axsync.lake.schemas import registries, registry
from axsync.lake.store import Store, storage_errors
from axsync.runs.pin import Pinned
from axsync.schema.columns import Column, columns_of
from axsync.schema.kinds import Kind
from axsync.schema.registry import Registry, extended
from axsync.settings import LakeSettings


@dataclass(slots=True)
class SettledColumns:
    """What the processes of a run have settled, in one order. Its methods block. Raises: StorageError."""

    store: Store
    run_id: str
    _seen: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int), init=False)

    def unseen(self, entity: str) -> list[Column]:
        """Those of an entity type that were not asked for before."""
        found: list[Column] = []
        with storage_errors("read the columns of the run"), suppress(FileNotFoundError):
            while True:
                content = self.store.read(layout.settled_columns(self.run_id, entity, self._seen[entity]))
                found += columns_of({"columns": orjson.loads(content)})
                self._seen[entity] += 1
        return found

    def add(self, entity: str, pinned: Pinned) -> bool:
        """Enter columns behind all that were seen; False where another process was first."""
        key = layout.settled_columns(self.run_id, entity, self._seen[entity])
        with storage_errors("keep the columns of the run"):
            is_ours = self.store.write_if_absent(key, orjson.dumps(pinned.manifest))
        self._seen[entity] += is_ours
        return is_ours


@dataclass(slots=True)
class Registries:
    """Entity type → its registry; shared by the lanes of a run. Without a lake, nothing is known.

    `fixed`: columns are those of tables, and keep their types.
    """

    run_id: str = ""
    known: dict[str, Registry] = field(default_factory=dict)
    fixed: bool = False
    settled: SettledColumns | None = None  # by other processes of the run as well
    served: dict[str, Mapping[str, Kind]] = field(default_factory=dict, init=False)  # type → field → kind with forms
    _turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)

    def take(self, entity: str, columns: Iterable[Column]) -> None:
        """Enter columns that are settled."""
        self.known[entity], _ = extended(self.known.get(entity, Registry()), columns, self.run_id)

    async def settle(self, entity: str, work: Callable[[Registry], Awaitable[Pinned]]) -> Pinned:
        """Let one lane settle its columns by what is known, and know them."""
        async with self._turns[entity]:
            pinned = await self._settled(entity, work)
            while self.settled is not None and not await self._agreed(entity, pinned):
                pinned = await self._settled(entity, work)
            self.take(entity, pinned.columns)
            self.served[entity] = {column.field: column.kind for column in pinned.columns}
            return pinned

    async def _settled(self, entity: str, work: Callable[[Registry], Awaitable[Pinned]]) -> Pinned:
        if self.settled is not None:
            self.take(entity, await asyncio.to_thread(self.settled.unseen, entity))
        return await work(self.known.get(entity, Registry()))

    async def _agreed(self, entity: str, pinned: Pinned) -> bool:
        """Whether they bring nothing new, or no other process of the run was first."""
        known = self.known.get(entity, Registry())
        brings_nothing = extended(known, pinned.columns, self.run_id)[0] == known
        return brings_nothing or self.settled is None or await asyncio.to_thread(self.settled.add, entity, pinned)


def known_registries(lake: Lake) -> tuple[dict[str, Registry], list[str]]:
    """What the lake has, made from its manifests where it has none, and what is to be said. Call it with the lake held.

    Raises: RegistryDamaged, StorageError.
    """
    with storage_errors("read the registry"):
        known = registries(lake.store)
        if known or not lake.store.names(layout.SNAPSHOTS):
            return known, []
    found = rebuild(lake)
    return dict(found.registries), [*clash_texts(found), *map(str, found.errors)]


def settled_columns(settings: LakeSettings, entity: str) -> Registry:
    """What the lake of these settings has of an entity type; nothing where there is no such lake.

    Raises: RegistryDamaged; ConfigError, as `open_lake`.
    """
    return registry(open_lake(settings).store, entity)


def registries_of(
    run_id: str,
    known: Mapping[str, Registry],
    settled: Iterable[tuple[str, Iterable[Column]]],
    *,
    fixed: bool = False,
) -> Registries:
    """What the lake has, and what an earlier process of the run has settled: entity type, columns."""
    found = Registries(run_id, dict(known), fixed)
    for entity, columns in settled:
        found.take(entity, columns)
    return found
