"""From evidence to verdict, lane by lane. Pure, and told in numbers."""

from dataclasses import dataclass

from axsync.model import Verdict


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
