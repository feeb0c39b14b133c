"""Catalogue entries of both generations → fields with kinds (docs/axonius-api.md, "Field catalogue")."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from axsync.schema.columns import Field, group
from axsync.schema.kinds import Atom, Group, Kind, Many

Entry: TypeAlias = Mapping[str, object]

_NOT_EXTRACTED = frozenset({"password", "sq", "data_scope", "image", "logo"})  # formats: forms, pseudo fields, pictures
_STRING_FORMATS: dict[str, Kind] = {
    "date-time": Atom("timestamp"),
    "due-date": Atom("timestamp"),
    "date": Atom("date"),
    "dynamic_field": Atom("json"),
    "ticket-vendor": Atom("text"),
}
_SCALARS: dict[str, Kind] = {
    "string": Atom("text"),
    "bool": Atom("bool"),
    "boolean": Atom("bool"),
    "integer": Atom("integer"),
    "number": Atom("number"),
}
ROOTS: dict[str, Kind] = {
    "internal_axon_id": Atom("text"),
    "adapters": Many(Atom("text")),
    "adapter_list_length": Atom("integer"),
    "labels": Many(Atom("text")),
}
"""Served whatever `fields` says (docs/axonius-api.md, "Records"); not every catalogue lists them."""

MOST_LEVELS = 16
"""Complex fields within each other that become columns. Deeper ones are JSON text: readers of Parquet take no more."""

OWN_ENDINGS = ("_preferred", "_count")
"""Ends of names that, below a complex field, may be fields of their own: Axonius' pick, and a number that it counts."""
MERGED_DATES = frozenset({"last_seen", "fetch_time", "first_fetch_time", "last_logon", "last_password_change"})
"""Last parts of aggregated dates that servers were seen to merge into one bare value, the newest; a prior only, as
every server decides by name (docs/axonius-api.md, "Shapes of values")."""


def fields_of(entries: Iterable[Entry], adapter: str | None) -> tuple[Field, ...]:
    """The root fields of one category; sub-fields listed on their own go into their complex parent.

    Names below a complex field that are no members of its objects are roots: they are served only when asked for by
    their full name (docs/axonius-api.md, "Field catalogue").
    """
    category = _Category({str(e["name"]): e for e in entries if isinstance(e.get("name"), str) and e["name"]})
    listed = (_field(name, category, adapter) for name in category.roots)
    return tuple(f for f in listed if f is not None)


