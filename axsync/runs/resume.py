"""Which run an invocation resumes: the newest unfinished one of the same plan, a finished one, or none.

One predicate, `resumable`, answers for `run`, `plan`, `runs` and `gc`, so that nothing is removed or called given up
that the same command would still resume.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
import orjson

from axsync.errors import ManifestError
from axsync.lake.history import readable, run_of_day
from axsync.lake.journal import ABANDONED, FINISHED, Record
from axsync.lake.publish import Lake, RunFacts
from axsync.lake.store import digest_of
from axsync.model import Lane, Outcome, Part
from axsync.runs.state import LaneMemory, RunMemory, last_event, memory_of, record, restart
from axsync.settings import PARQUET, Settings

FRESH_ENOUGH = timedelta(hours=24)
"""An unpublished run of today that is older than this is given up: its pages would no longer fit the new ones."""


@dataclass(frozen=True, slots=True)
class Past:
    """A run that was found, and what its journal says."""

    run_id: str
    memory: RunMemory
    reopened: tuple[Record, ...] = ()  # lanes of a finished run whose files are gone, begun anew; not journaled yet


def plan_of(settings: Settings) -> str:
    """A digest of what is asked: instances, types, fields, rows, day, tables. Pace and lake are not part of it."""
    instances = [(i.name, i.url, i.api, i.paging) for i in settings.chosen()]
    run = settings.run
    # Without types to skip as it always was, so that a run which an earlier version began is resumed.
    skip = (sorted(run.skip),) if run.skip else ()
    # Parts of tables are staged by other names.
    tables = [name for name in settings.lake.formats if name != PARQUET]
    asked = (sorted(run.wanted), run.as_of, run.limit, run.logical_date, *skip, *([tables] if tables else ()))
    entities = {name: msgspec.to_builtins(e) for name, e in settings.entities.items()}
    text = orjson.dumps([instances, asked, entities], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:32]


def resumable(memory: RunMemory, now: datetime, logical_date: str | None = None) -> bool:
    """Whether the same command resumes this run.

    A run of the logical date that is asked for is resumed however old it is; an unpublished one of yesterday as long
    as it is young, since a run that begins before midnight may go on after it. Without a `logical_date`: whether
    there is any that the same command may still ask for.
    """
    if memory.facts is None or memory.over:
        return False
    return _same_day(memory, memory.facts, now, logical_date) or (not memory.published and _young(memory, now))


def _same_day(memory: RunMemory, facts: RunFacts, now: datetime, asked: str | None) -> bool:
    if asked is not None:
        return facts.logical_date == asked
    return memory.dated or facts.logical_date >= now.astimezone(UTC).date().isoformat()


def is_under_way(lake: Lake, run_id: str) -> bool:
    """Whether a run publishes just now, or was killed while it did: the next one that holds the lake clears that up."""
    try:
        memory = memory_of(lake, run_id)
    except ManifestError:
        return False
    return memory.facts is not None and not memory.over


def find(lake: Lake, plan: str, logical_date: str, now: datetime) -> Past | None:
    """The newest run of this plan that can be resumed, or that already produced the requested snapshot.

    One that has finished goes on where files of it are gone: a later run replaced them and was forgotten, or somebody
    removed them. One whose journal cannot be read is passed over.
    """
    for past in _of_plan(lake, plan):
        if past.memory.finished:
            same_day = past.memory.facts is not None and past.memory.facts.logical_date == logical_date
            # Another run may have replaced its snapshot since: then there is something to do.
            return _reopened(lake, past) if same_day and run_of_day(lake, logical_date) == past.run_id else None
        if resumable(past.memory, now, logical_date):
            return past
    return None


def _reopened(lake: Lake, past: Past) -> Past:
    gone = [
        lane for lane, known in past.memory.lanes.items() if known.outcome and not _is_published(lake, known.outcome)
    ]
    return replace(past, reopened=tuple(restart(past.memory, lane) for lane in gone))


def _is_published(lake: Lake, outcome: Outcome) -> bool:
    return all(lake.store.size(part.path) == part.size for part in outcome.parts)


def lost_parts(lake: Lake, run: RunFacts, memory: RunMemory, sound: set[str]) -> list[tuple[Lane, str]]:
    """Parts that the journal speaks of and that are not there, or not what they were.

    Those that are not published are read: what is published next has to be what its manifest says. `sound` are those
    that were read before, and grows. What is published already counts for a lane that has come to its end, if it is
    whole.
    """
    if run.in_place and memory.published:
        sound |= {part.path for known in memory.lanes.values() if known.outcome for part in known.parts}
    return [(lane, path) for lane, known in memory.lanes.items() for path in _lost(lake, run, known, sound)]


def _lost(lake: Lake, run: RunFacts, known: LaneMemory, sound: set[str]) -> list[str]:
    gone = [part for part in known.parts if not _is_sound(lake, run.place(part.path), part, sound)]
    if known.outcome is not None and all(lake.store.size(part.path) == part.size for part in gone):
        return []
    return [part.path for part in gone]


def _is_sound(lake: Lake, key: str, part: Part, sound: set[str]) -> bool:
    if lake.store.size(key) == part.size and key not in sound:
        with suppress(OSError), lake.store.open(key) as content:
            if digest_of(content)[0] == part.sha256:
                sound.add(key)
    return key in sound and lake.store.size(key) == part.size


def overtaken(lake: Lake, memory: RunMemory) -> Iterator[tuple[Lane, str]]:
    """Lanes that another run of the same day has published since they were begun, and that run: its rows are newer.

    A run that began later did, and one that began earlier if it ended later: it was resumed in between.
    """
    if memory.facts is None:
        return
    run_id, began = memory.facts.run_id, datetime.fromisoformat(memory.facts.started_at)
    for other in readable(lake, (memory.facts.logical_date,)):
        since = other.run_id > run_id or (other.run_id != run_id and other.finished_at > began)
        if since:
            read = {lane.lane for lane in other.lanes if lane.columns and lane.from_run is None}
            for lane, known in memory.lanes.items():
                if lane in read and known.begun and other.run_id not in known.read_after:
                    yield lane, other.run_id


def give_up(lake: Lake, plan: str) -> list[str]:
    """Abandon all unfinished runs of this plan; returns their ids."""
    left = [past.run_id for past in _of_plan(lake, plan, without=(FINISHED, ABANDONED)) if not past.memory.over]
    for run_id in left:
        lake.journal(run_id).begin().append(record(ABANDONED))
        lake.clear_staging(run_id)
    return left


def _of_plan(lake: Lake, plan: str, without: Collection[str] = (ABANDONED,)) -> Iterator[Past]:
    """The runs of a plan, newest first, `without` those whose last event is one of these."""

    def look(run_id: str) -> Past | None:
        with suppress(ManifestError, OSError):
            # Journals of a long history are not read in full, for each of its days again.
            opened = lake.journal(run_id).first()
            if (opened is None or opened.get("plan") == plan) and last_event(lake, run_id) not in without:
                memory = memory_of(lake, run_id)
                return Past(run_id, memory) if memory.plan == plan else None
        return None

    return (past for past in lake.each(look, lake.runs()) if past is not None)


def _young(memory: RunMemory, now: datetime) -> bool:
    started = datetime.fromisoformat(memory.facts.started_at) if memory.facts else now
    return now - started.astimezone(UTC) < FRESH_ENOUGH
