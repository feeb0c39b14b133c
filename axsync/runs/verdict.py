"""From evidence to verdict: pure, and told in numbers."""

from dataclasses import dataclass

from axsync.model import Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a lane's walk came to. Counts are None where the server gave none."""

    before: int | None
    after: int | None
    rows: int
    distinct: int
    dead_letters: int = 0
    total: int | None = None  # the newest total that a page told
    limit: int | None = None
    history: bool = False


def judge(evidence: Evidence) -> tuple[Verdict, str | None]:
    """The verdict, and why it is not `complete`."""
    if evidence.dead_letters:
        return "partial", f"{evidence.dead_letters} records could not be read and are in the dead letters"
    if evidence.limit is not None and _cut(evidence, evidence.limit):
        return "partial", f"limited to {evidence.limit} rows"
    counts = {c for c in (evidence.before, evidence.after) if c is not None}
    if not counts and evidence.total is not None:
        counts = {evidence.total}
    if len(counts) == 2:
        return "drifted", f"the server counted {evidence.before} before and {evidence.after} after"
    if evidence.limit is None and counts and counts != {evidence.distinct}:
        return "drifted", f"the server counted {counts.pop()}, {evidence.distinct} different ids came"
    if evidence.rows != evidence.distinct:
        return "drifted", f"{evidence.rows - evidence.distinct} rows came twice"
    return "complete", None


def _cut(evidence: Evidence, limit: int) -> bool:
    known = max(evidence.before or 0, evidence.after or 0, evidence.total or 0)
    return evidence.rows >= limit and known > limit
