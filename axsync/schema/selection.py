"""Which lanes a run walks and which fields each asks for."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from axsync.errors import ConfigError, UnknownEntity
from axsync.model import ID_FIELD, Lane
from axsync.schema.fields import Atom, Field, Group, Kind, Many
from axsync.settings import Fields, closest

RAW = Field("specific_data", Atom("json"))
"""The per-adapter tree as one JSON column (docs/axonius-api.md, "Records")."""

ALWAYS = frozenset({"adapters", "adapter_list_length", "labels"})
"""Served whatever is asked for (docs/axonius-api.md, "Records"): without columns they would be rescued in every row."""

GENERIC = "specific_data.data."
"""What the names of aggregated fields begin with; it may be left out."""

PSEUDO = frozenset({"all", "raw_data", "specific_data"})
"""Names that stand for everything; only `raw` asks for them."""

CUSTOM = "gui"
"""The category of the tenant's own fields, such as site or owner: as much wanted as the aggregated ones."""

WELL_KNOWN: dict[str, tuple[str, ...]] = {
    "devices": (f"{GENERIC}network_interfaces.ips_preferred", f"{GENERIC}network_interfaces.mac_preferred"),
}
"""Entity type → fields that are asked for by default even where the catalogue does not list them.

An assumption: public scripts ask for these on every server, and a catalogue without `items` may leave them out."""

_AS_SERVED = ("specific_data.", "adapters_data.", "meta_data.", "_")
_ROOTS = frozenset({ID_FIELD, *ALWAYS, *PSEUDO, "unique_adapter_names_details", "adapter_asset_entities_info"})
_BY_DEFAULT = ("generic", "full")
_UNKNOWN = Atom("unknown")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Selection:
    """The fields of a lane, the wished names that match nothing, and all names that the catalogue lists.

    `notices` are for people. `unlisted` are names that are asked for though no catalogue lists them; they keep their
    column even when they are never served. `optional` are well-known ones that get a column only where the first
    page shows them. `open`: no list of fields is known, none is sent, and the first page decides the columns.
    `details` are fields of which each adapter's own value is wanted, `lacking` wished ones that are not selected.
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
        """What goes into the request; nothing where the server is to choose."""
        return () if self.open else tuple(f.name for f in self.fields)

    def without(self, refused: Collection[str]) -> "Selection":
        """The same without fields that the server knows nothing of."""
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
    configured: Collection[str] = (),
    heard_of: Collection[str] = (),
) -> tuple[Lane, ...]:
    """Lanes for the wanted entity types on all instances, or for what each of them offers where none is named.

    `offered` is instance → entity types. A wanted type is tried on every instance if one of them offers it, the
    settings have it (`configured`) or it is well known (`heard_of`): a list may be short of it, and where it is really
    not there, that is the outcome of its lane.
    Raises: UnknownEntity for a wanted type that nobody knows.
    """
    everywhere = sorted({e for types in offered.values() for e in types})
    known = {*everywhere, *configured, *heard_of}
    for entity in wanted:
        if entity not in known:
            near = closest(entity, (*everywhere, *heard_of))
            raise UnknownEntity(entity, instance=", ".join(offered), nearest=near)
    lanes = [Lane(name, entity) for name, types in offered.items() for entity in (wanted or types)]
    return tuple(dict.fromkeys(lanes))


def refuse_misnamed(tables: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse a table that is called like one entity type and asks for another. `tables` is table → its type.

    Raises: ConfigError.
    """
    for table, entity in tables.items():
        if table in known:
            told = f"{table!r} is an entity type itself, so a table for {entity!r} needs another name"
            raise ConfigError(f"[entities.{table}]: {told}")


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
    """The fields that `generic`, `full`, `raw`, a saved query or a list of names and globs mean in this catalogue.

    `entity` is the entity type, `extra` are names that no catalogue lists, `columns` are those of the saved query,
    None where they are not known, `details` fields whose values by adapter are wanted. The id comes first and always.
    """
    listed = [f for f in catalogue if f.name not in PSEUDO]
    chosen = _chosen(listed, wish, columns)
    if not chosen.open:
        chosen = _with_known(_with_extra(chosen, listed, extra), catalogue, entity if wish in _BY_DEFAULT else "")
    return _with_details(_with_id(chosen, catalogue), details)


def _with_details(chosen: Selection, wished: Sequence[str]) -> Selection:
    selected = {f.name for f in chosen.fields} - {ID_FIELD, *ALWAYS}
    named = {name: next((full for full in (name, full_name(name)) if full in selected), None) for name in wished}
    found = tuple(dict.fromkeys(full for full in named.values() if full))
    return replace(chosen, details=found, lacking=tuple(name for name, full in named.items() if full is None))


def select_all(columns: Sequence[Field]) -> Selection:
    """All of these columns and whatever else the first page shows, where there is nothing to choose from."""
    return _with_id(Selection(tuple(columns), open=True), columns)


def _chosen(listed: Sequence[Field], wish: Fields, columns: Sequence[str] | None) -> Selection:
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
    """The name under which a field is asked for, where the prefix of aggregated fields was left out."""
    return name if name in _ROOTS or name.startswith(_AS_SERVED) else GENERIC + name


def _by_name(listed: Sequence[Field], names: Sequence[str]) -> Selection:
    """Fields by their full names; a member of objects means them, and what nobody lists is asked for all the same."""
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
    notices = tuple(_folded(members, parent) for parent, members in inside.items())
    return Selection(tuple(fields), notices=notices, unlisted=frozenset(unlisted))


def _by_patterns(listed: Sequence[Field], patterns: Sequence[str]) -> Selection:
    chosen: set[str] = set()
    unmatched: list[str] = []
    notices: list[str] = []
    for pattern in patterns:
        own = {f.name for f in listed if _matches(f.name, pattern)}
        parents = [f for f in listed if f.name not in own and _means_member(f, pattern, alone=not own)]
        notices += [_folded([pattern], parent.name) for parent in parents]
        unmatched += [] if own or parents else [pattern]
        chosen |= own | {f.name for f in parents}
    fields = tuple(f for f in listed if f.name in chosen)
    return Selection(fields, unmatched=tuple(unmatched), notices=tuple(notices))


def _folded(names: Sequence[str], parent: str) -> str:
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
    """The full names of all that is inside of a list of objects."""
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
    """Full names and their end without the generic prefix: `hostname` means `specific_data.data.hostname`."""
    return fnmatchcase(name, pattern) or fnmatchcase(name.removeprefix(GENERIC), pattern)
