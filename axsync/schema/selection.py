"""Selects the lanes of a run and the fields that each requests."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from axsync.errors import ConfigError, UnknownEntity
from axsync.model import ID_FIELD, Lane
from axsync.schema.columns import RESERVED, Field, assign_names
from axsync.schema.kinds import Atom, Group, Kind, Many
from axsync.settings import EntitySettings, Fields, closest, did_you_mean

RAW = Field("specific_data", Atom("json"))
"""The per-adapter tree as one JSON column (docs/axonius-api.md, "Records")."""

ALWAYS = frozenset({"adapters", "adapter_list_length", "labels"})
"""Always served (docs/axonius-api.md, "Records"): without columns they would be rescued in every row."""

GENERIC = "specific_data.data."
"""Prefix of the names of aggregated fields; it may be omitted."""

PSEUDO = frozenset({"all", "raw_data", "specific_data"})
"""Names that stand for everything; only `raw` requests them."""

CUSTOM = "gui"
"""The category of the tenant's own fields, such as site or owner, which are selected like aggregated ones."""

WELL_KNOWN: dict[str, tuple[str, ...]] = {
    "devices": (f"{GENERIC}network_interfaces.ips_preferred", f"{GENERIC}network_interfaces.mac_preferred"),
}
"""Entity type → fields requested by default even if the catalogue does not list them.

An assumption: public scripts request these on every server, and a catalogue without `items` may omit them.
"""

_AS_SERVED = ("specific_data.", "adapters_data.", "meta_data.", "_")
_ROOTS = frozenset({ID_FIELD, *ALWAYS, *PSEUDO, "unique_adapter_names_details", "adapter_asset_entities_info"})
_BY_DEFAULT = ("generic", "full")
_UNKNOWN = Atom("unknown")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Selection:
    """The fields of a lane, wished names that match nothing, and all names in the catalogue.

    `notices` are for people. `unlisted` are requested names that no catalogue lists; they keep their column even if
    never served. `optional` are well-known ones that get a column only if the first page has them. `open`: no list of
    fields is known, none is sent, and the first page decides the columns. `details` are fields for which each adapter's
    own value is wanted, `lacking` wished ones that are not selected.
    """

    fields: tuple[Field, ...]
    unmatched: tuple[str, ...] = ()
    listed: frozenset[str] = PSEUDO
    notices: tuple[str, ...] = ()
    unlisted: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    open: bool = False
    details: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the request; empty if the server is to choose."""
        return () if self.open else tuple(f.name for f in self.fields)

    def without(self, refused: Collection[str]) -> "Selection":
        """The selection without fields that the server does not know."""
        return replace(
            self,
            fields=tuple(f for f in self.fields if f.name not in refused),
            details=tuple(name for name in self.details if name not in refused),
            unlisted=self.unlisted.difference(refused),
            optional=self.optional.difference(refused),
        )


def choose_lanes(
    wanted: Sequence[str],
    offered: Mapping[str, Collection[str]],
    *,
    skip: Collection[str] = (),
    configured: Collection[str] = (),
    heard_of: Collection[str] = (),
) -> tuple[Lane, ...]:
    """Lanes for the wanted entity types on all instances, or for what each offers, without `skip`, if none is named.

    `offered` is instance → entity types. A wanted type is tried on every instance if one of them offers it, the
    settings name it (`configured`) or it is well known (`heard_of`). A list may omit it; if it really does not exist,
    its lane reports that.
    Raises: UnknownEntity for a wanted type that is unknown everywhere.
    """
    everywhere = sorted({e for types in offered.values() for e in types})
    known = {*everywhere, *configured, *heard_of}
    for entity in wanted:
        if entity not in known:
            near = closest(entity, (*everywhere, *heard_of))
            raise UnknownEntity(entity, instance=", ".join(offered), nearest=near)
    lanes = [Lane(name, entity) for name, types in offered.items() for entity in (wanted or types)]
    return tuple(dict.fromkeys(lane for lane in lanes if lane.entity not in skip))


def refuse_misspelled(skip: Sequence[str], known: Collection[str]) -> None:
    """Refuse to skip what nobody has heard of: the type that was meant would be read. Raises: ConfigError."""
    for name in skip:
        if name not in known:
            raise ConfigError(f"skip: no instance offers an entity type {name!r}{did_you_mean(closest(name, known))}")


def refuse_misnamed(tables: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse a table named like one entity type that requests another. `tables` is table → its type.

    Raises: ConfigError.
    """
    for table, entity in tables.items():
        if table in known:
            told = f"{table!r} is itself an entity type; give the table for {entity!r} another name"
            raise ConfigError(f"[entities.{table}]: {told}")


