"""`axsync backfill` as a person sees it: progress as of a run, then what became of each day, the exit code."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from axsync.console.explain import FAILED, GUARDED, PARTIAL, TERMINATED, explain, explain_all
from axsync.console.output import OutputOptions, Table, plain_console, print_line, print_table, say
from axsync.console.run import code_of, watching
from axsync.console.run_result import error_fields
from axsync.console.signals import Stopped, until_done
from axsync.console.text import clean, clock, counted, number
from axsync.errors import GuardRefused, Terminated
from axsync.events import DayBegun, Event, Notice, Observer, SnapshotPublished
from axsync.model import Lane
from axsync.runs.backfill import Backfill, BackfillDay, DayState

_WORDS: dict[DayState, str] = {
    "published": "published",
    "partial": "partial",
    "failed": "failed",
    "there": "already there",
    "kept": "live data kept",
    "none": "no history",
    "beyond": "beyond the retention",
    "due": "to read",
    "left": "not reached",
}
_ALONE = ("published", "partial", "failed", "due")
"""Days in these states have a line each; of others, neighbours share one."""


@dataclass(slots=True)
class _Seen:
    """An observer that remembers how far a backfill came, and says at its beginning what it asks at most."""

    pace: Sequence[str]
    tell: Observer = field(default=lambda _event: None)
    total: int = 0
    published: int = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, DayBegun):
            for text in () if self.total else self.pace:
                self.tell(Notice(None, text))
            self.total = event.total
        elif isinstance(event, SnapshotPublished):
            self.published += 1


@dataclass(frozen=True, slots=True)
class EndedBackfill:
    """How a backfill ended; without a result if it was stopped by a signal."""

    exit_code: int
    done: Backfill | None = None


def fill(
    work: Callable[[Sequence[Observer]], Awaitable[Backfill]], pace: Sequence[str], options: OutputOptions
) -> EndedBackfill:
    """Do it, show progress and the result. An `AxsyncError` that stops it is left to the caller.

    `work` takes observers; `pace` is said at the beginning, unless only warnings are wanted.
    """
    seen = _Seen(pace if options.verbosity >= 0 else ())
    try:
        with watching(sys.stderr, options) as observer:
            seen.tell = observer
            done = until_done(lambda: work((seen, observer)))
    except (Stopped, Terminated, KeyboardInterrupt) as ended:
        code = code_of(ended)
        what = "terminated" if code == TERMINATED else "interrupted"
        say(f"{what}: {counted(seen.published, 'day')} of {seen.total} published; the same command continues", options)
        return EndedBackfill(code)
    if options.output == "json":
        sys.stdout.write(json.dumps(backfill_fields(done), indent=2) + "\n")
    else:
        show_backfill(done, plain_console(sys.stdout))
    sys.stdout.flush()
    _show_errors(done, options)
    return EndedBackfill(backfill_exit_code(done), done)


def _show_errors(done: Backfill, options: OutputOptions) -> None:
    if options.log_format == "json":
        for explanation in explain_all(done.all_errors):
            say("; ".join(explanation.lines()), options, level="error")
        return
    console = plain_console(sys.stderr)
    for explanation in explain_all(done.all_errors):
        for line in explanation.lines():
            console.print(Text(line), soft_wrap=True)


def backfill_exit_code(done: Backfill) -> int:
    """The exit code: a guard's refusal first, then why it stopped; 3 is for a lake that has some of the days."""
    if any(isinstance(error, GuardRefused) for error in done.all_errors):
        return GUARDED
    codes = {explain(error).exit_code for error in done.all_errors} - {PARTIAL}
    if done.stopped is not None and (code := explain(done.stopped).exit_code) != PARTIAL:
        return code
    if done.is_whole:
        return 0
    if done.count("published", "partial", "there", "kept", "due"):
        return PARTIAL
    return codes.pop() if len(codes) == 1 else FAILED


def backfill_verdict(done: Backfill) -> str:
    """One word for all days."""
    return {0: "complete", PARTIAL: "partial", GUARDED: "partial"}.get(backfill_exit_code(done), "failed")


def show_backfill(done: Backfill, console: Console) -> None:
    """Print what became of each day, and of all of them."""
    print_table(_table(done), console)
    for line in (*_missing_lines(done), *_summary_lines(done)):
        print_line(line, console)


