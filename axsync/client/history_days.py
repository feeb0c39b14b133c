"""Which day of history an as-of date means for an entity type (docs/axonius-api.md, "History")."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from axsync.api import Question
from axsync.client.probing import Together
from axsync.client.source import Source
from axsync.errors import BadAnswer, BadRequest, NotOffered, ServerError, Unreachable
from axsync.settings import LATEST

DAYS_BACK = 7
"""How far `latest` looks where the server cannot list its days."""
_ABSENT = -1
"""Stands for a count where the server says that there is nothing to count."""


async def history_mark(source: Source, entity: str, as_of: str | None) -> str | None:
    """What `history` must hold for this as-of date, None for live data.

    Raises: NotOffered where that day has no snapshot.
    """
    if as_of is None:
        return None
    if (mark := source.history_marks.get((entity, as_of))) is not None:
        return mark
    if listed := await source.history_days():
        days = listed.get(entity, {})
        day = max(filter(_has_come, days), default=None) if as_of == LATEST else as_of
        if day is None or day not in days:
            raise _missing(source, entity, as_of, days)
        return source.api.history_key(day, days[day])
    if as_of == LATEST:
        return await _newest_day(source, entity)
    if await _count(source, Question(entity, history=as_of)) == 0 and await _count(source, Question(entity)):
        raise _missing(source, entity, as_of)  # a day that nobody has listed looks like an empty one
    return as_of


@dataclass(slots=True)
class HistoryDays:
    """Which days of history one instance has, day by day: from its list, or by one count for each day and type.

    What was found is remembered in `source.history_marks`, so that a lane of that day need not ask again. A type is
    `closed` to all days where the role may not read it.
    """

    source: Source
    closed: dict[str, str] = field(default_factory=dict)  # entity type → why
    _live: dict[str, int | None] = field(default_factory=dict)
    _readable: set[str] = field(default_factory=set)

    async def found(self, day: str, entities: Collection[str], together: Together) -> dict[str, int | None]:
        """Those of these types that have this day → how many rows it has, None where that is not known.

        `together` runs coroutines side by side, as `engine.gather_all`. Raises: Refused.
        """
        asked = [entity for entity in entities if entity not in self.closed]
        if listed := await self.source.history_days():
            return await self._by_list(day, asked, listed, together)
        return await self._by_counts(day, asked, together)

    async def _by_list(
        self, day: str, asked: Sequence[str], listed: Mapping[str, Mapping[str, str]], together: Together
    ) -> dict[str, int | None]:
        """The list says nothing of rights, so each type is counted once."""
        key, marks = self.source.api.history_key, self.source.history_marks
        held = [entity for entity in asked if day in listed.get(entity, {})]
        marks |= {(entity, day): key(day, listed[entity][day]) for entity in held}
        await together([self._counted(e, marks[e, day]) for e in held if e not in self._readable])
        return dict.fromkeys(entity for entity in held if entity not in self.closed)

    async def _by_counts(self, day: str, asked: Sequence[str], together: Together) -> dict[str, int | None]:
        counts = dict(zip(asked, await together([self._counted(e, day) for e in asked]), strict=True))
        blank = [entity for entity, count in counts.items() if count == 0 and entity not in self._live]
        live = await together([self._counted_live(entity) for entity in blank])
        self._live |= dict(zip(blank, live, strict=True))
        held = with_snapshot(counts, self._live)
        self.source.history_marks |= {(entity, day): day for entity, count in held.items() if count is not None}
        return held

    async def _counted(self, entity: str, mark: str) -> int | None:
        """The rows of a day, `_ABSENT` where the server says that there is none."""
        try:
            count = await self.source.count(Question(entity, history=mark))
        except NotOffered as error:
            if error.status == 403:
                self.closed[entity] = str(error)
            return _ABSENT
        except BadRequest:
            return _ABSENT
        except (BadAnswer, Unreachable):
            return None  # its lane says what is wrong with it
        self._readable.add(entity)
        return count

    async def _counted_live(self, entity: str) -> int | None:
        try:
            return await _count(self.source, Question(entity))
        except (BadRequest, Unreachable):
            return None


def with_snapshot(counts: Mapping[str, int | None], live: Mapping[str, int | None]) -> dict[str, int | None]:
    """The types that have a snapshot of a day, by what was counted for that day and of live data.

    A day that the server does not have looks like one on which every type is empty. So no rows mean a snapshot only
    where the type has none today either, and another type shows that the day is there. Below zero: the server refused.
    """
    is_there = any(count is not None and count > 0 for count in counts.values())
    return {
        entity: count
        for entity, count in counts.items()
        if count is None or count > 0 or (count == 0 and is_there and live.get(entity) == 0)
    }


async def newest_day(source: Source, entities: Sequence[str]) -> str | None:
    """The newest day of which there is history of one of these types; None where there is none.

    Raises: ServerError where the days cannot be listed, or none is found and a type could not be asked for.
    """
    if listed := await source.history_days():
        return max((day for entity in entities for day in listed.get(entity, {}) if _has_come(day)), default=None)
    found, failed = list[str](), list[ServerError]()
    for entity in entities:
        try:
            found.append(await _newest_day(source, entity))
        except NotOffered:
            continue  # its lane says what is wrong with it
        except ServerError as error:
            failed.append(error)
    if failed and not found:
        raise failed[0]
    return max(found, default=None)


async def _count(source: Source, question: Question) -> int | None:
    try:
        return await source.count(question)
    except (NotOffered, BadAnswer):
        return None  # the first page decides whether the type can be read


async def _newest_day(source: Source, entity: str) -> str:
    today = date.fromisoformat(_today())
    for back in range(DAYS_BACK + 1):
        day = (today - timedelta(days=back)).isoformat()
        try:
            if await source.count(Question(entity, history=day)):
                return day
        except (BadRequest, NotOffered) as error:  # either may be how a server says that it has no such day
            if error.status == 403:  # HTTP: forbidden, on every day
                raise
    raise _missing(source, entity, LATEST)


def _has_come(day: str) -> bool:
    """Whether this is a day at all, and not one to come: the server's word becomes a logical date."""
    try:
        return date.fromisoformat(day).isoformat() == day <= _today()
    except ValueError:
        return False


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _missing(source: Source, entity: str, as_of: str, listed: Collection[str] = ()) -> NotOffered:
    host, near = source.transport.host, _nearest(as_of, listed) if as_of != LATEST else []
    told = f"; the nearest day{'s are' if len(near) > 1 else ' is'} {' and '.join(near)}" if near else ""
    return NotOffered(f"{host} has no history of {entity} for {as_of}{told}", host=host, status=404)


def _nearest(day: str, listed: Collection[str]) -> list[str]:
    """The last day before, and the first one after this."""
    known = sorted(filter(_has_come, listed))
    return [*[one for one in known if one < day][-1:], *[one for one in known if one > day][:1]]
