"""Field catalogue entries, the kinds of their values, and the columns derived from a list of fields."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import pyarrow as pa

AtomName: TypeAlias = Literal["text", "timestamp", "date", "bool", "integer", "number", "json", "unknown"]

RESCUED, RUN_ID, FETCHED_AT = "axsync_rescued", "axsync_run_id", "axsync_fetched_at"
RESERVED = frozenset({RESCUED, RUN_ID, FETCHED_AT, "entity", "instance", "dt"})
"""Names of axsync's own columns and the partition columns."""

RFC1123 = "rfc1123"
"""The form of dates if none was seen; `schema.dates` lists all forms."""
ISO_MICROS = "iso:T:6:Z"
"""The form that can express every timestamp."""
EPOCHS = ("epoch", "epoch_ms")
"""The forms of timestamps that are integers."""

MAX_NAME_BYTES = 255  # Glue's limit for a column name
FIELD_KEY = b"axonius.field"
"""Arrow field metadata key that holds the Axonius name."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A single value. `json` stores any value as its JSON text; `unknown` is decided by data.

    `form` is how the server writes it, if not as the corresponding JSON type:

        timestamp  a name in `schema.dates`, or "epoch", "epoch_ms": seconds or milliseconds since 1970 as an integer
        integer    "text": `"5"`
        number     "text": `"7.0"`; "short text": `"7"` if the fraction is zero
        bool       "0/1": an integer; "true/false", "True/False", "TRUE/FALSE": a string
    """

    name: AtomName
    form: str = ""


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values of one kind. `bare`: the server writes a single element without the list."""

    item: "Kind"
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A single value or object that the server writes as a list of one element."""

    item: "Kind"


@dataclass(frozen=True, slots=True)
class Member:
    """One key of an object: `key` as served, `name` in the lake."""

    key: str
    name: str
    kind: "Kind"


@dataclass(frozen=True, slots=True)
class Group:
    """An object with known keys."""

    members: tuple[Member, ...]


Kind: TypeAlias = Atom | Many | Wrapped | Group
"""The type of a column, and how the server writes its values if that differs from the type."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an instance's catalogue; `adapter` is None for a generic field."""

    name: str
    kind: Kind
    adapter: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the lake: `name` in the lake, `field` at Axonius, `json_key` in this server's records."""

    name: str
    field: str
    json_key: str
    kind: Kind

    @property
    def dates(self) -> str | None:
        """The form of its dates (`schema.dates`), the first one if there are several; None if it has none."""
        return next(_date_forms(self.kind), None)


def _date_forms(kind: Kind) -> Iterator[str]:
    match kind:
        case Many(item) | Wrapped(item):
            yield from _date_forms(item)
        case Group(members):
            for member in members:
                yield from _date_forms(member.kind)
        case Atom("timestamp", form):
            yield form or RFC1123


_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "bool": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "json": pa.string(),
    "unknown": pa.string(),
}


