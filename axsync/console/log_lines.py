"""A run as text lines and as JSON lines, for when there is no terminal."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from threading import Lock
from typing import Any

from axsync.console.progress import ProgressTracker, asking_phrase, progress_fields, progress_phrases
from axsync.console.text import clean, counted, json_line, volume
from axsync.events import (
    Answered,
    Asking,
    Crashed,
    Drifted,
    Event,
    LaneClosed,
    LaneOpened,
    LanesAdded,
    Notice,
    PageRead,
    PartSealed,
    Retried,
    RunStarted,
    SnapshotPublished,
)
from axsync.lake import layout
from axsync.model import Lane, Outcome, Part, iso

EVERY_SECONDS = 10.0
QUIET, NORMAL, VERBOSE, NEVER = -1, 0, 1, 99
MOST_REASON = 160  # characters of a reason in a line; the closing table has all of it


def verbosity(event: Event) -> int:
    """The verbosity at which an event is logged: warnings always, pages with -v, single requests never."""
    match event:
        case Answered():
            return NEVER
        case Asking(total=total):
            return NORMAL if total is None else NEVER
        case Notice() | Crashed() | LaneClosed(Outcome(verdict="partial" | "failed")):
            return QUIET
        case PageRead() | PartSealed() | Drifted():
            return VERBOSE
        case _:
            return NORMAL


def sentence(event: Event, run_id: str | None) -> str:  # noqa: C901, PLR0911, PLR0912  one per event
    """What happened, without where; `run_id` locates the dead letters."""
    match event:
        case Asking():
            return asking_phrase(event)
        case RunStarted(run_id, logical_date, lanes):
            return f"run {run_id} for {logical_date}: {counted(len(lanes), 'entity type')}"
        case LanesAdded(lanes):
            return f"{lanes[0].instance} answered: {counted(len(lanes), 'entity type')} more"
        case LaneOpened(_, total):
            return "started" if total is None else f"{counted(total, 'row')} to read"
        case PageRead(_, page, rows, size, seconds):
            return f"page {page}: {counted(rows, 'row')}, {volume(size)} in {seconds:.1f} s"
        case Answered(_, host, status, seconds):
            return f"{host}: {status or 'no answer'} after {seconds:.1f} s"
        case Retried(_, host, attempt, seconds, reason):
            named = reason if reason.startswith(host) else f"{host}: {reason}"
            return f"{named}; try {attempt} in {seconds:.1f} s"
        case Drifted(_, name, count, example):
            return f"{counted(count, 'value')} of {name} rescued, for example: {clean(example, most=60)}"
        case PartSealed(_, part):
            return f"file sealed: {counted(part.rows, 'row')}, {volume(part.size)}"
        case Notice(_, text):
            return text
        case Crashed(_, traceback):
            return traceback
        case LaneClosed(outcome):
            return _closing(outcome) + _dead_letters(outcome, run_id)
        case SnapshotPublished(run_id, verdict, _):
            return f"snapshot {run_id} published, {verdict}"


def _was_told(event: Event) -> bool:
    """Whether a notice already said so: a skipped type is reported at once, with the reason."""
    outcome = event.outcome if isinstance(event, LaneClosed) else None
    return outcome is not None and outcome.verdict == "skipped" and any("skipped" in n for n in outcome.notices)


def _closing(outcome: Outcome) -> str:
    # A long message from the server must not push the numbers off the line.
    reason = f": {clean(outcome.reason, most=MOST_REASON)}" if outcome.reason else ""
    if outcome.verdict == "skipped":
        return f"skipped{reason}"
    came = f"{counted(outcome.rows, 'row')}, {counted(outcome.pages, 'page')}, {volume(outcome.bytes)}"
    return f"{outcome.verdict}{reason}; {came} in {outcome.seconds:.1f} s"


def _dead_letters(outcome: Outcome, run_id: str | None) -> str:
    path = dead_letters_of(outcome, run_id)
    return f"; {counted(outcome.dead_letters, 'dead letter')} in {path}" if path else ""


def dead_letters_of(outcome: Outcome, run_id: str | None) -> str | None:
    """The file with the dead letters of a lane, relative to the lake; None if there are none."""
    return layout.dead_letters(run_id, outcome.lane) if run_id and outcome.dead_letters else None


def lane_of(event: Event) -> Lane | None:
    return event.outcome.lane if isinstance(event, LaneClosed) else getattr(event, "lane", None)


@dataclass(slots=True)
class Beat:
    """Is due once in ten seconds; any thread may ask."""

    seconds: Callable[[], float]
    _next: float = field(init=False)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._next = self.seconds() + EVERY_SECONDS

    def due(self) -> bool:
        with self._lock:
            if (now := self.seconds()) < self._next:
                return False
            self._next = now + EVERY_SECONDS
            return True


@dataclass(slots=True)
class LogLines:
    """One line per event of interest, and one line of progress every ten seconds.

    `tick` may be called from another thread, so that progress is logged even if nothing happens.
    """

    write: Callable[[str], None]
    tracker: ProgressTracker
    verbosity: int
    beat: Beat | None  # None: no lines of progress

    def __call__(self, event: Event) -> None:
        self.tracker(event)
        if verbosity(event) <= self.verbosity and not _was_told(event):
            where = self.tracker.label(lane_of(event))
            told = sentence(event, self.tracker.run_id)
            for line in told.splitlines() if isinstance(event, Crashed) else [told]:
                self.write(clean(f"{where}: {line}" if where else line))
        self.tick()

    def tick(self) -> None:
        """Log progress, if due."""
        if self.beat and self.verbosity >= NORMAL and self.beat.due():
            self.write("progress: " + ", ".join(progress_phrases(self.tracker.state())))


def stamped(write: Callable[[str], None], now: Callable[[], datetime]) -> Callable[[str], None]:
    """Prefix each line with the time in UTC."""
    return lambda line: write(f"{iso(now(), 'milliseconds')} {line}")


@dataclass(slots=True)
class JsonLog:
    """One JSON object per event: `ts`, `event` such as `axsync.lane_closed`, `level`, `run_id`, and its fields."""

    write: Callable[[str], None]
    tracker: ProgressTracker
    verbosity: int
    beat: Beat
    now: Callable[[], datetime]

    def __call__(self, event: Event) -> None:
        self.tracker(event)
        if verbosity(event) <= self.verbosity:
            self._tell(_event_name(event), _level(event), _flat(event, self.tracker.run_id))
        self.tick()

    def tick(self) -> None:
        """Log progress, if due."""
        if self.verbosity >= NORMAL and self.beat.due():
            self._tell("axsync.progress", "info", progress_fields(self.tracker.state()))

    def _tell(self, name: str, level: str, values: dict[str, Any]) -> None:
        self.write(json_line(self.now(), name, {"level": level, "run_id": self.tracker.run_id} | values))


def _level(event: Event) -> str:
    return {QUIET: "warning", NORMAL: "info"}.get(verbosity(event), "debug")


def _event_name(event: Event) -> str:
    return "axsync." + re.sub(r"(?<!^)([A-Z])", r"_\1", type(event).__name__).lower()


def _flat(event: Event, run_id: str | None) -> dict[str, Any]:
    match event:
        case RunStarted(run_id, logical_date, lanes):
            return {"run_id": run_id, "logical_date": logical_date, "lanes": [str(lane) for lane in lanes]}
        case LanesAdded(lanes):
            return {"lanes": [str(lane) for lane in lanes]}
        case LaneClosed(outcome):
            return _place(outcome.lane) | outcome_fields(outcome, run_id)
        case PartSealed(lane, part):
            return _place(lane) | _part_fields(part)
        case _:
            own = {f.name: getattr(event, f.name) for f in fields(event) if f.name != "lane"}
            return _place(lane_of(event)) | own


def _place(lane: Lane | None) -> dict[str, Any]:
    return {"instance": lane.instance, "entity": lane.entity} if lane else {}


def _part_fields(part: Part) -> dict[str, Any]:
    return {"path": part.path, "rows": part.rows, "bytes": part.size, "sha256": part.sha256}


def outcome_fields(outcome: Outcome, run_id: str | None) -> dict[str, Any]:
    """An outcome without its columns, with the number of its files and the path of its dead letters."""
    left_out = {"lane", "columns", "parts", "excused"}
    plain = {f.name: getattr(outcome, f.name) for f in fields(outcome) if f.name not in left_out}
    plain["asked"] = asdict(outcome.asked) if outcome.asked else None
    return plain | {"files": len(outcome.parts), "dead_letters_path": dead_letters_of(outcome, run_id)}
