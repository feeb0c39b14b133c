"""What the settings ask of the instances: which lanes there are to choose from, and what each of them asks.

The same for a run, a dry run and a plan.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Literal, TypeAlias

from axsync.api import KNOWN_ENTITIES, SYSTEM_TABLES, Question, is_system
from axsync.api.catalogue import ROOTS
from axsync.client.history_days import history_mark
from axsync.client.source import POLL_TOTAL, Source
from axsync.engine.lane_walk import gather_all
from axsync.errors import (
    BadAnswer,
    BadRequest,
    ConfigError,
    ManifestError,
    NotOffered,
    ServerError,
    UnknownEntity,
    UnknownField,
    UnknownQuery,
    Unreachable,
    UsageError,
)
from axsync.events import Asking
from axsync.lake.history import up_to
from axsync.lake.publish import Lake
from axsync.model import Asked, Lane
from axsync.schema.columns import Field, columns_of
from axsync.schema.selection import (
    choose_lanes,
    closest_field,
    in_axonius_names,
    is_glob,
    refuse_misnamed,
    refuse_misspelled,
    select_fields,
)
from axsync.settings import DEFAULT_ENTITY, EntitySettings, RunSettings, Settings, closest, did_you_mean

EVERYWHERE = frozenset({"devices", "users"})
"""Every instance has them, so what is refused about them is the question."""

HEARD_OF = (*KNOWN_ENTITIES, *SYSTEM_TABLES)
"""Names that are tried where somebody gives them. Administrators' tables are read in no other case."""

EntityState: TypeAlias = Literal["readable", "empty", "forbidden", "not licensed", "not offered", "failed"]
"""Whether an entity type can be read with a credential, or why not."""

Columns: TypeAlias = Mapping[Lane, Mapping[str, str]]
"""Lane → Axonius name → column."""

_NONE: Columns = {}

_OF_LISTINGS = frozenset({"type", "page_size", "max_columns", "proof"})
"""What can be said of an administrators' table; everything else concerns assets."""


def refuse_misplaced(settings: Settings, named: Sequence[str] | None = None) -> None:
    """Refuse what cannot be asked of an administrators' table. `named` are the tables of this run.

    What is said of every type in [entities.default] does not concern these tables and is no mistake.
    Raises: ConfigError.
    """
    for table in settings.run.wanted if named is None else named:
        if settings.run.as_of is not None and is_system(settings.asked(table)):
            raise ConfigError(f"as_of: Axonius keeps no history of {table}; read it in a run of its own, without as_of")
    neutral = EntitySettings()
    general = settings.entities.get(DEFAULT_ENTITY, neutral)
    for table, wish in settings.entities.items():
        for key in (one.name for one in fields(wish) if is_system(wish.asked(table))):
            said = getattr(wish, key)
            if key not in _OF_LISTINGS and said not in (getattr(neutral, key), getattr(general, key)):
                told = f"{key} cannot be set, since {wish.asked(table)} is always copied whole"
                raise ConfigError(f"[entities.{table}]: {told}")


def columns_before(lake: Lake, day: str) -> dict[Lane, dict[str, str]]:
    """What a lane of this logical date finds in the lake: the columns of the nearest date before it, or the newest."""
    try:
        found = [one.document["lanes"] for one in (lake.newest(), up_to(lake, day)) if one is not None]
        entries = {Lane(entry["instance"], entry["entity"]): entry for lanes in found for entry in lanes}
        return {lane: {c.field: c.name for c in columns_of(entry)} for lane, entry in entries.items()}
    except (ManifestError, ValueError):  # whoever needs the manifest itself tells of it
        return {}


async def chosen_lanes(settings: Settings, sources: Mapping[str, Source], earlier: Columns = _NONE) -> tuple[Lane, ...]:
    """The lanes that a run with these settings would walk. `earlier` are the columns that the lake has of each.

    Raises: UnknownEntity, UnknownField; ConfigError where a table is for a type, or for a saved query, that is nowhere
        to be found; ServerError.
    """
    offered = await gather_all([_offered(settings, source) for source in sources.values()])
    return await lanes_among(settings, sources, dict(zip(sources, offered, strict=True)), earlier)


async def lanes_of_late(settings: Settings, source: Source) -> tuple[Lane, ...]:
    """The lanes of an instance that joins a run under way: what is wrong with the settings was said before.

    Raises: ServerError.
    """
    offered = _with_tables(settings, await _offered(settings, source))
    wanted, known = settings.run.wanted, (*settings.entities, *settings.run.wanted)
    return choose_lanes(wanted, {source.name: offered}, skip=settings.run.skip, configured=known, heard_of=HEARD_OF)


