"""Runs that have a journal and no snapshot: interrupted ones, and those of which nothing came."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from axsync.errors import ManifestError
from axsync.lake.history import History, PastRun, is_snapshot, past_runs
from axsync.lake.publish import Lake, RunFacts
from axsync.runs.resume import resumable
from axsync.runs.state import RunMemory, memories_of, shards_of


def all_runs(lake: Lake, now: datetime) -> History:
    """The runs of a lake, newest first, also those without a snapshot. What cannot be read hides nothing else.

    A run without one is unfinished as long as the same command would resume it.

    Raises: NoLake.
    """
    history = past_runs(lake)
    published = {run.run_id for run in history.runs}
    found, errors = list(history.runs), list(history.errors)
    for one in unpublished_runs(lake, published, now):
        if isinstance(one, ManifestError):
            errors.append(one)
        else:
            found.append(one)
    found.sort(key=lambda run: run.run_id, reverse=True)  # as `past_runs` does it
    return replace(history, runs=tuple(found), errors=tuple(errors))


def unpublished_runs(lake: Lake, published: Collection[str], now: datetime) -> Iterator[PastRun | ManifestError]:
    """The runs without a snapshot, newest first, or why one cannot be read. `published` have one."""
    # One whose snapshot cannot be read is told of already.
    others = [run_id for run_id in lake.runs() if run_id not in published and not is_snapshot(lake, run_id)]
    for run_id, memory in memories_of(lake, others):
        if isinstance(memory, ManifestError):
            yield memory
            continue
        try:
            for shard in shards_of(lake, run_id).values():  # of a run that several processes share
                memory.lanes |= shard.lanes
        except ManifestError as error:
            yield error
            continue
        if memory.facts is not None:
            yield _unpublished(memory.facts, memory, now)


def _unpublished(facts: RunFacts, memory: RunMemory, now: datetime) -> PastRun:
    return PastRun(
        run_id=facts.run_id,
        logical_date=facts.logical_date,
        as_of=facts.as_of,
        started_at=facts.started_at,
        finished_at=None,
        verdict="unfinished" if resumable(memory, now) else "given up",
        lanes=len(memory.lanes),
        rows=memory.rows,
        seconds=None,
        latest=False,
    )
