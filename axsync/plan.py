"""Which lanes a run walks and which fields each asks for."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from axsync.errors import UnknownEntity
from axsync.fields import Atom, Field
from axsync.model import ID_FIELD, Lane
from axsync.settings import Fields

RAW = Field("specific_data", Atom("json"))
"""The per-adapter tree as one JSON column (API reference 7.2)."""

ALWAYS = frozenset({"adapters", "adapter_list_length", "labels"})
"""Served whatever is asked for (API reference 7.1): without columns they would be rescued in every row."""

GENERIC = "specific_data.data."
"""What the names of aggregated fields begin with; it may be left out."""

PSEUDO = frozenset({"all", "raw_data", "specific_data"})
"""Names that stand for everything; only `raw` asks for them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The fields of a lane, the wished names that match nothing, and all names that the catalogue lists."""

    fields: tuple[Field, ...]
    unmatched: tuple[str, ...] = ()
    listed: frozenset[str] = PSEUDO

    @property
    def names(self) -> tuple[str, ...]:
        """What goes into the request."""
        return tuple(f.name for f in self.fields)


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


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word that was probably meant, upper and lower case aside."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.lower(), name)
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def closest_field(word: str, listed: Collection[str]) -> str | None:
    """The listed field that was probably meant, without the generic prefix where the word has none."""
    return closest(word, listed if word.startswith(GENERIC) else [name.removeprefix(GENERIC) for name in listed])


def select_fields(catalogue: Sequence[Field], wish: Fields) -> Selection:
    """The fields that `generic`, `full`, `raw` or a list of names and globs mean in this catalogue.

    The id comes first and always.
    """
    listed = [f for f in catalogue if f.name not in PSEUDO]
    roots = [f for f in listed if "." not in f.name]
    if wish == "raw":
        return _with_id([*roots, RAW], catalogue)
    if wish == "full":
        return _with_id(listed, catalogue)
    if wish == "generic":
        return _with_id([f for f in listed if f.adapter is None], catalogue)
    chosen = [f for f in listed if any(_matches(f.name, pattern) for pattern in wish)]
    unmatched = tuple(p for p in wish if not any(_matches(f.name, p) for f in listed))
    return replace(_with_id(chosen, catalogue), unmatched=unmatched)


def _with_id(fields: Sequence[Field], catalogue: Sequence[Field]) -> Selection:
    own = next((f for f in catalogue if f.name == ID_FIELD), Field(ID_FIELD, Atom("text")))
    always = [f for f in catalogue if f.name in ALWAYS and f.name != ID_FIELD]
    chosen = (own, *(f for f in dict.fromkeys([*always, *fields]) if f.name != ID_FIELD))
    return Selection(chosen, listed=PSEUDO | {f.name for f in catalogue})


def _matches(name: str, pattern: str) -> bool:
    """Full names and their end without the generic prefix: `hostname` means `specific_data.data.hostname`."""
    return fnmatchcase(name, pattern) or fnmatchcase(name.removeprefix(GENERIC), pattern)