async def lanes_among(
    settings: Settings,
    sources: Mapping[str, Source],
    named: Mapping[str, Collection[str]],
    earlier: Columns = _NONE,
) -> tuple[Lane, ...]:
    """The same, where it is known what each instance offers. Raises: as `chosen_lanes`."""
    refuse_misplaced(settings)
    heard = dict.fromkeys((*(e for types in named.values() for e in types), *HEARD_OF))
    refuse_misnamed(settings.tables, heard)
    configured = [e for e in settings.entities if e != DEFAULT_ENTITY]
    offered = {name: _with_tables(settings, types) for name, types in named.items()}
    lanes = choose_lanes(settings.run.wanted, offered, skip=settings.run.skip, configured=configured, heard_of=HEARD_OF)
    if len(sources) == len(settings.chosen()):  # or the one that is missing may know the type, or the saved query
        refuse_misspelled(settings.run.skip, dict.fromkeys((*heard, *configured)))
        await _refuse_unheard({e: settings.asked(e) for e in configured}, settings.run.wanted, heard, sources)
        await _refuse_queries(settings, lanes, sources)
        await _refuse_fields(settings, lanes, sources, earlier)
    await _refuse_details(settings, lanes, sources)
    return lanes


def _with_tables(settings: Settings, types: Collection[str]) -> tuple[str, ...]:
    """The types that an instance offers, and the tables with names of their own that ask for one of them."""
    return (*types, *(name for name, entity in settings.tables.items() if entity in types))


def refuses_type(source: Source, table: str, error: ServerError, wish: EntitySettings) -> bool:
    """Whether a 4xx, to a count or a first page, means that this instance has no such type.

    It does so for types that the server's own list lacks, and where it speaks of a licence. Where it has no list, a
    refusal may be about the question as well, so that has to be plain: without a query that somebody wrote.
    """
    entity, plain = wish.asked(table), not (wish.query or wish.saved_query)
    refused = isinstance(error, BadRequest) and 400 <= (error.status or 0) < 500  # HTTP: errors of whoever asks
    if is_system(entity):
        return refused
    lacking = entity not in source.listed if source.listed else plain and entity not in EVERYWHERE
    return refused and (lacking or (plain and entity not in EVERYWHERE and is_about_licence(error)))


def is_about_licence(error: ServerError) -> bool:
    """Whether the server's words say that a licence is missing: nothing else tells that apart."""
    return "licen" in (error.detail or str(error)).lower()  # license, licence, licensed


async def offered(
    source: Source, wanted: Sequence[str] = (), *, patience: float = POLL_TOTAL
) -> dict[str, int | ServerError | None]:
    """Entity type → its count, or why it cannot be read.

    Asks for the wanted types, or for all that are listed or known; a type that was only tried and is unknown to the
    server is left out.
    """
    names = wanted or source.listed or KNOWN_ENTITIES
    done = itertools.count(1)

    async def count(name: str) -> int | ServerError | None:
        counted = await source.count_or_error(name, patience)
        source.transport.tell(Asking(source.name, source.transport.host, next(done), len(names)))
        return counted

    found = await gather_all([count(name) for name in names])
    sure = source.listed or ()
    return {n: c for n, c in zip(names, found, strict=True) if n in sure or not _is_unknown(c)}


def _is_unknown(found: int | ServerError | None) -> bool:
    return isinstance(found, NotOffered) and found.status == 404


async def _offered(settings: Settings, source: Source) -> tuple[str, ...]:
    if source.listed is not None:
        return source.listed
    named = asked_types(settings)
    assets = [entity for entity in named if not is_system(entity)]
    sure = [entity for entity in assets if entity in EVERYWHERE]
    tried = [entity for entity in assets if entity not in EVERYWHERE]
    return (*sure, *(await offered(source, tried) if tried or not named else ()))


def asked_types(settings: Settings) -> tuple[str, ...]:
    """The entity types at Axonius that the run names; none where it names none."""
    return tuple(dict.fromkeys(settings.asked(name) for name in settings.run.wanted))


async def _refuse_unheard(
    tables: Mapping[str, str], named: Collection[str], heard: Collection[str], sources: Mapping[str, Source]
) -> None:
    """Raises: ConfigError for a table whose type no instance knows, UnknownEntity where the run names the type itself.

    A list may be short of one, so each is asked. `tables` is table → entity type.
    """
    unheard = tuple(dict.fromkeys(entity for entity in tables.values() if entity not in heard))
    if not unheard:
        return
    found = await gather_all([offered(source, unheard, patience=0) for source in sources.values()])
    there = {entity for types in found for entity, count in types.items() if not isinstance(count, BadRequest)}
    for table, entity in tables.items():
        if entity in unheard and entity not in there:
            near = closest(entity, heard)
            if table == entity and table in named:
                raise UnknownEntity(entity, instance=", ".join(sources), nearest=near)
            raise ConfigError(f"[entities.{table}]: {_all(sources)} no entity type {entity!r}{did_you_mean(near)}")


