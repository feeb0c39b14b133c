"""What a run's journal remembers: a fold over its records.

run_opened      facts of the run, the plan it belongs to
lanes_chosen    what it will walk; again, when an instance answers that did not at first
lane_pinned     a lane's question, columns and first count: never asked or guessed again
part_sealed     a part is durable; which pages it holds, what drifted in them
pages_buried    pages of which nothing but dead letters came
part_lost       a part is not there any more, or cut; its pages are asked again
part_replaced   a part was written anew without rows that came again later
lane_restarted  what the lane had is void, perhaps because a `newer` run has published it since; a finished run goes on
lane_closed     its outcome
publishing      the manifest of what will be the snapshot, before what cannot be taken back: the next one carries it out
committed       a table has its new version
published       the snapshot is in place; lanes that failed may still be resumed. `replacing`: what it replaces may not
                be removed yet, of a date that `latest.json` does not name
shard_ended     in the journal of one process of several: it has come to its end; what became of the lanes that it did
                not close, and which instances did not answer
finished        nothing is left to do
abandoned       a fresh run was asked for, or the run is too old to be resumed
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from axsync.api import GENERATIONS
from axsync.errors import ManifestError
from axsync.lake import layout
from axsync.lake.journal import ABANDONED, COMMITTED, FINISHED, PUBLISHED, PUBLISHING, Record
from axsync.lake.publish import Lake, RunFacts
from axsync.model import Lane, Outcome, PageSpan, Part


@dataclass(frozen=True, slots=True)
class Spent:
    """What a lane cost so far, over all processes that worked on it."""

    pages: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class LaneMemory:
    """One lane: what was settled, which parts are durable, how it ended."""

    pinned: Record | None = None
    parts: list[Part] = field(default_factory=list)
    buried: list[PageSpan] = field(default_factory=list)
    letters: int = 0
    letters_size: int = 0  # bytes of the dead-letter file that belong to durable pages
    duplicates: int = 0
    outcome: Outcome | None = None
    spent: Spent = field(default_factory=Spent)
    read_after: set[str] = field(default_factory=set)  # runs that had published this lane when it was begun anew

    @property
    def begun(self) -> bool:
        """Whether anything of it is durable."""
        return bool(self.parts or self.buried or self.outcome)

    @property
    def spans(self) -> list[PageSpan]:
        """All pages that need not be asked again."""
        return [span for part in self.parts for span in part.pages] + self.buried

    @property
    def rows(self) -> int:
        """Rows in its durable parts."""
        return sum(part.rows for part in self.parts)

    @property
    def is_resumable(self) -> bool:
        """Whether its walk can be taken up by another process: a chain of tokens that do not survive cannot."""
        api = GENERATIONS.get((self.pinned or {}).get("generation", ""))
        return api is None or api.TOKENS_SURVIVE or not any(span.mark for span in self.spans)


@dataclass(slots=True)
class RunMemory:
    """One run."""

    facts: RunFacts | None = None
    plan: str = ""
    dated: bool = False  # its logical date was asked for, so that the same command asks for it again on any day
    lanes: dict[Lane, LaneMemory] = field(default_factory=dict)
    publishing: Mapping[str, Any] | None = None  # a manifest that is to be carried out
    committed: list[Record] = field(default_factory=list)  # to tables, since then
    published: bool = False
    replacing: bool = False  # what its date had before may still be there
    over: bool = False  # finished or abandoned
    finished: bool = False
    has_ended: bool = False  # the process of several whose journal it is
    ended: dict[Lane, Outcome] = field(default_factory=dict)  # lanes that it did not close: failed, or skipped
    unreached: dict[str, str] = field(default_factory=dict)  # instance → why it could not be asked

    @property
    def unsettled(self) -> list[Lane]:
        """Lanes of which nothing is known that the run could publish, or tell."""
        return [lane for lane, known in self.lanes.items() if known.outcome is None and lane not in self.ended]

    @property
    def rows(self) -> int:
        """Rows in its durable parts."""
        return sum(lane.rows for lane in self.lanes.values())

    @property
    def kept(self) -> int:
        """Those that a resumed run does not read again."""
        return sum(lane.rows for lane in self.lanes.values() if lane.outcome or lane.is_resumable)


def fold(records: Iterable[Record]) -> RunMemory:
    """The state that these records lead to."""
    memory = RunMemory()
    for record in records:
        _STEPS[record["event"]](memory, record)
    return memory


def memory_of(lake: Lake, run_id: str) -> RunMemory:
    """What the journal of a run says, for whoever asks. Raises: ManifestError where it cannot be understood."""
    try:
        return fold(lake.journal(run_id).read())
    except (OSError, ValueError, LookupError, TypeError, StopIteration, msgspec.MsgspecError) as error:
        raise ManifestError(f"the journal of run {run_id!r} cannot be read", file=layout.journal(run_id)) from error


def last_event(lake: Lake, run_id: str) -> str:
    """What a run's journal ends with; empty where that cannot be told without the rest of it.

    Behind a publication that may have to be brought to its end it is empty as well.
    """
    with suppress(OSError, LookupError, TypeError, AttributeError):  # what it holds may be anything
        last = lake.journal(run_id).last()
        if last is not None and not last.get("replacing", False):
            return str(last["event"])
    return ""


def memories_of(lake: Lake, run_ids: Sequence[str]) -> Iterator[tuple[str, RunMemory | ManifestError]]:
    """The same for many runs, in their order; or why one cannot be understood."""

    def look(run_id: str) -> tuple[str, RunMemory | ManifestError]:
        try:
            return run_id, memory_of(lake, run_id)
        except ManifestError as error:
            return run_id, error

    return lake.each(look, run_ids)


def shards_of(lake: Lake, run_id: str) -> dict[int, RunMemory]:
    """Shard → what its journal says, of a run that several processes share. Raises: ManifestError."""
    numbers = sorted(int(name) for name in lake.store.folders(layout.shards(run_id)) if name.isdigit())
    return {number: memory_of(lake, layout.shard(run_id, number)) for number in numbers}


def lose(memory: RunMemory, lane: Lane, path: str) -> Record:
    """Forget a part that is gone; returns the record that says so."""
    lost = record("part_lost", lane, path=path)
    _STEPS["part_lost"](memory, lost)
    return lost


def restart(memory: RunMemory, lane: Lane, newer: str | None = None) -> Record:
    """Forget what was read of a lane: a `newer` run published it, or it is gone; returns the record that says so."""
    restarted = record("lane_restarted", lane, **({"newer": newer} if newer else {}))
    _STEPS["lane_restarted"](memory, restarted)
    return restarted


def _opened(memory: RunMemory, record: Record) -> None:
    facts = msgspec.convert(record["facts"], RunFacts)
    memory.facts, memory.plan = facts, record["plan"]
    # Earlier versions did not say so: then a date other than that of the beginning was asked for.
    memory.dated = record.get("dated", facts.logical_date != facts.started_at[: len(facts.logical_date)])


def _chosen(memory: RunMemory, record: Record) -> None:
    memory.lanes |= {msgspec.convert(lane, Lane): LaneMemory() for lane in record["lanes"]}


def _publishing(memory: RunMemory, record: Record) -> None:
    memory.publishing, memory.committed = record["manifest"], []


def _committed(memory: RunMemory, record: Record) -> None:
    memory.committed.append(record)


def _published(memory: RunMemory, record: Record) -> None:
    memory.publishing = None
    memory.published, memory.replacing = True, record.get("replacing", False)


def _finished(memory: RunMemory, record: Record) -> None:
    del record
    memory.finished = memory.over = True


def _abandoned(memory: RunMemory, record: Record) -> None:
    del record
    memory.over = True


def _shard_ended(memory: RunMemory, record: Record) -> None:
    outcomes = msgspec.convert(record["outcomes"], list[Outcome])
    memory.has_ended, memory.unreached = True, record["unreached"]
    memory.ended = {outcome.lane: outcome for outcome in outcomes}


def _lane(step: Callable[[LaneMemory, Record], None]) -> Callable[[RunMemory, Record], None]:
    def apply(memory: RunMemory, record: Record) -> None:
        step(memory.lanes[msgspec.convert(record["lane"], Lane)], record)

    return apply


def _pinned(lane: LaneMemory, record: Record) -> None:
    lane.pinned = record["pinned"]


def _sealed(lane: LaneMemory, record: Record) -> None:
    part = msgspec.convert(record["part"], Part)
    lane.parts.append(part)
    lane.letters += part.letters
    lane.letters_size = record["letters_size"]
    lane.spent = msgspec.convert(record["spent"], Spent) if "spent" in record else lane.spent


def _lost(lane: LaneMemory, record: Record) -> None:
    gone = [part for part in lane.parts if part.path == record["path"]]
    lane.parts = [part for part in lane.parts if part.path != record["path"]]
    lane.letters -= sum(part.letters for part in gone)
    lane.outcome = None


def _buried(lane: LaneMemory, record: Record) -> None:
    lane.buried.append(msgspec.convert(record["span"], PageSpan))
    lane.letters += record["letters"]
    lane.letters_size = record["letters_size"]


def _replaced(lane: LaneMemory, record: Record) -> None:
    place = next(i for i, part in enumerate(lane.parts) if part.path == record["old"])
    lane.parts[place] = msgspec.convert(record["part"], Part)
    lane.duplicates += record["duplicates"]


def _restarted(memory: RunMemory, record: Record) -> None:
    memory.over = memory.finished = False
    lane = memory.lanes[msgspec.convert(record["lane"], Lane)]
    lane.read_after |= {record["newer"]} if "newer" in record else set()
    lane.pinned, lane.outcome = None, None
    lane.parts, lane.buried, lane.letters, lane.letters_size, lane.duplicates = [], [], 0, 0, 0


def _closed(lane: LaneMemory, record: Record) -> None:
    lane.outcome = msgspec.convert(record["outcome"], Outcome)


_STEPS: Mapping[str, Callable[[RunMemory, Record], None]] = {
    "run_opened": _opened,
    "lanes_chosen": _chosen,
    "lane_pinned": _lane(_pinned),
    "part_sealed": _lane(_sealed),
    "pages_buried": _lane(_buried),
    "part_lost": _lane(_lost),
    "part_replaced": _lane(_replaced),
    "lane_restarted": _restarted,
    "lane_closed": _lane(_closed),
    PUBLISHING: _publishing,
    COMMITTED: _committed,
    PUBLISHED: _published,
    "shard_ended": _shard_ended,
    FINISHED: _finished,
    ABANDONED: _abandoned,
}


def record(event: str, lane: Lane | None = None, **facts: Any) -> Record:  # any value of the model
    """A journal record of plain JSON values."""
    named = {} if lane is None else {"lane": msgspec.to_builtins(lane)}
    return {"event": event, **named, **{key: msgspec.to_builtins(value) for key, value in facts.items()}}


def merged_ranges(spans: Sequence[PageSpan]) -> list[tuple[int, int]]:
    """The row ranges that these pages cover, as an offset walk counts them."""
    return sorted((s.offset, s.offset + s.served) for s in spans if s.served)
