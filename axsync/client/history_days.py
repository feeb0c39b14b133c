"""Which day of history an as-of date means for an entity type (docs/axonius-api.md, "History")."""

from datetime import UTC, date, datetime, timedelta

from axsync.api import Question, history_days_request, read_history_days
from axsync.client.source import Source
from axsync.client.transport import RequestContext
from axsync.errors import BadAnswer, BadRequest, NotOffered

DAYS_BACK = 7
"""How far `latest` looks where the server cannot list its days."""


async def history_mark(source: Source, entity: str, as_of: str | None) -> str | None:
    """What `history` must hold for this as-of date, None for live data.

    Raises: NotOffered where that day has no snapshot.
    """
    if as_of is None:
        return None
    days = await _listed_days(source, entity)
    if days is not None:
        day = max((d for d in days if d <= _today()), default=None) if as_of == "latest" else as_of
        if day is None or day not in days:
            raise _missing(source, entity, as_of)
        return source.api.history_key(day, days[day])
    if as_of == "latest":
        return await _newest_day(source, entity)
    if await _count(source, Question(entity, history=as_of)) == 0 and await _count(source, Question(entity)):
        raise _missing(source, entity, as_of)  # a day that nobody has listed looks like an empty one
    return as_of


async def _count(source: Source, question: Question) -> int | None:
    try:
        return await source.count(question)
    except (NotOffered, BadAnswer):
        return None  # the first page decides whether the type can be read


async def _listed_days(source: Source, entity: str) -> dict[str, str] | None:
    host = source.transport.host
    try:
        listed = await source.transport.ask(
            history_days_request(), lambda reply: read_history_days(reply, host), RequestContext()
        )
    except (NotOffered, BadRequest, BadAnswer):
        return None  # v2 has no path for it; v1's may be closed to this account
    return listed.get(entity, {}) if listed else None


async def _newest_day(source: Source, entity: str) -> str:
    today = date.fromisoformat(_today())
    for back in range(DAYS_BACK + 1):
        day = (today - timedelta(days=back)).isoformat()
        try:
            if await source.count(Question(entity, history=day)):
                return day
        except BadRequest:
            continue
    raise _missing(source, entity, "latest")


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _missing(source: Source, entity: str, as_of: str) -> NotOffered:
    host = source.transport.host
    return NotOffered(f"{host} has no history of {entity} for {as_of}", host=host, status=404)