class _Category:
    """The entries of one category by name, and which of them are below which complex field.

    `below` is complex field → its members that are listed on their own; `own` are names below a complex field that
    are fields of their own.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        parents = _Parents([name for name, entry in entries.items() if _is_complex(entry)])
        above = {name: parent for name in entries if (parent := parents.of(name)) is not None}
        tabled = {parent for name, parent in above.items() if entries[name].get("part_of_table")}
        self.own = frozenset(n for n, parent in above.items() if self._stands_alone(n, parent, tabled))
        self.roots = [name for name in entries if name not in above or name in self.own]
        self.below: dict[str, list[str]] = {}
        for name, parent in above.items():
            if name not in self.own:
                self.below.setdefault(parent, []).append(name)

    def _stands_alone(self, name: str, parent: str, tabled: Collection[str]) -> bool:
        if not name.endswith(OWN_ENDINGS):
            return False
        inline = {str(one.get("name")) for one in _inline_entries(self.entries[parent])}
        if inline and name.removeprefix(parent + ".") not in inline:
            return True
        if parent in tabled:  # 8.0 marks the members of a table, and these alone
            return not self.entries[name].get("part_of_table")
        return not inline


class _Parents:
    """The innermost complex field above a name, found by its dotted prefixes."""

    def __init__(self, complex_names: Sequence[str]) -> None:
        self._names = frozenset(complex_names)

    def of(self, name: str) -> str | None:
        prefix = name
        while "." in prefix:
            prefix = prefix.rpartition(".")[0]
            if prefix in self._names:
                return prefix
        return None


def _field(name: str, category: _Category, adapter: str | None) -> Field | None:
    entry = category.entries[name]
    kind = _kind(name, category)
    if kind is None:
        return None
    if name in ROOTS:
        kind = ROOTS[name]
    elif _is_aggregated(name) and name not in category.own and not isinstance(kind, Many):
        kind = kind if _is_merged_date(name, entry, kind) else Many(kind)
    return Field(name, kind, adapter, _word(entry.get("title")))


def _is_aggregated(name: str) -> bool:
    # `_preferred` is what Axonius picked: a scalar, or a list where its type says so (docs/axonius-api.md, "Shapes of
    # values").
    return name.startswith("specific_data.data.") and not name.endswith("_preferred")


def _is_merged_date(name: str, entry: Entry, kind: Kind) -> bool:
    """Whether this is a date that is expected as one value; a v2 catalogue says `string` of it, without a format."""
    dated = kind == Atom("timestamp") or (kind == Atom("text") and not entry.get("format"))
    return dated and name.rpartition(".")[2] in MERGED_DATES


def _is_complex(entry: Entry) -> bool:
    items = entry.get("items")
    return bool(entry.get("is_complex")) or (isinstance(items, Mapping) and items.get("type") == "array")


def _inline_entries(entry: Entry) -> list[Entry]:
    """The members that an entry lists itself."""
    items = entry.get("items")
    inline = items.get("items") if isinstance(items, Mapping) else None
    listed = inline if isinstance(inline, list) else []
    return [one for one in listed if isinstance(one, Mapping) and isinstance(one.get("name"), str)]


def _kind(name: str, category: _Category, level: int = 1) -> Kind | None:
    entry = category.entries[name]
    if not _is_complex(entry):
        return _simple(entry)
    if level > MOST_LEVELS:
        return Many(Atom("json"))
    below = {full.removeprefix(name + "."): full for full in category.below.get(name, ())}
    return _complex(entry, {key: _kind(full, category, level + 1) for key, full in below.items()}, level)


def _complex(entry: Entry, below: Mapping[str, Kind | None], level: int) -> Kind:
    """A list of objects; what the entry says of a member goes before what a line of its own says (`below`)."""
    inline = {str(one["name"]): _inline(one, level + 1) for one in _inline_entries(entry)}
    listed = inline | {key: kind for key, kind in below.items() if key not in inline}
    members = {key: kind for key, kind in listed.items() if kind is not None}
    if members:
        return Many(group(members.items()))
    # Where no member is listed, the page decides; where all are pictures or forms, nothing is worth a column.
    return Many(Atom("json") if listed else Group(()))


def _inline(entry: Entry, level: int) -> Kind | None:
    if not _is_complex(entry):
        return _simple(entry)
    return _complex(entry, {}, level) if level <= MOST_LEVELS else Many(Atom("json"))


def _simple(entry: Entry) -> Kind | None:
    kind, form = _word(entry.get("type")), _word(entry.get("format"))
    if form in _NOT_EXTRACTED or kind == "file":
        return None
    if kind == "array":
        return _array(entry.get("items"), form)
    if kind == "string":
        return _STRING_FORMATS.get(form, Atom("text"))
    return _SCALARS.get(kind, Atom("unknown"))


def _word(told: object) -> str:
    """A text; empty for anything else, which may be nested without end."""
    return told if isinstance(told, str) else ""


def _array(items: object, form: str) -> Kind:
    # A v2 catalogue may name neither format nor items (docs/axonius-api.md,
    # "Field catalogue"): the first page decides.
    if not isinstance(items, Mapping):
        return Many(_STRING_FORMATS.get(form, Atom("unknown")) if form else Atom("unknown"))
    item = _simple({"type": items.get("type"), "format": items.get("format") or form})
    return Many(item or Atom("json"))


def with_roots(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The catalogue with the fields that are served whatever it lists, these first."""
    listed = {f.name: f for f in fields}
    roots = [listed.pop(name, Field(name, kind)) for name, kind in ROOTS.items()]
    return (*roots, *listed.values())