def fields_meant(word: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that a name or glob means; `columns` is Axonius name → column.

    It is taken for an Axonius name, with or without the generic prefix, and for a column's where none fits.
    """
    own = tuple(name for name in columns if _matches(name, word))
    return own or tuple(name for name, column in columns.items() if fnmatchcase(column, word))


def in_axonius_names(wish: EntitySettings, catalogue: Sequence[Field], earlier: Mapping[str, str]) -> EntitySettings:
    """The same wish with each name that is a column's replaced by that of its field.

    `earlier` is Axonius name → column in the previous snapshot; other columns are named as a first run names them.
    """
    if isinstance(wish.fields, str) and not wish.extra_fields and not wish.details:
        return wish
    listed = [f for f in catalogue if f.name not in PSEUDO]
    columns = assign_names([f.name for f in listed], reserved=RESERVED, earlier=earlier)

    def named(words: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for word in words for name in meant(word)))

    def meant(word: str) -> Sequence[str]:
        served = any(_matches(f.name, word) or _means_member(f, word, alone=True) for f in listed)
        return (word,) if served else fields_meant(word, columns) or (word,)

    fields = wish.fields if isinstance(wish.fields, str) else named(wish.fields)
    return replace(wish, fields=fields, extra_fields=named(wish.extra_fields), details=named(wish.details))


def closest_field(word: str, listed: Collection[str]) -> str | None:
    """The listed field that was probably meant, without the generic prefix where the word has none."""
    return closest(word, listed if word.startswith(GENERIC) else [name.removeprefix(GENERIC) for name in listed])


def select_fields(
    catalogue: Sequence[Field],
    wish: Fields,
    *,
    entity: str = "",
    extra: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    details: Sequence[str] = (),
) -> Selection:
    """Select the fields that `generic`, `full`, `raw`, a saved query or a list of names and globs mean here.

    `entity` is the entity type, `extra` are names that no catalogue lists, `columns` are those of the saved query, None
    if unknown, `details` are fields whose values by adapter are wanted. The id is always selected and comes first.
    """
    listed = [f for f in catalogue if f.name not in PSEUDO]
    chosen = _choose(listed, wish, columns)
    if not chosen.open:
        chosen = _with_known(_with_extra(chosen, listed, extra), catalogue, entity if wish in _BY_DEFAULT else "")
    return _with_details(_with_id(chosen, catalogue), details)


def _with_details(chosen: Selection, wished: Sequence[str]) -> Selection:
    selected = {f.name for f in chosen.fields} - {ID_FIELD, *ALWAYS}
    named = {name: next((full for full in (name, full_name(name)) if full in selected), None) for name in wished}
    found = tuple(dict.fromkeys(full for full in named.values() if full))
    return replace(chosen, details=found, lacking=tuple(name for name, full in named.items() if full is None))


def select_all(columns: Sequence[Field]) -> Selection:
    """All of these columns and whatever else the first page has, if there is nothing to choose from."""
    return _with_id(Selection(tuple(columns), open=True), columns)


def _choose(listed: Sequence[Field], wish: Fields, columns: Sequence[str] | None) -> Selection:
    if wish == "raw":
        return Selection((*(f for f in listed if "." not in f.name), RAW))
    if wish == "full":
        return Selection(tuple(listed))
    if wish == "generic":
        return Selection(tuple(f for f in listed if f.adapter in (None, CUSTOM)))
    if wish == "saved-query":
        return Selection((), open=True) if columns is None else _by_name(listed, columns)
    return _by_patterns(listed, wish)


def _with_extra(chosen: Selection, listed: Sequence[Field], extra: Sequence[str]) -> Selection:
    added = _by_name(listed, [full_name(name) for name in extra])
    fields, notices = (*chosen.fields, *added.fields), (*chosen.notices, *added.notices)
    return replace(chosen, fields=fields, notices=notices, unlisted=chosen.unlisted | added.unlisted)


def _with_known(chosen: Selection, catalogue: Sequence[Field], entity: str) -> Selection:
    there = {f.name for f in (*catalogue, *chosen.fields)}
    known = tuple(Field(name, _UNKNOWN) for name in WELL_KNOWN.get(entity, ()) if name not in there)
    return replace(chosen, fields=(*chosen.fields, *known), optional=frozenset(f.name for f in known))


def is_glob(name: str) -> bool:
    """Whether a name is a pattern for several fields."""
    return bool(_GLOB.search(name))


def full_name(name: str) -> str:
    """The name under which a field is requested, with the omitted prefix of aggregated fields added."""
    return name if name in _ROOTS or name.startswith(_AS_SERVED) else GENERIC + name


def _by_name(listed: Sequence[Field], names: Sequence[str]) -> Selection:
    """Fields by their full names. A member of objects selects the objects; unlisted names are requested too."""
    own = {f.name: f for f in listed}
    parents = {name: f for f in listed for name in member_names(f)}
    fields: list[Field] = []
    inside: dict[str, list[str]] = {}
    unlisted: set[str] = set()
    for name in names:
        if name not in own and name in parents:
            inside.setdefault(parents[name].name, []).append(name)
        elif name not in own and name not in PSEUDO:
            unlisted.add(name)
        fields += [] if name in PSEUDO else [own.get(name) or parents.get(name) or Field(name, _UNKNOWN)]
    notices = tuple(_say_folded(members, parent) for parent, members in inside.items())
    return Selection(tuple(fields), notices=notices, unlisted=frozenset(unlisted))


def _by_patterns(listed: Sequence[Field], patterns: Sequence[str]) -> Selection:
    chosen: set[str] = set()
    unmatched: list[str] = []
    notices: list[str] = []
    for pattern in patterns:
        own = {f.name for f in listed if _matches(f.name, pattern)}
        parents = [f for f in listed if f.name not in own and _means_member(f, pattern, alone=not own)]
        notices += [_say_folded([pattern], parent.name) for parent in parents]
        unmatched += [] if own or parents else [pattern]
        chosen |= own | {f.name for f in parents}
    fields = tuple(f for f in listed if f.name in chosen)
    return Selection(fields, unmatched=tuple(unmatched), notices=tuple(notices))


def _say_folded(names: Sequence[str], parent: str) -> str:
    return f"{', '.join(map(repr, names))}: inside of {parent}, which is copied whole"


def _means_member(field: Field, pattern: str, *, alone: bool) -> bool:
    """Whether a pattern names members of these objects: it reaches into them, or it matches nothing else (`alone`)."""
    reaches = _reaches(field.name, pattern) or _reaches(field.name.removeprefix(GENERIC), pattern)
    if field.kind == Many(Group(())):  # objects whose members nobody lists
        return reaches
    return (reaches or alone) and any(_matches(name, pattern) for name in member_names(field))


def _reaches(name: str, pattern: str) -> bool:
    return _GLOB.split(pattern, maxsplit=1)[0].startswith(name + ".")


def member_names(field: Field) -> frozenset[str]:
    """The full names of everything inside a list of objects."""
    return frozenset(_names_inside(field.kind, field.name))


def _names_inside(kind: Kind, name: str) -> Iterator[str]:
    match kind:
        case Many(item):
            yield from _names_inside(item, name)
        case Group(members):
            for member in members:
                yield f"{name}.{member.key}"
                yield from _names_inside(member.kind, f"{name}.{member.key}")


def _with_id(chosen: Selection, catalogue: Sequence[Field]) -> Selection:
    own = next((f for f in catalogue if f.name == ID_FIELD), Field(ID_FIELD, Atom("text")))
    always = [f for f in catalogue if f.name in ALWAYS and f.name != ID_FIELD]
    fields = {f.name: f for f in reversed([*always, *chosen.fields])}  # the first of two with one name
    ordered = dict.fromkeys(f.name for f in [*always, *chosen.fields])
    return replace(
        chosen,
        fields=(own, *(fields[name] for name in ordered if name != ID_FIELD)),
        listed=PSEUDO | {f.name for f in catalogue},
        unlisted=chosen.unlisted - {ID_FIELD},
    )


def _matches(name: str, pattern: str) -> bool:
    """Match the full name, or the name without the generic prefix: `hostname` means `specific_data.data.hostname`."""
    return fnmatchcase(name, pattern) or fnmatchcase(name.removeprefix(GENERIC), pattern)
