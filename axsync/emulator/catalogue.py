"""The field catalogue of an entity type, in the forms of both generations (docs/axonius-api.md, "Field catalogue")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from axsync.emulator.fields import ADAPTERS, AGGREGATED, TEXT, WHOLE, EntityModel, FieldSpec, Json, Kind

_UNLISTED = frozenset({"labels", "specific_data"})  # recorded names that are listed anyway, or never
CUSTOM = "gui"  # the source of custom fields
_KIND_OF_ADAPTERS = Kind("array", "discrete", Kind("string", "logo"))
_KIND_OF_LABELS = Kind("array", None, Kind("string", "tag"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the catalogue."""

    name: str
    kind: Kind
    source: str  # "generic", an adapter, or "gui" for custom fields
    root: bool = True
    columns: tuple[FieldSpec, ...] = ()
    table: str | None = None  # the complex field that it is a member of

    @property
    def title(self) -> str:
        """The name as shown to users."""
        return self.name.rpartition(".")[2].replace("_", " ").strip().title()


def entries(model: EntityModel) -> tuple[Entry, ...]:
    """All entries: generic ones first, then those of each adapter."""
    every = (*_roots(model), *_generic(model), *_specific(model), *_recorded(model))
    return tuple({entry.name: entry for entry in reversed(every)}.values())[::-1]


def _recorded(model: EntityModel) -> Iterator[Entry]:
    tables = [one.column.name for one in model.recorded if one.column.columns]
    for one in model.recorded:
        if one.column.name not in _UNLISTED and not one.column.name.endswith("_details"):
            first, *members = _lines("", one.column, one.source)
            inside = any(first.name.startswith(f"{table}.") for table in tables)
            yield replace(first, root=not inside)
            yield from members


def _roots(model: EntityModel) -> Iterator[Entry]:
    yield Entry("internal_axon_id", TEXT, "generic")
    yield Entry("adapters", _KIND_OF_ADAPTERS, "generic")
    if model.counted:
        yield Entry("adapter_list_length", WHOLE, "generic")
    yield Entry("labels", _KIND_OF_LABELS, "generic")
    for column in model.extra:
        yield Entry(column.name, column.kind, "generic")


def _generic(model: EntityModel) -> Iterator[Entry]:
    for column in model.columns:
        yield from _lines(AGGREGATED, column, "generic")
        if column.preferred:
            yield Entry(f"{AGGREGATED}{column.name}_preferred", column.kind, "generic")
        yield from _own(model, AGGREGATED + column.name)


def _own(model: EntityModel, root: str) -> Iterator[Entry]:
    # Listed like a member of the complex field above, but not among its items.
    for own in model.own:
        if own.listed and own.name.startswith(root + "."):
            yield Entry(own.name, own.kind, "generic", root=False)


def names(model: EntityModel) -> frozenset[str]:
    """Every name that can be requested, listed or not."""
    return frozenset((*(entry.name for entry in entries(model)), *(own.name for own in model.own), "specific_data"))


def _specific(model: EntityModel) -> Iterator[Entry]:
    for adapter, columns in model.special.items():
        for column in columns:
            yield from _lines(f"{ADAPTERS}{adapter}.", column, adapter)


def _lines(prefix: str, column: FieldSpec, source: str) -> Iterator[Entry]:
    # Members of a complex field are also listed as entries of their own, under their full dotted names.
    name = prefix + column.name
    yield Entry(name, column.kind, source, columns=column.columns)
    for inner in column.columns:
        yield Entry(f"{name}.{inner.name}", inner.kind, source, root=False, table=name)


def catalogue_v2(model: EntityModel, *, roots_only: bool, search: str, formats: bool) -> dict[str, list[Json]]:
    """Category -> field objects; `format` and `items` only if the product version has them."""
    listed: dict[str, list[Json]] = {}
    for entry in entries(model):
        if (entry.root or not roots_only) and search.lower() in f"{entry.name} {entry.title}".lower():
            listed.setdefault(entry.source, []).append(_flat_line(entry, formats=formats))
    return listed


def _flat_line(entry: Entry, *, formats: bool) -> Json:
    line = {
        "name": entry.name,
        "title": entry.title,
        "type": entry.kind.type,
        "adapter_name": entry.source,
        "is_complex": bool(entry.columns),
        "is_root": entry.root,
    }
    return {**line, **_shape(entry), **_newer(entry)} if formats else line


def _newer(entry: Entry) -> dict[str, Json]:
    """What versions since 8.0 add."""
    if entry.table is not None:
        return {"part_of_table": True, "base_table_name": entry.table}
    return {"generic": True, "dynamic": True} if entry.source == CUSTOM else {}


def _shape(entry: Entry) -> dict[str, Json]:
    shape = {key: value for key, value in _kind(entry.kind).items() if key != "type"}
    if entry.columns:
        shape["items"] = {"type": "array", "items": [_sub_line(column) for column in entry.columns]}
    return shape


def _kind(kind: Kind) -> dict[str, Json]:
    described: dict[str, Json] = {"type": kind.type}
    if kind.format:
        described["format"] = kind.format
    if kind.items:
        described["items"] = _kind(kind.items)
    return described


def _sub_line(column: FieldSpec) -> Json:
    return {"name": column.name, "title": column.name.replace("_", " ").title(), **_kind(column.kind)}


def catalogue_v1(model: EntityModel) -> Json:
    """The `meta` of the v1 reply: generic, specific and schema."""
    generic = [_v1_line(entry) for entry in entries(model) if entry.source == "generic"]
    specific: dict[str, list[Json]] = {adapter: [] for adapter in model.special}
    for entry in entries(model):
        if entry.source != "generic":
            specific.setdefault(entry.source, []).append(_v1_line(entry))
    return {
        "generic": generic,
        "specific": specific,
        "schema": {
            "generic": {"items": generic, "required": [], "type": "array"},
            "specific": dict.fromkeys(specific),
        },
    }


def _v1_line(entry: Entry) -> Json:
    return {"name": entry.name, "title": entry.title, "type": entry.kind.type, **_shape(entry)}
