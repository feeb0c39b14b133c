"""Which snapshots the retention keeps, and why. Pure.

Each rule looks at snapshots by logical date, newest first; a snapshot is kept if any rule keeps it. So a day that was
filled in late counts as the day that it is of. Only `keep_days` goes by when a run finished.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice

from axsync.lake.manifest import Snapshot
from axsync.settings import Retention

Period = Callable[[date], object]

PERIODS: Mapping[str, Period] = {
    "daily": lambda day: day,
    "weekly": lambda day: day.isocalendar()[:2],
    "monthly": lambda day: (day.year, day.month),
}
"""Rule → what two snapshots have in common of which it keeps the newest only."""


def kept(
    snapshots: Iterable[Snapshot], whole: Sequence[Snapshot], rules: Retention, now: datetime
) -> dict[str, tuple[str, ...]]:
    """Run → the rules that keep its snapshot. One that is not `whole` takes no place among those that are counted."""
    newest_first = sorted(whole, key=lambda s: (s.logical_date, s.finished_at, s.run_id), reverse=True)
    why: dict[str, list[str]] = {}
    for snapshot in islice(newest_first, rules.last):
        why.setdefault(snapshot.run_id, []).append("last")
    for rule, period in PERIODS.items():
        for snapshot in islice(_newest_of_each(newest_first, period), getattr(rules, rule)):
            why.setdefault(snapshot.run_id, []).append(rule)
    oldest, age = now - timedelta(days=rules.days), f"within {rules.days} day{'s' * (rules.days != 1)}"
    for snapshot in snapshots:
        if snapshot.finished_at >= oldest:
            why.setdefault(snapshot.run_id, []).append(age)
    return {run_id: tuple(words) for run_id, words in why.items()}


def keeps(new: Snapshot, others: Sequence[Snapshot], rules: Retention, now: datetime) -> bool:
    """Whether a snapshot that comes now, beside these whole ones, would be kept."""
    return new.run_id in kept([new], [*others, new], rules, now)


def _newest_of_each(newest_first: Iterable[Snapshot], period: Period) -> Iterable[Snapshot]:
    firsts: dict[object, Snapshot] = {}
    for snapshot in newest_first:
        firsts.setdefault(period(date.fromisoformat(snapshot.logical_date)), snapshot)
    return firsts.values()
