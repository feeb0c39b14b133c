"""Turns facts into the texts of the page, in its order. No HTML and no escaping here."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from axsync.console.report.charts import Charts, charts_of, sparkline
from axsync.console.report.facts import Facts, Letter
from axsync.console.text import clock, counted, megabytes, number, volume
from axsync.lake import layout
from axsync.lake.history import LaneRecord, Snapshot
from axsync.model import Lane, iso
from axsync.runs.timeline import LanePeriod, SlowPage, Timeline

MOST_DRIFT = 200
MOST_FILES = 300
MEANING = {
    "complete": "Everything that was requested is here: counts and ids agree.",
    "drifted": "Rows came and went while they were read; the differences are listed below.",
    "partial": "Incomplete. What is missing, and why, is listed below.",
    "failed": "Nothing could be read; why is listed below.",
    "skipped": "This role may not read any of the entity types.",
}
NOTHING_LOST = "Nothing that could be read is missing. What was not read, and why, is listed below."
_TONES = {"complete": "good", "drifted": "warn", "partial": "bad", "failed": "bad", "skipped": "warn"}
"""Red is for rows that were asked for and did not come."""
ORDER = ("bad", "warn", "good", "quiet")  # trouble first
_MINUS = "\N{MINUS SIGN}"
UNPUBLISHED = "Nothing was published; the lake is unchanged."


@dataclass(frozen=True, slots=True)
class Tile:
    """One number; `tone` says whether it needs attention. `zero` is said instead where it is 0."""

    title: str
    value: str
    note: str = ""
    tone: str = ""
    zero: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What to type next, and what for."""

    purpose: str
    line: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A row of a table with a bar; `cells` stand beside the name."""

    name: str
    cells: tuple[str, ...]
    share: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one entity type: how many, where, and a few reasons."""

    name: str
    count: str
    path: str
    letters: tuple[Letter, ...]


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


_MAY_BE_EMPTY = ("change", "trend", "left", "seconds", "read", "rescued")
"""Columns of lanes that are left out where no lane has anything in them."""


@dataclass(frozen=True, slots=True)
class View:
    """The page."""

    run_id: str
    verdict: str
    tone: str
    meaning: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...]
    attention: tuple[LaneRow, ...]
    tiles: tuple[Tile, ...]
    zeroes: str
    charts: Charts | None
    lanes: tuple[LaneRow, ...]
    filled: frozenset[str]  # columns of lanes that are not empty
    compared: str
    slowest: tuple[Measured, ...]
    drift: tuple[Measured, ...]
    more_drift: int
    dead_letters: tuple[DeadLetters, ...]
    answers: tuple[Measured, ...]
    retries: tuple[Measured, ...]
    stores: tuple[Measured, ...]
    files: tuple[Measured, ...]
    more_files: int
    servers: tuple[tuple[str, str], ...]
    notices: tuple[tuple[str, str], ...]


def view_of(facts: Facts) -> View:
    snapshot, timeline = facts.snapshot, facts.timeline
    naming = _Naming(_several(snapshot))
    lanes = tuple(_lane_rows(facts, naming))
    tiles = tuple(_tiles(snapshot, timeline))
    drift, files = _drift(snapshot, naming), _files(snapshot)
    return View(
        run_id=snapshot.run_id,
        verdict=snapshot.verdict,
        tone=tone_of(snapshot) if facts.published else "bad",
        meaning=_meaning(snapshot) if facts.published else UNPUBLISHED,
        headline=headline_of(snapshot),
        facts=tuple(_head(facts)),
        commands=tuple(_commands(facts)),
        attention=tuple(row for row in lanes if row.tone in ("bad", "warn")),
        tiles=tuple(tile for tile in tiles if not tile.zero),
        zeroes=", ".join(tile.zero for tile in tiles if tile.zero).capitalize(),
        charts=charts_of(timeline) if timeline else None,
        lanes=lanes,
        filled=frozenset(name for name in _MAY_BE_EMPTY for row in lanes if getattr(row, name) not in ("", None)),
        compared=_compared(facts.earlier),
        slowest=_slowest(timeline.slowest if timeline else (), naming),
        drift=drift[:MOST_DRIFT],
        more_drift=max(len(drift) - MOST_DRIFT, 0),
        dead_letters=tuple(_dead_letters(facts, naming)),
        answers=_counts({_status(name): count for name, count in timeline.statuses.items()}) if timeline else (),
        retries=_counts(timeline.retries) if timeline else (),
        stores=_stores(snapshot, naming),
        files=files[:MOST_FILES],
        more_files=max(len(files) - MOST_FILES, 0),
        servers=tuple(_servers(snapshot)),
        notices=tuple(_notices(facts, naming)),
    )


