"""Runs and streams for callers without an event loop: a script, a notebook's cell, an engine that reads Arrow."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from axsync.errors import UsageError
from axsync.events import Observer
from axsync.runs.run import Report, sync
from axsync.runs.stream import stream
from axsync.settings import Settings


def run(settings: Settings, *, observers: Sequence[Observer] = ()) -> Report:
    """Do one run and return its report, as `asyncio.run(axsync.sync(…))`. Raises: as `axsync.sync`; UsageError."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(sync(settings, observers=observers))
    raise UsageError("an event loop is running here already: write `await axsync.sync(settings)`")


def reader(
    settings: Settings, entity: str, *, instance: str | None = None, observers: Sequence[Observer] = ()
) -> pa.RecordBatchReader:
    """One entity type of an instance as record batches, which a thread requests while they are read.

    Returns when the schema is known, which an empty type has too. Pages wait in the thread until they are read. It ends
    with the last batch, and when the reader is closed or dropped. Observers are called in it. Raises: as
    `axsync.stream`. An error in the middle reaches the caller as pyarrow.ArrowInvalid, which has its words.
    """
    feed = _Feed(stream(settings, entity, instance=instance, observers=observers))
    try:
        first = feed.next()
    except BaseException:
        feed.close()
        raise
    if first is None:
        raise AssertionError("a stream has at least one batch")
    return pa.RecordBatchReader.from_stream(_Exported(first.schema, _batches(feed, first)))


def _batches(feed: "_Feed", first: pa.RecordBatch) -> Generator[pa.RecordBatch, None, None]:
    batch: pa.RecordBatch | None = first
    try:
        while batch is not None:
            yield batch
            batch = feed.next()
    finally:
        feed.close()


@dataclass(frozen=True)
class _Exported:
    """Batches by Arrow's C interface: a reader that is made of it lets go of them when it is closed."""

    schema: pa.Schema
    batches: Generator[pa.RecordBatch, None, None]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:  # noqa: ANN401  capsules
        return pa.RecordBatchReader.from_batches(self.schema, self.batches).__arrow_c_stream__(requested_schema)


class _Feed:
    """A thread with a loop of its own, in which one task reads a stream and answers one demand after the other."""

    def __init__(self, batches: AsyncGenerator[pa.RecordBatch, None]) -> None:
        self._batches = batches
        self._begun = threading.Event()
        self._failed: OSError | None = None  # no loop can be made: too many files are open
        self._demand: Future[pa.RecordBatch | None] = Future()
        # A daemon: a reader that nobody closed must not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._work, name="axsync-reader", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._failed is not None:
            raise self._failed

    def next(self) -> pa.RecordBatch | None:
        """Wait for the next batch; None after the last. Raises: what went wrong in the thread."""
        self._demand = demand = Future[pa.RecordBatch | None]()
        try:
            self._loop.call_soon_threadsafe(self._demands.put_nowait, demand)
        except RuntimeError:  # its loop is closed: the stream is over
            return None
        return demand.result()

    def close(self) -> None:
        """End the thread and wait for it. A second time does nothing."""
        with suppress(RuntimeError):  # over already
            self._loop.call_soon_threadsafe(self._cancel)
        if self._thread is not threading.current_thread():  # where garbage is collected in it
            self._thread.join()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _work(self) -> None:
        try:
            with asyncio.Runner() as runner, suppress(asyncio.CancelledError):
                self._loop = runner.get_loop()
                runner.run(self._answer())
        except OSError as error:
            self._failed = error
        finally:
            self._begun.set()
            with suppress(InvalidStateError):  # answered already; or somebody waits while another thread closes
                self._demand.set_result(None)

    async def _answer(self) -> None:
        self._task = asyncio.current_task()
        self._demands: asyncio.Queue[Future[pa.RecordBatch | None]] = asyncio.Queue()
        self._begun.set()
        try:
            async with aclosing(self._batches) as batches:
                async for batch in batches:
                    (await self._demands.get()).set_result(batch)
        except Exception as error:  # noqa: BLE001  it is raised where the batch is waited for
            (await self._demands.get()).set_exception(error)