def arrow_type(kind: Kind) -> pa.DataType:
    """The Arrow type in which values of `kind` are stored."""
    match kind:
        case Many(item):
            return pa.list_(arrow_type(item))
        case Wrapped(item):
            return arrow_type(item)
        case Group(members):
            return pa.struct([pa.field(m.name, arrow_type(m.kind), metadata={FIELD_KEY: m.key}) for m in members])
        case Atom(name):
            return _ARROW[name]


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a lane's part files: its columns, then axsync's own, the rescue column last."""
    own = [
        pa.field(RUN_ID, pa.string()),
        pa.field(FETCHED_AT, pa.timestamp("us", tz="UTC")),
        pa.field(RESCUED, pa.string()),
    ]
    served = [pa.field(c.name, arrow_type(c.kind), metadata={FIELD_KEY: c.field}) for c in columns]
    return pa.schema(served + own)


def type_text(kind: Kind) -> str:
    """The type as shown to people and in the manifest, such as `list<struct<mac: string>>`."""
    match kind:
        case Many(item):
            return f"list<{type_text(item)}>"
        case Wrapped(item):
            return type_text(item)
        case Group(()):  # members that the data will tell
            return "json"
        case Group(members):
            return f"struct<{', '.join(f'{m.name}: {type_text(m.kind)}' for m in members)}>"
        case Atom(name="json"):
            return "json"
        case Atom(name):
            return str(_ARROW[name])


def contains(kind: Kind, *names: AtomName) -> bool:
    """Whether an atom with one of these names occurs anywhere in the kind."""
    match kind:
        case Many(item) | Wrapped(item):
            return contains(item, *names)
        case Group(members):
            return any(contains(m.kind, *names) for m in members)
        case Atom(name):
            return name in names


def plain_name(field: str) -> str:
    """The preferred column name of a field.

    `specific_data.data.os.type` → `os_type`, `adapters_data.aws_adapter.region` → `aws__region`.
    """
    adapter, rest = "", field
    if field.startswith("specific_data.data."):
        rest = field.removeprefix("specific_data.data.")
    elif matched := re.fullmatch(r"adapters_data\.([^.]+)\.(.+)", field):
        adapter, rest = matched[1].removesuffix("_adapter") + "__", matched[2]
    name = _legalize(adapter) + _legalize(rest) if adapter else _legalize(rest)
    return name.lstrip("_") or "field"


def _legalize(text: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", text.lower())


def _add_suffix(name: str, original: str, taken: Collection[str]) -> str:
    seed = original
    while True:
        digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        suffixed = f"{name[: MAX_NAME_BYTES - 9]}_{digest}"
        if suffixed not in taken:
            return suffixed
        seed += "+"  # another field has exactly this name


def assign_names(
    originals: Iterable[str], *, reserved: Iterable[str] = (), earlier: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Original name → lake name, without collisions and independent of the order given.

    `earlier` is the mapping of a previous snapshot. Its names are kept, so that a column never changes its name when
    another one appears. If two fields want the same name, generic fields come first, then alphabetical order; the
    others get a suffix derived from their own name, which is therefore stable.
    """
    wanted, earlier = set(originals), earlier or {}
    # Including fields that are missing today: a name must not change its meaning in their absence.
    taken = {*reserved, *earlier.values()}
    names = {o: earlier[o] for o in wanted if o in earlier}
    for original in sorted(wanted - set(names), key=lambda o: (o.startswith("adapters_data."), o)):
        wished = plain_name(original)
        legal = wished not in taken and len(wished) <= MAX_NAME_BYTES and not wished.startswith("axsync_")
        names[original] = wished if legal else _add_suffix(wished, original, taken)
        taken.add(names[original])
    return names


def group(pairs: Iterable[tuple[str, Kind]]) -> Group:
    """An object kind with lake names for its keys."""
    listed = dict(pairs)
    names = assign_names(listed)
    return Group(tuple(Member(key, names[key], kind) for key, kind in listed.items()))


def make_columns(
    fields: Sequence[Field], *, json_keys: Mapping[str, str] | None = None, earlier: Mapping[str, str] | None = None
) -> tuple[Column, ...]:
    """Columns for these fields, in their order; `json_keys` maps field names to the keys of the server's records."""
    names = assign_names([f.name for f in fields], reserved=RESERVED, earlier=earlier)
    keys = json_keys or {}
    return tuple(Column(names[f.name], f.name, keys.get(f.name, f.name), f.kind) for f in fields)


def with_dates(column: Column, form: str | None) -> Column:
    """The column with this form for those of its dates that have none yet."""
    return replace(column, kind=_map_atoms(column.kind, lambda atom: _with_form(atom, form or RFC1123)))


def _with_form(atom: Atom, form: str) -> Atom:
    return Atom("timestamp", form) if atom == Atom("timestamp") else atom


def drop_forms(kind: Kind) -> Kind:
    """The kind without the forms of the server: what decides the column's type."""
    return _map_atoms(_unwrap(kind), lambda atom: Atom(atom.name))


def canonical(kind: Kind) -> Kind:
    """The kind as cleaned records are written: JSON's own types, dates as lossless strings."""
    return _map_atoms(_unwrap(kind), _canonical_atom)


def _canonical_atom(atom: Atom) -> Atom:
    if atom.name == "timestamp":
        return Atom("timestamp", ISO_MICROS if atom.form in EPOCHS else atom.form or RFC1123)
    return Atom(atom.name)


def _unwrap(kind: Kind) -> Kind:
    match kind:
        case Many(item):
            return Many(_unwrap(item))
        case Wrapped(item):
            return _unwrap(item)
        case Group(members):
            return Group(tuple(replace(m, kind=_unwrap(m.kind)) for m in members))
        case Atom():
            return kind


def _map_atoms(kind: Kind, change: Callable[[Atom], Atom]) -> Kind:
    match kind:
        case Many(item):
            return replace(kind, item=_map_atoms(item, change))
        case Wrapped(item):
            return Wrapped(_map_atoms(item, change))
        case Group(members):
            return Group(tuple(replace(m, kind=_map_atoms(m.kind, change)) for m in members))
        case Atom():
            return change(kind)
