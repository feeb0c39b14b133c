"""Which day of history an as-of date means for an entity type (docs/axonius-api.md, "History")."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from axsync.api import Question, history_days_request, read_history_days
from axsync.client.source import Source
from axsync.client.transport import RequestContext
from axsync.errors import BadAnswer, BadRequest, NotOffered, ServerError
from axsync.settings import LATEST

DAYS_BACK = 7
"""How far `latest` looks where the server cannot list its days."""


async def history_mark(source: Source, entity: str, as_of: str | None) -> str | None:
    """What `history` must hold for this as-of date, None for live data.

    Raises: NotOffered where that day has no snapshot.
    """
    if as_of is None:
        return None
    listed = await _listed_days(source)
    if listed is not None:
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


async def newest_day(source: Source, entities: Sequence[str]) -> str | None:
    """The newest day of which there is history of one of these types; None where there is none, or nobody knows."""
    listed = await _listed_days(source)
    if listed is not None:
        return max((day for entity in entities for day in listed.get(entity, {}) if _has_come(day)), default=None)
    found = list[str]()
    for entity in entities:
        try:
            found.append(await _newest_day(source, entity))
        except ServerError:
            continue  # its lane says what is wrong with it
    return max(found, default=None)


async def _count(source: Source, question: Question) -> int | None:
    try:
        return await source.count(question)
    except (NotOffered, BadAnswer):
        return None  # the first page decides whether the type can be read


async def _listed_days(source: Source) -> Mapping[str, Mapping[str, str]] | None:
    """Entity type → its days; None where they cannot be listed."""
    host = source.transport.host
    try:
        listed = await source.transport.ask(
            history_days_request(), lambda reply: read_history_days(reply, host), RequestContext()
        )
    except (NotOffered, BadRequest, BadAnswer):
        return None  # v2 has no path for it; v1's may be closed to this account
    return listed or None


async def _newest_day(source: Source, entity: str) -> str:
    today = date.fromisoformat(_today())
    for back in range(DAYS_BACK + 1):
        day = (today - timedelta(days=back)).isoformat()
        try:
            if await source.count(Question(entity, history=day)):
                return day
        except BadRequest:
            continue
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
