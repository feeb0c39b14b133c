"""One entity type as a stream of record batches. No lake is needed; one that is there tells names and types."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from axsync.engine.lane_walk import Budget, Stored, Workers, stream_items
from axsync.errors import ConfigError, LaneError, ServerError
from axsync.events import Observer
from axsync.lake.parts import use_steady_memory
from axsync.model import Lane, Page
from axsync.runs.days import with_days
from axsync.runs.instances import open_sources
from axsync.runs.lane_reader import PAGES_SHARE, LaneReader, RunContext
from axsync.runs.lane_selection import refuse_misplaced
from axsync.runs.registries import Registries, settled_columns
from axsync.runs.setup import all_of
from axsync.settings import Settings

Put = Callable[[pa.RecordBatch], Awaitable[None]]
STREAM_ID = "stream"
"""What `axsync_run_id` holds where there is no run."""


async def stream(
    settings: Settings, entity: str, *, instance: str | None = None, observers: Sequence[Observer] = ()
) -> AsyncGenerator[pa.RecordBatch, None]:
    """The rows of one entity type, page by page in the order of arrival, all batches with the same schema.

    There is at least one batch; where the type is empty, it has no rows. Columns are called as in the lake of the
    settings, where it has the type, and have its types. All streams of a process together keep within the requests per
    second of their host. `instance` may be left out where the settings hold only one. Use under `contextlib.aclosing`
    when you may stop early.

    Raises: ConfigError, ServerError, RegistryDamaged; LaneError, also for a record that cannot be read, as there are no
        dead letters here.
    """
    settings = with_days(_only(settings, instance), datetime.now(UTC))
    (mine,) = settings.chosen()
    refuse_misplaced(settings, [entity])

    observe = all_of(observers)
    known = await asyncio.to_thread(settled_columns, settings.lake, entity)
    registries = Registries(STREAM_ID, {entity: known})

    async def produce(put: Put) -> None:
        async with open_sources(settings, observe) as sources:
            (source,) = sources.values()
            if isinstance(source, ServerError):
                raise source
            workers = Workers(settings.run.writers or os.cpu_count() or 1)
            size = settings.lake.buffer_bytes
            context = RunContext(
                STREAM_ID,
                settings.run,
                Budget(size // PAGES_SHARE),
                workers,
                observe,
                page_bytes=size,
                registries=registries,
            )
            reader = LaneReader(Lane(mine.name, entity), source, mine, settings.entity(entity), context)
            try:
                await _read(reader, put)
            finally:
                workers.close()

    use_steady_memory()
    async with aclosing(stream_items(produce)) as batches:
        async for batch in batches:
            yield batch


def _only(settings: Settings, instance: str | None) -> Settings:
    """The settings for this one instance; no other is asked."""
    names = [i.name for i in settings.chosen()]
    if instance is None and len(names) == 1:
        instance = names[0]
    if instance is None or instance not in names:
        raise ConfigError(f"name one instance to stream from: {', '.join(names)}")
    return replace(settings, run=replace(settings.run, instances=(instance,), tags=()))


async def _read(reader: LaneReader, put: Put) -> None:
    store = _Store(reader, put)
    await reader.prepare()
    await reader.way(reader.walk(), store).run()
    if store.blank is not None:
        await put(store.blank)
    reader.schema.tell_unserved()


@dataclass(slots=True)
class _Store:
    """Hands batches on. `blank` is one without rows, as long as there is no other."""

    reader: LaneReader
    put: Put
    blank: pa.RecordBatch | None = None
    _begun: bool = False

    async def __call__(self, page: Page) -> Stored:
        converter = await self.reader.converter(page)
        converted = await self.reader.context.workers.run(self.reader.schema.convert, converter, page)
        if converted.dead:
            first = converted.dead[0]
            raise LaneError(f"a record of {self.reader.lane} cannot be read: {first.reason}")
        self._begun = self._begun or converted.batch.num_rows > 0
        self.blank = None if self._begun else converted.batch
        if converted.batch.num_rows:
            await self.put(converted.batch)
        return Stored(converted.served, converted.fingerprint)
