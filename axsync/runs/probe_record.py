"""The record of `axsync check --probe`: what the values of a server look like, without the values.

The file is what `axsync emulate --like` reads, with more that is of use in a report of a bug:

    format_version   1
    axsync           the version that wrote it
    api              v1 or v2
    server_version   as the server tells it; null where that is no version
    entities         entity type → its first row: `fields` with their shapes (see `axsync.convert.likeness`), `keys` by
                     which the server calls them, full or short; `catalogue` where that cannot be read
    unread           entity type → why it has no row: a word of `Reason`
    unnamed          entity types with names that are not written

Nothing else is written: no value, no words of the server, no names of tenants, instances or hosts.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from axsync.api import Question, is_system
from axsync.client.source import Source
from axsync.client.transport import RequestContext
from axsync.convert.inference import read_record
from axsync.convert.likeness import describe_record
from axsync.convert.page_bytes import CutPage, split_records
from axsync.engine.lane_walk import gather_all
from axsync.errors import BadAnswer, BadRequest, ConfigError, NotOffered, ServerError, UsageError
from axsync.lake.local import replace_file
from axsync.lake.store import storage_errors
from axsync.model import Page, Window
from axsync.runs.lane_selection import EntityState
from axsync.runs.pin import key_style
from axsync.schema.columns import Field, short_key
from axsync.schema.selection import Selection, member_names, select_fields

FORMAT_VERSION: Final = 1

Reason: TypeAlias = Literal["empty", "forbidden", "not licensed", "not offered", "failed", "unreadable"]
"""Why an entity type has no row; unreadable: it has one that is no JSON object."""

Record: TypeAlias = dict[str, Any]

_FIRST_ROW = Window(0, 0, 1)
_ENTITY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VERSION = re.compile(r"[0-9]{1,6}(?:[._-][0-9]{1,6}){0,7}")  # anything else would be words of the server


def refuse_unwritable(path: Path) -> None:
    """Raises: ConfigError where no file can be put there."""
    refused = f"the record cannot be written to {str(path)!r}"
    try:
        regular = path.is_file() or not path.exists()
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        Path(draft).unlink()
    except OSError as error:
        raise ConfigError(f"{refused}: {error.strerror or error}") from None
    if not regular:
        raise ConfigError(f"{refused}: it is not a regular file")


def write_record(path: Path, record: Record) -> None:
    """Put the record in place whole, readable by its owner alone. Raises: StorageError."""
    with storage_errors(f"write {str(path)!r}"):
        replace_file(path, text_of(record).encode())


async def record_of(source: Source, states: Mapping[str, EntityState]) -> Record:
    """The record of one instance, with a row of each entity type that can be read; administrators' tables are none."""
    entities = [entity for entity in states if not is_system(entity)]
    named = [entity for entity in entities if _ENTITY.fullmatch(entity)]
    told = await gather_all([_told(source, entity, states[entity]) for entity in named])
    found = dict(zip(named, told, strict=True))
    record: Record = {
        "format_version": FORMAT_VERSION,
        "axsync": version("axsync"),
        "api": source.api.GENERATION,
        "server_version": source.version if _VERSION.fullmatch(source.version or "") else None,
        "entities": {entity: one for entity, one in found.items() if not isinstance(one, str)},
        "unread": {entity: one for entity, one in found.items() if isinstance(one, str)},
    }
    hidden = len(entities) - len(named)
    return record | ({"unnamed": hidden} if hidden else {})


async def _told(source: Source, entity: str, state: EntityState) -> Record | Reason:
    if state != "readable":
        return state
    try:
        return await _described(source, entity)
    except ServerError as error:
        return _reason(error)
    except UsageError:  # a name that could become another path is never asked for
        return "not offered"
    except CutPage:
        return "unreadable"


def _reason(error: ServerError) -> Reason:
    if isinstance(error, NotOffered):
        return "forbidden" if error.status == 403 else "not offered"
    return "failed"


async def _described(source: Source, entity: str) -> Record | Reason:
    """The first row by its shapes. Raises: ServerError, UsageError, NotWhole."""
    catalogue = await _catalogue(source, entity)
    selection = select_fields(catalogue or (), "generic", entity=entity)
    rows = split_records((await _first_page(source, entity, selection)).body, source.api.ROWS_KEY)
    if not rows:
        return "empty"
    told = _row_told(rows[0], selection.names, _member_keys(catalogue), source.transport.hides)
    return told if catalogue or isinstance(told, str) else {"catalogue": "not readable", **told}


def _member_keys(catalogue: Sequence[Field]) -> set[str]:
    """The keys that objects have by the catalogue: members of complex fields, and parts of the names of others."""
    names = {name for field in catalogue for name in (field.name, *member_names(field))}
    return {part for name in names for part in name.split(".")}


def _row_told(
    row: bytes, asked: Sequence[str], members: Collection[str], hides: Callable[[str], bool]
) -> Record | Reason:
    record = {key: value for key, value in read_record(row).items() if not hides(key)}
    if not record:
        return "unreadable"
    style = key_style([row], asked)
    full = {short_key(name): name for name in asked} if style == "short" else {}
    fields, unnamed = describe_record({full.get(key, key): value for key, value in record.items()}, asked, members)
    told: Record = {"keys": style, "fields": fields}
    return told | ({"unnamed": unnamed} if unnamed else {})


async def _catalogue(source: Source, entity: str) -> tuple[Field, ...]:
    """The field catalogue; empty where there is none to read, as a page may be had all the same."""
    try:
        return await source.fields(entity)
    except (NotOffered, BadRequest, BadAnswer):
        return ()


async def _first_page(source: Source, entity: str, selection: Selection) -> Page:
    """A page of one row; without the fields that no catalogue lists, where the server refuses these."""
    try:
        return await source.page(Question(entity, selection.names), _FIRST_ROW, RequestContext())
    except BadRequest:
        if not selection.optional:
            raise
    listed = selection.without(selection.optional)
    return await source.page(Question(entity, listed.names), _FIRST_ROW, RequestContext())


def text_of(record: Record) -> str:
    """The record as JSON, one field a line, so that people can read what they are about to attach."""
    head = ",\n".join(f" {json.dumps(key)}: {json.dumps(told)}" for key, told in record.items() if key != "entities")
    entities = ",\n".join(_entity_text(entity, told) for entity, told in record["entities"].items())
    return f'{{\n{head},\n "entities": {{\n{entities}\n }}\n}}\n'


def _entity_text(entity: str, described: Record) -> str:
    more = "".join(f"{json.dumps(key)}: {json.dumps(told)}, " for key, told in described.items() if key != "fields")
    fields = ",\n".join(f"   {json.dumps(name)}: {json.dumps(shape)}" for name, shape in described["fields"].items())
    return f'  {json.dumps(entity)}: {{{more}"fields": {{\n{fields}\n  }}}}'
