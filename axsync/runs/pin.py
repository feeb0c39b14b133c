"""The columns of a lane, settled by its catalogue and a look at its first page, and kept for the run."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from axsync.api import ALSO_DETAILED, DETAILS, Api
from axsync.api.catalogue import ROOTS
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
    key_owners,
    make_columns,
    short_key,
)
from axsync.schema.kinds import Atom, Group, Kind, Many, Wrapped, contains
from axsync.schema.selection import CUSTOM, Selection

SAMPLE_ROWS = 400
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


def pin(
    api: Api,
    selection: Selection,
    first: Page,
    *,
    earlier: Mapping[str, Any] | None,
    max_columns: int,
    ignored: Callable[[str], bool] = lambda _: False,
) -> Pinned:
    """Settle names, kinds and the forms in which values are served (docs/axonius-api.md, "Shapes of values").

    `earlier` is the lane's entry in the previous snapshot: its columns keep names and kinds, or widen; a field that
    the catalogue lists no more keeps its column, without values. `detailed`: records hold details of every field, also
    of those of which none are wanted.
    """
    records = _records(first.body, api.ROWS_KEY)
    sample = records[:SAMPLE_ROWS]
    before = {c.field: c for c in columns_of({"columns": earlier})} if earlier else {}
    fields, capped = _capped(_present(selection, sample, before), max_columns, before)
    json_keys, clashing = dict[str, str](), list[str]()
    if key_style(sample, [f.name for f in fields]) == "short":
        fields, json_keys, clashing = short_json_keys(fields)
    names = {c.field: c.name for c in before.values()}
    columns = make_columns(fields, json_keys=json_keys, earlier=names)
    if not capped:
        strays = _strays(columns, sample, ever=selection.open, ignored=ignored)[: max(max_columns - len(columns), 0)]
        columns = make_columns([*fields, *(Field(key, _UNKNOWN) for key in strays)], json_keys=json_keys, earlier=names)
    columns = (*columns, *_details(columns, selection.details, names))
    # A catalogue without a single format is one that names none; dates then show only in the data.
    guess_dates = not any(contains(f.kind, "timestamp", "date") for f in selection.fields)
    settled = infer_columns(
        columns, records, guess_dates=guess_dates, earlier={c.field: c.kind for c in before.values()}
    )
    # The id has a column whether the catalogue lists it or not.
    away = before.keys() - selection.listed - {c.field for c in settled} - {OVERFLOW}
    gone = _apart([c for name, c in before.items() if name in away], {c.json_key for c in settled})
    overflow = [OVERFLOW_COLUMN] if capped else []
    notices = (*_reshaped(settled, before), *_notices(clashing, capped))
    return Pinned((*settled, *gone, *overflow), notices)


def _present(selection: Selection, sample: Sequence[bytes], before: Container[str]) -> list[Field]:
    """The fields but for the well-known ones that this server does not serve."""
    seen = {key for record in sample for key in _known_keys(record)}
    return [
        f
        for f in selection.fields
        if f.name not in selection.optional or f.name in before or not seen.isdisjoint({f.name, short_key(f.name)})
    ]


def _details(columns: Sequence[Column], wanted: Container[str], earlier: Mapping[str, str]) -> list[Column]:
    """For each of these fields the column of its values by adapter: `<column>__details`."""
    return [
        Column(
            earlier.get(c.field + DETAILS, f"{c.name}_{DETAILS}"),
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
    kept_on = [c.name for c in columns if c.field in before and _shape_differs(c.kind, before[c.field].kind)]
    if not kept_on:
        return ()
    shown = ", ".join(kept_on[:5]) + (", …" if len(kept_on) > 5 else "")
    who = "one column keeps its type" if len(kept_on) == 1 else f"{len(kept_on)} columns keep their type"
    return (f"{who} though the server writes the values in another shape than before: {shown}",)


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
    for field in sorted(fields, key=lambda f: "." in f.name):
        key = short_key(field.name)
        if key in taken:
            clashing.append(field.name)
        else:
            taken[key] = field.name
    json_keys = {name: key for key, name in taken.items()}
    return [f for f in fields if f.name in json_keys], json_keys, clashing
