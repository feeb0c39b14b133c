"""The guards between what a run has read and its snapshot: what may be published, and what is told of it.

A guard holds back what is less than its logical date has, a type that lost more than half of its rows or columns, or a
whole run where all or nothing is asked. Earlier files stay then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from axsync.errors import AxsyncError, DropByLimit, DropByQuery, GuardRefused, NotWhole
from axsync.events import Notice, Observer
from axsync.lake.history import DayLane, neighbour, up_to
from axsync.lake.id_index import ever_held
from axsync.lake.manifest import FoundRun
from axsync.lake.publish import Lake
from axsync.model import Lane, Outcome
from axsync.runs.lane import FORBIDDEN, NOT_OFFERED
from axsync.runs.replacing import Day, hold_worse
from axsync.settings import RunSettings

MOST_NAMED = 5
"""Columns that a notice names."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the lake had before the run: entries of lanes as manifests have them.

    `snapshot` is the newest up to the logical date, whose files stand in for what is missing.
    """

    snapshot: FoundRun | None = None
    lanes: Mapping[Lane, Mapping[str, Any]] = field(default_factory=dict)  # of that snapshot
    newest: Mapping[Lane, Mapping[str, Any]] = field(default_factory=dict)  # of the newest snapshot of all
    compared: Mapping[Lane, Mapping[str, Any]] = field(default_factory=dict)  # what the drop guard looks at

    @classmethod
    def of(cls, lake: Lake, day: str) -> "Earlier":
        """Before a run of this logical date. Blocks."""
        snapshot = up_to(lake, day)
        lanes = _entries(snapshot)
        return cls(snapshot, lanes, _entries(lake.newest()), lanes)

    @classmethod
    def of_backfill(cls, lake: Lake, day: str) -> "Earlier":
        """Before a run of a day that lies between others: it is compared with its neighbour. Blocks.

        No file of an earlier day stands in, unless `latest.json` comes to name the run.
        """
        newest, snapshot = lake.newest(), up_to(lake, day)
        leads = newest is None or newest.snapshot.logical_date <= day
        is_own = snapshot is not None and snapshot.snapshot.logical_date == day
        snapshot = snapshot if leads or is_own else None
        lanes = _entries(snapshot)
        return cls(snapshot, lanes, _entries(newest), _entries(neighbour(lake, day)) | (lanes if is_own else {}))

    def best(self, lane: Lane) -> Mapping[str, Any] | None:
        """What is known of a lane that is about to be read."""
        return self.lanes.get(lane) or self.newest.get(lane)


def _entries(found: FoundRun | None) -> dict[Lane, Mapping[str, Any]]:
    lanes = found.document["lanes"] if found else ()
    return {Lane(entry["instance"], entry["entity"]): entry for entry in lanes}


@dataclass(frozen=True, slots=True)
class Guards:
    """All guards of one run. `observe` hears what they tell."""

    run: RunSettings
    day: Day
    earlier: Earlier
    observe: Observer

    def applied(
        self, outcomes: Sequence[Outcome], there: Mapping[Lane, DayLane]
    ) -> tuple[list[Outcome], list[AxsyncError]]:
        """The outcomes as they may be published, and what was refused. `there` is what the logical date has."""
        compared, refused = self.earlier.compared, list[AxsyncError]()
        outcomes = [self._with_emptied(outcome) for outcome in outcomes]
        if self.run.replace_worse:
            compared = {lane: entry for lane, entry in compared.items() if lane not in there}
        else:
            outcomes, worse = hold_worse(outcomes, there, self.day)
            refused += worse
        if not self.run.accept_drop:
            outcomes, held = hold_back(outcomes, compared)
            refused += held
        if self.run.publish == "all-or-nothing":
            refused += hold_all(outcomes)
        outcomes = [self._with_narrowed(outcome) for outcome in outcomes]
        self._tell_of_lost(outcomes)
        return outcomes, refused

    def _with_emptied(self, outcome: Outcome) -> Outcome:
        """The outcome, with a notice of the columns that lost all of their values since the previous snapshot."""
        gone, _ = emptied(outcome, self.earlier.lanes.get(outcome.lane))
        if not gone:
            return outcome
        shown = ", ".join(gone[:MOST_NAMED]) + (", …" if len(gone) > MOST_NAMED else "")
        text = f"columns that had values in the previous snapshot and are empty now ({len(gone)}): {shown}"
        return self._with_notice(outcome, text)

    def _with_narrowed(self, outcome: Outcome) -> Outcome:
        """The outcome, with a notice where rows of a query are about to follow all rows of the type."""
        if not (outcome.columns and narrowed(outcome, self.earlier.lanes.get(outcome.lane))):
            return outcome
        text = (
            f"the previous snapshot has all rows of {outcome.lane.entity}, this one only those of a query: diff does"
            " not compare them. Give a query a lake of its own with --lake"
        )
        return self._with_notice(outcome, text)

    def _with_notice(self, outcome: Outcome, text: str) -> Outcome:
        self.observe(Notice(outcome.lane, text))
        return replace(outcome, notices=(*outcome.notices, text))

    def _tell_of_lost(self, outcomes: Sequence[Outcome]) -> None:
        """Say what a skipped type costs that had rows before: each such run is partial."""
        for outcome in outcomes:
            if outcome.verdict == "skipped" and self.earlier.lanes.get(outcome.lane, {}).get("files"):
                told = (
                    "had rows before and cannot be read now; its earlier files stay. If you no longer want it, skip it"
                )
                self.observe(Notice(outcome.lane, f"{outcome.lane.entity} {told}: --skip, or `skip` in [run]"))


def excused(outcomes: Sequence[Outcome], lake: Lake, run: RunSettings) -> list[Outcome]:
    """The outcomes, a skipped one excused where the lake never had rows of it. Blocks."""
    # A day of history that is not there was asked for, and is missing; so is a type whose name no path can hold.
    refusals = (FORBIDDEN, NOT_OFFERED) if run.as_of is None else (FORBIDDEN,)

    def is_excused(outcome: Outcome) -> bool:
        is_refused = outcome.verdict == "skipped" and (outcome.reason or "").startswith(refusals)
        return is_refused and not ever_held(lake.store, outcome.lane)

    return [replace(outcome, excused=True) if is_excused(outcome) else outcome for outcome in outcomes]


def hold_back(
    outcomes: Sequence[Outcome], earlier: Mapping[Lane, Mapping[str, Any]]
) -> tuple[list[Outcome], list[GuardRefused]]:
    """Outcomes where a fallen type is replaced by one without files, so that its previous snapshot stands in."""
    kept: list[Outcome] = []
    refused: list[GuardRefused] = []
    for outcome in outcomes:
        reason = _fallen(outcome, earlier.get(outcome.lane))
        if reason is None:
            kept.append(outcome)
            continue
        error = _drop(outcome, earlier.get(outcome.lane))(reason)
        error.add_note(str(outcome.lane))
        refused.append(error)
        kept.append(outcome.held_back(reason))
    return kept, refused


def _drop(outcome: Outcome, before: Mapping[str, Any] | None) -> type[GuardRefused]:
    if outcome.asked is not None and outcome.asked.limit is not None:
        return DropByLimit
    return DropByQuery if narrowed(outcome, before) else GuardRefused


def narrowed(outcome: Outcome, before: Mapping[str, Any] | None) -> bool:
    """Whether rows of a query follow all rows of the type in the previous snapshot; 0.1.0 did not tell."""
    asked = (before or {}).get("asked")
    if asked is None or outcome.asked is None or not any(outcome.asked.queries):
        return False
    return not (asked.get("query") or asked.get("saved_query")) and bool(before and before.get("files"))


def emptied(outcome: Outcome, before: Mapping[str, Any] | None) -> tuple[list[str], int]:
    """The columns that had values in the previous snapshot and have none now, and how many had values then.

    Snapshots of 0.1.0 do not tell which of their columns are empty: nothing is held against them.
    """
    if before is None or "empty_columns" not in before or not outcome.rows:
        return [], 0
    filled = before["columns"].keys() - set(before["empty_columns"])
    return [name for name in outcome.empty_columns if name in filled], len(filled)


def _fallen(outcome: Outcome, before: Mapping[str, Any] | None) -> str | None:
    """Why the outcome is not to replace what was there before."""
    entity, rows = outcome.lane.entity, _rows(before)
    if not outcome.columns:
        return None
    if 2 * outcome.rows < rows:
        return f"{entity} fell from {rows} to {outcome.rows} rows and is not published"
    gone, filled = emptied(outcome, before)
    if 2 * len(gone) > filled:
        return f"{len(gone)} of {filled} columns of {entity} that had values are empty now, and it is not published"
    return None


def hold_all(outcomes: Sequence[Outcome]) -> list[NotWhole]:
    """Why a run that is to be published all or nothing is not published; nothing where every type came whole."""
    short = [o.lane for o in outcomes if o.verdict not in ("complete", "skipped")]
    if not short:
        return []
    error = NotWhole(f"{len(short)} of {len(outcomes)} entity types are incomplete, so nothing is published")
    for lane in short:
        error.add_note(str(lane))
    return [error]


def _rows(entry: Mapping[str, Any] | None) -> int:
    return sum(file["rows"] for file in entry.get("files", ())) if entry else 0
