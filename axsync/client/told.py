"""What a server tells is kept without the secrets that it was sent: in texts they are masked, names are dropped.

Every answer passes here before anybody keeps it (`Transport`). Rows of pages are left as they are: they are the values
that were asked for, and nothing but the lake's own files has them. Their keys may become names: see `hides`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from axsync.api import QueriesPage, SavedQuery
from axsync.credentials import Redactor
from axsync.schema.columns import Field
from axsync.schema.kinds import kept_members, member_keys

T = TypeVar("T")

TOLD_MOST = 200
"""Characters kept of a version, a state or a title: they stand in each manifest. Cut last, as secrets are masked."""


def without_secrets(answer: T, redactor: Redactor, dropped: Callable[[int], None]) -> T:
    """The answer as it may be kept; `dropped` learns how many names are not in it."""
    kept: object = answer
    match answer:
        case str():
            kept = redactor.redact(answer)[:TOLD_MOST]
        case QueriesPage():
            queries = tuple(query for query in answer.queries if not _in_query(query, redactor))
            dropped(len(answer.queries) - len(queries))
            kept = replace(answer, queries=queries)
        case Mapping():
            kept = {key: _kept_title(value, redactor) for key, value in answer.items() if not redactor.finds_in(key)}
            dropped(len(answer) - len(kept))
        case tuple():
            kept = _kept_fields(answer, redactor, dropped)
    return cast("T", kept)


def _kept_title(told: object, redactor: Redactor) -> object:
    """A title, or the days of history of an entity type."""
    if isinstance(told, Mapping):
        return {day: stamp for day, stamp in told.items() if not redactor.finds_in(f"{day} {stamp}")}
    return redactor.redact(told)[:TOLD_MOST] if isinstance(told, str) else told


def _in_query(query: SavedQuery, redactor: Redactor) -> bool:
    return any(redactor.finds_in(text) for text in (query.name, query.id, query.entity, query.aql, *query.fields))


def _kept_fields(fields: tuple[Field, ...], redactor: Redactor, dropped: Callable[[int], None]) -> tuple[Field, ...]:
    if not redactor.finds_in("\0".join(text for field in fields for text in _texts(field))):
        return fields
    named = [f for f in fields if not redactor.finds_in(f"{f.name}\0{f.adapter or ''}")]
    dropped(len(fields) - len(named))
    return tuple(
        replace(f, title=redactor.redact(f.title), kind=kept_members(f.kind, redactor.finds_in)) for f in named
    )


def _texts(field: Field) -> tuple[str, ...]:
    return field.name, field.adapter or "", field.title, *member_keys(field.kind)
