"""Guards before publishing: a type that lost more than half of its rows; a run that is not whole."""

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
        before = _rows(earlier.get(outcome.lane))
        if not outcome.columns or 2 * outcome.rows >= before:
            kept.append(outcome)
            continue
        reason = f"{outcome.lane.entity} fell from {before} to {outcome.rows} rows and is not published"
        error = GuardRefused(reason)
        error.add_note(str(outcome.lane))
        refused.append(error)
        kept.append(replace(outcome, verdict="partial", reason=reason, columns={}, parts=(), rows=0))
    return kept, refused


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
