"""Whether a lane may take the place of what its logical date has: never of something better. Pure.

Better is what is whole: complete, then drifted, then partial, then cut by a limit. Live data is better than a day of
history, which can be read again as long as the server keeps it. Live data that were read on another day are less than
either: nobody can read those of the day itself again. Rows of a query are less than all rows, and those of another
query are others; so are columns that were not asked for any more.

What is known from the question alone is refused before anything is sent (`refuse_worse`), the rest lane by lane before
publishing (`hold_worse`); `run.replace_worse` switches off both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from axsync.errors import KeepsBetter, ReplacesBetter
from axsync.lake.history import DayLane
from axsync.model import Asked, Lane, Outcome
from axsync.runs.days import is_day_of
from axsync.runs.lane_selection import asked_by
from axsync.settings import Settings

_CUT = "cut by a limit"
_RANKS = (_CUT, "partial", "drifted", "complete")
"""From bad to good."""
_UNTOLD = "version 0.1.0 did not write down whether they are those of this query"


@dataclass(frozen=True, slots=True)
class Day:
    """A logical date, and when the run began: on this date, or its live data are those of another day."""

    date: str
    began: datetime

    @property
    def is_own(self) -> bool:
        """Whether it was this date somewhere on earth when the run began."""
        return is_day_of(self.began, self.date)

    def spoils(self, held: DayLane) -> bool:
        """Whether live data of the day itself would be replaced by those of another day.

        A date lasts for two days all over the earth, and nowhere longer than one: two runs that began further apart
        are not both of it.
        """
        is_same = self.is_own and abs(self.began - held.began) < timedelta(days=1)
        return is_day_of(held.began, self.date) and not is_same


def refuse_worse(settings: Settings, day: Day, there: Mapping[Lane, DayLane]) -> None:
    """Refuse a run that is sure to bring less than its logical date has. `there` are the lanes that it would replace.

    Raises: ReplacesBetter.
    """
    found = [
        (lane, held, less_asked(asked_by(settings.entity(lane.entity), lane.entity, settings.run), held, day))
        for lane, held in there.items()
    ]
    worse = [(lane, held, why) for lane, held, why in found if why]
    if worse:
        lane, held, why = worse[0]
        more = f" (and {len(worse) - 1} more)" if worse[1:] else ""
        rows = f"{held.rows:,} rows" if held.rows != 1 else "one row"
        raise ReplacesBetter(f"{lane}{more}: {day.date} has {rows}, read by run {held.run_id}; {why}")


def hold_worse(
    outcomes: Sequence[Outcome], there: Mapping[Lane, DayLane], day: Day
) -> tuple[list[Outcome], list[KeepsBetter]]:
    """Outcomes where one that is less than its logical date has is without files, so that those of the date stay."""
    kept, refused = list[Outcome](), list[KeepsBetter]()
    for outcome in outcomes:
        held = there.get(outcome.lane)
        why = less_read(outcome, held, day) if held and outcome.columns else None
        if held is None or why is None:
            kept.append(outcome)
            continue
        error = KeepsBetter(f"what run {held.run_id} read for {day.date} stays; {why}")
        error.add_note(str(outcome.lane))
        refused.append(error)
        kept.append(outcome.held_back(str(error)))
    return kept, refused


def less_asked(asked: Asked, held: DayLane, day: Day) -> str | None:
    """Why an answer to this question is less than what the date has, whatever comes; None where it may not be."""
    there = held.asked
    if why := _of_less_worth(asked, held, day):
        return why
    if asked.queries not in (("", ""), there.queries):
        return "rows of one query never replace others" if held.record.asked else _UNTOLD
    if asked.limit is not None and asked.limit < held.rows and _rank(held.record.verdict, held.rows, there):
        return f"a limit of {asked.limit:,} rows would cut them"
    return None


def _of_less_worth(asked: Asked, held: DayLane, day: Day) -> str | None:
    """Why data of the day that is asked for are less than what there is: they are history, or of another day."""
    there = held.asked.as_of
    if asked.as_of is None:
        if there is None and day.spoils(held):
            return "live data of another day never replaces what was read on the day itself"
        if there is not None and not day.is_own:
            return f"live data of another day never replaces the history of {there}"
    elif there is None:
        return "history never replaces live data"
    elif asked.as_of != there:
        return f"history of {asked.as_of} never replaces that of {there}"
    return None


def less_read(outcome: Outcome, held: DayLane, day: Day) -> str | None:
    """Why what came is less than what the date has."""
    asked, there = outcome.asked or Asked(), held.asked
    if why := less_asked(asked, held, day):
        return why
    came, had = _rank(outcome.verdict, outcome.rows, asked), _rank(held.record.verdict, held.rows, there)
    if came < had:
        return f"{_in_words(came)} never replaces {_in_words(had)}"
    lacking = _lacking(outcome, held) if asked.fields != there.fields else 0
    if lacking:
        return f"{lacking} of its columns with values are not asked for any more"
    return None


def _rank(verdict: str, rows: int, asked: Asked) -> int:
    is_cut = verdict == "partial" and asked.limit is not None and rows >= asked.limit
    return _RANKS.index(_CUT if is_cut else verdict) if verdict in _RANKS else 0


def _in_words(rank: int) -> str:
    return f"a lane {_CUT}" if _RANKS[rank] == _CUT else f"a {_RANKS[rank]} lane"


def _lacking(outcome: Outcome, held: DayLane) -> int:
    """How many columns with values the outcome has not, by their Axonius names."""
    if held.asked.fields == () or held.record.empty_columns is None:
        return 0  # 0.1.0 did not tell
    filled = held.record.columns.keys() - set(held.record.empty_columns)
    return len(_fields(held.record.columns[name] for name in filled) - _fields(outcome.columns.values()))


def _fields(columns: Iterable[Mapping[str, object]]) -> set[object]:
    return {column.get("field") for column in columns}
