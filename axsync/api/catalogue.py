"""Catalogue entries of both generations → fields with kinds (API reference 8.1, 8.2)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from axsync.fields import Atom, Field, Kind, Many, group

Entry: TypeAlias = Mapping[str, object]

_NOT_EXTRACTED = frozenset({"password", "sq", "data_scope", "image", "logo"})  # formats: forms, pseudo fields, pictures
_STRING_FORMATS: dict[str, Kind] = {"date-time": Atom("timestamp"), "date": Atom("date"), "dynamic_field": Atom("json")}
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
"""Served whatever `fields` says (API reference 7.1); not every catalogue lists them."""


def fields_of(entries: Iterable[Entry], adapter: str | None) -> tuple[Field, ...]:
    """The root fields of one category; sub-fields listed on their own go into their complex parent."""
    named = {str(e["name"]): e for e in entries if isinstance(e.get("name"), str) and e["name"]}
    complex_names = sorted((n for n, e in named.items() if _is_complex(e)), key=len)
    parents = _Parents(complex_names)
    roots = [n for n in named if parents.of(n) is None]
    below: dict[str, list[str]] = {}
    for name in named:
        if (parent := parents.of(name)) is not None:
            below.setdefault(parent, []).append(name)
    listed = (_field(name, named, below, adapter) for name in roots)
    return tuple(f for f in listed if f is not None)


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


def _field(
    name: str, named: Mapping[str, Entry], below: Mapping[str, Sequence[str]], adapter: str | None
) -> Field | None:
    kind = _kind(name, named, below)
    if kind is None:
        return None
    if name in ROOTS:
        kind = ROOTS[name]
    elif _is_aggregated(name) and not isinstance(kind, Many):
        kind = Many(kind)
    return Field(name, kind, adapter, str(named[name].get("title") or ""))


def _is_aggregated(name: str) -> bool:
    # `_preferred` is Axonius' pick: a scalar, or a list where its type says so (API reference 7.1).
    return name.startswith("specific_data.data.") and not name.endswith("_preferred")


def _is_complex(entry: Entry) -> bool:
    items = entry.get("items")
    return bool(entry.get("is_complex")) or (isinstance(items, Mapping) and items.get("type") == "array")


def _kind(name: str, named: Mapping[str, Entry], below: Mapping[str, Sequence[str]]) -> Kind | None:
    entry = named[name]
    if _is_complex(entry):
        return _complex(name, named, below)
    return _simple(entry)


def _complex(name: str, named: Mapping[str, Entry], below: Mapping[str, Sequence[str]]) -> Kind:
    members: dict[str, Kind] = {}
    items = named[name].get("items")
    inline = items.get("items") if isinstance(items, Mapping) else None
    for entry in inline if isinstance(inline, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
            _put(members, str(entry["name"]), _inline(entry))
    for full in below.get(name, ()):
        key = full.removeprefix(name + ".")
        if key not in members:
            _put(members, key, _kind(full, named, below))
    return Many(group(members.items())) if members else Many(Atom("json"))


def _inline(entry: Entry) -> Kind | None:
    if not _is_complex(entry):
        return _simple(entry)
    name = str(entry["name"])
    return _complex(name, {name: entry}, {})


def _put(members: dict[str, Kind], key: str, kind: Kind | None) -> None:
    if kind is not None:
        members[key] = kind


def _simple(entry: Entry) -> Kind | None:
    kind, form = str(entry.get("type") or "unknown"), str(entry.get("format") or "")
    if form in _NOT_EXTRACTED or kind == "file":
        return None
    if kind == "array":
        return _array(entry.get("items"), form)
    if kind == "string":
        return _STRING_FORMATS.get(form, Atom("text"))
    return _SCALARS.get(kind, Atom("unknown"))


def _array(items: object, form: str) -> Kind:
    # A v2 catalogue may name neither format nor items (OQ-16): a look at data decides.
    if not isinstance(items, Mapping):
        return Many(_STRING_FORMATS.get(form, Atom("unknown")) if form else Atom("unknown"))
    item = _simple({"type": items.get("type"), "format": items.get("format") or form})
    return Many(item or Atom("json"))


def with_roots(fields: Iterable[Field]) -> tuple[Field, ...]:
    """The catalogue with the fields that are served whatever it lists, these first."""
    listed = {f.name: f for f in fields}
    roots = [listed.pop(name, Field(name, kind)) for name, kind in ROOTS.items()]
    return (*roots, *listed.values())
