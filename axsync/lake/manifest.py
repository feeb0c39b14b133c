"""A snapshot's manifest: the evidence of what was copied (docs/lake.md). Key names are a promise."""

from collections.abc import Mapping, Sequence
from typing import Any

from axsync.model import Outcome

FORMAT_VERSION = 1
NOT_ASKED = "not part of this run"
"""The reason of a lane that another run read, and that this one was not to read."""

_ORDER = ("complete", "skipped", "drifted", "partial")  # from good to bad


def worst(verdicts: Sequence[str]) -> str:
    """The verdict of a run: the worst of its lanes; a run whose every lane was skipped is skipped."""
    if verdicts and all(v == "skipped" for v in verdicts):
        return "skipped"
    return max((v if v != "skipped" else "partial" for v in verdicts), key=_ORDER.index, default="complete")


def lane_entry(outcome: Outcome, stand_in: Mapping[str, Any] | None) -> dict[str, Any]:
    """One lane as the manifest lists it. `stand_in` is the entry of an older snapshot whose files stay in place."""
    entry: dict[str, Any] = {
        "instance": outcome.lane.instance,
        "entity": outcome.lane.entity,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "api": outcome.api,
        "server_version": outcome.server_version,
        "discovery": dict(outcome.discovery),
        "count_before": outcome.count_before,
        "count_after": outcome.count_after,
        "rows": outcome.rows,
        "distinct_ids": outcome.distinct_ids,
        "duplicates": outcome.duplicates,
        "repaired": outcome.repaired,
        "missing": outcome.missing,
        "rescued_values": outcome.rescued_values,
        "dead_letters": outcome.dead_letters,
        "pages": outcome.pages,
        "requests": outcome.requests,
        "retries": outcome.retries,
        "bytes": outcome.bytes,
        "seconds": round(outcome.seconds, 3),
        "columns": outcome.columns,
        "empty_columns": list(outcome.empty_columns),
        "drift": outcome.drift,
        "notices": list(outcome.notices),
        "files": [{"path": p.path, "rows": p.rows, "bytes": p.size, "sha256": p.sha256} for p in outcome.parts],
    }
    return entry if stand_in is None else entry | _from_before(stand_in)


def _from_before(older: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: older[key] for key in ("columns", "empty_columns", "files") if key in older}
    return kept | {"from_run": older["from_run"]}