def tone_of(snapshot: Snapshot) -> str:
    """How worried to be: a run whose types were read whole, or skipped, has lost nothing."""
    if snapshot.verdict == "complete":
        return "good"
    tones = {lane_tone(lane, snapshot.verdict) for lane in snapshot.lanes} - {"quiet"}
    return min(tones, key=ORDER.index, default=_TONES.get(snapshot.verdict, "bad"))


def lane_tone(lane: LaneRecord, verdict: str) -> str:
    """The same for one entity type of a run with this verdict.

    What was not part of the run is no news, nor is what was skipped where the run is complete all the same.
    """
    if lane.elsewhere or (lane.verdict == "skipped" and verdict == "complete"):
        return "quiet"
    # An id that is listed and gone a moment later belongs to the drift, unless the verdict says that rows are missing.
    return "bad" if lane.dead_letters else _TONES.get(lane.verdict, "bad")


def _meaning(snapshot: Snapshot) -> str:
    if snapshot.verdict == "partial" and tone_of(snapshot) == "warn":
        return NOTHING_LOST
    return MEANING.get(snapshot.verdict, "")


def headline_of(snapshot: Snapshot) -> str:
    """What is listed below: entity types, or lanes where several instances have the same types."""
    own = [lane for lane in snapshot.lanes if not lane.elsewhere]
    read = sum(lane.verdict != "skipped" and lane.from_run is None for lane in own)
    others = [
        (sum(lane.verdict == "skipped" for lane in own), "skipped"),
        (sum(lane.verdict != "skipped" and lane.from_run is not None for lane in own), "failed and carried over"),
        (len(snapshot.lanes) - len(own), "not part of this run"),
    ]
    told = [f"{number(count)} {what}" for count, what in others if count]
    listed = "lane" if _several(snapshot) else "entity type"
    return ", ".join([f"{counted(snapshot.rows, 'row')} of {counted(read, listed)}", *told])


def _several(snapshot: Snapshot) -> bool:
    return len({lane.instance for lane in snapshot.lanes}) > 1


def _head(facts: Facts) -> Iterable[tuple[str, str]]:
    run = facts.snapshot
    instances = sorted({lane.instance for lane in run.lanes})
    yield "Run", f"{run.run_id} (latest)" if facts.latest else run.run_id
    yield "Logical date", f"{run.logical_date}, as of {run.as_of}" if run.as_of else run.logical_date
    yield "Started", iso(run.started_at).replace("T", " ").replace("Z", " UTC")
    yield "Took", clock(run.seconds)
    yield ("Instance" if len(instances) == 1 else "Instances"), ", ".join(instances)
    if facts.timeline and facts.timeline.hosts:
        yield ("Host" if len(facts.timeline.hosts) == 1 else "Hosts"), ", ".join(sorted(facts.timeline.hosts))
    if facts.lake:
        yield "Lake", facts.lake


def _commands(facts: Facts) -> Iterable[Command]:
    """What to type next, in a shell in which the lake has the same name."""
    run, lake = facts.snapshot, f"--lake {shlex.quote(facts.lake)}"
    filled = [lane for lane in run.lanes if lane.rows and lane.files and lane.from_run is None]
    if not (facts.lake and facts.published):
        return
    if filled:
        largest = max(filled, key=lambda lane: lane.rows)
        yield Command("rows", f"axsync head {shlex.quote(largest.entity)} --run {run.run_id} {lake}")
    # A second run of a day replaces the files of the first.
    before = next((one.run_id for one in facts.earlier if one.logical_date != run.logical_date), None)
    if before:
        yield Command("what changed", f"axsync diff {before} {run.run_id} {lake}")
    yield Command("all evidence", f"axsync show {run.run_id} {lake}")


