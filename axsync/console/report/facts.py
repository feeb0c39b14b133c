"""What a report is made of: a snapshot, those before it, the run over time, samples of its dead letters."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import islice

import msgspec

from axsync.errors import ManifestError, NoLake
from axsync.lake import layout
from axsync.lake.history import FoundRun, LaneRecord, Snapshot, newest_first
from axsync.lake.manifest import lane_entry
from axsync.lake.publish import Lake
from axsync.model import Lane, Outcome
from axsync.runs.run import Report
from axsync.runs.timeline import Timeline, read_timeline

MOST_EARLIER = 13
"""Snapshots that a run is compared with: with its own, two weeks of nights."""
MOST_LETTERS = 5
"""Dead letters that are listed per lane."""
LETTER_BYTES = 1 << 20
"""Of the dead letters of a lane, so much is looked at."""


class Letter(msgspec.Struct, frozen=True):
    """A dead letter, without the record itself."""

    page: int
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a report tells; `earlier` is newest first, `lake` the name that people know it by."""

    snapshot: Snapshot
    published: bool = True
    latest: bool = False
    earlier: tuple[Snapshot, ...] = ()
    timeline: Timeline | None = None
    letters: Mapping[Lane, tuple[Letter, ...]] = field(default_factory=dict)
    lake: str = ""


def facts_of_snapshot(lake: Lake, found: FoundRun) -> Facts:
    """A published run, with what lies beside it."""
    return _facts(lake, found.snapshot, published=True, latest=found.latest)


def facts_of_run(lake: Lake, report: Report) -> Facts:
    """A run that has just ended without a snapshot."""
    now = datetime.now(UTC)
    snapshot = Snapshot(
        run_id=report.run_id,
        logical_date=report.logical_date,
        as_of=None,
        started_at=now - timedelta(seconds=report.seconds),
        finished_at=now,
        axsync_version=version("axsync"),
        verdict=report.verdict,
        lanes=tuple(map(_unpublished, report.outcomes)),
    )
    return _facts(lake, snapshot, published=False, latest=False)


def _unpublished(outcome: Outcome) -> LaneRecord:
    return msgspec.convert(lane_entry(outcome, None) | {"files": ()}, LaneRecord)


def _facts(lake: Lake, snapshot: Snapshot, *, published: bool, latest: bool) -> Facts:
    letters = {lane.lane: _letters(lake, snapshot.run_id, lane.lane) for lane in snapshot.lanes if lane.dead_letters}
    earlier, timeline = _earlier(lake, snapshot.run_id), read_timeline(lake, snapshot.run_id)
    return Facts(snapshot, published, latest, earlier, timeline, letters, lake.name)


def _earlier(lake: Lake, run_id: str) -> tuple[Snapshot, ...]:
    found: list[Snapshot] = []
    # Ids sort as runs do (`runs.setup.name_run`). One that cannot be read ends the look back, and no more.
    with suppress(ManifestError, NoLake):
        found += islice((one for one in newest_first(lake) if one.run_id < run_id), MOST_EARLIER)
    return tuple(found)


def _letters(lake: Lake, run_id: str, lane: Lane) -> tuple[Letter, ...]:
    try:
        lines = lake.store.read(layout.dead_letters(run_id, lane), LETTER_BYTES).splitlines()
    except OSError:
        return ()
    return tuple(islice(_readable(lines), MOST_LETTERS))


def _readable(lines: Sequence[bytes]) -> Sequence[Letter]:
    letters = []
    for line in lines[: MOST_LETTERS + 1]:
        try:
            letters.append(msgspec.json.decode(line, type=Letter))
        except msgspec.MsgspecError:  # cut within a line
            break
    return letters
