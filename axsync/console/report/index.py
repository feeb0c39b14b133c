"""What the index of a lake shows of its runs."""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from axsync.console.report.charts import HEIGHT, WIDTH, Bar, Trend, trend_of
from axsync.console.report.view import ORDER, Command, change_text, headline_of, held_rows, lane_tone, tone_of
from axsync.console.text import clock, counted, number
from axsync.errors import ManifestError
from axsync.lake import layout
from axsync.lake.history import PastRun, Snapshot, each_snapshot, latest_if_readable
from axsync.lake.publish import Lake
from axsync.model import Lane
from axsync.snapshots.unpublished import unpublished_runs

MOST_RUNS = 400
"""So many runs are listed; `axsync runs` lists all."""
MOST_DAYS = 120
"""So many days are drawn."""
DAY_WIDTH = 8.0
_TONES = {"unfinished": "warn", "given up": "quiet"}


@dataclass(frozen=True, slots=True)
class Night:
    """One run, without what a page about many has no room for. `held` are rows by lane, carried over ones included."""

    run_id: str
    day: str
    verdict: str
    tone: str
    rows: int
    lanes: int
    seconds: float | None
    as_of: str | None = None
    headline: str = ""
    held: Mapping[Lane, int] = field(default_factory=dict)
    tones: Mapping[Lane, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list; `href` is empty where it has no report."""

    run_id: str
    href: str
    day: str
    verdict: str
    tone: str
    rows: str
    lanes: str
    took: str
    note: str


@dataclass(frozen=True, slots=True)
class TypeRow:
    """An entity type over the days, in a box of 1000 by 100."""

    name: str
    tone: str
    rows: str
    change: str
    change_tone: str
    span: str  # fewest and most rows
    area: str
    line: str
    title: str
    ticks: tuple[Bar, ...] = ()  # days with trouble


@dataclass(frozen=True, slots=True)
class IndexView:
    """The page."""

    lake: str
    tone: str
    verdict: str
    headline: str
    meaning: str
    facts: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...]
    errors: tuple[str, ...]
    strip: tuple[Bar, ...]
    types: tuple[TypeRow, ...]
    days: tuple[str, str]
    runs: tuple[RunRow, ...]
    more_runs: int


def index_of(lake: Lake, now: datetime) -> IndexView:
    """The page about the runs that are in the lake now. Raises: OSError, NoLake."""
    published, unpublished, errors = list[Night](), list[Night](), list[str]()
    for one in each_snapshot(lake):
        if isinstance(one, ManifestError):
            errors.append(str(one))
        else:
            published.append(_night(one))
    for other in unpublished_runs(lake, {night.run_id for night in published}, now):
        if isinstance(other, ManifestError):
            errors.append(str(other))
        else:
            unpublished.append(_unpublished(other))
    nights = sorted([*published, *unpublished], key=lambda night: night.run_id, reverse=True)
    reports = {layout.run_of_report(one.key) for one in lake.store.list(layout.ALL_REPORTS)}
    days = _newest_of_days(published)
    newest, latest = (nights[0] if nights else None), latest_if_readable(lake)
    return IndexView(
        lake=lake.name,
        tone=newest.tone if newest else "quiet",
        verdict=newest.verdict if newest else "empty",
        headline=f"{counted(len(nights), 'run')} of {counted(len({night.day for night in nights}), 'day')}",
        meaning=_meaning(newest),
        facts=(("Lake", lake.name), *_head(nights, published)),
        commands=tuple(_commands(lake.name, several=len(days) > 1)) if published else (),
        errors=tuple(errors),
        strip=_strip(nights[:MOST_DAYS]),
        types=tuple(_types(days)),
        days=(days[0].day, days[-1].day) if days else ("", ""),
        runs=tuple(_row(night, reports, latest) for night in nights[:MOST_RUNS]),
        more_runs=max(len(nights) - MOST_RUNS, 0),
    )


def _night(run: Snapshot) -> Night:
    own = [lane for lane in run.lanes if not lane.elsewhere]
    return Night(
        run.run_id,
        run.logical_date,
        run.verdict,
        tone_of(run),
        run.rows,
        len(own),
        run.seconds,
        run.as_of,
        headline_of(run),
        {lane.lane: held_rows(lane) for lane in run.lanes if lane.files or lane.verdict != "skipped"},
        {lane.lane: lane_tone(lane, run.verdict) for lane in run.lanes},
    )


def _unpublished(run: PastRun) -> Night:
    tone = _TONES.get(run.verdict, "bad")
    return Night(run.run_id, run.logical_date, run.verdict, tone, run.rows, run.lanes, None, run.as_of)


def _newest_of_days(nights: Sequence[Night]) -> list[Night]:
    """The newest run of each day, oldest first: it has replaced the others."""
    newest: dict[str, Night] = {}
    for night in nights:
        newest.setdefault(night.day, night)
    return sorted(newest.values(), key=lambda night: night.day)[-MOST_DAYS:]


def _meaning(newest: Night | None) -> str:
    if newest is None:
        return "There are no runs yet."
    return f"The newest run, of {newest.day}: {newest.headline or newest.verdict}."


def _head(nights: Sequence[Night], published: Sequence[Night]) -> Iterable[tuple[str, str]]:
    if nights:
        yield "Newest run", nights[0].run_id
    if published:
        held = published[0].held
        yield "Rows in the newest snapshot", number(sum(held.values()))
        yield "Entity types", number(len({lane.entity for lane in held}))
        yield "Instances", ", ".join(sorted({lane.instance for lane in held}))


def _strip(nights: Sequence[Night]) -> tuple[Bar, ...]:
    """One bar per run, oldest first."""
    width = WIDTH / max(len(nights), 20)
    return tuple(
        Bar(
            round(place * width, 2),
            0.0,
            round(width * 0.84, 2),
            HEIGHT,
            f"{night.day}: {night.verdict}, {counted(night.rows, 'row')}",
            night.tone,
        )
        for place, night in enumerate(reversed(nights))
    )


def _types(days: Sequence[Night]) -> list[TypeRow]:
    """Those of the newest snapshot, trouble first, then the largest; behind them what is no longer in it."""
    if not days:
        return []
    lanes = {lane for night in days for lane in (*night.held, *night.tones)}
    several = len({lane.instance for lane in lanes}) > 1
    newest = days[-1]

    def rank(lane: Lane) -> tuple[int, int, Lane]:
        return ORDER.index(newest.tones.get(lane, "quiet")), -newest.held.get(lane, 0), lane

    return [_type(lane, days, several=several) for lane in sorted(lanes, key=rank)]


def _type(lane: Lane, days: Sequence[Night], *, several: bool) -> TypeRow:
    places = _places([night.day for night in days])
    series = [(places[night.day], night.held[lane]) for night in days if lane in night.held]
    counts, there = [rows for _, rows in series], lane in days[-1].held
    ticks = tuple(_ticks(lane, days, places))
    # A line that is flat from end to end, without a mark, would say nothing.
    trend = trend_of(series) if ticks or len(set(counts)) > 1 else Trend()
    change, tone = change_text(counts[-2], counts[-1]) if there and len(counts) > 1 else ("", "")
    return TypeRow(
        name=f"{lane.instance} / {lane.entity}" if several else lane.entity,
        tone=days[-1].tones.get(lane, "quiet"),
        rows=number(counts[-1]) if there else "",
        change=change,
        change_tone=tone,
        span=_span(counts),
        area=trend.area,
        line=trend.line,
        title=f"rows on {counted(len(counts), 'day')}: {_span(counts) or 'always the same'}",
        ticks=ticks,
    )


def _span(counts: Sequence[int]) -> str:
    """Fewest and most rows; empty where they never changed."""
    return f"{number(min(counts))} to {number(max(counts))}" if len(set(counts)) > 1 else ""


def _places(days: Sequence[str]) -> dict[str, float]:
    """Day → where it is on the x axis; a day without a run leaves a gap."""
    numbers = [_ordinal(day) for day in days]
    reach = (max(numbers) - min(numbers)) or 1
    return {day: round((number - min(numbers)) / reach * WIDTH, 1) for day, number in zip(days, numbers, strict=True)}


def _ordinal(day: str) -> int:
    try:
        return date.fromisoformat(day).toordinal()
    except ValueError:  # a manifest may have been touched
        return 1


def _ticks(lane: Lane, days: Sequence[Night], places: Mapping[str, float]) -> Iterable[Bar]:
    """The days on which this type was not read whole."""
    for night in days:
        if (tone := night.tones.get(lane)) in ("bad", "warn"):
            left = min(max(places[night.day] - DAY_WIDTH / 2, 0.0), WIDTH - DAY_WIDTH)
            yield Bar(left, HEIGHT * 0.8, DAY_WIDTH, HEIGHT * 0.2, f"{night.day}: not whole", tone)


def _row(night: Night, reports: Collection[str], latest: str | None) -> RunRow:
    linked = night.run_id in reports and layout.is_safe_run_id(night.run_id)
    notes = [f"as of {night.as_of}"] if night.as_of else []
    return RunRow(
        run_id=night.run_id,
        href=layout.report_in_index(night.run_id) if linked else "",
        day=night.day,
        verdict=night.verdict,
        tone=night.tone,
        rows=number(night.rows),
        lanes=number(night.lanes),
        took="" if night.seconds is None else clock(night.seconds),
        note=", ".join([*notes, "latest"] if night.run_id == latest else notes),
    )


def _commands(lake: str, *, several: bool) -> Iterable[Command]:
    named = f"--lake {shlex.quote(lake)}"
    yield Command("list", f"axsync runs {named}")
    if several:
        yield Command("what changed", f"axsync diff latest~1 latest {named}")