def _tiles(snapshot: Snapshot, timeline: Timeline | None) -> Iterable[Tile]:
    lanes = [lane for lane in snapshot.lanes if not lane.elsewhere]
    rescued, dead = sum(lane.rescued_values for lane in lanes), sum(lane.dead_letters for lane in lanes)
    repaired = sum(lane.repaired for lane in lanes)
    missing = sum(lane.missing for lane in lanes)
    # Also those before any lane, unless a killed process took its timeline along.
    retries = max(sum(lane.retries for lane in lanes), sum(timeline.retries.values()) if timeline else 0)
    files = [file for lane in lanes if lane.from_run is None for file in lane.files]
    read = sum(lane.bytes for lane in lanes)
    yield Tile("Rows", number(snapshot.rows), counted(sum(lane.pages for lane in lanes), "page"))
    yield Tile("Read", volume(read), _speed(read, snapshot.seconds))
    yield Tile("Stored", volume(sum(file.bytes for file in files)), counted(len(files), "file"))
    refused = sum(bucket.refused for bucket in timeline.buckets) if timeline else 0
    yield Tile(
        "Retries",
        number(retries),
        f"{counted(refused, 'response')} with 429" if refused else "",
        zero="" if retries else "no retries",
    )
    yield Tile("Rescued", number(rescued), "values in the rescue column; no loss", zero=_none(rescued, "rescued"))
    yield Tile("Repaired", number(repaired), "ids fetched afterwards", zero=_none(repaired, "repaired"))
    yield Tile(
        "Missing",
        number(missing),
        "ids that could not be fetched",
        tone_of(snapshot),
        zero="" if missing else "no missing ids",
    )
    told = "records that could not be read"
    yield Tile("Dead letters", number(dead), told, "bad", zero="" if dead else "no dead letters")


def _none(count: int, what: str) -> str:
    return "" if count else f"nothing {what}"


def _speed(size: int, seconds: float) -> str:
    return f"{volume(size / seconds)} per second" if seconds >= 1 else ""


@dataclass(frozen=True, slots=True)
class _Naming:
    """Names lanes; with the instance only if there are several."""

    several: bool

    def of(self, instance: str, entity: str) -> str:
        return f"{instance} / {entity}" if self.several else entity

    def lane(self, lane: LaneRecord) -> str:
        return self.of(lane.instance, lane.entity)


def held_rows(lane: LaneRecord) -> int:
    """Rows of a lane in a snapshot, including those carried over from an older run."""
    return sum(file.rows for file in lane.files) if lane.from_run else lane.rows


def _lane_rows(facts: Facts, naming: _Naming) -> Iterable[LaneRow]:
    past: dict[Lane, list[int]] = {}
    for snapshot in facts.earlier:
        for lane in snapshot.lanes:
            past.setdefault(lane.lane, []).append(held_rows(lane))
    timeline = facts.timeline or Timeline()
    periods = {Lane(one.instance, one.entity): one for one in timeline.lanes}
    for lane in sorted(facts.snapshot.lanes, key=partial(_trouble_first, facts.snapshot.verdict)):
        period = _period(periods.get(lane.lane), timeline.seconds)
        yield _lane_row(lane, naming, past.get(lane.lane, []), period, lane_tone(lane, facts.snapshot.verdict))


def _trouble_first(verdict: str, lane: LaneRecord) -> tuple[int, int, Lane]:
    return ORDER.index(lane_tone(lane, verdict)), -held_rows(lane), lane.lane


def _period(period: LanePeriod | None, seconds: float) -> tuple[float | None, float]:
    """Left edge and width of the time in which a lane was read, on a scale of 1000."""
    if period is None or period.opened is None or not seconds:
        return None, 0.0
    closed = seconds if period.closed is None else period.closed
    left = min(period.opened / seconds, 1.0) * 1000
    return round(left, 1), round(max((closed - period.opened) / seconds * 1000, 4.0), 1)


