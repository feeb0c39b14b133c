"""From evidence to verdict, lane by lane; and the guards before publishing. Pure, and told in numbers.

A guard holds back a type that lost more than half of its rows or columns, or a whole run where all or nothing is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from axsync.errors import DropByLimit, DropByQuery, GuardRefused, NotWhole
from axsync.model import Lane, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a lane came to. Counts are None where the server gave none; `listed` where no listing was needed."""

    before: int | None
    after: int | None
    distinct: int
    dead_letters: int = 0
    total: int | None = None  # the newest total that a page told
    limit: int | None = None
    listed: int | None = None  # ids in a listing made after the walk
    missing: int = 0  # listed, and not to be had
    vanished: int = 0  # in the lake, and listed no more
    late: int = 0  # read after the last listing, because it showed them

    @property
    def held(self) -> int:
        """Records that came, readable or not."""
        return self.distinct + self.dead_letters

    @property
    def settled(self) -> bool:
        """All that the server told agrees with what came."""
        told = [c for c in (self.before, self.after) if c is not None]
        return set(told) == {self.held} if told else self.total == self.held


def judge(evidence: Evidence) -> tuple[Verdict, str | None]:
    """The verdict, and why it is not `complete`."""
    if evidence.limit is not None and _cut(evidence, evidence.limit):
        return "partial", f"limited to {evidence.limit} rows"
    if evidence.dead_letters:
        return "partial", f"{_records(evidence.dead_letters)} could not be read; see the dead letters"
    reason = _drift(evidence)
    return ("drifted", reason) if reason else ("complete", None)


def _drift(evidence: Evidence) -> str | None:
    if evidence.missing:
        return f"{evidence.missing} of {evidence.listed} listed ids could not be read"
    if evidence.vanished:
        return f"{evidence.vanished} ids that were read are no longer listed"
    if evidence.late:
        return f"{evidence.late} ids appeared only in the last listing, and no later one confirms them"
    # Where the data moved but the last listing is what the lake holds, the first count no longer matters.
    if evidence.settled or (evidence.listed is not None and evidence.after in {None, evidence.held}):
        return None
    counts = " and ".join(str(c) for c in dict.fromkeys((evidence.before, evidence.after)) if c is not None)
    return f"the server counted {counts or evidence.total}, {evidence.held} different ids came"


def _records(count: int) -> str:
    return "one record" if count == 1 else f"{count} records"


def _cut(evidence: Evidence, limit: int) -> bool:
    known = max(evidence.before or 0, evidence.after or 0, evidence.total or 0)
    return evidence.held >= limit and known > limit


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
        kept.append(held_back(outcome, reason))
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


def held_back(outcome: Outcome, reason: str) -> Outcome:
    """The outcome without its files, so that those of an earlier snapshot stand in."""
    return replace(outcome, verdict="partial", reason=reason, columns={}, empty_columns=(), parts=(), rows=0)


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
