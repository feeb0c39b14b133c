"""The drop guard: a type that lost more than half of its rows is not published unasked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from axsync.errors import GuardRefused
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


def _rows(entry: Mapping[str, Any] | None) -> int:
    return sum(file["rows"] for file in entry.get("files", ())) if entry else 0