def _lane_row(
    lane: LaneRecord, naming: _Naming, past: Sequence[int], period: tuple[float | None, float], tone: str
) -> LaneRow:
    rows, skipped = held_rows(lane), lane.verdict == "skipped" and not lane.files
    series = [*reversed(past), rows]
    change, change_tone = ("", "") if skipped or not past else change_text(past[0], rows)
    return LaneRow(
        name=naming.lane(lane),
        verdict=lane.verdict,
        tone=tone,
        rows="" if skipped else number(rows),
        change=change,
        change_tone=change_tone,
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


def change_text(before: int, now: int) -> tuple[str, str]:
    """The difference in rows and in parts, and its tone: a loss of more than half is bad."""
    if before == now:
        return "±0", ""
    sign = "+" if now > before else _MINUS
    ratio = abs(now - before) / before if before else 0.0
    share = f" ({sign}{ratio:{',.0%' if ratio >= 1 else '.1%'}})" if before else ""
    return f"{sign}{number(abs(now - before))}{share}", "bad" if now * 2 < before else "moved"


def _compared(earlier: Sequence[Snapshot]) -> str:
    if not earlier:
        return "There is no earlier snapshot to compare with."
    newest = earlier[0]
    return (
        f"Compared with run {newest.run_id} of {newest.logical_date}; trend lines cover {len(earlier) + 1} snapshots."
    )


def _slowest(pages: Sequence[SlowPage], naming: _Naming) -> tuple[Measured, ...]:
    most = max((page.seconds for page in pages), default=0.0) or 1.0
    return tuple(
        Measured(
            naming.of(page.instance, page.entity),
            (f"{page.number:,}", number(page.rows), megabytes(page.bytes), f"{page.seconds:.2f}"),
            page.seconds / most * 1000,
        )
        for page in pages
    )


def _drift(snapshot: Snapshot, naming: _Naming) -> tuple[Measured, ...]:
    found = [
        (drift.rescued, naming.lane(lane), name, drift.example)
        for lane in snapshot.lanes
        for name, drift in lane.drift.items()
    ]
    found.sort(key=lambda one: (-one[0], one[1:]))
    most = found[0][0] if found else 1
    return tuple(Measured(name, (lane, example, number(n)), n / (most or 1) * 1000) for n, lane, name, example in found)


def _dead_letters(facts: Facts, naming: _Naming) -> Iterable[DeadLetters]:
    for lane in facts.snapshot.lanes:
        if lane.dead_letters:
            path = layout.dead_letters(facts.snapshot.run_id, lane.lane)
            letters = facts.letters.get(lane.lane, ())
            yield DeadLetters(naming.lane(lane), counted(lane.dead_letters, "record"), path, letters)


def _status(name: str) -> str:
    return "no response" if name == "none" else name


def _counts(counts: Mapping[str, int]) -> tuple[Measured, ...]:
    most = max(counts.values(), default=1)
    listed = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Measured(name, (number(count),), count / most * 1000) for name, count in listed)


def _stores(snapshot: Snapshot, naming: _Naming) -> tuple[Measured, ...]:
    lanes = [(sum(file.bytes for file in lane.files), lane) for lane in snapshot.lanes if lane.files]
    lanes.sort(key=lambda one: (-one[0], one[1].lane))
    most = lanes[0][0] if lanes else 1
    return tuple(
        Measured(
            naming.lane(lane),
            (
                number(len(lane.files)),
                number(held_rows(lane)),
                "" if lane.from_run else megabytes(lane.bytes),
                megabytes(size),
            ),
            size / (most or 1) * 1000,
        )
        for size, lane in lanes
    )


def _files(snapshot: Snapshot) -> tuple[Measured, ...]:
    files = [file for lane in snapshot.lanes for file in lane.files]
    return tuple(
        Measured(file.path, (number(file.rows), megabytes(file.bytes)), note=file.sha256)
        for file in sorted(files, key=lambda file: file.path)
    )


def _servers(snapshot: Snapshot) -> Iterable[tuple[str, str]]:
    """What each instance reported about itself, once per variant."""
    told: dict[tuple[str, str], None] = {}
    for lane in snapshot.lanes:
        if lane.api and lane.verdict != "skipped":  # of which nobody asked
            discovery = " → ".join(lane.discovery.get(when) or "unknown" for when in ("before", "after"))
            version = lane.server_version or "unknown"
            told[lane.instance, f"API {lane.api}, version {version}, discovery {discovery}"] = None
    return told


def _notices(facts: Facts, naming: _Naming) -> Iterable[tuple[str, str]]:
    for text in facts.timeline.notices if facts.timeline else ():
        yield "", text
    for lane in facts.snapshot.lanes:
        for text in lane.notices:
            yield naming.lane(lane), text
