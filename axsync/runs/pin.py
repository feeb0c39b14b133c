"""The columns of a lane, settled by its catalogue and a look at its first page, and kept for the run."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from axsync.api import Api, KeyStyle, short_key
from axsync.fields import Atom, Column, Field, make_columns
from axsync.model import Page
from axsync.plan import Selection
from axsync.shape.borders import NotWhole, split
from axsync.shape.keys import OVERFLOW
from axsync.shape.restore import columns_of, describe
from axsync.shape.sample import resolve
from axsync.shape.widen import widen

SAMPLE_ROWS = 400
OVERFLOW_COLUMN = Column("adapters_data", OVERFLOW, OVERFLOW, Atom("json"))
"""Where fields beyond the cap go: one JSON object per row."""

_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Pinned:
    """The columns, and what people should be told about them."""

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()

    @property
    def manifest(self) -> dict[str, dict[str, Any]]:
        """Column name → its entry in the manifest."""
        return {c.name: describe(c) for c in self.columns}


def pin(api: Api, selection: Selection, first: Page, *, earlier: Mapping[str, Any] | None, max_columns: int) -> Pinned:
    """Settle names, kinds and date forms.

    `earlier` is the lane's entry in the previous snapshot: its columns keep names and kinds, or widen; a field that
    the catalogue lists no more keeps its column, without values.
    """
    sample = _sample(first.body, api.ROWS_KEY)
    before = {c.field: c for c in columns_of({"columns": earlier})} if earlier else {}
    fields, capped = _capped(selection.fields, max_columns, before)
    wire, clashing = dict[str, str](), list[str]()
    if key_style(sample, [f.name for f in fields]) == "short":
        fields, wire, clashing = short_wire(fields)
    columns = make_columns(fields, wire=wire, earlier={c.field: c.name for c in before.values()})
    types = {entry["field"]: entry["type"] for entry in (earlier or {}).values()}
    # Formats are part of v1's catalogue; v2's names none, so dates show only in the data (OQ-16).
    settled = resolve(columns, sample, guess_dates=api.GENERATION == "v2", earlier=types)
    kept = [_widened(column, before.get(column.field)) for column in settled]
    # The id has a column whether the catalogue lists it or not.
    away = before.keys() - selection.listed - {c.field for c in kept} - {OVERFLOW}
    gone = _apart([c for name, c in before.items() if name in away], {c.wire for c in kept})
    overflow = [OVERFLOW_COLUMN] if capped else []
    return Pinned((*kept, *gone, *overflow), _notices(clashing, capped))


def _capped(fields: Sequence[Field], most: int, before: Container[str]) -> tuple[Sequence[Field], int]:
    """The fields that get a column of their own, and how many do not: the last of the adapters' own ones.

    Those that had a column `before` keep it.
    """
    if len(fields) <= most:
        return fields, 0
    generic = [f for f in fields if f.adapter is None]
    specific = sorted((f for f in fields if f.adapter is not None), key=lambda f: f.name not in before)
    room = max(most - len(generic), 0)
    return [*generic, *specific[:room]], len(specific) - room


def _notices(clashing: Sequence[str], capped: int) -> tuple[str, ...]:
    shared = [f"{name} has the same short name as another field on this server and is left out" for name in clashing]
    beyond = [f"{capped} fields of adapters share the JSON column {OVERFLOW_COLUMN.name}: too many columns"]
    return (*shared, *(beyond if capped else ()))


def _widened(column: Column, before: Column | None) -> Column:
    return column if before is None else replace(column, kind=widen(before.kind, column.kind))


def _apart(gone: Sequence[Column], taken: Container[str]) -> list[Column]:
    """Columns without values: their name may be the short key of another field today, and is then not theirs."""
    return [replace(c, wire=f"*{c.name}") if c.wire in taken else c for c in gone]


def _sample(body: bytes, rows_key: Literal["assets", "data"]) -> list[bytes]:
    try:
        return split(body, rows_key)[:SAMPLE_ROWS]
    except NotWhole:
        return []


def key_style(records: Sequence[bytes], names: Iterable[str]) -> KeyStyle:
    """Whether this server answers with the names it was asked, or with short ones (API reference 7.1)."""
    full = {n for n in names if short_key(n) != n}
    short = {short_key(n) for n in full}
    seen = {key for record in records for key in _known_keys(record)}
    return "short" if len(seen & short) > len(seen & full) else "full"


def _known_keys(record: bytes) -> Iterable[str]:
    try:
        return _keys(record)
    except (msgspec.DecodeError, RecursionError):
        return ()


def short_wire(fields: Sequence[Field]) -> tuple[list[Field], dict[str, str], list[str]]:
    """Short keys per field; where two fields share one, the first keeps it and the other is named (OQ-33)."""
    taken: dict[str, str] = {}
    clashing: list[str] = []
    for field in sorted(fields, key=lambda f: "." in f.name):
        key = short_key(field.name)
        if key in taken:
            clashing.append(field.name)
        else:
            taken[key] = field.name
    wire = {name: key for key, name in taken.items()}
    return [f for f in fields if f.name in wire], wire, clashing
