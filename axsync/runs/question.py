"""What a run asks of an entity type, and how much there is of it: the same for a run, a dry run and a plan."""

from axsync.api import Question, is_system
from axsync.client.history_days import history_mark
from axsync.client.source import Source
from axsync.errors import NotOffered, UsageError
from axsync.settings import EntitySettings, Settings


async def question_for(source: Source, entity: str, wish: EntitySettings, as_of: str | None) -> Question:
    """The question with its query and its day of history, without fields. `entity` is the type at Axonius.

    An administrators' table has none of these: what is said of every type does not concern it.

    Raises: NotOffered where the type cannot be named, or has no snapshot of that day or no such saved query; other
        ServerErrors.
    """
    if is_system(entity):
        return Question(entity)
    _check_name(source, entity)
    mark = await history_mark(source, entity, as_of)
    return await source.question(Question(entity, query=wish.query, saved_query=wish.saved_query, history=mark))


def _check_name(source: Source, entity: str) -> None:
    try:
        source.api.fields_request(entity)
    except UsageError as error:  # listed by the server, which nobody asked for a path of its own choice
        raise NotOffered(str(error), host=source.transport.host) from error


async def count_for(source: Source, table: str, settings: Settings) -> int | None:
    """How many rows a run would read for a table, no more than its limit; None where the server has no count to give.

    Raises: as `question_for`, and what a count may raise.
    """
    question = await question_for(source, settings.asked(table), settings.entity(table), settings.run.as_of)
    return least(await source.count(question), settings.run.limit)


def least(count: int | None, limit: int | None) -> int | None:
    """The smaller of what is there and what may be read, as far as they are known."""
    return count if limit is None else limit if count is None else min(count, limit)
