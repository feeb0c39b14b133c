"""The table of entity types: rows, and how they compare with earlier snapshots."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from axsync.console.report.charts import sparkline
from axsync.console.report.facts import Facts
from axsync.console.words import megabytes, number
from axsync.lake.history import LaneRecord
from axsync.model import Lane
from axsync.runs.timeline import LanePeriod, Timeline

TONES = {"complete": "good", "drifted": "warn", "partial": "bad", "skipped": "quiet"}
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One entity type of one instance; `share` values are between 0 and 1000."""

    name: str
    verdict: str
    tone: str
    rows: str
    change: str
    change_tone: str
    trend: str
    trend_title: str
    left: float | None
    span: float
    seconds: str
    read: str
    rescued: str
    remark: str


@dataclass(frozen=True, slots=True)
class Naming:
    """Names lanes; with the instance only if there are several."""

    several: bool

    def of(self, instance: str, entity: str) -> str:
        return f"{instance} / {entity}" if self.several else entity

    def lane(self, lane: LaneRecord) -> str:
        return self.of(lane.instance, lane.entity)


def held(lane: LaneRecord) -> int:
    """Rows of a lane in a snapshot, including those carried over from an older run."""
    return sum(file.rows for file in lane.files) if lane.from_run else lane.rows


def lane_rows(facts: Facts, naming: Naming) -> Iterable[LaneRow]:
    past: dict[Lane, list[int]] = {}
    for snapshot in facts.earlier:
        for lane in snapshot.lanes:
            past.setdefault(lane.lane, []).append(held(lane))
    timeline = facts.timeline or Timeline()
    periods = {Lane(one.instance, one.entity): one for one in timeline.lanes}
    for lane in sorted(facts.snapshot.lanes, key=lambda one: one.lane):
        yield _lane_row(lane, naming, past.get(lane.lane, []), _period(periods.get(lane.lane), timeline.seconds))


def _period(period: LanePeriod | None, seconds: float) -> tuple[float | None, float]:
    """Left edge and width of the time in which a lane was read, on a scale of 1000."""
    if period is None or period.opened is None or not seconds:
        return None, 0.0
    closed = seconds if period.closed is None else period.closed
    left = min(period.opened / seconds, 1.0) * 1000
    return round(left, 1), round(max((closed - period.opened) / seconds * 1000, 4.0), 1)


def _lane_row(lane: LaneRecord, naming: Naming, past: Sequence[int], period: tuple[float | None, float]) -> LaneRow:
    rows, skipped = held(lane), lane.verdict == "skipped" and not lane.files
    series = [*reversed(past), rows]
    change, tone = ("", "") if skipped or not past else _change(past[0], rows)
    return LaneRow(
        name=naming.lane(lane),
        verdict=lane.verdict,
        tone=TONES.get(lane.verdict, "bad"),
        rows="" if skipped else number(rows),
        change=change,
        change_tone=tone,
        trend="" if skipped else sparkline([float(value) for value in series]),
        trend_title=" → ".join(map(number, series)),
        left=period[0],
        span=period[1],
        seconds="" if skipped else f"{lane.seconds:,.1f}",
        read="" if skipped else megabytes(lane.bytes),
        rescued=number(lane.rescued_values) if lane.rescued_values else "",
        remark="; ".join(_remarks(lane)),
    )


def _remarks(lane: LaneRecord) -> Iterable[str]:
    if lane.reason:
        yield lane.reason
    if lane.from_run:
        yield f"carried over from run {lane.from_run}"


def _change(before: int, now: int) -> tuple[str, str]:
    if before == now:
        return "±0", ""
    sign = "+" if now > before else MINUS
    ratio = abs(now - before) / before if before else 0.0
    share = f" ({sign}{ratio:{',.0%' if ratio >= 1 else '.1%'}})" if before else ""
    return f"{sign}{number(abs(now - before))}{share}", "bad" if now * 2 < before else "moved"
