"""The columns of a lane, settled by its catalogue and a look at its first page, and kept for the run."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import msgspec

from axsync.api import ALSO_DETAILED, DETAILS, Api
from axsync.api.catalogue import ROOTS
from axsync.convert import Converter
from axsync.convert.inference import infer_columns
from axsync.convert.page_bytes import REFUSALS, CutPage, split_records
from axsync.model import Page
from axsync.schema.columns import (
    OVERFLOW,
    Column,
    Field,
    KeyStyle,
    columns_of,
    describe_column,
    free_name,
    key_owners,
    make_columns,
    short_key,
)
from axsync.schema.kinds import (
    Atom,
    Group,
    Kind,
    Many,
    Wrapped,
    contains,
    drop_forms,
    only_gains_members,
    type_text,
    widen,
)
from axsync.schema.registry import JSON_TEXT, Registered, Registry, json_name
from axsync.schema.selection import CUSTOM, Selection

SAMPLE_ROWS = 400
TRIED_ROWS, FEWEST_TRIED = 64, 8
"""Records that are read as others were served before values are looked at one by one. With fewer, that is quicker."""
MOST_NAMED = 5
"""Columns that are named in a notice."""
LONGEST_TYPE = 60
"""Characters of a type that are shown there."""
OVERFLOW_COLUMN = Column("adapters_data", OVERFLOW, OVERFLOW, Atom("json"))
"""Where fields beyond the cap go: one JSON object per row."""

_UNKNOWN = Atom("unknown")
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Pinned:
    """The columns, and what people should be told about them."""

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()

    @property
    def manifest(self) -> dict[str, dict[str, Any]]:
        """Column name → its entry in the manifest."""
        return {c.name: describe_column(c) for c in self.columns}


@dataclass(frozen=True, slots=True)
class LakeColumns:
    """The columns that there are: of all instances, and this lane's entries in the previous snapshot.

    `fixed`: they are those of tables, which keep their types. `served` has the kinds, with forms, of a lane of the same
    type in this run.
    """

    known: Registry = field(default_factory=Registry)
    earlier: Mapping[str, Any] = field(default_factory=dict)
    fixed: bool = False
    served: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def before(self) -> dict[str, Column]:
        """Field → column of this lane."""
        return {c.field: c for c in columns_of({"columns": self.earlier})}


def pin(
    api: Api,
    selection: Selection,
    first: Page,
    *,
    lake: LakeColumns,
    max_columns: int,
    ignored: Callable[[str], bool] = lambda _: False,
) -> Pinned:
    """Settle names, kinds and the forms in which values are served (docs/axonius-api.md, "Shapes of values").

    Columns of the registry keep names and kinds, or grow by its rules. A field that this lane had and that the
    catalogue lists no more keeps its column, without values.
    """
    records = _records(first.body, api.ROWS_KEY)
    sample = records[:SAMPLE_ROWS]
    known, before = lake.known, lake.before
    fields, capped = _capped(_present(selection, sample, before), max_columns, before)
    json_keys, clashing = dict[str, str](), list[str]()
    if key_style(sample, [f.name for f in fields]) == "short":
        fields, json_keys, clashing = short_json_keys(fields)
    first_of = known.by_field
    names = {field: one.name for field, one in first_of.items()}
    named = partial(make_columns, json_keys=json_keys, earlier=names, taken=known.taken)
    columns = named(fields)
    if not capped:
        strays = _strays(columns, sample, ever=selection.open, ignored=ignored)[: max(max_columns - len(columns), 0)]
        columns = named([*fields, *(Field(key, _UNKNOWN) for key in strays)])
    columns = (*columns, *_details(columns, selection.details, known))
    # A catalogue without a single format is one that names none; dates then show only in the data.
    guess_dates = not any(contains(f.kind, "timestamp", "date") for f in selection.fields)
    kept = {field: one.kind for field, one in first_of.items()}
    earlier = {c.field: c.kind for c in before.values()}
    infer = partial(infer_columns, records=records, guess_dates=guess_dates, known=kept, earlier=earlier)
    settle = partial(_kept_types, infer) if lake.fixed else _by_the_rules
    expected = _as_expected(columns, sample[:TRIED_ROWS], kept, (earlier, lake.served))
    inferred = {c.field: c for c in infer([c for c in columns if c.field not in expected])}
    settled, changes = settle([expected.get(c.field) or inferred[c.field] for c in columns], known)
    # The id has a column whether the catalogue lists it or not.
    away = before.keys() - selection.listed - {c.field for c in settled} - {OVERFLOW}
    gone = [_registered(c, first_of.get(name)) for name, c in before.items() if name in away]
    overflow = [_overflow(settled, known)] if capped else []
    notices = (*changes, *_reshaped(settled, before), *_notices(clashing, capped))
    return Pinned((*settled, *_apart(gone, {c.json_key for c in settled}), *overflow), notices)


def _as_expected(
    columns: Sequence[Column], records: Sequence[bytes], kept: Mapping[str, Kind], before: Sequence[Mapping[str, Kind]]
) -> dict[str, Column]:
    """Field → its column as it was served `before`, where these records read so without a remainder and show values.

    Instances mostly serve what they served yesterday, and what other instances serve. Reading some records costs a
    tenth of looking at the values one by one. None are found where the catalogue adds members to a column.
    """
    kinds = [next((k for kinds in before if (k := _matching(kinds, c, kept)) is not None), None) for c in columns]
    if len(records) < FEWEST_TRIED or None in kinds:
        return {}
    like = tuple(replace(c, kind=kind) for c, kind in zip(columns, kinds, strict=True) if kind is not None)
    shown = Converter(like, rows_key="assets", run_id="").shown(records) or ()
    return {c.field: c for c in like if c.field in shown}


def _matching(served: Mapping[str, Kind], column: Column, kept: Mapping[str, Kind]) -> Kind | None:
    """The kind that was served, if it is that of the registry and the catalogue adds nothing to it."""
    kind, own = served.get(column.field), kept.get(column.field)
    same = kind is not None and own is not None and drop_forms(kind) == own
    return kind if same and own is not None and widen(own, column.kind) == own else None


def _overflow(columns: Sequence[Column], known: Registry) -> Column:
    taken = {*known.taken, *(c.name for c in columns)}
    return replace(OVERFLOW_COLUMN, name=_name_of(OVERFLOW, OVERFLOW_COLUMN.name, known, taken))


def _name_of(field: str, wished: str, known: Registry, taken: Container[str]) -> str:
    """The name of a field that has none of its own in any catalogue."""
    one = known.by_field.get(field)
    return one.name if one else free_name(wished, field, taken) if wished in taken else wished


def _registered(column: Column, one: Registered | None) -> Column:
    """A column of the snapshot before, as the registry has its field."""
    if one is None or (one.name == column.name and one.kind == drop_forms(column.kind)):
        return column
    return replace(column, name=one.name, kind=one.kind)


def _by_the_rules(columns: Sequence[Column], known: Registry) -> tuple[tuple[Column, ...], list[str]]:
    """The columns, each field in that column of the registry that takes its values, and what to say of changes."""
    first_of, json_names = known.by_field, known.json_names
    taken = {*known.taken, *(c.name for c in columns)}
    found, grew, apart = list[Column](), list[str](), list[str]()
    for column in columns:
        now, one = drop_forms(column.kind), first_of.get(column.field)
        if one is not None and now == JSON_TEXT != one.kind:
            name = json_names.get(column.field) or json_name(one.name, column.field, taken)
            taken.add(name)
            found.append(replace(column, name=name))
            apart.append(f"{name} (not {one.name}, {_short(one.kind)})")
            continue
        found.append(column)
        if one is not None and not only_gains_members(one.kind, now):
            grew.append(f"{column.name} from {_short(one.kind)} to {_short(now)}")
    return tuple(found), [
        *([f"columns that widen ({len(grew)}): {_some(grew)}"] if grew else []),
        *(
            [f"values that no longer fit their column go to a JSON column ({len(apart)}): {_some(apart)}"]
            if apart
            else []
        ),
    ]


def _kept_types(
    infer: Callable[..., tuple[Column, ...]], columns: Sequence[Column], known: Registry
) -> tuple[tuple[Column, ...], list[str]]:
    """The columns, each field in its first one, whose type stays; what to say where the values ask for another type."""
    first_of = known.by_field
    kept = {name: one for c in columns if (one := first_of.get(name := c.field)) and _outgrows(c, one)}
    if not kept:
        return tuple(columns), []
    again = {c.field: c for c in infer([c for c in columns if c.field in kept], fixed=True)}
    told = [f"{one.name} ({_short(one.kind)})" for one in kept.values()]
    return tuple(again.get(c.field, c) for c in columns), [
        f"columns of tables keep their types, and what does not fit is rescued ({len(told)}): {_some(told)}"
    ]


def _outgrows(column: Column, one: Registered) -> bool:
    return not only_gains_members(one.kind, drop_forms(column.kind))


def _short(kind: Kind) -> str:
    text = type_text(kind)
    return text if len(text) <= LONGEST_TYPE else f"{text[:LONGEST_TYPE]}…"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")


def _present(selection: Selection, sample: Sequence[bytes], before: Container[str]) -> list[Field]:
    """The fields but for the well-known ones that this server does not serve."""
    seen = {key for record in sample for key in _known_keys(record)}
    return [
        f
        for f in selection.fields
        if f.name not in selection.optional or f.name in before or not seen.isdisjoint({f.name, short_key(f.name)})
    ]


def _details(columns: Sequence[Column], wanted: Container[str], known: Registry) -> list[Column]:
    """For each of these fields the column of its values by adapter: `<column>__details`."""
    taken = {*known.taken, *(c.name for c in columns)}
    return [
        Column(
            _name_of(c.field + DETAILS, f"{c.name}_{DETAILS}", known, taken),
            c.field + DETAILS,
            c.json_key + DETAILS,
            Many(_UNKNOWN),
        )
        for c in columns
        if c.field in wanted
    ]


def is_detail(key: str) -> bool:
    """Whether a key comes along with details."""
    return key.endswith(DETAILS) or key in ALSO_DETAILED


def _strays(
    columns: Sequence[Column], sample: Sequence[bytes], *, ever: bool, ignored: Callable[[str], bool]
) -> list[str]:
    """Keys without a column that most records have, or `ever` one has: served whether they were asked for or not."""
    owned = key_owners(columns)
    counts = Counter(key for record in sample for key in _known_keys(record) if key not in owned)
    often = [key for key, count in counts.items() if (ever or 2 * count > len(sample)) and key.isprintable()]
    return [key for key in often if not ignored(key)]


def _capped(fields: Sequence[Field], most: int, before: Container[str]) -> tuple[Sequence[Field], int]:
    """The fields that get a column of their own, and how many do not: adapters' own fields go first, then the last.

    Those that had a column `before` keep it, and so do the fields that every record has.
    """
    if len(fields) <= most:
        return fields, 0

    def rank(one: Field) -> tuple[bool, bool, bool]:
        return one.name not in ROOTS, one.adapter not in (None, CUSTOM), one.name not in before

    return sorted(fields, key=rank)[: max(most, len(ROOTS))], len(fields) - max(most, len(ROOTS))


def _notices(clashing: Sequence[str], capped: int) -> tuple[str, ...]:
    shared = [f"{name} has the same short name as another field on this server and is left out" for name in clashing]
    beyond = [f"{capped} fields share the JSON column {OVERFLOW_COLUMN.name}: too many columns"]
    return (*shared, *(beyond if capped else ()))


def _reshaped(columns: Sequence[Column], before: Mapping[str, Column]) -> tuple[str, ...]:
    """What to say of columns that keep their type though their values are served in another shape than before."""
    kept_on = [c.name for c in columns if c.field in before and _is_reshaped(c, before[c.field])]
    if not kept_on:
        return ()
    who = "one column keeps its type" if len(kept_on) == 1 else f"{len(kept_on)} columns keep their type"
    return (f"{who} though the server writes the values in another shape than before: {_some(kept_on)}",)


def _is_reshaped(now: Column, before: Column) -> bool:
    stays = now.name == before.name and only_gains_members(drop_forms(before.kind), drop_forms(now.kind))
    return stays and _shape_differs(now.kind, before.kind)


def _shape_differs(now: Kind, before: Kind) -> bool:
    match now, before:
        case Many(item, bare), Many(other, was):
            return bare != was or _shape_differs(item, other)
        case Wrapped(item), Wrapped(other):
            return _shape_differs(item, other)
        case Group(members), Group(others):
            earlier = {m.key: m.kind for m in others}
            return any(_shape_differs(m.kind, earlier[m.key]) for m in members if m.key in earlier)
        case Atom(), Atom():
            return False
        case _:
            return True


def _apart(gone: Sequence[Column], taken: Container[str]) -> list[Column]:
    """Columns without values: their name may be the short key of another field today, and is then not theirs."""
    return [replace(c, json_key=f"*{c.name}") if c.json_key in taken else c for c in gone]


def _records(body: bytes, rows_key: Literal["assets", "data"]) -> list[bytes]:
    try:
        return split_records(body, rows_key)
    except CutPage:
        return []


def key_style(records: Sequence[bytes], names: Iterable[str]) -> KeyStyle:
    """Whether this server answers with the names it was asked, or with short ones (docs/axonius-api.md, "Records")."""
    full = {n for n in names if short_key(n) != n}
    short = {short_key(n) for n in full}
    seen = {key for record in records for key in _known_keys(record)}
    return "short" if len(seen & short) > len(seen & full) else "full"


def _known_keys(record: bytes) -> Iterable[str]:
    try:
        return _keys(record)
    except REFUSALS:
        return ()


def short_json_keys(fields: Sequence[Field]) -> tuple[list[Field], dict[str, str], list[str]]:
    """Short keys per field; where two fields share one, the first keeps it and the other is named."""
    taken: dict[str, str] = {}
    clashing: list[str] = []
    for one in sorted(fields, key=lambda f: "." in f.name):
        key = short_key(one.name)
        if key in taken:
            clashing.append(one.name)
        else:
            taken[key] = one.name
    json_keys = {name: key for key, name in taken.items()}
    return [f for f in fields if f.name in json_keys], json_keys, clashing
