"""One lane of a run, from its first count to its outcome."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from axsync.client.source import UNSTABLE
from axsync.engine.lane_walk import Stored
from axsync.engine.paginators import Paginator
from axsync.errors import AxsyncError, BadRequest, LaneError, NotOffered, OutOfMemory, OutOfTime, StorageError
from axsync.events import LaneClosed
from axsync.model import ID_FIELD, Outcome, Page, Verdict
from axsync.runs.lane_reader import LaneReader, MarkExpired
from axsync.runs.lane_selection import refuses_type
from axsync.runs.lane_writer import LaneWriter
from axsync.runs.reconcile import Reconciler
from axsync.runs.verdict import Evidence, judge
from axsync.schema.selection import ALWAYS

BARE = ALWAYS | {ID_FIELD}
"""The fields of a row that says nothing."""

FORBIDDEN, NOT_OFFERED, UNNAMED = "forbidden", "not offered", "cannot be requested"
"""How the reason of a skipped lane begins: the role may not, the instance has none, its name is no part of a path."""

MAX_RESTARTS = 3
"""How often a lane begins anew because its token or cursor expired."""


@dataclass(slots=True)
class LaneRun:
    """One lane under way; `error` is why it failed."""

    reader: LaneReader
    writer: LaneWriter
    error: AxsyncError | None = None
    _opened: bool = field(default=False, init=False)  # the first page has told how many rows there are

    async def run(self) -> Outcome:
        """Walk the lane; what goes wrong on the way becomes its outcome and `error`.

        Raises: StorageError and OutOfMemory, which end the run; CancelledError, after all that was written is durable.
        """
        if self.writer.memory.outcome is not None:
            return self.writer.memory.outcome
        started = self._begin()
        try:
            async with self.reader.context.deadline.limit():
                outcome = await self._walked()
        except TimeoutError:
            await self.writer.seal(self.reader)
            outcome = self._failed(OutOfTime(self.reader.context.deadline.reason))
        except (NotOffered, BadRequest) as error:
            outcome = self._skipped(error) if self._is_absent(error) else self._failed(error)
        except (StorageError, OutOfMemory):
            raise
        except AxsyncError as error:
            outcome = self._failed(error)
        except Exception as error:  # noqa: BLE001  a defect costs one entity type, never the run
            outcome = self._crashed(error)
        except asyncio.CancelledError:
            await self.writer.seal(self.reader, until=self.reader.context.workers.grace_ends())
            raise
        finally:
            await self.writer.abandon(self.reader)
        outcome = replace(outcome, seconds=time.monotonic() - started)
        if self.error is None and outcome.verdict != "skipped":
            await self.writer.close(self.reader, outcome)
        self.reader.context.observe(LaneClosed(outcome))
        return outcome

    def _is_absent(self, error: NotOffered | BadRequest) -> bool:
        """Whether the type is not there, or not for this account; where rows were served, it is."""
        if self.writer.begun or self.reader.stats.size:
            return False
        reader = self.reader
        return isinstance(error, NotOffered) or refuses_type(reader.source, reader.lane.entity, error, reader.entity)

    def _begin(self) -> float:
        """When it would have begun, had this process done all of it."""
        spent, reader = self.writer.memory.spent, self.reader
        reader.stats.counters.requests, reader.stats.counters.retries = spent.requests, spent.retries
        self.writer.pages = spent.pages
        self.writer.began = time.monotonic() - spent.seconds
        return self.writer.began

    async def _walked(self) -> Outcome:
        """The lane from where it is; begun anew where its token has expired."""
        for _ in range(MAX_RESTARTS):
            try:
                return await self._walked_once()
            except MarkExpired as error:
                await self._restart(str(error))
        return await self._walked_once()

    async def _restart(self, reason: str) -> None:
        self.reader.notice(f"restarted: {reason}")
        self.reader.schema.forget_columns()
        await self.writer.restart(self.reader)

    async def _walked_once(self) -> Outcome:
        reader = self.reader
        way = await self._way()
        discovery = {"before": await reader.source.discovery()}
        anew = not self.writer.memory.spans
        self._opened = not anew
        if self._opened:
            await reader.open()  # an earlier process knew the size
        walk, reconciler = reader.way(way, partial(self._store, way)), Reconciler(reader, self.writer)
        await reconciler.walk(walk, anew=anew)
        reconciler.one_answer, reconciler.cycling = anew and walk.answers <= 1, await self._is_cycling(discovery)
        evidence = await reconciler.evidence(reader.before, walk.paginator.total)
        if not evidence.distinct:
            await self.writer.keep_empty(reader)
        reader.schema.tell_unserved()
        discovery["after"] = await self._cycle_after(discovery["before"], evidence, reconciler)
        return self._outcome(evidence, discovery, reconciler.repaired)

    async def _cycle_after(self, before: str | None, evidence: Evidence, reconciler: Reconciler) -> str | None:
        """The state of the discovery cycle behind the walk; what one answer holds is of one moment."""
        if reconciler.one_answer:
            return before
        return reconciler.cycle if evidence.listed is not None else await self.reader.cycle()

    async def _is_cycling(self, discovery: Mapping[str, str | None]) -> bool:
        """Whether a discovery cycle ran; looked at only where a listing depends on it."""
        if self.reader.entity.proof == "always":
            return False
        return not UNSTABLE.isdisjoint({discovery["before"], await self.reader.source.discovery()})

    async def _way(self) -> Paginator:
        """What is left of an earlier process's walk, or a new one."""
        pinned = self.writer.memory.pinned
        if pinned is None:
            await self.reader.prepare()
            return self.reader.walk()
        if pinned["generation"] == self.reader.source.api.GENERATION:
            self.reader.restore(pinned)
            walk = self.reader.resumed_walk(self.writer.memory.spans)
            if walk is not None:
                await self.writer.reopen(self.reader)
                self.reader.stats.size = sum(span.size for span in self.writer.memory.spans)
                return walk
        await self._restart("the interrupted read cannot be resumed")
        return await self._way()

    async def _store(self, way: Paginator, page: Page) -> Stored:
        if not self._opened:
            self._opened = True
            await self.reader.open(page)
            way.bound(self.reader.before)  # a server that tells no totals may never end
        return await self.writer.store(self.reader, page)

    def _outcome(self, evidence: Evidence, discovery: dict[str, str | None], repaired: int) -> Outcome:
        verdict, reason = judge(evidence)
        reader, writer = self.reader, self.writer
        if verdict == "complete" and not evidence.distinct and (reader.question.query or reader.question.saved_query):
            reader.notice("no row matches the query")
        parts = tuple(part for part in writer.memory.parts if part.rows or not evidence.distinct)
        columns = reader.schema.pinned.manifest if reader.schema.pinned else {}
        empty = tuple(name for name in columns if all(name in part.empty for part in parts))
        if (
            reader.schema.blind
            and evidence.distinct
            and {columns[name]["field"] for name in columns if name not in empty} <= BARE
        ):
            told = f"the field catalogue of {reader.asked} cannot be read, and without it only ids are served"
            raise LaneError(told)
        if verdict != "complete" and reader.question.history and evidence.limit is None:
            # A day of history does not move (docs/axonius-api.md, "History"): what differs is our failure
            # or the server's.
            raise LaneError(f"the history of {reader.lane.entity} is incomplete: {reason}")
        return replace(
            self._bare(verdict, reason),
            discovery=discovery,
            count_before=evidence.before,
            count_after=evidence.after,
            rows=evidence.distinct,
            distinct_ids=evidence.distinct,
            duplicates=writer.memory.duplicates,
            repaired=repaired,
            missing=evidence.missing,
            rescued_values=sum(count for count, _ in writer.drift.values()),
            columns=columns,
            empty_columns=empty,
            drift={name: {"rescued": n, "example": kind} for name, (n, kind) in sorted(writer.drift.items())},
            parts=parts,
        )

    def _bare(self, verdict: Verdict, reason: str | None) -> Outcome:
        reader = self.reader
        return Outcome(
            reader.lane,
            verdict,
            reason,
            reader.source.api.GENERATION,
            reader.source.version,
            dead_letters=self.writer.memory.letters,
            pages=self.writer.pages,
            requests=reader.stats.counters.requests,
            retries=reader.stats.counters.retries,
            bytes=reader.stats.size,
            notices=tuple(reader.stats.notices),
            asked=reader.kind,
        )

    def _skipped(self, error: NotOffered | BadRequest) -> Outcome:
        why = {403: FORBIDDEN, None: UNNAMED}.get(error.status, NOT_OFFERED)
        reason = f"{why}: {with_detail(error)}"
        self.reader.notice(f"skipped, {reason}")
        return self._bare("skipped", reason)

    def _crashed(self, error: Exception) -> Outcome:
        found = self.reader.source.transport.crashed(error, self.reader.lane)
        found.__cause__ = error
        return self._failed(found)

    def _failed(self, error: AxsyncError) -> Outcome:
        error.add_note(str(self.reader.lane))
        self.error = error
        return self._bare("failed", with_detail(error))


def with_detail(error: AxsyncError) -> str:
    """The error's sentence and the server's words."""
    detail = getattr(error, "detail", "")
    return f"{error} ({detail})" if detail else str(error)
