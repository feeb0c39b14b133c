"""The columns of a lane, settled by its catalogue and a look at its first page, and kept for the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from axsync.api import Api, KeyStyle, short_key
from axsync.fields import Column, Field, make_columns
from axsync.model import Page
from axsync.shape.borders import NotWhole, split
from axsync.shape.restore import describe
from axsync.shape.sample import resolve

SAMPLE_ROWS = 400
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Pinned:
    """The columns, and fields that could not have one because this server gives two fields the same key."""

    columns: tuple[Column, ...]
    clashing: tuple[str, ...] = ()

    @property
    def manifest(self) -> dict[str, dict[str, Any]]:
        """Column name → its entry in the manifest."""
        return {c.name: describe(c) for c in self.columns}


def pin(api: Api, fields: Sequence[Field], first: Page, earlier: Mapping[str, Any] | None) -> Pinned:
    """Settle names, kinds and date forms. `earlier` is the lane's entry in the previous snapshot's `columns`."""
    sample = _sample(first.body, api.ROWS_KEY)
    kept, wire, clashing = fields, dict[str, str](), list[str]()
    if key_style(sample, [f.name for f in fields]) == "short":
        kept, wire, clashing = short_wire(fields)
    names = {entry["field"]: name for name, entry in (earlier or {}).items()}
    columns = make_columns(kept, wire=wire, earlier=names)
    types = {entry["field"]: entry["type"] for entry in (earlier or {}).values()}
    # Formats are part of v1's catalogue; v2's names none, so dates show only in the data (OQ-16).
    return Pinned(resolve(columns, sample, guess_dates=api.GENERATION == "v2", earlier=types), tuple(clashing))


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
