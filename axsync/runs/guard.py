"""Guards before publishing: a type that lost more than half of its rows or columns; a run that is not whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from axsync.errors import GuardRefused, NotWhole
from axsync.model import Lane, Outcome


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
        error = GuardRefused(reason)
        error.add_note(str(outcome.lane))
        refused.append(error)
        kept.append(replace(outcome, verdict="partial", reason=reason, columns={}, empty_columns=(), parts=(), rows=0))
    return kept, refused


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
    error = NotWhole(f"{len(short)} of {len(outcomes)} entity types did not come whole, so nothing is published")
    for lane in short:
        error.add_note(str(lane))
    return [error]


def _rows(entry: Mapping[str, Any] | None) -> int:
    return sum(file["rows"] for file in entry.get("files", ())) if entry else 0
