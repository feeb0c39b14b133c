"""The days of a run: which day it reads, and its logical date. Words become days before anything is sent.

`latest` alone has to be asked for (`with_latest`): a run is of one day of history, which its manifest names.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from axsync.api import is_system
from axsync.client.history_days import newest_day
from axsync.client.source import Source
from axsync.errors import ConfigError, NotOffered, ServerError
from axsync.runs.instances import answering
from axsync.settings import LATEST, Settings, as_day

USUALLY_KEPT = ("devices", "users")
"""The types that are asked for their newest day where none is named: every instance has them."""
EASTERNMOST, WESTERNMOST = timedelta(hours=14), timedelta(hours=-12)
"""How far the clocks of this world are from UTC."""


def with_days(settings: Settings, now: datetime) -> Settings:
    """The settings with days in place of words; `latest` stays.

    Raises: ConfigError for a day that has not come yet: by UTC for one of history, anywhere for a logical date.
    """
    run = settings.run
    date, as_of = (None if day is None else as_day(day, now) for day in (run.logical_date, run.as_of))
    if as_of not in (None, LATEST) and as_of > _day(now):
        raise ConfigError(f"as_of (--as-of) is {as_of}, a day that has not come yet; history ends today (UTC)")
    if date is not None and date > _day(now + EASTERNMOST):
        raise ConfigError(f"logical_date (--date) is {date}, a day that has not come yet")
    return replace(settings, run=replace(run, logical_date=date, as_of=as_of))


def logical_date(settings: Settings, now: datetime) -> str:
    """The logical date of a run that begins now: the one that is given, the day of history, or today by UTC."""
    run = settings.run
    return run.logical_date or (run.as_of if run.as_of != LATEST else None) or _day(now)


def is_day_of(moment: datetime, day: str) -> bool:
    """Whether it is this day anywhere on earth at that moment."""
    return _day(moment + WESTERNMOST) <= day <= _day(moment + EASTERNMOST)


def other_day(moment: datetime, day: str) -> str | None:
    """The day of this moment by UTC, where it is not this one."""
    own = _day(moment)
    return None if own == day else own


async def with_latest(settings: Settings, sources: Mapping[str, Source | ServerError]) -> Settings:
    """The settings with the newest day of history in place of `latest`.

    It is that of the types that are asked for. A type that has no history of that day is skipped.

    Raises: ConfigError where it is not the same day for all instances: a snapshot is of one day; NotOffered where
        there is no history; the error of one instance, where none answers.
    """
    there = answering(sources)
    named = dict.fromkeys(settings.asked(table) for table in settings.run.wanted)
    types = [entity for entity in named if not is_system(entity)] or USUALLY_KEPT
    found, failed = dict[str, str](), list[ServerError]()
    for name, source in there.items():
        try:
            day = await newest_day(source, types)
        except ServerError as error:  # others may tell; its own lanes say what is wrong with it
            error.add_note(f"instance {name}")
            failed.append(error)
            continue
        found |= {} if day is None else {name: day}
    if failed and not found:
        raise failed[0]
    if not found:
        host = next(iter(there.values())).transport.host
        raise NotOffered(f"{host} has no history of {', '.join(types)}", host=host, status=404)
    if len(set(found.values())) > 1:
        told = ", ".join(f"{day} for {name}" for name, day in found.items())
        raise ConfigError(f"as_of (--as-of): latest is {told}; name a day, or choose an instance with --instance")
    return replace(settings, run=replace(settings.run, as_of=next(iter(found.values()))))


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()