def _table(done: Backfill) -> Table:
    rows = tuple(_row(list(group)) for _, group in groupby(enumerate(done.days), key=_place))
    counts = [one.rows for one in done.days]
    rows_told = "" if None in counts else number(sum(count or 0 for count in counts))
    total = ("total", "", number(len(done.days)), "", rows_told)
    return Table(("day", "", "days", "entity types", "rows"), ("name", "left", *(("right",) * 3)), rows, total)


def _place(numbered: tuple[int, BackfillDay]) -> tuple[str, int]:
    """Days with the same place share a line."""
    number_, one = numbered
    return one.state, number_ if one.state in _ALONE else -1


def _row(group: list[tuple[int, BackfillDay]]) -> tuple[str, ...]:
    days = [one for _, one in group]
    newest, oldest = days[0], days[-1]
    named = newest.day if newest is oldest else f"{oldest.day} to {newest.day}"
    rows = [one.rows for one in days if one.rows is not None]
    types = max(one.lanes for one in days)
    told = number(sum(rows)) if rows and types else ""
    return (named, _WORDS[newest.state], number(len(days)), number(types) if types else "", told)


def _missing_lines(done: Backfill) -> Iterator[str]:
    several = len({lane.instance for lane in (*_lacking(done), *done.never, *done.closed)}) > 1
    for lane, days in _lacking(done).items():
        name = _named(lane, several=several)
        yield f"no history of {name} on {counted(len(days), 'day')}: {', '.join(reversed(days))}"
    for title, lanes in (("no history on any of these days", done.never), ("forbidden", done.closed)):
        if lanes:
            yield f"{title}: {', '.join(_named(lane, several=several) for lane in lanes)}"


def _lacking(done: Backfill) -> dict[Lane, list[str]]:
    """Lane → the days that the server has, but not of this lane."""
    found: dict[Lane, list[str]] = {}
    for one in done.days:
        for lane in one.lacking if one.state != "none" else ():
            found.setdefault(lane, []).append(one.day)
    return found


def _named(lane: Lane, *, several: bool) -> str:
    return str(lane) if several else lane.entity


def _summary_lines(done: Backfill) -> Iterator[str]:
    if done.dry_run:
        yield f"dry run: nothing was written; {_of_days(done)}"
        return
    yield f"{backfill_verdict(done)}: {done.lake}, {_of_days(done)}, in {clock(done.seconds)}"
    if done.count("left", "failed", "partial"):
        yield "the same command continues"


def _of_days(done: Backfill) -> str:
    """How many of how many days came to what."""
    told = [f"{number(count)} {_WORDS[state]}" for state in _WORDS if (count := done.count(state))]
    return f"{counted(len(done.days), 'day')}: {', '.join(told)}"


def backfill_fields(done: Backfill) -> dict[str, Any]:
    """The result as JSON values."""
    return {
        "verdict": backfill_verdict(done),
        "exit_code": backfill_exit_code(done),
        "lake": done.lake,
        "dry_run": done.dry_run,
        "seconds": round(done.seconds, 3),
        "days": [_day_fields(one) for one in done.days],
        "never": list(map(str, done.never)),
        "forbidden": list(map(str, done.closed)),
        "errors": [error_fields(error) for error in done.all_errors],
    }


def _day_fields(one: BackfillDay) -> dict[str, Any]:
    return {
        "day": one.day,
        "state": one.state,
        "run_id": one.run_id,
        "rows": one.rows,
        "entity_types": one.lanes,
        "without_history": list(map(str, one.lacking)),
    }


def backfill_summary(done: Backfill) -> dict[str, Any]:
    """The same with one sentence in front, and with the keys that the summary of a run has."""
    fields = backfill_fields(done)
    told = f"axsync backfill: {fields['verdict']}, exit code {fields['exit_code']}, {_of_days(done)}"
    why = "; ".join(dict.fromkeys(str(error["message"]) for error in fields["errors"]))
    text = clean(f"{told}: {why}" if why else told)
    none = dict.fromkeys(("run_id", "logical_date", "manifest", "report"))
    return {"text": text, **none, "lanes": [], **fields}