async def _refuse_queries(settings: Settings, lanes: Sequence[Lane], sources: Mapping[str, Source]) -> None:
    """Raises: UnknownQuery for a saved query that no instance has for the type of its table."""
    for table in dict.fromkeys(lane.entity for lane in lanes):
        wish = settings.entity(table)
        if is_system(wish.asked(table)):
            continue
        asking = [sources[lane.instance] for lane in lanes if lane.entity == table and wish.saved_query]
        why = await gather_all(
            [source.saved_queries.why_missing(wish.saved_query, wish.asked(table)) for source in asking]
        )
        if why and all(why):
            raise UnknownQuery(f"saved_query of {table}: {why[0]}")


async def _refuse_fields(
    settings: Settings, lanes: Sequence[Lane], sources: Mapping[str, Source], earlier: Columns
) -> None:
    """Raises: UnknownField for a named field that no lane of which it is wanted has, if all their catalogues are read.

    Types that share a list of fields, as `--fields` gives them one, need not have all of it each. What
    [entities.default] says is meant for whatever type has it.
    """
    general = settings.entity(DEFAULT_ENTITY).fields
    sharing: dict[tuple[str, ...], list[Lane]] = {}
    for lane in lanes:
        wish = settings.entity(lane.entity)
        if wish.fields != general and not isinstance(wish.fields, str) and not is_system(wish.asked(lane.entity)):
            sharing.setdefault(tuple(name for name in wish.fields if not is_glob(name)), []).append(lane)
    for names, of in sharing.items():
        unknown, listed = list(names), set[str]()
        for lane in of:
            if not unknown:
                break
            catalogue = await _catalogue(sources, lane, settings)
            if not any(f.name not in ROOTS for f in catalogue):
                break  # the lane asks for what is named, as it is
            wish = in_axonius_names(EntitySettings(fields=tuple(unknown)), catalogue, earlier.get(lane, {}))
            unknown = list(select_fields(catalogue, wish.fields).unmatched)
            listed |= {f.name for f in catalogue}
        else:
            _refuse_unknown(unknown, listed, dict.fromkeys(settings.asked(lane.entity) for lane in of))


def _refuse_unknown(names: Sequence[str], listed: Collection[str], types: Collection[str]) -> None:
    """Raises: UnknownField for the first of these names."""
    for name in names:
        near = did_you_mean(closest_field(name, listed))
        raise UnknownField(f"fields (--fields): no field of {', '.join(types)} matches {name!r}{near}")


async def _catalogue(sources: Mapping[str, Source], lane: Lane, settings: Settings) -> tuple[Field, ...]:
    """The field catalogue of a lane; nothing where it cannot be read: the lane says what is wrong with it."""
    try:
        return await sources[lane.instance].fields(settings.asked(lane.entity))
    except (BadRequest, BadAnswer, NotOffered, Unreachable):
        return ()


async def _refuse_details(settings: Settings, lanes: Sequence[Lane], sources: Mapping[str, Source]) -> None:
    """Raises: ConfigError for details of a field that is not selected, as far as the catalogue can be read."""
    for lane in lanes:
        wish = settings.entity(lane.entity)
        asked = wish.asked(lane.entity)
        if not wish.details or is_system(asked):
            continue
        catalogue = await _catalogue(sources, lane, settings)
        if not catalogue:
            continue
        wish = in_axonius_names(wish, catalogue, {})
        found = select_fields(catalogue, wish.fields, entity=asked, extra=wish.extra_fields, details=wish.details)
        for name in found.lacking:
            near = closest_field(name, [f.name for f in found.fields])
            told = f"{name!r} is not among the selected fields{did_you_mean(near)}"
            raise ConfigError(f"[entities.{lane.entity}] details: {told}")


def _all(names: Collection[str]) -> str:
    listed = ", ".join(repr(name) for name in names)
    return f"instance {listed} offers" if len(names) == 1 else f"instances {listed} offer"


def asked_by(wish: EntitySettings, table: str, run: RunSettings) -> Asked:
    """What these settings ask for a table, for its manifest. An administrators' table is always asked for whole."""
    if is_system(wish.asked(table)):
        return Asked(limit=run.limit)
    names = (wish.fields,) if isinstance(wish.fields, str) else wish.fields
    fields = (*names, *wish.extra_fields, *(f"{name}__details" for name in wish.details))
    return Asked(run.as_of, run.limit, wish.query, wish.saved_query, fields)


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
    return await source.saved_queries.resolve(
        Question(entity, query=wish.query, saved_query=wish.saved_query, history=mark)
    )


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
